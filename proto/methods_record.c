/* methods_record.c -- record.*, volunteer.get, certificate.issue: who served, how long, and what counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codes.h"
#include "engine/pool.h"
#include "methods.h"

static void pack_record(struct pack *out, const struct record_row *r)
{
    pack_map(out);
    pack_key_uint(out, "record", r->id);
    pack_key_text(out, "record_state", word_name(&words_record_state, r->state));
    pack_key_uint(out, "volunteer", r->volunteer);
    pack_key_uint(out, "minutes", r->minutes);
    pack_key_date(out, "date", r->day);
    pack_key_int(out, "at", r->at);
    pack_key_uint(out, "order", r->order);
    pack_key_uint(out, "offer", r->offer);
    pack_key_uint(out, "org", r->org);
    if (r->region != 0)
        pack_key_uint(out, "region", r->region);
    if (r->source[0] != '\0') {
        pack_key_text(out, "source", r->source);
        pack_key_text(out, "external_id", r->external_id);
    }
    pack_close(out);
}

/* What a list asks for by a number; absent: any. */
static bool is_asked(const struct args *a, enum param p, uint64_t number)
{
    return !arg_has(a, p) || (uint64_t)a->number[p] == number;
}

static bool is_wanted(const struct call *call, const struct record_row *r)
{
    const struct args *a = &call->args;
    return access_sees(call, r->region) && r->state == a->number[P_RECORD_STATE] && is_asked(a, P_ORG, r->org) &&
           is_asked(a, P_ORDER, r->order) && is_asked(a, P_OFFER, r->offer) && is_asked(a, P_VOLUNTEER, r->volunteer) &&
           r->at >= arg_number(a, P_SINCE, 0) && (arg_number(a, P_UNTIL, 0) == 0 || r->at < a->number[P_UNTIL]);
}

static int by_id(const void *a, const void *b)
{
    const struct record_row *x = *(const struct record_row *const *)a;
    const struct record_row *y = *(const struct record_row *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Those that wait are in the engine, in no sequence. `waiting` counts all pages. */
static void pack_held(struct call *call, struct pack *out)
{
    uint32_t limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    uint64_t after = (uint64_t)arg_number(&call->args, P_AFTER, 0);
    uint32_t room = 64;
    const struct record_row **rows = must_alloc(room, sizeof *rows);
    uint32_t slot = SLOT_NONE;
    uint32_t count = 0;
    uint64_t waiting = 0;
    for (const struct record_row *r; (r = engine_next_held(call->engine, &slot)) != NULL;) {
        bool is_listed = is_wanted(call, r);
        waiting += is_listed;
        if (!is_listed || r->id <= after)
            continue;
        if (count == room)
            rows = must_realloc(rows, room *= 2, sizeof *rows);
        rows[count++] = r;
    }
    qsort(rows, count, sizeof *rows, by_id);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count && i < limit; i++)
        pack_record(out, rows[i]);
    pack_close(out);
    pack_next(out, count > limit ? rows[limit - 1]->id : 0);
    pack_key_uint(out, "waiting", waiting);
    pack_close(out);
    free(rows);
}

static bool run_list(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    int64_t state = arg_number(a, P_RECORD_STATE, -1);
    if (state == RECORD_REVIEW || state == RECORD_REVIEW_HIGH) {
        pack_held(call, out);
        return true;
    }
    call->query = question_from_args(call, QUERY_RECORDS);
    if (call->query != NULL)
        call->query->filter.state = (int)state;
    return call->query != NULL;
}

static void got_records(struct call *call, const struct query *q, struct pack *out)
{
    (void)call;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->record_count; i++)
        pack_record(out, &q->records[i]);
    pack_close(out);
    pack_next(out, q->next);
    pack_close(out);
}

static void pack_record_state(struct pack *out, uint64_t id, int state)
{
    pack_map(out);
    pack_key_uint(out, "record", id);
    pack_key_text(out, "record_state", word_name(&words_record_state, state));
    pack_close(out);
}

/* Beyond the second bound of a day a dispatcher's word is not enough. */
static bool run_review(struct call *call, struct pack *out)
{
    struct command c = {.op = OP_RECORD_REVIEW};
    const struct record_row *held = engine_held_record(call->engine, (uint64_t)call->args.number[P_RECORD]);
    (void)out;
    if (held == NULL || !access_sees(call, held->region))
        return error_set(&call->error, REFUSAL_NOT_FOUND, "record", "no record waits under that number");
    if (held->state == RECORD_REVIEW_HIGH && (call->who.roles & ROLE_SUPERVISOR) == 0)
        return error_set(&call->error, REFUSAL_FORBIDDEN, "record", "so many minutes a day are a supervisor's to review");
    c.u.review.id = held->id;
    c.u.review.is_granted = call->args.number[P_GRANT] != 0;
    if (!c.u.review.is_granted && !arg_has(&call->args, P_REASON))
        return error_set(&call->error, REFUSAL_MISSING_FIELD, "reason", "say why the minutes do not count");
    return call_step(call, &c);
}

