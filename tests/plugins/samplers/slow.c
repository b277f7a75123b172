/* slow: a sampler that thinks for a second, and finds a random point. */
#include <strix/plugin.h>
#include <time.h>

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    (void)p, (void)cache, (void)h, (void)tag;
    nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
    sx_point_random(s, r, x);
    return 0;
}

static const sx_param params[] = { SX_END };
SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, slow, params, sx_no_params, .doc = "thinks for a second", .ask = ask);
SX_PLUGIN("slow", "1.0", "MIT", SX_ITEM(slow));
