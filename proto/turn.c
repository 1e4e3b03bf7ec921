#include "turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"

#define PURGE_EVERY_MS 60000
#define BACKLOG_MAX (1u << 20) /* a subscriber that is so far behind reads from the store again */
#define CATCH_UP_EVENTS 500
#define ASSIGNS_A_TURN 4

/* Answers that wait for a batch: (connection, length, bytes) one after the other. */
struct held {
    uint8_t *bytes;
    size_t len, room;
};

/* Who wants events. It is fed from the store until it has caught up, then from each commit. */
struct subscription {
    uint64_t number, position; /* position: the last event it has been sent */
    struct query_filter filter;
    bool is_live, is_asking;
    struct subscription *next;
};

/* The first request of each day, so that old ones can be forgotten by number. */
struct ref_day {
    int64_t day;
    uint64_t first_id;
};

struct turn {
    struct engine *engine;
    struct turn_ports ports;
    struct turn_settings settings;
    struct arena arena;
    struct refs refs;
    uint64_t next_ref, random, next_subscription;
    struct ref_day *ref_days;
    uint32_t ref_day_count;

    struct session *sessions;
    struct map session_places; /* connection number to place in `session_table` */
    struct pool session_table; /* of pointers to sessions */
    struct call *calls, **calls_end; /* of this turn, in the sequence they came */
    struct query *questions;         /* to be asked when the turn ends */
    struct pack pack;

    struct batch batches[2];
    struct batch *gathering, *flying; /* flying: with the writer, or NULL */
    struct held held[2], fresh;       /* held[i] belongs to batches[i] */
    uint64_t last_number, published;  /* published: the last event told to subscribers */
    uint32_t questions_open;
    int64_t purged_at;
    bool is_draining;
    struct turn_counts counts;
};

static void held_add(struct held *held, uint64_t connection, const uint8_t *bytes, size_t len)
{
    size_t need = sizeof connection + sizeof len + len;
    if (held->room - held->len < need) {
        held->room = (held->len + need) * 2;
        held->bytes = must_realloc(held->bytes, held->room, 1);
    }
    memcpy(held->bytes + held->len, &connection, sizeof connection);
    memcpy(held->bytes + held->len + sizeof connection, &len, sizeof len);
    memcpy(held->bytes + held->len + sizeof connection + sizeof len, bytes, len);
    held->len += need;
}

static void held_append(struct held *to, struct held *from)
{
    if (to->room - to->len < from->len) {
        to->room = (to->len + from->len) * 2;
        to->bytes = must_realloc(to->bytes, to->room, 1);
    }
    if (from->len != 0)
        memcpy(to->bytes + to->len, from->bytes, from->len);
    to->len += from->len;
    from->len = 0;
}

static void held_send(struct turn *t, struct held *held)
{
    for (size_t at = 0; at < held->len;) {
        uint64_t connection = 0;
        size_t len = 0;
        memcpy(&connection, held->bytes + at, sizeof connection);
        memcpy(&len, held->bytes + at + sizeof connection, sizeof len);
        at += sizeof connection + sizeof len;
        t->ports.send(t->ports.context, connection, held->bytes + at, len);
        at += len;
    }
    held->len = 0;
}

struct turn *turn_new(struct engine *engine, const struct turn_ports *ports,
                      const struct turn_settings *settings, uint64_t random_key)
{
    struct turn *t = must_alloc(1, sizeof *t);
    t->engine = engine;
    t->ports = *ports;
    t->settings = *settings;
    t->random = random_key;
    t->calls_end = &t->calls;
    t->gathering = &t->batches[0];
    t->last_number = 1;
    t->gathering->number = 1;
    t->next_ref = 1;
    refs_init(&t->refs, random_key);
    pool_init(&t->session_table, sizeof(struct session *));
    return t;
}

static void drop_subscriptions(struct session *s)
{
    while (s->subscriptions != NULL) {
        struct subscription *next = s->subscriptions->next;
        free((void *)(uintptr_t)s->subscriptions->filter.regions);
        free(s->subscriptions);
        s->subscriptions = next;
    }
}