static void encode_review(struct call *call, struct pack *out)
{
    bool is_granted = call->args.number[P_GRANT] != 0;
    pack_record_state(out, call->outcome.id, is_granted ? RECORD_CERTIFIED : RECORD_REFUSED);
}

static bool run_revoke(struct call *call, struct pack *out)
{
    (void)out;
    call->query = query_new(QUERY_RECORD);
    call->query->ref_id = (uint64_t)call->args.number[P_RECORD];
    call->about = hash64(call->query->ref_id) | 1;
    return true;
}

static void revoke(struct call *call, const struct query *q, struct pack *out)
{
    struct command c = {.op = OP_RECORD_REVOKE};
    if (!q->is_found) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "record", "%s", "");
        return;
    }
    c.u.record.stored = q->records;
    if (call_step(call, &c))
        pack_record_state(out, call->outcome.id, RECORD_REVOKED);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = hash64(hash ^ (unsigned char)*text);
    return hash;
}

struct carried_record {
    struct record_row row;
    bool is_check;
};

static bool run_add(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    (void)out;
    if (!codes_has_issuer(turn_codes(call->turn), a->text[P_SOURCE]))
        return error_set(&call->error, REFUSAL_BAD_VALUE, "source", "code.list issuers has those that are known");
    struct carried_record *carried = call->carried = must_alloc(1, sizeof *carried);
    struct record_row *row = &carried->row;
    carried->is_check = arg_number(a, P_DRY_RUN, 0) != 0;
    row->volunteer = (uint64_t)a->number[P_VOLUNTEER];
    row->minutes = (uint32_t)a->number[P_MINUTES];
    row->day = (int32_t)a->number[P_DATE];
    row->org = (uint64_t)arg_number(a, P_ORG, 0);
    row->region = (uint64_t)arg_number(a, P_REGION, 0);
    snprintf(row->source, sizeof row->source, "%s", a->text[P_SOURCE]);
    snprintf(row->external_id, sizeof row->external_id, "%s", a->text[P_EXTERNAL_ID]);
    struct query *q = call->query = query_new(QUERY_RECORD);
    memcpy(q->source, row->source, sizeof q->source);
    memcpy(q->external_id, row->external_id, sizeof q->external_id);
    call->about = hash_text(hash_text(2, row->source) + 1, row->external_id) | 1;
    return true;
}

static void add(struct call *call, const struct query *q, struct pack *out)
{
    struct carried_record *carried = call->carried;
    struct command c = {.op = OP_RECORD_ADD, .is_check = carried->is_check};
    c.u.record.fresh = &carried->row;
    c.u.record.stored = q->record_count != 0 ? q->records : NULL;
    if (q->is_elsewhere) { /* nothing more is said of it */
        error_set(&call->error, REFUSAL_BAD_VALUE, "external_id", "the issuer's number is taken");
        return;
    }
    if (!call_step(call, &c))
        return;
    if (c.is_check) {
        pack_map(out);
        pack_key_bool(out, "dry_run", true);
        pack_close(out);
        return;
    }
    const struct record_row *held = engine_held_record(call->engine, call->outcome.id);
    pack_record_state(out, call->outcome.id, held != NULL ? held->state : RECORD_CERTIFIED);
}

/* What one volunteer has served. */

static void ask_volunteer(struct call *call)
{
    const struct args *a = &call->args;
    call->query = query_new(QUERY_VOLUNTEER);
    call->query->filter.volunteer = (uint64_t)a->number[P_VOLUNTEER];
    call->query->filter.first_day = (int32_t)arg_number(a, P_FIRST_DATE, 0);
    call->query->filter.last_day = (int32_t)arg_number(a, P_LAST_DATE, 0);
}

static bool run_volunteer(struct call *call, struct pack *out)
{
    (void)out;
    ask_volunteer(call);
    return true;
}

static void pack_served(const struct call *call, const struct query *q, bool certified_only, struct pack *out)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->served_count; i++) {
        const struct served_row *row = &q->served[i];
        if (certified_only && row->state != RECORD_CERTIFIED)
            continue;
        pack_map(out);
        pack_key_text(out, "record_state", word_name(&words_record_state, row->state));
        if (row->category >= 0 && row->category < catalogue->count)
            pack_key_text(out, "category", catalogue->skills[row->category].name);
        if (row->source[0] != '\0')
            pack_key_text(out, "source", row->source);
        pack_key_uint(out, "records", row->records);
        pack_key_uint(out, "minutes", row->minutes);
        pack_key_date(out, "first_date", row->first_day);
        pack_key_date(out, "last_date", row->last_day);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
}

static uint64_t minutes_of(const struct query *q, unsigned states)
{
    uint64_t minutes = 0;
    for (uint32_t i = 0; i < q->served_count; i++)
        minutes += (states >> q->served[i].state & 1) != 0 ? q->served[i].minutes : 0;
    return minutes;
}

