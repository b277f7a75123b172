/* list_isa.c: the sets of instructions that kernels of the device `cpu` can use on this processor, the least
 * first, a line each. */
#include <stdio.h>
#include "cpu.h"

int main(void)
{
    for (int i = ISA_PLAIN; i <= (int)isa_here(); i++) puts(isa_name((cpu_isa)i));
    return 0;
}
