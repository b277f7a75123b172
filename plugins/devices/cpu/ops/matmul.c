/* matmul.c: products of whole matrices. One side of the result is cut into pieces, by shapes alone; the
 * operand of the other side is packed once for all of them, that of a piece by the thread that computes
 * it. */
#include <string.h>
#include "cpu.h"

/* Depth of a block; floats of a block of the result or of packed panels, for L2; lines packed at once; what
 * parts lines that would else share a cache set. */
enum { DEPTH = 256, FLOATS = 64 << 10, SLAB = 4 * PRODUCT_ROWS, SKEW = 16, PIECES = 64 };

static long multiple(long n, long of) { return ceil_div(n, of) * of; }
static long padded(long n) { return multiple(n, PRODUCT_WIDTH); }

/* What a product costs in cycles, nearly: elements to be turned, and work on what fills no panel, too. */
static double cost(double turns, long rows, long columns, long depth)
{
    return turns / 2 + (double)rows * (double)padded(columns) * (double)depth / 32;
}

/* Lines of `a` and panels of `b` lie well as they are or must be turned; turning the result instead may spare
 * that. */
matmul matmul_of(unsigned trans, long m, long n, long k)
{
    const bool ta = trans & SX_TRANS_A, tb = trans & SX_TRANS_B;
    const double size_a = (double)m * (double)k, size_b = (double)n * (double)k,
                 as_is = cost((ta ? size_a : 0) + (tb ? size_b : 0), m, n, k),
                 other = cost((ta ? 0 : size_a) + (tb ? 0 : size_b) + (double)m * (double)n, n, m, k);
    matmul p = { .rows = m, .columns = n, .depth = k, .turned = other < as_is };
    p.a = (matmul_side){ ta, ta ? m : k };
    p.b = (matmul_side){ tb, tb ? k : n };
    if (p.turned) {
        const matmul_side a = p.a;
        p.a = (matmul_side){ !p.b.turned, p.b.ld };
        p.b = (matmul_side){ !a.turned, a.ld };
        p.rows = n, p.columns = m;
    }
    const double work = 2.0 * (double)m * (double)n * (double)k;
    const long pieces = work < 4e6 ? 1 : work > 4e6 * PIECES ? PIECES : (long)(work / 4e6);
    /* A result larger than its operands is better made line by line. */
    p.by_rows = p.rows > p.columns || (!p.turned && k < m && k < n && m >= 8 * PRODUCT_ROWS);
    p.piece = p.by_rows ? multiple(ceil_div(p.rows, pieces), PRODUCT_ROWS)
                        : padded(ceil_div(p.columns, pieces));
    p.block = k <= 2 * DEPTH ? (k ? k : 1) : DEPTH;
    p.block_columns = lesser(padded(FLOATS / p.block),
                             lesser(p.by_rows ? padded(p.columns) : p.piece, 16 * 64));
    p.block_rows = lesser(multiple(FLOATS / p.block_columns, PRODUCT_ROWS), p.by_rows ? p.piece : p.rows);
    return p;
}

static long line_a(const matmul *p) { return p->block + SKEW; }
static long line_c(const matmul *p) { return p->block_columns + SKEW; }
static long pieces(const matmul *p) { return ceil_div(p->by_rows ? p->rows : p->columns, p->piece); }
/* Floats of all lines or panels of one block of the sum. */
static long block_a(const matmul *p) { return p->rows * line_a(p); }
static long block_b(const matmul *p) { return padded(p->columns) * p->block; }

size_t matmul_shared(const matmul *p)
{
    return (size_t)ceil_div(p->depth, p->block) * (size_t)(p->by_rows ? block_b(p) : block_a(p))
           * sizeof(float);
}
size_t matmul_lane(const matmul *p)
{
    const long own = p->by_rows ? p->block_rows * line_a(p) : p->block_columns * p->block;
    return (size_t)(own + p->block_rows * line_c(p)) * sizeof(float);
}

typedef struct {
    const matmul *p; pool *pool; product *mul; transposing *turn;
    const float *a, *b; float *y, *shared;
    const matmul_sink *sink;
} job;

/* Lines [i, i + m) along the sum's [k, k + n) */
static void pack_lines(const job *j, long i, long m, long k, long n, float *to)
{
    const matmul_side *a = &j->p->a;
    const long line = line_a(j->p);
    if (a->turned) j->turn(n, m, j->a + k * a->ld + i, a->ld, to, line);
    else for (long r = 0; r < m; r++)
        memcpy(to + r * line, j->a + (i + r) * a->ld + k, (size_t)n * sizeof *to);
}

