/* tiles_conv.c: convolutions by matrix units: images in bf16 with zeros around, as one long strip of pixels
 * that windows go over, so that what a tap sees of 16 neighbours is a tile as it lies there. Neighbouring
 * lines share the zeros between them, and neighbouring images: a position of the strip is a result or one to
 * be thrown away. */
#include <math.h>
#include <string.h>
#include "tiles.h"

/* BLOCK: weights of a panel's tiles */
enum { WINDOW = 7, TAPS = WINDOW * WINDOW, BLOCK = 2 * SIDE_T * DEPTH_T };
/* bytes of a strip; of both sides of sums, and positions */
enum { STRIP = 256 << 10, POINTS = 512 << 10, MOST = 512 };

static long fill(long n) { return ceil_div(n, PAIR_T) * PAIR_T; }
static long wide_of(const geometry *g) { return g->w + larger(g->pad[1], g->pad[3]); }
static long high_of(const geometry *g) { return g->h + larger(g->pad[0], g->pad[2]); }
static long taps_of(const geometry *g) { return g->r * g->s; }
static long blocks_of(const geometry *g) { return ceil_div(g->c, DEPTH_T); }

static bool can(const geometry *g)
{
    bool yes = g->groups == 1 && g->r <= WINDOW && g->s <= WINDOW;
    for (int i = 0; i < 2; i++) yes = yes && g->stride[i] == 1 && g->dilation[i] == 1;
    for (int i = 0; i < 4; i++) yes = yes && g->pad[i] < (i % 2 ? g->s : g->r);
    return yes && g->oh > 0 && g->ow > 0;
}

/* Half of a tile's depth may be zeros, and still it is faster than f32. */
static bool pays(conv_kind kind, const geometry *g, long images)
{
    enum { CHANNELS = 16 };
    (void)kind, (void)images;
    return isa_most() == ISA_AMX && tiles_here() && g->c >= CHANNELS && g->k >= CHANNELS;
}

static geometry turned(const geometry *g)
{
    geometry b = *g;
    b.h = g->oh, b.w = g->ow, b.c = g->k, b.oh = g->h, b.ow = g->w, b.k = g->c;
    for (int i = 0; i < 4; i++) b.pad[i] = (i % 2 ? g->s : g->r) - 1 - g->pad[i];
    return b;
}

static long least_sums(const geometry *g) { return ceil_div(MOST, g->oh * g->ow); }
static long least(const geometry *g, bool heavy) { return (void)heavy, least_sums(g); }

/* Strips have enough lines that few are loaded twice, and fours where pooling may follow. */
static long grain(const geometry *g)
{
    enum { POSITIONS = 512, LEAST = 8 };
    const long lines = g->oh % 4 ? g->oh : 4;
    return lines * larger(ceil_div(POSITIONS, lines * g->ow), ceil_div(LEAST, lines));
}

/* --- weights --- */
static size_t weights(const geometry *g)
{
    return (size_t)(ceil_div(g->k, PAIR_T) * taps_of(g) * blocks_of(g) * BLOCK) * sizeof(uint16_t);
}

typedef struct { const geometry *g; bool back; const float *w; uint16_t *u; } preparing;

/* Pair p of channels, one number for each of n filters, goes to its tiles. */
static void put_pair(uint16_t *u, long p, long n, long step, const uint16_t *even, const uint16_t *odd)
{
    for (long f = 0; f < n; f++) {
        uint16_t *to = u + f / SIDE_T * SIDE_T * DEPTH_T + p * DEPTH_T + f % SIDE_T * 2;
        to[0] = even[f * step], to[1] = odd[f * step];
    }
}

/* Channels [c, c + m) of filters [k, k + n): lines of weights go along the channels, or back along the
 * filters. */
static void pack_block(const preparing *p, long tap, long c, long m, long k, long n, uint16_t *u)
{
    const geometry *g = p->g;
    const long taps = taps_of(g);
    uint16_t lines[PAIR_T][PAIR_T] = { { 0 } };
    memset(u, 0, BLOCK * sizeof *u);
    for (long f = 0; f < n && !p->back; f++)
        bf16_narrow(m, p->w + ((k + f) * taps + tap) * g->c + c, lines[f]);
    for (long i = 0; i < m && p->back; i++)
        bf16_narrow(n, p->w + ((c + i) * taps + taps - 1 - tap) * g->k + k, lines[i]);
    for (long i = 0; i < m; i += 2) {
        if (p->back) put_pair(u, i / 2, n, 1, lines[i], lines[i + 1]);
        else put_pair(u, i / 2, n, PAIR_T, &lines[0][i], &lines[0][i + 1]);
    }
}

