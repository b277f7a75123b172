/* needs_symbol.c: a plugin of the right ABI that calls what nobody defines (OF_STRIX: a name that looks like
 * strix' own). */
#include <strix/plugin.h>

#ifdef OF_STRIX
#define NAME needs_strix
#define CALL sx_not_in_this_strix
#else
#define NAME needs_symbol
#define CALL somebody_elses_call
#endif
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define LAYER(ID, ...) SX_LAYER(ID, __VA_ARGS__)
#define ITEM(ID) SX_ITEM(ID)

double CALL(double x);
static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    (void)g, (void)p;
    return CALL(1) > 0 ? x : (sx_t){ 0 };
}

LAYER(NAME, SX_NO_PARAMS, sx_no_params, .doc = "needs a symbol", .forward = forward);
SX_PLUGIN(TEXT(NAME), "1.0", "MIT", ITEM(NAME));
