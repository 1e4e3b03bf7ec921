/* methods_contact.c -- contact.*: personal data of orders, and where a home is.
 *
 * The exact place of an order with personal data stands in its contact and nowhere else: whatever brings
 * one goes through contact_keep(), whose event makes the engine round the order's own. */
#include <stdio.h>
#include <string.h>

#include "engine/geo.h"
#include "engine/pool.h"
#include "methods.h"

static void contact_text(const struct node *map, const char *key, char *to, size_t size)
{
    const struct node *value = node_get(map, key);
    if (value != NULL)
        snprintf(to, size, "%.*s", (int)value->count, value->u.text);
}

static int32_t contact_degrees(const struct node *value)
{
    double degrees = value->kind == NODE_INT ? (double)value->u.number : value->u.real;
    return (int32_t)(degrees * 1e7 + (degrees < 0 ? -0.5 : 0.5));
}

bool contact_from_args(const struct call *call, struct contact_row *row)
{
    const struct node *map = call->args.contact;
    *row = (struct contact_row){.put_at = call->now};
    if (map != NULL) {
        contact_text(map, "name", row->name, sizeof row->name);
        contact_text(map, "phone", row->phone, sizeof row->phone);
        contact_text(map, "address", row->address, sizeof row->address);
        contact_text(map, "note", row->note, sizeof row->note);
        contact_text(map, "proxy_name", row->proxy_name, sizeof row->proxy_name);
        contact_text(map, "proxy_phone", row->proxy_phone, sizeof row->proxy_phone);
        const struct node *lat = node_get(map, "lat");
        const struct node *lon = node_get(map, "lon");
        row->has_point = lat != NULL && lon != NULL;
        if (row->has_point) {
            row->lat = contact_degrees(lat);
            row->lon = contact_degrees(lon);
        }
    }
    if (arg_has(&call->args, P_NOTE))
        snprintf(row->note, sizeof row->note, "%s", call->args.text[P_NOTE]);
    return map != NULL || arg_has(&call->args, P_NOTE);
}

void contact_take_home(struct contact_row *contact, int32_t lat, int32_t lon)
{
    if (contact->has_point)
        return;
    contact->has_point = true;
    contact->lat = lat;
    contact->lon = lon;
}

bool contact_keep(struct call *call, const struct contact_row *row)
{
    uint64_t kept = call->outcome.id;
    struct command c = {.op = OP_NOTE, .order = row->order_id, .u.note.kind = EVENT_CONTACT_PUT};
    bool is_good = call_step(call, &c);
    call->outcome.id = kept != 0 ? kept : row->order_id;
    if (is_good)
        call_add_contact(call, row);
    return is_good;
}

void contact_move_home(struct call *call, uint64_t order, int32_t lat, int32_t lon)
{
    const struct order *o = engine_order(call->engine, order);
    struct contact_row row = {.order_id = order, .series = o->series, .put_at = call->now,
                              .change = CONTACT_MOVED, .has_point = true, .lat = lat, .lon = lon};
    contact_keep(call, &row);
}

/* Whether an order stands at a place of its own that is not rounded yet. */
static bool has_exact_place(const struct engine *e, const struct order *o)
{
    const struct region *region = engine_region_slot(e, o->region_slot);
    bool is_rounded = o->lat == geo_rounded(o->lat) && o->lon == geo_rounded(o->lon);
    return !is_rounded && (o->lat != region->lat || o->lon != region->lon);
}

static bool run_put(struct call *call, struct pack *out)
{
    (void)out;
    struct contact_row row;
    const struct order *o = engine_order(call->engine, (uint64_t)call->args.number[P_ORDER]);
    contact_from_args(call, &row);
    row.order_id = (uint64_t)call->args.number[P_ORDER];
    row.series = o != NULL ? o->series : 0;
    if (o != NULL && has_exact_place(call->engine, o))
        contact_take_home(&row, o->lat, o->lon);
    bool is_good = contact_keep(call, &row);
    explicit_bzero(&row, sizeof row);
    return is_good;
}

static bool ask_about(struct call *call, enum query_kind kind)
{
    call->query = query_new(kind);
    call->query->filter.order = (uint64_t)call->args.number[P_ORDER];
    return true;
}

/* Puts down what was done with the data of an order, open or ended, in the region where it is. */
static bool note_about(struct call *call, const struct order *o, enum event_kind kind)
{
    struct command c = {.op = OP_NOTE, .order = o->id, .u.note = {.kind = kind, .region = o->region}};
    return call_step(call, &c);
}

