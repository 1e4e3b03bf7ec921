/* main_paidand.c -- the daemon's command line. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "document.h"
#include "manual.h"
#include "server.h"
#include "store/store.h"

enum { OPTION_CONFIG = 1000, OPTION_CHECK, OPTION_RESTORE, OPTION_ACCEPT_LOSS, OPTION_PROTOCOL, OPTION_MANUAL, OPTION_SAMPLE,
       OPTION_HELP, OPTION_VERSION, OPTION_SETTING };

_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    log_error("bug", "claim=\"%s\" file=%s line=%d", claim, file, line);
    abort();
}

_Noreturn void memory_fail(void)
{
    log_error("no_memory", "advice=\"raise MemoryMax or the machine's memory; nothing committed is lost\"");
    _exit(EX_OSERR);
}

static const struct {
    const char *code, *text;
} exit_codes[] = {
    {"0", "ended as asked (SIGTERM, SIGINT drain first)"},
    {"64 EX_USAGE", "a wrong option"},
    {"65 EX_DATAERR", "a damaged table, database or backup"},
    {"66 EX_NOINPUT", "a file cannot be read"},
    {"69 EX_UNAVAILABLE", "the data directory or a socket is in use by another process"},
    {"71 EX_OSERR", "the system refused memory, a thread, an event loop"},
    {"73 EX_CANTCREAT", "a directory, file or socket cannot be made"},
    {"74 EX_IOERR", "the disk failed; a commit may or may not have happened"},
    {"77 EX_NOPERM", "no right to the data directory"},
    {"78 EX_CONFIG", "a wrong setting"},
    {"134 SIGABRT", "a bug: the log's last line names the claim that did not hold"},
}, own_options[] = {
    {"--config FILE", "read settings from a file; options after it win"},
    {"--check", "test the settings and stop"},
    {"--restore FILE", "put a backup in the place of the database of --data, and stop"},
    {"--accept-loss", "take the database as it is though commits are missing from it; the log will say so; and stop"},
    {"--sample", "print an annotated configuration file"},
    {"--protocol", "print the protocol's reference"},
    {"--manual PAGE", "print a man page in troff: paidand or paidand.conf"},
    {"--help, --version", "print that and stop"},
};

static int print_manual(const char *page)
{
    if (strcmp(page, "paidand.conf") == 0) {
        manual_settings(stdout);
        return EX_OK;
    }
    if (strcmp(page, "paidand") != 0) {
        fputs("paidand: --manual: paidand or paidand.conf\n", stderr);
        return EX_USAGE;
    }
    manual_head(stdout, "paidand", 8, "dispatches orders for help to volunteer organisations");
    puts(".SH SYNOPSIS\n.B paidand\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\nKeeps residents' orders for help, finds the organisations that can "
         "serve each, offers it to them and carries it to its end. It runs in the foreground; SIGTERM and SIGINT drain it (no new "
         "orders, what is under way is finished and answered), SIGHUP reads the settings and tables again.\n.SH OPTIONS");
    for (size_t i = 0; i < ARRAY_LEN(own_options); i++)
        manual_item(stdout, own_options[i].code, own_options[i].text);
    puts(".PP\nEvery key of\n.BR paidand.conf (5)\nis a long option too.\n.SH EXIT STATUS");
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        manual_item(stdout, exit_codes[i].code, exit_codes[i].text);
    puts(".SH SEE ALSO\n.BR paidan (1),\n.BR paidand.conf (5)");
    return EX_OK;
}

static void print_help(void)
{
    puts("paidand -- dispatches orders for help to volunteer organisations\n"
         "usage: paidand [OPTIONS]\n");
    for (size_t i = 0; i < ARRAY_LEN(own_options); i++)
        printf("  %-18s %s\n", own_options[i].code, own_options[i].text);
    puts("\nsettings (and their defaults):");
    settings_print_help(stdout);
    puts("\nexit codes:");
    for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
        printf("  %-18s %s\n", exit_codes[i].code, exit_codes[i].text);
}

/* A backup in the place of the database, or the database as it is: the next start says in the log which. */
static int give_up(const struct settings *s, const char *restore)
{
    struct failure failure = {0};
    struct vault vault;
    char heads[SETTING_TEXT_BYTES + 16];
    char kept[4300] = "";
    struct store_options options = {.directory = s->data, .vault = &vault, .heads = heads};
    int rc = server_open_vault(s, false, &vault, heads, sizeof heads, &failure);
    if (rc == 0)
        rc = restore != NULL ? store_restore(&options, restore, kept, sizeof kept, &failure)
                             : store_accept_loss(&options, kept, sizeof kept, &failure);
    vault_close(&vault);
    if (rc != 0) {
        fprintf(stderr, "paidand: %s\n", failure.text);
        return failure.exit_code;
    }
    if (restore == NULL)
        printf("accepted: %s\n", kept);
    else
        printf("restored %s into %s\n", restore, s->data);
    if (restore != NULL && kept[0] != '\0')
        printf("what was there before is kept as %s\n", kept);
    return EX_OK;
}

