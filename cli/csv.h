/* csv.h: tables of comma-separated values (RFC 4180), as other programs export their trials. */
#ifndef CSV_H
#define CSV_H
#include "cli.h"

typedef struct { int line; const char **cell; } csv_row;             /* a cell for every column */
typedef struct { const char *file; long columns; const char **head; long rows; const csv_row *row; } csv;
/* Reads the file, its first line the names of the columns. SX_E_DATA: every bad line is told. */
int csv_read(cli_context *c, const char *file, csv *out);
long csv_column(const csv *t, const char *name); /* -1: none */
#endif
