#include "redis.h"

#include <fnmatch.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base.h"
#include "engine/pool.h"
#include "store/live_inside.h"

#define INTAKE "paidan:intake"

struct redis_link {
    struct redis *redis;
    redisReader *replies;
    bool is_broken;
    struct redis_link *next;
};

static uint64_t draw(struct redis *r, uint64_t below)
{
    return disk_draw(&r->random, below);
}

/* The data. */

static void free_fields(struct redis_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }
    free(fields);
}

static void free_key(struct redis_key *key)
{
    free_fields(key->fields, key->field_count);
    for (size_t i = 0; i < key->entry_count; i++)
        free_fields(key->entries[i].fields, key->entries[i].field_count);
    free(key->entries);
}

static void free_data(struct redis_data *data)
{
    for (size_t i = 0; i < data->count; i++)
        free_key(&data->keys[i]);
    free(data->keys);
    *data = (struct redis_data){.keys = NULL};
}

static struct redis_field *copy_fields(const struct redis_field *fields, size_t count)
{
    struct redis_field *copy = must_alloc(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct redis_field){must_strdup(fields[i].name), must_strdup(fields[i].value)};
    return copy;
}

static struct redis_data copy_data(const struct redis_data *data)
{
    struct redis_data copy = *data;
    copy.room = data->count;
    copy.keys = must_alloc(data->count + 1, sizeof *copy.keys);
    for (size_t i = 0; i < data->count; i++) {
        struct redis_key *key = &copy.keys[i];
        *key = data->keys[i];
        key->fields = copy_fields(key->fields, key->field_count);
        key->entries = must_alloc(key->entry_count + 1, sizeof *key->entries);
        for (size_t e = 0; e < key->entry_count; e++) {
            key->entries[e] = data->keys[i].entries[e];
            key->entries[e].fields = copy_fields(key->entries[e].fields, key->entries[e].field_count);
        }
    }
    return copy;
}

const struct redis_key *redis_find(const struct redis_data *data, const char *name)
{
    for (size_t i = 0; i < data->count; i++)
        if (strcmp(data->keys[i].name, name) == 0)
            return &data->keys[i];
    return NULL;
}

const char *redis_value(const struct redis_key *key, const char *field)
{
    for (size_t i = 0; key != NULL && i < key->field_count; i++)
        if (strcmp(key->fields[i].name, field) == 0)
            return key->fields[i].value;
    return NULL;
}

static struct redis_key *get(struct redis *r, const char *name)
{
    return (struct redis_key *)(uintptr_t)redis_find(&r->data, name);
}

static struct redis_key *make(struct redis *r, const char *name, enum redis_kind kind)
{
    struct redis_data *d = &r->data;
    struct redis_key *key = get(r, name);
    if (key != NULL)
        return key;
    if (d->count == d->room)
        d->keys = must_realloc(d->keys, d->room = d->room * 2 + 16, sizeof *d->keys);
    key = &d->keys[d->count++];
    *key = (struct redis_key){.kind = kind};
    snprintf(key->name, sizeof key->name, "%s", name);
    return key;
}

static bool del(struct redis *r, const char *name)
{
    struct redis_key *key = get(r, name);
    if (key == NULL)
        return false;
    free_key(key);
    *key = r->data.keys[--r->data.count];
    return true;
}

static void set_field(struct redis_key *key, const char *name, const char *value)
{
    for (size_t i = 0; i < key->field_count; i++) {
        if (strcmp(key->fields[i].name, name) == 0) {
            free(key->fields[i].value);
            key->fields[i].value = must_strdup(value);
            return;
        }
    }
    key->fields = must_realloc(key->fields, key->field_count + 1, sizeof *key->fields);
    key->fields[key->field_count++] = (struct redis_field){must_strdup(name), must_strdup(value)};
}

static void remove_field(struct redis *r, struct redis_key *key, const char *name)
{
    for (size_t i = 0; key != NULL && i < key->field_count; i++) {
        if (strcmp(key->fields[i].name, name) != 0)
            continue;
        free(key->fields[i].name);
        free(key->fields[i].value);
        key->fields[i] = key->fields[--key->field_count];
        if (key->field_count == 0)
            del(r, key->name);
        return;
    }
}

/* Replies. */

