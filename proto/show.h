/* show.h -- answers for people: tables with columns that stay aligned under Chinese text. */
#ifndef PAIDAN_SHOW_H
#define PAIDAN_SHOW_H

#include <stdio.h>

#include "codec.h"

/* A list as a table of the named columns (words with a space between), or, when the node is no list,
 * one line a member. Colours only when `out` is a terminal. */
void show_answer(FILE *out, const struct node *answer, const char *columns);
void show_error(FILE *out, const struct node *error);
/* One event on one line. */
void show_event(FILE *out, const struct node *event);

#endif