void turn_free(struct turn *t)
{
    if (t == NULL)
        return;
    while (t->sessions != NULL)
        turn_disconnect(t, t->sessions);
    map_fini(&t->session_places);
    pool_fini(&t->session_table);
    arena_fini(&t->arena);
    refs_fini(&t->refs);
    free(t->ref_days);
    pack_fini(&t->pack);
    for (int i = 0; i < 2; i++) {
        batch_fini(&t->batches[i]);
        free(t->held[i].bytes);
    }
    free(t->fresh.bytes);
    free(t);
}

void turn_configure(struct turn *t, const struct turn_settings *settings)
{
    t->settings = *settings;
}

struct engine *turn_engine(struct turn *t)
{
    return t->engine;
}

static void remember_day(struct turn *t, uint64_t id, int64_t at)
{
    int64_t day = at / DAY_MS;
    if (t->ref_day_count != 0 && t->ref_days[t->ref_day_count - 1].day >= day)
        return;
    t->ref_days = must_realloc(t->ref_days, t->ref_day_count + 1, sizeof *t->ref_days);
    t->ref_days[t->ref_day_count++] = (struct ref_day){.day = day, .first_id = id};
}

void turn_load_ref(void *context, const char *caller, const char *ref, uint64_t id, int64_t at)
{
    struct turn *t = context;
    refs_add(&t->refs, caller, ref, id);
    remember_day(t, id, at);
}

void turn_load_done(struct turn *t, uint64_t next_ref)
{
    t->next_ref = next_ref;
    t->published = engine_counters(t->engine).event - 1;
}

struct session *turn_connect(struct turn *t, uint64_t connection, const char *principal)
{
    struct session *s = must_alloc(1, sizeof *s);
    s->connection = connection;
    snprintf(s->principal, sizeof s->principal, "%s", principal);
    snprintf(s->actor, sizeof s->actor, "%s", principal);
    s->next = t->sessions;
    if (s->next != NULL)
        s->next->prev = s;
    t->sessions = s;
    s->place = pool_take(&t->session_table);
    *(struct session **)pool_at(&t->session_table, s->place) = s;
    map_put(&t->session_places, connection, s->place);
    return s;
}

void turn_disconnect(struct turn *t, struct session *session)
{
    if (session->prev != NULL)
        session->prev->next = session->next;
    else
        t->sessions = session->next;
    if (session->next != NULL)
        session->next->prev = session->prev;
    map_remove(&t->session_places, session->connection);
    pool_give(&t->session_table, session->place);
    drop_subscriptions(session);
    free(session);
}

static struct session *find_session(struct turn *t, uint64_t connection)
{
    uint32_t place = map_get(&t->session_places, connection);
    return place != SLOT_NONE ? *(struct session **)pool_at(&t->session_table, place) : NULL;
}

/* An answer is [1, msgid, error, result]; `body` writes the last two. */
static void begin_answer(struct pack *pack, uint32_t msgid)
{
    pack_reset(pack);
    pack_fixed_list(pack, 4);
    pack_int(pack, 1);
    pack_uint(pack, msgid);
}

static void answer_error(struct turn *t, struct held *held, uint64_t connection, uint32_t msgid,
                         const struct error *error)
{
    t->counts.refused++;
    t->counts.refusals[error->code]++;
    begin_answer(&t->pack, msgid);
    error_pack(error, &t->pack);
    pack_nil(&t->pack);
    held_add(held, connection, t->pack.bytes, t->pack.len);
}