static bool run_get(struct call *call, struct pack *out)
{
    (void)out;
    return ask_about(call, QUERY_CONTACT);
}

/* Only who is shown something has looked at it. */
static void got(struct call *call, const struct query *q, struct pack *out)
{
    if (!q->is_found) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "order", "%s", "");
        return;
    }
    if (!note_about(call, q->orders, EVENT_CONTACT_READ))
        return;
    pack_map(out);
    pack_key_uint(out, "order", q->contact.order_id);
    pack_key_text(out, "name", q->contact.name);
    pack_key_text(out, "phone", q->contact.phone);
    pack_key_text(out, "address", q->contact.address);
    pack_key_text(out, "note", q->contact.note);
    if (q->contact.proxy_name[0] != '\0')
        pack_key_text(out, "proxy_name", q->contact.proxy_name);
    if (q->contact.proxy_phone[0] != '\0')
        pack_key_text(out, "proxy_phone", q->contact.proxy_phone);
    if (q->contact.has_point) {
        pack_key_degrees(out, "lat", q->contact.lat);
        pack_key_degrees(out, "lon", q->contact.lon);
    }
    pack_close(out);
}

static bool run_find(struct call *call, struct pack *out)
{
    (void)out;
    call->query = query_new(QUERY_PHONE);
    call->query->limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    snprintf(call->query->path, sizeof call->query->path, "%s", call->args.text[P_PHONE]);
    return true;
}

/* That somebody was looked for is put down, with each order that was found; the number is not. */
static void found(struct call *call, const struct query *q, struct pack *out)
{
    struct command c = {.op = OP_NOTE, .u.note = {.kind = EVENT_CONTACT_SOUGHT, .region = call->who.region}};
    if (q->order_count == 0 && !call_step(call, &c))
        return;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < q->order_count; i++) {
        if (!note_about(call, &q->orders[i], EVENT_CONTACT_SOUGHT))
            return;
        pack_map(out);
        pack_order(out, call->engine, &q->orders[i]);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, 0);
    pack_close(out);
}

static bool run_erase(struct call *call, struct pack *out)
{
    (void)out;
    return ask_about(call, QUERY_HOLDER);
}

/* Open or ended, an order or a recurring one, whose orders' own data go with it. What one order of it shared
 * is not shown through that order any more, and stays for the others: `series` says so. */
static void erase(struct call *call, const struct query *q, struct pack *out)
{
    if (!q->is_found) {
        error_set(&call->error, REFUSAL_NOT_FOUND, "order", "%s", "");
        return;
    }
    const struct order *o = engine_order(call->engine, q->orders->id);
    o = o != NULL ? o : q->orders;
    bool is_series = o->series == o->id;
    struct contact_row row = {.order_id = o->id, .series = o->series, .change = CONTACT_ERASED};
    if (!note_about(call, o, EVENT_CONTACT_ERASED))
        return;
    call_add_contact(call, &row);
    pack_map(out);
    pack_key_uint(out, "order", o->id);
    if (!is_series)
        pack_key_text(out, "state", word_name(&words_order_state, o->state));
    if (!is_series && o->series != 0)
        pack_key_uint(out, "series", o->series);
    pack_close(out);
}

#define LATER (METHOD_WRITE | METHOD_READER | METHOD_LATER)

const struct method contact_methods[] = {
    {"contact.put", ROLE_PLATFORM | ROLE_DISPATCHER, "Keep personal data of an open order, in place of what was kept. The exact place of its home stays when none is given.", "{order, state}", METHOD_WRITE, 2, {P_ORDER, P_CONTACT, P_REF}, run_put, encode_order_state, NULL},
    {"contact.get", ROLE_DISPATCHER | ROLE_ORG, "Personal data of an order. Each look that shows something is an audited event.", "{order, name, phone, address, note, lat, lon}", LATER, 1, {P_ORDER}, run_get, encode_packed, got},
    {"contact.find", ROLE_DISPATCHER, "The orders of a telephone number, the newest first. Each search is an audited event, of each order that it finds.", "{items: [{order, state, …}], next}", LATER, 1, {P_PHONE, P_LIMIT}, run_find, encode_packed, found},
    {"contact.erase", ROLE_PLATFORM | ROLE_DISPATCHER, "Forget the personal data of an order, open or ended: they cannot be read through it any more. When a recurring order placed it, those that all of its orders share stay for the others, and the answer names it as `series`. With the number of a recurring order: forget its data and those of all its orders.", "{order, state, series}", LATER, 1, {P_ORDER, P_REASON}, run_erase, encode_packed, erase},
};
const int contact_method_count = (int)ARRAY_LEN(contact_methods);
