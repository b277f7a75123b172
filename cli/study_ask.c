/* study_ask.c: strix study ask, tell and add: the samplers lent to shell scripts, and points known before. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

int study_ask(cli_context *c, sx_study *s)
{
    sx_claim claim;
    const int rc = sx_study_ask(s, c->arena, "ask", INFINITY, &claim, &c->diags);
    if (rc == 1 || rc == 2)
        return cli_fail(c, SX_E_EXHAUSTED, "study '%s' has no further point", sx_study_name(s)), 1;
    if (rc) return rc;
    printf("{\"number\": %ld, \"values\": %s}\n", claim.row.t.number, claim.row.values);
    return 0;
}

bool study_real(const char *text, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && !*end;
}

int study_tell(cli_context *c, sx_study *s)
{
    const char *state = cli_text(c, "state", "complete");
    const bool fail = !strcmp(state, "fail") || !strcmp(state, "failed"), pruned = !strcmp(state, "pruned");
    double number, value = NAN;
    if (c->args < 3 || !study_real(c->arg[2], &number) || number < 0 || number != floor(number) ||
        number > 1e15)
        return cli_usage(c, "study tell needs the number of a trial");
    if (!fail && !pruned && strcmp(state, "complete"))
        return cli_usage(c, "--state is '%s', not complete, pruned or fail", state);
    if (c->args > 3 ? !study_real(c->arg[3], &value) : !fail && !pruned)
        return cli_usage(c, "study tell needs the value of trial %.0f", number);
    const bool nan = !fail && !pruned && isnan(value);
    return sx_study_tell_number(s, (long)number,
                                fail || nan ? SX_FAILED
                                : pruned    ? SX_PRUNED
                                            : SX_DONE,
                                value, cli_text(c, "reason", nan ? "the objective is not a number" : NULL),
                                &c->diags);
}

static sx_datum datum_of(const char *text)
{
    char *end;
    const long long i = strtoll(text, &end, 10);
    double r;
    if (*text && !*end) return (sx_datum){ .kind = SX_DATUM_INT, .i = i };
    if (study_real(text, &r)) return (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return (sx_datum){ .kind = SX_DATUM_BOOL, .b = *text == 't' };
    return (sx_datum){ .kind = SX_DATUM_TEXT, .s = text };
}

int study_add(cli_context *c, sx_study *s)
{
    struct { sx_named *v; long n, cap; } named = { 0 };
    long number;
    for (int i = 2; i < c->args; i++) {
        const char *equals = strchr(c->arg[i], '=');
        if (!equals) return cli_usage(c, "'%s' is not NAME=VALUE", c->arg[i]);
        SX_PUSH(c->arena, named,
                ((sx_named){ sx_strndup(c->arena, c->arg[i], (size_t)(equals - c->arg[i])),
                             datum_of(equals + 1) }));
    }
    const int rc = sx_study_add(s, named.v, named.n, &number, &c->diags);
    if (!rc) printf(c->json ? "{\"schema\": 1, \"number\": %ld}\n" : "trial %ld waits\n", number);
    return rc == SX_E_REFUSED ? SX_E_USAGE : rc;
}
