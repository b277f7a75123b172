/* guard.c: a plugin under test that crashes, or never answers, ends the run with a line that names it and
 * with the plan, so that nobody takes what came before for all there is. */
#include "conform.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { LAST_WORDS_S = 5, STACK = 1 << 16, ROOM = 1 << 13 };
static const int lost[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM },
                 ordered[] = { SIGINT, SIGTERM };
static conform *guarded;
static pid_t owner;

#define FOR_EACH(list, act) \
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) sigaction(list[i], act, NULL)

/* The process is lost anyway, so the words are printed as ever. Where they crash or hang, too, that ends
 * it. */
static void caught(int sig)
{
    static const struct sigaction usual = { .sa_handler = SIG_DFL };
    const double waited = guarded->patience;
    FOR_EACH(lost, &usual);
    if (getpid() != owner) { raise(sig); return; } /* a worker of a suite, whose death is looked at there */
    guarded->patience = LAST_WORDS_S;
    alarm(LAST_WORDS_S);
    if (sig == SIGALRM) conform_check(guarded, false, "it answers within %g s", waited);
    else conform_check(guarded, false, "it does not crash (%s)", strsignal(sig));
    conform_end(guarded);
    if (guarded->document) conform_document(guarded, guarded->document);
    _exit(1);
}

/* Rooms of their own: the last words need nothing of a heap that may be lost, and a line waits for its reader
 * only where conform.c stops the clock. */
static void give_rooms(const conform *c)
{
    static char lines[ROOM], document[ROOM];
    setvbuf(c->out, lines, _IOFBF, ROOM);
    if (c->document) setvbuf(c->document, document, _IOFBF, ROOM);
}

void conform_guard(conform *c)
{
    static char stack[STACK];                    /* the plugin's may be used up */
    const struct sigaction act = { .sa_handler = caught, .sa_flags = SA_NODEFER | SA_ONSTACK },
                           usual = { .sa_handler = SIG_DFL };
    guarded = c;
    owner = getpid();
    give_rooms(c);
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    FOR_EACH(lost, &act);
    FOR_EACH(ordered, &usual);                  /* nothing is to be saved, and a plugin may never come back */
    conform_clock(c, true);
}
