/* openapi.h -- the HTTP gateway described from the method table, as OpenAPI 3.1. */
#ifndef PAIDAN_OPENAPI_H
#define PAIDAN_OPENAPI_H

/* The document as JSON; the caller frees it. */
char *openapi_text(void);

#endif
