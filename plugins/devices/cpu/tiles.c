/* tiles.c: products by matrix units (AMX) for convolutions in bf16: two sets of kernels that give the same
 * bits, one by the unit's instructions, one by their definition. */
#include <math.h>
#include <string.h>
#include "tiles.h"

#define LEVEL 0
#include "tiles_kernels.h"
#undef LEVEL
static const tile_kernels plain = { forward_0, gradient_0 };
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define LEVEL 2
#include "tiles_kernels.h"
#undef LEVEL
static const tile_kernels unit = { forward_2, gradient_2 };
#else
#define unit plain
#endif

const tile_kernels *tile_kernels_of(cpu_isa most)
{
    return most == ISA_AMX && isa_here() == ISA_AMX ? &unit : &plain;
}
