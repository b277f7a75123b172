lib_LTLIBRARIES += libstrix.la
libstrix_la_SOURCES = $(core_base) $(core_plugin) $(core_config) $(core_space) $(core_graph) $(core_model) $(core_train) $(core_study)
# memory, errors, random numbers, files
core_base = core/base/arena.c core/base/arena.h core/base/diag.c core/base/diag.h core/base/file.c \
	core/base/file.h core/base/log.c core/base/log.h core/base/rng.c core/base/rng.h \
	core/base/tensors.c core/base/tensors.h
# what plugins say of themselves, and their settings
core_plugin = core/plugin/elf.c core/plugin/item.c core/plugin/loader.c core/plugin/loader.h core/plugin/manifest.c \
	core/plugin/manifest.h core/plugin/pack.c core/plugin/param.c core/plugin/param.h
# files and expressions
core_config = core/config/conf.c core/config/config.c core/config/config.h core/config/datum.c \
	core/config/eval.h core/config/expr.c core/config/expr.h core/config/number.c \
	core/config/scope.c core/config/source.c core/config/source.h
# search spaces and points
core_space = core/space/axis.c core/space/change.c core/space/domain.c core/space/draft.c \
	core/space/draft.h core/space/point.c core/space/space.c core/space/space.h \
	core/space/spacejson.c core/space/vectors.c
# ops, gradients, stages, memory, a device
core_graph = core/graph/again.c core/graph/again.h core/graph/calls.c core/graph/cost.c core/graph/exec.c core/graph/exec.h core/graph/grad.c core/graph/graph.c \
	core/graph/graph.h core/graph/init.c core/graph/match.c core/graph/plan.c core/graph/plan.h \
	core/graph/planned.h core/graph/shape.c core/graph/slab.c core/graph/stages.c
# sections of an experiment, layers
core_model = core/model/ends.c core/model/expand.c core/model/experiment.c core/model/goals.c \
	core/model/limits.c core/model/model.c core/model/model.h core/model/paths.c core/model/paths.h core/model/settings.c
# data, steps, epochs, checkpoints
core_train = core/train/ckpt.c core/train/ckpt.h core/train/data.c core/train/data.h core/train/epoch.c core/train/fit.c \
	core/train/mode.h core/train/net.c core/train/probe.c core/train/replica.c core/train/replica.h \
	core/train/report.c core/train/report.h core/train/same.c core/train/step.c core/train/step.h core/train/train.c \
	core/train/train.h
# trials: asked, told, read, confirmed
core_study = core/study/ask.c core/study/claim.c core/study/confirm.c core/study/confirm.h \
	core/study/fanova.c core/study/history.c core/study/history.h core/study/import.c \
	core/study/importance.c core/study/importance.h core/study/own.h core/study/places.c \
	core/study/places.h core/study/results.c core/study/search.c core/study/search.h \
	core/study/spread.c core/study/steer.c core/study/study.c core/study/study.h core/study/tell.c \
	core/study/worker.c core/study/worker.h
libstrix_la_CPPFLAGS = $(AM_CPPFLAGS) -DSTRIX_PLUGINDIR='"$(libdir)/strix/plugins-$(STRIX_ABI)"' \
	-DSTRIX_TEMPLATEDIR='"$(datadir)/strix/templates"'
libstrix_la_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS) $(JANSSON_CFLAGS)
libstrix_la_LDFLAGS = $(STRIX_LDFLAGS) -version-info $(STRIX_LTVERSION) -export-symbols-regex '^sx_'
libstrix_la_LIBADD = $(LIBCONFIG_LIBS) $(JANSSON_LIBS) -lm -lpthread
