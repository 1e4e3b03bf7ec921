/* failure.h -- what disk, network or memory did to us, in words and as an exit code of <sysexits.h>. */
#ifndef PAIDAN_FAILURE_H
#define PAIDAN_FAILURE_H

struct failure {
    int exit_code; /* 0: none */
    char text[400];
};

/* Fills in a failure; returns -1, so that a caller can return what it answers. */
__attribute__((format(printf, 3, 4))) int failure_set(struct failure *failure, int exit_code,
                                               const char *format, ...);

#endif