/* A digest of a value that does not depend on the sequence of a map's keys. */
static uint64_t digest_node(const struct node *n)
{
    uint64_t digest = hash64((uint64_t)(n->kind == NODE_BYTES ? NODE_TEXT : n->kind) + 1);
    uint64_t sum = 0;
    switch (n->kind) {
    case NODE_NIL:
        return digest;
    case NODE_BOOL:
        return hash64(digest ^ (uint64_t)n->u.truth);
    case NODE_INT:
        return hash64(digest ^ (uint64_t)n->u.number);
    case NODE_REAL:
        memcpy(&sum, &n->u.real, sizeof sum);
        return hash64(digest ^ sum);
    case NODE_TEXT:
    case NODE_BYTES:
        for (uint32_t i = 0; i < n->count; i++)
            digest = hash64(digest ^ (unsigned char)n->u.text[i]) + i;
        return digest;
    case NODE_LIST:
        for (uint32_t i = 0; i < n->count; i++)
            digest = hash64(digest ^ digest_node(&n->u.items[i])) + i;
        return digest;
    case NODE_MAP:
    default:
        for (uint32_t i = 0; i < n->count; i++)
            sum += hash64(digest_node(&n->u.pairs[i].key) ^
                          hash64(digest_node(&n->u.pairs[i].value)));
        return hash64(digest ^ sum);
    }
}

/* What the turn must remember while the reader looks something up. */
struct asked {
    uint64_t connection, digest, subscription;
    uint32_t msgid;
    const struct method *method;
    char principal[ACTOR_BYTES_MAX + 1], ref[130];
};

static void ask(struct turn *t, struct query *q, const struct asked *asked)
{
    struct asked *kept = must_alloc(1, sizeof *kept);
    *kept = *asked;
    q->context = kept;
    q->link = t->questions;
    t->questions = q;
    t->questions_open++;
}

/* A request whose ref was seen before: the row decides whether it is the same. */
static void ask_ref(struct turn *t, const struct call *call)
{
    struct query *q = query_new(QUERY_REF);
    struct asked asked = {.connection = call->session->connection,
                          .digest = call->digest,
                          .msgid = call->msgid};
    q->ref_id = call->ref_id;
    snprintf(asked.principal, sizeof asked.principal, "%s", call->session->principal);
    snprintf(asked.ref, sizeof asked.ref, "%s", call->args.text[P_REF]);
    ask(t, q, &asked);
}

bool call_step(struct call *call, struct command *command)
{
    command->actor = call->session->actor;
    if (arg_has(&call->args, P_REASON))
        command->reason = call->args.text[P_REASON];
    call->outcome = engine_step(call->engine, command, call->now);
    if (call->outcome.refusal.code == REFUSAL_NONE)
        return true;
    error_from_refusal(&call->error, &call->outcome.refusal);
    return false;
}

void call_add_contact(struct call *call, const struct contact_row *row)
{
    batch_add_contact(call->turn->gathering, row);
}

uint64_t turn_random(struct turn *t)
{
    return t->random = hash64(t->random + UINT64_C(0x9e3779b97f4a7c15));
}

const char *turn_codes(const struct turn *t)
{
    return t->settings.codes_directory;
}

bool turn_is_draining(const struct turn *t)
{
    return t->is_draining;
}

void turn_reload(struct turn *t)
{
    t->ports.reload(t->ports.context);
}

void turn_pack_extra(struct turn *t, struct pack *pack)
{
    t->ports.pack_extra(t->ports.context, pack);
}

struct arena *turn_arena(struct turn *t)
{
    return &t->arena;
}

/* Whether the request may be carried out; else the call's error says why. */
static bool gate(struct turn *t, struct call *call, const struct node *method_name,
                 const struct node *params_list)
{
    const struct method *m = call->method;
    const struct node *map = NULL;
    if (params_list->count == 1 && params_list->u.items[0].kind == NODE_MAP)
        map = &params_list->u.items[0];
    else if (params_list->count != 0)
        return error_set(&call->error, REFUSAL_BAD_REQUEST, "params", "params is one map");
    if ((m->flags & METHOD_READER) != 0 && t->questions_open >= t->settings.questions_max)
        return error_set(&call->error, REFUSAL_OVERLOADED, NULL, "%s", "");
    if (t->is_draining && (m->flags & METHOD_NEW) != 0)
        return error_set(&call->error, REFUSAL_DRAINING, NULL, "%s", "");
    if (!params_decode(&t->arena, engine_catalogue(t->engine), map, m->params, method_param_count(m),
                       m->required, &call->args, &call->error))
        return false;
    if (map != NULL && arg_has(&call->args, P_REF))
        call->digest = hash64(digest_node(map) ^ digest_node(method_name));
    return true;
}

