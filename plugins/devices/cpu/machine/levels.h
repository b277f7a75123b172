/* levels.h: takes KERNELS in once for each set of instructions there may be, over the vectors of vector.h.
 * Behind it EACH_LEVEL(f) is f(0), f(1), .. for the initializer of a table that isa_level(most) is an index
 * of. */
#include <string.h>
#include "cpu.h"
#define LEVEL 0
#include KERNELS
#undef LEVEL
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define LEVEL 1
#include KERNELS
#undef LEVEL
#define LEVEL 2
#include KERNELS
#undef LEVEL
#define EACH_LEVEL(f) f(0), f(1), f(2)
#else
#define EACH_LEVEL(f) f(0)
#endif
