#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/pool.h"

#define START_MS 60000

static bool write_tables(const struct load_daemon *d)
{
    char path[400];
    snprintf(path, sizeof path, "%s/regions.csv", d->directory);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs("code,name,level,parent,lat,lon\n1,bench,city,,23,114\n11,bench,county,1,23,114\n"
          "111,bench,town,11,23,114\n1111,bench,village,111,23,114\n", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/skills.csv", d->directory);
    file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs("skill,category,needs\n", file);
    for (int s = 0; s < WORKLOAD_SKILLS; s++)
        fprintf(file, "s%d,,\n", s);
    return fclose(file) == 0;
}

static bool wait_until_served(struct load_daemon *d)
{
    char why[200];
    for (int waited = 0; waited < START_MS; waited += 5) {
        struct client *client = client_open(d->address, why);
        if (client != NULL) {
            client_close(client);
            return true;
        }
        if (waitpid(d->pid, NULL, WNOHANG) == d->pid)
            d->pid = 0;
        if (d->pid == 0)
            break;
        usleep(5000);
    }
    fprintf(stderr, "paidan-bench: paidand does not start: %s; its log is %s/log\n", why, d->directory);
    return false;
}

bool load_start_again(struct load_daemon *d, const char *const *options)
{
    char program[1024] = "";
    char regions[400];
    char data[400];
    char log[400];
    const char *arguments[32] = {program, "--data", data, "--listen", d->address, "--regions", regions,
                                 "--codes", d->directory, "--log", log};
    int count = 11;
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 16);
    char *slash = len > 0 ? strrchr(program, '/') : NULL;
    if (slash == NULL)
        return false;
    memcpy(slash, "/paidand", sizeof "/paidand");
    snprintf(d->address, sizeof d->address, "unix:%s/sock", d->directory);
    snprintf(regions, sizeof regions, "%s/regions.csv", d->directory);
    snprintf(data, sizeof data, "%s/data", d->directory);
    snprintf(log, sizeof log, "%s/log", d->directory);
    for (; options != NULL && *options != NULL && count < 31; options++)
        arguments[count++] = *options;
    d->pid = fork();
    if (d->pid == 0) {
        execv(program, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return wait_until_served(d);
}

bool load_start(struct load_daemon *d, int argc, char **argv, const char *const *options)
{
    *d = (struct load_daemon){.is_kept = bench_has(argc, argv, "keep") != 0};
    snprintf(d->directory, sizeof d->directory, "%s/paidan-bench.XXXXXX",
             bench_option(argc, argv, "data", "/tmp"));
    if (mkdtemp(d->directory) == NULL || !write_tables(d)) {
        fprintf(stderr, "paidan-bench: %s: %s\n", d->directory, strerror(errno));
        d->directory[0] = '\0';
        return false;
    }
    return load_start_again(d, options);
}

int load_stop(struct load_daemon *d)
{
    int status = 0;
    if (d->pid > 0) {
        kill(d->pid, SIGTERM);
        waitpid(d->pid, &status, 0);
    }
    d->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void load_remove(struct load_daemon *d)
{
    char command[400];
    load_stop(d);
    if (d->directory[0] == '\0')
        return;
    if (d->is_kept) {
        fprintf(stderr, "paidan-bench: kept: %s/data\n", d->directory);
        return;
    }
    snprintf(command, sizeof command, "rm -rf '%s'", d->directory);
    if (system(command) != 0)
        fprintf(stderr, "paidan-bench: %s stays behind\n", d->directory);
}

uint64_t load_resident_kb(const struct load_daemon *d)
{
    char path[64];
    char line[256];
    uint64_t kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)d->pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtoull(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kb;
}

struct client *load_connect(const char *address)
{
    char why[200];
    struct client *client = client_open(address, why);
    if (client == NULL)
        fprintf(stderr, "paidan-bench: %s\n", why);
    return client;
}

static void pack_skillset(struct pack *pack, const struct skillset *set)
{
    char name[8];
    pack_key(pack, "skills");
    pack_list(pack);
    SKILLSET_EACH(set, skill) {
        snprintf(name, sizeof name, "s%d", skill);
        pack_text(pack, name);
    }
    pack_close(pack);
}

static void begin_put(struct workload *w, struct client *client, uint32_t id)
{
    char schedule[SCHEDULE_TEXT_BYTES_MAX];
    struct org_request r = workload_org(w);
    struct pack *pack = client_begin(client, "org.put");
    schedule_format(&r.week, schedule);
    pack_map(pack);
    pack_key_uint(pack, "id", id);
    pack_key_text(pack, "name", r.name);
    pack_key_degrees(pack, "lat", r.lat);
    pack_key_degrees(pack, "lon", r.lon);
    pack_key_uint(pack, "reach_m", r.reach_m);
    pack_key_uint(pack, "capacity", r.capacity);
    pack_key_text(pack, "schedule", schedule);
    pack_skillset(pack, &r.skills);
    pack_close(pack);
}

bool load_put_orgs(struct workload *w, struct client *client, uint32_t count)
{
    enum { UNDER_WAY = 2000 };
    struct client_message m;
    uint32_t sent = 0;
    uint32_t answered = 0;
    while (answered < count) {
        while (sent < count && sent - answered < UNDER_WAY) {
            begin_put(w, client, ++sent);
            if (client_send(client, NULL) != 0)
                return false;
        }
        while (answered < count && (sent == count || sent - answered > UNDER_WAY / 2)) {
            if (client_receive(client, 60000, &m) != 1)
                return false;
            if (m.error != NULL) {
                fputs("paidan-bench: an organisation was refused; the server needs the workload's tables\n", stderr);
                return false;
            }
            answered++;
        }
        load_progress("organisations", answered, count);
    }
    return true;
}

void load_begin_place(struct workload *w, struct client *client, const char *ref, const char *mode)
{
    struct order_request r = workload_order(w);
    char category[8];
    struct pack *pack = client_begin(client, "order.place");
    snprintf(category, sizeof category, "s%d", r.category);
    pack_map(pack);
    pack_key_text(pack, "ref", ref);
    pack_key_uint(pack, "region", WORKLOAD_REGION);
    pack_key_text(pack, "category", category);
    pack_key_degrees(pack, "lat", r.lat);
    pack_key_degrees(pack, "lon", r.lon);
    pack_skillset(pack, &r.skills);
    pack_key_int(pack, "starts_at", r.starts_at);
    pack_key_int(pack, "ends_at", r.ends_at);
    pack_key_uint(pack, "minutes", r.minutes);
    pack_key_uint(pack, "headcount", r.headcount);
    pack_key_text(pack, "mode", mode);
    pack_close(pack);
}

void load_begin_accept(struct client *client, int64_t offer)
{
    struct pack *pack = client_begin(client, "offer.accept");
    pack_map(pack);
    pack_key_int(pack, "offer", offer);
    pack_close(pack);
}

void load_progress(const char *what, uint64_t done, uint64_t total)
{
    static uint64_t shown_at;
    uint64_t now = bench_now_ns();
    bool is_last = done == total;
    if (isatty(STDERR_FILENO) == 0 || (!is_last && now - shown_at < 100000000))
        return;
    shown_at = now;
    fprintf(stderr, "\r%s: %llu of %llu (%.0f %%)\033[K%s", what, (unsigned long long)done,
            (unsigned long long)total, total != 0 ? 100.0 * (double)done / (double)total : 100, is_last ? "\n" : "");
}
