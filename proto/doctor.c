#include "doctor.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "visible.h"

enum verdict { GOOD, WARN, BAD };

struct doctor {
    const struct settings *settings;
    bool is_bad;
};

__attribute__((format(printf, 4, 5))) static void find(struct doctor *d, enum verdict verdict, const char *what,
                                                        const char *format, ...)
{
    static const char *const words[] = {"good 正常", "warn 注意", "bad  故障"};
    char text[SETTING_TEXT_BYTES + 1000];
    char said[2 * sizeof text];
    va_list arguments;
    d->is_bad |= verdict == BAD;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_visible(text, strlen(text), said, sizeof said);
    printf("%s  %-10s %s\n", words[verdict], what, said);
}

static void look_at_data(struct doctor *d)
{
    const char *path = d->settings->data;
    char file[SETTING_TEXT_BYTES + 32];
    struct stat st;
    struct statvfs fs;
    if (stat(path, &st) != 0) {
        find(d, BAD, "data", "%s: not there; paidand makes it at its first start", path);
        return;
    }
    if ((st.st_mode & 077) != 0)
        find(d, WARN, "data", "%s is open to others: chmod 0700 %s", path, path);
    else
        find(d, GOOD, "data", "%s belongs to its owner alone", path);
    if (statvfs(path, &fs) == 0) {
        uint64_t free_mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
        uint32_t reserve = d->settings->disk_reserve_mib;
        find(d, free_mib < reserve ? BAD : free_mib < reserve * UINT64_C(8) ? WARN : GOOD, "disk",
             "%" PRIu64 " MiB free; new orders are refused below %u (disk_reserve_mib)", free_mib, reserve);
    }
    snprintf(file, sizeof file, "%s/master.key", path);
    if (access(file, F_OK) == 0)
        find(d, WARN, "key", "the master key lies in the data directory: move it, and name it with master_key or LoadCredential");
    snprintf(file, sizeof file, "%s/paidan.db", path);
    bool has_database = stat(file, &st) == 0;
    snprintf(file, sizeof file, "%s/paidan.db-wal", path);
    if (has_database && st.st_size == 0 && access(file, F_OK) == 0)
        find(d, BAD, "database", "it is empty and its log is not: do not start; restore a backup, keep both files");
    else if (has_database)
        find(d, GOOD, "database", "%s/paidan.db, %lld KiB", path, (long long)st.st_size >> 10);
}

static void look_at_heads(struct doctor *d)
{
    char file[SETTING_TEXT_BYTES + 32];
    struct stat st;
    snprintf(file, sizeof file, "%s", d->settings->audit_heads);
    if (file[0] == '\0')
        snprintf(file, sizeof file, "%s/heads.log", d->settings->data);
    if (stat(file, &st) != 0)
        find(d, WARN, "audit", "%s: no signed head yet", file);
    else if (strncmp(file, d->settings->data, strlen(d->settings->data)) == 0)
        find(d, WARN, "audit", "%s lies beside the data: copy it to another host, or its heads prove nothing", file);
    else
        find(d, GOOD, "audit", "%s", file);
}

/* The age of the newest backup. */
static void look_at_backups(struct doctor *d, const char *directory)
{
    time_t newest = 0;
    struct dirent *entry = NULL;
    if (directory == NULL) {
        find(d, WARN, "backups", "not looked at: say where they are with --backups DIRECTORY");
        return;
    }
    DIR *open = opendir(directory);
    while (open != NULL && (entry = readdir(open)) != NULL) {
        char path[1400];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime > newest)
            newest = st.st_mtime;
    }
    if (open != NULL)
        closedir(open);
    double hours = difftime(time(NULL), newest) / 3600;
    if (newest == 0)
        find(d, BAD, "backups", "%s holds none: paidan backup %s/paidan-$(date +%%F).db", directory, directory);
    else
        find(d, hours > 26 ? WARN : GOOD, "backups", "the newest is %.0f hours old", hours);
}

static const struct node *ask(struct client *client, const char *method)
{
    const struct node *error = NULL;
    struct pack *pack = client_begin(client, method);
    pack_map(pack);
    pack_close(pack);
    return client_call(client, &error);
}

