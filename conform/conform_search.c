/* conform_search.c: to be written. */
#include "conform.h"

int conform_sampler(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of samplers");
    return 0;
}

int conform_pruner(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of pruners");
    return 0;
}
