/* base.h -- what every file of the engine stands on: exact integers and `must`.
 *
 * `must` states what only a bug of ours can break. It stays on in release: the process prints the
 * claim and aborts, and the supervisor restarts it from the durable truth. */
#ifndef PAIDAN_BASE_H
#define PAIDAN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must(claim) ((claim) ? (void)0 : must_fail(#claim, __FILE__, __LINE__))
#define CACHE_LINE 64
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NODISCARD __attribute__((warn_unused_result))

/* Ends the process. The engine's own definition is weak and silent; a program that links the engine
 * may define it again to print the claim first. */
_Noreturn void must_fail(const char *claim, const char *file, int line);

/* Ends the process when the system refuses memory: what is committed is safe, the next start reads it.
 * Weak, as must_fail() is. */
_Noreturn void memory_fail(void);

/* Memory that the engine cannot do without: never NULL. Sizes are bounded by limits.h. */
void *must_alloc(size_t count, size_t size); /* zeroed */
void *must_alloc_aligned(size_t bytes); /* on a cache line; not zeroed */
void *must_realloc(void *old, size_t count, size_t size);
char *must_strdup(const char *text);

#endif
