#include "turn.h"

#include <stdlib.h>
#include <string.h>

#include "turn_inside.h"

#define PURGE_EVERY_MS 60000
#define PURGE_CONTACTS_EVERY_MS 3600000 /* all of them are looked through */
#define ASSIGNS_A_TURN 4
#define DELIVERY_KEPT (8u << 20)

/* The one way out. */
void leave(struct turn *t, uint64_t barrier, uint64_t connection, const uint8_t *bytes, size_t len)
{
    must(barrier <= t->durable);
    t->ports.send(t->ports.context, connection, bytes, len);
}

void deliver(struct turn *t, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct delivery *d = &t->delivery;
    struct frame_head head = {.barrier = BARRIER_UNKNOWN, .connection = connection, .len = len};
    size_t need = sizeof head + len;
    struct session *s = find_session(t, connection);
    if (s != NULL) {
        s->held_bytes += len;
        holder_take(&s->holder, BUDGET_OUTPUT, len);
    }
    if (d->room - d->len < need) {
        d->room = (d->len + need) * 2;
        d->bytes = must_realloc(d->bytes, d->room, 1);
    }
    memcpy(d->bytes + d->len, &head, sizeof head);
    memcpy(d->bytes + d->len + sizeof head, bytes, len);
    d->len += need;
}

/* What was held for somebody leaves, or will not. */
static void let_go(struct turn *t, uint64_t connection, size_t len)
{
    struct session *s = find_session(t, connection);
    if (s == NULL)
        return; /* and with it went what it held */
    s->held_bytes -= len;
    holder_give(&s->holder, BUDGET_OUTPUT, len);
}

/* All that the turn has answered may have seen what it holds: it waits for that batch. */
static void set_barrier(struct delivery *d, uint64_t barrier)
{
    struct frame_head head;
    for (; d->open < d->len; d->open += sizeof head + head.len) {
        memcpy(&head, d->bytes + d->open, sizeof head);
        head.barrier = barrier;
        memcpy(d->bytes + d->open, &head, sizeof head);
    }
}

/* Sends what waited for no more than what is durable. Barriers only rise along the queue. */
static void release(struct turn *t)
{
    struct delivery *d = &t->delivery;
    struct frame_head head;
    while (d->sent < d->open) {
        memcpy(&head, d->bytes + d->sent, sizeof head);
        if (head.barrier > t->durable)
            break;
        const uint8_t *frame = d->bytes + d->sent + sizeof head;
        d->sent += sizeof head + head.len;
        let_go(t, head.connection, head.len);
        leave(t, head.barrier, head.connection, frame, head.len);
    }
    if (d->sent > d->len / 2) {
        memmove(d->bytes, d->bytes + d->sent, d->len - d->sent);
        d->len -= d->sent;
        d->open -= d->sent;
        d->sent = 0;
    }
    if (d->len == 0 && d->room > DELIVERY_KEPT) { /* one flood is no reason to keep its size */
        free(d->bytes);
        *d = (struct delivery){.bytes = NULL};
    }
}

void begin_answer(struct pack *pack, uint32_t msgid)
{
    pack_reset(pack);
    pack_fixed_list(pack, 4);
    pack_int(pack, 1);
    pack_uint(pack, msgid);
}

void answer_error(struct turn *t, uint64_t connection, uint32_t msgid, const struct error *error)
{
    t->counts.refused++;
    t->counts.refusals[error->code]++;
    begin_answer(&t->pack, msgid);
    error_pack(error, &t->pack);
    pack_nil(&t->pack);
    deliver(t, connection, t->pack.bytes, t->pack.len);
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
    if ((m->roles & ROLE_ANYONE) == 0 && call->who.roles == 0)
        return error_set(&call->error, REFUSAL_UNAUTHENTICATED, NULL, "%s", "");
    if (is_too_fast(t, call->session, call->now))
        return error_set(&call->error, REFUSAL_RATE_LIMITED, NULL, "at most %u a second", t->settings.requests_per_s);
    struct caller *caller = call->session->holder.caller;
    if (((m->flags & METHOD_READER) != 0 && !budget_allows(&t->budget, caller, BUDGET_QUESTIONS, 1, &call->error)) ||
        ((m->flags & METHOD_WRITE) == 0 && !budget_allows(&t->budget, caller, BUDGET_OUTPUT, 1, &call->error)))
        return false;
    if (t->is_draining && (m->flags & METHOD_NEW) != 0)
        return error_set(&call->error, REFUSAL_DRAINING, NULL, "%s", "");
    if (t->is_storage_low && (m->flags & METHOD_NEW) != 0)
        return error_set(&call->error, REFUSAL_STORAGE_LOW, NULL, "%s", "");
    if (!params_decode(&t->arena, engine_catalogue(t->engine), map, m->params, method_param_count(m),
                       m->required, &call->args, &call->error) ||
        !access_check(call))
        return false;
    if (map != NULL && arg_has(&call->args, P_REF))
        call->digest = hash64(digest_node(map) ^ digest_node(method_name));
    return true;
}

