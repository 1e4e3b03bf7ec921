/* console.h -- the files of the web console, bundled into the program when it is built. */
#ifndef PAIDAN_CONSOLE_H
#define PAIDAN_CONSOLE_H

#include <stddef.h>

struct console_file {
    const char *path, *type; /* type: as in Content-Type */
    const char *bytes;
    size_t len;
};

/* NULL: there is none. "/" is the console's page. */
const struct console_file *console_file(const char *path);

/* Everything comes from the daemon itself; map tiles, where they are configured, as images. */
#define CONSOLE_POLICY "default-src 'self'; img-src 'self' data: %s; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

#endif
