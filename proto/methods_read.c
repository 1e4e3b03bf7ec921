/* methods_read.c -- lists, histories, the change feed, tables and figures. */
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "methods.h"

static int by_code(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void collect_regions(const struct engine *e, uint32_t slot, bool below, uint64_t *codes,
                            uint32_t *count)
{
    codes[(*count)++] = engine_region_slot(e, slot)->code;
    for (uint32_t child = engine_region_slot(e, slot)->first_child; below && child != SLOT_NONE;
         child = engine_region_slot(e, child)->next_sibling)
        collect_regions(e, child, below, codes, count);
}

bool place_from_cursor(struct call *call, uint32_t *place)
{
    int64_t after = arg_number(&call->args, P_AFTER, 0);
    *place = (uint32_t)after;
    return after < UINT32_MAX || error_set(&call->error, REFUSAL_BAD_VALUE, "after", "it is no cursor of this list: take `next` of its last page");
}

/* The codes of the region parameter and, unless `below` is false, of all below it, sorted; owned by the
 * caller; NULL with the call's error when there is none. */
static uint64_t *regions_from_args(struct call *call, uint32_t *count)
{
    uint32_t slot = engine_region_find(call->engine, (uint64_t)call->args.number[P_REGION]);
    if (slot == SLOT_NONE) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
        return NULL;
    }
    uint64_t *codes = must_alloc(engine_region_count(call->engine), sizeof *codes);
    *count = 0;
    collect_regions(call->engine, slot, arg_number(&call->args, P_BELOW, 1) != 0, codes, count);
    qsort(codes, *count, sizeof *codes, by_code);
    return codes;
}

struct query *question_from_args(struct call *call, enum query_kind kind)
{
    const struct args *a = &call->args;
    struct query *q = query_new(kind);
    struct query_filter *f = &q->filter;
    if (arg_has(a, P_REGION)) {
        f->regions = regions_from_args(call, &f->region_count);
        if (f->regions == NULL) {
            query_free(q);
            return NULL;
        }
    }
    f->order = (uint64_t)arg_number(a, P_ORDER, 0);
    f->offer = (uint64_t)arg_number(a, P_OFFER, 0);
    f->org = (uint64_t)arg_number(a, P_ORG, 0);
    f->volunteer = (uint64_t)arg_number(a, P_VOLUNTEER, 0);
    f->state = (int)arg_number(a, P_STATE, -1);
    f->kind = (int)arg_number(a, P_KIND, -1);
    f->since = arg_number(a, P_SINCE, 0);
    f->until = arg_number(a, P_UNTIL, 0);
    q->after = (uint64_t)arg_number(a, P_AFTER, 0);
    q->limit = (uint32_t)arg_number(a, P_LIMIT, 100);
    return q;
}

static bool run_orders(struct call *call, struct pack *out)
{
    (void)out;
    return (call->query = question_from_args(call, QUERY_ORDERS)) != NULL;
}

static void got_orders(struct call *call, const struct query *q, struct pack *out)
{
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->order_count; i++) {
        const struct order *live = engine_order(call->engine, q->orders[i].id);
        struct order o = q->orders[i];
        if (live != NULL) { /* people covered and asked are not stored with it */
            o.covered = live->covered;
            o.pending = live->pending;
        } else if (o.state == ORDER_CLOSED) {
            o.covered = o.headcount;
        }
        pack_map(out);
        pack_order(out, call->engine, &o);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, q->next);
    pack_close(out);
}

static bool run_history(struct call *call, struct pack *out)
{
    (void)out;
    return (call->query = question_from_args(call, QUERY_HISTORY)) != NULL;
}

static bool run_events(struct call *call, struct pack *out)
{
    (void)out;
    return (call->query = question_from_args(call, QUERY_EVENTS)) != NULL;
}

static void got_events(struct call *call, const struct query *q, struct pack *out)
{
    if (q->kind == QUERY_HISTORY && !q->is_found) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "order", "%s", "");
        return;
    }
    if (q->kind == QUERY_HISTORY && q->is_elsewhere) {
        error_set(&call->error, REFUSAL_BAD_VALUE, "after", "it is no cursor of this order: take `next` of its last page");
        return;
    }
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->event_count; i++)
        pack_event(out, &q->events[i]);
    pack_close(out);
    pack_next(out, q->next);
    pack_close(out);
}

static bool run_subscribe(struct call *call, struct pack *out)
{
    struct query *q = question_from_args(call, QUERY_EVENTS);
    if (q == NULL)
        return false;
    access_narrow(call, q);
    bool is_subscribed = turn_subscribe(call, arg_has(&call->args, P_AFTER) ? q->after : UINT64_MAX, &q->filter);
    if (!is_subscribed)
        free((void *)(uintptr_t)q->filter.regions);
    query_free(q); /* the subscription has the filter's regions now */
    if (!is_subscribed)
        return false;
    pack_map(out);
    pack_key_uint(out, "subscription", call->outcome.id);
    pack_close(out);
    return true;
}

