/* winograd_tiles.h: the transforms of tiles, as many channels at once as a register holds. winograd_isa.c
 * includes this once for each set of instructions; FMA is rounded once in each of them, so that the bits are
 * the same. */

/* Along an axis with n results, a constant. Of the points those are made and used that n needs. */
/* o = B' d, of n + 2 pixels; what is left out of the product over the other points is a factor */
INLINE void NAME(to_points)(const int n, const vec *d, vec *o)
{
    if (n == 4) {
        const vec p = FMA(SET(-Q2), d[2], d[4]), q = FMA(SET(-Q2), d[1], d[3]), r = FMA(SET(-P2), d[2], d[4]),
                  s = FMA(SET(-P2), d[1], d[3]);
        o[0] = FMA(SET(P2 * Q2), d[0], FMA(SET(-(P2 + Q2)), d[2], d[4]));
        o[1] = FMA(SET(P), q, p);
        o[2] = FMA(SET(-P), q, p);
        o[3] = FMA(SET(Q), s, r);
        o[4] = FMA(SET(-Q), s, r);
        o[5] = FMA(SET(P2 * Q2), d[1], FMA(SET(-(P2 + Q2)), d[3], d[5]));
    } else if (n == 3) {
        const vec p = FMA(SET(-Q), d[0], d[1]), q = FMA(SET(-Q), d[1], d[2]), r = FMA(SET(-Q), d[2], d[3]),
                  s = FMA(SET(-Q), d[3], d[4]);
        o[0] = MUL(SET(Q), FMA(SET(-P2), p, r));
        o[1] = MUL(SET(Q + P), FMA(SET(P), q, r));
        o[2] = MUL(SET(Q - P), FMA(SET(-P), q, r));
        o[3] = MUL(SET(2 * Q), FMA(SET(-P2), d[1], d[3]));
        o[5] = FMA(SET(-P2), q, s);
    } else if (n == 2) {
        o[0] = MUL(SET(-Q2), FMA(SET(-P2), d[0], d[2]));
        o[1] = MUL(SET(P2 - Q2), FMA(SET(P), d[1], d[2]));
        o[2] = MUL(SET(P2 - Q2), FMA(SET(-P), d[1], d[2]));
        o[5] = FMA(SET(-P2), d[1], d[3]);
    } else {
        o[0] = MUL(SET(-P * Q2), FMA(SET(-P), d[0], d[1]));
        o[1] = MUL(SET(2 * P * (P2 - Q2)), d[1]);
        o[5] = FMA(SET(-P), d[1], d[2]);
    }
}

/* o = A d, of n pixels */
INLINE void NAME(spread_points)(const int n, const vec *d, vec *o)
{
    o[0] = d[0];
    if (n == 4) {
        const vec p = FMA(SET(P2), d[2], d[0]), q = FMA(SET(P2), d[3], d[1]), r = FMA(SET(Q2), d[2], d[0]),
                  s = FMA(SET(Q2), d[3], d[1]);
        o[1] = FMA(SET(P), q, p);
        o[2] = FMA(SET(-P), q, p);
        o[3] = FMA(SET(Q), s, r);
        o[4] = FMA(SET(-Q), s, r);
    } else if (n == 3) {
        const vec p = FMA(SET(P2), d[2], d[0]);
        o[1] = FMA(SET(P), d[1], p);
        o[2] = FMA(SET(-P), d[1], p);
        o[3] = FMA(SET(Q), d[1], FMA(SET(Q2), d[2], d[0]));
    } else if (n == 2) {
        o[1] = FMA(SET(P), d[1], d[0]);
        o[2] = FMA(SET(-P), d[1], d[0]);
    } else o[1] = d[0];
    o[5] = d[n - 1];
}

/* o = A' m, n results */
INLINE void NAME(from_points)(const int n, const vec *m, vec *o)
{
    if (n == 1) {
        o[0] = ADD(ADD(m[0], m[1]), m[5]);
        return;
    }
    const vec b = ADD(m[1], m[2]), c = SUB(m[1], m[2]);
    if (n == 4) {
        const vec d = ADD(m[3], m[4]), e = SUB(m[3], m[4]);
        o[0] = ADD(ADD(m[0], b), d);
        o[1] = FMA(SET(P), c, MUL(SET(Q), e));
        o[2] = FMA(SET(P2), b, MUL(SET(Q2), d));
        o[3] = FMA(SET(P * P2), c, FMA(SET(Q * Q2), e, m[5]));
    } else if (n == 3) {
        o[0] = ADD(ADD(m[0], b), m[3]);
        o[1] = FMA(SET(P), c, MUL(SET(Q), m[3]));
        o[2] = FMA(SET(P2), b, FMA(SET(Q2), m[3], m[5]));
    } else {
        o[0] = ADD(m[0], b);
        o[1] = FMA(SET(P), c, m[5]);
    }
}

/* --- Both axes, columns first. rows, columns: results of the tile, constants; n: of W channels, a constant where
 * all are there --- */
INLINE void NAME(in_part)(const int rows, const int columns, const pixels *px, long at, long n, float *v,
                          long step)
{
    vec t[POINTS];
#pragma GCC unroll 6
    for (int j = 0; j < columns + 2; j++) {
        vec d[EDGE], o[EDGE];
#pragma GCC unroll 6
        for (int i = 0; i < rows + 2; i++) d[i] = PIXEL(px->px[i][j] + at, n);
        NAME(to_points)(rows, d, o);
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) if (needs(rows, i)) t[EDGE * i + j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; i++) {
        vec o[EDGE];
        if (!needs(rows, i)) continue;
        NAME(to_points)(columns, t + EDGE * i, o);
#pragma GCC unroll 6
        for (int j = 0; j < EDGE; j++) if (needs(columns, j)) STORE(v + (EDGE * i + j) * step + at, o[j]);
    }
}

