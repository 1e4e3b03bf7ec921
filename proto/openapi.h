/* openapi.h -- the HTTP gateway described from the method table, as OpenAPI 3.1. */
#ifndef PAIDAN_OPENAPI_H
#define PAIDAN_OPENAPI_H

#include <stddef.h>

/* The document as JSON: built when it is first asked for, and kept. */
const char *openapi_text(size_t *len);

#endif
