/* places.c: open addressing by a hash of the coordinates. Only the first of equal points is kept: it is in
 * every history in which the point is at all. */
#include "places.h"
#include <string.h>

typedef struct { uint32_t hash, next; } place;   /* next: behind the place of the point; 0: free */
/* room: a power of two */
struct sx_places {
    sx_arena *arena; int axes;
    struct { const double **v; long n, cap; } told;
    long n, room; place *v;
};

sx_places *sx_places_open(sx_arena *a, int axes)
{
    sx_places *p = SX_NEW(a, sx_places);
    *p = (sx_places){ .arena = a, .axes = axes };
    return p;
}

/* Equal points hash alike: -0 as 0, every NaN as one. */
static uint32_t hash_of(const sx_places *p, const double *x)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < p->axes; i++) {
        const double v = x[i] + 0.0;
        uint64_t bits = 0x7ff8000000000000u;
        if (!isnan(v)) memcpy(&bits, &v, sizeof bits);
        h = (h ^ bits) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static bool same(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* The slot of the point, or the free one that it would take. */
static place *slot_of(const sx_places *p, uint32_t hash, const double *x)
{
    const uint64_t mask = (uint64_t)p->room - 1;
    uint64_t i = hash & mask;
    while (p->v[i].next && !(p->v[i].hash == hash && same(p->told.v[p->v[i].next - 1], x, p->axes)))
        i = (i + 1) & mask;
    return &p->v[i];
}

static void enlarge(sx_places *p, long points)
{
    const place *old = p->v;
    const long n = p->room;
    for (p->room = n ? 2 * n : 64; p->room / 2 <= points;) p->room *= 2;
    p->v = sx_alloc_array(p->arena, (size_t)p->room, sizeof *p->v);
    for (long i = 0; i < n; i++)
        if (old[i].next) *slot_of(p, old[i].hash, p->told.v[old[i].next - 1]) = old[i];
}

void sx_places_expect(sx_places *p, long more)
{
    if (p->room / 2 <= p->n + more) enlarge(p, p->n + more);
}

void sx_places_add(sx_places *p, const double *x)
{
    sx_places_expect(p, 0);
    const uint32_t hash = hash_of(p, x);
    place *slot = slot_of(p, hash, x);
    SX_PUSH(p->arena, p->told, x);
    if (slot->next) return;
    *slot = (place){ hash, (uint32_t)p->told.n };
    p->n++;
}

long sx_places_find(const sx_places *p, const double *x)
{
    return p->n ? (long)slot_of(p, hash_of(p, x), x)->next - 1 : -1;
}
