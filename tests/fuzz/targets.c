#include "targets.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/pool.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/table.h"
#include "proto/texts.h"
#include "proto/turn.h"
#include "store/chain.h"
#include "store/live_inside.h"

/* The scanner in two pieces, as bytes arrive; what it lets through goes to the decoder. */
int fuzz_frame(const uint8_t *bytes, size_t len)
{
    struct frame_scan scan = {.at = 0};
    struct arena arena = {.blocks = NULL};
    const char *why = NULL;
    enum frame_state half = frame_scan(&scan, bytes, len / 2, &why);
    enum frame_state state = half == FRAME_PARTIAL ? frame_scan(&scan, bytes, len, &why) : half;
    struct frame_scan whole = {.at = 0};
    if (half == FRAME_PARTIAL) /* the split makes no difference */
        must(frame_scan(&whole, bytes, len, &why) == state && (state != FRAME_WHOLE || whole.at == scan.at));
    if (state == FRAME_WHOLE) {
        uint8_t *copy = must_alloc(1, scan.at + 1);
        memcpy(copy, bytes, scan.at);
        codec_decode(&arena, copy, scan.at);
        free(copy);
    }
    arena_fini(&arena);
    return 0;
}

/* A turn whose store is always done at once and knows nothing. */
struct desk {
    struct engine *engine;
    struct turn *turn;
    struct session *session;
    struct batch *submitted;
    struct query *asked;
};

static int64_t now_of(void *context)
{
    (void)context;
    return INT64_C(1795395600000);
}

/* An answer or a notification; and, as the gateway prints it, JSON. */
static void drop_bytes(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct pack pack = {.bytes = (uint8_t *)(uintptr_t)bytes, .len = len};
    struct pack again = {.bytes = NULL};
    char why[200];
    (void)context;
    (void)connection;
    must(len != 0 && bytes[0] >= 0x93 && bytes[0] <= 0x94);
    size_t text_len = 0;
    char *text = json_text(&pack, &text_len);
    text[text_len - 1] = '}'; /* the newline */
    char *object = NULL;
    FILE *out = open_memstream(&object, &text_len);
    fprintf(out, "{\"said\": %s", text);
    fclose(out);
    must(text_len > 64 << 10 || json_pack_object(&again, object, text_len, why));
    pack_fini(&again);
    free(object);
    free(text);
}

static size_t no_backlog(void *context, uint64_t connection)
{
    (void)context;
    (void)connection;
    return 0;
}

static void take_batch(void *context, struct batch *batch)
{
    ((struct desk *)context)->submitted = batch;
}

static void take_query(void *context, struct query *query)
{
    struct desk *d = context;
    query->link = d->asked;
    d->asked = query;
}

static void ignore_batch(void *context, const struct batch *batch)
{
    (void)context;
    (void)batch;
}

static void ignore(void *context)
{
    (void)context;
}

static void no_extra(void *context, struct pack *pack)
{
    (void)context;
    (void)pack;
}

static void step(struct engine *e, struct command c)
{
    c.actor = "fuzz";
    must(engine_step(e, &c, now_of(NULL)).refusal.code == REFUSAL_NONE);
}

static void open_desk(struct desk *d)
{
    struct turn_ports ports = {.context = d, .now = now_of, .send = drop_bytes, .backlog = no_backlog,
                               .submit = take_batch, .ask = take_query, .committed = ignore_batch,
                               .reload = ignore, .pack_extra = no_extra};
    struct turn_settings settings = {.questions_max = 100, .refs_max = 1000};
    struct identity who = identity_trusted("uid:0");
    struct command region = {.op = OP_ADD_REGION};
    struct command skill = {.op = OP_ADD_SKILL};
    *d = (struct desk){.engine = engine_new(0)};
    region.u.region.code = 1;
    region.u.region.name = "city";
    region.u.region.level = LEVEL_CITY;
    region.u.region.has_point = true;
    region.u.region.lat = 230000000;
    region.u.region.lon = 1144000000;
    step(d->engine, region);
    region.u.region.code = 11;
    region.u.region.parent = 1;
    region.u.region.level = LEVEL_COUNTY;
    step(d->engine, region);
    snprintf(skill.u.skill.name, sizeof skill.u.skill.name, "legal_aid");
    skill.u.skill.is_category = true;
    step(d->engine, skill);
    d->turn = turn_new(d->engine, &ports, &settings, 1);
    d->session = turn_connect(d->turn, 9, &who);
}

static void close_desk(struct desk *d)
{
    turn_free(d->turn);
    engine_free(d->engine);
}

static struct desk desk;

/* Its turns, until what was asked is answered; the state lives on for some requests. */
static void end_turns(void)
{
    static int used;
    for (int i = 0; i < 4; i++) {
        turn_end(desk.turn);
        struct collected c = {.committed = desk.submitted, .answered = desk.asked};
        desk.submitted = NULL;
        desk.asked = NULL;
        turn_collect(desk.turn, c);
    }
    if (++used == 200) {
        engine_check(desk.engine);
        close_desk(&desk);
        desk.turn = NULL;
        used = 0;
    }
}

/* From the frame to the dispatcher and the engine behind it. */
int fuzz_request(const uint8_t *bytes, size_t len)
{
    if (desk.turn == NULL)
        open_desk(&desk);
    for (size_t at = 0; at < len;) {
        struct frame_scan scan = {.at = 0};
        const char *why = NULL;
        if (frame_scan(&scan, bytes + at, len - at, &why) != FRAME_WHOLE)
            break;
        turn_request(desk.turn, desk.session, bytes + at, scan.at);
        at += scan.at;
    }
    end_turns();
    return 0;
}

