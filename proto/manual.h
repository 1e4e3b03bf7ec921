/* manual.h -- man pages, from the tables that --help comes from. */
#ifndef PAIDAN_MANUAL_H
#define PAIDAN_MANUAL_H

#include <stdio.h>

/* Text in troff: what would be a request or an escape of it is not. */
void manual_text(FILE *out, const char *text);
void manual_head(FILE *out, const char *name, int section, const char *what);
/* A tagged paragraph: bold, then its text. */
void manual_item(FILE *out, const char *tag, const char *text);
/* paidand.conf(5), whole. */
void manual_settings(FILE *out);

#endif
