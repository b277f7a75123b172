/* conform_optimizer.c: to be written. */
#include "conform.h"

int conform_optimizer(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of optimizers");
    return 0;
}

int conform_schedule(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of schedules");
    return 0;
}
