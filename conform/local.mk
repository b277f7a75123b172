# The conformance suites: part of the program (strix conform FILE.so) and of make check.
noinst_LTLIBRARIES = libconform.la
libconform_la_SOURCES = conform/conform.c conform/conform.h conform/guard.c conform/rig.c conform/rig.h \
	conform/conform_layer.c conform/conform_optimizer.c conform/conform_search.c conform/trials.c conform/trials.h \
	conform/conform_store.c conform/conform_store_many.c conform/conform_store.h conform/conform_dataset.c \
	conform/conform_device.c conform/reference.c conform/reference.h
libconform_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libconform_la_LDFLAGS = $(STRIX_LDFLAGS)
