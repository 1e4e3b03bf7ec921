/* main.c -- paidan-bench: loads and figures for those who stress-test us. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "generate.h"

_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    fprintf(stderr, "paidan-bench: bug: %s (%s:%d)\n", claim, file, line);
    abort();
}

static int usage(FILE *out)
{
    fputs("usage: paidan-bench generate orgs|orders [--count N] [--seed N] [--day SECONDS]\n"
          "                             [--regions FILE] [--codes DIRECTORY]\n"
          "  writes CSV for `paidan import`: 7,123 organisations, as many as Huizhou had in 2023, or a\n"
          "  day's 400 orders; --day is any second (since 1970) of that day, tomorrow when absent\n",
          out);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"day", required_argument, NULL, 'd'},
                                            {"regions", required_argument, NULL, 'r'},
                                            {"codes", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    struct failure failure = {0};
    if (argc < 3 || strcmp(argv[1], "generate") != 0 ||
        (strcmp(argv[2], "orgs") != 0 && strcmp(argv[2], "orders") != 0))
        return usage(argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
    struct generate_options o = {.is_orgs = strcmp(argv[2], "orgs") == 0, .seed = 1,
                                 .regions = "conf/huizhou/regions.csv", .codes = "conf/huizhou"};
    o.count = o.is_orgs ? 7123 : 400;
    o.day = ((int64_t)time(NULL) + 86400) * 1000;
    optind = 3;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c')
            o.count = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 's')
            o.seed = strtoull(optarg, NULL, 10);
        else if (c == 'd')
            o.day = strtoll(optarg, NULL, 10) * 1000;
        else if (c == 'r')
            o.regions = optarg;
        else if (c == 't')
            o.codes = optarg;
        else
            return usage(stderr);
    }
    if (generate(&o, &failure) == 0)
        return EX_OK;
    fprintf(stderr, "paidan-bench: %s\n", failure.text);
    return failure.exit_code;
}