static void reply(struct redis_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void reply(struct redis_link *link, const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    must(len >= 0 && (size_t)len < sizeof text);
    redisReaderFeed(link->replies, text, (size_t)len);
}

static void reply_text(struct redis_link *link, const char *text)
{
    reply(link, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void reply_entries(struct redis_link *link, struct redis_key *stream, const bool *shown, size_t count)
{
    reply(link, "*1\r\n*2\r\n");
    reply_text(link, stream->name);
    reply(link, "*%zu\r\n", count);
    for (size_t i = 0; i < stream->entry_count; i++) {
        const struct redis_entry *e = &stream->entries[i];
        if (!shown[i])
            continue;
        reply(link, "*2\r\n");
        reply_text(link, e->id);
        reply(link, "*%zu\r\n", e->field_count * 2);
        for (size_t f = 0; f < e->field_count; f++) {
            reply_text(link, e->fields[f].name);
            reply_text(link, e->fields[f].value);
        }
    }
}

/* Commands. */

struct words {
    const char *at[40];
    size_t count;
};

static void run_text(struct redis_link *link, const struct words *w)
{
    struct redis *r = link->redis;
    struct redis_key *key = get(r, w->at[1]);
    if (strcmp(w->at[0], "GET") == 0) {
        if (key == NULL)
            reply(link, "$-1\r\n");
        else
            reply_text(link, key->fields[0].value);
    } else if (strcmp(w->at[0], "SET") == 0) {
        bool is_refused = w->count == 4 && key != NULL; /* NX */
        if (!is_refused)
            set_field(make(r, w->at[1], REDIS_TEXT), "", w->at[2]);
        reply(link, is_refused ? "$-1\r\n" : "+OK\r\n");
    } else if (key == NULL) { /* RENAME */
        reply(link, "-ERR no such key\r\n");
    } else {
        char *value = must_strdup(key->fields[0].value);
        del(r, w->at[1]);
        del(r, w->at[2]);
        set_field(make(r, w->at[2], REDIS_TEXT), "", value);
        free(value);
        reply(link, "+OK\r\n");
    }
}

static void run_set(struct redis_link *link, const struct words *w)
{
    struct redis *r = link->redis;
    if (strcmp(w->at[0], "ZADD") == 0)
        set_field(make(r, w->at[1], REDIS_ZSET), w->at[3], w->at[2]);
    else if (strcmp(w->at[0], "ZREM") == 0)
        remove_field(r, get(r, w->at[1]), w->at[2]);
    else
        for (size_t i = 2; i + 1 < w->count; i += 2)
            set_field(make(r, w->at[1], REDIS_HASH), w->at[i], w->at[i + 1]);
    reply(link, ":1\r\n");
}

static void run_scan(struct redis_link *link, const struct words *w)
{
    struct redis *r = link->redis;
    size_t count = 0;
    for (size_t i = 0; i < r->data.count; i++)
        count += fnmatch(w->at[3], r->data.keys[i].name, 0) == 0;
    reply(link, "*2\r\n$1\r\n0\r\n*%zu\r\n", count);
    for (size_t i = 0; i < r->data.count; i++)
        if (fnmatch(w->at[3], r->data.keys[i].name, 0) == 0)
            reply_text(link, r->data.keys[i].name);
}

static void run_scan_set(struct redis_link *link, const struct words *w)
{
    const struct redis_key *key = get(link->redis, w->at[1]);
    reply(link, "*2\r\n$1\r\n0\r\n*%zu\r\n", key != NULL ? key->field_count * 2 : 0);
    for (size_t i = 0; key != NULL && i < key->field_count; i++) {
        reply_text(link, key->fields[i].name);
        reply_text(link, key->fields[i].value);
    }
}

static void run_add(struct redis_link *link, const struct words *w)
{
    struct redis_key *key = make(link->redis, w->at[1], REDIS_STREAM);
    for (size_t i = 2; i + 1 < w->count; i++) {
        if (strcmp(w->at[i], "seq") != 0)
            continue;
        uint64_t seq = strtoull(w->at[i + 1], NULL, 10);
        key->event_max = seq > key->event_max ? seq : key->event_max;
    }
    reply_text(link, "1-1");
}

static void run_group(struct redis_link *link)
{
    struct redis_key *key = make(link->redis, INTAKE, REDIS_STREAM);
    reply(link, key->has_group ? "-BUSYGROUP\r\n" : "+OK\r\n");
    key->has_group = true;
}

static void run_read(struct redis_link *link, const struct words *w)
{
    struct redis_key *key = get(link->redis, INTAKE);
    bool wants_old = strcmp(w->at[w->count - 1], "0") == 0;
    if (key == NULL || !key->has_group) {
        reply(link, "-NOGROUP\r\n");
        return;
    }
    bool *shown = must_alloc(key->entry_count + 1, sizeof *shown);
    size_t count = 0;
    for (size_t i = 0; i < key->entry_count && count < 64; i++) {
        struct redis_entry *e = &key->entries[i];
        shown[i] = e->state == (wants_old ? ENTRY_PENDING : ENTRY_NEW);
        count += shown[i];
        if (shown[i])
            e->state = ENTRY_PENDING;
    }
    if (count == 0 && !wants_old)
        reply(link, "*-1\r\n");
    else
        reply_entries(link, key, shown, count);
    free(shown);
}

static void run_acknowledge(struct redis_link *link, const struct words *w)
{
    struct redis *r = link->redis;
    struct redis_key *key = get(r, INTAKE);
    for (size_t i = 0; key != NULL && i < key->entry_count; i++) {
        struct redis_entry *e = &key->entries[i];
        if (strcmp(e->id, w->at[3]) != 0)
            continue;
        e->state = ENTRY_ACKNOWLEDGED;
        r->acknowledged(r->context, e->attempt, e->is_malformed);
    }
    reply(link, ":1\r\n");
}

/* Deletes entries of the intake: that of an id, or those below one. */
static void run_delete(struct redis_link *link, const char *id, bool is_below)
{
    struct redis_key *key = get(link->redis, INTAKE);
    size_t left = 0;
    for (size_t i = 0; key != NULL && i < key->entry_count; i++) {
        struct redis_entry *e = &key->entries[i];
        uint64_t number = strtoull(e->id, NULL, 10);
        if (is_below ? number < strtoull(id, NULL, 10) : strcmp(e->id, id) == 0)
            free_fields(e->fields, e->field_count);
        else
            key->entries[left++] = *e;
    }
    if (key != NULL)
        key->entry_count = left;
    reply(link, ":1\r\n");
}

/* XINFO GROUPS and XPENDING, as far as they are read. */
static void run_group_state(struct redis_link *link, bool is_pending)
{
    struct redis_key *key = get(link->redis, INTAKE);
    const char *last = "0-0";
    const char *first = NULL;
    if (key == NULL || !key->has_group) {
        reply(link, "-NOGROUP\r\n");
        return;
    }
    for (size_t i = 0; i < key->entry_count; i++) {
        const struct redis_entry *e = &key->entries[i];
        last = e->state != ENTRY_NEW ? e->id : last;
        first = e->state == ENTRY_PENDING && first == NULL ? e->id : first;
    }
    if (!is_pending) {
        reply(link, "*1\r\n*4\r\n$4\r\nname\r\n$7\r\npaidand\r\n$17\r\nlast-delivered-id\r\n");
        reply_text(link, last);
    } else if (first == NULL) {
        reply(link, "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
    } else {
        reply(link, "*4\r\n:1\r\n");
        reply_text(link, first);
        reply_text(link, first);
        reply(link, "*-1\r\n");
    }
}

/* The key of a command that wants a certain kind; NULL: one that takes any. */
static const char *key_of_kind(const struct words *w, enum redis_kind *kind)
{
    const char *name = w->at[0];
    *kind = name[0] == 'X' ? REDIS_STREAM : name[0] == 'Z' ? REDIS_ZSET : name[0] == 'H' ? REDIS_HASH : REDIS_TEXT;
    if (strcmp(name, "XREADGROUP") == 0)
        return INTAKE;
    if (strcmp(name, "XGROUP") == 0 || strcmp(name, "XINFO") == 0)
        return w->at[2];
    return *kind != REDIS_TEXT || strcmp(name, "GET") == 0 ? w->at[1] : NULL;
}

static bool has_wrong_type(struct redis_link *link, const struct words *w)
{
    enum redis_kind kind = REDIS_TEXT;
    const char *name = key_of_kind(w, &kind);
    const struct redis_key *key = name != NULL ? get(link->redis, name) : NULL;
    if (key == NULL || key->kind == kind)
        return false;
    reply(link, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    return true;
}

static void run_type(struct redis_link *link, const struct words *w)
{
    static const char *const kinds[] = {"string", "zset", "hash", "stream"};
    const struct redis_key *key = get(link->redis, w->at[1]);
    reply(link, "+%s\r\n", key != NULL ? kinds[key->kind] : "none");
}

static void run(struct redis_link *link, const struct words *w)
{
    const char *name = w->at[0];
    if (has_wrong_type(link, w))
        return;
    if (strcmp(name, "GET") == 0 || strcmp(name, "SET") == 0 || strcmp(name, "RENAME") == 0)
        run_text(link, w);
    else if (strcmp(name, "DEL") == 0 || strcmp(name, "UNLINK") == 0)
        reply(link, ":%d\r\n", del(link->redis, w->at[1]));
    else if (strcmp(name, "ZADD") == 0 || strcmp(name, "ZREM") == 0 || strcmp(name, "HSET") == 0)
        run_set(link, w);
    else if (strcmp(name, "SCAN") == 0)
        run_scan(link, w);
    else if (strcmp(name, "ZSCAN") == 0)
        run_scan_set(link, w);
    else if (strcmp(name, "TYPE") == 0)
        run_type(link, w);
    else if (strcmp(name, "INFO") == 0)
        reply_text(link, "# Cluster\r\ncluster_enabled:0\r\n");
    else if (strcmp(name, "XADD") == 0)
        run_add(link, w);
    else if (strcmp(name, "XGROUP") == 0)
        run_group(link);
    else if (strcmp(name, "XREADGROUP") == 0)
        run_read(link, w);
    else if (strcmp(name, "XACK") == 0)
        run_acknowledge(link, w);
    else if (strcmp(name, "XDEL") == 0)
        run_delete(link, w->at[2], false);
    else if (strcmp(name, "XTRIM") == 0)
        run_delete(link, w->at[3], true);
    else if (strcmp(name, "XINFO") == 0 || strcmp(name, "XPENDING") == 0)
        run_group_state(link, name[1] == 'P');
    else
        must(false); /* a command that this Redis does not know */
}

/* Links. */

static void *open_link(void *context)
{
    struct redis *r = context;
    if (r->down_for != 0 || (!r->is_well && draw(r, 10) == 0))
        return NULL;
    struct redis_link *link = must_alloc(1, sizeof *link);
    *link = (struct redis_link){.redis = r, .replies = redisReaderCreate(), .next = r->links};
    live_bound_replies(link->replies);
    r->links = link;
    return link;
}

static void close_link(void *closing)
{
    struct redis_link *link = closing;
    struct redis_link **at = &link->redis->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    redisReaderFree(link->replies);
    free(link);
}

static void flush(struct redis *r)
{
    free_data(&r->data);
}

static void break_links(struct redis *r)
{
    for (struct redis_link *link = r->links; link != NULL; link = link->next)
        link->is_broken = true;
}

static void answer_garbage(struct redis_link *link)
{
    static const char *const garbage[] = {"*2147483647\r\n", "$-5\r\n", "$99999999999999999999\r\n", "\xff\xfe\x00garbage",
                                          ":7\r\n", "-LOADING\r\n", "-READONLY\r\n", "*-1\r\n", "+OK\r\n+OK\r\n",
                                          "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "*2\r\n:1\r\n$-1\r\n",
                                          "*1\r\n*2\r\n$1\r\na\r\n*2\r\n:1\r\n*-1\r\n", "$3\r\nab"};
    const char *bytes = garbage[draw(link->redis, ARRAY_LEN(garbage))];
    redisReaderFeed(link->replies, bytes, strlen(bytes));
}

/* One command, and what may happen at it. */
static void take(struct redis_link *link, const struct words *w)
{
    struct redis *r = link->redis;
    uint64_t what = r->is_well ? 1000 : draw(r, 1000);
    r->faults += what < 6;
    if (what == 0 || what == 1) /* the link breaks, with the command carried out or not */
        link->is_broken = true;
    if (what == 0)
        return;
    if (what == 2)
        flush(r);
    if (what == 3) /* a reply too many; one that says done means it: of a Redis that lies nothing is promised */
        answer_garbage(link);
    run(link, w);
    if (what == 4)
        flush(r);
    if (what == 5)
        answer_garbage(link);
}

static bool send_commands(void *to, const char *bytes, size_t len)
{
    struct redis_link *link = to;
    redisReader *reader = redisReaderCreate();
    void *parsed = NULL;
    for (size_t i = 0; i < len; i++)
        link->redis->trace = hash64(link->redis->trace ^ (uint8_t)bytes[i]) + 1;
    redisReaderFeed(reader, bytes, len);
    while (redisReaderGetReply(reader, &parsed) == REDIS_OK && parsed != NULL) {
        const redisReply *command = parsed;
        struct words w = {.count = 0};
        must(command->type == REDIS_REPLY_ARRAY && command->elements <= ARRAY_LEN(w.at));
        for (; w.count < command->elements; w.count++)
            w.at[w.count] = command->element[w.count]->str;
        if (!link->is_broken && link->redis->down_for == 0)
            take(link, &w);
        freeReplyObject(parsed);
        parsed = NULL;
    }
    redisReaderFree(reader);
    return true;
}

static struct redisReply *receive(void *from)
{
    struct redis_link *link = from;
    void *got = NULL;
    if (link->redis->down_for != 0 || redisReaderGetReply(link->replies, &got) != REDIS_OK)
        return NULL; /* hung until the deadline, or nothing that hiredis takes for a reply */
    return got;
}

static uint64_t draw_epoch(void *context)
{
    struct redis *r = context;
    return draw(r, UINT64_MAX);
}

struct live_wire redis_wire(struct redis *redis)
{
    return (struct live_wire){.context = redis, .open = open_link, .send = send_commands, .receive = receive,
                              .close = close_link, .random = draw_epoch};
}

/* Life. */

void redis_init(struct redis *redis, uint64_t seed)
{
    *redis = (struct redis){.random = seed, .next_entry = 1, .is_meddled = hash64(seed) % 2 == 0};
}

void redis_fini(struct redis *redis)
{
    while (redis->links != NULL)
        close_link(redis->links);
    free_data(&redis->data);
    free_data(&redis->replica);
}

/* Something else under a key's name. */
static void retype(struct redis *r, const char *name)
{
    char copy[96];
    snprintf(copy, sizeof copy, "%s", name);
    del(r, copy);
    set_field(make(r, copy, REDIS_TEXT), "", "somebody's");
}

/* A hand that does not belong there takes a key or a member, adds one, or puts something else in its place. */
static void meddle(struct redis *r)
{
    static const char *const added[] = {"paidan:{1111}:order:0", "paidan:{1111}:order:x", "paidan:{9}:ready:5",
                                        "paidan:{1111}:inbox:77", "paidan:{1111}:ready:01"};
    const char *name = added[draw(r, ARRAY_LEN(added))];
    char member[24];
    if (draw(r, 3) == 0)
        set_field(make(r, name, strstr(name, ":order:") != NULL ? REDIS_HASH : REDIS_ZSET), "5", "5");
    if (r->data.count == 0)
        return;
    struct redis_key *key = &r->data.keys[draw(r, r->data.count)];
    uint64_t what = draw(r, 4);
    snprintf(member, sizeof member, "%llu", (unsigned long long)draw(r, 400));
    if (what == 0)
        retype(r, key->name);
    else if (what == 1)
        del(r, key->name);
    else if (key->kind == REDIS_ZSET && what == 2)
        set_field(key, draw(r, 8) == 0 ? "nobody" : member, "1");
    else if (key->kind == REDIS_ZSET || key->kind == REDIS_HASH)
        remove_field(r, key, key->fields[draw(r, key->field_count)].name);
}

void redis_tick(struct redis *r)
{
    const struct redis_key *intake = get(r, INTAKE);
    if (r->down_for != 0)
        r->down_for--;
    if (intake != NULL && intake->kind != REDIS_STREAM && (r->is_well || draw(r, 20) == 0))
        del(r, INTAKE); /* moved away, by whoever put it there */
    if (r->is_well)
        return;
    if (r->is_meddled && draw(r, 60) == 0)
        meddle(r);
    if (draw(r, 10) == 0) { /* the replica follows, in its own time */
        free_data(&r->replica);
        r->replica = copy_data(&r->data);
    }
    uint64_t what = draw(r, 150);
    r->faults += what < 4;
    if (what == 0) {
        flush(r);
    } else if (what == 1) { /* restarted empty */
        flush(r);
        break_links(r);
    } else if (what == 2) { /* failed over: what the replica had not heard of is gone */
        free_data(&r->data);
        r->data = copy_data(&r->replica);
        break_links(r);
    } else if (what == 3) {
        r->down_for = 1 + (int)draw(r, 30);
        break_links(r);
    }
}

static void add_field(struct redis_entry *e, const char *name, const char *value)
{
    e->fields[e->field_count++] = (struct redis_field){must_strdup(name), must_strdup(value)};
}

bool redis_append(struct redis *r, uint64_t attempt, bool is_malformed, bool has_ref)
{
    char tag[32];
    if (r->down_for != 0)
        return false;
    struct redis_key *key = make(r, INTAKE, REDIS_STREAM);
    if (key->kind != REDIS_STREAM)
        return false;
    key->entries = must_realloc(key->entries, key->entry_count + 1, sizeof *key->entries);
    struct redis_entry *e = &key->entries[key->entry_count++];
    *e = (struct redis_entry){.attempt = attempt, .is_malformed = is_malformed,
                              .fields = must_alloc(8, sizeof *e->fields)};
    snprintf(e->id, sizeof e->id, "%llu-0", (unsigned long long)r->next_entry++);
    snprintf(tag, sizeof tag, "a%llu", (unsigned long long)attempt);
    add_field(e, "external_id", tag);
    add_field(e, "region", is_malformed ? "none" : "1111");
    add_field(e, "category", "legal_aid");
    add_field(e, "mode", "manual");
    if (has_ref)
        add_field(e, "ref", tag);
    return true;
}
