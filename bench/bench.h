/* bench.h -- what the parts of paidan-bench share. Each part is one command. */
#ifndef PAIDAN_BENCH_H
#define PAIDAN_BENCH_H

#include <stdint.h>
#include <stdio.h>

#include "histogram.h"

int bench_generate(int argc, char **argv);
int bench_match(int argc, char **argv);
int bench_assign(int argc, char **argv);
int bench_lifecycle(int argc, char **argv);
int bench_race(int argc, char **argv);
int bench_wire(int argc, char **argv);
int bench_import(int argc, char **argv);
int bench_start(int argc, char **argv);
int bench_surge(int argc, char **argv);
int bench_instance(int argc, char **argv);
int bench_world(int argc, char **argv);

uint64_t bench_now_ns(void); /* monotonic */
/* The value of --name in the arguments; the fallback when it is not there. */
const char *bench_option(int argc, char **argv, const char *name, const char *fallback);
int64_t bench_number(int argc, char **argv, const char *name, int64_t fallback);
int bench_has(int argc, char **argv, const char *name);
/* Prints `"name_us": {"p50": …, "p99": …, "p999": …, "max": …}` or the same for people. */
void bench_print_latency(const struct histogram *histogram, int is_json);

#endif
