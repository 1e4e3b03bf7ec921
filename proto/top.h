/* top.h -- paidan top: the daemon's rates, queues and latencies, live in a terminal. */
#ifndef PAIDAN_TOP_H
#define PAIDAN_TOP_H

#include "client.h"

/* Shows until interrupted, or `rounds` times when that is not 0, each `every_ms`. Exit code. */
int top_run(struct client *client, int rounds, int every_ms);

#endif
