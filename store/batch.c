#include "batch.h"

#include <stdlib.h>
#include <string.h>

#define GROW(items, count, room)                                                                   \
    ((count) < (room) ? (items)                                                                    \
                      : must_realloc((items), (room) = (room) != 0 ? (room) * 2 : 64, sizeof *(items)))

/* The place of an object's row: the one it has in this batch, or a new one at the end. */
static uint32_t place_of(struct map *places, uint64_t id, uint32_t *count)
{
    uint32_t place = map_get(places, id);
    if (place == SLOT_NONE) {
        place = (*count)++;
        map_put(places, id, place);
    }
    return place;
}

static void gather_orders(struct batch *b, const struct engine *engine, struct effects effects)
{
    for (uint32_t i = 0; i < effects.orders.count; i++) {
        const struct order *o = engine_order_slot(engine, effects.orders.items[i]);
        b->orders = GROW(b->orders, b->order_count, b->order_room);
        if (o != NULL)
            b->orders[place_of(&b->order_places, o->id, &b->order_count)] = *o;
    }
    for (uint32_t i = 0; i < effects.offers.count; i++) {
        const struct offer *f = engine_offer_slot(engine, effects.offers.items[i]);
        b->offers = GROW(b->offers, b->offer_count, b->offer_room);
        if (f != NULL)
            b->offers[place_of(&b->offer_places, f->id, &b->offer_count)] = *f;
    }
}

static void *copy_bytes(const void *from, size_t bytes)
{
    void *copy = must_alloc(1, bytes != 0 ? bytes : 1);
    if (bytes != 0)
        memcpy(copy, from, bytes);
    return copy;
}

static void gather_orgs(struct batch *b, const struct engine *engine, struct effects effects)
{
    for (uint32_t i = 0; i < effects.removed_org_count; i++) {
        b->removed_orgs = GROW(b->removed_orgs, b->removed_count, b->removed_room);
        b->removed_orgs[b->removed_count++] = effects.removed_orgs[i];
        for (uint32_t j = 0; j < b->org_count; j++)
            if (b->orgs[j].id == effects.removed_orgs[i])
                b->orgs[j].id = 0; /* put and removed before it was written */
        b->tallies = GROW(b->tallies, b->tally_count, b->tally_room); /* without its organisation it says that there was one */
        b->tallies[place_of(&b->tally_places, effects.removed_orgs[i], &b->tally_count)] =
            (struct tally_row){.org = effects.removed_orgs[i]};
    }
    for (uint32_t i = 0; i < effects.orgs.count; i++) {
        const struct org *org = engine_org_slot(engine, effects.orgs.items[i]);
        if (org == NULL)
            continue;
        b->orgs = GROW(b->orgs, b->org_count, b->org_room);
        struct org *copy = &b->orgs[b->org_count++];
        org_copy(copy, org);
    }
    for (uint32_t i = 0; i < effects.tallies.count; i++) {
        const struct org *org = engine_org_slot(engine, effects.tallies.items[i]);
        b->tallies = GROW(b->tallies, b->tally_count, b->tally_room);
        if (org != NULL)
            b->tallies[place_of(&b->tally_places, org->id, &b->tally_count)] =
                (struct tally_row){.org = org->id, .tally = org->tally, .recent = org_more(org)->recent};
    }
}

void batch_add_catalogue(struct batch *b, const struct catalogue *catalogue)
{
    free(b->skills);
    b->skill_count = (uint32_t)catalogue->count;
    b->skills = copy_bytes(catalogue->skills, b->skill_count * sizeof *b->skills);
}

