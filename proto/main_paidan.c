/* main_paidan.c -- paidan, the command line of clerks, dispatchers, organisations and operators.
 *
 * Every command is a row of one table: a method, the parameters that stand without a name, and the
 * columns of its answer. Any other parameter of the method is an option of its own name. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "client.h"
#include "doctor.h"
#include "export.h"
#include "import.h"
#include "json.h"
#include "manual.h"
#include "show.h"
#include "store/chain.h"
#include "texts.h"
#include "top.h"
#include "turn.h"

#define POSITIONAL_MAX 3

struct verb {
    const char *words;  /* what is typed */
    const char *method; /* NULL: a function of its own */
    const char *positional[POSITIONAL_MAX]; /* parameters by position; "orgs..." takes all that follow */
    const char *columns;
    const char *text;
    int (*run)(const char *server, int argc, char **argv, bool is_json);
};

static int run_call(const char *server, int argc, char **argv, bool is_json);
static int run_watch(const char *server, int argc, char **argv, bool is_json);
/* Reads the database itself, so it works on a backup as well and needs no daemon that one would have to
 * trust. */
static int run_audit(const char *server, int argc, char **argv, bool is_json)
{
    struct audit audit;
    struct failure failure = {0};
    uint8_t key[32];
    (void)server;
    if (argc < 1 || argc > 3) {
        fputs("usage: paidan audit verify DATABASE [HEADS [KEY]]; KEY is 64 hexadecimal digits, or the file of the master "
              "key, with which every row is looked at as well\n", stderr);
        return EX_USAGE;
    }
    bool is_public = argc > 2 && strlen(argv[2]) == 64 && hex_decode(argv[2], 64, key);
    if (audit_verify(argv[0], argc > 1 ? argv[1] : NULL, is_public ? key : NULL, argc > 2 && !is_public ? argv[2] : NULL,
                     &audit, &failure) != 0) {
        fprintf(stderr, "paidan: %s\n", failure.text);
        return failure.exit_code;
    }
    printf(is_json ? "{\"events\": %llu, \"first\": %llu, \"last\": %llu, \"heads\": %llu, \"finding\": \"%s\"}\n"
                   : "events %llu (%llu to %llu), signed heads compared %llu: %s\n",
           (unsigned long long)audit.events, (unsigned long long)audit.first, (unsigned long long)audit.last,
           (unsigned long long)audit.heads,
           audit.finding[0] != '\0' ? audit.finding : is_json ? "" : "as they were written");
    return audit.finding[0] == '\0' ? EX_OK : 1;
}

static int run_complete(const char *server, int argc, char **argv, bool is_json);
static int run_import(const char *server, int argc, char **argv, bool is_json);
static int run_audit(const char *server, int argc, char **argv, bool is_json);
static int run_top(const char *server, int argc, char **argv, bool is_json);
static int run_export(const char *server, int argc, char **argv, bool is_json);
static int run_doctor(const char *server, int argc, char **argv, bool is_json);

#define ORDER_COLUMNS "order state priority category region region_name level headcount covered due_at"

