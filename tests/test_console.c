/* The console in a real Chromium against the real daemon: tests/browser.py. And that its files are there. */
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "proto/console.h"

START_TEST(the_console_holds)
{
    static const char *const parts[] = {"life", "queue", "hostile"};
    char command[300];
    const char *build = getenv("BUILD") != NULL ? getenv("BUILD") : "build";
    snprintf(command, sizeof command, "/usr/bin/python3 tests/browser.py %s %s", build, parts[_i]);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Whatever a script of the console imports, the program has. */
START_TEST(every_import_is_bundled)
{
    int imports = 0;
    static const char *const scripts[] = {"/console.js", "/desk.js", "/team.js", "/board.js", "/map.js", "/parts.js", "/words.js", "/api.js", "/place.js", "/forms.js"};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        ck_assert_ptr_nonnull(console_file(scripts[i]));
        struct console_file file = *console_file(scripts[i]);
        for (const char *at = strstr(file.bytes, "from './"); at != NULL; at = strstr(at + 1, "from './")) {
            char path[64];
            snprintf(path, sizeof path, "/%.*s", (int)strcspn(at + 8, "'"), at + 8);
            ck_assert_msg(console_file(path) != NULL, "%s imports %s", scripts[i], path);
            imports++;
        }
    }
    ck_assert_int_gt(imports, 10);
    ck_assert_ptr_null(console_file("/../etc/passwd"));
}
END_TEST

/* The guard against markup in text, with the bug planted in each of its forms. */
START_TEST(a_sink_of_html_is_caught)
{
    static const char *const sinks[] = {"node.innerHTML = name", "node.outerHTML = name", "node.insertAdjacentHTML('beforeend', name)",
        "document.write(name)", "marker.bindTooltip(`${name}`)", "marker.bindPopup(name)", "eval(name)", "new Function(name)",
        "location.href = name", "make('a', { href: name })", "tooltip.setContent(name)", "location = name"};
    const char *build = getenv("BUILD") != NULL ? getenv("BUILD") : "build";
    char directory[] = "/tmp/paidan-sinks.XXXXXX";
    char command[400];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(command, sizeof command, "cp proto/console/*.js %s && CONSOLE=%s sh tests/purity.sh %s >/dev/null", directory, directory, build);
    ck_assert_int_eq(system(command), 0);
    for (size_t i = 0; i < ARRAY_LEN(sinks); i++) {
        snprintf(command, sizeof command, "%s/planted.js", directory);
        FILE *file = fopen(command, "we");
        fprintf(file, "export const planted = (node, marker, name) => %s;\n", sinks[i]);
        fclose(file);
        snprintf(command, sizeof command, "CONSOLE=%s sh tests/purity.sh %s 2>&1 | grep -q 'takes text as HTML'", directory, build);
        ck_assert_msg(system(command) == 0, "%s", sinks[i]);
    }
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *suite_console(void);
Suite *suite_console(void)
{
    Suite *s = suite_create("console");
    TCase *t = tcase_create("console");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, every_import_is_bundled);
    tcase_add_test(t, a_sink_of_html_is_caught);
    tcase_add_loop_test(t, the_console_holds, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
