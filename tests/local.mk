# One test_<file>.c per core file (Criterion, TAP). make check builds everything, then runs against the build tree's plugins.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/tap.sh
AM_TESTS_ENVIRONMENT = STRIX_PLUGIN_PATH='$(abs_top_builddir)/plugins' STRIX_BUILD='$(abs_top_builddir)' \
	STRIX_SOURCE='$(abs_top_srcdir)' LSAN_OPTIONS='suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0'; \
	export STRIX_PLUGIN_PATH STRIX_BUILD STRIX_SOURCE LSAN_OPTIONS;
EXTRA_DIST += tests/train_help.h tests/data/idx tests/data/tensors tests/data/classification_report.json tests/tap.sh tests/graph_help.h
if HAVE_CRITERION
UNIT_TESTS = tests/test_arena \
	tests/test_again \
	tests/test_cpu_ops \
	tests/test_fused \
	tests/test_ask \
	tests/test_pruners \
	tests/test_samplers \
	tests/test_axis \
	tests/test_config \
	tests/test_ckpt \
	tests/test_cost \
	tests/test_data \
	tests/test_diag \
	tests/test_ends \
	tests/test_exec \
	tests/test_experiment \
	tests/test_expr \
	tests/test_goals \
	tests/test_golden \
	tests/test_gp \
	tests/test_golden_layers \
	tests/test_grad \
	tests/test_history \
	tests/test_graph \
	tests/test_idx \
	tests/test_importance \
	tests/test_loader \
	tests/test_model \
	tests/test_optimizers \
	tests/test_param \
	tests/test_plan \
	tests/test_point \
	tests/test_precision \
	tests/test_replica \
	tests/test_report \
	tests/test_rng \
	tests/test_shape \
	tests/test_space \
	tests/test_step \
	tests/test_study \
	tests/test_tensors \
	tests/test_direct \
	tests/test_train \
	tests/test_matmul \
	tests/test_tiles \
	tests/test_winograd
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
tests_test_idx_LDADD = $(LDADD) $(ZLIB_LIBS)
tests_test_direct_SOURCES = tests/test_direct.c plugins/devices/cpu/conv/conv.h plugins/devices/cpu/conv/thin.c plugins/devices/cpu/conv/thin_kernels.h plugins/devices/cpu/machine/levels.h \
	plugins/devices/cpu/conv/depthwise.c plugins/devices/cpu/conv/depthwise_kernels.h plugins/devices/cpu/conv/direct.c plugins/devices/cpu/machine/pool.c \
	plugins/devices/cpu/machine/vector.h plugins/devices/cpu/machine/isa.c plugins/devices/cpu/cpu.h
tests_test_matmul_SOURCES = tests/test_matmul.c plugins/devices/cpu/ops/matmul.c plugins/devices/cpu/ops/product.c plugins/devices/cpu/ops/random.c \
	plugins/devices/cpu/machine/isa.c plugins/devices/cpu/machine/pool.c core/base/rng.c plugins/devices/cpu/cpu.h
tests_test_winograd_SOURCES = tests/test_winograd.c plugins/devices/cpu/conv/conv.h plugins/devices/cpu/machine/isa.c plugins/devices/cpu/conv/winograd.c \
	plugins/devices/cpu/conv/winograd_isa.c plugins/devices/cpu/conv/winograd_order.c plugins/devices/cpu/conv/winograd_weights.c plugins/devices/cpu/conv/winograd.h \
	plugins/devices/cpu/conv/winograd_tiles.h plugins/devices/cpu/machine/pool.c plugins/devices/cpu/cpu.h
tests_test_tiles_SOURCES = tests/test_tiles.c plugins/devices/cpu/conv/conv.h $(tiles) plugins/devices/cpu/conv/tiles_unit.h
# The kernels of tiles over what they need.
tiles = plugins/devices/cpu/conv/tiles.c plugins/devices/cpu/conv/tiles.h plugins/devices/cpu/conv/tiles_kernels.h \
	plugins/devices/cpu/conv/tiles_conv.c plugins/devices/cpu/ops/bf16.c plugins/devices/cpu/ops/product.c plugins/devices/cpu/machine/isa.c \
	plugins/devices/cpu/machine/pool.c plugins/devices/cpu/machine/vector.h plugins/devices/cpu/cpu.h