void batch_gather(struct batch *b, struct engine *engine)
{
    struct effects effects = engine_effects(engine);
    gather_orders(b, engine, effects);
    gather_orgs(b, engine, effects);
    for (uint32_t i = 0; i < effects.event_count; i++) {
        b->events = GROW(b->events, b->event_count, b->event_room);
        b->events[b->event_count++] = effects.events[i];
    }
    for (uint32_t i = 0; i < effects.record_count; i++) {
        b->records = GROW(b->records, b->record_count, b->record_room);
        b->records[b->record_count++] = effects.records[i];
    }
    for (uint32_t i = 0; i < effects.served_count; i++) {
        b->served = GROW(b->served, b->served_count, b->served_room);
        b->served[b->served_count++] = effects.served[i];
    }
    for (uint32_t i = 0; i < effects.emergency_count; i++) {
        b->emergencies = GROW(b->emergencies, b->emergency_count, b->emergency_room);
        b->emergencies[b->emergency_count++] = effects.emergencies[i];
    }
    for (uint32_t i = 0; i < effects.series_count; i++) {
        b->series = GROW(b->series, b->series_count, b->series_room);
        b->series[b->series_count++] = effects.series[i];
    }
    if (effects.is_catalogue_changed)
        batch_add_catalogue(b, engine_catalogue(engine));
    b->counters = engine_counters(engine);
    engine_effects_clear(engine);
}

void batch_add_ref(struct batch *b, struct ref_row row)
{
    b->refs = GROW(b->refs, b->ref_count, b->ref_room);
    b->refs[b->ref_count++] = row;
}

void batch_add_contact(struct batch *b, const struct contact_row *row)
{
    b->contacts = GROW(b->contacts, b->contact_count, b->contact_room);
    b->contacts[b->contact_count++] = *row;
}

void batch_add_token(struct batch *b, const struct token_row *row)
{
    b->tokens = GROW(b->tokens, b->token_count, b->token_room);
    b->tokens[b->token_count++] = *row;
}

void batch_add_dead_letter(struct batch *b, const struct dead_letter *row)
{
    b->dead_letters = GROW(b->dead_letters, b->dead_count, b->dead_room);
    b->dead_letters[b->dead_count++] = *row;
}

bool batch_is_empty(const struct batch *b)
{
    return b->order_count + b->offer_count + b->org_count + b->tally_count + b->event_count +
                   b->record_count + b->served_count + b->removed_count + b->ref_count +
                   b->contact_count + b->token_count + b->skill_count + b->emergency_count +
                   b->series_count + b->dead_count == 0 && !b->has_push_cursor && !b->has_retention;
}

void batch_reset(struct batch *b)
{
    for (uint32_t i = 0; i < b->org_count; i++)
        org_fini(&b->orgs[i]);
    for (uint32_t i = 0; i < b->ref_count; i++) {
        free(b->refs[i].caller);
        free(b->refs[i].ref);
        free(b->refs[i].answer);
    }
    if (b->contact_count != 0) /* personal data does not linger */
        explicit_bzero(b->contacts, b->contact_count * sizeof *b->contacts);
    b->order_count = b->offer_count = b->org_count = b->tally_count = b->event_count = 0;
    b->record_count = b->served_count = b->removed_count = b->ref_count = b->contact_count = 0;
    b->token_count = b->skill_count = b->emergency_count = b->series_count = b->dead_count = 0;
    b->has_push_cursor = false;
    b->has_retention = false;
    b->left_over = (struct left_over){.events = false};
    map_clear(&b->order_places);
    map_clear(&b->offer_places);
    map_clear(&b->tally_places);
}

void batch_fini(struct batch *b)
{
    batch_reset(b);
    free(b->orders);
    free(b->offers);
    free(b->orgs);
    free(b->tallies);
    free(b->events);
    free(b->records);
    free(b->served);
    free(b->removed_orgs);
    free(b->refs);
    free(b->contacts);
    free(b->tokens);
    free(b->skills);
    free(b->emergencies);
    free(b->series);
    free(b->dead_letters);
    map_fini(&b->order_places);
    map_fini(&b->offer_places);
    map_fini(&b->tally_places);
    *b = (struct batch){.number = 0};
}
