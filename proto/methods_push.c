/* methods_push.c -- push.*: what the platform is told, and what it would not take. */
#include "engine/pool.h"
#include "methods.h"
#include "push.h"

static struct push *push_or_error(struct call *call)
{
    struct push *push = turn_push(call->turn);
    if (push == NULL)
        error_set(&call->error, REFUSAL_UNAVAILABLE, NULL, "no push_url is set");
    return push;
}

static bool run_state(struct call *call, struct pack *out)
{
    const struct push *push = push_or_error(call);
    if (push == NULL)
        return false;
    pack_map(out);
    push_pack(push, "push", out);
    pack_close(out);
    return true;
}

static bool run_dead(struct call *call, struct pack *out)
{
    (void)out;
    call->query = query_new(QUERY_DEAD);
    call->query->after = (uint64_t)arg_number(&call->args, P_AFTER, 0);
    call->query->limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    return true;
}

static void got_dead(struct call *call, const struct query *q, struct pack *out)
{
    (void)call;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->dead_count; i++) {
        pack_map(out);
        pack_key_uint(out, "event", q->dead_letters[i].seq);
        pack_key_int(out, "at", q->dead_letters[i].at);
        pack_key_uint(out, "status", q->dead_letters[i].status);
        pack_key_bool(out, "parked", !push_is_for_good((int)q->dead_letters[i].status));
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, q->next);
    pack_close(out);
}

static bool note(struct call *call, uint64_t event)
{
    struct command c = {.op = OP_NOTE, .u.note.kind = EVENT_PUSH_RETRIED};
    if (!call_step(call, &c))
        return false;
    call->outcome.id = event;
    return true;
}

static bool run_retry(struct call *call, struct pack *out)
{
    struct push *push = push_or_error(call);
    uint64_t event = (uint64_t)call->args.number[P_EVENT];
    (void)out;
    if (push == NULL)
        return false;
    if (!push_retry(push, event))
        return error_set(&call->error, REFUSAL_OVERLOADED, "event", "%d dead letters wait for another try already", PUSH_RETRIES_MAX);
    return note(call, event);
}

static bool run_seek(struct call *call, struct pack *out)
{
    struct push *push = push_or_error(call);
    uint64_t event = (uint64_t)call->args.number[P_AFTER];
    uint64_t newest = turn_published(call->turn);
    (void)out;
    if (push == NULL)
        return false;
    if (event > newest) {
        error_set(&call->error, REFUSAL_OUT_OF_RANGE, "after", "after must be 0 to %llu", (unsigned long long)newest);
        return false;
    }
    push_seek(push, event);
    return note(call, event);
}

static void encode_event(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_uint(out, "event", call->outcome.id);
    pack_close(out);
}

const struct method push_methods[] = {
    {"push.state", ROLE_OPERATOR | ROLE_AUDITOR, "How far the platform has been told.", "{push: {up, cursor, behind, delivered, failed, dead, parked, parked_orders, last_status}}", METHOD_WHOLE, 0, {P_NONE}, run_state, NULL, NULL},
    {"push.dead", ROLE_OPERATOR | ROLE_AUDITOR, "Events that the platform did not take, by number: refused for good, or parked. An order whose events alone it does not take (500, no answer …) while it takes others' is parked: its events wait in their sequence, are tried after ten minutes up to an hour, and go before newer ones of the order.", "{items: [{event, at, status, parked}], next}: status 0: no answer, or not tried yet", METHOD_READER | METHOD_WHOLE, 0, {P_AFTER, P_LIMIT}, run_dead, NULL, got_dead},
    {"push.retry", ROLE_OPERATOR, "Tell one of them once more; of a parked order: the first of its events, and when it is taken the others.", "{event}", METHOD_WRITE, 1, {P_EVENT, P_REF}, run_retry, encode_event, NULL},
    {"push.seek", ROLE_OPERATOR, "Go on after another event: all since are told again.", "{event}", METHOD_WRITE, 1, {P_AFTER, P_REF}, run_seek, encode_event, NULL},
};
const int push_method_count = (int)ARRAY_LEN(push_methods);