/* Columns [c, c + m) of the sum's [k, k + n), as one panel */
static void pack_panel(const job *j, long c, long m, long k, long n, float *to)
{
    const matmul_side *b = &j->p->b;
    if (m < PRODUCT_WIDTH) memset(to, 0, (size_t)(n * PRODUCT_WIDTH) * sizeof *to);
    if (b->turned) j->turn(m, n, j->b + c * b->ld + k, b->ld, to, PRODUCT_WIDTH);
    else if (m == PRODUCT_WIDTH)                 /* a copy of constant size is a few moves */
        for (long r = 0; r < n; r++)
            memcpy(to + r * PRODUCT_WIDTH, j->b + (k + r) * b->ld + c, PRODUCT_WIDTH * sizeof *to);
    else
        for (long r = 0; r < n; r++)
            memcpy(to + r * PRODUCT_WIDTH, j->b + (k + r) * b->ld + c, (size_t)m * sizeof *to);
}

static long units(const matmul *p)
{
    return p->by_rows ? ceil_div(p->columns, PRODUCT_WIDTH) : ceil_div(p->rows, SLAB);
}

static void pack_shared(const void *ctx, long i, int thread)
{
    (void)thread;
    const job *j = ctx;
    const matmul *p = j->p;
    const long each = units(p), k = i / each * p->block, n = lesser(p->depth - k, p->block), u = i % each;
    if (p->by_rows) {
        const long c = u * PRODUCT_WIDTH;
        pack_panel(j, c, lesser(p->columns - c, PRODUCT_WIDTH), k, n,
                   j->shared + i / each * block_b(p) + c * p->block);
    } else {
        const long r = u * SLAB;
        pack_lines(j, r, lesser(p->rows - r, SLAB), k, n, j->shared + i / each * block_a(p) + r * line_a(p));
    }
}

/* What does not fill a panel is computed beside the result. */
static void tile(const job *j, int rows, long columns, const factors *f)
{
    if (columns >= PRODUCT_WIDTH) {
        j->mul(rows, f);
        return;
    }
    float t[PRODUCT_ROWS * PRODUCT_WIDTH] = { 0 };
    const size_t line = (size_t)columns * sizeof *t;
    for (int i = 0; i < rows && f->add; i++) memcpy(t + i * PRODUCT_WIDTH, f->c + i * f->ldc, line);
    j->mul(rows, &(factors){ f->k, f->lda, PRODUCT_WIDTH, f->a, f->b, t, f->add, f->soon, f->soons });
    for (int i = 0; i < rows; i++) memcpy(f->c + i * f->ldc, t + i * PRODUCT_WIDTH, line);
}

/* of the result; k: of the sum, a block from there */
typedef struct { long row, rows, column, columns, k; } area;
/* cache lines wanted soon; line: of the first row */
typedef struct { const char *p; size_t ld; long lines, rows, line; } ahead;
typedef struct { const void **place; long n, most; } wanted;

static void want(wanted *w, const void *place)
{
    if (w->n < w->most) w->place[w->n++] = place;
}

static void want_ahead(wanted *w, ahead *f, long n)
{
    for (; n > 0 && f->rows; n--) {
        want(w, f->p + f->line * LINE);
        if (++f->line == f->lines) f->line = 0, f->rows--, f->p += f->ld;
    }
}

/* What this step's own operand will be packed from. */
static ahead ahead_of(const job *j, area at)
{
    const matmul *p = j->p;
    const matmul_side *o = p->by_rows ? &p->a : &p->b;
    const long along = lesser(p->depth - at.k, p->block), from = p->by_rows ? at.row : at.column,
               n = p->by_rows ? at.rows : at.columns;
    const bool sum_last = p->by_rows != o->turned;         /* the sum goes along lines in memory */
    const float *first = (p->by_rows ? j->a : j->b) + (sum_last ? from * o->ld + at.k : at.k * o->ld + from);
    const long width = sum_last ? along : n;
    return (ahead){ (const char *)first, (size_t)o->ld * sizeof *first,
                    ceil_div(width * (long)sizeof *first, LINE), sum_last ? n : along, 0 };
}

/* A tile's places in what is shaped like the result and will be written. */
static void want_near(wanted *w, const job *j, long row, long rows, long column)
{
    for (int i = 0; i < j->sink->n; i++)
        for (long r = row; r < row + rows; r++) {
            const float *to = j->sink->near[i] + r * j->p->columns + column;
            want(w, to), want(w, to + PRODUCT_WIDTH / 2);
        }
}

