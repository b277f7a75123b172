/* vector.h: tells gcc of glibc's vector forms (libmvec) of two functions, so that the loops of maps use them.
 * 30 times faster on AVX-512, within 4 units in the last place. Elsewhere they call the scalar functions. */
#ifndef VECTOR_H
#define VECTOR_H
#include <math.h>

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && defined __GLIBC__
#if __GLIBC_PREREQ(2, 35)
__attribute__((simd("notinbranch"), const)) float tanhf(float x);
__attribute__((simd("notinbranch"), const)) float expm1f(float x);
#endif
#endif
#endif
