/* places.c: open addressing by a hash of the coordinates. Only the first of equal points is kept: it is in
 * every history in which the point is at all. */
#include "places.h"
#include <string.h>

typedef struct { uint64_t hash; const double *x; long at; } place;   /* x NULL: free */
/* room: a power of two */
struct sx_places { sx_arena *arena; int axes; long told, n, room; place *v; };

sx_places *sx_places_open(sx_arena *a, int axes)
{
    sx_places *p = SX_NEW(a, sx_places);
    *p = (sx_places){ .arena = a, .axes = axes };
    return p;
}

/* Equal points hash alike: -0 as 0, every NaN as one. */
static uint64_t hash_of(const sx_places *p, const double *x)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < p->axes; i++) {
        const double v = x[i] + 0.0;
        uint64_t bits = 0x7ff8000000000000u;
        if (!isnan(v)) memcpy(&bits, &v, sizeof bits);
        h = (h ^ bits) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static bool same(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* The slot of the point, or the free one that it would take. */
static place *slot_of(const sx_places *p, uint64_t hash, const double *x)
{
    const uint64_t mask = (uint64_t)p->room - 1;
    uint64_t i = hash & mask;
    while (p->v[i].x && !(p->v[i].hash == hash && same(p->v[i].x, x, p->axes))) i = (i + 1) & mask;
    return &p->v[i];
}

static void enlarge(sx_places *p)
{
    const place *old = p->v;
    const long n = p->room;
    p->room = n ? 2 * n : 64;
    p->v = sx_alloc_array(p->arena, (size_t)p->room, sizeof *p->v);
    for (long i = 0; i < n; i++) if (old[i].x) *slot_of(p, old[i].hash, old[i].x) = old[i];
}

void sx_places_add(sx_places *p, const double *x)
{
    if (2 * p->n >= p->room) enlarge(p);
    const uint64_t hash = hash_of(p, x);
    place *slot = slot_of(p, hash, x);
    if (!slot->x) {
        *slot = (place){ hash, x, p->told };
        p->n++;
    }
    p->told++;
}

long sx_places_find(const sx_places *p, const double *x)
{
    if (!p->n) return -1;
    const place *slot = slot_of(p, hash_of(p, x), x);
    return slot->x ? slot->at : -1;
}
