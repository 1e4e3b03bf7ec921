/* daemon.h -- a real paidand in a directory of its own, for tests that speak to it. */
#ifndef PAIDAN_TESTS_DAEMON_H
#define PAIDAN_TESTS_DAEMON_H

#include <sys/types.h>

#include "proto/client.h"
#include "proto/json.h"
#include "world.h"

struct daemon {
    char directory[64], address[100], tcp[64], tls[64], http[64];
    pid_t pid;
    struct client *client;
};

/* Makes a directory and starts the daemon there; `extra` are more options, NULL-ended, or NULL. */
struct daemon daemon_start(const char *const *extra);
/* The same over a directory that is there already. */
void daemon_again(struct daemon *d, const char *const *extra);
int daemon_stop(struct daemon *d); /* SIGTERM; the exit code */
void daemon_kill(struct daemon *d); /* SIGKILL, as a power cut would */
void daemon_end(struct daemon *d);
/* Waits until its log has the words. */
void daemon_says(const struct daemon *d, const char *words);  /* stops it and removes the directory */
/* Runs paidand with options until it exits; its exit code, and what it said. */
int daemon_run(const char *const *options, char *said, size_t size);

/* Runs `paidan` against it with arguments as a shell reads them; its exit code, and what it said. */
int daemon_cli(const struct daemon *d, const char *arguments, char *said, size_t size);
void write_file(const char *path, const char *text);

/* Calls a method with parameters as JSON; the result, or NULL with d->client's error in *error. */
const struct node *daemon_call(struct daemon *d, const char *method, const char *json);
const struct node *daemon_error(void); /* of the last call that gave NULL */
/* A number of the result of a call that must succeed. */
int64_t daemon_number(struct daemon *d, const char *method, const char *json, const char *key);
/* The text of a member; "" when absent. Good until the next call of it. */
const char *member(const struct node *map, const char *key);
int64_t member_number(const struct node *map, const char *key); /* -1 when absent */
/* The code of the error that a call must end with. */
const char *daemon_refused(struct daemon *d, const char *method, const char *json);
void daemon_digest(struct daemon *d, char digest[20]);
void make_directory(char directory[64]);
void remove_directory(const char *directory);
/* Whether what is built carries sanitizers or counters of coverage: memory is theirs too, then. */
bool is_sanitized(void);
/* The path of a built program. */
const char *program(const char *name);

#endif
