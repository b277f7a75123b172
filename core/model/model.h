/* model.h: an experiment's tree and a point of its space -> resolved settings and a graph of layers. */
#ifndef SX_MODEL_H
#define SX_MODEL_H
#include "exec.h"
#include "param.h"
#include "space.h"

/* --- The sections of an experiment, resolved for one point --- */
typedef struct { const sx_entry *entry; void *params; } sx_use;     /* a plugin item with its settings */
typedef struct {
    long epochs, batch, eval_batch; int precision;                   /* precision: 0 f32, 1 tf32, 2 bf16 */
    sx_use optimizer, schedule; long metrics; sx_use *metric;
    long values; struct sx_score *value;         /* what an epoch tells of each part beside the loss */
    double lr, clip, decay;
    bool early_stop, restore_best; const char *monitor; long patience; double min_delta;
    double divergence;                           /* a loss above this is divergence; 0: only non-finite ones */
    int recompute; double memory;                /* recompute: SX_AGAIN_*; memory: bytes, 0: what the device has */
} sx_train_conf;
enum { SX_AGAIN_AUTO, SX_AGAIN_NONE, SX_AGAIN_ALL };
/* "accuracy"; of several outputs "aux_loss", "aux_accuracy" ..; metric NULL: that output's loss */
typedef struct sx_score { const char *name; long output; const sx_use *metric; bool maximize; } sx_score;
enum { SX_COLUMNS = 16, SX_VALUES = 64 };        /* inputs, outputs or labels of a net; values of an epoch */
typedef struct {                                 /* what the model takes */
    const char *name;                            /* a column of the data set; NULL: the only one, model.input */
    int rank; long shape[SX_RANK];               /* of a row; rank 0: not given */
    const sx_conf *conf;
    const struct sx_layer_list *transform;       /* its layers of dataset.transform */
} sx_input;
typedef struct {                                 /* what it gives, and how that is judged */
    const char *name, *layer;                    /* NULL: the only one, the last layer; else "heads.aux", "split:1" */
    const sx_conf *conf;
    sx_use loss; const sx_conf *loss_conf; double weight;            /* weight: of its loss in the sum */
    const char *target;                          /* the label it learns; NULL: that of its name, or the only one */
} sx_output;
typedef struct {
    sx_use set; double val; uint64_t split_seed; const sx_conf *transform; long limit;   /* limit: rows used; 0: all */
} sx_data_conf;
typedef struct { const char *text; const sx_conf *at; } sx_rule;     /* an expression of tune.constraints */
typedef struct { sx_rule *v; long n, cap; } sx_rules;
typedef struct {
    long trials; double time, trial_time;
    sx_use sampler; long pruners; sx_use *pruner;
    uint64_t seed; int on_repeat; long keep;
    long objectives; const char **objective; bool *maximize;         /* at least one */
    bool first;                                  /* the first trial has the values of `vars` */
    long replicas; bool test;                    /* see replica.h */
    sx_rules known, measured;                    /* constraints: before a trial starts; at its end only */
} sx_tune_conf;
typedef struct { const char *store, *name; double heartbeat; const char *runs; } sx_study_conf;
typedef struct sx_layer_list sx_layer_list;
typedef struct sx_facts sx_facts;
typedef struct {
    sx_arena *arena; sx_registry *registry;
    sx_conf *root; const char *file;
    const sx_scope *scope;                       /* vars, or those of a point */
    sx_domain *domain;                           /* tune.space; the same for all points */
    sx_train_conf train; sx_data_conf data; sx_tune_conf tune; sx_study_conf study;
    long inputs, outputs; sx_input *input; sx_output *output;
    const sx_layer_list *layers;                 /* model.layers, expanded for scope */
    sx_facts *facts;                             /* what is found out once for all points: see limits.c */
    bool search;                                 /* a space alone, for ask and tell: no data, no model */
} sx_exp;

/* Loads plugins named by the file, checks every section, opens the domain, resolves with `vars`. All errors at once. */
int sx_exp_open(sx_arena *a, sx_registry *r, sx_conf *root, const char *file, sx_exp **out, sx_diags *d);
/* Only vars, tune and study: a search whose trials are run by others. */
int sx_search_open(sx_arena *a, sx_registry *r, sx_conf *root, const char *file, sx_exp **out, sx_diags *d);
/* What only trains says of a space alone, with who runs its trials: SX_E_CONFIG. */
int sx_search_refuse(const sx_exp *e, sx_diags *d);
/* The same experiment at a point x of its domain (NULL: vars). Shares root, registry and domain. */
int sx_exp_at(sx_arena *a, const sx_exp *e, const double *x, sx_exp **out, sx_diags *d);
sx_facts *sx_facts_open(sx_arena *a);
/* settings.c: everything that decides a training, worked out, in a fixed order: "model.layers.blocks.0.conv.filters". */
typedef struct { const char *path, *text; bool item; } sx_setting;   /* item: its settings stand below its path */
typedef struct { sx_arena *a; sx_setting *v; long n, cap; } sx_settings;
void sx_exp_settings(sx_arena *a, const sx_exp *e, sx_settings *out);
/* experiment.c: declared settings; stop: of train.early_stop. */
extern const sx_param sx_train_params[], sx_optimizer_params[], sx_stop_params[], sx_data_params[];
/* ends.c: model.input and inputs; dataset.transform by input; model.outputs; train.loss by output; train.values. In the
 * order outputs, losses, values, inputs, transforms. */
