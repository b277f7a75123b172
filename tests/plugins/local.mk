# Plugins for tests of the border: an old one, wrong ones, one with several items. Modules need an -rpath to become shared.
BORDER_LDFLAGS = $(AM_LDFLAGS) -rpath $(abs_top_builddir)
check_LTLIBRARIES += tests/plugins/layers/old_small.la tests/plugins/layers/abi2.la tests/plugins/layers/needs_symbol.la tests/plugins/layers/needs_strix.la \
	tests/plugins/layers/no_entry.la tests/plugins/several.la tests/plugins/bad_call.la tests/plugins/bad_choice.la tests/plugins/bad_kind.la tests/plugins/bad_magic.la \
	tests/plugins/bad_newer.la tests/plugins/bad_offset.la tests/plugins/bad_range.la tests/plugins/bad_size.la tests/plugins/bad_twice.la tests/plugins/bad_type.la
tests_plugins_layers_old_small_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_layers_abi2_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_layers_needs_symbol_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_layers_needs_strix_la_SOURCES = tests/plugins/layers/needs_symbol.c
tests_plugins_layers_needs_strix_la_CPPFLAGS = $(AM_CPPFLAGS) -DOF_STRIX
tests_plugins_layers_needs_strix_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_layers_no_entry_la_LDFLAGS = $(STRIX_LDFLAGS) -module -avoid-version -shared -rpath $(abs_top_builddir)
tests_plugins_several_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_call_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_call_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=CALL
tests_plugins_bad_call_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_choice_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_choice_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=CHOICE
tests_plugins_bad_choice_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_kind_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_kind_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=KIND
tests_plugins_bad_kind_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_magic_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_magic_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=MAGIC
tests_plugins_bad_magic_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_newer_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_newer_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=NEWER
tests_plugins_bad_newer_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_offset_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_offset_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=OFFSET
tests_plugins_bad_offset_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_range_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_range_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=RANGE
tests_plugins_bad_range_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_size_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_size_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=SIZE
tests_plugins_bad_size_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_twice_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_twice_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=TWICE
tests_plugins_bad_twice_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_bad_type_la_SOURCES = tests/plugins/bad.c
tests_plugins_bad_type_la_CPPFLAGS = $(AM_CPPFLAGS) -DBAD=TYPE
tests_plugins_bad_type_la_LDFLAGS = $(BORDER_LDFLAGS)
# Items with faults that the conformance suites must find.
check_LTLIBRARIES += tests/plugins/wrong.la
tests_plugins_wrong_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_wrong_la_LIBADD = -lm
# A layer that hangs, for the limit of a trial's time.
check_LTLIBRARIES += tests/plugins/layers/hang.la
tests_plugins_layers_hang_la_LDFLAGS = $(BORDER_LDFLAGS)
check_LTLIBRARIES += tests/plugins/wrong_search.la tests/plugins/wrong_store.la
tests_plugins_wrong_search_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_wrong_store_la_LDFLAGS = $(BORDER_LDFLAGS)
check_LTLIBRARIES += tests/plugins/wrong_crash.la tests/plugins/wrong_hang.la
tests_plugins_wrong_crash_la_SOURCES = tests/plugins/wrong_end.c
tests_plugins_wrong_crash_la_LDFLAGS = $(BORDER_LDFLAGS)
tests_plugins_wrong_hang_la_SOURCES = tests/plugins/wrong_end.c
tests_plugins_wrong_hang_la_CPPFLAGS = $(AM_CPPFLAGS) -DHANG
tests_plugins_wrong_hang_la_LDFLAGS = $(BORDER_LDFLAGS)
# Not where plugins are looked for: whoever loads it waits for ever.
check_LTLIBRARIES += tests/wrong_load.la
tests_wrong_load_la_SOURCES = tests/plugins/wrong_end.c
tests_wrong_load_la_CPPFLAGS = $(AM_CPPFLAGS) -DLOAD
tests_wrong_load_la_LDFLAGS = $(BORDER_LDFLAGS)
# A sampler that takes a second, for workers that wait for it.
check_LTLIBRARIES += tests/plugins/samplers/slow.la
tests_plugins_samplers_slow_la_LDFLAGS = $(BORDER_LDFLAGS)
