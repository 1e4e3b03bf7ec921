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

static const uint8_t status_kinds[] = {
    EVENT_PLACED, EVENT_APPROVED, EVENT_REJECTED, EVENT_RETURNED, EVENT_RESUBMITTED, EVENT_OFFERED, EVENT_ACCEPTED,
    EVENT_STARTED, EVENT_COMPLETED, EVENT_RELEASED, EVENT_NO_SHOW, EVENT_ESCALATED, EVENT_UNMET, EVENT_RATED,
    EVENT_CLOSED, EVENT_CANCELLED, EVENT_MERGED, EVENT_SUSPENDED, EVENT_RESUMED, EVENT_SUPERVISED, EVENT_OVERDUE,
    EVENT_CLOSED_SHORT, EVENT_REWORKED};

void push_init(struct push *p, struct turn *turn, const struct push_options *options, uint64_t cursor, uint64_t dead)
{
    *p = (struct push){.turn = turn, .options = *options, .cursor = cursor, .looked_until = cursor, .dead = dead};
    push_set_kinds(p, "");
}

void push_fini(struct push *p)
{
    free(p->body);
    p->body = NULL;
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
static void make_body(struct push *p, const struct query *q)
{
    struct pack pack = {.bytes = NULL};
    pack_map(&pack);
    pack_key_uint(&pack, "node", p->options.node);
    pack_key(&pack, "events");
    pack_list(&pack);
    for (uint32_t i = 0; i < q->event_count; i++)
        pack_told(&pack, &q->events[i], q->external_ids[i]);
    pack_close(&pack);
    pack_close(&pack);
    p->body = json_text(&pack, &p->body_len);
    pack_fini(&pack);
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

static void got(void *context, const struct query *q, int64_t now)
{
    struct push *p = context;
    p->state = PUSH_IDLE;
    if (q->failure.exit_code != 0) {
        if (p->is_retry)
            push_retry(p, p->first);
        pause_until(p, now, 0);
        return;
    }
    if (p->is_stale && !p->is_retry) {
        p->is_stale = false;
        return; /* it shall go on from elsewhere */
    }
    if (!p->is_retry) { /* `next` is 0 where all that was asked for has been purged: there is nothing up to there */
        uint64_t until = q->next != 0 ? q->next : p->asked_until;
        p->looked_until = until > p->looked_until ? until : p->looked_until;
    }
    if (q->event_count == 0) {
        if (p->is_retry) /* purged since: nothing is left to tell */
            turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .is_gone = true});
        return;
    }
    make_body(p, q);
    p->count = q->event_count;
    p->first = q->events[0].seq;
    p->last = q->events[q->event_count - 1].seq;
    p->state = PUSH_READY;
}

bool push_wants_sending(struct push *p, int64_t now)
{
    if (p->state == PUSH_READY)
        return now >= p->next_at;
    if (p->state != PUSH_IDLE || now < p->next_at)
        return false;
    p->is_retry = p->retry_count != 0;
    if (!p->is_retry && p->looked_until >= turn_published(p->turn))
        return false;
    struct query *q = query_new(QUERY_PUSH);
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.kinds = p->kinds;
    q->limit = p->looked_until < p->alone_until ? 1 : PUSH_EVENTS;
    q->after = p->looked_until;
    if (p->is_retry) {
        q->ref_id = p->first = p->retries[--p->retry_count];
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
    p->is_stale = false;
}

static void move_cursor(struct push *p)
{
    if (p->is_retry || p->is_stale)
        return;
    p->cursor = p->last;
    turn_push_cursor(p->turn, p->cursor);
}

static bool is_for_good(int status)
{
    return status == 400 || status == 409 || status == 410 || status == 413 || status == 422;
}

static void refused(struct push *p, int status, int64_t now)
{
    if (p->count > 1) { /* which of them? each goes alone from here to the last of them */
        if (!p->is_stale) {
            p->alone_until = p->last;
            p->looked_until = p->first - 1;
        }
        forget_body(p);
        return;
    }
    p->dead += p->is_retry ? 0 : 1;
    turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .at = now, .status = (uint32_t)status});
    move_cursor(p);
    forget_body(p);
}

void push_answered(struct push *p, int status, int64_t retry_after_s, int64_t now)
{
    must(p->state == PUSH_SENDING);
    p->last_status = status;
    if (status >= 200 && status < 300) {
        p->delivered += p->count;
        p->failures = 0;
        if (p->is_retry) {
            p->dead -= p->dead != 0;
            turn_push_dead(p->turn, &(struct dead_letter){.seq = p->first, .is_gone = true});
        }
        move_cursor(p);
        forget_body(p);
        return;
    }
    p->failed++;
    if (is_for_good(status)) {
        p->failures = 0;
        refused(p, status, now);
        return;
    }
    retry_after_s = retry_after_s < RETRY_AFTER_MOST_S ? retry_after_s : RETRY_AFTER_MOST_S;
    p->state = PUSH_READY; /* the same again, after a while */
    pause_until(p, now, retry_after_s * 1000);
}

bool push_retry(struct push *p, uint64_t event)
{
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
    uint64_t behind = p->body != NULL && !p->is_retry ? p->count : 0; /* those under way, and what lies beyond them */
    behind += newest > p->looked_until ? newest - p->looked_until : 0;
    pack_key(out, key);
    pack_map(out);
    pack_key_bool(out, "up", p->failures == 0);
    pack_key_uint(out, "cursor", p->cursor);
    pack_key_uint(out, "behind", behind);
    pack_key_uint(out, "delivered", p->delivered);
    pack_key_uint(out, "failed", p->failed);
    pack_key_uint(out, "dead", p->dead);
    pack_key_int(out, "last_status", p->last_status);
    pack_close(out);
}
