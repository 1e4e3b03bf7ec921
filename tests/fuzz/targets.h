/* targets.h -- what is fuzzed: each takes any bytes and must neither crash nor grow with their wish.
 * TARGET(name): fuzz_name() of targets.c, its corpus in tests/fuzz/corpus/name. */
#ifndef PAIDAN_FUZZ_TARGETS_H
#define PAIDAN_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_TARGETS TARGET(frame) TARGET(request) TARGET(settings) TARGET(table) TARGET(redis) TARGET(heads) TARGET(http)

#define TARGET(name) int fuzz_##name(const uint8_t *bytes, size_t len);
FUZZ_TARGETS
#undef TARGET

#endif
