/* methods_order.c -- order.*, queue.*, dispatch.batch: the life of an order. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include "crs.h"
#include "engine/pool.h"
#include "methods.h"

void point_from_args(const struct args *args, int32_t *lat, int32_t *lon)
{
    *lat = (int32_t)arg_number(args, P_LAT, 0);
    *lon = (int32_t)arg_number(args, P_LON, 0);
    if (arg_number(args, P_CRS, 0) != 0)
        crs_from_gcj02(lat, lon);
}

void request_from_args(const struct call *call, struct order_request *r)
{
    const struct args *a = &call->args;
    *r = (struct order_request){
        .region = (uint64_t)arg_number(a, P_REGION, 0),
        .person = (uint64_t)arg_number(a, P_PERSON, 0),
        .has_place = arg_has(a, P_LAT) && arg_has(a, P_LON),
        .is_remote = arg_number(a, P_REMOTE, 0) != 0,
        .is_risk = arg_number(a, P_RISK, 0) != 0,
        .is_proxy = arg_number(a, P_PROXY, 0) != 0,
        .needs_review = arg_number(a, P_REVIEW, 0) != 0,
        .category = (int)arg_number(a, P_CATEGORY, -1),
        .skills = a->skills,
        .starts_at = arg_number(a, P_STARTS_AT, 0),
        .ends_at = arg_number(a, P_ENDS_AT, 0),
        .minutes = (uint32_t)arg_number(a, P_MINUTES, 0),
        .headcount = (uint32_t)arg_number(a, P_HEADCOUNT, 0),
        .people_min = (uint32_t)arg_number(a, P_PEOPLE_MIN, 0),
        .max_distance_m = (uint32_t)arg_number(a, P_MAX_DISTANCE_M, 0),
        .priority = (uint8_t)arg_number(a, P_PRIORITY, PRIORITY_ROUTINE),
        .groups = (uint8_t)arg_number(a, P_GROUPS, 0),
        .mode = (uint8_t)arg_number(a, P_MODE, MODE_MANUAL),
    };
    point_from_args(a, &r->lat, &r->lon);
    if (arg_has(a, P_EXTERNAL_ID))
        snprintf(r->external_id, sizeof r->external_id, "%s", a->text[P_EXTERNAL_ID]);
}

static bool check_point(struct call *call)
{
    if (arg_has(&call->args, P_LAT) == arg_has(&call->args, P_LON))
        return true;
    const char *missing = arg_has(&call->args, P_LAT) ? "lon" : "lat";
    return error_set(&call->error, REFUSAL_MISSING_FIELD, missing, "lat and lon come together");
}

/* With personal data, which few orders bring: apart, so that the others do not wipe their memory. */
static bool place_with_contact(struct call *call, struct command *c)
{
    struct contact_row contact;
    contact_from_args(call, &contact);
    if (c->u.place.has_place)
        contact_take_home(&contact, c->u.place.lat, c->u.place.lon);
    bool is_good = call_step(call, c);
    if (is_good && !c->is_check) {
        contact.order_id = call->outcome.id;
        contact_keep(call, &contact);
    }
    explicit_bzero(&contact, sizeof contact);
    return is_good;
}

static bool run_place(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_PLACE, .is_check = arg_number(&call->args, P_DRY_RUN, 0) != 0};
    if (!check_point(call))
        return false;
    request_from_args(call, &c.u.place);
    if (arg_has(&call->args, P_RELATION)) { /* it is the reason of the event, so that the history tells */
        c.u.place.is_proxy = true;
        c.reason = call->args.text[P_RELATION];
    }
    if (call->args.contact != NULL || arg_has(&call->args, P_NOTE))
        return place_with_contact(call, &c);
    return call_step(call, &c);
}

static void encode_placed(struct call *call, struct pack *out)
{
    const struct order *o = engine_order(call->engine, call->outcome.id);
    pack_map(out);
    pack_key_uint(out, "order", call->outcome.id);
    if (o != NULL) {
        pack_key_text(out, "state", word_name(&words_order_state, o->state));
        pack_order_offers(out, call->engine, o, false);
    } else {
        pack_key_bool(out, "dry_run", true);
    }
    pack_close(out);
}

