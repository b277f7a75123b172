/* winograd_order.c: tiles in the order of their kinds, in which those that need a point are neighbours. */
#include <string.h>
#include "winograd.h"

static int kind_of(const tile *t)
{
    if (t->columns == SIDE) return t->rows == SIDE ? WHOLE : BOTTOM;
    return t->rows == SIDE ? RIGHT : CORNER;
}

static wino_order add_up(const long *count)
{
    wino_order o = { { 0 } };
    for (int k = 0; k < KINDS; k++) o.start[k + 1] = o.start[k] + count[k];
    return o;
}

static tile next_of(const geometry *g, tile t)
{
    t.j += SIDE;
    if (t.j >= g->ow) t.j = 0, t.i += SIDE;
    if (t.i >= g->oh) t.i = 0, t.image++, t.line += g->oh;
    t.rows = (int)lesser(SIDE, g->oh - t.i), t.columns = (int)lesser(SIDE, g->ow - t.j);
    return t;
}

wino_order wino_order_of(const geometry *g, long from, long n, tile *t)
{
    long count[KINDS] = { 0 }, next[KINDS];
    const tile first = tile_of(g, from);
    tile at = first;
    for (long i = 0; i < n; i++, at = next_of(g, at)) count[kind_of(&at)]++;
    const wino_order o = add_up(count);
    memcpy(next, o.start, sizeof next);
    at = first;
    for (long i = 0; i < n; i++, at = next_of(g, at)) t[next[kind_of(&at)]++] = at;
    return o;
}

/* --- of whole images --- */
static void count_kinds(const geometry *g, long images, long *count)
{
    const long rows = g->oh / SIDE, columns = g->ow / SIDE;
    const bool bottom = g->oh % SIDE > 0, right = g->ow % SIDE > 0;
    count[BOTTOM] = images * bottom * columns;
    count[WHOLE] = images * rows * columns;
    count[RIGHT] = images * rows * right;
    count[CORNER] = images * bottom * right;
}

wino_order wino_order_all(const geometry *g, long images)
{
    long count[KINDS];
    count_kinds(g, images, count);
    return add_up(count);
}

long wino_place(const geometry *g, long images, long t)
{
    const tile at = tile_of(g, t);
    const int kind = kind_of(&at);
    const long row = at.i / SIDE, column = at.j / SIDE,
               of[KINDS] = { column, row * (g->ow / SIDE) + column, row, 0 };
    long each[KINDS];
    count_kinds(g, 1, each);
    return wino_order_all(g, images).start[kind] + at.image * each[kind] + of[kind];
}

static int last_of(long size) { return size % SIDE ? (int)(size % SIDE) : SIDE; }

stretch wino_needing(const geometry *g, const wino_order *o, long point)
{
    const bool low = needs(last_of(g->oh), point / EDGE), right = needs(last_of(g->ow), point % EDGE);
    const long from = o->start[low ? BOTTOM : WHOLE], end = o->start[!right ? RIGHT : low ? KINDS : CORNER];
    return (stretch){ from, end - from };
}

static long points_along(long size) { return size / SIDE * EDGE + (size % SIDE ? size % SIDE + 2 : 0); }
double wino_products(const geometry *g) { return (double)points_along(g->oh) * (double)points_along(g->ow); }