static const struct verb verbs[] = {
    {"order place", "order.place", {NULL}, NULL, "place an order: --region --category [--lat --lon --mode …] [--contact_name --contact_phone --contact_address --note]", NULL},
    {"order show", "order.get", {"order"}, NULL, "one order with its offers", NULL},
    {"order list", "order.list", {NULL}, ORDER_COLUMNS, "orders: [--region --state --since --until]", NULL},
    {"order history", "order.history", {"order"}, "at kind offer org state level reason actor", "what happened to an order", NULL},
    {"order cancel", "order.cancel", {"order", "reason"}, NULL, "call an order off", NULL},
    {"order rate", "order.rate", {"order", "stars"}, NULL, "the resident's rating, 1 to 5 [--rework true]", NULL},
    {"order approve", "order.approve", {"order"}, NULL, "a placed order becomes ready", NULL},
    {"order reject", "order.reject", {"order", "reason"}, NULL, "a placed order is not volunteer service", NULL},
    {"queue", "queue.list", {"region"}, ORDER_COLUMNS " claimed_by", "what waits at a region and below", NULL},
    {"claim", "queue.claim", {"order"}, NULL, "take an order to work on", NULL},
    {"release", "queue.release", {"order"}, NULL, "give it back to the queue", NULL},
    {"candidates", "order.candidates", {"order"}, "org org_name score distance_m start_at people", "who fits an order, best first [--limit --reasons true]", NULL},
    {"explain", "match.explain", {"order", "org"}, NULL, "why an organisation fits, or why not", NULL},
    {"dispatch", "order.dispatch", {"order", "orgs..."}, NULL, "put an order before organisations, or --mode auto, or --short true", NULL},
    {"batch", "dispatch.batch", {"region"}, "order org people score distance_m start_at", "assign a region's ready orders together [--dry_run true]", NULL},
    {"inbox", "offer.list", {"org"}, "offer order state priority category region_name people start_at expires_at", "an organisation's live offers", NULL},
    {"accept", "offer.accept", {"offer", "people"}, NULL, "take an offer", NULL},
    {"decline", "offer.decline", {"offer", "reason"}, NULL, "not this time; reasons: paidan call code.list '{\"list\":\"reasons\"}'", NULL},
    {"start", "service.start", {"offer"}, NULL, "service begins", NULL},
    {"complete", NULL, {NULL}, NULL, "complete OFFER [VOLUNTEER:MINUTES …]: service is done", run_complete},
    {"orgs", "org.list", {NULL}, "org name region reach_m capacity skills schedule on", "organisations [--region --skills]", NULL},
    {"org show", "org.get", {"org"}, NULL, "one organisation", NULL},
    {"org duty", "org.duty", {"org", "on"}, NULL, "on duty or off: true or false", NULL},
    {"import", NULL, {NULL}, NULL, "import orgs|orders|records FILE.csv|FILE.ndjson [--all-or-nothing] [--source ISSUER]", run_import},
    {"export", NULL, {NULL}, NULL, "export orgs|orders|records|summary|public|events|all DIRECTORY [--csv --since --until --after --month]: files, with a manifest", run_export},
    {"watch", NULL, {NULL}, NULL, "events as they happen [--after --region --order --org --kind]", run_watch},
    {"stats", "stats.summary", {NULL}, "state category priority orders headcount", "orders counted [--region --since --until]", NULL},
    {"server", "server.stats", {NULL}, NULL, "the daemon's counts and sizes", NULL},
    {"backup", "server.backup", {"path"}, NULL, "copy the database to a new file on its host", NULL},
    {"token add", "token.add", {"token_id"}, NULL, "a token for a caller: --roles [--region or --everywhere true, --org, --until]; it is shown once", NULL},
    {"token list", "token.list", {NULL}, "token_id roles region org secrets made_at until revoked_at", "all tokens, without their secrets", NULL},
    {"token rotate", "token.rotate", {"token_id"}, NULL, "a new secret; the one before stays good until the next time", NULL},
    {"token revoke", "token.revoke", {"token_id"}, NULL, "the token is no good any more", NULL},
    {"audit verify", NULL, {NULL}, NULL, "audit verify DATABASE [HEADS [KEY]]: is the event log as it was written?", run_audit},
    {"top", NULL, {NULL}, NULL, "rates, queues and latencies, live [--count N]", run_top},
    {"doctor", NULL, {NULL}, NULL, "what is wrong, and what to do [--config FILE --data DIRECTORY --backups DIRECTORY]", run_doctor},
    {"call", NULL, {NULL}, NULL, "call METHOD [JSON]: any method; the answer as JSON", run_call},
};

_Noreturn void must_fail(const char *claim, const char *file, int line)
{
    fprintf(stderr, "paidan: bug: %s (%s:%d)\n", claim, file, line);
    abort();
}

static const char *usage_of(const struct verb *verb, char usage[80])
{
    int at = snprintf(usage, 80, "%s", verb->words);
    for (int p = 0; p < POSITIONAL_MAX && verb->positional[p] != NULL; p++)
        at += snprintf(usage + at, 80 - (size_t)at, " %s", verb->positional[p]);
    return usage;
}

