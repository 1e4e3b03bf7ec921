#include "push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "json.h"
#include "store/vault.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MOST_MS 300000
#define RETRY_AFTER_MOST_S 3600
#define TRIES 4 /* of a request, before it is asked whether the platform takes another order's */
#define RETRY_PAUSE_MS 60000 /* after one that failed: a platform that lets us wait has the line for itself half of the time */

static const uint8_t status_kinds[] = {
    EVENT_PLACED, EVENT_APPROVED, EVENT_REJECTED, EVENT_RETURNED, EVENT_RESUBMITTED, EVENT_OFFERED, EVENT_ACCEPTED,
    EVENT_STARTED, EVENT_COMPLETED, EVENT_RELEASED, EVENT_NO_SHOW, EVENT_ESCALATED, EVENT_UNMET, EVENT_RATED,
    EVENT_CLOSED, EVENT_CANCELLED, EVENT_MERGED, EVENT_SUSPENDED, EVENT_RESUMED, EVENT_SUPERVISED, EVENT_OVERDUE,
    EVENT_CLOSED_SHORT, EVENT_REWORKED};

void push_init(struct push *p, struct turn *turn, const struct push_options *options, uint64_t cursor)
{
    *p = (struct push){.turn = turn, .options = *options, .cursor = cursor, .looked_until = cursor};
    push_set_kinds(p, "");
}

bool push_is_for_good(int status)
{
    return status == 400 || status == 409 || status == 410 || status == 413 || status == 422;
}

void push_load_dead(void *context, const struct dead_letter *row, uint64_t order)
{
    struct push *p = context;
    if (push_is_for_good((int)row->status) || !parked_add(&p->parked, row->seq, order, 0))
        p->dead++;
}

void push_fini(struct push *p)
{
    free(p->body);
    p->body = NULL;
    parked_fini(&p->parked);
}

bool push_set_kinds(struct push *p, const char *kinds)
{
    uint64_t bits = 0;
    for (const char *at = kinds; *at != '\0';) {
        size_t len = strcspn(at, "|, ");
        int kind = len != 0 ? word_find(&words_event_kind, at, len) : 0;
        if (kind < 0)
            return false;
        bits |= len != 0 ? UINT64_C(1) << kind : 0;
        at += len + (at[len] != '\0');
    }
    for (size_t i = 0; bits == 0 && kinds[0] == '\0' && i < ARRAY_LEN(status_kinds); i++)
        p->kinds = (i != 0 ? p->kinds : 0) | UINT64_C(1) << status_kinds[i];
    if (bits != 0)
        p->kinds = bits;
    return bits != 0 || kinds[0] == '\0';
}

static void pack_told(struct pack *out, const struct event *e, const char *external_id)
{
    const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {{"order", e->order}, {"offer", e->offer}, {"org", e->org}, {"region", e->region},
                   {"county", e->county}, {"people", e->people}, {"minutes", e->minutes}, {"subject", e->subject}};
    pack_map(out);
    pack_key_uint(out, "seq", e->seq);
    pack_key_int(out, "at", e->at);
    pack_key_text(out, "kind", word_name(&words_event_kind, e->kind));
    pack_key_text(out, "kind_zh", word_zh(&words_event_kind, e->kind));
    if (external_id[0] != '\0')
        pack_key_text(out, "external_id", external_id);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i].number != 0)
            pack_key_uint(out, numbers[i].key, numbers[i].number);
    pack_key_text(out, "state", word_name(&words_order_state, e->state));
    pack_key_text(out, "level", word_name(&words_level, e->level));
    if (e->reason[0] != '\0')
        pack_key_text(out, "reason", e->reason);
    pack_close(out);
}

/* The body as JSON; from the store's answer, so that it is made once however often it is sent. */
static void make_body(struct push *p, const struct query *q, const bool *is_told)
{
    struct pack pack = {.bytes = NULL};
    pack_map(&pack);
    pack_key_uint(&pack, "node", p->options.node);
    pack_key(&pack, "events");
    pack_list(&pack);
    p->count = 0;
    for (uint32_t i = 0; i < q->event_count; i++) {
        if (!is_told[i])
            continue;
        if (p->count++ == 0) {
            p->first = q->events[i].seq;
            p->order = q->events[i].order;
        }
        p->last = q->events[i].seq;
        pack_told(&pack, &q->events[i], q->external_ids[i]);
    }
    pack_close(&pack);
    pack_close(&pack);
    p->body = json_text(&pack, &p->body_len);
    pack_fini(&pack);
    p->state = PUSH_READY;
}