void encode_order_state(struct call *call, struct pack *out)
{
    uint64_t id = arg_has(&call->args, P_ORDER) ? (uint64_t)call->args.number[P_ORDER] : 0;
    const struct offer *f = engine_offer(call->engine, (uint64_t)arg_number(&call->args, P_OFFER, 0));
    if (f != NULL)
        id = f->order_id;
    const struct order *o = engine_order(call->engine, id);
    pack_map(out);
    if (f != NULL) {
        pack_key_uint(out, "offer", f->id);
        pack_key_text(out, "offer_state", word_name(&words_offer_state, f->state));
        pack_key_uint(out, "people", f->people);
    }
    if (call->outcome.count != 0)
        pack_key_uint(out, "held", call->outcome.count);
    pack_key_uint(out, "order", id);
    if (o != NULL)
        pack_key_text(out, "state", word_name(&words_order_state, o->state));
    pack_close(out);
}

static bool run_get(struct call *call, struct pack *out)
{
    uint64_t id = (uint64_t)call->args.number[P_ORDER];
    const struct order *o = engine_order(call->engine, id);
    if (o != NULL && access_sees(call, o->region)) {
        pack_map(out);
        pack_order(out, call->engine, o);
        pack_order_offers(out, call->engine, o, true);
        pack_close(out);
        return true;
    }
    call->query = query_new(QUERY_ORDER);
    call->query->filter.order = id;
    return true;
}

static void got_order(struct call *call, const struct query *q, struct pack *out)
{
    if (!q->is_found) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "order", "%s", "");
        return;
    }
    if (q->orders->state == ORDER_CLOSED)
        q->orders->covered = q->orders->headcount; /* it could not be done otherwise */
    pack_map(out);
    pack_order(out, call->engine, q->orders);
    pack_key(out, "offers");
    pack_list(out);
    for (uint32_t i = 0; i < q->offer_count; i++)
        pack_offer(out, call->engine, &q->offers[i]);
    pack_close(out);
    pack_close(out);
}

/* Moves that take an order and at most a reason. */
static bool move(struct call *call, enum op op)
{
    struct command c = {.op = op, .order = (uint64_t)call->args.number[P_ORDER]};
    c.u.until = arg_number(&call->args, P_UNTIL, 0);
    if (op == OP_MERGE)
        c.u.into = (uint64_t)call->args.number[P_INTO];
    return call_step(call, &c);
}

#define MOVE(name, op)                                                                             \
    static bool name(struct call *call, struct pack *out)                                          \
    {                                                                                              \
        (void)out;                                                                                 \
        return move(call, op);                                                                     \
    }
MOVE(run_approve, OP_APPROVE)
MOVE(run_reject, OP_REJECT)
MOVE(run_return, OP_RETURN)
MOVE(run_cancel, OP_CANCEL)
MOVE(run_escalate, OP_ESCALATE)
MOVE(run_supervise, OP_SUPERVISE)
MOVE(run_merge, OP_MERGE)
MOVE(run_suspend, OP_SUSPEND)
MOVE(run_resume, OP_RESUME)
MOVE(run_claim, OP_CLAIM)
MOVE(run_touch, OP_TOUCH)
MOVE(run_unclaim, OP_UNCLAIM)

static bool run_resubmit(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_RESUBMIT, .order = (uint64_t)call->args.number[P_ORDER]};
    if (!check_point(call))
        return false;
    request_from_args(call, &c.u.place);
    if (!call_step(call, &c))
        return false;
    if (c.u.place.has_place) /* it may be a home that personal data are kept of: like theirs it stays exact there only */
        contact_move_home(call, c.order, c.u.place.lat, c.u.place.lon);
    return true;
}

static bool run_rate(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_RATE, .order = (uint64_t)call->args.number[P_ORDER]};
    c.u.rate.stars = (uint8_t)call->args.number[P_STARS];
    c.u.rate.is_rework = arg_number(&call->args, P_REWORK, 0) != 0;
    return call_step(call, &c);
}