INLINE void NAME(spread_part)(const int rows, const int columns, const pixels *px, long at, long n, float *v,
                              long step)
{
    vec t[EDGE * SIDE];
#pragma GCC unroll 4
    for (int j = 0; j < columns; j++) {
        vec d[SIDE], o[EDGE];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) d[i] = PIXEL(px->px[i][j] + at, n);
        NAME(spread_points)(rows, d, o);
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) if (needs(rows, i)) t[SIDE * i + j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; i++) {
        vec o[EDGE];
        if (!needs(rows, i)) continue;
        NAME(spread_points)(columns, t + SIDE * i, o);
#pragma GCC unroll 6
        for (int j = 0; j < EDGE; j++) if (needs(columns, j)) STORE(v + (EDGE * i + j) * step + at, o[j]);
    }
}

INLINE void NAME(out_part)(const int rows, const int columns, const results *r, long at, long n)
{
    vec t[SIDE * EDGE];
    const vec low = r->relu ? SET(0) : SET(-INFINITY);
    const vec bias = !r->bias ? SET(0) : PIXEL(r->bias + at, n);
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; j++) {
        vec m[EDGE], o[SIDE];
        if (!needs(columns, j)) continue;
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) if (needs(rows, i)) m[i] = LOAD(r->m + (EDGE * i + j) * r->step + at);
        NAME(from_points)(rows, m, o);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) t[EDGE * i + j] = o[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        vec o[SIDE];
        NAME(from_points)(columns, t + EDGE * i, o);
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) {
            float *y = r->y + i * r->line + j * r->pixel + at;
            const vec z = MAX(low, ADD(o[j], bias));
            if (n == W) STORE(y, z);
            else STOREN(y, z, n);
        }
    }
}

/* --- All channels of a tile: whole ones have loops of their own for all channels of a register. --- */
#define EACH_TILE(rows, columns, part) \
    switch (SIDE * (rows) + (columns)) { \
    case SIDE * 1 + 1: part(1, 1); break; \
    case SIDE * 1 + 2: part(1, 2); break; \
    case SIDE * 1 + 3: part(1, 3); break; \
    case SIDE * 1 + 4: part(1, 4); break; \
    case SIDE * 2 + 1: part(2, 1); break; \
    case SIDE * 2 + 2: part(2, 2); break; \
    case SIDE * 2 + 3: part(2, 3); break; \
    case SIDE * 2 + 4: part(2, 4); break; \
    case SIDE * 3 + 1: part(3, 1); break; \
    case SIDE * 3 + 2: part(3, 2); break; \
    case SIDE * 3 + 3: part(3, 3); break; \
    case SIDE * 3 + 4: part(3, 4); break; \
    case SIDE * 4 + 1: part(4, 1); break; \
    case SIDE * 4 + 2: part(4, 2); break; \
    case SIDE * 4 + 3: part(4, 3); break; \
    default: part(4, 4); \
    }
static long NAME(left)(long c, long at) { return c - at < W ? c - at : W; }

INLINE void NAME(fill)(long from, long c, float *v, long step)
{
    for (long at = from; at < lines_of(c); at += W)
        for (int p = 0; p < POINTS; p++) STORE(v + p * step + at, SET(0));
}

TARGET static void NAME(in)(const pixels *px, float *v, long step)
{
    const bool whole = px->rows == SIDE && px->columns == SIDE;
    long at = 0;
    for (; whole && at + W <= px->c; at += W) NAME(in_part)(SIDE, SIDE, px, at, W, v, step);
#define PART(I, J) for (; at < px->c; at += W) NAME(in_part)(I, J, px, at, NAME(left)(px->c, at), v, step)
    EACH_TILE(px->rows, px->columns, PART)
#undef PART
    NAME(fill)(at, px->c, v, step);
}

TARGET static void NAME(spread)(const pixels *px, float *v, long step)
{
    const bool whole = px->rows == SIDE && px->columns == SIDE;
    long at = 0;
    for (; whole && at + W <= px->c; at += W) NAME(spread_part)(SIDE, SIDE, px, at, W, v, step);
#define PART(I, J) for (; at < px->c; at += W) NAME(spread_part)(I, J, px, at, NAME(left)(px->c, at), v, step)
    EACH_TILE(px->rows, px->columns, PART)
#undef PART
    NAME(fill)(at, px->c, v, step);
}

TARGET static void NAME(out)(const results *r)
{
    const bool whole = r->rows == SIDE && r->columns == SIDE;
    long at = 0;
    for (; whole && at + W <= r->n; at += W) NAME(out_part)(SIDE, SIDE, r, at, W);
#define PART(I, J) for (; at < r->n; at += W) NAME(out_part)(I, J, r, at, NAME(left)(r->n, at))
    EACH_TILE(r->rows, r->columns, PART)
#undef PART
}

static const wino_kernels NAME(wino) = { NAME(in), NAME(spread), NAME(mul), NAME(sum), NAME(out), ROWS };

#undef EACH_TILE
#undef ISA
#undef TARGET
#undef ROWS
#undef W
#undef vec
#undef LOAD
#undef LOADN
#undef STORE
#undef STOREN
#undef SET
#undef FMA
#undef ADD
#undef SUB
#undef MUL
#undef MAX
