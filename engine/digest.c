/* digest.c -- one number for the whole state, and the check of every invariant.
 *
 * The digest is a sum over the objects, so it does not depend on where they lie in memory or in which
 * sequence they came; two engines with the same digest answer alike. */
#include <string.h>

#include "diary.h"
#include "state.h"

static uint64_t mix(uint64_t digest, uint64_t value)
{
    return hash64(digest ^ value) + digest;
}

static uint64_t mix_bytes(uint64_t digest, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        digest = (digest ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash64(digest);
}

static uint64_t digest_order(const struct order *o)
{
    uint64_t digest = 1;
#define ORDER_FIELD(type, name) digest = mix(digest, (uint64_t)o->name);
#include "fields.def"
#undef ORDER_FIELD
    digest = mix_bytes(digest, &o->skills, sizeof o->skills);
    digest = mix_bytes(digest, o->external_id, strlen(o->external_id));
    return mix_bytes(digest, o->claimed_by, strlen(o->claimed_by));
}

static uint64_t digest_offer(const struct offer *f)
{
    uint64_t digest = 2;
#define OFFER_FIELD(type, name) digest = mix(digest, (uint64_t)f->name);
#include "fields.def"
#undef OFFER_FIELD
    return digest;
}

static uint64_t digest_org(const struct org *org)
{
    const struct org_more *more = org_more(org);
    uint64_t digest = 3;
#define ORG_FIELD(type, name) digest = mix(digest, (uint64_t)org->name);
#define TALLY_FIELD(type, name) digest = mix(digest, (uint64_t)org->tally.name);
#include "fields.def"
#undef ORG_FIELD
#undef TALLY_FIELD
#define RECENT_FIELD(type, name) digest = mix(digest, (uint64_t)more->recent.name);
#include "fields.def"
#undef RECENT_FIELD
    digest = mix_bytes(digest, &org->skills, sizeof org->skills);
    digest = mix_bytes(digest, &more->certified, sizeof more->certified);
    digest = mix_bytes(digest, &org->week, sizeof org->week);
    digest = mix_bytes(digest, org->name, strlen(org->name));
    for (uint32_t i = 0; i < more->region_count; i++)
        digest = mix(digest, more->regions[i]);
    for (uint32_t i = 0; i < more->date_count; i++) {
        digest = mix(digest, (uint64_t)more->dates[i].day);
        digest = mix(digest, (uint64_t)more->dates[i].is_closed);
        digest = mix(digest, more->dates[i].half_hours);
    }
    return digest;
}

static uint64_t digest_series(const struct series *s)
{
    uint64_t digest = 7;
#define SERIES_FIELD(type, name) digest = mix(digest, (uint64_t)s->name);
#include "fields.def"
#undef SERIES_FIELD
    digest = mix_bytes(digest, &s->skills, sizeof s->skills);
    digest = mix_bytes(digest, &s->week, sizeof s->week);
    return mix_bytes(digest, s->made_by, strlen(s->made_by));
}

/* Records that wait, recurring orders, emergencies. */
static uint64_t digest_few(const struct engine *e)
{
    uint64_t sum = mix(8, e->next.record) + mix(11, e->gone_sum);
    uint32_t slot = SLOT_NONE;
    for (const struct record_row *r; (r = engine_next_held(e, &slot)) != NULL;)
        sum += mix(mix(mix(mix(9, r->id), r->volunteer), (uint64_t)r->day << 32 | r->minutes), r->state);
    slot = SLOT_NONE;
    for (const struct series *s; (s = engine_next_series(e, &slot)) != NULL;)
        sum += digest_series(s);
    for (uint32_t i = 0; i < e->emergency_count; i++)
        sum += mix(mix(10, e->emergencies[i].region), (uint64_t)e->emergencies[i].until);
    return sum;
}

uint64_t engine_digest(const struct engine *e)
{
    uint64_t sum = mix(mix(mix(mix(4, e->next.order), e->next.offer), e->next.org), e->next.event);
    sum += digest_few(e);
    uint32_t slot = SLOT_NONE;
    for (const struct order *o; (o = engine_next_order(e, &slot)) != NULL;)
        sum += order_has_ended(o) ? 0 : digest_order(o);
    for (uint32_t i = 0; i < e->offers.used; i++) {
        const struct offer *f = offer_at(e, i);
        if (f->id != 0 && !order_has_ended(order_at(e, f->order_slot)))
            sum += digest_offer(f);
    }
    slot = SLOT_NONE;
    for (const struct org *org; (org = engine_next_org(e, &slot)) != NULL;)
        sum += digest_org(org);
    for (uint64_t i = 0; i < e->pairs.room; i++)
        if (e->pairs.entries[i].person != 0)
            sum += mix(mix(5, e->pairs.entries[i].person), e->pairs.entries[i].org);
    for (int i = 0; i < e->catalogue.count; i++)
        sum += mix_bytes(mix(6, (uint64_t)i), e->catalogue.skills[i].name,
                         strlen(e->catalogue.skills[i].name));
    return sum;
}

static void check_order(const struct engine *e, const struct order *o)
{
    uint32_t covered = 0;
    uint32_t pending = 0;
    uint32_t pending_count = 0;
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = offer_at(e, slot);
        slot = f->next_of_order;
        must(f->order_id == o->id && f->people != 0);
        must(f->is_linked == offer_is_live(f));
        must((f->heap_place != 0) == (f->state == OFFER_PENDING));
        if (f->round != o->round)
            continue;
        pending += f->state == OFFER_PENDING ? f->people : 0;
        pending_count += f->state == OFFER_PENDING;
        if (f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING || f->state == OFFER_COMPLETED)
            covered += f->people;
    }
    must(covered == o->covered && pending == o->pending);
    must(o->covered <= o->headcount && o->people_min <= o->headcount);
    must(o->is_queued == order_is_waiting(o));
    must(o->ends_at - o->starts_at >= o->minutes * INT64_C(60000));
    if (o->state == ORDER_OFFERED)
        must(pending_count != 0 && covered < o->headcount);
    if (o->state == ORDER_READY)
        must(pending_count == 0 && covered < o->headcount);
    if (o->state >= ORDER_ACCEPTED && o->state <= ORDER_DONE)
        must(covered == o->headcount && pending_count == 0);
    if (o->state < ORDER_READY || order_has_ended(o))
        must(pending_count == 0);
}

