# A plugin costs one word: automake builds plugins/layers/dense.la from dense.c.
plugindir = $(libdir)/strix/plugins-$(STRIX_ABI)

layersdir = $(plugindir)/layers
layers_LTLIBRARIES = plugins/layers/conv2d.la plugins/layers/dense.la plugins/layers/batchnorm.la \
	plugins/layers/maxpool2d.la plugins/layers/avgpool2d.la plugins/layers/dropout.la plugins/layers/flatten.la plugins/layers/relu.la \
	plugins/layers/selu.la plugins/layers/tanh.la plugins/layers/softmax.la plugins/layers/tile_channels.la \
	plugins/layers/resize.la plugins/layers/scale.la plugins/layers/add.la plugins/layers/concat.la plugins/layers/split.la
lossesdir = $(plugindir)/losses
losses_LTLIBRARIES = plugins/losses/cross_entropy.la
metricsdir = $(plugindir)/metrics
metrics_LTLIBRARIES = plugins/metrics/accuracy.la
optimizersdir = $(plugindir)/optimizers
optimizers_LTLIBRARIES = plugins/optimizers/adam.la plugins/optimizers/adamax.la plugins/optimizers/nadam.la \
	plugins/optimizers/rmsprop.la plugins/optimizers/sgd.la
schedulesdir = $(plugindir)/schedules
schedules_LTLIBRARIES = plugins/schedules/constant.la plugins/schedules/cosine.la
samplersdir = $(plugindir)/samplers
samplers_LTLIBRARIES = plugins/samplers/random.la plugins/samplers/grid.la plugins/samplers/tpe.la \
	plugins/samplers/sobol.la plugins/samplers/lhs.la plugins/samplers/anneal.la plugins/samplers/cmaes.la plugins/samplers/nsga2.la plugins/samplers/gp.la plugins/samplers/forest.la \
	plugins/samplers/auto.la
prunersdir = $(plugindir)/pruners
pruners_LTLIBRARIES = plugins/pruners/none.la plugins/pruners/patience.la plugins/pruners/median.la \
	plugins/pruners/percentile.la plugins/pruners/divergence.la plugins/pruners/asha.la plugins/pruners/hyperband.la
storesdir = $(plugindir)/stores
stores_LTLIBRARIES = plugins/stores/sqlite.la
datasetsdir = $(plugindir)/datasets
datasets_LTLIBRARIES = plugins/datasets/idx.la plugins/datasets/tensors.la
devicesdir = $(plugindir)/devices
devices_LTLIBRARIES = plugins/devices/cpu.la plugins/devices/null.la

surrogate = plugins/samplers/surrogate/surrogate.h plugins/samplers/parzen/parzen.h plugins/samplers/latin.h plugins/samplers/surrogate/suggestion.c \
	plugins/samplers/surrogate/acquire.c plugins/samplers/surrogate/coords.c plugins/samplers/surrogate/targets.c plugins/samplers/surrogate/improve.c \
	plugins/samplers/surrogate/untried.c plugins/samplers/parzen/parzen.c plugins/samplers/parzen/normal.c
process = plugins/samplers/surrogate/gaussian.c plugins/samplers/surrogate/process.c plugins/samplers/surrogate/kernel.c plugins/samplers/surrogate/cholesky.c
plugins_samplers_gp_la_SOURCES = plugins/samplers/gp.c plugins/samplers/part.h $(surrogate) $(process)
plugins_samplers_forest_la_SOURCES = plugins/samplers/forest.c plugins/samplers/part.h plugins/samplers/surrogate/trees.c $(surrogate)
plugins_samplers_forest_la_LIBADD = -lm
plugins_samplers_gp_la_LIBADD = -lm
estimators = plugins/samplers/parzen/parzen.h plugins/samplers/parzen/parzen_hyperopt.c \
	plugins/samplers/parzen/parzen_optuna.c plugins/samplers/parzen/parzen.c plugins/samplers/parzen/normal.c \
	plugins/samplers/parzen/split.c plugins/samplers/parzen/book.c plugins/samplers/parzen/parzen_score.c plugins/samplers/below.h \
	plugins/samplers/parzen/pareto.c