void sx_ends_outputs(sx_exp *e, sx_diags *d); void sx_ends_losses(sx_exp *e, const sx_conf *loss, sx_diags *d);
void sx_ends_values(sx_exp *e, sx_diags *d);
void sx_ends_inputs(sx_exp *e, const sx_conf *model, sx_diags *d); void sx_ends_transforms(sx_exp *e, sx_diags *d);
/* sx_param_fill for those members of group that params name; the others are somebody else's. */
int sx_exp_fill(sx_arena *a, const sx_param *params, const char *what, const sx_conf *group, const sx_scope *scope,
                void *out, sx_diags *d);
/* goals.c: objectives and constraints of the tune section. */
typedef struct { sx_texts objective, direction, constraints; } sx_goal_texts;
void sx_goals_read(sx_exp *e, const sx_conf *tune, const sx_goal_texts *t, sx_diags *d);
/* Does a training tell this value (costs: or what it takes)? *more: greater is better. An error at c where it does
 * not. */
void sx_goal_check(const sx_exp *e, const char *what, const char *value, bool costs, const sx_conf *c, bool *more,
                   sx_diags *d);
/* The place of a value among those of an epoch, or -1. Without validation rows "val_loss" is "loss". */
long sx_goal_place(const char *want, long n, const char *const *name);
/* e's variables and what the end of a trial tells; name NULL: each is 1. */
const sx_scope *sx_goal_scope(sx_arena *a, const sx_exp *e, long n, const char *const *name, const double *value);
const sx_entry *sx_goal_pruner(const sx_exp *e); /* the first that may stop a trial; NULL: there is none */
/* The first objective of a net that knows nothing, minimised; 0: not known. */
double sx_goal_chance(const sx_exp *e);
bool sx_text_mentions(const char *text, const char *name);           /* as a word of its own */
/* Objectives (as users see them) and measured constraints (kept where <= 0) of a trial at its end; name: its metrics
 * and "seconds". */
int sx_exp_measure(sx_arena *a, const sx_exp *e, const sx_machine *m, long n, const char *const *name,
                   const double *value, double *objective, double *constraint, sx_diags *d);
int sx_exp_measurable(const sx_exp *e, sx_diags *d);                 /* are the measured constraints well written? */
/* Can e's model (sx_exp_at) be built, and does it keep the known constraints? They may call memory(), device_memory(),
 * parameters(), macs(). m: the device that is meant, NULL: this host's memory. 0; SX_E_REFUSED with *why (NULL is fine)
 * in a, its code 0 where a constraint refuses and not a layer; other SX_E_*: cannot be told. */
int sx_exp_constraints(sx_arena *a, const sx_exp *e, const sx_machine *m, sx_diag *why, sx_diags *d);

/* --- The model --- */
typedef struct { long node; int port; } sx_link; /* an output of an expanded layer; node -1: an input of the whole */
typedef struct {                                 /* one expanded layer with its settings */
    const char *path;                            /* "blocks.2.convs.0.conv" */
    const char *weights;                         /* path that its weights are named by: its own, or that of `share` */
    const sx_conf *conf; const sx_entry *entry; void *params;
    long inputs; const sx_link *in;
    bool frozen; double lr_scale, l1, l2;
} sx_layer_node;
/* weights = "FILE" of the layers below prefix */
typedef struct { const char *file, *prefix; const sx_conf *conf; } sx_weights_use;
/* a pattern of model.freeze that freezes nothing; near: a path like it, or NULL */
typedef struct { const char *glob, *near; } sx_idle_glob;
struct sx_layer_list {
    sx_layer_node *v; long n, cap;
    long outs; sx_link *out;                     /* of the whole */
    struct { sx_weights_use *v; long n, cap; } files;
    struct { sx_idle_glob *v; long n, cap; } idle;
};
/* expand.c: loops, templates, conditions and expressions of group (NULL: no layers) worked out; root: prefix of all
 * paths, "" for the model itself, which alone has e's inputs and outputs by name. */
int sx_expand(sx_arena *a, const sx_exp *e, const sx_conf *group, const char *root, const sx_layer_list **out,
              sx_diags *d);
typedef struct {                                 /* one expanded layer, for `check` and messages */
    const char *path, *type; const sx_conf *conf; const sx_entry *entry;
    int rank; long shape[SX_RANK + 1];           /* of its output, batch left out */
    long parameters; double macs; size_t bytes;  /* of its output for one row */
    bool frozen; int64_t first, last;            /* its ops */
} sx_layer_row;
typedef struct { sx_layer_row *v; long n, cap; } sx_layer_rows;
/* Writes layers below their inputs into g and gives l->outs outputs; rows may be NULL. Outputs are {0}, with errors in
 * g->diags, where a layer refuses. Huge repeats (> 10,000), layers (> 10,000) and tensors (> 2^40 elements) are refused
 * before allocating. */
void sx_model_write(sx_graph *g, const sx_layer_list *l, const sx_t *in, sx_t *out, sx_layer_rows *rows);
/* Weights files named in the config (`weights = "file.safetensors"`) and the paths that they fill: prefix "stem.vgg."
 * goes before the file's names. Returns how many, or SX_E_DATA where one is not found (searched: beside the experiment
 * file, here, $XDG_DATA_HOME/strix/weights). */
long sx_model_weights(sx_arena *a, const sx_exp *e, sx_weights_use **out, sx_diags *d);
/* The layer that a link leads to, as written in `inputs`: "\"split:1\"". */
const char *sx_link_name(sx_arena *a, const sx_exp *e, const sx_layer_list *l, sx_link k);
/* The config with loops, templates, variables expanded, as `check --expand` prints it. */
char *sx_model_expand(sx_arena *a, const sx_exp *e, sx_diags *d);
#endif