static void prepare_part(const void *ctx, long i, int thread)
{
    (void)thread;
    const preparing *p = ctx;
    const geometry *g = p->g;
    const long panel = i / taps_of(g), k = panel * PAIR_T;
    uint16_t *u = p->u + i * blocks_of(g) * BLOCK;
    for (long c = 0; c < g->c; c += DEPTH_T, u += BLOCK)
        pack_block(p, i % taps_of(g), c, lesser(g->c - c, DEPTH_T), k, lesser(g->k - k, PAIR_T), u);
}

static void prepare(pool *p, const geometry *g, bool back, const float *w, void *u)
{
    pool_for(p, ceil_div(g->k, PAIR_T) * taps_of(g), prepare_part, &(preparing){ g, back, w, u });
}

/* --- strips of padded lines --- */
typedef struct { long h, w, c, top, left, wide, high; } image;
static image image_of(const geometry *g)
{
    return (image){ g->h, g->w, g->c, g->pad[0], g->pad[1], wide_of(g), high_of(g) };
}
/* Results lie at the positions of the windows' first taps. */
static image results_of(const geometry *g)
{
    return (image){ g->oh, g->ow, g->k, 0, 0, wide_of(g), high_of(g) };
}

static void clear(uint16_t *to, long pixels, long filled)
{
    memset(to, 0, (size_t)(pixels * filled) * sizeof *to);
}

static void load_pixels(const image *m, const float *x, uint16_t *to)
{
    const long filled = fill(m->c);
    if (m->c == filled) {
        bf16_narrow(m->w * m->c, x, to);
        return;
    }
    for (long j = 0; j < m->w; j++, x += m->c, to += filled) {
        bf16_narrow(m->c, x, to);
        memset(to + m->c, 0, (size_t)(filled - m->c) * sizeof *to);
    }
}

/* Padded lines [v, v + n); x: lines [from, end) of the images themselves, counted through all of them */
static void load(const image *m, const float *x, long from, long end, long v, long n, uint16_t *to)
{
    const long filled = fill(m->c), line = m->wide * filled;
    for (; n > 0; n--, v++, to += line) {
        const long i = v % m->high - m->top, at = v / m->high * m->h + i;
        if (i < 0 || i >= m->h || at < from || at >= end) {
            clear(to, m->wide, filled);
            continue;
        }
        clear(to, m->left, filled);
        load_pixels(m, x + (at - from) * m->w * m->c, to + m->left * filled);
        clear(to + (m->left + m->w) * filled, m->wide - m->left - m->w, filled);
    }
}

static long last_tap(const geometry *g) { return (g->r - 1) * wide_of(g) + g->s - 1; }
/* Positions that windows at `lines` padded lines see, with those that fill up their tiles. */
static long seen(const geometry *g, long lines) { return fill(lines * wide_of(g)) + last_tap(g); }

/* Padded line of a line of results; lines are counted through all images. */
static long padded_line(const geometry *g, long line) { return line / g->oh * high_of(g) + line % g->oh; }

typedef struct { long first, end; } range;
static range padded_range(const geometry *g, long line, long lines)
{
    const long first = padded_line(g, line);
    return (range){ first, lines > 0 ? padded_line(g, line + lines - 1) + 1 : first };
}

/* What windows at padded lines [v, v + n) see; behind it zeros. */
static void load_seen(const geometry *g, const float *x, long images, long v, long n, long room, uint16_t *to)
{
    const image m = image_of(g);
    const long all = (n + g->r - 1) * m.wide, filled = fill(g->c);
    load(&m, x, 0, images * g->h, v, n + g->r - 1, to);
    if (room > all) clear(to + all * filled, room - all, filled);
}

static void find_taps(const geometry *g, long *off)
{
    for (long t = 0; t < taps_of(g); t++) off[t] = t / g->s * wide_of(g) + t % g->s;
}

/* --- results --- */
static long strip_lines(const geometry *g)
{
    const long n = STRIP / (wide_of(g) * fill(g->c) * (long)sizeof(uint16_t)) - g->r + 1;
    return larger(n, ceil_div(2 * PAIR_T, wide_of(g)));
}

static size_t strip_bytes(const geometry *g, long lines)
{
    return round_up((size_t)(seen(g, lines) * fill(g->c)) * sizeof(uint16_t));
}

