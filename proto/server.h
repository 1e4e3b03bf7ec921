/* server.h -- the daemon: sockets, signals and timers on libevent around the turn. */
#ifndef PAIDAN_SERVER_H
#define PAIDAN_SERVER_H

#include "settings.h"

/* Runs until SIGTERM or SIGINT; answers an exit code of <sysexits.h>. `config` may be NULL: what a
 * reload reads again. */
int server_run(const struct settings *settings, const char *config);

#endif
