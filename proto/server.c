#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "codes.h"
#include "engine/pool.h"
#include "push.h"
#include "server_inside.h"

#define DRAIN_MS 10000

int64_t server_micros(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* From any thread. */
static void wake(void *context)
{
    const struct server *s = context;
    uint64_t one = 1;
    ssize_t written = write(s->wake_fd, &one, sizeof one);
    (void)written; /* a full counter wakes as well */
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct server *s = context;
    uint64_t count = 0;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got;
    (void)what;
    struct collected collected = store_collect(s->store);
    if (collected.has_failed) {
        /* What became of the commit is unknown: nobody is answered, the next start reads the disk. */
        log_error("commit_failed", "reason=\"%s\"", collected.failure.text);
        _exit(EX_IOERR);
    }
    turn_collect(s->turn, collected);
    if (collected.committed != NULL && s->disk_free < 16 * s->settings.disk_reserve_mib * (UINT64_C(1) << 20))
        disk_watch(s); /* near the bound a second is long */
    intake_take(&s->intake);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context; /* the turn after this wake does the work */
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    net_sweep(context);
    http_sweep(context);
    disk_watch(context);
    tls_watch(context);
    room_give_back(context);
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
    struct server *s = context;
    (void)what;
    if (s->is_stopping)
        return;
    log_info("draining", "signal=%d", (int)signal_number);
    s->is_stopping = true;
    s->stopping_since = server_uptime(s);
    turn_drain(s->turn);
    net_stop_listening(s);
}

static void on_reload(evutil_socket_t signal_number, short what, void *context)
{
    struct server *s = context;
    (void)signal_number;
    (void)what;
    s->wants_reload = true;
}

static void ask_reload(void *context)
{
    struct server *s = context;
    s->wants_reload = true;
}

static void submit_batch(void *context, struct batch *batch)
{
    store_submit(((struct server *)context)->store, batch);
}

static void ask_store(void *context, struct query *query)
{
    store_ask(((struct server *)context)->store, query);
}

static void tell_live(void *context, const struct batch *batch)
{
    struct server *s = context;
    live_committed(s->live, batch, s->engine);
}

static void pack_gauge(struct pack *out, const char *key, const struct gauge *gauge)
{
    pack_key(out, key);
    pack_map(out);
    pack_key(out, "counts"); /* at most 1, 2, 4, … and above */
    pack_list(out);
    for (int i = 0; i < GAUGE_BUCKETS; i++)
        pack_uint(out, gauge->counts[i]);
    pack_close(out);
    pack_key_uint(out, "count", gauge->count);
    pack_key_uint(out, "sum", gauge->sum);
    pack_close(out);
}

static void pack_extra(void *context, struct pack *out)
{
    struct server *s = context;
    struct store_gauges g = store_gauges(s->store);
    struct live_status live = live_status(s->live);
    pack_key_uint(out, "connections", s->connection_count);
    pack_key_uint(out, "http_connections", http_connection_count(s));
    pack_key_uint(out, "disk_free_bytes", s->disk_free);
    pack_key_bool(out, "storage_low", s->is_disk_low);
    pack_key_bool(out, "reload_failed", s->has_reload_failed);
    pack_key_int(out, "tls_expires_at", tls_expires_at(s));
    clock_pack(s, out);
    pack_key(out, "store");
    pack_map(out);
    pack_key_uint(out, "database_bytes", g.database_bytes);
    pack_key_uint(out, "log_bytes", g.log_bytes);
    pack_key_uint(out, "commit_us", g.commit_us);
    pack_key_uint(out, "commits", g.commits);
    pack_close(out);
    pack_key(out, "live");
    pack_map(out);
    pack_key_text(out, "kind", live.is_redis ? "redis" : "memory");
    pack_key_bool(out, "up", !live.is_redis || live.is_up);
    pack_key_text(out, "reason", live.reason);
    pack_key_text(out, "intake_reason", live.intake_reason);
    pack_key_uint(out, "waiting_bytes", live.waiting_bytes);
    pack_key_uint(out, "told", live.told);
    pack_key_uint(out, "rebuilds", live.rebuilds);
    pack_key_uint(out, "sweeps", live.sweeps);
    pack_key_uint(out, "mended", live.mended);
    pack_key_uint(out, "intake_placed", live.placed);
    pack_key_uint(out, "intake_refused", live.refused);
    pack_close(out);
    if (push_of(s) != NULL)
        push_pack(push_of(s), "push", out);
    struct turn_counts turn = turn_counts(s->turn);
    pack_key(out, "gauges");
    pack_map(out);
    pack_gauge(out, "turn_us", &s->turn_us);
    pack_gauge(out, "match_us", &turn.match_us);
    pack_gauge(out, "commit_us", &g.commit_times);
    pack_gauge(out, "batch_events", &turn.batch_events);
    pack_close(out);
}

/* One line a request, when somebody looks closely: connection and msgid are its number. */
static void log_request(void *context, const struct session *session, uint32_t msgid, const char *method, const char *code)
{
    (void)context;
    if (log_has(LOG_LEVEL_DEBUG))
        log_debug("request", "request=%llu.%u principal=%s method=%s code=%s", (unsigned long long)session->connection, msgid,
                  session->who.principal, method, code[0] != '\0' ? code : "ok");
}

static void log_live(int is_warning, const char *event, const char *text)
{
    log_line(is_warning ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, event, "reason=\"%s\"", text);
}

static int64_t days_ms(uint32_t days)
{
    return days * DAY_MS;
}

static struct turn_settings turn_settings_of(const struct server *server)
{
    const struct settings *s = &server->settings;
    return (struct turn_settings){.retain_events_ms = days_ms(s->retain_events_days),
                                  .retain_refs_ms = days_ms(s->retain_refs_days),
                                  .retain_contacts_ms = days_ms(s->retain_contacts_days),
                                  .refs_max = s->refs_max,
                                  .questions_max = s->questions_max,
                                  .input_bytes = (uint64_t)s->input_mib << 20,
                                  .output_bytes = (uint64_t)s->output_mib << 20,
                                  .connections = s->connections_max,
                                  .streams = HTTP_STREAMS_MAX,
                                  .share_percent = s->caller_share,
                                  .requests_per_s = s->requests_per_s,
                                  .issuer = s->issuer,
                                  .codes = &server->codes};
}

/* The zone's offset now, and the rules, as commands like any other. */
static void tell_rules(struct server *s)
{
    struct command rules = {.op = OP_SET_RULES, .actor = "settings", .u.rules = s->settings.rules};
    struct command offset = {.op = OP_SET_OFFSET, .actor = "settings"};
    time_t now = (time_t)(server_now(s) / 1000);
    struct tm tm;
    localtime_r(&now, &tm);
    offset.u.offset_min = (int32_t)(tm.tm_gmtoff / 60);
    engine_step(s->engine, &rules, server_now(s));
    engine_step(s->engine, &offset, server_now(s));
}

/* The settings as the file has them now, checked with all that they name before any of them is taken. */
static int read_again(struct server *s, struct failure *failure)
{
    struct settings fresh;
    struct settings next = s->settings;
    char keys[512];
    settings_default(&fresh);
    if (s->config != NULL) {
        if (settings_read(&fresh, s->config, failure) != 0)
            return -1;
        settings_find_tables(&fresh);
        settings_reload(&next, &fresh);
        if (settings_check(&next, failure) != 0)
            return -1;
    }
    if (tls_reload(s, &next, failure) != 0)
        return -1;
    if (s->config != NULL) {
        settings_stay(&s->settings, &fresh, keys, sizeof keys);
        if (keys[0] != '\0')
            log_warn("needs_restart", "keys=%s advice=\"these settings were changed and take effect at the next start\"", keys);
    }
    s->settings = next;
    return 0;
}

static void reload(struct server *s)
{
    struct failure failure = {0};
    s->wants_reload = false;
    s->has_reload_failed = read_again(s, &failure) != 0;
    if (s->has_reload_failed) {
        log_error("reload_refused", "reason=\"%s\"", failure.text);
        return;
    }
    if (log_open(s->settings.log, settings_log_level(&s->settings)) != 0) {
        s->has_reload_failed = true;
        log_error("log_not_opened", "path=%s reason=\"%s\"", s->settings.log, strerror(errno));
    }
    if (codes_load_tables(s->engine, s->settings.codes, &failure) != 0) {
        s->has_reload_failed = true;
        log_error("codes_refused", "reason=\"%s\"", failure.text);
    }
    codes_read_files(&s->codes, s->settings.codes);
    clock_configure(s);
    tell_rules(s);
    struct turn_settings settings = turn_settings_of(s);
    turn_configure(s->turn, &settings);
    if (s->has_reload_failed)
        log_error("reload_incomplete", "config=%s", s->config != NULL ? s->config : "-");
    else
        log_info("reloaded", "config=%s", s->config != NULL ? s->config : "-");
}

int server_open_vault(const struct settings *settings, bool may_make, struct vault *vault, char *heads, size_t size,
                      struct failure *failure)
{
    char path[SETTING_TEXT_BYTES + 32];
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    bool is_own = false;
    snprintf(heads, size, "%s", settings->audit_heads);
    if (heads[0] == '\0')
        snprintf(heads, size, "%s/heads.log", settings->data);
    snprintf(path, sizeof path, "%s", settings->master_key);
    if (path[0] == '\0' && credentials != NULL)
        snprintf(path, sizeof path, "%.500s/master_key", credentials);
    if (path[0] == '\0' || (settings->master_key[0] == '\0' && access(path, R_OK) != 0)) {
        snprintf(path, sizeof path, "%s/master.key", settings->data);
        is_own = true;
    }
    if (is_own && may_make) {
        mkdir(settings->data, 0700); /* the store says what is wrong with it */
        log_warn("key_beside_data", "path=%s advice=\"keep the master key elsewhere: see master_key\"", path);
    }
    return vault_open(vault, strcmp(settings->crypto, "state") == 0 ? VAULT_STATE : VAULT_INTERNATIONAL, path,
                      is_own && may_make, failure);
}

/* Opens the store and fills the engine from the tables and from it. */
static int load(struct server *s, struct failure *failure)
{
    char heads[SETTING_TEXT_BYTES + 16];
    struct store_options options = {.directory = s->settings.data, .wake = wake, .context = s,
                                    .vault = &s->vault, .heads = heads,
                                    .heads_every_ms = s->settings.audit_every_s * INT64_C(1000)};
    int64_t began = server_uptime(s);
    s->engine = engine_new(s->settings.node);
    if (server_open_vault(&s->settings, true, &s->vault, heads, sizeof heads, failure) != 0 ||
        store_open(&options, &s->store, failure) != 0 ||
        clock_load(s, failure) != 0 ||
        store_load_skills(s->store, s->engine, failure) != 0 ||
        codes_load_regions(s->engine, s->settings.regions, failure) != 0 ||
        codes_load_tables(s->engine, s->settings.codes, failure) != 0)
        return -1;
    codes_read_files(&s->codes, s->settings.codes);
    bool is_catalogue_new = engine_effects(s->engine).is_catalogue_changed;
    tell_rules(s);
    if (store_load(s->store, s->engine, server_now(s), failure) != 0)
        return -1;
    struct turn_ports ports = {.context = s, .now = server_now, .latest = server_latest, .trust_clock = server_trust_clock, .send = net_send,
                               .backlog = net_backlog, .micros = server_micros, .submit = submit_batch, .ask = ask_store,
                               .committed = tell_live, .reload = ask_reload, .requested = log_request, .pack_extra = pack_extra};
    struct turn_settings settings = turn_settings_of(s);
    uint64_t random = 0;
    uint64_t next_ref = 1;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return failure_set(failure, EX_OSERR, "getrandom: %s", strerror(errno));
    s->turn = turn_new(s->engine, &ports, &settings, random);
    if (store_load_tokens(s->store, turn_load_token, s->turn, failure) != 0 ||
        store_load_refs(s->store, turn_load_ref, s->turn, &next_ref, failure) != 0 ||
        push_open(s, failure) != 0 ||
        store_start(s->store, failure) != 0)
        return -1;
    turn_load_done(s->turn, next_ref);
    turn_set_push(s->turn, push_of(s));
    if (is_catalogue_new)
        turn_keep_catalogue(s->turn);
    struct engine_counts counts = engine_counts(s->engine);
    log_info("loaded", "orders=%u offers=%u orgs=%u regions=%u digest=%016" PRIx64 " ms=%lld",
             counts.orders, counts.offers, counts.orgs, engine_region_count(s->engine),
             engine_digest(s->engine), (long long)(server_uptime(s) - began));
    return 0;
}

static int open_events(struct server *s, struct failure *failure)
{
    static const struct timeval second = {.tv_sec = 1};
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++)
        signal(numbers[i], SIG_IGN); /* what libevent puts back at the end: no second signal hurts */
    s->base = event_base_new();
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->base == NULL || s->wake_fd < 0)
        return failure_set(failure, EX_OSERR, "event loop: %s", strerror(errno));
    s->wake_event = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->timer = event_new(s->base, -1, 0, on_timer, s);
    s->sweep = event_new(s->base, -1, EV_PERSIST, on_sweep, s);
    event_add(s->wake_event, NULL);
    event_add(s->sweep, &second);
    for (int i = 0; i < 3; i++) {
        s->signals[i] = evsignal_new(s->base, numbers[i], numbers[i] == SIGHUP ? on_reload : on_stop, s);
        event_add(s->signals[i], NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static void close_events(struct server *s)
{
    struct event *events[] = {s->wake_event, s->timer, s->sweep,
                              s->signals[0], s->signals[1], s->signals[2]};
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (s->base != NULL)
        event_base_free(s->base);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
}

static bool has_drained(struct server *s)
{
    if (!s->is_stopping)
        return false;
    return (turn_is_idle(s->turn) && s->intake.entries == NULL && !net_owes(s)) ||
           server_uptime(s) - s->stopping_since > DRAIN_MS;
}

void server_turn_begins(struct server *s)
{
    if (s->turn_began_us == 0)
        s->turn_began_us = server_micros(s);
}

static void take_time(struct server *s)
{
    if (s->turn_began_us != 0)
        gauge_add(&s->turn_us, (uint64_t)(server_micros(s) - s->turn_began_us));
    s->turn_began_us = 0;
}

static void loop(struct server *s)
{
    while (!has_drained(s)) {
        int64_t wait = turn_wait_ms(s->turn);
        if (wait >= 0) {
            wait = wait < 3600000 ? wait : 3600000;
            struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};
            event_add(s->timer, &tv);
        } else {
            event_del(s->timer);
        }
        event_base_loop(s->base, EVLOOP_ONCE);
        if (s->wants_reload)
            reload(s);
        turn_end(s->turn);
        http_turn_ended(s);
        push_turn_ended(s);
        take_time(s);
        if (live_wants_slice(s->live))
            live_slice(s->live, s->engine, turn_barrier(s->turn));
    }
}

static void close_all(struct server *s)
{
    net_stop_listening(s);
    if (s->turn != NULL)
        net_close_all(s); /* ends the turn, so before it */
    http_close(s);
    push_close(s);
    live_close(s->live);
    store_close(s->store);
    turn_free(s->turn);
    engine_free(s->engine);
    codes_fini(&s->codes);
    vault_close(&s->vault);
    tls_close(s);
    close_events(s);
}

int server_run(const struct settings *settings, const char *config)
{
    struct failure failure = {0};
    struct server *s = must_alloc(1, sizeof *s);
    s->settings = *settings;
    s->config = config;
    s->wake_fd = -1;
    clock_open(s);
    room_raise_descriptors(settings);
    pool_init(&s->table, sizeof(struct connection *));
    struct live_options live = {.url = settings->live, .node = settings->node, .wake = wake,
                                .log = log_live, .context = s};
    int rc = open_events(s, &failure);
    if (rc == 0)
        rc = load(s, &failure);
    if (rc == 0)
        rc = net_listen(s, &failure);
    if (rc == 0) {
        struct identity intake = identity_trusted("intake");
        rc = live_open(&live, &s->live, &failure);
        s->intake = (struct intake){.turn = s->turn, .live = s->live,
                                    .session = turn_connect(s->turn, INTAKE_CONNECTION, &intake)};
    }
    if (rc == 0) {
        log_info("started", "version=%s data=%s live=%s pid=%d", PAIDAN_VERSION, settings->data,
                 settings->live, (int)getpid());
        loop(s);
        log_info("stopped", "digest=%016" PRIx64, engine_digest(s->engine));
    } else {
        log_error("start_failed", "reason=\"%s\"", failure.text);
    }
    close_all(s);
    free(s);
    return rc == 0 ? EX_OK : failure.exit_code;
}