/* Runs a call; true when it has an answer to be encoded when the turn ends. */
static bool run(struct turn *t, struct call *call)
{
    bool has_ref = arg_has(&call->args, P_REF);
    if (has_ref) {
        call->ref_id = refs_find(&t->refs, call->session->principal, call->args.text[P_REF]);
        if (call->ref_id != 0) {
            ask_ref(t, call);
            return false;
        }
    }
    pack_reset(&t->pack);
    begin_answer(&t->pack, call->msgid);
    pack_nil(&t->pack);
    if (!call->method->run(call, &t->pack)) {
        answer_error(t, &t->fresh, call->session->connection, call->msgid, &call->error);
        return false;
    }
    if (call->query != NULL) {
        struct asked asked = {.connection = call->session->connection,
                              .msgid = call->msgid,
                              .method = call->method};
        ask(t, call->query, &asked);
        return false;
    }
    if ((call->method->flags & METHOD_WRITE) == 0) {
        held_add(&t->fresh, call->session->connection, t->pack.bytes, t->pack.len);
        return false;
    }
    if (has_ref) {
        call->ref_id = t->next_ref++;
        refs_add(&t->refs, call->session->principal, call->args.text[P_REF], call->ref_id);
        remember_day(t, call->ref_id, call->now);
    }
    return true;
}

static bool is_request(const struct node *n)
{
    return n->kind == NODE_LIST && n->count == 4 && n->u.items[0].kind == NODE_INT &&
           n->u.items[0].u.number == 0 && n->u.items[1].kind == NODE_INT &&
           n->u.items[1].u.number >= 0 && n->u.items[1].u.number <= UINT32_MAX &&
           (n->u.items[2].kind == NODE_TEXT || n->u.items[2].kind == NODE_BYTES) &&
           n->u.items[3].kind == NODE_LIST;
}

/* A client's notification: nothing answers it, so nothing is done for it. */
static bool is_notification(const struct node *n)
{
    return n->kind == NODE_LIST && n->count == 3 && n->u.items[0].kind == NODE_INT &&
           n->u.items[0].u.number == 2;
}

bool turn_request(struct turn *t, struct session *session, const uint8_t *frame, size_t len)
{
    struct error error;
    const struct node *n = codec_decode(&t->arena, frame, len);
    t->counts.requests++;
    if (n != NULL && is_notification(n))
        return true;
    if (n == NULL || !is_request(n)) {
        uint32_t msgid = 0;
        if (n != NULL && n->kind == NODE_LIST && n->count >= 2 && n->u.items[1].kind == NODE_INT)
            msgid = (uint32_t)n->u.items[1].u.number;
        error_set(&error, n == NULL ? REFUSAL_BAD_FRAME : REFUSAL_BAD_REQUEST, NULL, "%s", "");
        answer_error(t, &t->fresh, session->connection, msgid, &error);
        return false;
    }
    struct call *call = arena_take(&t->arena, sizeof *call);
    *call = (struct call){.turn = t, .engine = t->engine, .session = session,
                          .msgid = (uint32_t)n->u.items[1].u.number,
                          .now = t->ports.now(t->ports.context)};
    call->method = method_find(n->u.items[2].u.text, n->u.items[2].count);
    if (call->method == NULL)
        error_set(&call->error, REFUSAL_UNKNOWN_METHOD, "method", "server.methods lists them");
    if (call->method == NULL || !gate(t, call, &n->u.items[2], &n->u.items[3])) {
        answer_error(t, &t->fresh, session->connection, call->msgid, &call->error);
        return true;
    }
    if (run(t, call)) {
        *t->calls_end = call;
        t->calls_end = &call->next;
    }
    return true;
}

