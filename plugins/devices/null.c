/* null: a device that computes nothing; what is read from it is zero.
 * Shapes, plans, memory and whole searches are tested on it without arithmetic. */
#include <strix/device.h>
#include <stdlib.h>
#include <string.h>

struct sx_dev { size_t taken; };
struct sx_buf { sx_dev *dev; size_t bytes; };
struct sx_queue { char none; };
struct sx_exe { char none; };

static int count(void) { return 1; }

static int open_dev(const void *params, int index, sx_dev **dev)
{
    (void)params, (void)index;
    *dev = calloc(1, sizeof **dev);
    return *dev ? 0 : SX_E_MEMORY;
}
static void close_dev(sx_dev *dev) { free(dev); }

static int info(sx_dev *dev, sx_dev_info *i)
{
    (void)dev;
    i->text = "computes nothing";
    i->memory = (size_t)1 << 40;
    i->units = 1;
    i->dtypes = 1u << SX_F32 | 1u << SX_BF16 | 1u << SX_F16 | 1u << SX_I32 | 1u << SX_U8;
    i->repeatable = i->idle = true;
    return 0;
}

static int alloc(sx_dev *dev, size_t bytes, sx_buf **buf)
{
    if (bytes > ((size_t)1 << 40) - dev->taken || !(*buf = calloc(1, sizeof **buf))) return SX_E_MEMORY;
    **buf = (sx_buf){ dev, bytes };
    dev->taken += bytes;
    return 0;
}

static void free_buf(sx_buf *buf)
{
    if (buf) buf->dev->taken -= buf->bytes;
    free(buf);
}

static int queue(sx_dev *dev, int threads, sx_queue **q)
{
    (void)dev, (void)threads;
    *q = calloc(1, sizeof **q);
    return *q ? 0 : SX_E_MEMORY;
}
static void queue_free(sx_queue *q) { free(q); }

static int inside(const sx_buf *b, size_t at, size_t bytes)
{
    return at <= b->bytes && bytes <= b->bytes - at ? 0 : SX_E_DEVICE;
}

static int write_buf(sx_queue *q, sx_buf *to, size_t at, const void *from, size_t bytes)
{
    (void)q, (void)from;
    return inside(to, at, bytes);
}

static int read_buf(sx_queue *q, const sx_buf *from, size_t at, void *to, size_t bytes)
{
    (void)q;
    if (bytes) memset(to, 0, bytes);
    return inside(from, at, bytes);
}

static int sync_queue(sx_queue *q) { (void)q; return 0; }

static bool supports(sx_dev *dev, const sx_plan *p, const sx_node *op)
{
    (void)dev, (void)p, (void)op;
    return true;
}

static int compile(sx_dev *dev, const sx_plan *p, sx_exe **x)
{
    (void)dev, (void)p;
    *x = calloc(1, sizeof **x);
    return *x ? 0 : SX_E_MEMORY;
}
static void exe_free(sx_exe *x) { free(x); }

static int run(sx_exe *x, sx_queue *q, int n, const sx_bind *bind, unsigned times)
{
    (void)x, (void)q, (void)n, (void)bind, (void)times;
    return 0;
}

static const char *last_error(void) { return "out of bounds or out of memory"; }

SX_DEFINE(SX_KIND_DEVICE, sx_device, null, SX_NO_PARAMS, sx_no_params,
          .doc = "computes nothing; for tests of plans and searches",
          .count = count, .open = open_dev, .close = close_dev, .info = info, .alloc = alloc,
          .free = free_buf, .queue = queue, .queue_free = queue_free, .write = write_buf,
          .read = read_buf, .sync = sync_queue, .supports = supports, .compile = compile,
          .exe_free = exe_free, .run = run, .last_error = last_error);
SX_PLUGIN("null", "1.0", "MIT", SX_ITEM(null));
