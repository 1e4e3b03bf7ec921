/* visible.h -- text of others for a terminal or a line of the log: what is not seen, or moves what is, is
 * written as an escape, so that no name can split a line, colour it or turn it round. */
#ifndef PAIDAN_VISIBLE_H
#define PAIDAN_VISIBLE_H

#include <stddef.h>

/* Writes the text, ended by a NUL and cut between characters where it does not fit; how many bytes it has. */
size_t text_visible(const char *from, size_t len, char *to, size_t size);

#endif