/* Adds a block of the sum to an area of the result. */
static void multiply(const job *j, area at, const float *a, const float *b, float *c, long ldc, ahead *next)
{
    const matmul *p = j->p;
    const long n = lesser(p->depth - at.k, p->block), lda = line_a(p),
               groups = ceil_div(at.rows, PRODUCT_ROWS);
    const void *place[2 * DEPTH];
    const long share = ceil_div(next->lines * next->rows, groups * ceil_div(at.columns, PRODUCT_WIDTH));
    for (long column = 0; column < at.columns; column += PRODUCT_WIDTH)
        for (long row = 0, left = groups, rows; row < at.rows; row += rows, left--) {
            rows = ceil_div(at.rows - row, left);
            wanted w = { place, 0, n };
            if (at.k == 0) want_near(&w, j, at.row + row, rows, at.column + column);
            want_ahead(&w, next, share);
            tile(j, (int)rows, at.columns - column,
                 &(factors){ n, lda, ldc, a + row * lda, b + column * p->block, c + row * ldc + column,
                             at.k > 0, place, w.n });
        }
}

static void pack_own(const job *j, area at, float *own)
{
    const matmul *p = j->p;
    const long n = lesser(p->depth - at.k, p->block);
    if (p->by_rows) pack_lines(j, at.row, at.rows, at.k, n, own);
    else for (long c = 0; c < at.columns; c += PRODUCT_WIDTH)
        pack_panel(j, at.column + c, lesser(at.columns - c, PRODUCT_WIDTH), at.k, n, own + c * p->block);
}

static void compute_area(const job *j, area at, float *own, ahead *next)
{
    const matmul *p = j->p;
    const bool aside = p->turned || j->sink->done;
    const long i = at.k / p->block, ldc = aside ? line_c(p) : p->columns;
    float *block = own + (p->by_rows ? p->block_rows * line_a(p) : p->block_columns * p->block),
          *c = aside ? block : j->y + at.row * p->columns + at.column;
    const float *a = p->by_rows ? own : j->shared + i * block_a(p) + at.row * line_a(p);
    const float *b = p->by_rows ? j->shared + i * block_b(p) + at.column * p->block : own;
    multiply(j, at, a, b, c, ldc, next);
    if (at.k + p->block < p->depth || !aside) return;
    if (p->turned) j->turn(at.rows, at.columns, c, ldc, j->y + at.column * p->rows + at.row, p->rows);
    else j->sink->done(j->sink->ctx, at.row, at.rows, at.column, at.columns, c, ldc);
}

/* Step s of a piece: along the sum first, then along the side that is shared. */
static area area_at(const matmul *p, area all, long s)
{
    const long blocks = ceil_div(p->depth, p->block), down = ceil_div(all.rows, p->block_rows),
               across = ceil_div(all.columns, p->block_columns), e = blocks ? s / blocks : s;
    const long r = (p->by_rows ? e / across : e % down) * p->block_rows,
               c = (p->by_rows ? e % across : e / down) * p->block_columns;
    return (area){ all.row + r, lesser(all.rows - r, p->block_rows), all.column + c,
                   lesser(all.columns - c, p->block_columns), blocks ? s % blocks * p->block : 0 };
}

static bool same_own(const matmul *p, area a, area b)
{
    return a.k == b.k && (p->by_rows ? a.row == b.row : a.column == b.column);
}

static void compute_piece(const void *ctx, long i, int thread)
{
    const job *j = ctx;
    const matmul *p = j->p;
    const long from = i * p->piece, end = lesser(from + p->piece, p->by_rows ? p->rows : p->columns);
    const area all = p->by_rows ? (area){ from, end - from, 0, p->columns, 0 }
                                : (area){ 0, p->rows, from, end - from, 0 };
    float *own = pool_room(j->pool, thread);
    const long blocks = p->depth ? ceil_div(p->depth, p->block) : 1,
               steps = blocks * ceil_div(all.rows, p->block_rows) * ceil_div(all.columns, p->block_columns);
    area at = area_at(p, all, 0), next;
    for (long s = 0; s < steps; s++, at = next) {
        if (s == 0 || !same_own(p, at, area_at(p, all, s - 1))) pack_own(j, at, own);
        next = area_at(p, all, s + 1);
        ahead soon = s + 1 < steps && !same_own(p, at, next) ? ahead_of(j, next) : (ahead){ .lines = 1 };
        compute_area(j, at, own, &soon);
    }
}

void matmul_run(const matmul *p, cpu_isa most, pool *threads, const float *a, const float *b, float *y,
                void *shared, const matmul_sink *sink)
{
    const matmul_sink stored = { .n = p->turned ? 0 : 1, .near = &y };
    const job j = { p, threads, product_of(most), turn_of(most), p->turned ? b : a, p->turned ? a : b, y,
                    shared, sink ? sink : &stored };
    const long packs = ceil_div(p->depth, p->block) * units(p);
    if (pieces(p) > 1) pool_for(threads, packs, pack_shared, &j);
    else for (long i = 0; i < packs; i++) pack_shared(&j, i, 0);
    pool_for(threads, pieces(p), compute_piece, &j);
}