static void step_self(struct turn *t, enum op op)
{
    struct command command = {.op = op, .actor = "paidand"};
    engine_step(t->engine, &command, t->ports.now(t->ports.context));
}

static void encode_calls(struct turn *t)
{
    for (struct call *call = t->calls; call != NULL; call = call->next) {
        begin_answer(&t->pack, call->msgid);
        pack_nil(&t->pack);
        size_t head = t->pack.len;
        call->method->encode(call, &t->pack);
        held_add(&t->fresh, call->session->connection, t->pack.bytes, t->pack.len);
        if (call->ref_id == 0)
            continue;
        uint32_t bytes = (uint32_t)(t->pack.len - head);
        struct ref_row row = {.id = call->ref_id, .digest = call->digest, .at = call->now,
                              .caller = must_strdup(call->session->principal),
                              .ref = must_strdup(call->args.text[P_REF]),
                              .answer = must_alloc(1, bytes), .answer_bytes = bytes};
        memcpy(row.answer, t->pack.bytes + head, bytes);
        batch_add_ref(t->gathering, row);
    }
    t->calls = NULL;
    t->calls_end = &t->calls;
}

/* What may be forgotten, a little at a time. */
static void plan_purge(struct turn *t, int64_t now)
{
    struct retention r = {.events_before = 0};
    if (now - t->purged_at < PURGE_EVERY_MS)
        return;
    t->purged_at = now;
    if (t->settings.retain_events_ms != 0)
        r.events_before = now - t->settings.retain_events_ms;
    if (t->settings.retain_contacts_ms != 0)
        r.contacts_before = now - t->settings.retain_contacts_ms;
    int64_t oldest_day = t->settings.retain_refs_ms != 0
                             ? (now - t->settings.retain_refs_ms) / DAY_MS : INT64_MIN;
    uint32_t drop = 0;
    while (drop + 1 < t->ref_day_count && t->ref_days[drop + 1].day <= oldest_day)
        drop++;
    if (drop != 0) {
        t->ref_day_count -= drop;
        memmove(t->ref_days, t->ref_days + drop, t->ref_day_count * sizeof *t->ref_days);
    }
    uint64_t oldest = t->ref_day_count != 0 ? t->ref_days[0].first_id : 0;
    if (t->settings.refs_max != 0 && t->next_ref > t->settings.refs_max &&
        oldest < t->next_ref - t->settings.refs_max)
        oldest = t->next_ref - t->settings.refs_max;
    if (oldest > t->refs.oldest + t->settings.refs_max / 100 || (drop != 0 && oldest > t->refs.oldest))
        refs_purge(&t->refs, oldest);
    r.ref_id_before = t->refs.oldest;
    t->gathering->retention = r;
    t->gathering->has_retention = true;
}

static void submit(struct turn *t)
{
    t->flying = t->gathering;
    t->flying->next_ref = t->next_ref;
    t->gathering = &t->batches[t->flying == &t->batches[0]];
    t->gathering->number = ++t->last_number;
    t->counts.batches++;
    t->counts.events += t->flying->event_count;
    t->ports.submit(t->ports.context, t->flying);
}

static struct held *held_of(struct turn *t, const struct batch *batch)
{
    return &t->held[batch == &t->batches[1]];
}

static void ask_questions(struct turn *t, uint64_t barrier)
{
    struct query *reversed = NULL;
    while (t->questions != NULL) {
        struct query *q = t->questions;
        t->questions = q->link;
        q->link = reversed;
        reversed = q;
    }
    while (reversed != NULL) {
        struct query *q = reversed;
        reversed = q->link;
        q->barrier = barrier;
        t->ports.ask(t->ports.context, q);
    }
}

