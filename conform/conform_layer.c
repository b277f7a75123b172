/* conform_layer.c: to be written. */
#include "conform.h"

int conform_layer(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of layers");
    return 0;
}

int conform_loss(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of losss");
    return 0;
}

int conform_metric(conform *c, const sx_entry *e)
{
    (void)e;
    conform_skip(c, "the suite of metrics");
    return 0;
}