plugins_samplers_tpe_la_SOURCES = plugins/samplers/tpe.c plugins/samplers/part.h $(estimators)
# The same files once more, as parts of one plugin.
plugins_samplers_auto_la_SOURCES = plugins/samplers/auto.c plugins/samplers/gp.c plugins/samplers/forest.c \
	plugins/samplers/tpe.c plugins/samplers/part.h plugins/samplers/surrogate/trees.c $(surrogate) $(process) \
	plugins/samplers/parzen/parzen_hyperopt.c plugins/samplers/parzen/parzen_optuna.c plugins/samplers/parzen/split.c \
	plugins/samplers/parzen/book.c plugins/samplers/parzen/parzen_score.c plugins/samplers/below.h plugins/samplers/parzen/pareto.c
plugins_samplers_auto_la_CPPFLAGS = $(AM_CPPFLAGS) -DPART
plugins_samplers_auto_la_LIBADD = -lm
# What all stores in Optuna's tables share.
noinst_LTLIBRARIES += plugins/stores/libledger.la
plugins_stores_libledger_la_SOURCES = plugins/stores/sql.c plugins/stores/ledger.h \
	plugins/stores/optuna.c plugins/stores/optuna_rows.c plugins/stores/optuna_body.c plugins/stores/optuna_claim.c \
	plugins/stores/optuna_events.c \
	plugins/stores/optuna_tell.c plugins/stores/optuna_notes.c plugins/stores/optuna_space.c \
	plugins/stores/optuna.h plugins/stores/distribution.c plugins/stores/distribution.h
plugins_stores_libledger_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
plugins_stores_libledger_la_LIBADD = $(JANSSON_LIBS) -lm
plugins_stores_libledger_la_LDFLAGS = $(STRIX_LDFLAGS)
plugins_stores_sqlite_la_SOURCES = plugins/stores/sqlite.c plugins/stores/sqlite_schema.h
plugins_stores_sqlite_la_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
plugins_stores_sqlite_la_LIBADD = plugins/stores/libledger.la $(SQLITE_LIBS)
if HAVE_LIBPQ
stores_LTLIBRARIES += plugins/stores/postgresql.la
plugins_stores_postgresql_la_SOURCES = plugins/stores/postgresql.c plugins/stores/postgresql_schema.h
plugins_stores_postgresql_la_CFLAGS = $(AM_CFLAGS) $(LIBPQ_CFLAGS)
plugins_stores_postgresql_la_LIBADD = plugins/stores/libledger.la $(LIBPQ_LIBS) -lm
endif
plugins_pruners_median_la_SOURCES = plugins/pruners/median.c plugins/pruners/quantile.c plugins/pruners/quantile.h
plugins_pruners_percentile_la_SOURCES = plugins/pruners/percentile.c plugins/pruners/quantile.c plugins/pruners/quantile.h
plugins_pruners_asha_la_SOURCES = plugins/pruners/asha.c plugins/pruners/rungs.c plugins/pruners/rungs.h
plugins_pruners_hyperband_la_SOURCES = plugins/pruners/hyperband.c plugins/pruners/rungs.c plugins/pruners/rungs.h
plugins_layers_conv2d_la_SOURCES = plugins/layers/conv2d.c plugins/layers/window.h
plugins_layers_maxpool2d_la_SOURCES = plugins/layers/maxpool2d.c plugins/layers/pool2d.h plugins/layers/window.h
plugins_layers_avgpool2d_la_SOURCES = plugins/layers/avgpool2d.c plugins/layers/pool2d.h plugins/layers/window.h
plugins_layers_selu_la_SOURCES = plugins/layers/selu.c plugins/layers/vector.h
plugins_layers_tanh_la_SOURCES = plugins/layers/tanh.c plugins/layers/vector.h
# What a plugin calls itself it links itself (they are loaded RTLD_LOCAL).
plugins_layers_selu_la_LIBADD = -lm
plugins_layers_tanh_la_LIBADD = -lm
plugins_losses_cross_entropy_la_LIBADD = -lm
plugins_pruners_hyperband_la_LIBADD = -lm
plugins_pruners_divergence_la_LIBADD = -lm
plugins_optimizers_adam_la_LIBADD = -lm
plugins_optimizers_adamax_la_LIBADD = -lm
plugins_optimizers_nadam_la_LIBADD = -lm
plugins_optimizers_rmsprop_la_LIBADD = -lm
plugins_schedules_cosine_la_LIBADD = -lm
plugins_samplers_random_la_LIBADD = -lm
plugins_samplers_sobol_la_LIBADD = -lm
plugins_samplers_lhs_la_LIBADD = -lm
plugins_samplers_anneal_la_LIBADD = -lm
plugins_samplers_nsga2_la_LIBADD = -lm
plugins_samplers_nsga2_la_SOURCES = plugins/samplers/nsga2.c plugins/samplers/evolution/generation.h \
	plugins/samplers/latin.h plugins/samplers/unit.h
