/* pack.c: safetensors files for plugins (plugin.h, section Data sets): the core's own reader, with its words
 * put where a data set tells errors. */
#include "tensors.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct sx_pack { sx_arena *arena; sx_blobs blobs; };

int sx_pack_open(const char *file, sx_set *set, sx_pack **out)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_pack *p = *out = SX_NEW(a, sx_pack);
    sx_diags d;
    sx_diags_init(&d, a);
    p->arena = a;
    snprintf(set->file, sizeof set->file, "%s", file);
    const int bad = sx_tensors_read(a, file, &p->blobs, &d);
    if (!bad) return 0;
    snprintf(set->error, sizeof set->error, "%s", d.n ? d.v[0].text : sx_error_text(bad));
    *out = NULL;
    sx_arena_close(a);
    return bad;
}

const sx_blob *sx_pack_at(const sx_pack *p, long i)
{
    return i >= 0 && i < p->blobs.n ? &p->blobs.v[i] : NULL;
}

void sx_pack_close(sx_pack *p) { if (p) sx_arena_close(p->arena); }

void sx_set_copied(sx_set *set, const void *from, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)from;
    const uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    (void)set;
    if (first < end) madvise((char *)(uintptr_t)from + (first - at), end - first, MADV_DONTNEED);
}