/* No half-hour of any organisation is promised twice, but where its capacity was lowered since. */
static void check_org(const struct engine *e, const struct org *org)
{
    const struct org_more *more = org_more(org);
    uint32_t live = 0;
    uint64_t promised = 0; /* people times half-hours */
    uint64_t written = 0;
    for (uint32_t slot = org->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = offer_at(e, slot);
        slot = f->next_of_org;
        must(f->org == org->id && f->is_linked && f->is_held == offer_holds(f));
        live++;
        int64_t first = calendar_half_hour(&e->calendar, f->start_at);
        int64_t last = calendar_half_hour(&e->calendar, f->start_at + f->minutes * INT64_C(60000) - 1);
        promised += f->is_held ? f->people * (uint64_t)(last - first + 1) : 0;
        for (int64_t i = first; f->is_held && i <= last; i++)
            must(diary_used(more, i) >= f->people);
    }
    for (int64_t i = 0; i < more->diary_count * (int64_t)HALF_HOURS_A_DAY; i++)
        written += diary_used(more, more->diary_first * (int64_t)HALF_HOURS_A_DAY + i);
    must(live == more->live_count && promised == written);
    must(org->capacity >= 1 && org->reach_m >= 1);
    must(more->recent.aged_on == 0 || org->tally.activity == org_activity(org).index);
}

void engine_check(const struct engine *e)
{
    uint32_t slot = SLOT_NONE;
    uint32_t orders = 0;
    for (const struct order *o; (o = engine_next_order(e, &slot)) != NULL; orders++)
        check_order(e, o);
    must(orders == e->orders.live_count);
    slot = SLOT_NONE;
    for (const struct org *org; (org = engine_next_org(e, &slot)) != NULL;)
        check_org(e, org);
    for (uint32_t i = 1; i <= e->timers.count; i++)
        must(*e->timers.entries[i].place == i);
}
