#include "encode.h"

#include "engine/geo.h"
#include "engine/pool.h"
#include "params.h"

void pack_skills(struct pack *pack, const char *key, const struct engine *engine,
                 const struct skillset *set)
{
    const struct catalogue *catalogue = engine_catalogue(engine);
    pack_key(pack, key);
    pack_list(pack);
    SKILLSET_EACH(set, skill)
        if (skill < catalogue->count)
            pack_text(pack, catalogue->skills[skill].name);
    pack_close(pack);
}

void pack_key_date(struct pack *pack, const char *key, int32_t day)
{
    char text[11];
    date_format(day, text);
    pack_key_text(pack, key, text);
}

static void pack_word(struct pack *pack, const char *key, const struct wordlist *list, int number)
{
    pack_key_text(pack, key, word_name(list, number));
}

static void pack_groups(struct pack *pack, uint8_t groups)
{
    pack_key(pack, "groups");
    pack_list(pack);
    for (int i = 0; i < GROUP_COUNT; i++)
        if ((groups >> i & 1) != 0)
            pack_text(pack, word_name(&words_group, i));
    pack_close(pack);
}

static void pack_wish(struct pack *pack, const struct engine *engine, const struct order *o)
{
    uint32_t region = engine_region_find(engine, o->region);
    pack_key_uint(pack, "region", o->region);
    if (region != SLOT_NONE)
        pack_key_text(pack, "region_name", engine_region_slot(engine, region)->name);
    pack_key_uint(pack, "county", o->county);
    pack_key_text(pack, "category", engine_catalogue(engine)->skills[o->category].name);
    pack_skills(pack, "skills", engine, &o->skills);
    pack_word(pack, "priority", &words_priority, o->priority);
    pack_groups(pack, o->groups);
    pack_key_int(pack, "starts_at", o->starts_at);
    pack_key_int(pack, "ends_at", o->ends_at);
    pack_key_uint(pack, "minutes", o->minutes);
    pack_key_uint(pack, "headcount", o->headcount);
    pack_key_bool(pack, "remote", o->is_remote);
    pack_key_bool(pack, "risk", o->is_risk);
}

static void pack_nonzero(struct pack *pack, const char *key, uint64_t number)
{
    if (number != 0)
        pack_key_uint(pack, key, number);
}

void pack_order(struct pack *pack, const struct engine *engine, const struct order *o)
{
    pack_key_uint(pack, "order", o->id);
    pack_word(pack, "state", &words_order_state, o->state);
    pack_word(pack, "level", &words_level, o->level);
    pack_word(pack, "mode", &words_mode, o->mode);
    pack_wish(pack, engine, o);
    if (!o->is_remote) {
        pack_key_degrees(pack, "lat", o->lat);
        pack_key_degrees(pack, "lon", o->lon);
    }
    pack_key_uint(pack, "people_min", o->people_min);
    pack_key_uint(pack, "covered", o->covered);
    pack_key_uint(pack, "pending", o->pending);
    pack_key_bool(pack, "proxy", o->is_proxy);
    pack_key_bool(pack, "suspended", o->is_suspended);
    pack_key_int(pack, "placed_at", o->placed_at);
    pack_key_int(pack, "moved_at", o->moved_at);
    pack_nonzero(pack, "start_at", (uint64_t)o->start_at);
    pack_nonzero(pack, "due_at", (uint64_t)o->due_at);
    pack_nonzero(pack, "supervised_until", (uint64_t)o->supervised_until);
    pack_nonzero(pack, "max_distance_m", o->max_distance_m);
    pack_nonzero(pack, "person", o->person);
    pack_nonzero(pack, "merged_into", o->merged_into);
    pack_nonzero(pack, "series", o->series);
    pack_nonzero(pack, "declines", o->declines);
    pack_nonzero(pack, "stars", o->rating);
    if (o->external_id[0] != '\0')
        pack_key_text(pack, "external_id", o->external_id);
    if (o->claimed_until != 0) {
        pack_key_text(pack, "claimed_by", o->claimed_by);
        pack_key_int(pack, "claimed_until", o->claimed_until);
    }
}

static void pack_offer_body(struct pack *pack, const struct offer *f)
{
    pack_key_uint(pack, "offer", f->id);
    pack_key_uint(pack, "order", f->order_id);
    pack_key_uint(pack, "org", f->org);
    pack_word(pack, "state", &words_offer_state, f->state);
    pack_key_uint(pack, "people", f->people);
    pack_word(pack, "mode", &words_mode, f->mode);
    pack_key_int(pack, "start_at", f->start_at);
    pack_key_uint(pack, "minutes", f->minutes);
    pack_key_int(pack, "made_at", f->made_at);
    pack_key_int(pack, "expires_at", f->expires_at);
    pack_nonzero(pack, "answered_at", (uint64_t)f->answered_at);
    if (f->is_covered)
        pack_key_bool(pack, "covered", true);
}

static void pack_org_name(struct pack *pack, const struct engine *engine, uint64_t id)
{
    const struct org *org = engine_org(engine, id);
    if (org != NULL)
        pack_key_text(pack, "org_name", org->name);
}

void pack_offer(struct pack *pack, const struct engine *engine, const struct offer *f)
{
    pack_map(pack);
    pack_offer_body(pack, f);
    pack_org_name(pack, engine, f->org);
    pack_close(pack);
}