/* Runs a call; true when it has an answer to be encoded when the turn ends. */
static bool run(struct turn *t, struct call *call)
{
    /* What is only tried out does nothing, so there is nothing to remember. */
    bool has_ref = arg_has(&call->args, P_REF) && arg_number(&call->args, P_DRY_RUN, 0) == 0;
    if (has_ref) {
        call->ref_id = refs_find(&t->refs, call->who.principal, call->args.text[P_REF]);
        if (call->ref_id != 0) {
            if (budget_allows(&t->budget, call->session->holder.caller, BUDGET_QUESTIONS, 1, &call->error))
                ask_ref(t, call);
            else
                answer_error(t, call->session->connection, call->msgid, &call->error);
            return false;
        }
    }
    pack_reset(&t->pack);
    begin_answer(&t->pack, call->msgid);
    pack_nil(&t->pack);
    bool is_timed = (call->method->flags & METHOD_MATCH) != 0 && t->ports.micros != NULL;
    int64_t began = is_timed ? t->ports.micros(t->ports.context) : 0;
    bool has_run = call->method->run(call, &t->pack);
    if (is_timed)
        gauge_add(&t->counts.match_us, (uint64_t)(t->ports.micros(t->ports.context) - began));
    if (!has_run) {
        answer_error(t, call->session->connection, call->msgid, &call->error);
        return false;
    }
    if (call->is_job)
        return false;
    if (call->query != NULL) {
        struct asked asked = {.connection = call->session->connection,
                              .msgid = call->msgid,
                              .method = call->method,
                              .who = call->who,
                              .caller = call->session->holder.caller,
                              .carried = call->carried,
                              .about = call->about};
        if (arg_has(&call->args, P_REASON))
            memcpy(asked.reason, call->args.text[P_REASON], strlen(call->args.text[P_REASON]) + 1);
        memcpy(asked.actor, call->actor, sizeof asked.actor);
        access_narrow(call, call->query);
        ask(t, call->query, &asked);
        return false;
    }
    if ((call->method->flags & METHOD_WRITE) == 0) {
        deliver(t, call->session->connection, t->pack.bytes, t->pack.len);
        return false;
    }
    if (has_ref) {
        call->ref_id = t->next_ref++;
        refs_add(&t->refs, call->who.principal, call->args.text[P_REF], call->ref_id);
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
        error_set(&error, n == NULL ? REFUSAL_BAD_FRAME : REFUSAL_BAD_REQUEST, NULL, "%s",
                  n == NULL ? "" : "a request is [0, msgid, method, [params]] with at most one map of parameters");
        answer_error(t, session->connection, msgid, &error);
        return false;
    }
    struct call *call = arena_take(&t->arena, sizeof *call);
    *call = (struct call){.turn = t, .engine = t->engine, .session = session,
                          .msgid = (uint32_t)n->u.items[1].u.number, .who = session->who,
                          .now = t->ports.now(t->ports.context)};
    memcpy(call->actor, session->actor, sizeof call->actor);
    call->method = method_find(n->u.items[2].u.text, n->u.items[2].count);
    if (call->method == NULL)
        error_set(&call->error, REFUSAL_UNKNOWN_METHOD, "method", "server.methods lists them");
    if (call->method == NULL || !gate(t, call, &n->u.items[2], &n->u.items[3])) {
        answer_error(t, session->connection, call->msgid, &call->error);
    } else if (run(t, call)) {
        *t->calls_end = call;
        t->calls_end = &call->next;
    }
    if (t->ports.requested != NULL)
        t->ports.requested(t->ports.context, session, call->msgid, call->method != NULL ? call->method->name : "?",
                           call->error.code != REFUSAL_NONE ? word_name(&words_refusal, (int)call->error.code) : "");
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
        if (call->session == NULL)
            continue; /* it left before the turn ended */
        begin_answer(&t->pack, call->msgid);
        pack_nil(&t->pack);
        size_t head = t->pack.len;
        call->method->encode(call, &t->pack);
        deliver(t, call->session->connection, t->pack.bytes, t->pack.len);
        if (call->ref_id == 0)
            continue;
        uint32_t bytes = (uint32_t)(t->pack.len - head);
        struct ref_row row = {.id = call->ref_id, .digest = call->digest, .at = call->now,
                              .caller = must_strdup(call->who.principal),
                              .ref = must_strdup(call->args.text[P_REF]),
                              .answer = must_alloc(1, bytes), .answer_bytes = bytes};
        memcpy(row.answer, t->pack.bytes + head, bytes);
        batch_add_ref(t->gathering, row);
    }
    t->calls = NULL;
    t->calls_end = &t->calls;
}