plugins_samplers_cmaes_la_LIBADD = -lm
plugins_samplers_cmaes_la_SOURCES = plugins/samplers/cmaes.c plugins/samplers/evolution/covariance.c \
	plugins/samplers/evolution/covariance.h plugins/samplers/evolution/generation.h plugins/samplers/unit.h
plugins_samplers_lhs_la_SOURCES = plugins/samplers/lhs.c plugins/samplers/latin.h
plugins_samplers_anneal_la_SOURCES = plugins/samplers/anneal.c plugins/samplers/latin.h plugins/samplers/unit.h
plugins_samplers_grid_la_LIBADD = -lm
plugins_samplers_tpe_la_LIBADD = -lm
plugins_pruners_median_la_LIBADD = -lm
plugins_pruners_patience_la_LIBADD = -lm
plugins_datasets_idx_la_LIBADD = $(ZLIB_LIBS)
plugins_devices_cpu_la_SOURCES = plugins/devices/cpu/cpu.c plugins/devices/cpu/cpu.h plugins/devices/cpu/stages/chain.c \
	plugins/devices/cpu/stages/lower.c plugins/devices/cpu/stages/poolfirst.c plugins/devices/cpu/ops/softmax.c \
	plugins/devices/cpu/machine/pool.c plugins/devices/cpu/ops/gemm.c plugins/devices/cpu/ops/matmul.c plugins/devices/cpu/ops/product.c plugins/devices/cpu/stages/late.c plugins/devices/cpu/conv/conv.c plugins/devices/cpu/conv/conv.h \
	plugins/devices/cpu/conv/onednn.c \
	plugins/devices/cpu/conv/winograd.c plugins/devices/cpu/conv/winograd_isa.c plugins/devices/cpu/conv/winograd_order.c plugins/devices/cpu/conv/winograd_weights.c \
	plugins/devices/cpu/conv/winograd.h plugins/devices/cpu/conv/winograd_tiles.h \
	plugins/devices/cpu/conv/direct.c plugins/devices/cpu/conv/thin.c plugins/devices/cpu/conv/thin_kernels.h plugins/devices/cpu/machine/vector.h plugins/devices/cpu/machine/levels.h \
	plugins/devices/cpu/conv/depthwise.c plugins/devices/cpu/conv/depthwise_kernels.h \
	plugins/devices/cpu/conv/tiles.c plugins/devices/cpu/conv/tiles.h plugins/devices/cpu/conv/tiles_unit.h plugins/devices/cpu/conv/tiles_kernels.h \
	plugins/devices/cpu/conv/tiles_conv.c plugins/devices/cpu/conv/ways.c \
	plugins/devices/cpu/machine/isa.c plugins/devices/cpu/machine/limits.c \
	plugins/devices/cpu/ops/map.c plugins/devices/cpu/stages/cast.c plugins/devices/cpu/ops/bf16.c plugins/devices/cpu/ops/norm.c plugins/devices/cpu/ops/pool2d.c plugins/devices/cpu/ops/pool2d.h \
	plugins/devices/cpu/stages/bnpool.c plugins/devices/cpu/ops/resize.c plugins/devices/cpu/ops/rows.c \
	plugins/devices/cpu/ops/random.c plugins/devices/cpu/ops/update.c
# Contraction: without it gcc -std=c11 makes two instructions of every multiply-add.
plugins_devices_cpu_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=fast $(OPENBLAS_CFLAGS)
plugins_devices_cpu_la_LIBADD = $(OPENBLAS_LIBS) -lpthread -lm
# The skeleton is built by make check, so that it does not rot.
check_LTLIBRARIES += plugins/template/layer.la
plugins_template_layer_la_LDFLAGS = $(AM_LDFLAGS) -rpath $(abs_top_builddir)
EXTRA_DIST += plugins/README.md
