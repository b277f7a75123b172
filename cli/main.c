/* main.c: finds the verb, runs it, prints what went wrong, chooses the exit code.
 * The verbs, in the order of --help, are the rows of cli_verbs; each lives in a file of its own. */
#include "cli.h"
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "log.h"

const cli_verb *const cli_verbs[] = {
    &verb_check, &verb_train, &verb_tune, &verb_worker, &verb_eval, &verb_predict, &verb_study, &verb_plugins,
    &verb_conform, &verb_bench, &verb_debug, &verb_version, NULL };

static cli_context run;                          /* the handler needs it; the program runs one verb */

/* First signal: the verb finishes its epoch and saves. Second: the default action ends the process. */
static void on_signal(int number)
{
    if (run.stop) {
        signal(number, SIG_DFL);
        raise(number);
    }
    run.signal = number;
    run.stop = 1;
}

static void catch_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

static void print_errors(cli_context *c)
{
    if (!c->json || c->printed || !c->diags.errors) { cli_flush(c); return; }
    json_t *errors = json_array(), *warnings = json_array(), *doc = json_object();
    for (long i = 0; i < c->diags.n; i++)
        json_array_append_new(c->diags.v[i].code ? errors : warnings, cli_json_diag(&c->diags.v[i]));
    json_object_set_new(doc, "errors", errors);
    json_object_set_new(doc, "warnings", warnings);
    cli_json_print(c, doc);
}

static int run_verb(cli_context *c, int argc, char **argv)
{
    const int rc = cli_parse(c, argc, argv);
    if (rc) return rc;
    if (c->help) { cli_help(c, stdout); return 0; }
    if (c->version) c->verb = &verb_version;
    if (!c->verb) { cli_help(c, stderr); return SX_E_USAGE; }
    sx_log_set(NULL);
    if (c->verbosity) sx_log_set(c->verbosity < 0 ? "error" : c->verbosity == 1 ? "info" : "debug");
    catch_signals();
    return c->verb->run ? c->verb->run(c) : SX_E_UNSUPPORTED;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");                     /* for the bar only: numbers stay as C writes them */
    cli_context *c = &run;
    c->arena = sx_arena_open(NULL);
    sx_diags_init(&c->diags, c->arena);
    sx_diags_init(&c->told, c->arena);
    const int rc = run_verb(c, argc, argv);
    if (rc < 0 && rc != SX_E_STOPPED && c->verb && !c->diags.errors && !c->printed)
        cli_fail(c, rc, "%s", sx_error_text(rc));
    print_errors(c);
    int code = cli_exit_code(c, rc);
    if (fflush(stdout) || ferror(stdout)) {
        fputs("error: the results could not be written to standard output\n", stderr);
        if (!code) code = 1;
    }
    sx_arena_close(c->arena);
    return code;
}
