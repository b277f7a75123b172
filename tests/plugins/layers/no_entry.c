/* no_entry.c: a shared object that is no plugin. */
int nothing_to_do_with_strix(void);
int nothing_to_do_with_strix(void) { return 1; }