/* order.dispatch names organisations, or a mode, or says that those who accepted are enough. */
static bool run_dispatch(struct call *call, struct pack *out)
{
    (void)out;
    const struct args *a = &call->args;
    bool is_short = arg_number(a, P_SHORT, 0) != 0;
    struct command c = {.order = (uint64_t)a->number[P_ORDER]};
    if ((int)arg_has(a, P_ORGS) + (int)arg_has(a, P_MODE) + (int)is_short != 1)
        return error_set(&call->error, REFUSAL_MISSING_FIELD, "orgs",
                         "name orgs, or a mode, or short: exactly one of them");
    if (arg_has(a, P_MODE)) {
        c.op = OP_SET_MODE;
        c.u.mode = (uint8_t)a->number[P_MODE];
    } else if (is_short) {
        c.op = OP_CLOSE_SHORT;
    } else {
        c.op = OP_DISPATCH;
        c.u.dispatch.orgs = a->ids[0];
        c.u.dispatch.count = a->id_count[0];
        c.u.dispatch.people = (uint32_t)arg_number(a, P_PEOPLE, 0);
        c.u.dispatch.waived = (uint8_t)arg_number(a, P_OVERRIDE, 0);
        c.u.dispatch.is_instruction = arg_number(a, P_INSTRUCTION, 0) != 0;
    }
    bool is_done = call_step(call, &c);
    call->outcome.id = c.order;
    return is_done;
}

static bool run_batch(struct call *call, struct pack *out)
{
    struct command c = {.op = OP_BATCH};
    c.u.batch.region = (uint64_t)call->args.number[P_REGION];
    c.u.batch.is_dry_run = arg_number(&call->args, P_DRY_RUN, 0) != 0;
    (void)out;
    return call_step(call, &c);
}

static void encode_batch(struct call *call, struct pack *out)
{
    struct effects effects = engine_effects(call->engine);
    const struct outcome *o = &call->outcome;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = o->first; i < o->first + o->count; i++) {
        const struct assignment *a = &effects.assignments[i];
        pack_map(out);
        pack_key_uint(out, "order", a->order);
        pack_key_uint(out, "org", a->org);
        pack_key_uint(out, "people", a->people);
        pack_key_uint(out, "score", a->score);
        pack_key_int(out, "distance_m", (a->distance_mm + 500) / 1000);
        pack_key_int(out, "start_at", a->start_at);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_key_uint(out, "waiting", o->waiting);
    pack_key_uint(out, "assigned", o->count);
    pack_key_uint(out, "score", o->score);
    pack_key_bool(out, "optimal", o->is_exact);
    pack_key_uint(out, "assigned_bound", o->bound_count);
    pack_key_uint(out, "score_bound", o->bound_score);
    pack_key_bool(out, "dry_run", arg_number(&call->args, P_DRY_RUN, 0) != 0);
    pack_close(out);
}

#define ORDER_STATE_ANSWER "{order, state}"
#define WISH                                                                                       \
    P_LAT, P_LON, P_CRS, P_REMOTE, P_SKILLS, P_STARTS_AT, P_ENDS_AT, P_MINUTES, P_HEADCOUNT,       \
        P_PEOPLE_MIN, P_PRIORITY, P_GROUPS, P_RISK, P_MAX_DISTANCE_M, P_PERSON

