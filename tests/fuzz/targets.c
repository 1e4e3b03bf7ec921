#include "targets.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/pool.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/server_http.h"
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

static struct server *gate; /* NULL: no HTTP yet */

/* An answer or a notification; and, as the gateway prints it, JSON. */
static void drop_bytes(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct pack pack = {.bytes = (uint8_t *)(uintptr_t)bytes, .len = len};
    struct pack again = {.bytes = NULL};
    char why[200];
    (void)context;
    if (gate != NULL)
        http_send(gate, connection, bytes, len);
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

/* Its turns, until what was asked is answered. */
static void end_calls(void)
{
    for (int i = 0; i < 4; i++) {
        turn_end(desk.turn);
        struct collected c = {.committed = desk.submitted, .answered = desk.asked};
        desk.submitted = NULL;
        desk.asked = NULL;
        turn_collect(desk.turn, c);
        if (gate != NULL)
            http_turn_ended(gate);
    }
}

/* The state lives on for some requests. */
static void end_turns(void)
{
    static int used;
    end_calls();
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

/* The gateway of the daemon over a socket without a name. */
static void open_gate(struct sockaddr_un *address, socklen_t *size)
{
    struct failure failure = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address->sun_family = AF_UNIX;
    must(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)) == 0 && listen(fd, 8) == 0);
    *size = sizeof *address;
    must(getsockname(fd, (struct sockaddr *)address, size) == 0);
    gate = must_alloc(1, sizeof *gate);
    gate->base = event_base_new();
    gate->next_number = 1000;
    gate->stranger = identity_trusted("http");
    must(log_open("/dev/null", LOG_LEVEL_ERROR) == 0);
    must(http_listen(gate, fd, &failure) == 0);
}

/* One pass of the loop; what is answered meanwhile goes into `said`. False: the line has ended. */
static bool pass(int client, char *said, size_t room, size_t *len)
{
    event_base_loop(gate->base, EVLOOP_NONBLOCK);
    end_calls();
    for (ssize_t got = 0;;) {
        char rest[4096];
        bool is_kept = *len < room - 1;
        got = recv(client, is_kept ? said + *len : rest, is_kept ? room - 1 - *len : sizeof rest, MSG_DONTWAIT);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        *len += is_kept ? (size_t)got : 0;
    }
}

/* The first answer: the end of a stream, or a status with JSON or a page. */
static void check_answer(const char *said, size_t len)
{
    int status = 0;
    if (len == 0)
        return;
    must(sscanf(said, "HTTP/1.1 %d", &status) == 1 && status >= 100 && status < 600);
    const char *body = strstr(said, "\r\n\r\n");
    must(body != NULL || len > 4000);
    if (status >= 400 && status != 503 && body != NULL && strncmp((const char *)said, "HTTP/1.1 100", 12) != 0)
        must(body[4] == '\0' || strncmp(body + 4, "{\"error\": {\"code\": \"", 20) == 0);
}

/* The bytes of a line of HTTP, to the answers. Each connection ends when its client does. */
static void talk(const char *bytes, size_t len)
{
    static struct sockaddr_un address;
    static socklen_t size;
    static char said[8192];
    size_t sent = 0, got = 0;
    bool is_open = true;
    if (desk.turn == NULL)
        open_desk(&desk);
    if (gate == NULL)
        open_gate(&address, &size);
    gate->turn = desk.turn;
    gate->engine = desk.engine;
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(client >= 0 && connect(client, (struct sockaddr *)&address, size) == 0);
    while (is_open && sent < len) {
        ssize_t done = send(client, bytes + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += done > 0 ? (size_t)done : 0;
        is_open = pass(client, said, sizeof said, &got);
    }
    for (int i = 0; is_open && i < 8; i++)
        is_open = pass(client, said, sizeof said, &got);
    said[got] = '\0';
    check_answer(said, got);
    close(client);
    for (int i = 0; gate->http->connections != NULL || gate->http->calls != NULL; i++) {
        must(i < 100); /* who has left is let go of */
        event_base_loop(gate->base, EVLOOP_NONBLOCK);
        end_calls();
    }
    end_turns();
}

/* Bytes of HTTP as they come from a socket, through the gateway, to the answer. A body "@COUNT,DEPTH" behind
 * the head grows to what it says. */
int fuzz_http(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    const char *body = memmem(text, len, "\r\n\r\n@", 5);
    size_t head = body != NULL ? (size_t)(body - text) : 0;
    size_t large_len = 0;
    char *large = body != NULL ? grown(body + 4, len - head - 4, &large_len) : NULL;
    if (large == NULL) {
        talk(text, len);
        return 0;
    }
    char *request = NULL;
    size_t request_len = 0;
    FILE *out = open_memstream(&request, &request_len);
    must(out != NULL);
    fprintf(out, "%.*s\r\nContent-Length: %zu\r\n\r\n%s", (int)head, text, large_len, large);
    fclose(out);
    talk(request, request_len);
    free(request);
    free(large);
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