static int run(const struct settings *s, const char *config, bool is_check)
{
    struct failure failure = {0};
    if (settings_check(s, &failure) != 0) {
        fprintf(stderr, "paidand: %s\n", failure.text);
        return failure.exit_code;
    }
    if (is_check) {
        puts("the settings are good");
        return EX_OK;
    }
    setenv("TZ", s->timezone, 1);
    if (log_open(s->log, settings_log_level(s)) != 0) {
        perror(s->log);
        return EX_CANTCREAT;
    }
    return server_run(s, config);
}

/* The settings' keys as long options, after our own. */
static const struct option *make_options(void)
{
    enum { KEYS_MAX = 80, KEY_BYTES = 48 };
    static struct option options[KEYS_MAX * 2 + 10];
    static char dashed[KEYS_MAX][KEY_BYTES];
    static const struct option own[] = {
        {"config", required_argument, NULL, OPTION_CONFIG}, {"check", no_argument, NULL, OPTION_CHECK},
        {"restore", required_argument, NULL, OPTION_RESTORE}, {"accept-loss", no_argument, NULL, OPTION_ACCEPT_LOSS},
        {"protocol", no_argument, NULL, OPTION_PROTOCOL}, {"manual", required_argument, NULL, OPTION_MANUAL}, {"sample", no_argument, NULL, OPTION_SAMPLE},
        {"help", no_argument, NULL, OPTION_HELP}, {"version", no_argument, NULL, OPTION_VERSION},
        {"listen", required_argument, NULL, OPTION_SETTING}};
    memcpy(options, own, sizeof own);
    struct option *next = options + ARRAY_LEN(own);
    for (int i = 0; settings_key(i) != NULL; i++) {
        must(i < KEYS_MAX);
        snprintf(dashed[i], KEY_BYTES, "%s", settings_key(i));
        for (char *at = dashed[i]; *at != '\0'; at++)
            *at = *at == '_' ? '-' : *at;
        *next++ = (struct option){settings_key(i), required_argument, NULL, OPTION_SETTING};
        *next++ = (struct option){dashed[i], required_argument, NULL, OPTION_SETTING};
    }
    return options;
}

/* Memory holds keys and personal data: it is written to no file and shown to no other process. */
static void keep_memory_private(void)
{
#ifndef PAIDAN_DEBUG
    static const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

int main(int argc, char **argv)
{
    static struct settings settings;
    const struct option *options = make_options();
    struct failure failure = {0};
    const char *config = NULL;
    const char *restore = NULL;
    bool is_check = false;
    bool accepts_loss = false;
    int index = 0;
    int rc = 0;
    keep_memory_private();
    settings_default(&settings);
    for (int c; rc == 0 && (c = getopt_long(argc, argv, "h", options, &index)) != -1;) {
        switch (c) {
        case OPTION_CONFIG:
            config = optarg;
            rc = settings_read(&settings, optarg, &failure);
            break;
        case OPTION_CHECK:
            is_check = true;
            break;
        case OPTION_RESTORE:
            restore = optarg;
            break;
        case OPTION_ACCEPT_LOSS:
            accepts_loss = true;
            break;
        case OPTION_PROTOCOL:
            document_protocol(stdout);
            return EX_OK;
        case OPTION_MANUAL:
            return print_manual(optarg);
        case OPTION_SAMPLE:
            settings_print_sample(stdout);
            return EX_OK;
        case OPTION_VERSION:
            puts("paidand " PAIDAN_VERSION);
            return EX_OK;
        case 'h':
        case OPTION_HELP:
            print_help();
            return EX_OK;
        case OPTION_SETTING:
            rc = settings_give(&settings, options[index].name, optarg, &failure);
            break;
        default:
            fputs("paidand: see paidand --help\n", stderr);
            return EX_USAGE;
        }
    }
    if (rc == 0 && optind < argc)
        rc = failure_set(&failure, EX_USAGE, "not an option: %s", argv[optind]);
    if (rc != 0) {
        fprintf(stderr, "paidand: %s\n", failure.text);
        return failure.exit_code;
    }
    settings_find_tables(&settings);
    return restore != NULL || accepts_loss ? give_up(&settings, restore) : run(&settings, config, is_check);
}