void turn_end(struct turn *t)
{
    int64_t now = t->ports.now(t->ports.context);
    t->counts.turns++;
    if (engine_deadline(t->engine) <= now)
        step_self(t, OP_TICK);
    for (int i = 0; i < ASSIGNS_A_TURN && engine_assign_waiting(t->engine) != 0; i++)
        step_self(t, OP_ASSIGN);
    encode_calls(t);
    batch_gather(t->gathering, t->engine);
    arena_reset(&t->arena);
    if (t->flying == NULL && !t->is_draining)
        plan_purge(t, now);
    uint64_t barrier = 0;
    if (!batch_is_empty(t->gathering)) {
        barrier = t->gathering->number;
        held_append(held_of(t, t->gathering), &t->fresh);
        if (t->flying == NULL)
            submit(t);
    } else if (t->flying != NULL) {
        barrier = t->flying->number;
        held_append(held_of(t, t->flying), &t->fresh);
    } else {
        held_send(t, &t->fresh);
    }
    ask_questions(t, barrier);
}

/* Events */

static bool wants_event(const struct query_filter *f, const struct event *e)
{
    if ((f->order != 0 && f->order != e->order) || (f->org != 0 && f->org != e->org) ||
        (f->kind >= 0 && f->kind != e->kind))
        return false;
    for (uint32_t i = 0; i < f->region_count; i++)
        if (f->regions[i] == e->region)
            return true;
    return f->regions == NULL;
}

static void notify(struct turn *t, const struct session *s, struct subscription *sub,
                   const struct event *e)
{
    sub->position = e->seq;
    if (!wants_event(&sub->filter, e))
        return;
    pack_reset(&t->pack);
    pack_fixed_list(&t->pack, 3);
    pack_int(&t->pack, 2);
    pack_text(&t->pack, "event");
    pack_fixed_list(&t->pack, 1);
    pack_event(&t->pack, e);
    t->ports.send(t->ports.context, s->connection, t->pack.bytes, t->pack.len);
}

static bool is_behind(struct turn *t, const struct session *s)
{
    return t->ports.backlog(t->ports.context, s->connection) > BACKLOG_MAX;
}

static void catch_up(struct turn *t, struct session *s, struct subscription *sub)
{
    if (sub->is_live || sub->is_asking || is_behind(t, s))
        return;
    if (sub->position >= t->published) {
        sub->is_live = true;
        return;
    }
    struct query *q = query_new(QUERY_EVENTS);
    struct asked asked = {.connection = s->connection, .subscription = sub->number};
    q->after = sub->position;
    q->limit = CATCH_UP_EVENTS;
    sub->is_asking = true;
    ask(t, q, &asked);
}

static void catch_up_all(struct turn *t)
{
    for (struct session *s = t->sessions; s != NULL; s = s->next)
        for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
            catch_up(t, s, sub);
}

static void publish(struct turn *t, const struct batch *batch)
{
    if (batch->event_count == 0)
        return;
    for (struct session *s = t->sessions; s != NULL; s = s->next) {
        for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next) {
            if (sub->is_live && is_behind(t, s))
                sub->is_live = false;
            for (uint32_t i = 0; sub->is_live && i < batch->event_count; i++)
                if (batch->events[i].seq > sub->position)
                    notify(t, s, sub, &batch->events[i]);
        }
    }
    t->published = batch->events[batch->event_count - 1].seq;
}

void turn_subscribe(struct call *call, uint64_t after, const struct query_filter *filter)
{
    struct subscription *sub = must_alloc(1, sizeof *sub);
    sub->number = ++call->turn->next_subscription;
    sub->filter = *filter;
    sub->position = after < call->turn->published ? after : call->turn->published;
    sub->next = call->session->subscriptions;
    call->session->subscriptions = sub;
    call->outcome.id = sub->number;
}

static void feed(struct turn *t, const struct asked *asked, const struct query *q)
{
    struct session *s = find_session(t, asked->connection);
    struct subscription *sub = s != NULL ? s->subscriptions : NULL;
    while (sub != NULL && sub->number != asked->subscription)
        sub = sub->next;
    if (sub == NULL)
        return;
    sub->is_asking = false;
    for (uint32_t i = 0; i < q->event_count; i++)
        notify(t, s, sub, &q->events[i]);
    if (q->event_count == 0 && q->next == 0 && sub->position < t->published)
        sub->position = t->published; /* what lay between has been purged */
}