static void print_manual(void)
{
    char usage[80];
    manual_head(stdout, "paidan", 1, "orders for help, dispatched to volunteer organisations");
    puts(".SH SYNOPSIS\n.B paidan\n[\\fB\\-\\-server\\fR \\fIADDRESS\\fR] [\\fB\\-\\-json\\fR] \\fICOMMAND\\fR ...\n"
         ".SH DESCRIPTION\nSpeaks with\n.BR paidand (8)\nat \\fIunix:PATH\\fR, \\fItcp:127.0.0.1:PORT\\fR or \\fItls:HOST:PORT\\fR. "
         "An option of a command is a parameter of its method by name; times are RFC 3339, lists have | between.\n.SH COMMANDS");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        manual_item(stdout, usage_of(&verbs[i], usage), verbs[i].text);
    puts(".SH ENVIRONMENT");
    manual_item(stdout, "PAIDAN_SERVER", "the address, when --server is absent");
    manual_item(stdout, "PAIDAN_TOKEN_FILE", "a file with the token to show");
    manual_item(stdout, "PAIDAN_TLS_CERT, PAIDAN_TLS_KEY, PAIDAN_TLS_CA", "files for tls:");
    puts(".SH EXIT STATUS\n0 done, 1 refused, 64 wrong usage, 65 a wrong file, 69 no server.\n.SH SEE ALSO\n.BR paidand (8)");
}

static void print_help(void)
{
    char usage[80];
    puts("paidan -- orders for help, dispatched to volunteer organisations\n"
         "usage: paidan [--server unix:PATH|tcp:127.0.0.1:PORT|tls:HOST:PORT] [--json] COMMAND …\n"
         "       the server is also taken from PAIDAN_SERVER; a token from the file that PAIDAN_TOKEN_FILE\n"
         "       names; with tls: the files PAIDAN_TLS_CERT, PAIDAN_TLS_KEY and PAIDAN_TLS_CA\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        printf("  %-28s %s\n", usage_of(&verbs[i], usage), verbs[i].text);
    }
    puts("\nOptions are the method's parameters by name (proto/PROTOCOL.md); times are written\n"
         "2026-11-24T09:00:00+08:00, lists with | between. Exit code: 0 done, 1 refused, 64 wrong\n"
         "usage, 65 a wrong file, 69 no server.");
}

/* Shows the token that stands in the file PAIDAN_TOKEN_FILE; arguments and the environment are seen by
 * others. */
static bool say_hello(struct client *client)
{
    const char *path = getenv("PAIDAN_TOKEN_FILE");
    const struct node *error = NULL;
    char token[256] = "";
    if (path == NULL)
        return true;
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(token, sizeof token, file) == NULL) {
        fprintf(stderr, "paidan: %s: no token in it\n", path);
        if (file != NULL)
            fclose(file);
        return false;
    }
    fclose(file);
    token[strcspn(token, "\r\n")] = '\0';
    struct pack *pack = client_begin(client, "session.hello");
    pack_map(pack);
    pack_key_text(pack, "token", token);
    pack_close(pack);
    if (client_call(client, &error) != NULL)
        return true;
    if (error != NULL)
        show_error(stderr, error);
    return false;
}

static struct client *cli_open(const char *server)
{
    char why[200];
    struct client *client = client_open(server, why);
    if (client == NULL)
        fprintf(stderr, "paidan: %s\n", why);
    if (client == NULL || say_hello(client))
        return client;
    client_close(client);
    return NULL;
}

static int report(const struct node *result, const struct node *error, const char *columns, bool is_json)
{
    if (result != NULL && is_json)
        json_print(stdout, result, false);
    else if (result != NULL)
        show_answer(stdout, result, columns);
    else if (error != NULL && is_json)
        json_print(stderr, error, false);
    else if (error != NULL)
        show_error(stderr, error);
    else
        fputs("paidan: the connection was lost; whether it was done is not known\n", stderr);
    return result != NULL ? EX_OK : error != NULL ? 1 : EX_UNAVAILABLE;
}

static int finish(struct client *client, const char *columns, bool is_json)
{
    const struct node *error = NULL;
    const struct node *result = client_call(client, &error);
    int rc = report(result, error, columns, is_json);
    client_close(client);
    return rc;
}