enum { SUMS = PAIR_T * PAIR_T };                 /* floats of what is multiplied at a time */
static size_t scratch(const geometry *g) { return SUMS * sizeof(float) + strip_bytes(g, strip_lines(g)); }

static void run(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
                const void *u, float *y, void *own)
{
    long off[TAPS];
    const tile_kernels *const use = tile_kernels_of(most);
    const range all = padded_range(g, line, lines);
    const long most_lines = strip_lines(g), images = lines ? (line + lines - 1) / g->oh + 1 : 0;
    uint16_t *strip = (uint16_t *)((float *)own + SUMS);
    find_taps(g, off);
    for (long v = all.first, n; v < all.end; v += n) {
        n = lesser(all.end - v, most_lines);
        load_seen(g, x, images, v, n, seen(g, n), strip);
        use->forward(&(tile_strip){ .taps = taps_of(g), .blocks = blocks_of(g), .off = off,
                                    .pixel = fill(g->c), .x = strip, .u = u,
                                    .n = n * wide_of(g), .wide = wide_of(g), .high = high_of(g), .first = v,
                                    .oh = g->oh, .ow = g->ow, .k = g->k,
                                    .bias = post->bias, .low = post->relu ? 0 : -INFINITY,
                                    .line = line, .y = y, .c = own });
    }
}

/* --- gradients of weights: x is turned, [c][positions], so that taps shift its tiles; dy as pairs of
 * positions --- */
typedef struct { long n, seen, ldx; } points;    /* positions of dy; of x, and from line to line of it */
static points points_of(const geometry *g, long positions)
{
    enum { EIGHT = 8, ODD = LINE / sizeof(uint16_t) };     /* lines of an odd number of cache lines */
    const long n = fill(positions), all = ceil_div(n + last_tap(g), EIGHT) * EIGHT,
               lines = ceil_div(all, ODD);
    return (points){ n, all, (lines | 1) * ODD };
}
static size_t x_bytes(const geometry *g, const points *p)
{
    return (size_t)(p->ldx * fill(g->c)) * sizeof(uint16_t);
}
static size_t dy_bytes(const geometry *g, const points *p)
{
    return (size_t)(p->n * fill(g->k)) * sizeof(uint16_t);
}

SX_FAST static void part_pairs(long n, const uint16_t *restrict x, uint16_t *restrict even,
                               uint16_t *restrict odd)
{
    for (long i = 0; i < n; i++) even[i] = x[2 * i], odd[i] = x[2 * i + 1];
}

SX_FAST static void join_lines(long n, const uint16_t *restrict a, const uint16_t *restrict b,
                               uint16_t *restrict to)
{
    for (long i = 0; i < n; i++) to[2 * i] = a[i], to[2 * i + 1] = b[i];
}

/* n (whole eights) pixels of a strip, of which `keep` go to lines of x. Pairs of channels are turned, and
 * then parted. room: of 16 lines of them. */
enum { PAIR_BYTES = 2 * sizeof(uint16_t), APART = LINE / PAIR_BYTES };
static void turn_pixels(const geometry *g, cpu_isa most, long n, long keep, const uint16_t *strip,
                        uint16_t *room, uint16_t *x, long ldx)
{
    transposing *const turn = turn_of(most);
    const long filled = fill(g->c), ld = n + APART;
    for (long c = 0; c < filled; c += PAIR_T) {
        turn(n, PAIR_T / 2, strip + c, filled / 2, room, ld);
        for (long i = 0; i < PAIR_T && c + i < g->c + g->c % 2; i += 2)
            part_pairs(keep, room + i * ld, x + (c + i) * ldx, x + (c + i + 1) * ldx);
    }
}
/* Lines of channels that are not there */
static void clear_rest(const geometry *g, long ldx, uint16_t *x)
{
    const long c = g->c + g->c % 2;
    clear(x + c * ldx, fill(g->c) - c, ldx);
}
static size_t turn_bytes(long n) { return (size_t)(PAIR_T / 2 * (n + APART)) * PAIR_BYTES; }

/* n positions of a strip, an even number */
static void pair_pixels(const geometry *g, long n, const uint16_t *strip, uint16_t *dy)
{
    const long filled = fill(g->k);
    for (long i = 0; i < n; i += 2)
        join_lines(filled, strip + i * filled, strip + (i + 1) * filled, dy + i * filled);
}

static long sum_lines(const geometry *g)
{
    const long line = wide_of(g) * (fill(g->c) + fill(g->k)) * 2 * (long)sizeof(uint16_t);
    const long n = larger(ceil_div(POINTS, line), ceil_div(2 * PAIR_T, wide_of(g)));
    return larger(1, lesser(n, MOST / wide_of(g)));
}