# The best instructions against plain C; needs no Criterion. 77 where there are none.
check_PROGRAMS += tests/tiles_here
TESTS += tests/tiles_here
tests_tiles_here_SOURCES = tests/tiles_here.c plugins/devices/cpu/conv/conv.h $(tiles) plugins/devices/cpu/conv/tiles_unit.h plugins/devices/cpu/conv/winograd.c \
	plugins/devices/cpu/conv/winograd_isa.c plugins/devices/cpu/conv/winograd_order.c plugins/devices/cpu/conv/winograd_weights.c plugins/devices/cpu/conv/winograd.h \
	plugins/devices/cpu/conv/winograd_tiles.h plugins/devices/cpu/conv/thin.c plugins/devices/cpu/conv/thin_kernels.h \
	plugins/devices/cpu/conv/depthwise.c plugins/devices/cpu/conv/depthwise_kernels.h plugins/devices/cpu/machine/levels.h \
	plugins/devices/cpu/conv/direct.c
tests_tiles_here_LDADD = -lpthread -lm
tests_test_cpu_ops_SOURCES = tests/test_cpu_ops.c plugins/devices/cpu/machine/pool.c plugins/devices/cpu/ops/bf16.c plugins/devices/cpu/cpu.h
TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
LDADD = libconform.la libstrix.la $(CRITERION_LIBS) $(JANSSON_LIBS) -lm
$(check_PROGRAMS): AM_LDFLAGS = $(STRIX_LDFLAGS)

# The device `cpu` with fewer instructions than the processor has.
if HAVE_CRITERION
check_PROGRAMS += tests/list_isa
tests_list_isa_SOURCES = tests/list_isa.c plugins/devices/cpu/machine/isa.c plugins/devices/cpu/cpu.h
tests_list_isa_LDADD =
TESTS += tests/test_isa.sh
endif
EXTRA_DIST += tests/test_isa.sh

# TPE against the peers' own numbers: the sampler's very code, linked into a program of its own.
check_PROGRAMS += tests/tpe_vectors
tests_tpe_vectors_SOURCES = tests/tpe_vectors.c plugins/samplers/parzen/parzen.h plugins/samplers/parzen/parzen.c \
	plugins/samplers/parzen/normal.c plugins/samplers/parzen/parzen_hyperopt.c plugins/samplers/parzen/parzen_optuna.c \
	plugins/samplers/parzen/split.c plugins/samplers/parzen/book.c plugins/samplers/parzen/parzen_score.c plugins/samplers/parzen/pareto.c \
	plugins/samplers/surrogate/surrogate.h plugins/samplers/surrogate/process.c plugins/samplers/surrogate/kernel.c plugins/samplers/surrogate/cholesky.c \
	plugins/samplers/surrogate/improve.c
tests_tpe_vectors_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tpe_vectors_LDADD = libstrix.la $(JANSSON_LIBS) -lm
TESTS += tests/test_tpe_vectors.sh
EXTRA_DIST += tests/test_tpe_vectors.sh tests/tpe

# The store against Optuna's own files.
if HAVE_CRITERION
check_PROGRAMS += tests/test_store
TESTS += tests/test_store
tests_test_store_CFLAGS = $(TEST_CFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS)
tests_test_store_LDADD = $(LDADD) $(SQLITE_LIBS)
check_PROGRAMS += tests/test_foreign
TESTS += tests/test_foreign
tests_test_foreign_CFLAGS = $(TEST_CFLAGS) $(SQLITE_CFLAGS)
tests_test_foreign_LDADD = $(LDADD) $(SQLITE_LIBS)
endif
EXTRA_DIST += tests/data/optuna

# Studies of many trials behind a store; `make bench/store`.
check_PROGRAMS += bench/store
bench_store_LDADD = libstrix.la -lm

