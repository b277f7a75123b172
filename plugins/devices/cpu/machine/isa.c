/* isa.c: which kernels this process may run: what the processor has, capped by STRIX_CPU_ISA, so that every
 * kernel can be tested on the best machine. The cap is of kernels written for a set of instructions; plain
 * loops (SX_FAST), which the compiler makes for each set, take the processor's best. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "cpu.h"

static const char *const names[] = { "plain", "avx2", "avx512", "amx" };
const char *isa_name(cpu_isa isa) { return names[isa]; }

#if defined __x86_64__ && defined __GNUC__
#include <cpuid.h>

/* Linux wants to be asked once, since tiles make signal frames larger; only where they may be used. */
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
static bool tiles_granted(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 };   /* ARCH_REQ_XCOMP_PERM, which is not in old headers */
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#else
static bool tiles_granted(void) { return false; }
#endif

/* Tiles of bf16, and a system that saves them. */
static bool has_amx(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 22) || !(d & 1u << 24)) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 3u << 17) == 3u << 17 && tiles_granted();
}

static cpu_isa find_here(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return ISA_PLAIN;
    if (!__builtin_cpu_supports("avx512f")) return ISA_AVX2;
    cpu_isa cap;
    return isa_asked(&cap) && cap == ISA_AMX && has_amx() ? ISA_AMX : ISA_AVX512;
}
#else
static cpu_isa find_here(void) { return ISA_PLAIN; }
#endif

/* Found once: asking the processor takes tens of microseconds on a virtual machine. */
static cpu_isa here;
static void keep_here(void) { here = find_here(); }

cpu_isa isa_here(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, keep_here);
    return here;
}

bool isa_asked(cpu_isa *cap)
{
    const char *text = getenv("STRIX_CPU_ISA");
    *cap = ISA_AMX;
    if (!text || !*text) return true;
    for (int i = ISA_PLAIN; i <= ISA_AMX; i++)
        if (!strcmp(text, names[i])) return *cap = (cpu_isa)i, true;
    return false;
}

static cpu_isa most;
static void find_most(void)
{
    cpu_isa cap;
    most = isa_here();
    if (isa_asked(&cap) && cap < most) most = cap;
}

cpu_isa isa_most(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_most);
    return most;
}

int isa_level(cpu_isa most_)
{
    const cpu_isa had = isa_here(), isa = most_ < had ? most_ : had;
    return isa > ISA_AVX512 ? ISA_AVX512 : isa;
}
