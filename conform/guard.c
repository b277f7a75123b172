/* guard.c: a plugin under test that crashes, or never answers, ends the run with a line that names it and
 * with the plan, so that nobody takes what came before for all there is. */
#include "conform.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { LAST_WORDS_S = 5, STACK = 1 << 16 };
static conform *guarded;
static pid_t owner;

/* The process is lost anyway, so the words are printed as ever. Where that hangs, too, the alarm kills. */
static void caught(int sig)
{
    if (getpid() != owner) { raise(sig); return; } /* a worker of a suite, whose death is looked at there */
    const double waited = guarded->patience;
    guarded->patience = LAST_WORDS_S;
    if (sig == SIGALRM) conform_check(guarded, false, "it answers within %g s", waited);
    else conform_check(guarded, false, "it does not crash (%s)", strsignal(sig));
    conform_end(guarded);
    _exit(1);
}

void conform_guard(conform *c)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
    static char stack[STACK];                    /* the plugin's may be used up */
    const struct sigaction act = { .sa_handler = caught, .sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK };
    guarded = c;
    owner = getpid();
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &act, NULL);
}
