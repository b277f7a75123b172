/* threads.c: two trials as threads of one process: clean under TSan, and the same losses as one after the
 * other. Not a Criterion test: a sanitizer sees the whole process. Prints TAP. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "train.h"

enum { SIDE = 12, TRAIN = 160, TEST = 20 };
struct job { sx_exp *exp; sx_registry *registry; double loss; int rc; };

static void put32(FILE *f, unsigned v) { for (int s = 24; s >= 0; s -= 8) fputc((int)(v >> s & 255), f); }

/* Images of class c have a bright row c: easy, and the same in every run. */
static void write_part(const char *dir, const char *name, int n)
{
    char file[512];
    snprintf(file, sizeof file, "%s/%s-x", dir, name);
    FILE *f = fopen(file, "wb");
    put32(f, 0x803), put32(f, (unsigned)n), put32(f, SIDE), put32(f, SIDE);
    for (int i = 0; i < n; i++)
        for (int p = 0; p < SIDE * SIDE; p++) fputc(p / SIDE == i % 10 ? 200 : (i * 31 + p * 17) % 60, f);
    fclose(f);
    snprintf(file, sizeof file, "%s/%s-y", dir, name);
    f = fopen(file, "wb");
    put32(f, 0x801), put32(f, (unsigned)n);
    for (int i = 0; i < n; i++) fputc(i % 10, f);
    fclose(f);
}

static void *trial(void *arg)
{
    struct job *j = arg;
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    sx_exp *e = NULL;
    sx_machine *m = NULL;
    sx_data *data = NULL;
    sx_net *net = NULL;
    sx_outcome o = { 0 };
    j->rc = sx_exp_at(a, j->exp, NULL, &e, &d);
    if (!j->rc) j->rc = sx_machine_open(a, j->registry, "cpu", 2, &m, &d);
    if (!j->rc) j->rc = sx_data_open(a, e, m, false, &data, &d);
    if (!j->rc) j->rc = sx_net_open(a, e, m, data, 7, 0, true, &net, &d);
    if (!j->rc) j->rc = sx_net_init(net, &d);
    if (!j->rc) j->rc = sx_train(a, e, net, data, &(sx_train_want){ 0 }, &o, &d);
    sx_diags_print(&d, stderr);
    for (long i = 0; i < o.n; i++) if (!strcmp(o.name[i], "val_loss")) j->loss = o.value[i];
    sx_arena_close(a);
    return NULL;
}

int main(void)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    char dir[] = "/tmp/strix-threads-XXXXXX";
    if (!mkdtemp(dir)) return 1;
    write_part(dir, "train", TRAIN);
    write_part(dir, "test", TEST);
    const char *text = sx_format(a,
        "model = { input = [ 12, 12, 1 ]; layers = { "
        "c = { type = \"conv2d\"; filters = 8; kernel = 3; padding = \"same\"; "
        "activation = \"relu\"; }; n = { type = \"batchnorm\"; }; p = { type = \"maxpool2d\"; size = 2; }; "
        "f = { type = \"flatten\"; }; d = { type = \"dropout\"; rate = 0.2; }; "
        "o = { type = \"dense\"; units = 10; activation = \"softmax\"; }; }; };\n"
        "dataset = { type = \"idx\"; dir = \"%s\"; train = [ \"train-x\", \"train-y\" ]; "
        "test = [ \"test-x\", \"test-y\" ]; "
        "split = { val = 0.2; seed = 1; }; };\n"
        "train = { loss = \"cross_entropy\"; epochs = 2; batch = 16; "
        "optimizer = { type = \"adam\"; lr = 0.01; }; };\n", dir);
    sx_registry *r = sx_registry_open(a, NULL);
    sx_conf *root = NULL;
    sx_exp *e = NULL;
    if (sx_config_parse(a, text, "threads", NULL, &root, &d) || sx_exp_open(a, r, root, "threads", &e, &d)) {
        sx_diags_print(&d, stderr);
        return 1;
    }
    struct job alone = { e, r, 0, 0 }, job[2] = { { e, r, 1, 0 }, { e, r, 2, 0 } };
    trial(&alone);                               /* loads every plugin: the registry is read-only from here */
    pthread_t t[2];
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, trial, &job[i]);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    const int ok = !alone.rc && !job[0].rc && !job[1].rc && job[0].loss == alone.loss
                   && job[1].loss == alone.loss;
    printf("1..1\n%s 1 - two trials as threads (val_loss %.9g, %.9g, alone %.9g)\n", ok ? "ok" : "not ok",
           job[0].loss, job[1].loss, alone.loss);
    sx_arena_close(a);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) || !ok;
}
