/* server.h -- the daemon: sockets, signals and timers on libevent around the turn. */
#ifndef PAIDAN_SERVER_H
#define PAIDAN_SERVER_H

#include "settings.h"
#include "store/vault.h"

/* Runs until SIGTERM or SIGINT; answers an exit code of <sysexits.h>. `config` may be NULL: what a
 * reload reads again. */
int server_run(const struct settings *settings, const char *config);

/* The key: as it is set, or from systemd's credentials, or a file beside the data, which may be made; and
 * where the heads of the audit chain go. */
int server_open_vault(const struct settings *settings, bool may_make, struct vault *vault, char *heads, size_t size,
                      struct failure *failure);

#endif
