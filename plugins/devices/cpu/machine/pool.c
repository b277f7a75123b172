/* pool.c: the threads of a queue. Work is a count of chunks taken from one atomic word, so that a thread that
 * wakes late delays nobody; threads spin shortly, then sleep. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif
#include "cpu.h"

enum { SPINS = 3000 };
typedef struct { void *p; size_t bytes; } room;
typedef struct { pool *pool; int index; pthread_t thread; } worker;
typedef void work(const void *ctx, long i, int thread);
struct pool {
    int threads, started;
    /* Upper half: number of the job (odd: none to be had), lower half: next chunk. A claimed chunk keeps its
     * job alive, since the job ends when all chunks are done; so fn and ctx, read before a claim that
     * succeeds, belong to it. */
    _Alignas(LINE) atomic_ullong claim;
    _Alignas(LINE) atomic_long done;
    _Alignas(LINE) atomic_long n;
    _Atomic(work *) fn;
    _Atomic(const void *) ctx;
    atomic_int sleepers, waiting, quit;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    room *room;
    worker *worker;
};

static void relax(void)
{
#ifdef __SSE__
    _mm_pause();
#endif
}

unsigned pool_flush(void)
{
#ifdef __SSE__
    const unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040); /* FTZ and DAZ: a denormal operand makes a loop 50 times slower */
    return old;
#else
    return 0;
#endif
}

void pool_unflush(unsigned saved)
{
#ifdef __SSE__
    _mm_setcsr(saved);
#else
    (void)saved;
#endif
}

/* Works on chunks of the job at hand until none is left. */
static void take(pool *p, int index)
{
    for (;;) {
        unsigned long long at = atomic_load(&p->claim);
        const long n = atomic_load(&p->n);
        work *fn = atomic_load(&p->fn);
        const void *ctx = atomic_load(&p->ctx);
        const long i = (long)(at & 0xffffffffu);
        if (at >> 32 & 1 || i >= n) return;
        if (!atomic_compare_exchange_weak(&p->claim, &at, at + 1)) continue;
        fn(ctx, i, index);
        if (atomic_fetch_add(&p->done, 1) + 1 == n && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static bool news(pool *p, unsigned long long seen)
{
    const unsigned long long at = atomic_load(&p->claim);
    return (at >> 32 != seen && !(at >> 32 & 1)) || atomic_load(&p->quit);
}

static void rest(pool *p, unsigned long long seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (news(p, seen)) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!news(p, seen)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *serve(void *arg)
{
    const worker *w = arg;
    pool *p = w->pool;
    pool_flush();
    dnnl_one_thread();
    for (unsigned long long seen = 0; !atomic_load(&p->quit);) {
        rest(p, seen);
        seen = atomic_load(&p->claim) >> 32;
        take(p, w->index);
    }
    return NULL;
}

static void publish(pool *p, long n, work *fn, const void *ctx)
{
    const unsigned long long job = atomic_load(&p->claim) >> 32;
    atomic_store(&p->claim, (job + 1) << 32);    /* odd: nothing can be claimed while the fields change */
    atomic_store(&p->done, 0);
    atomic_store(&p->n, n);
    atomic_store(&p->fn, fn);
    atomic_store(&p->ctx, ctx);
    atomic_store(&p->claim, ((job + 2) & 0xffffffffu) << 32);
    if (!atomic_load(&p->sleepers)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void await(pool *p, long n)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->done) == n) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, 1);
    while (atomic_load(&p->done) != n) pthread_cond_wait(&p->idle, &p->lock);
    atomic_store(&p->waiting, 0);
    pthread_mutex_unlock(&p->lock);
}

void pool_for(pool *p, long n, void (*fn)(const void *, long, int), const void *ctx)
{
    if (p->started == 0 || n < 2) {
        for (long i = 0; i < n; i++) fn(ctx, i, 0);
        return;
    }
    publish(p, n, fn, ctx);
    take(p, 0);
    await(p, n);
}

pool *pool_open(int threads)
{
    pool *p = aligned_alloc(LINE, round_up(sizeof *p));
    if (!p) return NULL;
    *p = (pool){ .threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads };
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->room = calloc((size_t)p->threads + 1, sizeof *p->room);
    p->worker = calloc((size_t)p->threads, sizeof *p->worker);
    bool good = p->room && p->worker;
    for (int i = 1; good && i < p->threads; i++) {
        p->worker[i] = (worker){ .pool = p, .index = i };
        good = pthread_create(&p->worker[i].thread, NULL, serve, &p->worker[i]) == 0;
        p->started += good;
    }
    if (good) return p;
    pool_close(p);
    return NULL;
}

void pool_close(pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->quit, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i <= p->started; i++) pthread_join(p->worker[i].thread, NULL);
    for (int i = 0; p->room && i <= p->threads; i++) cpu_unmap(p->room[i].p, p->room[i].bytes);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    free(p->room);
    free(p->worker);
    free(p);
}

int pool_threads(const pool *p) { return p->threads; }
void *pool_room(const pool *p, int thread) { return p->room[thread].p; }
void *pool_shared(const pool *p) { return p->room[p->threads].p; }

int pool_reserve(pool *p, size_t each, size_t shared)
{
    for (int i = 0; i <= p->threads; i++) {
        room *r = &p->room[i];
        const size_t bytes = i < p->threads ? each : shared;
        if (r->bytes >= bytes) continue;
        cpu_unmap(r->p, r->bytes);
        r->p = cpu_map(bytes);
        r->bytes = r->p ? bytes : 0;
        if (!r->p) return SX_E_MEMORY;
    }
    return 0;
}

/* Page faults on 4 KB pages cost a training step as much as its arithmetic: big blocks take huge pages. What
 * is left at their end takes small ones, so that no more is used than was planned. */
enum { HUGE = 2 << 20 };

void *cpu_map(size_t bytes)
{
    if (bytes == 0) bytes = 1;
    if (bytes > SIZE_MAX / 4) return NULL;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page;
    const size_t more = size >= HUGE ? size + HUGE : size;
    char *p = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (size < HUGE) return p;
    const size_t head = (HUGE - ((uintptr_t)p & (HUGE - 1))) & (HUGE - 1);
    if (head) munmap(p, head);
    if (HUGE - head) munmap(p + head + size, HUGE - head);
    (void)madvise(p + head, size, MADV_HUGEPAGE);
    return p + head;
}

void cpu_unmap(void *p, size_t bytes)
{
    if (p) munmap(p, bytes ? bytes : 1);
}
