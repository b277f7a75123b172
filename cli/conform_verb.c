/* conform_verb.c: strix conform FILE.so: the test suite of an item's kind, for plugins from anywhere. */
#include "cli.h"
#include "conform.h"

static int run(cli_context *c)
{
    conform suite = { .arena = c->arena,
                      .registry = cli_registry(c),
                      .device = c->device,
                      .threads = c->threads,
                      .out = c->json ? stderr : stdout,
                      .document = c->json ? stdout : NULL,
                      .store = cli_text(c, "store", NULL),
                      .patience = cli_real(c, "time", 300) };
    int rc = 0;
    for (int i = 0; i < c->args; i++)
        if (!sx_file_exists(c->arg[i]))
            rc = sx_error(&c->diags, SX_E_PLUGIN, (sx_where){ .file = c->arg[i] }, "no such file");
    if (rc) return rc;
    conform_guard(&suite);
    for (int i = 0; i < c->args; i++) {
        const int one = conform_file(&suite, c->arg[i], &c->diags);
        if (!rc) rc = one;
    }
    const int failed = conform_end(&suite);
    if (c->json && !rc) {
        conform_document(&suite, stdout);
        c->printed = true;
    }
    return rc ? rc : failed ? 1 : 0;
}

static const cli_option options[] = {
    { "store", 0, CLI_TEXT, "URL", "where a store that is no file is tried, in studies conform-...", 0, 0 },
    { "time", 0, CLI_TIME, "T", "longest wait for one answer (default: 5m)", 0, 0 },
    CLI_END
};

const cli_verb verb_conform = {
    .name = "conform", .args = "FILE.so..", .doc = "test a plugin: what must hold for every item of its kind",
    .least = 1, .most = -1, .options = options, .run = run,
    .more = "Lines are TAP; the last one counts. Layers, losses and optimizers compute on --device. A plugin that\n"
            "crashes or does not answer fails there, and what comes after it is not tried." };