/* A strip of x and then of dy, with room for turning; both sides of sums. */
static size_t strips_bytes(const geometry *g, const points *p)
{
    const size_t x = (size_t)(p->seen * fill(g->c)) * sizeof(uint16_t);
    return round_up(larger_size(x, dy_bytes(g, p))) + round_up(turn_bytes(p->seen));
}

static size_t sums(const geometry *g)
{
    return (size_t)(taps_of(g) * fill(g->c) * fill(g->k)) * sizeof(float);
}
static size_t scratch_sums(const geometry *g)
{
    const points p = points_of(g, sum_lines(g) * wide_of(g));
    return x_bytes(g, &p) + dy_bytes(g, &p) + strips_bytes(g, &p);
}

static tile_sums sums_of(const geometry *g, const points *p, const long *off, const uint16_t *x,
                         const uint16_t *dy, float *sums)
{
    return (tile_sums){ p->n / DEPTH_T, g->c, g->k, off, x, dy, p->ldx, fill(g->c), fill(g->k), { 0 },
                        { fill(g->c) / PAIR_T, fill(g->k) / PAIR_T, taps_of(g) }, sums };
}

static void add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
                bool first, float *to, void *own)
{
    long off[TAPS];
    const image results = results_of(g);
    const range all = padded_range(g, line, lines);
    const long most_lines = sum_lines(g), images = lines ? (line + lines - 1) / g->oh + 1 : 0;
    const points room = points_of(g, most_lines * wide_of(g));
    uint16_t *px = own, *py = px + x_bytes(g, &room) / sizeof *px,
             *strip = py + dy_bytes(g, &room) / sizeof *py;
    uint16_t *turning = (uint16_t *)((char *)strip + strips_bytes(g, &room)
                           - round_up(turn_bytes(room.seen)));
    if (first) memset(to, 0, sums(g));
    find_taps(g, off);
    clear_rest(g, room.ldx, px);
    for (long v = all.first, n; v < all.end; v += n) {
        n = lesser(all.end - v, most_lines);
        points p = points_of(g, n * wide_of(g));
        p.ldx = room.ldx;
        load_seen(g, x, images, v, n, p.seen, strip);
        turn_pixels(g, most, p.seen, p.seen, strip, turning, px, p.ldx);
        load(&results, dy, line, line + lines, v, n, strip);
        clear(strip + n * results.wide * fill(g->k), p.n - n * results.wide, fill(g->k));
        pair_pixels(g, p.n, strip, py);
        const tile_sums s = sums_of(g, &p, off, px, py, to);
        tile_kernels_of(most)->gradient(&s);
    }
}

/* --- the end: sums of all groups go to [k][tap][c] --- */
typedef struct {
    const geometry *g; cpu_isa most; long groups; size_t partial; float *sums, *dw;
    long images; void *all;                      /* gathered */
} joining;

/* 32 channels and filters of a tap */
static void join_block(const joining *j, long tap, long c, long k)
{
    const geometry *g = j->g;
    const long ld = fill(g->k), n = lesser(g->k - k, PAIR_T);
    const float *from = j->sums + (tap * fill(g->c) + c) * ld + k;
    float s[SUMS];
    for (long i = 0; i < PAIR_T; i++) {
        memcpy(s + i * PAIR_T, from + i * ld, PAIR_T * sizeof *s);
        for (long group = 1; group < j->groups; group++) {
            const float *more = from + (long)(j->partial / sizeof *s) * group + i * ld;
            for (long f = 0; f < PAIR_T; f++) s[i * PAIR_T + f] += more[f];
        }
    }
    turn_of(j->most)(lesser(g->c - c, PAIR_T), n, s, PAIR_T, j->dw + (k * taps_of(g) + tap) * g->c + c,
                     taps_of(g) * g->c);
}

static void join_part(const void *ctx, long i, int thread)
{
    (void)thread;
    const joining *j = ctx;
    const long taps = taps_of(j->g);
    for (long k = 0; k < j->g->k; k += PAIR_T) join_block(j, i % taps, i / taps * PAIR_T, k);
}

static void join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *from,
                 float *dw)
{
    pool_for(p, blocks_of(g) * taps_of(g), join_part,
             &(joining){ .g = g, .most = most, .groups = groups, .partial = partial, .sums = from,
                         .dw = dw });
}