static void got_volunteer(struct call *call, const struct query *q, struct pack *out)
{
    const struct code_tables *codes = turn_codes(call->turn);
    uint64_t certified = minutes_of(q, 1u << RECORD_CERTIFIED);
    const struct star *has = codes_star(codes, certified);
    const struct star *next = codes_next_star(codes, certified);
    pack_map(out);
    pack_key_uint(out, "volunteer", q->filter.volunteer);
    pack_key_uint(out, "minutes", certified);
    pack_key_uint(out, "review_minutes", minutes_of(q, 1u << RECORD_REVIEW | 1u << RECORD_REVIEW_HIGH));
    pack_key_uint(out, "revoked_minutes", minutes_of(q, 1u << RECORD_REVOKED));
    if (has != NULL)
        pack_key_text(out, "star", has->name);
    if (next != NULL) {
        pack_key_text(out, "next_star", next->name);
        pack_key_uint(out, "next_star_minutes", next->minutes);
    }
    pack_served(call, q, false, out);
    pack_close(out);
}

/* The figures of a certificate as 民政部令第67号 asks for them; the name and the document of the
 * volunteer are the platform's to add. Its number is that of the event that puts it down. */
static void issue(struct call *call, const struct query *q, struct pack *out)
{
    struct command c = {.op = OP_CERTIFY};
    uint64_t minutes = minutes_of(q, 1u << RECORD_CERTIFIED);
    if (minutes == 0) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "volunteer", "no certified minutes are kept for it in that time");
        return;
    }
    c.u.certify.volunteer = q->filter.volunteer;
    c.u.certify.minutes = minutes < UINT32_MAX ? (uint32_t)minutes : UINT32_MAX;
    if (!call_step(call, &c))
        return;
    pack_map(out);
    pack_key_uint(out, "certificate", call->outcome.id);
    pack_key_int(out, "issued_at", call->now);
    pack_key_text(out, "issuer", turn_issuer(call->turn));
    pack_key_uint(out, "volunteer", q->filter.volunteer);
    pack_key_uint(out, "minutes", minutes);
    pack_served(call, q, true, out);
    pack_close(out);
}

#define RECORD_ANSWER "{record, record_state}"

const struct method record_methods[] = {
    {"record.list", ROLE_EVERY & ~ROLE_OPERATOR, "Service records by number; those that wait for a review with `record_state`.", "{items: [{record, record_state, volunteer, minutes, date, order, offer, org, …}], next}", METHOD_READER, 0, {P_ORG, P_ORDER, P_OFFER, P_VOLUNTEER, P_RECORD_STATE, P_SINCE, P_UNTIL, P_AFTER, P_LIMIT}, run_list, NULL, got_records},
    {"record.review", ROLE_DISPATCHER, "Say whether minutes that wait count: beyond `day_minutes` of a volunteer's day, or late ones, a dispatcher; beyond `day_minutes_reviewed` a supervisor.", RECORD_ANSWER, METHOD_WRITE, 2, {P_RECORD, P_GRANT, P_REASON, P_REF}, run_review, encode_review, NULL},
    {"record.revoke", ROLE_SUPERVISOR, "Certified minutes count no longer. Saying it twice is the same as once.", RECORD_ANSWER, METHOD_WRITE | METHOD_READER | METHOD_LATER, 2, {P_RECORD, P_REASON}, run_revoke, encode_packed, revoke},
    {"record.add", ROLE_PLATFORM, "Minutes that another issuer certified, by its own number, which counts once in all regions: the same again is the same as once, and a corrected one takes the place of what stood here.", RECORD_ANSWER, METHOD_WRITE | METHOD_READER | METHOD_LATER, 5, {P_SOURCE, P_EXTERNAL_ID, P_VOLUNTEER, P_MINUTES, P_DATE, P_ORG, P_REGION, P_DRY_RUN}, run_add, encode_packed, add},
    {"volunteer.get", ROLE_PLATFORM | ROLE_SUPERVISOR | ROLE_AUDITOR, "What a volunteer has served, by state, category and source, and the star that it comes to; who holds for a region gets what its records in that region and below come to.", "{volunteer, minutes, review_minutes, revoked_minutes, star, next_star, next_star_minutes, items, next}", METHOD_READER, 1, {P_VOLUNTEER, P_FIRST_DATE, P_LAST_DATE}, run_volunteer, NULL, got_volunteer},
    {"certificate.issue", ROLE_PLATFORM | ROLE_SUPERVISOR, "The figures of a certificate of service, put down as an event whose number is the certificate's; who holds for a region certifies the minutes of that region and below.", "{certificate, issued_at, issuer, volunteer, minutes, items, next}", METHOD_WRITE | METHOD_READER | METHOD_LATER, 1, {P_VOLUNTEER, P_FIRST_DATE, P_LAST_DATE}, run_volunteer, encode_packed, issue},
};
const int record_method_count = (int)ARRAY_LEN(record_methods);
