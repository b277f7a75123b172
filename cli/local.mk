bin_PROGRAMS += strix
strix_SOURCES = cli/main.c cli/cli.h cli/options.c cli/output.c cli/progress.c \
	cli/crew.c cli/crew.h cli/jobs.c cli/orphans.c cli/wire.c cli/check.c cli/train_verb.c cli/tune.c cli/worker_verb.c \
	cli/eval.c cli/predict.c cli/study_verb.c cli/study_verb.h cli/study_list.c cli/study_import.c \
	cli/import_source.c cli/import.h cli/csv.c cli/csv.h cli/study_importance.c cli/study_show.c cli/study_best.c \
	cli/study_rows.c cli/study_trials.c cli/study_ask.c cli/study_add.c cli/study_steer.c cli/study_confirm.c \
	cli/plugins_verb.c cli/conform_verb.c cli/bench.c cli/debug.c cli/version.c
strix_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
strix_LDADD = libconform.la libstrix.la $(JANSSON_LIBS) $(ZLIB_LIBS) -lm
strix_LDFLAGS = $(STRIX_LDFLAGS)
