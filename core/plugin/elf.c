/* elf.c: is a file whole enough for dlopen? It maps what the program headers name and believes them: a page
 * that lies behind the end of a truncated file ends the process with SIGBUS. */
#include <ctype.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "file.h"
#include "manifest.h"

#define REFUSE(j, ...) sx_error((j)->d, SX_E_PLUGIN, (sx_where){ .file = (j)->file }, __VA_ARGS__)
enum { NATIVE = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32 };
typedef struct { const sx_judge *j; int fd; size_t bytes; } image;

static int truncated(const image *m, uint64_t from, uint64_t n)
{
    if (n <= m->bytes && from <= m->bytes - n) return 0;
    const int rc = REFUSE(m->j, "cannot be loaded: the file is truncated");
    sx_detail(m->j->d, "It has %zu bytes, and its headers name %llu bytes from %llu on.", m->bytes,
              (unsigned long long)n, (unsigned long long)from);
    sx_hint(m->j->d, "Copy or build the plugin anew.");
    return rc;
}

static bool take(const image *m, uint64_t from, void *to, size_t n)
{
    return from <= INT64_MAX && pread(m->fd, to, n, (off_t)from) == (ssize_t)n;
}

/* What is of another machine, and what is read short, is left to dlopen's words. */
static int check_segments(const image *m)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    int rc = truncated(m, 0, sizeof head);
    if (rc || !take(m, 0, &head, sizeof head)) return rc;
    if (head.e_ident[EI_CLASS] != NATIVE || head.e_phentsize != sizeof part) return 0;
    rc = truncated(m, head.e_phoff, (uint64_t)head.e_phnum * sizeof part);
    for (unsigned i = 0; i < head.e_phnum && !rc; i++) {
        if (!take(m, head.e_phoff + i * sizeof part, &part, sizeof part)) return 0;
        if (part.p_type != PT_NULL) rc = truncated(m, part.p_offset, part.p_filesz);
    }
    return rc;
}

/* Tells the first words of a text file: a linker's script, say. */
static int check_magic(const image *m)
{
    char begin[24] = "";
    const ssize_t n = pread(m->fd, begin, sizeof begin - 1, 0);
    if (n >= SELFMAG && !memcmp(begin, ELFMAG, SELFMAG)) return 0;
    size_t shown = 0;
    while (isprint((unsigned char)begin[shown])) shown++;
    begin[shown] = 0;
    const int rc = REFUSE(m->j, "not a shared object");
    if (*begin) sx_detail(m->j->d, "The file begins with '%s'.", begin);
    return rc;
}

int sx_elf_check(const sx_judge *j)
{
    const char *why;
    image m = { .j = j };
    m.fd = sx_file_open(j->file, &m.bytes, &why);
    if (m.fd < 0) return REFUSE(j, "cannot read this file: %s", why);
    int rc = check_magic(&m);
    if (!rc) rc = check_segments(&m);
    close(m.fd);
    return rc;
}
