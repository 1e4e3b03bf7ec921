#include "base.h"

#include <stdlib.h>
#include <string.h>

__attribute__((weak)) _Noreturn void must_fail(const char *claim, const char *file, int line)
{
    (void)claim;
    (void)file;
    (void)line;
    abort();
}

__attribute__((weak)) _Noreturn void memory_fail(void)
{
    abort();
}

void *must_alloc(size_t count, size_t size)
{
    void *memory = calloc(count != 0 ? count : 1, size);
    if (memory == NULL)
        memory_fail();
    return memory;
}

void *must_alloc_aligned(size_t bytes)
{
    void *memory = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (memory == NULL)
        memory_fail();
    return memory;
}

void *must_realloc(void *old, size_t count, size_t size)
{
    must(size == 0 || count <= SIZE_MAX / size);
    void *memory = realloc(old, count * size != 0 ? count * size : 1);
    if (memory == NULL)
        memory_fail();
    return memory;
}

char *must_strdup(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = must_alloc(len, 1);
    memcpy(copy, text, len);
    return copy;
}
