/* json.h -- JSON to MessagePack and back, by jansson. */
#ifndef PAIDAN_JSON_H
#define PAIDAN_JSON_H

#include <stdio.h>

#include "codec.h"

/* Packs one JSON object of `len` bytes. False, with the reason, when it is none. */
bool json_pack_object(struct pack *pack, const char *text, size_t len, char why[200]);
/* What was packed as one JSON document and a newline; free() it. */
char *json_text(const struct pack *pack, size_t *len);
/* Prints a node as one JSON document and a newline. */
void json_print(FILE *out, const struct node *node, bool is_pretty);

#endif
