/* study_ask.c: strix study ask and tell: the samplers lent to shell scripts. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

int study_ask(cli_context *c, sx_study *s)
{
    sx_claim claim;
    const int rc = sx_study_ask(s, c->arena, "ask", INFINITY, &claim, &c->diags);
    if (rc == 3) {
        cli_fail(c, SX_E_STOPPED, "study '%s' was stopped", sx_study_name(s));
        sx_hint(&c->diags, "`strix study resume` goes on.");
        return 1;
    }
    if (rc > 0) {
        const sx_refusals *r = sx_study_refusals(s);
        cli_fail(c, SX_E_EXHAUSTED, "study '%s' has no further point", sx_study_name(s));
        if (r->net.text || r->rule.text)
            sx_detail(&c->diags, "%s refused; the first: %s.",
                      sx_plural(c->arena, r->broken + r->unbuilt, "suggestion"),
                      r->net.text ? r->net.text : r->rule.text);
        return 1;
    }
    if (rc) return rc;
    printf("{\"number\": %ld, \"values\": %s}\n", claim.row.t.number, claim.row.values);
    return 0;
}

bool study_real(const char *text, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && !*end && !strpbrk(text, "xX");     /* C takes 0x10, too */
}

bool study_number(const char *text, long *number)
{
    double v;
    if (!study_real(text, &v) || !(v >= 0 && v <= 1e15) || v != floor(v)) return false;
    *number = (long)v;
    return true;
}

int study_tell(cli_context *c, sx_study *s)
{
    enum { MOST = 64 };
    const char *state = cli_text(c, "state", "complete");
    const bool fail = !strcmp(state, "fail") || !strcmp(state, "failed"), pruned = !strcmp(state, "pruned");
    double value[MOST];
    long number, n = 0;
    bool nan = false;
    if (c->args < 3 || !study_number(c->arg[2], &number))
        return cli_usage(c, "study tell needs the number of a trial");
    if (!fail && !pruned && strcmp(state, "complete"))
        return cli_usage(c, "--state is '%s', not complete, pruned or fail", state);
    for (; n < MOST && n < c->args - 3; n++) {
        if (!study_real(c->arg[n + 3], &value[n])) return cli_usage(c, "'%s' is no value", c->arg[n + 3]);
        nan |= !fail && !pruned && isnan(value[n]);
    }
    if (!n && !fail && !pruned) return cli_usage(c, "study tell needs the value of trial %ld", number);
    return sx_study_tell_number(s, number,
                                fail || nan ? SX_FAILED
                                : pruned    ? SX_PRUNED
                                            : SX_DONE,
                                n, value, cli_text(c, "reason", nan ? "the objective is not a number" : NULL),
                                &c->diags);
}
