#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/codes.h"

static int64_t now_of(void *context)
{
    return ((const struct service *)context)->now;
}

static void send_bytes(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct service *s = context;
    if (connection == INTAKE_CONNECTION)
        intake_answer(&s->intake, bytes, len);
    else if (s->send != NULL)
        s->send(s->context, connection, bytes, len);
}

static size_t backlog_of(void *context, uint64_t connection)
{
    (void)context;
    (void)connection;
    return 0;
}

static void submit(void *context, struct batch *batch)
{
    struct service *s = context;
    s->submitted_digest = engine_digest(s->engine);
    s->has_submitted = true;
    store_submit(s->store, batch);
}

static void ask(void *context, struct query *query)
{
    store_ask(((struct service *)context)->store, query);
}

static void tell(void *context, const struct batch *batch)
{
    const struct service *s = context;
    if (s->committed != NULL)
        s->committed(s->context, batch);
    live_committed(s->live, batch, s->engine);
}

static void ignore(void *context)
{
    (void)context;
}

static void ignore_log(int is_warning, const char *event, const char *text)
{
    (void)is_warning;
    (void)event;
    (void)text;
}

static void no_extra(void *context, struct pack *pack)
{
    (void)context;
    (void)pack;
}

static void step(struct engine *e, const struct command *command)
{
    must(engine_step(e, command, 1).refusal.code == REFUSAL_NONE);
}

/* A city of two counties. */
static void add_tables(struct engine *e)
{
    static const struct {
        uint64_t code, parent;
        enum level level;
    } regions[] = {{1, 0, LEVEL_CITY},      {11, 1, LEVEL_COUNTY},     {12, 1, LEVEL_COUNTY},
                   {111, 11, LEVEL_TOWN},   {121, 12, LEVEL_TOWN},     {1111, 111, LEVEL_VILLAGE},
                   {1112, 111, LEVEL_VILLAGE}, {1211, 121, LEVEL_VILLAGE},
                   /* the places of tests/schema_v1.sql */
                   {4413, 0, LEVEL_CITY},   {441302, 4413, LEVEL_COUNTY}, {441302001, 441302, LEVEL_TOWN},
                   {441302001001, 441302001, LEVEL_VILLAGE}};
    static const char *const skills[] = {"legal_aid", "flood", "first_aid"};
    for (size_t i = 0; i < ARRAY_LEN(regions); i++) {
        struct command c = {.op = OP_ADD_REGION, .actor = "rig"};
        c.u.region.code = regions[i].code;
        c.u.region.parent = regions[i].parent;
        c.u.region.level = (uint8_t)regions[i].level;
        c.u.region.name = "region";
        c.u.region.has_point = true;
        c.u.region.lat = 230000000 + (int32_t)(regions[i].code % 10) * 50000;
        c.u.region.lon = 1144000000;
        step(e, &c);
    }
    for (size_t i = 0; i < ARRAY_LEN(skills); i++) {
        struct command c = {.op = OP_ADD_SKILL, .actor = "rig"};
        snprintf(c.u.skill.name, sizeof c.u.skill.name, "%s", skills[i]);
        c.u.skill.is_category = i < 2;
        step(e, &c);
    }
}

static const char *directory_of(int lane)
{
    static char path[64];
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/paidan-rig-%d-%d", root, (int)getpid(), lane);
    mkdir(path, 0700);
    return path;
}

const struct vault service_vault = {.profile = VAULT_INTERNATIONAL, .wrap_key = {1}, .index_key = {2}, .sign_seed = {3}};

static int load(struct service *s, int lane)
{
    struct store_options options = {.directory = directory_of(lane), .vfs = disk_use(s->disk),
                                    .wake = ignore, .context = s, .vault = &service_vault};
    static const struct code_tables codes = {.issuers = {"macao"}, .issuer_count = 1};
    struct turn_settings settings = {.questions_max = 1000, .codes = &codes, .retain_refs_ms = 30 * DAY_MS,
                                     .retain_events_ms = SERVICE_RETAINS_EVENTS, .retain_contacts_ms = SERVICE_RETAINS_CONTACTS,
                                     .refs_max = 1000000};
    struct turn_ports ports = {.context = s, .now = now_of, .send = send_bytes,
                               .backlog = backlog_of, .submit = submit, .ask = ask,
                               .committed = tell, .reload = ignore, .pack_extra = no_extra};
    uint64_t next_ref = 1;
    s->engine = engine_new(0);
    if (store_open(&options, &s->store, &s->failure) != 0)
        return -1;
    disk_sync_directory(s->disk); /* which store_open() did, to the directory of the lock */
    if (store_load_skills(s->store, s->engine, &s->failure) != 0)
        return -1;
    add_tables(s->engine);
    bool is_catalogue_new = engine_effects(s->engine).is_catalogue_changed;
    if (store_load(s->store, s->engine, s->now, &s->failure) != 0)
        return -1;
    s->turn = turn_new(s->engine, &ports, &settings, 4711);
    if (store_load_refs(s->store, turn_load_ref, s->turn, &next_ref, &s->failure) != 0)
        return -1;
    turn_load_done(s->turn, next_ref);
    if (is_catalogue_new)
        turn_keep_catalogue(s->turn);
    return 0;
}