# Faults: workers that die or lag, servers that go away.
check_PROGRAMS += tests/store_worker tests/proxy
tests_store_worker_LDADD = libstrix.la -lm
tests_store_worker_LDFLAGS = $(STRIX_LDFLAGS) -rdynamic
tests_proxy_LDADD =
TESTS += tests/test_faults.sh tests/test_postgresql.sh
EXTRA_DIST += tests/faults.sh tests/server.sh tests/test_faults.sh tests/test_postgresql.sh

# With Optuna itself and its dashboard; no part of `make check`, since pip fetches them.
check-peers: all
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/tests/peers/peers.sh
.PHONY: check-peers
EXTRA_DIST += tests/peers

# Mistakes of people and what strix says to them.
TESTS += tests/test_errors.sh
EXTRA_DIST += tests/test_errors.sh tests/errors tests/lsan.supp

# The border to plugins and to people.
check_PROGRAMS += tests/conform_all tests/schema
tests_schema_LDADD = $(JANSSON_LIBS)
TESTS += tests/test_conform_all.sh tests/test_cli.sh tests/test_ctypes.sh tests/test_json.sh
EXTRA_DIST += tests/test_conform_all.sh tests/test_cli.sh tests/test_ctypes.sh tests/test_json.sh tests/schemas
include tests/plugins/local.mk

# Samplers on five functions: regret and time per suggestion; `make bench/hpo`.
check_PROGRAMS += bench/hpo bench/ask
bench_ask_SOURCES = bench/ask.c bench/functions.c bench/functions.h
bench_ask_LDADD = libstrix.la -lm
bench_hpo_SOURCES = bench/hpo.c bench/functions.c bench/holdouts.c bench/functions.h
bench_hpo_LDADD = libconform.la libstrix.la -lm
check_PROGRAMS += bench/losses
bench_losses_SOURCES = bench/losses.c bench/functions.c bench/holdouts.c bench/functions.h
bench_losses_LDADD = libstrix.la -lm
EXTRA_DIST += bench/hpo_peers.py
tests_test_gp_SOURCES = tests/test_gp.c bench/functions.c $(surrogate) $(process)
tests_test_gp_CFLAGS = $(TEST_CFLAGS)
tests_test_samplers_SOURCES = tests/test_samplers.c bench/functions.c
EXTRA_DIST += tests/data/hpo-bench-points.json tests/data/median.json tests/data/percentile.json tests/golden/make_median.py

# Training, evaluation and prediction as a user meets them.
TESTS += tests/test_train_cli.sh tests/test_ends.sh tests/test_memory.sh
check_PROGRAMS += tests/peak
tests_peak_LDADD =
EXTRA_DIST += tests/test_train_cli.sh tests/test_ends.sh tests/test_memory.sh

# Against PyTorch in double; golden/ holds the scripts that made the numbers.
EXTRA_DIST += tests/golden

# Two trials as threads of one process; ./check runs it under TSan as well.
check_PROGRAMS += tests/threads
TESTS += tests/threads
tests_threads_LDADD = libstrix.la -lpthread -lm
EXTRA_DIST += tests/outside.sh run LICENSE README.md CHANGELOG.md CONTRIBUTING.md docs tools/setup.sh bench/asha
EXTRA_DIST += bench/vs-torch bench/torch_nets.py bench/torch_step.py bench/keras_step.py bench/job bench/torch_job.py bench/machine.py
EXTRA_DIST += bench/precision bench/scaling bench/overheads

# Searches: continued, killed, stopped.
TESTS += tests/test_tune.sh tests/test_crew.sh tests/test_points.sh
TESTS += tests/test_study.sh tests/test_study_import.sh
EXTRA_DIST += tests/test_study.sh tests/test_study_import.sh
EXTRA_DIST += tests/steps.sh tests/search.sh tests/test_tune.sh tests/test_crew.sh tests/test_points.sh

# The experiments that come with strix.
TESTS += tests/test_examples.sh tests/test_conform.sh
EXTRA_DIST += tests/test_examples.sh tests/test_conform.sh tests/model_help.h
