# One test_<file>.c per core file (Criterion, TAP). make check builds everything, then runs against the build tree's plugins.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/tap.sh
AM_TESTS_ENVIRONMENT = STRIX_PLUGIN_PATH='$(abs_top_builddir)/plugins' STRIX_BUILD='$(abs_top_builddir)' \
	STRIX_SOURCE='$(abs_top_srcdir)'; export STRIX_PLUGIN_PATH STRIX_BUILD STRIX_SOURCE;
EXTRA_DIST += tests/tap.sh
if HAVE_CRITERION
UNIT_TESTS = tests/test_arena
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
TEST_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
LDADD = libconform.la libstrix.la $(CRITERION_LIBS) $(JANSSON_LIBS) -lm
$(check_PROGRAMS): AM_LDFLAGS = $(STRIX_LDFLAGS)