void pack_inbox_offer(struct pack *pack, const struct engine *engine, const struct offer *f,
                      const struct order *o)
{
    pack_map(pack);
    pack_offer_body(pack, f);
    pack_org_name(pack, engine, f->org);
    pack_wish(pack, engine, o);
    if (!o->is_remote) {
        pack_key_degrees(pack, "lat", geo_rounded(o->lat));
        pack_key_degrees(pack, "lon", geo_rounded(o->lon));
    }
    pack_close(pack);
}

/* An answer must fit a frame: who wants the offers of a large broadcast asks offer.list for pages. */
#define OFFERS_SHOWN 200

void pack_order_offers(struct pack *pack, const struct engine *engine, const struct order *o,
                       bool with_past)
{
    uint32_t count = 0;
    pack_key(pack, "offers");
    pack_list(pack);
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE && count < OFFERS_SHOWN;) {
        const struct offer *f = engine_offer_slot(engine, slot);
        slot = f->next_of_order;
        bool is_live = f->state == OFFER_PENDING || f->state == OFFER_ACCEPTED ||
                       f->state == OFFER_SERVING;
        if (!with_past && !is_live)
            continue;
        pack_offer(pack, engine, f);
        count++;
    }
    pack_close(pack);
}

void pack_org(struct pack *pack, const struct engine *engine, const struct org *org, bool with_counts)
{
    char schedule[SCHEDULE_TEXT_BYTES_MAX];
    schedule_format(&org->week, schedule);
    pack_key_uint(pack, "org", org->id);
    pack_key_text(pack, "name", org->name);
    pack_nonzero(pack, "region", org->region);
    pack_nonzero(pack, "county", org->county);
    pack_key_degrees(pack, "lat", org->lat);
    pack_key_degrees(pack, "lon", org->lon);
    pack_key_uint(pack, "reach_m", org->reach_m);
    pack_key_uint(pack, "capacity", org->capacity);
    pack_skills(pack, "skills", engine, &org->skills);
    pack_skills(pack, "certified", engine, &org_more(org)->certified);
    pack_key_text(pack, "schedule", schedule);
    pack_word(pack, "type", &words_org_type, org->type);
    pack_key_bool(pack, "registered", org->is_registered);
    pack_key_bool(pack, "insured", org->is_insured);
    pack_key_bool(pack, "youth", org->is_youth);
    pack_key_bool(pack, "suspended", org->is_suspended);
    pack_key_bool(pack, "on", org->is_on_duty);
    pack_key(pack, "regions");
    pack_list(pack);
    for (uint32_t i = 0; i < org_more(org)->region_count; i++)
        pack_uint(pack, org_more(org)->regions[i]);
    pack_close(pack);
    if (with_counts)
        pack_key_uint(pack, "live_offers", org_more(org)->live_count);
}

void pack_region(struct pack *pack, const struct engine *engine, uint32_t slot, bool with_counts)
{
    const struct region *r = engine_region_slot(engine, slot);
    pack_map(pack);
    pack_key_uint(pack, "region", r->code);
    pack_key_text(pack, "name", r->name);
    pack_word(pack, "level", &words_level, r->level);
    if (r->parent != SLOT_NONE)
        pack_key_uint(pack, "parent", engine_region_slot(engine, r->parent)->code);
    if (r->county != SLOT_NONE)
        pack_key_uint(pack, "county", engine_region_slot(engine, r->county)->code);
    if (r->has_point) {
        pack_key_degrees(pack, "lat", r->lat);
        pack_key_degrees(pack, "lon", r->lon);
    }
    if (with_counts)
        pack_key_uint(pack, "waiting", r->queue_count);
    pack_close(pack);
}

void pack_event(struct pack *pack, const struct event *e)
{
    pack_map(pack);
    pack_key_uint(pack, "seq", e->seq);
    pack_key_int(pack, "at", e->at);
    pack_word(pack, "kind", &words_event_kind, e->kind);
    pack_nonzero(pack, "order", e->order);
    pack_nonzero(pack, "offer", e->offer);
    pack_nonzero(pack, "org", e->org);
    pack_nonzero(pack, "region", e->region);
    pack_nonzero(pack, "county", e->county);
    pack_nonzero(pack, "people", e->people);
    pack_nonzero(pack, "subject", e->subject);
    pack_nonzero(pack, "minutes", e->minutes);
    if (e->order != 0) {
        pack_word(pack, "state", &words_order_state, e->state);
        pack_word(pack, "level", &words_level, e->level);
    }
    pack_key_text(pack, "actor", e->actor);
    if (e->reason[0] != '\0')
        pack_key_text(pack, "reason", e->reason);
    pack_close(pack);
}

void pack_candidate(struct pack *pack, const struct engine *engine, const struct candidate *c)
{
    pack_map(pack);
    pack_key_uint(pack, "org", c->org);
    pack_org_name(pack, engine, c->org);
    pack_key_uint(pack, "score", c->score);
    pack_key_int(pack, "distance_m", (c->distance_mm + 500) / 1000);
    pack_key_int(pack, "start_at", c->start_at);
    pack_key_uint(pack, "people", c->people);
    pack_key(pack, "parts");
    pack_map(pack);
    for (int i = 0; i < 6; i++)
        pack_key_uint(pack, score_part_names[i], c->part[i]);
    pack_close(pack);
    pack_close(pack);
}

void pack_next(struct pack *pack, uint64_t next)
{
    pack_key(pack, "next");
    if (next != 0)
        pack_uint(pack, next);
    else
        pack_nil(pack);
}