static void pause_until(struct push *p, int64_t now, int64_t wish_ms)
{
    uint32_t doublings = p->failures < 10 ? p->failures : 10;
    int64_t pause = (int64_t)PAUSE_FIRST_MS << doublings;
    uint8_t chance = 0;
    vault_random(&chance, 1);
    pause = pause < PAUSE_MOST_MS ? pause : PAUSE_MOST_MS;
    pause -= pause / 2 * chance / 256; /* so that many daemons do not come back at once */
    p->next_at = now + (wish_ms > pause ? wish_ms : pause);
    p->failures++;
}

static void move_cursor(struct push *p, uint64_t event)
{
    if (p->is_retry || p->is_probe || p->is_stale)
        return;
    p->cursor = event;
    turn_push_cursor(p->turn, p->cursor);
}

/* Sets an event aside: durable with the batch that moves the cursor over it, or before. */
static bool park(struct push *p, uint64_t event, uint64_t order, int status, int64_t now)
{
    bool is_new = !parked_has(&p->parked, event);
    if (!parked_add(&p->parked, event, order, now))
        return false;
    if (is_new)
        turn_push_dead(p->turn, &(struct dead_letter){.seq = event, .at = now, .status = (uint32_t)status});
    return true;
}

static bool was_told_ahead(const struct push *p, uint64_t event)
{
    for (uint32_t i = 0; i < PUSH_AHEAD; i++)
        if (p->ahead[i] == event)
            return true;
    return false;
}

/* What comes next, without what waits behind a parked event of its order, and what was told as a probe. */
static void got_next(struct push *p, const struct query *q, int64_t now)
{
    bool is_told[PUSH_EVENTS] = {false};
    uint32_t count = 0;
    uint64_t until = 0;
    for (uint32_t i = 0; i < q->event_count; i++) {
        const struct event *e = &q->events[i];
        bool is_parked = parked_has_order(&p->parked, e->order);
        if (is_parked && !park(p, e->seq, e->order, 0, now)) { /* no room: the line waits */
            p->looked_until = e->seq - 1;
            p->next_at = now + PAUSE_FIRST_MS;
            break;
        }
        is_told[i] = !is_parked && !was_told_ahead(p, e->seq);
        count += is_told[i];
        until = e->seq;
    }
    if (count != 0) {
        make_body(p, q, is_told);
        p->last = until;
    } else if (until != 0) {
        move_cursor(p, until);
    }
}

/* Of the orders that come next one by one: its first event, so that its sequence is kept. */
static void got_probe(struct push *p, const struct query *q)
{
    bool is_told[PUSH_EVENTS] = {false};
    uint32_t firsts[PUSH_EVENTS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < q->event_count; i++) {
        uint64_t order = q->events[i].order;
        uint32_t earlier = 0;
        while (earlier < i && q->events[earlier].order != order)
            earlier++;
        if (earlier == i && order != p->suspect_order && !parked_has_order(&p->parked, order))
            firsts[count++] = i;
    }
    p->is_probe = count != 0;
    if (count == 0)
        return; /* nobody waits behind it */
    is_told[firsts[p->probes % count]] = true;
    make_body(p, q, is_told);
}

static void got(void *context, const struct query *q, int64_t now)
{
    static const bool only_one[PUSH_EVENTS] = {true};
    struct push *p = context;
    p->state = PUSH_IDLE;
    if (q->failure.exit_code != 0) {
        if (p->is_retry)
            push_retry(p, p->first);
        p->is_probe = false;
        pause_until(p, now, 0);
        return;
    }
    if (p->is_stale && !p->is_retry) {
        p->is_stale = p->is_probe = false;
        return; /* it shall go on from elsewhere */
    }
    if (p->is_retry && q->event_count == 0) { /* purged since: nothing is left to tell */
        parked_remove(&p->parked, p->first);
        turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .is_gone = true});
    } else if (p->is_retry) {
        make_body(p, q, only_one);
    } else if (p->is_probe) {
        got_probe(p, q);
    } else { /* `next` is 0 where all that was asked for has been purged: there is nothing up to there */
        uint64_t until = q->next != 0 ? q->next : p->asked_until;
        p->looked_until = until > p->looked_until ? until : p->looked_until;
        got_next(p, q, now);
    }
}

