/* file.c: whole files: put atomically (tmp, fsync, rename, fsync of the directory), read with a bound,
 * directories with parents. */
#include "file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sx_where at(const char *file) { return (sx_where){ .file = file }; }

static int write_all(int fd, const void *data, size_t bytes)
{
    for (const char *p = data; bytes;) {
        const ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return ENOSPC;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int write_pieces(const char *file, long n, const sx_piece *v)
{
    const int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return errno;
    int bad = 0;
    for (long i = 0; i < n && !bad; i++) bad = write_all(fd, v[i].data, v[i].bytes);
    if (!bad && fsync(fd)) bad = errno;
    if (close(fd) && !bad) bad = errno;
    return bad;
}

/* A rename is on disk only when its directory is; a file system without such syncs is no error. */
static void sync_parent(sx_arena *a, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *dir = slash == file ? "/" : slash ? sx_strndup(a, file, (size_t)(slash - file)) : ".";
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

int sx_file_put(const char *file, long n, const sx_piece *v, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const char *tmp = sx_format(a, "%s.tmp", file);
    int bad = write_pieces(tmp, n, v);
    if (!bad && rename(tmp, file)) bad = errno;
    if (bad) unlink(tmp);
    else sync_parent(a, file);
    sx_arena_close(a);
    if (!bad) return 0;
    return sx_error(d, SX_E_IO, at(file), "cannot write this file: %s", strerror(bad));
}

int sx_file_write(const char *file, const char *text, size_t bytes, sx_diags *d)
{
    return sx_file_put(file, 1, &(sx_piece){ text, bytes }, d);
}

int sx_file_append(const char *file, const char *text, sx_diags *d)
{
    const int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int bad = fd < 0 ? errno : write_all(fd, text, strlen(text));
    if (fd >= 0 && close(fd) && !bad) bad = errno;
    return bad ? sx_error(d, SX_E_IO, at(file), "cannot append to this file: %s", strerror(bad)) : 0;
}

int sx_file_open(const char *file, size_t *bytes, const char **why)
{
    struct stat s;
    const int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int bad = fd < 0 || fstat(fd, &s) ? errno : S_ISDIR(s.st_mode) ? EISDIR : 0;
    *why = bad ? strerror(bad) : "it is no regular file";
    if (!bad && S_ISREG(s.st_mode)) { *bytes = (size_t)s.st_size; return fd; }
    if (fd >= 0) close(fd);
    return -1;
}

static int read_all(int fd, char *to, size_t most, size_t *bytes)
{
    for (*bytes = 0; *bytes < most;) {
        const ssize_t n = read(fd, to + *bytes, most - *bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n ? errno : 0;
        *bytes += (size_t)n;
    }
    return 0;
}

int sx_file_read(sx_arena *a, const char *file, size_t most, char **text, size_t *bytes, sx_diags *d)
{
    const char *why;
    size_t size = 0;
    const int fd = sx_file_open(file, &size, &why);
    if (fd < 0) return sx_error(d, SX_E_DATA, at(file), "cannot read this file: %s", why);
    int bad = size > most ? EFBIG : 0;
    if (!bad) {
        *text = sx_alloc(a, size + 1);
        bad = read_all(fd, *text, size, bytes);
    }
    close(fd);
    return bad ? sx_error(d, SX_E_DATA, at(file), "cannot read this file: %s", strerror(bad)) : 0;
}

bool sx_file_exists(const char *file) { return access(file, F_OK) == 0; }

int sx_dir_make(const char *dir, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    char *path = sx_strdup(a, dir);
    int bad = 0;
    for (char *p = path + 1; *path && !bad; p++) {
        if (*p && *p != '/') continue;
        const char held = *p;
        *p = 0;
        if (mkdir(path, 0777) && errno != EEXIST) bad = errno;
        *p = held;
        if (!held) break;
    }
    struct stat s;
    if (!bad && (stat(path, &s) || !S_ISDIR(s.st_mode))) bad = ENOTDIR;
    sx_arena_close(a);
    return bad ? sx_error(d, SX_E_IO, at(dir), "cannot make this directory: %s", strerror(bad)) : 0;
}
