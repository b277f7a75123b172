lib_LTLIBRARIES += libstrix.la
libstrix_la_SOURCES = \
	core/arena.c core/arena.h core/diag.c core/diag.h core/log.c core/log.h core/rng.c core/rng.h \
	core/loader.c core/loader.h core/manifest.c core/manifest.h core/param.c core/item.c core/param.h core/config.c core/config.h core/conf.c core/source.c core/source.h \
	core/expr.c core/expr.h core/scope.c core/eval.h core/number.c core/datum.c \
	core/space.c core/draft.c core/vectors.c core/draft.h core/domain.c core/spacejson.c core/space.h core/axis.c core/point.c \
	core/graph.c core/graph.h core/calls.c core/shape.c core/init.c core/grad.c \
	core/plan.c core/plan.h core/planned.h core/stages.c core/slab.c core/match.c core/exec.c core/exec.h \
	core/experiment.c core/ends.c core/expand.c core/paths.c core/paths.h core/model.c core/goals.c core/limits.c core/model.h core/data.c core/data.h core/step.c core/net.c core/mode.h core/epoch.c core/probe.c core/step.h \
	core/file.c core/file.h core/tensors.c core/pack.c core/tensors.h core/ckpt.c core/ckpt.h core/train.c core/train.h core/report.c core/report.h \
	core/ask.c core/places.c core/places.h core/history.c core/history.h core/search.c core/search.h core/import.c core/importance.c core/fanova.c core/importance.h core/change.c core/steer.c core/replica.c core/replica.h core/spread.c core/confirm.c core/confirm.h core/study.c core/study.h core/own.h core/claim.c core/tell.c core/results.c core/worker.c core/worker.h
libstrix_la_CPPFLAGS = $(AM_CPPFLAGS) -DSTRIX_PLUGINDIR='"$(libdir)/strix/plugins-$(STRIX_ABI)"' \
	-DSTRIX_TEMPLATEDIR='"$(datadir)/strix/templates"'
libstrix_la_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS) $(JANSSON_CFLAGS)
libstrix_la_LDFLAGS = $(STRIX_LDFLAGS) -version-info $(STRIX_LTVERSION) -export-symbols-regex '^sx_'
libstrix_la_LIBADD = $(LIBCONFIG_LIBS) $(JANSSON_LIBS) -lm -lpthread