static void open_live(struct service *s)
{
    struct live_wire wire = redis_wire(s->redis);
    struct live_options options = {.url = "redis+unix:rig", .wake = ignore, .log = ignore_log, .wire = &wire};
    struct identity caller = identity_trusted("intake");
    must(live_open(&options, &s->live, &s->failure) == 0);
    s->intake = (struct intake){.turn = s->turn, .live = s->live,
                                .session = turn_connect(s->turn, INTAKE_CONNECTION, &caller)};
}

int service_start(struct service *s, int lane)
{
    s->engine = NULL;
    s->live = NULL;
    s->intake = (struct intake){.live = NULL};
    s->store = NULL;
    s->turn = NULL;
    s->is_dead = s->has_submitted = false;
    s->failure = (struct failure){0};
    if (load(s, lane) != 0) {
        service_kill(s);
        return -1;
    }
    s->committed_digest = engine_digest(s->engine);
    if (s->redis != NULL)
        open_live(s);
    rmdir(directory_of(lane)); /* fails while the lock is in it; the last one clears up */
    return 0;
}

static void end(struct service *s, bool is_crash)
{
    if (s->store != NULL && is_crash)
        store_drop(s->store);
    else if (s->store != NULL)
        store_close(s->store);
    live_close(s->live);
    turn_free(s->turn);
    engine_free(s->engine);
    s->live = NULL;
    s->store = NULL;
    s->turn = NULL;
    s->engine = NULL;
}

void service_kill(struct service *s)
{
    s->disk->fault = FAULT_CRASH; /* nothing of the closing reaches the disk */
    s->disk->fault_at = 0;
    s->disk->before = NULL;
    end(s, true);
}

void service_stop(struct service *s)
{
    end(s, false);
}

void service_collect(struct service *s)
{
    struct collected c = store_collect(s->store);
    if (c.has_failed) {
        s->is_dead = true;
        s->failure = c.failure;
        return;
    }
    if (c.committed != NULL) {
        s->committed_digest = s->submitted_digest;
        s->has_submitted = false;
    }
    turn_collect(s->turn, c);
}

static void step_live(struct service *s)
{
    struct redis *r = s->redis;
    if (r->is_well || disk_draw(&r->random, 2) == 0)
        live_step_publisher(s->live);
    if (r->is_well || disk_draw(&r->random, 2) == 0)
        live_step_taker(s->live);
    if (r->is_meddled && (r->is_well || disk_draw(&r->random, 2) == 0))
        live_step_sweep(s->live);
}

void service_turn(struct service *s, bool writes, bool reads)
{
    if (s->live != NULL)
        intake_take(&s->intake);
    turn_end(s->turn);
    if (live_wants_slice(s->live))
        live_slice(s->live, s->engine, turn_barrier(s->turn));
    if (s->live != NULL)
        step_live(s);
    if (writes)
        store_step_writer(s->store);
    if (reads)
        store_step_reader(s->store);
    service_collect(s);
}

void service_settle(struct service *s)
{
    for (int i = 0; i < 10000 && !s->is_dead; i++) {
        service_turn(s, true, true);
        if (!s->is_dead && turn_is_idle(s->turn) && turn_wait_ms(s->turn) != 0)
            return;
    }
}

bool service_live_is_settled(const struct service *s)
{
    if (s->live == NULL)
        return true;
    struct live_status status = live_status(s->live);
    const struct redis_key *intake = redis_find(&s->redis->data, "paidan:intake");
    for (size_t i = 0; intake != NULL && i < intake->entry_count; i++)
        if (intake->entries[i].state != ENTRY_ACKNOWLEDGED)
            return false;
    return status.is_up && status.waiting_bytes == 0;
}

bool service_is_faithful(const struct service *after, const struct service *before)
{
    uint64_t digest = engine_digest(after->engine);
    return digest == before->committed_digest ||
           (before->has_submitted && digest == before->submitted_digest);
}