/* Answers of the reader */

static void answer_ref(struct turn *t, const struct asked *asked, const struct query *q)
{
    struct error error;
    bool is_ours = q->is_found && strcmp(q->ref.caller, asked->principal) == 0 &&
                   strcmp(q->ref.ref, asked->ref) == 0;
    if (!is_ours) {
        error_set(&error, REFUSAL_UNAVAILABLE, "ref", "the earlier answer cannot be read");
        answer_error(t, &t->fresh, asked->connection, asked->msgid, &error);
    } else if (q->ref.digest != asked->digest) {
        error_set(&error, REFUSAL_CONFLICT, "ref", "%s", "");
        answer_error(t, &t->fresh, asked->connection, asked->msgid, &error);
    } else {
        begin_answer(&t->pack, asked->msgid);
        pack_nil(&t->pack);
        pack_raw(&t->pack, q->ref.answer, q->ref.answer_bytes);
        held_add(&t->fresh, asked->connection, t->pack.bytes, t->pack.len);
    }
}

static void answer_query(struct turn *t, struct query *q)
{
    struct asked *asked = q->context;
    struct session *s = find_session(t, asked->connection);
    struct call call = {.turn = t, .engine = t->engine, .session = s, .method = asked->method};
    if (q->failure.exit_code != 0 && asked->subscription == 0) {
        error_set(&call.error, REFUSAL_UNAVAILABLE, NULL, "%s", q->failure.text);
        answer_error(t, &t->fresh, asked->connection, asked->msgid, &call.error);
    } else if (asked->subscription != 0) {
        feed(t, asked, q);
    } else if (q->kind == QUERY_REF) {
        answer_ref(t, asked, q);
    } else {
        begin_answer(&t->pack, asked->msgid);
        pack_nil(&t->pack);
        asked->method->answered(&call, q, &t->pack);
        if (call.error.code != REFUSAL_NONE)
            answer_error(t, &t->fresh, asked->connection, asked->msgid, &call.error);
        else
            held_add(&t->fresh, asked->connection, t->pack.bytes, t->pack.len);
    }
    free((void *)(uintptr_t)q->filter.regions);
    free(asked);
    query_free(q);
    t->questions_open--;
}

void turn_collect(struct turn *t, struct collected collected)
{
    if (collected.committed != NULL) {
        must(collected.committed == t->flying);
        held_send(t, held_of(t, t->flying));
        publish(t, t->flying);
        t->ports.committed(t->ports.context, t->flying);
        batch_reset(t->flying);
        t->flying = NULL;
    }
    while (collected.answered != NULL) {
        struct query *q = collected.answered;
        collected.answered = q->link;
        answer_query(t, q);
    }
    held_send(t, &t->fresh); /* what the reader saw is durable */
    catch_up_all(t);
}

int64_t turn_wait_ms(struct turn *t)
{
    if (engine_assign_waiting(t->engine) != 0)
        return 0;
    int64_t deadline = engine_deadline(t->engine);
    int64_t now = t->ports.now(t->ports.context);
    if (deadline == INT64_MAX)
        return -1;
    return deadline > now ? deadline - now : 0;
}

uint64_t turn_barrier(const struct turn *t)
{
    if (!batch_is_empty(t->gathering))
        return t->gathering->number;
    return t->flying != NULL ? t->flying->number : 0;
}

void turn_keep_catalogue(struct turn *t)
{
    batch_add_catalogue(t->gathering, engine_catalogue(t->engine));
}

void turn_drain(struct turn *t)
{
    t->is_draining = true;
}

bool turn_is_idle(const struct turn *t)
{
    return t->flying == NULL && batch_is_empty(t->gathering) && t->questions_open == 0;
}

struct turn_counts turn_counts(const struct turn *t)
{
    return t->counts;
}
