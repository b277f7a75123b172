/* wrong_end.c: a sampler that does not come back, of which the conformance suite must tell: its stack
 * overflows, or (HANG) it waits for ever, or (LOAD) its file does so before it is loaded. */
#include <strix/plugin.h>
#include <unistd.h>

#if defined HANG || defined LOAD
#ifdef LOAD
#define NAME "wrong_load"
__attribute__((constructor)) static void wait_for_ever(void) { for (;;) pause(); }
#else
#define NAME "wrong_hang"
#endif
static int lost(volatile const char *above)
{
    for (;;) pause();
    return *above;
}
#else
#define NAME "wrong_crash"
static int lost(volatile const char *above)
{
    volatile char here[4096];
    here[0] = *above;
    return here[0] ? 0 : lost(here) + here[0];
}
#endif

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    (void)p, (void)cache, (void)tag;
    sx_point_random(s, r, x);
    return h->n < 3 ? 0 : lost(&(volatile char){ 0 });
}

static const sx_param params[] = { SX_END };
SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, away, params, sx_no_params, .doc = "does not come back", .ask = ask);
SX_PLUGIN(NAME, "1.0", "MIT", SX_ITEM(away));