/* --- or both sides of the whole batch are kept until the end; images begin at even positions --- */
static long image_step(const geometry *g) { return (high_of(g) * wide_of(g) + 1) / 2 * 2; }
static points gathered(const geometry *g, long images) { return points_of(g, images * image_step(g)); }

static bool gathering_pays(const geometry *g)
{
    enum { POSITIONS = 1024 };
    return image_step(g) <= POSITIONS;
}
static size_t gathered_bytes(const geometry *g, long images)
{
    const points p = gathered(g, images);
    return x_bytes(g, &p) + dy_bytes(g, &p);
}
static size_t scratch_gathering(const geometry *g)
{
    const points p = points_of(g, image_step(g));
    return strips_bytes(g, &p);
}

/* Behind the last image there are zeros. */
static void gather_begin(const geometry *g, long images, void *all)
{
    const points p = gathered(g, images);
    const long end = images * image_step(g);
    uint16_t *x = all, *dy = x + x_bytes(g, &p) / sizeof *x;
    clear_rest(g, p.ldx, x);
    for (long c = 0; c < g->c + g->c % 2; c++) clear(x + c * p.ldx + end, 1, p.ldx - end);
    clear(dy + end * fill(g->k), p.n - end, fill(g->k));
}

static void gather(const geometry *g, cpu_isa most, long images, long from, long n, const float *x,
                   const float *dy, void *all, void *own)
{
    const points p = gathered(g, images), one = points_of(g, image_step(g));
    const image in = image_of(g), out = results_of(g);
    const long step = image_step(g), each = high_of(g) * wide_of(g), eights = ceil_div(step, 8) * 8;
    uint16_t *px = all, *py = px + x_bytes(g, &p) / sizeof *px, *strip = own;
    uint16_t *turning = (uint16_t *)((char *)own + strips_bytes(g, &one) - round_up(turn_bytes(one.seen)));
    for (long i = 0; i < n; i++, x += g->h * g->w * g->c, dy += g->oh * g->ow * g->k) {
        load(&in, x, 0, g->h, 0, in.high, strip);
        clear(strip + each * fill(g->c), eights - each, fill(g->c));
        turn_pixels(g, most, eights, step, strip, turning, px + (from + i) * step, p.ldx);
        load(&out, dy, 0, g->oh, 0, out.high, strip);
        clear(strip + each * fill(g->k), step - each, fill(g->k));
        pair_pixels(g, step, strip, py + (from + i) * step * fill(g->k));
    }
}

static void sum_gathered(const void *ctx, long i, int thread)
{
    (void)thread;
    const joining *j = ctx;
    const geometry *g = j->g;
    long off[TAPS];
    const points p = gathered(g, j->images);
    const long tap = i % taps_of(g), c = i / taps_of(g) % blocks_of(g), k = i / taps_of(g) / blocks_of(g);
    uint16_t *x = j->all, *dy = x + x_bytes(g, &p) / sizeof *x;
    find_taps(g, off);
    tile_sums s = sums_of(g, &p, off, x, dy, j->sums);
    const long at[3] = { c, k, tap };
    for (int n = 0; n < 3; n++) s.from[n] = at[n], s.end[n] = at[n] + 1;
    float *first = j->sums + (tap * fill(g->c) + c * PAIR_T) * fill(g->k) + k * PAIR_T;
    for (long l = 0; l < PAIR_T; l++) memset(first + l * fill(g->k), 0, PAIR_T * sizeof *first);
    tile_kernels_of(j->most)->gradient(&s);
    join_block(j, tap, c * PAIR_T, k * PAIR_T);
}

static void gather_end(pool *p, const geometry *g, cpu_isa most, long images, void *all, float *to, float *dw)
{
    pool_for(p, taps_of(g) * blocks_of(g) * ceil_div(g->k, PAIR_T), sum_gathered,
             &(joining){ .g = g, .most = most, .groups = 1, .sums = to, .dw = dw, .images = images,
                         .all = all });
}

static const conv_gathering gathering = { .pays = gathering_pays, .points = gathered_bytes,
                                          .scratch = scratch_gathering, .begin = gather_begin,
                                          .rows = gather, .end = gather_end };
const conv_way conv_tiles = {
    .can = can, .pays = pays, .turned = turned, .least = least, .grain = grain, .weights = weights,
    .scratch = scratch, .prepare = prepare, .run = run, .least_sums = least_sums, .sums = sums,
    .scratch_sums = scratch_sums, .add = add, .join = join, .gathering = &gathering,
};
