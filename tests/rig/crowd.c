#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE 40

static uint64_t draw(struct crowd *c, uint64_t below)
{
    return disk_draw(&c->random, below);
}

static void wire_add(struct wire *wire, const uint8_t *bytes, size_t len)
{
    if (wire->room - wire->len < len)
        wire->bytes = must_realloc(wire->bytes, wire->room = (wire->len + len) * 2, 1);
    memcpy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

static void wire_drop(struct wire *wire, size_t len)
{
    memmove(wire->bytes, wire->bytes + len, wire->len - len);
    wire->len -= len;
}

static void take_acknowledgement(void *context, uint64_t attempt, bool is_malformed);

void crowd_init(struct crowd *c, struct service *service, uint64_t seed)
{
    *c = (struct crowd){.service = service, .random = seed};
    for (int i = 0; i < CROWD_CLIENTS; i++) {
        struct crowd_client *client = &c->clients[i];
        client->place = i;
        client->kind = i < 2 ? CLIENT_PLATFORM : i < 4 ? CLIENT_DISPATCHER : CLIENT_ORG;
    }
    service->send = crowd_receive;
    service->context = c;
    if (service->redis != NULL) {
        service->redis->acknowledged = take_acknowledgement;
        service->redis->context = c;
    }
}

static void free_wires(struct crowd_client *client)
{
    free(client->to.bytes);
    free(client->arrived.bytes);
    free(client->from.bytes);
}

void crowd_fini(struct crowd *c)
{
    for (int i = 0; i < CROWD_CLIENTS; i++) {
        free_wires(&c->clients[i]);
        pack_fini(&c->clients[i].request);
    }
    free(c->journal.lines);
    free(c->journal.refused);
    arena_fini(&c->arena);
}

/* Asking. */

static struct pack *begin(struct crowd *c, struct crowd_client *client, const char *method, bool has_ref)
{
    struct pack *p = &client->request;
    char ref[32];
    pack_reset(p);
    client->msgid = ++c->next_msgid;
    client->is_deed = false;
    pack_fixed_list(p, 4);
    pack_int(p, 0);
    pack_uint(p, client->msgid);
    pack_text(p, method);
    pack_fixed_list(p, 1);
    pack_map(p);
    if (has_ref) {
        snprintf(ref, sizeof ref, "r%llu", (unsigned long long)++c->next_ref);
        pack_key_text(p, "ref", ref);
    }
    return p;
}

static void intend(struct crowd_client *client, enum deed deed, uint64_t subject)
{
    client->deed = deed;
    client->is_deed = true;
    client->subject = subject;
}

static uint64_t any_known(struct crowd *c, const struct crowd_client *client)
{
    return client->known_count != 0 ? client->known[draw(c, client->known_count)] : 1 + draw(c, 20);
}

static void learn(struct crowd *c, struct crowd_client *client, uint64_t id)
{
    if (client->known_count < ARRAY_LEN(client->known))
        client->known[client->known_count++] = id;
    else
        client->known[draw(c, ARRAY_LEN(client->known))] = id;
}

static const uint64_t villages[] = {1111, 1112, 1211};

static void ask_place(struct crowd *c, struct crowd_client *client)
{
    static const char *const modes[] = {"manual", "auto", "broadcast", "batch"};
    static const char *const priorities[] = {"routine", "urgent", "emergency"};
    struct pack *p = begin(c, client, "order.place", true);
    char tag[32];
    int64_t starts = c->service->now + (int64_t)draw(c, 24) * 3600000;
    uint64_t headcount = 1 + draw(c, 4);
    client->attempt = ++c->journal.attempts;
    intend(client, DEED_PLACE, 0);
    snprintf(tag, sizeof tag, "a%llu", (unsigned long long)client->attempt);
    pack_key_text(p, "external_id", tag);
    pack_key_uint(p, "region", villages[draw(c, 3)]);
    pack_key_text(p, "category", draw(c, 2) == 0 ? "legal_aid" : "flood");
    pack_key_text(p, "mode", modes[draw(c, 4)]);
    pack_key_text(p, "priority", priorities[draw(c, 3)]);
    pack_key_int(p, "starts_at", starts);
    pack_key_int(p, "ends_at", starts + (2 + (int64_t)draw(c, 12)) * 3600000);
    pack_key_uint(p, "headcount", headcount);
    pack_key_uint(p, "people_min", 1 + draw(c, headcount));
    pack_key_uint(p, "person", 1 + draw(c, 9));
    if (draw(c, 6) == 0)
        pack_key_bool(p, "review", true);
    if (draw(c, 2) == 0) {
        pack_key_degrees(p, "lat", 230000000 + (int32_t)draw(c, 300000));
        pack_key_degrees(p, "lon", 1140000000 + (int32_t)draw(c, 300000));
    }
    if (draw(c, 3) == 0) {
        pack_key(p, "contact");
        pack_map(p);
        pack_key_text(p, "name", "金丝雀");
        pack_key_text(p, "phone", "+8613800007777");
        pack_close(p);
    }
}

static void pack_record(struct pack *p, uint64_t number, uint64_t volunteer, uint64_t minutes, int64_t day)
{
    char text[32];
    char date[11];
    snprintf(text, sizeof text, "m%llu", (unsigned long long)number);
    date_format((int32_t)day, date);
    pack_key_text(p, "source", "macao");
    pack_key_text(p, "external_id", text);
    pack_key_uint(p, "volunteer", volunteer);
    pack_key_uint(p, "minutes", minutes);
    pack_key_text(p, "date", date);
}

/* An issuer's record; now and then with its correction right behind it, whose answer nobody waits for, so
 * that two changes of the same record are under way at one time. */
static void ask_record(struct crowd *c, struct crowd_client *client)
{
    struct pack *p = begin(c, client, "record.add", false);
    uint64_t number = 1 + draw(c, 12);
    uint64_t volunteer = 1 + draw(c, 5);
    int64_t day = c->service->now / DAY_MS - (int64_t)draw(c, 2);
    pack_record(p, number, volunteer, 10 + draw(c, 5) * 70, day);
    intend(client, DEED_RECORD, number);
    if (draw(c, 2) == 0)
        return;
    struct pack twin = {.bytes = NULL};
    pack_fixed_list(&twin, 4);
    pack_int(&twin, 0);
    pack_uint(&twin, 0); /* no request's number */
    pack_text(&twin, "record.add");
    pack_fixed_list(&twin, 1);
    pack_map(&twin);
    pack_record(&twin, number, volunteer, 15, day);
    pack_close(&twin);
    wire_add(&client->to, twin.bytes, twin.len);
    pack_fini(&twin);
}

static void ask_series(struct crowd *c, struct crowd_client *client)
{
    static const char *const repeats[] = {"mon,wed,fri 09:00-11:00", "daily 20:00-22:00", "sun 08:00-12:00"};
    struct pack *p = begin(c, client, "series.put", true);
    char date[11];
    date_format((int32_t)(c->service->now / DAY_MS) + (int32_t)draw(c, 30), date);
    pack_key_uint(p, "region", villages[draw(c, 3)]);
    pack_key_text(p, "category", "legal_aid");
    pack_key_text(p, "repeat", repeats[draw(c, 3)]);
    pack_key_text(p, "last_date", date);
    pack_key_uint(p, "lead_days", 1 + draw(c, 9));
    intend(client, DEED_SERIES, 0);
}

static void ask_platform(struct crowd *c, struct crowd_client *client)
{
    uint64_t what = draw(c, 24);
    if (what >= 23) {
        ask_series(c, client);
    } else if (what >= 20) {
        ask_record(c, client);
    } else if (what < 14) {
        ask_place(c, client);
    } else if (what < 16) {
        struct pack *p = begin(c, client, "order.rate", true);
        pack_key_uint(p, "order", any_known(c, client));
        uint64_t stars = 1 + draw(c, 5);
        pack_key_uint(p, "stars", stars);
        if (stars <= 2)
            pack_key_bool(p, "rework", draw(c, 2) != 0);
    } else if (what == 16 || what == 17) {
        struct pack *p = begin(c, client, "order.get", false);
        uint64_t order = any_known(c, client);
        pack_key_uint(p, "order", order);
        intend(client, DEED_SEEN, order);
    } else if (what < 19) {
        struct pack *p = begin(c, client, "order.cancel", true);
        uint64_t order = any_known(c, client);
        pack_key_uint(p, "order", order);
        intend(client, DEED_CANCEL, order);
    } else if (draw(c, 2) == 0) {
        struct pack *p = begin(c, client, "order.resubmit", true);
        pack_key_uint(p, "order", any_known(c, client));
        pack_key_degrees(p, "lat", 230000000 + (int32_t)draw(c, 300000));
        pack_key_degrees(p, "lon", 1140000000 + (int32_t)draw(c, 300000));
    } else {
        struct pack *p = begin(c, client, "contact.put", true);
        uint64_t order = any_known(c, client);
        pack_key_uint(p, "order", order);
        pack_key(p, "contact");
        pack_map(p);
        pack_key_text(p, "phone", "+8613900008888");
        pack_close(p);
        intend(client, DEED_CONTACT, order);
    }
}

static void ask_move(struct crowd *c, struct crowd_client *client)
{
    static const char *const moves[] = {"order.approve", "order.suspend", "order.resume",
                                        "order.escalate", "queue.claim", "queue.release"};
    uint64_t what = draw(c, ARRAY_LEN(moves) + 2);
    bool is_return = what >= ARRAY_LEN(moves);
    struct pack *p = begin(c, client, is_return ? "order.return" : moves[what], true);
    pack_key_uint(p, "order", any_known(c, client));
    if (is_return)
        pack_key_text(p, "reason", "other");
}

/* What a supervisor does: hours, and emergencies. */
static void ask_supervisor(struct crowd *c, struct crowd_client *client)
{
    uint64_t what = draw(c, 4);
    struct pack *p = NULL;
    if (what == 0) {
        p = begin(c, client, "record.review", true);
        pack_key_uint(p, "record", 1 + draw(c, 30));
        pack_key_bool(p, "grant", draw(c, 2) == 0);
        pack_key_text(p, "reason", "other");
    } else if (what == 1) {
        p = begin(c, client, "record.revoke", false);
        pack_key_uint(p, "record", 1 + draw(c, 30));
        pack_key_text(p, "reason", "other");
    } else {
        p = begin(c, client, what == 2 ? "emergency.open" : "emergency.close", true);
        pack_key_uint(p, "region", draw(c, 2) == 0 ? 11 : 1211);
        pack_key_text(p, "reason", "flood");
        if (what == 2)
            pack_key_int(p, "until", c->service->now + (1 + (int64_t)draw(c, 20)) * 600000);
    }
}

static void ask_dispatcher(struct crowd *c, struct crowd_client *client)
{
    uint64_t what = draw(c, 23);
    struct pack *p = NULL;
    if (what >= 20) {
        ask_supervisor(c, client);
    } else if (what < 6) {
        p = begin(c, client, "queue.list", false);
        pack_key_uint(p, "region", 1);
        pack_key_uint(p, "limit", 5);
    } else if (what < 12) {
        p = begin(c, client, "order.dispatch", true);
        pack_key_uint(p, "order", any_known(c, client));
        pack_key(p, "orgs");
        pack_list(p);
        for (uint64_t i = 0, n = 1 + draw(c, 3), first = draw(c, CROWD_ORGS); i < n; i++)
            pack_uint(p, 1 + (first + i) % CROWD_ORGS);
        pack_close(p);
    } else if (what < 18) {
        ask_move(c, client);
    } else if (what == 18) {
        p = begin(c, client, "dispatch.batch", true);
        pack_key_uint(p, "region", 1);
    } else {
        p = begin(c, client, "contact.get", false);
        pack_key_uint(p, "order", any_known(c, client));
    }
}

static void ask_org(struct crowd *c, struct crowd_client *client)
{
    static const struct {
        const char *method;
        enum deed deed;
        bool is_deed, has_reason;
    } acts[] = {{"offer.accept", DEED_ACCEPT, true, false},
                {"offer.accept", DEED_ACCEPT, true, false},
                {"service.start", DEED_START, true, false},
                {"service.complete", DEED_COMPLETE, true, false},
                {"offer.decline", DEED_ACCEPT, false, true},
                {"service.release", DEED_ACCEPT, false, true}};
    uint64_t what = draw(c, 12);
    client->org = 1 + draw(c, CROWD_ORGS);
    if (what < 4 || client->known_count == 0) {
        struct pack *p = begin(c, client, "offer.list", false);
        pack_key_uint(p, "org", client->org);
        return;
    }
    size_t act = what < 11 ? draw(c, 4) : 4 + draw(c, 2);
    struct pack *p = begin(c, client, acts[act].method, true);
    uint64_t offer = any_known(c, client);
    pack_key_uint(p, "offer", offer);
    if (acts[act].has_reason)
        pack_key_text(p, "reason", "other");
    if (acts[act].deed == DEED_COMPLETE) {
        pack_key(p, "records");
        pack_list(p);
        pack_map(p);
        pack_key_uint(p, "volunteer", 1 + draw(c, 5));
        pack_key_uint(p, "minutes", 30 + draw(c, 5) * 90);
        pack_close(p);
        pack_close(p);
    }
    if (acts[act].is_deed)
        intend(client, acts[act].deed, offer);
}

/* An organisation is registered, or moves; what it can and how many it has stay, for the verdict counts
 * on it. */
static void ask_org_put(struct crowd *c, struct crowd_client *client, uint64_t org)
{
    struct pack *p = begin(c, client, "org.put", true);
    pack_key_uint(p, "id", org);
    pack_key_text(p, "name", "team");
    pack_key_uint(p, "region", villages[(org + (draw(c, 4) == 0)) % 3]); /* another county, now and then */
    pack_key_degrees(p, "lat", 230000000 + (int32_t)draw(c, 300000));
    pack_key_degrees(p, "lon", 1144000000 + (int32_t)draw(c, 300000));
    pack_key_text(p, "skills", org % 3 == 0 ? "legal_aid" : org % 3 == 1 ? "flood" : "legal_aid|flood");
    pack_key_uint(p, "capacity", 3 + org % 4);
    pack_key_uint(p, "reach_m", 20000);
}

static void ask_duty(struct crowd *c, struct crowd_client *client)
{
    struct pack *p = begin(c, client, "org.duty", true);
    pack_key_uint(p, "org", 1 + draw(c, CROWD_ORGS));
    pack_key_bool(p, "on", draw(c, 4) != 0);
}

static void ask(struct crowd *c, struct crowd_client *client)
{
    uint64_t what = client == c->clients ? draw(c, 16) : 16;
    if (client == c->clients && client->org < CROWD_ORGS) /* the registry first */
        ask_org_put(c, client, ++client->org);
    else if (what == 0)
        ask_org_put(c, client, 1 + draw(c, CROWD_ORGS));
    else if (what == 1)
        ask_duty(c, client);
    else if (client->kind == CLIENT_PLATFORM)
        ask_platform(c, client);
    else if (client->kind == CLIENT_DISPATCHER)
        ask_dispatcher(c, client);
    else
        ask_org(c, client);
    pack_close(&client->request);
    client->is_waiting = true;
    client->patience = PATIENCE;
    wire_add(&client->to, client->request.bytes, client->request.len);
}

/* Answers. */

static void note(struct crowd *c, enum deed deed, uint64_t id, uint64_t attempt)
{
    struct journal *j = &c->journal;
    if (j->count == j->room)
        j->lines = must_realloc(j->lines, j->room = j->room * 2 + 64, sizeof *j->lines);
    j->lines[j->count++] = (struct journal_line){.deed = deed, .id = id, .attempt = attempt};
}

static void note_refused(struct crowd *c, uint64_t attempt)
{
    struct journal *j = &c->journal;
    if (j->refused_count == j->refused_room)
        j->refused = must_realloc(j->refused, j->refused_room = j->refused_room * 2 + 16, sizeof *j->refused);
    j->refused[j->refused_count++] = attempt;
}

static uint64_t number_of(const struct node *map, const char *key)
{
    const struct node *value = map->kind == NODE_MAP ? node_get(map, key) : NULL;
    return value != NULL && value->kind == NODE_INT ? (uint64_t)value->u.number : 0;
}

static void take_result(struct crowd *c, struct crowd_client *client, const struct node *result)
{
    uint64_t order = number_of(result, "order");
    const struct node *items = result->kind == NODE_MAP ? node_get(result, "items") : NULL;
    c->answered++;
    if (client->is_deed && client->deed == DEED_PLACE) {
        note(c, DEED_PLACE, order, client->attempt);
        learn(c, client, order);
        learn(c, &c->clients[2 + draw(c, 2)], order);
    } else if (client->is_deed && client->deed == DEED_SERIES) {
        note(c, DEED_SERIES, number_of(result, "series"), 0);
    } else if (client->is_deed && client->deed == DEED_SEEN) {
        const struct node *state = node_get(result, "state");
        int number = word_find(&words_order_state, state->u.text, state->count);
        must(number >= 0);
        note(c, DEED_SEEN, client->subject, (uint64_t)number);
    } else if (client->is_deed) {
        note(c, client->deed, client->subject, 0);
    }
    for (uint32_t i = 0; items != NULL && i < items->count; i++) {
        uint64_t id = number_of(&items->u.items[i], client->kind == CLIENT_ORG ? "offer" : "order");
        if (id == 0)
            continue;
        learn(c, client, id);
        if (client->kind == CLIENT_ORG)
            note(c, DEED_OFFER_SEEN, id, 0);
        if (client->kind == CLIENT_DISPATCHER && id < ARRAY_LEN(c->seen) && !c->seen[id]) {
            c->seen[id] = true; /* what was shown once must be there for good */
            note(c, DEED_PLACE, id, 0);
        }
    }
}

static void take_refusal(struct crowd *c, struct crowd_client *client, const struct node *error)
{
    const struct node *retry = node_get(error, "retry");
    c->refused++;
    if (retry != NULL && retry->u.truth) { /* it may be asked again as it is */
        client->is_waiting = true;
        client->patience = 2;
        return;
    }
    if (client->is_deed && client->deed == DEED_PLACE)
        note_refused(c, client->attempt);
}

static void take_answer(struct crowd *c, struct crowd_client *client, const uint8_t *frame, size_t len)
{
    uint8_t *copy = arena_take(&c->arena, len);
    memcpy(copy, frame, len);
    const struct node *n = codec_decode(&c->arena, copy, len);
    must(n != NULL && n->kind == NODE_LIST && n->count == 4);
    if (client->is_waiting && (uint32_t)n->u.items[1].u.number == client->msgid) {
        client->is_waiting = false;
        if (n->u.items[2].kind == NODE_NIL)
            take_result(c, client, &n->u.items[3]);
        else
            take_refusal(c, client, &n->u.items[2]);
    }
    arena_reset(&c->arena);
}

/* The transport. */

void crowd_receive(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct crowd *c = context;
    for (size_t i = 0; i < len; i++)
        c->trace = hash64(c->trace ^ bytes[i]) + 1;
    for (int i = 0; i < CROWD_CLIENTS; i++)
        if (c->clients[i].connection == connection)
            wire_add(&c->clients[i].from, bytes, len);
}

static void disconnect(struct crowd *c, struct crowd_client *client)
{
    if (client->session != NULL && c->service->turn != NULL) {
        turn_end(c->service->turn); /* as the server does: what came is carried out */
        turn_disconnect(c->service->turn, client->session);
    }
    client->session = NULL;
    client->connection = 0;
    client->to.len = client->arrived.len = client->from.len = 0;
    client->scan = client->answer_scan = (struct frame_scan){.at = 0};
    client->patience = client->patience < 3 ? client->patience : 3;
}

void crowd_cut(struct crowd *c)
{
    for (int i = 0; i < CROWD_CLIENTS; i++) {
        c->clients[i].session = NULL;
        disconnect(c, &c->clients[i]);
    }
}

/* The first platform has all; of the others each may do its own, two of them in one county only. */
static struct identity identity_of(const struct crowd_client *client)
{
    static const struct identity who[CROWD_CLIENTS] = {
        {.principal = "uid:0", .roles = ROLE_EVERY, .scope = SCOPE_EVERYWHERE, .is_vouched = true},
        {.principal = "token:platform", .roles = ROLE_PLATFORM, .scope = SCOPE_REGION, .region = 11},
        {.principal = "token:city", .roles = ROLE_SUPERVISOR, .scope = SCOPE_EVERYWHERE},
        {.principal = "token:county", .roles = ROLE_DISPATCHER, .scope = SCOPE_REGION, .region = 12},
        {.principal = "token:org4", .roles = ROLE_ORG, .org = 4},
        {.principal = "token:org5", .roles = ROLE_ORG, .org = 5},
        {.principal = "uid:6", .roles = ROLE_EVERY, .scope = SCOPE_EVERYWHERE, .is_vouched = true},
        {.principal = "uid:7", .roles = ROLE_EVERY, .scope = SCOPE_EVERYWHERE, .is_vouched = true}};
    return who[client->place];
}

static void connect_client(struct crowd *c, struct crowd_client *client)
{
    struct identity who = identity_of(client);
    client->connection = 100 + ++c->next_connection;
    client->session = turn_connect(c->service->turn, client->connection, &who);
}

/* Bytes arrive, as many as happens; whole frames are requests. */
static void deliver(struct crowd *c, struct crowd_client *client)
{
    const char *why = NULL;
    size_t used = 0;
    size_t len = c->is_lossless ? client->to.len : draw(c, client->to.len + 1);
    if (len == 0)
        return;
    wire_add(&client->arrived, client->to.bytes, len);
    wire_drop(&client->to, len);
    while (frame_scan(&client->scan, client->arrived.bytes + used, client->arrived.len - used, &why) ==
           FRAME_WHOLE) {
        size_t frame = client->scan.at;
        client->scan = (struct frame_scan){.at = 0};
        must(turn_request(c->service->turn, client->session, client->arrived.bytes + used, frame));
        used += frame;
    }
    must(why == NULL);
    wire_drop(&client->arrived, used);
}

static void return_answers(struct crowd *c, struct crowd_client *client)
{
    const char *why = NULL;
    if (client->from.len == 0 || (!c->is_lossless && draw(c, 3) == 0))
        return;
    while (client->from.len != 0 &&
           frame_scan(&client->answer_scan, client->from.bytes, client->from.len, &why) == FRAME_WHOLE) {
        size_t frame = client->answer_scan.at;
        client->answer_scan = (struct frame_scan){.is_answer = true};
        take_answer(c, client, client->from.bytes, frame);
        wire_drop(&client->from, frame);
    }
    must(why == NULL);
}

static void tick_client(struct crowd *c, struct crowd_client *client)
{
    if (client->connection == 0)
        connect_client(c, client);
    if (client->is_waiting && client->patience-- <= 0) { /* unknown: the same once more */
        if (draw(c, 2) == 0 && !c->is_lossless) {
            disconnect(c, client);
            connect_client(c, client);
        }
        c->repeated++;
        client->patience = PATIENCE;
        wire_add(&client->to, client->request.bytes, client->request.len);
    } else if (!client->is_waiting && !c->is_quiet && draw(c, 3) == 0) {
        ask(c, client);
    }
    deliver(c, client);
    return_answers(c, client);
    if (!c->is_lossless && draw(c, 150) == 0)
        disconnect(c, client); /* whatever was under way is lost */
}

/* Another program appends orders to the intake; what Redis then does with them is its own matter, but
 * what was taken from it is there. */
static void append_to_intake(struct crowd *c)
{
    struct redis *r = c->service->redis;
    if (r == NULL || c->is_quiet || draw(c, 12) != 0)
        return;
    redis_append(r, ++c->journal.attempts, draw(c, 6) == 0, draw(c, 2) == 0);
}

static void take_acknowledgement(void *context, uint64_t attempt, bool is_malformed)
{
    struct crowd *c = context;
    if (is_malformed)
        note_refused(c, attempt);
    else
        note(c, DEED_INTAKE, attempt, attempt);
}

/* What the real loop can meet between two requests of one pass, in any sequence. */
static void let_threads_in(struct crowd *c)
{
    uint64_t what = c->has_threads ? draw(c, 16) : 16;
    if (what < 3)
        store_step_writer(c->service->store);
    else if (what < 4)
        store_step_reader(c->service->store);
    else if (what < 8)
        service_collect(c->service);
    else if (what < 9) /* a connection goes, which ends the turn */
        turn_end(c->service->turn);
}

void crowd_hear_out(struct crowd *c)
{
    bool was_lossless = c->is_lossless;
    c->is_lossless = true;
    for (int i = 0; i < CROWD_CLIENTS; i++)
        return_answers(c, &c->clients[i]);
    c->is_lossless = was_lossless;
}

void crowd_tick(struct crowd *c)
{
    append_to_intake(c);
    for (int i = 0; i < CROWD_CLIENTS && !c->service->is_dead; i++) {
        tick_client(c, &c->clients[i]);
        let_threads_in(c);
    }
}

bool crowd_is_idle(const struct crowd *c)
{
    for (int i = 0; i < CROWD_CLIENTS; i++)
        if (c->clients[i].is_waiting)
            return false;
    return true;
}
