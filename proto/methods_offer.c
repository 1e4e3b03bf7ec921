/* methods_offer.c -- offer.*, service.*: what organisations answer and do. */
#include "engine/pool.h"
#include "methods.h"

static bool answer(struct call *call, enum op op)
{
    struct command c = {.op = op, .offer = (uint64_t)call->args.number[P_OFFER]};
    if (op == OP_ACCEPT) {
        c.u.people = (uint32_t)arg_number(&call->args, P_PEOPLE, 0);
    } else if (op == OP_COMPLETE) {
        c.u.complete.records = call->args.records;
        c.u.complete.count = call->args.record_count;
    }
    return call_step(call, &c);
}

#define ANSWER(name, op)                                                                           \
    static bool name(struct call *call, struct pack *out)                                          \
    {                                                                                              \
        (void)out;                                                                                 \
        return answer(call, op);                                                                   \
    }
ANSWER(run_accept, OP_ACCEPT)
ANSWER(run_decline, OP_DECLINE)
ANSWER(run_withdraw, OP_WITHDRAW)
ANSWER(run_start, OP_START)
ANSWER(run_complete, OP_COMPLETE)
ANSWER(run_release, OP_RELEASE)
ANSWER(run_no_show, OP_NO_SHOW)

/* The inbox of one organisation: its live offers, the soonest deadline first. */
static void pack_inbox(struct call *call, const struct org *org, struct pack *out)
{
    uint32_t *slots = arena_take(turn_arena(call->turn), (org_more(org)->live_count + 1) * sizeof *slots);
    uint32_t count = 0;
    int state = (int)arg_number(&call->args, P_OFFER_STATE, -1);
    uint32_t limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    for (uint32_t slot = org->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(call->engine, slot);
        const struct order *o = engine_order(call->engine, f->order_id);
        if ((state < 0 || f->state == state) && o != NULL && access_sees(call, o->region)) {
            uint32_t at = count++;
            while (at != 0) { /* few, and nearly sorted: they came in the sequence of their deadlines */
                const struct offer *before = engine_offer_slot(call->engine, slots[at - 1]);
                if (before->expires_at < f->expires_at ||
                    (before->expires_at == f->expires_at && before->id < f->id))
                    break;
                slots[at] = slots[at - 1];
                at--;
            }
            slots[at] = slot;
        }
        slot = f->next_of_org;
    }
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count && i < limit; i++) {
        const struct offer *f = engine_offer_slot(call->engine, slots[i]);
        pack_inbox_offer(out, call->engine, f, engine_order(call->engine, f->order_id));
    }
    pack_close(out);
    pack_next(out, 0);
    pack_key_uint(out, "count", count);
    pack_close(out);
}

/* Without a cursor an organisation's live offers; with `after`, or of an order, from the store. */
static bool run_list(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    int64_t state = arg_number(a, P_OFFER_STATE, -1);
    bool is_live = state == OFFER_PENDING || state == OFFER_ACCEPTED || state == OFFER_SERVING;
    if (arg_has(a, P_ORG) && !arg_has(a, P_AFTER) && !arg_has(a, P_ORDER) && (state < 0 || is_live)) {
        const struct org *org = engine_org(call->engine, (uint64_t)a->number[P_ORG]);
        if (org == NULL)
            return error_set(&call->error, REFUSAL_NOT_FOUND, "org", "%s", "");
        pack_inbox(call, org, out);
        return true;
    }
    call->query = query_new(QUERY_OFFERS);
    call->query->filter.org = (uint64_t)arg_number(a, P_ORG, 0);
    call->query->filter.order = (uint64_t)arg_number(a, P_ORDER, 0);
    call->query->filter.state = (int)state;
    call->query->filter.since = arg_number(a, P_SINCE, 0);
    call->query->filter.until = arg_number(a, P_UNTIL, 0);
    call->query->after = (uint64_t)arg_number(a, P_AFTER, 0);
    call->query->limit = (uint32_t)arg_number(a, P_LIMIT, 100);
    return true;
}

static void got_offers(struct call *call, const struct query *q, struct pack *out)
{
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->offer_count; i++)
        pack_offer(out, call->engine, &q->offers[i]);
    pack_close(out);
    pack_next(out, q->next);
    pack_close(out);
}

#define OFFER_ANSWER "{offer, offer_state, people, order, state}"

const struct method offer_methods[] = {
    {"offer.accept", ROLE_ORG | ROLE_DISPATCHER, "Take an offer, with all or some of its people. Saying it twice is the same as once.", OFFER_ANSWER, METHOD_WRITE, 1, {P_OFFER, P_PEOPLE, P_REASON, P_REF}, run_accept, encode_order_state, NULL},
    {"offer.decline", ROLE_ORG | ROLE_DISPATCHER, "Not this time.", OFFER_ANSWER, METHOD_WRITE, 2, {P_OFFER, P_REASON, P_REF}, run_decline, encode_order_state, NULL},
    {"offer.withdraw", ROLE_DISPATCHER, "Take a pending offer back.", OFFER_ANSWER, METHOD_WRITE, 1, {P_OFFER, P_REASON, P_REF}, run_withdraw, encode_order_state, NULL},
    {"offer.list", ROLE_ORG | ROLE_DISPATCHER, "With org alone: its live offers, soonest deadline first, with what is wanted. Else all offers by number, with a cursor.", "{items: [{offer, order, org, state, people, start_at, expires_at, …}], next}", METHOD_READER, 0, {P_ORG, P_ORDER, P_OFFER_STATE, P_SINCE, P_UNTIL, P_AFTER, P_LIMIT}, run_list, NULL, got_offers},
    {"service.start", ROLE_ORG | ROLE_DISPATCHER, "Service begins.", OFFER_ANSWER, METHOD_WRITE, 1, {P_OFFER, P_REF}, run_start, encode_order_state, NULL},
    {"service.complete", ROLE_ORG | ROLE_DISPATCHER, "Service is done; who served, and for how long. `held` is how many of the records wait for record.review.", "{offer, offer_state, people, order, state, held}", METHOD_WRITE, 1, {P_OFFER, P_RECORDS, P_REF}, run_complete, encode_order_state, NULL},
    {"service.release", ROLE_ORG | ROLE_DISPATCHER, "Give an accepted offer up; the missing people are sought again.", OFFER_ANSWER, METHOD_WRITE, 2, {P_OFFER, P_REASON, P_REF}, run_release, encode_order_state, NULL},
    {"service.no_show", ROLE_DISPATCHER, "The organisation did not come.", OFFER_ANSWER, METHOD_WRITE, 1, {P_OFFER, P_REASON, P_REF}, run_no_show, encode_order_state, NULL},
};
const int offer_method_count = (int)ARRAY_LEN(offer_methods);
