/* winograd_tiles.h: the transforms of tiles, as many channels at once as a register holds. winograd_isa.c
 * includes this once for each set of instructions; FMA is rounded once in each of them, so that the bits are
 * the same. */

/* o = B' d */
INLINE void NAME(to_points)(const vec *d, vec *o)
{
    const vec p = FMA(SET(-Q2), d[2], d[4]), q = FMA(SET(-Q2), d[1], d[3]), r = FMA(SET(-P2), d[2], d[4]),
              s = FMA(SET(-P2), d[1], d[3]);
    o[0] = FMA(SET(P2 * Q2), d[0], FMA(SET(-(P2 + Q2)), d[2], d[4]));
    o[1] = FMA(SET(P), q, p);
    o[2] = FMA(SET(-P), q, p);
    o[3] = FMA(SET(Q), s, r);
    o[4] = FMA(SET(-Q), s, r);
    o[5] = FMA(SET(P2 * Q2), d[1], FMA(SET(-(P2 + Q2)), d[3], d[5]));
}

/* o = A d */
INLINE void NAME(spread_points)(const vec *d, vec *o)
{
    const vec p = FMA(SET(P2), d[2], d[0]), q = FMA(SET(P2), d[3], d[1]), r = FMA(SET(Q2), d[2], d[0]),
              s = FMA(SET(Q2), d[3], d[1]);
    o[0] = d[0];
    o[1] = FMA(SET(P), q, p);
    o[2] = FMA(SET(-P), q, p);
    o[3] = FMA(SET(Q), s, r);
    o[4] = FMA(SET(-Q), s, r);
    o[5] = d[3];
}

/* o = A' m */
INLINE void NAME(from_points)(const vec *m, vec *o)
{
    const vec b = ADD(m[1], m[2]), c = SUB(m[1], m[2]), d = ADD(m[3], m[4]), e = SUB(m[3], m[4]);
    o[0] = ADD(ADD(m[0], b), d);
    o[1] = FMA(SET(P), c, MUL(SET(Q), e));
    o[2] = FMA(SET(P2), b, MUL(SET(Q2), d));
    o[3] = FMA(SET(P * P2), c, FMA(SET(Q * Q2), e, m[5]));
}

/* n: of W channels; a constant where all are there */
INLINE void NAME(in_part)(const float *const *px, long at, long n, float *v, long step)
{
    vec t[POINTS];
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; j++) {
        vec d[EDGE], o[EDGE];
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) d[i] = PIXEL(px[EDGE * i + j] + at, n);
        NAME(to_points)(d, o);
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) t[EDGE * i + j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; i++) {
        vec o[EDGE];
        NAME(to_points)(t + EDGE * i, o);
#pragma GCC unroll 6
        for (int j = 0; j < EDGE; j++) STORE(v + (EDGE * i + j) * step + at, o[j]);
    }
}

INLINE void NAME(spread_part)(const float *const *px, long at, long n, float *v, long step)
{
    vec t[EDGE * SIDE];
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        vec d[SIDE], o[EDGE];
#pragma GCC unroll 4
        for (int i = 0; i < SIDE; i++) d[i] = PIXEL(px[SIDE * i + j] + at, n);
        NAME(spread_points)(d, o);
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) t[SIDE * i + j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; i++) {
        vec o[EDGE];
        NAME(spread_points)(t + SIDE * i, o);
#pragma GCC unroll 6
        for (int j = 0; j < EDGE; j++) STORE(v + (EDGE * i + j) * step + at, o[j]);
    }
}

INLINE void NAME(fill)(long from, long c, float *v, long step)
{
    for (long at = from; at < lines_of(c); at += W)
        for (int p = 0; p < POINTS; p++) STORE(v + p * step + at, SET(0));
}

TARGET static void NAME(in)(long c, const float *const *px, float *v, long step)
{
    long at = 0;
    for (; at + W <= c; at += W) NAME(in_part)(px, at, W, v, step);
    if (at < c) NAME(in_part)(px, at, c - at, v, step), at += W;
    NAME(fill)(at, c, v, step);
}

TARGET static void NAME(spread)(long c, const float *const *px, float *v, long step)
{
    long at = 0;
    for (; at + W <= c; at += W) NAME(spread_part)(px, at, W, v, step);
    if (at < c) NAME(spread_part)(px, at, c - at, v, step), at += W;
    NAME(fill)(at, c, v, step);
}

INLINE void NAME(out_part)(const results *r, long at, long n, int rows, int columns)
{
    vec t[SIDE * EDGE];
    const vec low = r->relu ? SET(0) : SET(-INFINITY);
    const vec bias = !r->bias ? SET(0) : PIXEL(r->bias + at, n);
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; j++) {
        vec m[EDGE], o[SIDE];
#pragma GCC unroll 6
        for (int i = 0; i < EDGE; i++) m[i] = LOAD(r->m + (EDGE * i + j) * r->step + at);
        NAME(from_points)(m, o);
#pragma GCC unroll 4
        for (int i = 0; i < SIDE; i++) t[EDGE * i + j] = o[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i++) {
        vec o[SIDE];
        NAME(from_points)(t + EDGE * i, o);
#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++) {
            float *y = r->y + i * r->line + j * r->pixel + at;
            const vec z = MAX(low, ADD(o[j], bias));
            if (i >= rows || j >= columns) continue;
            if (n == W) STORE(y, z);
            else STOREN(y, z, n);
        }
    }
}

TARGET static void NAME(out)(const results *r)
{
    const bool all = r->rows == SIDE && r->columns == SIDE;
    long at = 0;
    for (; all && at + W <= r->n; at += W) NAME(out_part)(r, at, W, SIDE, SIDE);
    for (; at + W <= r->n; at += W) NAME(out_part)(r, at, W, r->rows, r->columns);
    if (at < r->n) NAME(out_part)(r, at, r->n - at, r->rows, r->columns);
}

static const wino_kernels NAME(wino) = { NAME(in), NAME(spread), NAME(mul), NAME(sum), NAME(out), ROWS };

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