static void look_at_certificate(struct doctor *d, int64_t expires_at)
{
    double days = (double)(expires_at - (int64_t)time(NULL) * 1000) / DAY_MS;
    if (expires_at == 0)
        return; /* no TLS */
    if (days <= 0)
        find(d, BAD, "tls", "its certificate has run out: put a new one in its place, then reload");
    else
        find(d, days < 30 ? WARN : GOOD, "tls", "its certificate is good for %.0f days more", days);
}

static void look_at_redis(struct doctor *d, const struct node *live)
{
    const struct node *reason = node_get(live, "reason");
    const struct node *intake = node_get(live, "intake_reason");
    if (node_number(live, "up", -1) == 0 && reason != NULL && reason->kind == NODE_TEXT)
        find(d, WARN, "redis", "%.*s; orders go on without it, and it is filled anew when it is back",
             (int)reason->count, reason->u.text);
    if (intake != NULL && intake->kind == NODE_TEXT && !node_is_text(intake, ""))
        find(d, WARN, "redis", "%.*s", (int)intake->count, intake->u.text);
}

static void look_at_daemon(struct doctor *d, struct client *client)
{
    const struct node *info = ask(client, "server.info");
    if (info == NULL) {
        find(d, BAD, "daemon", "it is connected and does not answer");
        return;
    }
    int64_t apart = node_number(info, "now", -1) - (int64_t)time(NULL) * 1000;
    find(d, apart < -5000 || apart > 5000 ? WARN : GOOD, "clock", "the daemon's and this one are %.1f s apart", (double)llabs(apart) / 1000);
    find(d, node_number(info, "schema", -1) == SCHEMA_VERSION ? GOOD : WARN, "schema", "version %lld, this program's is %d",
         (long long)node_number(info, "schema", -1), SCHEMA_VERSION);
    const struct node *stats = ask(client, "server.stats");
    if (stats == NULL) {
        find(d, WARN, "daemon", "its numbers are for operators: run this as root, or with an operator's token");
        return;
    }
    find(d, GOOD, "daemon", "%lld open orders, %lld wait", (long long)node_number(stats, "orders_open", -1), (long long)node_number(stats, "orders_waiting", -1));
    if (node_number(stats, "storage_low", -1) == 1)
        find(d, BAD, "storage", "new orders are being refused: make room");
    if (node_number(stats, "reload_failed", -1) == 1)
        find(d, BAD, "reload", "the last one was refused or is incomplete: its log says why");
    if (node_number(node_get(stats, "clock"), "doubted", -1) == 1)
        find(d, BAD, "clock", "the host's has stepped by more than an hour and is not believed yet: set it right, or, if it is right, paidan call server.trust_clock");
    look_at_certificate(d, node_number(stats, "tls_expires_at", 0));
    look_at_redis(d, node_get(stats, "live"));
    if (node_number(node_get(stats, "push"), "parked", 0) > 0)
        find(d, WARN, "push", "%lld events of %lld orders are parked, which the platform has trouble with: paidan call push.dead",
             (long long)node_number(node_get(stats, "push"), "parked", 0), (long long)node_number(node_get(stats, "push"), "parked_orders", 0));
    if (node_number(stats, "wrong_tokens", -1) > 100)
        find(d, WARN, "tokens", "%lld wrong ones were shown since the start", (long long)node_number(stats, "wrong_tokens", -1));
}

static void look_at_files(struct doctor *d)
{
    const struct settings *s = d->settings;
    const struct {
        const char *key, *path;
    } files[] = {{"regions", s->regions}, {"codes", s->codes}, {"tls_cert", s->tls_cert}, {"tls_key", s->tls_key}, {"tls_ca", s->tls_ca},
                 {"master_key", s->master_key}};
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i].path[0] == '\0')
            continue;
        if (access(files[i].path, R_OK) != 0)
            find(d, BAD, files[i].key, "%s cannot be read", files[i].path);
        else if ((i == 3 || i == 5) && stat(files[i].path, &st) == 0 && (st.st_mode & 077) != 0)
            find(d, BAD, files[i].key, "%s can be read by others: chmod 0400 %s", files[i].path, files[i].path);
    }
}

int doctor_run(const struct settings *settings, struct client *client, const char *backups)
{
    struct doctor d = {.settings = settings};
    look_at_files(&d);
    look_at_data(&d);
    look_at_heads(&d);
    look_at_backups(&d, backups);
    if (client != NULL)
        look_at_daemon(&d, client);
    else
        find(&d, BAD, "daemon", "it cannot be reached: is it running, and is --server right?");
    return d.is_bad ? 1 : 0;
}