/* The first ref that is remembered still: by its age, and by the bound on their number. */
static uint64_t oldest_ref(struct turn *t, int64_t now)
{
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
    return t->refs.oldest;
}

/* What may be forgotten: looked for now and then, and taken a slice a commit until it is gone. */
static void plan_purge(struct turn *t, int64_t now)
{
    struct retention *r = &t->purging;
    if (now < t->purged_at) /* a clock that was wrongly believed: what it would take is thought over at once */
        t->purged_at = t->contacts_purged_at = 0;
    if (now - t->purged_at >= PURGE_EVERY_MS) {
        t->purged_at = now;
        r->events_before = t->settings.retain_events_ms != 0 ? now - t->settings.retain_events_ms : 0;
        r->ref_id_before = oldest_ref(t, now);
        if (t->settings.retain_contacts_ms == 0) {
            r->contacts_before = 0;
        } else if (now - t->contacts_purged_at >= PURGE_CONTACTS_EVERY_MS) {
            t->contacts_purged_at = now;
            r->contacts_before = now - t->settings.retain_contacts_ms;
        }
    }
    if (r->events_before == 0 && r->ref_id_before == 0 && r->contacts_before == 0)
        return;
    t->gathering->retention = *r;
    t->gathering->has_retention = true;
}

/* What a commit has forgotten to its end is looked for again another time. */
static void keep_purging(struct turn *t, struct left_over left)
{
    struct retention *r = &t->purging;
    r->events_before = left.events ? r->events_before : 0;
    r->ref_id_before = left.refs ? r->ref_id_before : 0;
    r->contacts_before = left.contacts ? r->contacts_before : 0;
}

static void submit(struct turn *t)
{
    t->flying = t->gathering;
    t->flying->next_ref = t->next_ref;
    t->gathering = &t->batches[t->flying == &t->batches[0]];
    t->gathering->number = ++t->last_number;
    t->counts.batches++;
    t->counts.events += t->flying->event_count;
    gauge_add(&t->counts.batch_events, t->flying->event_count);
    t->ports.submit(t->ports.context, t->flying);
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
    work_on_job(t, now);
    batch_gather(t->gathering, t->engine);
    arena_reset(&t->arena);
    if (t->flying == NULL && !t->is_draining)
        plan_purge(t, now);
    uint64_t barrier = turn_barrier(t);
    set_barrier(&t->delivery, barrier);
    if (t->flying == NULL && !batch_is_empty(t->gathering))
        submit(t);
    release(t);
    catch_up_all(t);
    ask_questions(t, barrier);
}

void turn_collect(struct turn *t, struct collected collected)
{
    if (collected.committed != NULL) {
        must(collected.committed == t->flying);
        t->durable = t->flying->number;
        release(t);
        publish(t, t->flying);
        t->ports.committed(t->ports.context, t->flying);
        if (t->flying->has_retention)
            keep_purging(t, t->flying->left_over);
        batch_reset(t->flying);
        t->flying = NULL;
    }
    while (collected.answered != NULL) {
        struct query *q = collected.answered;
        collected.answered = q->link;
        answer_query(t, q);
    }
}

int64_t turn_wait_ms(struct turn *t)
{
    if (engine_assign_waiting(t->engine) != 0 || t->jobs != NULL)
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
    return t->calls == NULL && t->flying == NULL && batch_is_empty(t->gathering) && t->questions_open == 0 &&
           t->jobs == NULL && t->delivery.sent == t->delivery.len;
}

struct turn_counts turn_counts(const struct turn *t)
{
    return t->counts;
}
