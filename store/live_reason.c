/* live_reason.c -- what Redis's error replies mean, in words for whoever looks after it. */
#include <stdio.h>
#include <string.h>

#include "live_inside.h"

#define CLUSTER "this redis is part of a Redis Cluster, which paidan does not support yet: give it a single server"
#define PASSWORD "redis wants a password, and paidan has none to give: let it in without one, over a Unix socket of its own"

static const struct {
    const char *begins, *means;
} meanings[] = {
    {"NOAUTH", PASSWORD},
    {"WRONGPASS", PASSWORD},
    {"NOPERM", "redis denies paidan's user a command or a key: permit it all of paidan:* (ACL)"},
    {"DENIED", "redis is in protected mode and lets nobody in from other machines"},
    {"MOVED", CLUSTER},
    {"ASK", CLUSTER},
    {"CROSSSLOT", CLUSTER},
    {"TRYAGAIN", CLUSTER},
    {"CLUSTER", CLUSTER}, /* and CLUSTERDOWN */
    {"READONLY", "this redis is a replica and takes no writes: name its primary"},
    {"MASTERDOWN", "this redis is a replica that has lost its primary"},
    {"NOREPLICAS", "redis takes no writes, for too few of its replicas are there"},
    {"LOADING", "redis is still reading its data from its disk"},
    {"BUSY", "redis is busy with a script"},
    {"OOM", "redis has reached its maxmemory and takes no writes"},
    {"MISCONF", "redis takes no writes, for it cannot save to its own disk"},
    {"WRONGTYPE", "a key of paidan's held something else; redis is filled anew"},
    {"ERR max number of clients", "redis has as many clients as it takes (maxclients)"},
    {"ERR unknown command", "redis does not know a command that is needed: 6.2 is the oldest that will do"},
};

void live_reason_of(const char *error, char reason[LIVE_REASON_MAX])
{
    size_t word = strspn(error, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (strncmp(error, meanings[i].begins, strlen(meanings[i].begins)) != 0)
            continue;
        snprintf(reason, LIVE_REASON_MAX, "%s", meanings[i].means);
        return;
    }
    snprintf(reason, LIVE_REASON_MAX, "redis refuses what it is told, with %.*s", (int)(word < 20 ? word : 20), error);
}
