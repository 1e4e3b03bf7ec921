#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 40

bool is_sanitized(void)
{
    const char *build = getenv("BUILD");
    return build != NULL && (strstr(build, "san") != NULL || strstr(build, "cov") != NULL);
}

const char *program(const char *name)
{
    static char path[200];
    const char *build = getenv("BUILD");
    snprintf(path, sizeof path, "%s/%s", build != NULL ? build : "build", name);
    return path;
}

void make_directory(char directory[64])
{
    snprintf(directory, 64, "/tmp/paidan-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

void remove_directory(const char *directory)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

static pid_t spawn(const char *const *options, int output)
{
    const char *arguments[OPTIONS_MAX] = {program("paidand")};
    int count = 1;
    while (options[count - 1] != NULL) {
        ck_assert_int_lt(count, OPTIONS_MAX - 1);
        arguments[count] = options[count - 1];
        count++;
    }
    arguments[count] = NULL;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(output, STDERR_FILENO);
        dup2(output, STDOUT_FILENO);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return pid;
}

static void wait_until_listening(struct daemon *d)
{
    char why[200];
    for (int i = 0; i < 600; i++) {
        int status = 0;
        d->client = client_open(d->address, why);
        if (d->client != NULL)
            return;
        ck_assert_msg(waitpid(d->pid, &status, WNOHANG) == 0, "paidand ended: status %d, %s/log", status,
                      d->directory);
        usleep(50000);
    }
    ck_abort_msg("paidand does not listen: %s", why);
}

/* The port that the system gave stands in the log. */
static void read_port(struct daemon *d, off_t from)
{
    char path[100];
    char line[1024];
    snprintf(path, sizeof path, "%s/log", d->directory);
    FILE *file = fopen(path, "re");
    ck_assert(file != NULL && fseeko(file, from, SEEK_SET) == 0);
    bool has_started = false; /* the last listener stands in it then */
    for (int i = 0; !has_started && i < 600;) {
        if (fgets(line, sizeof line, file) == NULL) {
            clearerr(file);
            usleep(50000);
            i++;
            continue;
        }
        has_started = strstr(line, "event=started") != NULL;
        const char *at = strstr(line, "address=tcp:");
        if (at != NULL)
            snprintf(d->tcp, sizeof d->tcp, "%.*s", (int)strcspn(at + 8, " \n"), at + 8);
        at = strstr(line, "address=http:");
        if (at != NULL)
            snprintf(d->http, sizeof d->http, "%.*s", (int)strcspn(at + 8, " \n"), at + 8);
        at = strstr(line, "address=tls:");
        if (at != NULL)
            snprintf(d->tls, sizeof d->tls, "%.*s", (int)strcspn(at + 8, " \n"), at + 8);
    }
    fclose(file);
}

void daemon_says(const struct daemon *d, const char *words)
{
    char command[300];
    snprintf(command, sizeof command, "grep -q '%s' %s/log", words, d->directory);
    for (int i = 0; system(command) != 0; i++) {
        ck_assert_msg(i < 600, "%s/log never says %s", d->directory, words);
        usleep(50000);
    }
}

void daemon_again(struct daemon *d, const char *const *extra)
{
    char data[100];
    char log[100];
    const char *options[OPTIONS_MAX] = {"--data", data, "--listen", d->address, "--listen",
                                        "tcp:127.0.0.1:0", "--regions", "conf/huizhou/regions.csv",
                                        "--codes", "conf/huizhou", "--open-roles", "all",
                                        "--disk-reserve-mib", "0"};
    int count = 14;
    snprintf(data, sizeof data, "%s/data", d->directory);
    snprintf(log, sizeof log, "%s/log", d->directory);
    while (extra != NULL && *extra != NULL)
        options[count++] = *extra++;
    options[count] = NULL;
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(output, 0);
    off_t from = lseek(output, 0, SEEK_END); /* what is before that is of an earlier life */
    d->pid = spawn(options, output);
    close(output);
    wait_until_listening(d);
    read_port(d, from);
}

struct daemon daemon_start(const char *const *extra)
{
    struct daemon d = {.pid = 0};
    make_directory(d.directory);
    snprintf(d.address, sizeof d.address, "unix:%s/sock", d.directory);
    daemon_again(&d, extra);
    return d;
}

static int reap(struct daemon *d)
{
    int status = 0;
    client_close(d->client);
    d->client = NULL;
    ck_assert_int_eq(waitpid(d->pid, &status, 0), d->pid);
    d->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int daemon_stop(struct daemon *d)
{
    kill(d->pid, SIGTERM);
    return reap(d);
}

void daemon_kill(struct daemon *d)
{
    kill(d->pid, SIGKILL);
    reap(d);
}

void daemon_end(struct daemon *d)
{
    if (d->pid != 0)
        ck_assert_int_eq(daemon_stop(d), 0);
    remove_directory(d->directory);
}

int daemon_run(const char *const *options, char *said, size_t size)
{
    int pipes[2];
    int status = 0;
    size_t len = 0;
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t pid = spawn(options, pipes[1]);
    close(pipes[1]);
    for (ssize_t got; len < size - 1 && (got = read(pipes[0], said + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    said[len] = '\0';
    close(pipes[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct node *last_error;

const struct node *daemon_error(void)
{
    return last_error;
}

const struct node *daemon_call(struct daemon *d, const char *method, const char *json)
{
    char why[200];
    const struct node *error = NULL;
    struct pack *pack = client_begin(d->client, method);
    ck_assert_msg(json_pack_object(pack, json, strlen(json), why), "%s", why);
    const struct node *result = client_call(d->client, &error);
    last_error = error;
    ck_assert_msg(result != NULL || error != NULL, "%s: the connection was lost", method);
    if (result == NULL) {
        saw_refusal_word(member(error, "code"));
        int misfit = word_find(&words_misfit, member(error, "misfit"), strlen(member(error, "misfit")));
        saw_misfit(misfit);
    }
    return result;
}

const char *member(const struct node *map, const char *key)
{
    static char texts[4][400];
    static int turn;
    const struct node *value = node_get(map, key);
    char *text = texts[turn = (turn + 1) % 4];
    text[0] = '\0';
    if (value != NULL && value->kind == NODE_TEXT)
        snprintf(text, sizeof texts[0], "%.*s", (int)value->count, value->u.text);
    return text;
}

int64_t member_number(const struct node *map, const char *key)
{
    const struct node *value = node_get(map, key);
    return value != NULL && value->kind == NODE_INT ? value->u.number : -1;
}

int64_t daemon_number(struct daemon *d, const char *method, const char *json, const char *key)
{
    const struct node *result = daemon_call(d, method, json);
    ck_assert_msg(result != NULL, "%s %s: %s %s", method, json, member(last_error, "code"),
                  member(last_error, "message"));
    return member_number(result, key);
}

const char *daemon_refused(struct daemon *d, const char *method, const char *json)
{
    const struct node *result = daemon_call(d, method, json);
    ck_assert_msg(result == NULL, "%s %s was not refused", method, json);
    ck_assert_int_ne(member(last_error, "message")[0], '\0');
    return member(last_error, "code");
}

void daemon_digest(struct daemon *d, char digest[20])
{
    snprintf(digest, 20, "%s", member(daemon_call(d, "server.stats", "{\"digest\":true}"), "digest"));
}

int daemon_cli(const struct daemon *d, const char *arguments, char *said, size_t size)
{
    char command[900];
    snprintf(command, sizeof command, "%s --server %s %s 2>&1", program("paidan"), d->address, arguments);
    FILE *pipe = popen(command, "re");
    size_t len = fread(said, 1, size - 1, pipe);
    said[len] = '\0';
    int status = pclose(pipe);
    return WEXITSTATUS(status);
}

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    fputs(text, file);
    fclose(file);
}