/* The dead letter or parked event that is to be tried now; 0: none. */
static uint64_t take_retry(struct push *p, int64_t now)
{
    uint64_t event = now >= p->retry_at ? parked_due(&p->parked, now) : 0;
    if (event != 0 || p->retry_count == 0 || now < p->retry_at)
        return event;
    event = p->retries[0];
    memmove(p->retries, p->retries + 1, --p->retry_count * sizeof *p->retries);
    return event;
}

bool push_wants_sending(struct push *p, int64_t now)
{
    if (p->state == PUSH_READY)
        return now >= p->next_at || p->is_probe;
    p->is_probe = p->state == PUSH_IDLE ? p->suspect != 0 && !p->has_probed : p->is_probe;
    if (p->state != PUSH_IDLE || (now < p->next_at && !p->is_probe))
        return false;
    uint64_t retry = p->is_probe ? 0 : take_retry(p, now);
    p->is_retry = retry != 0;
    if (!p->is_retry && !p->is_probe && p->looked_until >= turn_published(p->turn))
        return false;
    struct query *q = query_new(QUERY_PUSH);
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.kinds = p->kinds;
    q->limit = p->looked_until < p->alone_until && !p->is_probe ? 1 : PUSH_EVENTS;
    q->after = p->is_probe ? p->suspect : p->looked_until;
    p->has_probed |= p->is_probe;
    if (p->is_retry) {
        q->ref_id = p->first = retry;
        q->filter.kinds = UINT64_MAX;
        q->limit = 1;
    }
    p->asked_until = turn_published(p->turn);
    p->state = PUSH_ASKING;
    turn_ask(p->turn, q, got, p);
    return false;
}

void push_headers(const struct push *p, int64_t now, char timestamp[100], char signature[100])
{
    uint8_t mac[DIGEST_BYTES];
    snprintf(timestamp, 100, "%lld", (long long)(now / 1000));
    signature[0] = '\0';
    if (p->options.secret == NULL)
        return;
    vault_hmac(p->options.secret, p->options.secret_len,
               (struct piece[]){{timestamp, strlen(timestamp)}, {".", 1}, {p->body, p->body_len}}, 3, mac);
    memcpy(signature, "v1=", 3);
    hex_encode(mac, sizeof mac, signature + 3);
}

void push_sent(struct push *p)
{
    must(p->state == PUSH_READY);
    p->state = PUSH_SENDING;
}

static void forget_body(struct push *p)
{
    free(p->body);
    p->body = NULL;
    p->state = PUSH_IDLE;
    p->is_stale = p->is_probe = false;
}

static void clear_suspect(struct push *p)
{
    p->suspect = 0;
    p->is_alive = false;
    p->failures = 0;
}

/* Which of them? Each goes alone from here to the last of them. */
static void go_alone(struct push *p)
{
    p->alone_until = p->last > p->alone_until ? p->last : p->alone_until;
    p->looked_until = p->first - 1;
}

/* The platform answers for another order: the one in trouble has one more try. */
static void found_alive(struct push *p, bool is_told, int64_t now)
{
    if (p->is_stale)
        return;
    if (is_told)
        p->ahead[p->ahead_count++ % PUSH_AHEAD] = p->first;
    p->is_alive = true;
    p->next_at = now;
}

static void taken(struct push *p, int64_t now)
{
    p->delivered += p->count;
    if (p->is_probe) {
        found_alive(p, true, now);
    } else if (p->is_retry) {
        if (!parked_remove(&p->parked, p->first))
            p->dead -= p->dead != 0;
        p->retry_at = now; /* it may be that all of them can go */
        turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .is_gone = true});
    } else {
        clear_suspect(p);
        move_cursor(p, p->last);
    }
    forget_body(p);
}