static bool run_summary(struct call *call, struct pack *out)
{
    (void)out;
    return (call->query = question_from_args(call, QUERY_SUMMARY)) != NULL;
}

static void got_summary(struct call *call, const struct query *q, struct pack *out)
{
    const struct catalogue *catalogue = engine_catalogue(call->engine);
    uint64_t states[ORDER_STATE_COUNT] = {0};
    uint64_t total = 0;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->count_count; i++) {
        const struct summary_row *row = &q->counts[i];
        states[row->state] += row->orders;
        total += row->orders;
        pack_map(out);
        pack_key_text(out, "state", word_name(&words_order_state, row->state));
        pack_key_text(out, "category", catalogue->skills[row->category].name);
        pack_key_text(out, "priority", word_name(&words_priority, row->priority));
        pack_key_uint(out, "orders", row->orders);
        pack_key_uint(out, "headcount", row->headcount);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_key_uint(out, "orders", total);
    pack_key(out, "states");
    pack_map(out);
    for (int i = 0; i < ORDER_STATE_COUNT; i++)
        pack_key_uint(out, word_name(&words_order_state, i), states[i]);
    pack_close(out);
    pack_close(out);
}

/* Why the activity index is what it is: its parts with their weights, and what is counted of late. */
static void pack_activity(const struct org *org, struct pack *out)
{
    const struct recent *r = &org_more(org)->recent;
    struct activity a = org_activity(org);
    pack_key(out, "activity_parts");
    pack_list(out);
    for (int i = 0; i < ACTIVITY_PARTS; i++) {
        pack_map(out);
        pack_key_text(out, "part", activity_part_names[i]);
        pack_key_uint(out, "value", a.part[i]);
        pack_key_uint(out, "weight", activity_weights[i]);
        pack_close(out);
    }
    pack_close(out);
    pack_key(out, "recent");
    pack_map(out);
    if (r->aged_on != 0)
        pack_key_date(out, "as_of", r->aged_on);
    pack_key_real(out, "asked", r->asked / 1000.0);
    pack_key_real(out, "accepts", r->accepts / 1000.0);
    pack_key_real(out, "completes", r->completes / 1000.0);
    pack_key_real(out, "broken", r->broken / 1000.0);
    pack_key_real(out, "attendances", r->attendances / 1000.0);
    pack_key_real(out, "hours", r->hours / 1000.0);
    pack_key_real(out, "ratings", r->ratings / 1000.0);
    pack_key_real(out, "stars", r->ratings != 0 ? (double)r->stars / r->ratings : 0);
    pack_close(out);
}

static bool run_stats_org(struct call *call, struct pack *out)
{
    const struct org *org = engine_org(call->engine, (uint64_t)call->args.number[P_ORG]);
    if (org == NULL)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "org", "%s", "");
    pack_map(out);
    pack_key_uint(out, "org", org->id);
    pack_key_text(out, "name", org->name);
#define TALLY_FIELD(type, name) pack_key_int(out, #name, (int64_t)org->tally.name);
#include "engine/fields.def"
#undef TALLY_FIELD
    if (access_counts_org(call, org))
        pack_key_uint(out, "live_offers", org_more(org)->live_count);
    pack_activity(org, out);
    pack_close(out);
    return true;
}

/* The queue of a region: more urgent first, then the sooner deadline, then the older order. */

struct queue_item {
    const struct order *order;
};

static int by_urgency(const void *a, const void *b)
{
    const struct order *x = ((const struct queue_item *)a)->order;
    const struct order *y = ((const struct queue_item *)b)->order;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->due_at != y->due_at)
        return x->due_at < y->due_at ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void collect_queue(struct call *call, uint32_t region, struct queue_item **items,
                          uint32_t *count, uint32_t *room)
{
    const struct region *r = engine_region_slot(call->engine, region);
    for (uint32_t slot = r->queue_first; slot != SLOT_NONE;) {
        const struct order *o = engine_order_slot(call->engine, slot);
        if (*count == *room) {
            *room = *room != 0 ? *room * 2 : 64;
            *items = must_realloc(*items, *room, sizeof **items);
        }
        (*items)[(*count)++] = (struct queue_item){.order = o};
        slot = o->queue_next;
    }
    for (uint32_t child = r->first_child; arg_number(&call->args, P_BELOW, 1) != 0 && child != SLOT_NONE;
         child = engine_region_slot(call->engine, child)->next_sibling)
        collect_queue(call, child, items, count, room);
}