static int run_call(const char *server, int argc, char **argv, bool is_json)
{
    char why[200];
    (void)is_json;
    if (argc < 1 || argc > 2) {
        fputs("usage: paidan call METHOD [JSON]\n", stderr);
        return EX_USAGE;
    }
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    const char *text = argc == 2 ? argv[1] : "{}";
    if (!json_pack_object(client_begin(client, argv[0]), text, strlen(text), why)) {
        struct pack pack = {.bytes = NULL};
        struct arena arena = {.blocks = NULL};
        struct error said;
        error_set(&said, REFUSAL_BAD_REQUEST, NULL, "%s", why);
        error_pack(&said, &pack);
        json_print(stderr, codec_decode(&arena, pack.bytes, pack.len), false);
        arena_fini(&arena);
        pack_fini(&pack);
        client_close(client);
        return 1;
    }
    return finish(client, NULL, true);
}

/* One option of export; false: it is none, or its value is wrong. */
static bool take_export_option(struct export_options *o, const char *name, const char *value)
{
    char *end = NULL;
    if (value == NULL)
        return false;
    if (strcmp(name, "--since") == 0)
        return time_parse(value, &o->since);
    if (strcmp(name, "--until") == 0)
        return time_parse(value, &o->until);
    if (strcmp(name, "--month") == 0) {
        o->month = value;
        return true; /* the service says what is wrong with it */
    }
    o->after = strtoull(value, &end, 10);
    return strcmp(name, "--after") == 0 && *value >= '0' && *value <= '9' && *end == '\0' && o->after <= ID_MAX;
}

static int run_export(const char *server, int argc, char **argv, bool is_json)
{
    struct export_options options = {.kind = argc > 0 ? argv[0] : "", .directory = argc > 1 ? argv[1] : ""};
    bool is_good = argc >= 2;
    (void)is_json;
    for (int i = 2; is_good && i < argc; i++) {
        if (strcmp(argv[i], "--csv") == 0)
            options.is_csv = true;
        else
            is_good = take_export_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : NULL), i++;
    }
    if (!is_good) {
        fputs("usage: paidan export orgs|orders|records|summary|public|events|all DIRECTORY [--csv] [--since TIME] [--until TIME] [--after EVENT] [--month 2026-11]\n"
              "times are RFC 3339, such as 2026-11-24T09:00:00+08:00\n", stderr);
        return EX_USAGE;
    }
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    int rc = export_run(client, &options);
    client_close(client);
    return rc;
}

static int run_top(const char *server, int argc, char **argv, bool is_json)
{
    (void)is_json;
    char *end = NULL;
    long count = argc == 2 && strcmp(argv[0], "--count") == 0 ? strtol(argv[1], &end, 10) : 0;
    if (argc != 0 && (end == NULL || *end != '\0' || count < 1 || count > 100000)) {
        fputs("usage: paidan top [--count N]; N is 1 to 100000\n", stderr);
        return EX_USAGE;
    }
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    int rc = top_run(client, (int)count, 1000);
    client_close(client);
    return rc;
}

static int run_doctor(const char *server, int argc, char **argv, bool is_json)
{
    static struct settings settings;
    struct failure failure = {0};
    const char *backups = NULL;
    (void)is_json;
    settings_default(&settings);
    for (int i = 0; i < argc; i += 2) {
        int rc = -1;
        if (i + 1 < argc && strcmp(argv[i], "--config") == 0)
            rc = settings_read(&settings, argv[i + 1], &failure);
        else if (i + 1 < argc && strcmp(argv[i], "--data") == 0)
            rc = settings_set(&settings, "data", argv[i + 1], "command line", &failure);
        else if (i + 1 < argc && strcmp(argv[i], "--backups") == 0)
            rc = (backups = argv[i + 1]) == NULL;
        if (rc != 0) {
            fprintf(stderr, "%s\nusage: paidan doctor [--config FILE] [--data DIRECTORY] [--backups DIRECTORY]\n", failure.text);
            return failure.exit_code != 0 ? failure.exit_code : EX_USAGE;
        }
    }
    struct client *client = cli_open(server);
    int rc = doctor_run(&settings, client, backups);
    if (client != NULL)
        client_close(client);
    return rc;
}

