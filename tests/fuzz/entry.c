/* entry.c -- one target as a program of libFuzzer or AFL++: built with -DTARGET=name. */
#include <stdio.h>
#include <stdlib.h>

#include "targets.h"

#define CALL(name) CALL_(name)
#define CALL_(name) fuzz_##name

_Noreturn void must_fail(const char *claim, const char *file, int line);
_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    fprintf(stderr, "must hold: %s (%s:%d)\n", claim, file, line);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    return CALL(TARGET_NAME)(bytes, len);
}