static void refused(struct push *p, int status, int64_t now)
{
    if (p->is_probe) { /* it will be told, and refused, in its turn */
        found_alive(p, false, now);
    } else if (p->count > 1) {
        p->failures = 0;
        if (!p->is_stale)
            go_alone(p);
    } else {
        p->dead += !p->is_retry || parked_remove(&p->parked, p->first) ? 1 : 0;
        turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .at = now, .status = (uint32_t)status});
        if (!p->is_retry)
            clear_suspect(p);
        move_cursor(p, p->last);
    }
    forget_body(p);
}

/* Not taken this time. */
static void failed(struct push *p, int status, int64_t wish_ms, int64_t now)
{
    if (p->is_retry) { /* the others need not wait for it */
        if (!parked_failed(&p->parked, p->first, now))
            push_retry(p, p->first);
        p->retry_at = now + (wish_ms > RETRY_PAUSE_MS ? wish_ms : RETRY_PAUSE_MS);
        forget_body(p);
        return;
    }
    if (p->is_probe) { /* the pause after the other's failure goes on */
        p->probes++;
        p->next_at = now + wish_ms > p->next_at ? now + wish_ms : p->next_at;
        forget_body(p);
        return;
    }
    pause_until(p, now, wish_ms);
    if (p->is_stale) {
        forget_body(p);
    } else if (p->failures < TRIES) {
        p->state = PUSH_READY; /* the same again, after a while */
    } else if (p->is_alive && p->count == 1 && park(p, p->first, p->order, status, now)) {
        parked_failed(&p->parked, p->first, now);
        p->retry_at = now + RETRY_PAUSE_MS > p->retry_at ? now + RETRY_PAUSE_MS : p->retry_at;
        clear_suspect(p);
        p->next_at = now;
        move_cursor(p, p->last);
        forget_body(p);
    } else {
        p->suspect = p->count == 1 ? p->first : 0;
        p->suspect_order = p->order;
        p->has_probed = p->is_alive = false;
        p->next_at = p->count > 1 && wish_ms == 0 ? now : p->next_at;
        go_alone(p);
        forget_body(p);
    }
}

void push_answered(struct push *p, int status, int64_t retry_after_s, int64_t now)
{
    must(p->state == PUSH_SENDING);
    p->last_status = status;
    if (status >= 200 && status < 300) {
        taken(p, now);
        return;
    }
    p->failed++;
    retry_after_s = retry_after_s < RETRY_AFTER_MOST_S ? retry_after_s : RETRY_AFTER_MOST_S;
    if (push_is_for_good(status))
        refused(p, status, now);
    else
        failed(p, status, retry_after_s * 1000, now);
}

bool push_retry(struct push *p, uint64_t event)
{
    p->retry_at = 0;
    if (parked_hurry(&p->parked, event))
        return true;
    for (uint32_t i = 0; i < p->retry_count; i++)
        if (p->retries[i] == event)
            return true;
    if (p->retry_count == PUSH_RETRIES_MAX)
        return false;
    p->retries[p->retry_count++] = event;
    return true;
}

void push_seek(struct push *p, uint64_t event)
{
    p->cursor = p->looked_until = event;
    p->alone_until = 0;
    memset(p->ahead, 0, sizeof p->ahead);
    clear_suspect(p);
    turn_push_cursor(p->turn, event);
    if (p->is_retry && p->state != PUSH_IDLE)
        return; /* a dead letter is under way, which this does not change */
    if (p->state == PUSH_READY)
        forget_body(p);
    else
        p->is_stale = p->state != PUSH_IDLE;
}

void push_pack(const struct push *p, const char *key, struct pack *out)
{
    uint64_t newest = turn_published(p->turn);
    uint64_t behind = p->body != NULL && !p->is_retry && !p->is_probe ? p->count : 0; /* those under way, and what lies beyond them */
    behind += newest > p->looked_until ? newest - p->looked_until : 0;
    pack_key(out, key);
    pack_map(out);
    pack_key_bool(out, "up", p->failures == 0);
    pack_key_uint(out, "cursor", p->cursor);
    pack_key_uint(out, "behind", behind);
    pack_key_uint(out, "delivered", p->delivered);
    pack_key_uint(out, "failed", p->failed);
    pack_key_uint(out, "dead", p->dead);
    pack_key_uint(out, "parked", p->parked.event_count);
    pack_key_uint(out, "parked_orders", p->parked.order_count);
    pack_key_int(out, "last_status", p->last_status);
    pack_close(out);
}