/* Packs `--name value` pairs into the open map; contact_* go into a map of their own. */
static bool pack_options(struct pack *pack, int argc, char **argv, bool *has_ref)
{
    bool has_contact = false;
    struct error error;
    for (int i = 0; i < argc; i += 2) {
        if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc) {
            fprintf(stderr, "paidan: %s: options are written --name value\n", argv[i]);
            return false;
        }
        *has_ref |= strcmp(argv[i], "--ref") == 0;
        has_contact |= strncmp(argv[i], "--contact_", 10) == 0;
        if (strncmp(argv[i], "--contact_", 10) != 0 &&
            !texts_pack_param(pack, argv[i] + 2, argv[i + 1], &error)) {
            fprintf(stderr, "paidan: --%s: %s: %s\n", error.field, words_refusal.words[error.code].text,
                    error.detail);
            return false;
        }
    }
    if (!has_contact)
        return true;
    pack_key(pack, "contact");
    pack_map(pack);
    for (int i = 0; i < argc; i += 2)
        if (strncmp(argv[i], "--contact_", 10) == 0)
            pack_key_text(pack, argv[i] + 10, argv[i + 1]);
    pack_close(pack);
    return true;
}

/* A write gets a ref of its own, so that it could be sent again. */
static void pack_ref(struct pack *pack)
{
    uint64_t random[2] = {0, 0};
    char ref[40];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return;
    snprintf(ref, sizeof ref, "cli-%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    pack_key_text(pack, "ref", ref);
}

/* Packs what stands without a name; how many words it took, or -1. */
static int pack_positional(struct pack *pack, const struct verb *verb, int argc, char **argv)
{
    int at = 0;
    struct error error;
    for (int p = 0; p < POSITIONAL_MAX && verb->positional[p] != NULL; p++) {
        const char *name = verb->positional[p];
        if (strcmp(name, "orgs...") == 0) {
            char all[2000] = "";
            size_t len = 0;
            for (; at < argc && strncmp(argv[at], "--", 2) != 0 && len < sizeof all; at++)
                len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", len != 0 ? "|" : "", argv[at]);
            if (!texts_pack_param(pack, "orgs", all, &error))
                return -1;
            continue;
        }
        if (at == argc || strncmp(argv[at], "--", 2) == 0)
            break; /* the server says what is missing */
        if (!texts_pack_param(pack, name, argv[at++], &error)) {
            fprintf(stderr, "paidan: %s: %s\n", name, error.detail);
            return -1;
        }
    }
    return at;
}

static int run_method(const char *server, const struct verb *verb, int argc, char **argv, bool is_json)
{
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    struct pack *pack = client_begin(client, verb->method);
    const struct method *method = method_find(verb->method, strlen(verb->method));
    bool has_ref = false;
    pack_map(pack);
    int used = pack_positional(pack, verb, argc, argv);
    if (used < 0 || !pack_options(pack, argc - used, argv + used, &has_ref)) {
        client_close(client);
        return EX_USAGE;
    }
    if ((method->flags & METHOD_WRITE) != 0 && !has_ref && method_takes(method, P_REF))
        pack_ref(pack);
    pack_close(pack);
    return finish(client, verb->columns, is_json);
}

static int run_complete(const char *server, int argc, char **argv, bool is_json)
{
    if (argc < 1) {
        fputs("usage: paidan complete OFFER [VOLUNTEER:MINUTES …]\n", stderr);
        return EX_USAGE;
    }
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    struct pack *pack = client_begin(client, "service.complete");
    pack_map(pack);
    pack_key_int(pack, "offer", strtoll(argv[0], NULL, 10));
    pack_key(pack, "records");
    pack_list(pack);
    for (int i = 1; i < argc; i++) {
        long long volunteer = 0;
        long long minutes = 0;
        if (sscanf(argv[i], "%lld:%lld", &volunteer, &minutes) != 2) {
            fprintf(stderr, "paidan: %s: a record is written VOLUNTEER:MINUTES\n", argv[i]);
            client_close(client);
            return EX_USAGE;
        }
        pack_map(pack);
        pack_key_int(pack, "volunteer", volunteer);
        pack_key_int(pack, "minutes", minutes);
        pack_close(pack);
    }
    pack_close(pack);
    pack_ref(pack);
    pack_close(pack);
    return finish(client, NULL, is_json);
}

static int run_watch(const char *server, int argc, char **argv, bool is_json)
{
    struct client *client = cli_open(server);
    struct client_message message;
    bool has_ref = false;
    if (client == NULL)
        return EX_UNAVAILABLE;
    struct pack *pack = client_begin(client, "event.subscribe");
    pack_map(pack);
    if (!pack_options(pack, argc, argv, &has_ref)) {
        client_close(client);
        return EX_USAGE;
    }
    pack_close(pack);
    int rc = client_send(client, NULL) == 0 ? EX_OK : EX_UNAVAILABLE;
    while (rc == EX_OK) {
        if (client_receive(client, -1, &message) != 1) {
            fputs("paidan: the server ended the connection\n", stderr);
            rc = EX_UNAVAILABLE;
        } else if (message.error != NULL) {
            rc = report(NULL, message.error, NULL, is_json);
        } else if (message.is_notification && is_json) {
            json_print(stdout, message.result, false);
            fflush(stdout);
        } else if (message.is_notification) {
            show_event(stdout, message.result);
        }
    }
    client_close(client);
    return rc;
}

static int run_import(const char *server, int argc, char **argv, bool is_json)
{
    struct import_options options = {.kind = argc > 0 ? argv[0] : "", .path = argc > 1 ? argv[1] : ""};
    bool is_good = argc >= 2;
    (void)is_json;
    for (int i = 2; is_good && i < argc; i++) {
        if (strcmp(argv[i], "--all-or-nothing") == 0)
            options.is_atomic = true;
        else if (strcmp(argv[i], "--source") == 0 && i + 1 < argc)
            options.source = argv[++i];
        else
            is_good = false;
    }
    if (!is_good) {
        fputs("usage: paidan import orgs|orders|records FILE.csv|FILE.ndjson [--all-or-nothing] [--source ISSUER]\n", stderr);
        return EX_USAGE;
    }
    struct client *client = cli_open(server);
    if (client == NULL)
        return EX_UNAVAILABLE;
    int rc = import_run(client, &options);
    client_close(client);
    return rc;
}

/* The verb whose words the arguments begin with; *used: how many they are. */
static const struct verb *find_verb(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        char two[80];
        snprintf(two, sizeof two, "%s %s", argv[0], argc > 1 ? argv[1] : "");
        *used = strchr(verbs[i].words, ' ') != NULL ? 2 : 1;
        if (strcmp(verbs[i].words, *used == 2 ? two : argv[0]) == 0)
            return &verbs[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *server = getenv("PAIDAN_SERVER");
    bool is_json = false;
    int at = 1;
    setlocale(LC_CTYPE, "C.UTF-8");
    setenv("TZ", "Asia/Shanghai", 0); /* people read local time; TZ has the last word */
    signal(SIGPIPE, SIG_IGN);
    server = server != NULL ? server : "unix:/run/paidan/paidan.sock";
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--json") == 0) {
            is_json = true;
        } else if (strcmp(argv[at], "--server") == 0 && at + 1 < argc) {
            server = argv[++at];
        } else if (strcmp(argv[at], "--help") == 0) {
            print_help();
            return EX_OK;
        } else if (strcmp(argv[at], "--manual") == 0) { /* the man page in troff, for the package */
            print_manual();
            return EX_OK;
        } else if (strcmp(argv[at], "--version") == 0) {
            puts("paidan " PAIDAN_VERSION);
            return EX_OK;
        } else {
            fprintf(stderr, "paidan: unknown option %s; see paidan --help\n", argv[at]);
            return EX_USAGE;
        }
    }
    if (at == argc) {
        print_help();
        return EX_USAGE;
    }
    int used = 0;
    const struct verb *verb = find_verb(argc - at, argv + at, &used);
    if (verb == NULL) {
        fprintf(stderr, "paidan: no command %s; see paidan --help\n", argv[at]);
        return EX_USAGE;
    }
    for (int i = at; i < argc; i++) /* --json may stand at the end as well */
        if (strcmp(argv[i], "--json") == 0 && i == argc - 1) {
            is_json = true;
            argc--;
        }
    if (verb->run != NULL)
        return verb->run(server, argc - at - used, argv + at + used, is_json);
    return run_method(server, verb, argc - at - used, argv + at + used, is_json);
}