static bool run_queue(struct call *call, struct pack *out)
{
    uint32_t region = engine_region_find(call->engine, (uint64_t)call->args.number[P_REGION]);
    if (region == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    struct queue_item *items = NULL;
    uint32_t from = 0;
    uint32_t count = 0;
    uint32_t room = 0;
    if (!place_from_cursor(call, &from))
        return false;
    collect_queue(call, region, &items, &count, &room);
    if (count != 0)
        qsort(items, count, sizeof *items, by_urgency);
    uint64_t until = from + (uint64_t)arg_number(&call->args, P_LIMIT, 100);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint64_t i = from; i < until && i < count; i++) {
        pack_map(out);
        pack_order(out, call->engine, items[i].order);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, until < count ? until : 0);
    pack_key_uint(out, "waiting", count);
    pack_close(out);
    free(items);
    return true;
}

static bool run_region(struct call *call, struct pack *out)
{
    uint32_t slot = engine_region_find(call->engine, (uint64_t)call->args.number[P_REGION]);
    if (slot == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    pack_region(out, call->engine, slot, access_counts(call, engine_region_slot(call->engine, slot)->code));
    return true;
}

/* The regions right below one, or all, by their sequence in the table. */
static bool run_regions(struct call *call, struct pack *out)
{
    uint64_t parent = (uint64_t)arg_number(&call->args, P_REGION, 0);
    uint32_t limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    uint32_t slot = 0;
    uint32_t outer = engine_region_find(call->engine, parent);
    uint32_t taken = 0;
    if (!place_from_cursor(call, &slot))
        return false;
    if (parent != 0 && outer == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (; slot < engine_region_count(call->engine) && taken < limit; slot++) {
        if (parent != 0 && engine_region_slot(call->engine, slot)->parent != outer)
            continue;
        pack_region(out, call->engine, slot, access_counts(call, engine_region_slot(call->engine, slot)->code));
        taken++;
    }
    pack_close(out);
    pack_next(out, slot < engine_region_count(call->engine) ? slot : 0);
    pack_close(out);
    return true;
}

#define LIST_ANSWER "{items: […], next}"

const struct method read_methods[] = {
    {"order.list", ROLE_EVERY & ~ROLE_ORG & ~ROLE_OPERATOR, "Orders by number, open and ended, of a region and below, in a state.", LIST_ANSWER, METHOD_READER, 0, {P_REGION, P_BELOW, P_STATE, P_SINCE, P_UNTIL, P_AFTER, P_LIMIT}, run_orders, NULL, got_orders},
    {"order.history", ROLE_EVERY & ~ROLE_ORG & ~ROLE_OPERATOR, "The events of one order, oldest first; `next` leads to older ones.", LIST_ANSWER, METHOD_READER, 1, {P_ORDER, P_AFTER, P_LIMIT}, run_history, NULL, got_events},
    {"queue.list", ROLE_DISPATCHER, "What waits at a region and below: more urgent first, then the sooner deadline.", "{items: […], next, waiting}", 0, 1, {P_REGION, P_BELOW, P_AFTER, P_LIMIT}, run_queue, NULL, NULL},
    {"event.read", ROLE_PLATFORM | ROLE_AUDITOR, "The change feed from any point.", LIST_ANSWER, METHOD_READER, 0, {P_AFTER, P_REGION, P_BELOW, P_ORDER, P_ORG, P_KIND, P_SINCE, P_UNTIL, P_LIMIT}, run_events, NULL, got_events},
    {"event.subscribe", ROLE_PLATFORM | ROLE_DISPATCHER | ROLE_ORG, "Notifications [2, \"event\", [{…}]] from now on, or from `after` on, until the connection ends.", "{subscription}", 0, 0, {P_AFTER, P_REGION, P_BELOW, P_ORDER, P_ORG, P_KIND}, run_subscribe, NULL, NULL},
    {"stats.summary", ROLE_SUPERVISOR | ROLE_AUDITOR, "Orders counted by state, category and priority.", "{items: [{state, category, priority, orders, headcount}], next, orders, states}", METHOD_READER, 0, {P_REGION, P_BELOW, P_SINCE, P_UNTIL}, run_summary, NULL, got_summary},
    {"stats.org", ROLE_SUPERVISOR | ROLE_ORG, "What an organisation has done, its activity index, and why that is what it is.", "{org, name, accept_count, …, activity, activity_parts: [{part, value, weight}], recent: {as_of, asked, …}}", 0, 1, {P_ORG}, run_stats_org, NULL, NULL},
    {"region.get", ROLE_EVERY, "One region; `waiting` is how many orders do, for who may see them.", "{region, name, level, parent, county, lat, lon, waiting?}", 0, 1, {P_REGION}, run_region, NULL, NULL},
    {"region.list", ROLE_EVERY, "The regions right below one, or all.", LIST_ANSWER, 0, 0, {P_REGION, P_AFTER, P_LIMIT}, run_regions, NULL, NULL},
};
const int read_method_count = (int)ARRAY_LEN(read_methods);