static void begin_http(struct pack *pack, const char *method, size_t len)
{
    pack_reset(pack);
    pack_fixed_list(pack, 4);
    pack_int(pack, 0);
    pack_int(pack, 1);
    pack_text_n(pack, method, len);
    pack_fixed_list(pack, 1);
}

static void request_http(const struct pack *pack)
{
    struct frame_scan scan = {.at = 0};
    const char *why = NULL;
    if (frame_scan(&scan, pack->bytes, pack->len, &why) == FRAME_WHOLE)
        must(turn_request(desk.turn, desk.session, pack->bytes, pack->len));
}

/* A body that says how large it is: of "@COUNT,DEPTH REST" so many members, each so many lists deep. What
 * mutation alone hardly comes to stands one number away. NULL: the body says nothing of the kind. */
static char *grown(const char *body, size_t len, size_t *grown_len)
{
    unsigned count = 0, depth = 0;
    char head[32];
    char *text = NULL;
    snprintf(head, sizeof head, "%.*s", (int)(len < 31 ? len : 31), body);
    if (sscanf(head, "@%6u,%6u", &count, &depth) != 2 || count > 200000 || depth > 100000)
        return NULL;
    depth = count != 0 && depth > 200000 / count ? 200000 / count : depth;
    FILE *out = open_memstream(&text, grown_len);
    must(out != NULL);
    fputc('{', out);
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%s\"%x\":", i != 0 ? "," : "", i);
        for (unsigned d = 0; d < depth; d++)
            fputs(d % 2 != 0 ? "{\"a\":" : "[", out);
        fputc('1', out);
        for (unsigned d = depth; d-- != 0;)
            fputc(d % 2 != 0 ? '}' : ']', out);
    }
    fputc('}', out);
    fclose(out);
    return text;
}

/* What the gateway makes of a method's name and a body, a line each; and of the body as a query's value. */
int fuzz_http(const uint8_t *bytes, size_t len)
{
    const uint8_t *line = memchr(bytes, '\n', len);
    size_t name = line != NULL ? (size_t)(line - bytes) : len;
    struct pack pack = {.bytes = NULL};
    struct error error;
    char why[200];
    char value[200];
    if (desk.turn == NULL)
        open_desk(&desk);
    const char *body = line != NULL ? (const char *)line + 1 : "{}";
    size_t body_len = line != NULL ? len - name - 1 : 2;
    size_t large_len = 0;
    char *large = grown(body, body_len, &large_len);
    begin_http(&pack, (const char *)bytes, name);
    if (json_pack_object(&pack, large != NULL ? large : body, large != NULL ? large_len : body_len, why))
        request_http(&pack);
    free(large);
    snprintf(value, sizeof value, "%.*s", (int)(body_len < 199 ? body_len : 199), body);
    begin_http(&pack, "event.subscribe", 15);
    pack_map(&pack);
    bool is_good = texts_pack_param(&pack, "after", value, &error) && texts_pack_param(&pack, "kind", value, &error);
    pack_close(&pack);
    if (is_good)
        request_http(&pack);
    pack_fini(&pack);
    end_turns();
    return 0;
}

/* Readers of files get theirs in memory's file system. */
static const char *as_file(const uint8_t *bytes, size_t len)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/paidan-fuzz-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    FILE *file = fopen(path, "we");
    must(file != NULL);
    must(fwrite(bytes, 1, len, file) == len);
    fclose(file);
    return path;
}

int fuzz_settings(const uint8_t *bytes, size_t len)
{
    static struct settings settings;
    struct failure failure = {0};
    const char *path = as_file(bytes, len);
    settings_default(&settings);
    if (settings_read(&settings, path, &failure) != 0)
        must(failure.exit_code != 0 && failure.text[0] != '\0');
    unlink(path);
    return 0;
}

static int take_row(void *context, const struct table_row *row, struct failure *failure)
{
    (void)context;
    (void)failure;
    for (int i = 0; i < 3; i++)
        must(row->fields[i] != NULL && text_is_utf8(row->fields[i], strlen(row->fields[i])));
    return 0;
}

int fuzz_table(const uint8_t *bytes, size_t len)
{
    static const char *const columns[] = {"id", "name", "skills"};
    static const struct table_format format = {.columns = columns, .column_count = 3, .required_count = 2,
                                               .unused_allowed = 1};
    struct failure failure = {0};
    const char *path = as_file(bytes, len);
    if (table_read(path, &format, take_row, NULL, &failure) != 0)
        must(failure.exit_code != 0 && failure.text[0] != '\0');
    unlink(path);
    return 0;
}

/* What a Redis may answer to the intake, in its own protocol. */
int fuzz_redis(const uint8_t *bytes, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    live_bound_replies(reader);
    redisReaderFeed(reader, (const char *)bytes, len);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
        struct live_entry *entries = NULL;
        must(live_entries_of(reply, &entries) || entries == NULL);
        live_free_entries(entries);
        freeReplyObject(reply);
        reply = NULL;
    }
    redisReaderFree(reader);
    return 0;
}

int fuzz_heads(const uint8_t *bytes, size_t len)
{
    char line[CHAIN_LINE_BYTES * 2];
    struct signed_head head;
    size_t kept = len < sizeof line - 1 ? len : sizeof line - 1;
    memcpy(line, bytes, kept);
    line[kept] = '\0';
    chain_parse(line, &head);
    return 0;
}
