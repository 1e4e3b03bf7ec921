/* document.h -- PROTOCOL.md, written from the method table. */
#ifndef PAIDAN_DOCUMENT_H
#define PAIDAN_DOCUMENT_H

#include <stdio.h>

void document_protocol(FILE *out);

#endif
