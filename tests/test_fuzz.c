/* The corpora of the fuzzers, once through. */
#include <dirent.h>
#include <stdio.h>

#include "fuzz/targets.h"
#include "world.h"

static int replay(const char *name, int (*target)(const uint8_t *, size_t))
{
    char path[400];
    int count = 0;
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", name);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        uint8_t bytes[65536];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%.200s", name, entry->d_name);
        FILE *file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        size_t len = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        target(bytes, len);
        count++;
    }
    closedir(directory);
    return count;
}

#define TARGET(name)                                                                               \
    START_TEST(corpus_of_##name)                                                                   \
    {                                                                                              \
        ck_assert_int_gt(replay(#name, fuzz_##name), 3);                                           \
    }                                                                                              \
    END_TEST
FUZZ_TARGETS
#undef TARGET

Suite *suite_fuzz(void);
Suite *suite_fuzz(void)
{
    Suite *s = suite_create("fuzz");
    TCase *t = tcase_create("fuzz");
    tcase_set_timeout(t, 120);
#define TARGET(name) tcase_add_test(t, corpus_of_##name);
    FUZZ_TARGETS
#undef TARGET
    suite_add_tcase(s, t);
    return s;
}
