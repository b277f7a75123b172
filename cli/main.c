/* main.c: to be written. */
#include <strix/plugin.h>
int main(void) { return 0; }