const struct method order_methods[] = {
    {"order.place", ROLE_PLATFORM | ROLE_DISPATCHER, "Place an order. It is ready at once unless `review` is true; in mode auto or broadcast organisations are asked in the same turn. At most 200 offers are answered, here and wherever an order is shown; offer.list has them all.", "{order, state, offers: [{offer, org, expires_at, …}]}", METHOD_WRITE | METHOD_NEW, 3, {P_REF, P_REGION, P_CATEGORY, WISH, P_MODE, P_REVIEW, P_PROXY, P_RELATION, P_CONTACT, P_NOTE, P_EXTERNAL_ID, P_DRY_RUN}, run_place, encode_placed, NULL},
    {"order.get", ROLE_EVERY & ~ROLE_ORG & ~ROLE_OPERATOR, "One order with its offers, open or ended.", "{order, state, …, offers: […]}", METHOD_READER, 1, {P_ORDER}, run_get, NULL, got_order},
    {"order.approve", ROLE_DISPATCHER, "A placed order becomes ready.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REASON, P_REF}, run_approve, encode_order_state, NULL},
    {"order.reject", ROLE_DISPATCHER, "A placed order is not volunteer service.", ORDER_STATE_ANSWER, METHOD_WRITE, 2, {P_ORDER, P_REASON, P_REF}, run_reject, encode_order_state, NULL},
    {"order.return", ROLE_DISPATCHER, "A placed order goes back to be completed.", ORDER_STATE_ANSWER, METHOD_WRITE, 2, {P_ORDER, P_REASON, P_REF}, run_return, encode_order_state, NULL},
    {"order.resubmit", ROLE_PLATFORM | ROLE_DISPATCHER, "A returned order comes back; what is not named stays.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REF, P_REGION, P_CATEGORY, P_LAT, P_LON, P_CRS, P_SKILLS, P_STARTS_AT, P_ENDS_AT, P_MINUTES, P_HEADCOUNT, P_PEOPLE_MIN, P_GROUPS, P_RISK, P_MAX_DISTANCE_M}, run_resubmit, encode_order_state, NULL},
    {"order.cancel", ROLE_PLATFORM | ROLE_DISPATCHER, "The order is called off; pending and accepted offers are withdrawn. Not once somebody serves.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REASON, P_REF}, run_cancel, encode_order_state, NULL},
    {"order.escalate", ROLE_DISPATCHER, "The order climbs one level now; above the city it is unmet.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REASON, P_REF}, run_escalate, encode_order_state, NULL},
    {"order.supervise", ROLE_SUPERVISOR, "The order is watched: an event `overdue` comes at `until` unless it has ended.", ORDER_STATE_ANSWER, METHOD_WRITE, 2, {P_ORDER, P_UNTIL, P_REASON, P_REF}, run_supervise, encode_order_state, NULL},
    {"order.merge", ROLE_DISPATCHER, "The order is the same wish as another and ends as cancelled.", ORDER_STATE_ANSWER, METHOD_WRITE, 2, {P_ORDER, P_INTO, P_REASON, P_REF}, run_merge, encode_order_state, NULL},
    {"order.suspend", ROLE_DISPATCHER, "The order rests: its clocks stand still, pending offers are withdrawn.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REASON, P_REF}, run_suspend, encode_order_state, NULL},
    {"order.resume", ROLE_DISPATCHER, "The order goes on.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REASON, P_REF}, run_resume, encode_order_state, NULL},
    {"order.rate", ROLE_PLATFORM | ROLE_DISPATCHER, "The resident's rating of a done order, which closes it or sends it to be served again.", ORDER_STATE_ANSWER, METHOD_WRITE, 2, {P_ORDER, P_STARS, P_REWORK, P_REASON, P_REF}, run_rate, encode_order_state, NULL},
    {"order.dispatch", ROLE_DISPATCHER, "Put an order before organisations, or change its mode, or close its cover short.", "{order, state, offers: […]}", METHOD_WRITE | METHOD_MATCH, 1, {P_ORDER, P_ORGS, P_PEOPLE, P_MODE, P_SHORT, P_OVERRIDE, P_INSTRUCTION, P_REASON, P_REF}, run_dispatch, encode_placed, NULL},
    {"queue.claim", ROLE_DISPATCHER, "Take an order to work on: for the lease nobody else may dispatch it.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REF}, run_claim, encode_order_state, NULL},
    {"queue.touch", ROLE_DISPATCHER, "Prolong the lease.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REF}, run_touch, encode_order_state, NULL},
    {"queue.release", ROLE_DISPATCHER, "Give the order back to the queue.", ORDER_STATE_ANSWER, METHOD_WRITE, 1, {P_ORDER, P_REF}, run_unclaim, encode_order_state, NULL},
    {"dispatch.batch", ROLE_DISPATCHER, "Assign the ready orders of a region together, 256 at most.", "{items: [{order, org, people, score, distance_m, start_at}], next, waiting, assigned, score, optimal, assigned_bound, score_bound, dry_run}", METHOD_WRITE | METHOD_MATCH, 1, {P_REGION, P_DRY_RUN, P_REF}, run_batch, encode_batch, NULL},
};
const int order_method_count = (int)ARRAY_LEN(order_methods);
