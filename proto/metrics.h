/* metrics.h -- the answer of server.stats as Prometheus's text (exposition format 0.0.4). */
#ifndef PAIDAN_METRICS_H
#define PAIDAN_METRICS_H

#include <stdio.h>

#include "codec.h"

void metrics_print(FILE *out, const struct node *stats);

#endif
