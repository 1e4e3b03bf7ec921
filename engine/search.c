/* search.c -- match_find(): the definition's answer without looking at everybody. */
#include "search.h"

#include <stdlib.h>

#include "best.h"
#include "diary.h"
#include "geo.h"
#include "match_inside.h"

struct search {
    struct engine *e;
    struct search_memory *m;
    const struct want *want;
    struct best best;
    bool is_short; /* the window's starts are few and even: bits of the week tell which are open */
    int64_t only_start;          /* where it allows one start only, else 0 */
    int64_t first;               /* half-hour of the first start */
    uint32_t week_bit, span;     /* the same in the week; half-hours from it to the end of the last start's */
    uint32_t length;             /* half-hours that a service touches */
    uint64_t starts;             /* those allowed, bit 0 is the first */
    uint32_t summary, any; /* bits that it must have in the index; at least one of these */
    uint32_t least;     /* people that an organisation must have free */
    uint32_t rest_most; /* weighted: what the parts of the score other than proximity sum up to at most */
    uint32_t weights;
    bool has_history; /* somebody may have been asked before */
};

void search_memory_init(struct search_memory *memory)
{
    *memory = (struct search_memory){.sift = sift_choose()};
}

void search_memory_fini(struct search_memory *memory)
{
    free(memory->items);
    free(memory->heap);
}

static struct search_item *items_for(struct search_memory *m, uint32_t more)
{
    while (m->count + more > m->room) {
        m->room = m->room != 0 ? m->room * 2 : 1024;
        m->items = must_realloc(m->items, m->room, sizeof *m->items);
    }
    return m->items + m->count;
}

/* Buckets by distance: eight an octave of the squared distance in the lowest level's units. */
static uint32_t bucket_of_square(uint64_t square)
{
    if (square < 8)
        return (uint32_t)square;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(square);
    return (octave - 2) * 8 + (uint32_t)(square >> (octave - 3) & 7);
}

static uint64_t square_of_bucket(uint32_t bucket)
{
    if (bucket < 8)
        return bucket;
    uint32_t octave = bucket / 8 + 2;
    return (UINT64_C(8) | bucket % 8) << (octave - 3);
}

/* Buckets by proximity: four points of it each. */
static uint32_t proximity_most(const struct search *s, const struct index_part *part,
                               struct index_bound bound)
{
    uint32_t distance = index_root(&s->e->index, bound.square);
    uint32_t circle = (s->e->rules.circle_m * 1000u / ((uint32_t)INDEX_UNIT_MM << part->level) + 1) * 16;
    uint32_t reach = (uint32_t)bound.reach * 16;
    if (distance <= circle || reach <= circle || distance >= reach)
        return distance >= reach && distance > circle ? 0 : 1000;
    return (reach - distance) * 1000 / (reach - circle) + 1;
}

static uint32_t bucket_of(const struct search *s, const struct index_part *part,
                          struct index_bound bound)
{
    if (part->is_odd)
        return 0;
    if (s->best.rank == RANK_DISTANCE)
        return bucket_of_square((uint64_t)bound.square << part->level * 2);
    uint32_t proximity = proximity_most(s, part, bound);
    return proximity >= 1000 ? 0 : (1000 - proximity) / 4;
}

/* Whether nothing in the bucket can be among the best any more. */
static bool is_hopeless(const struct search *s, uint32_t bucket)
{
    if (!best_is_full(&s->best))
        return false;
    const struct candidate *worst = best_worst(&s->best);
    if (s->best.rank == RANK_DISTANCE)
        return square_of_bucket(bucket) * (INDEX_UNIT_MM * INDEX_UNIT_MM) >
               (uint64_t)worst->distance_mm * (uint64_t)worst->distance_mm;
    uint32_t proximity = 1000 - bucket * 4;
    return (s->e->rules.weight_proximity * proximity + s->rest_most) / s->weights < worst->score;
}

static void sift_leaf(struct search_memory *m, const struct lists *lists, uint32_t at, uint32_t leaf_slot)
{
    struct leaf *leaf = lists_leaf(lists, leaf_slot);
    struct search_item *items = items_for(m, leaf->count);
    const uint32_t *orgs = leaf_orgs(leaf);
    const struct index_part *part = &m->parts[at];
    if (part->is_odd) {
        for (uint32_t i = 0; i < leaf->count; i++)
            items[i] = (struct search_item){.value = orgs[i], .part = at};
        m->count += leaf->count;
        return;
    }
    struct sifted *sifted = &m->sifted;
    m->sift(part, leaf->spots, leaf_summaries(leaf), leaf->count, sifted);
    for (uint32_t i = 0; i < sifted->count; i++) {
        uint32_t place = sifted->places[i];
        items[i] = (struct search_item){
            .value = orgs[place],
            .part = at,
            .bound = {.square = sifted->squares[i],
                      .reach = index_widened(part, SPOT_REACH(leaf->spots[place]))},
        };
    }
    m->count += sifted->count;
}

static int32_t gap_to(int32_t at, int32_t low, int32_t high)
{
    return at < low ? index_gap(at, low) : at > high ? index_gap(at, high) : 0;
}

static void sift_directory(struct search_memory *m, uint32_t at, const struct directory *d)
{
    const struct index_part *part = &m->parts[at];
    struct search_item *items = items_for(m, d->count);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct bounds *b = &d->entries[i].bounds;
        struct index_bound bound =
            index_bound_at(part, gap_to(part->lat, b->lat_low, b->lat_high),
                           gap_to(part->lon, b->lon_low, b->lon_high), b->reach_high);
        if (!part->is_odd && !index_bound_holds(bound))
            continue;
        *items++ = (struct search_item){.value = d->entries[i].leaf, .part = at, .is_leaf = true, .bound = bound};
        m->count++;
        m->leaf_count++;
    }
}

/* The window's starts at which the organisation's week is open throughout. */
static uint64_t open_starts(const struct search *s, const struct org *org)
{
    uint64_t run = week_bits(&org->week, s->week_bit, s->span);
    for (uint32_t known = 1; known < s->length;) { /* bit i: open from i on for `known` half-hours */
        uint32_t step = known < s->length - known ? known : s->length - known;
        run &= run >> step;
        known += step;
    }
    return run & s->starts;
}

/* What one look at the hot cache line tells. False: it does not fit; true: it may. */
static bool may_fit(const struct search *s, const struct org *org)
{
    if (!org->is_on_duty || org->is_suspended || org->type == ORG_SUPPORT || org->capacity < s->least)
        return false;
    return !s->is_short || org->has_dates || open_starts(s, org) != 0;
}

/* The fewest people that are free while a service that begins at a half-hour lasts. */
static uint32_t free_from(const struct search *s, const struct org *org, int64_t half_hour)
{
    uint32_t fewest = org->capacity;
    for (int64_t i = half_hour; org->more != NULL && i < half_hour + s->length; i++) {
        uint32_t people = match_free(s->e, s->want, org, i);
        fewest = people < fewest ? people : fewest;
    }
    return fewest;
}

/* The earliest open start at which the people are free; false when there is none. */
static bool take_start(const struct search *s, const struct org *org, struct candidate *c)
{
    for (uint64_t starts = open_starts(s, org); starts != 0; starts &= starts - 1) {
        int64_t half_hour = s->first + __builtin_ctzll(starts);
        uint32_t people = free_from(s, org, half_hour);
        if (people < s->least)
            continue;
        c->start_at = s->only_start != 0 ? s->only_start : calendar_instant(&s->e->calendar, half_hour);
        c->people = s->want->people < people ? s->want->people : people;
        c->free = people < org->capacity ? match_free(s->e, s->want, org, half_hour) : people;
        return true;
    }
    return false;
}

/* Whether it reaches the place, and, once k are found, is no farther than the worst of them. */
static bool is_near(const struct search *s, const struct org *org, struct candidate *c)
{
    const struct want *want = s->want;
    uint64_t square = 0;
    c->distance_mm = 0;
    if (want->is_remote)
        return true;
    if (!geo_square_mm(want->lat, want->lon, org->lat, org->lon, &square))
        return false;
    uint64_t reach = match_reach_mm(want, org);
    if ((want->waived & WAIVE_REACH) == 0 && square >= (reach + 1) * (reach + 1))
        return false;
    if (s->best.rank == RANK_DISTANCE && best_is_full(&s->best)) {
        uint64_t beyond = (uint64_t)best_worst(&s->best)->distance_mm + 1;
        if (square >= beyond * beyond)
            return false;
    }
    c->distance_mm = (int64_t)geo_root(square);
    return true;
}

/* Scores the candidate; false when it cannot be among the best. */
static bool is_promising(const struct search *s, const struct org *org, struct candidate *c)
{
    match_score(s->e, s->want, org, c);
    return !best_is_full(&s->best) || c->score >= best_worst(&s->best)->score;
}

/* Whether an organisation that may_fit() fits, where bits tell when it is open. Its bookings lie
 * farthest away in memory, so the score is first asked for as if it had none. */
static bool fits_plainly(const struct search *s, const struct org *org, struct candidate *c)
{
    bool by_score = s->best.rank == RANK_SCORE;
    c->org = org->id;
    c->score = 0;
    c->free = org->capacity;
    if (match_standing(s->e, s->want, org) != MISFIT_NONE || !is_near(s, org, c) ||
        (by_score && !is_promising(s, org, c)) || !take_start(s, org, c))
        return false;
    return !by_score || c->free == org->capacity || is_promising(s, org, c);
}

/* Whether it fits by the definition. */
static bool fits(const struct search *s, const struct org *org, struct candidate *c)
{
    if (match_try(s->e, s->want, org, c) != MISFIT_NONE)
        return false;
    return s->best.rank != RANK_SCORE || is_promising(s, org, c);
}

/* Tries one that may_fit(). */
static void try_org(struct search *s, uint32_t slot, const struct org *org)
{
    struct candidate candidate;
    bool is_plain = s->is_short && !s->has_history && !org->is_youth && !org->has_dates;
    if (!(is_plain ? fits_plainly(s, org, &candidate) : fits(s, org, &candidate)))
        return;
    candidate.org_slot = slot;
    best_offer(&s->best, &candidate);
}

#define TRIED_TOGETHER 64

/* Tries several. What each needs lies in memory behind other memory, so all of them take each step
 * together: first who may fit by the hot line, then where the page of the day's bookings is. */
static void try_together(struct search *s, uint32_t *slots, uint32_t count)
{
    const struct org *orgs[TRIED_TOGETHER];
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(&org_at(s->e, slots[i])->lat);
    for (uint32_t i = 0; i < count; i++) {
        const struct org *org = org_at(s->e, slots[i]);
        if (!may_fit(s, org))
            continue;
        __builtin_prefetch(org);
        __builtin_prefetch(&org->skills);
        if (org->more != NULL)
            __builtin_prefetch(&org->more->diary);
        orgs[left] = org;
        slots[left++] = slots[i];
    }
    for (uint32_t i = 0; i < left && s->is_short; i++)
        diary_prefetch_page(orgs[i]->more, s->first);
    for (uint32_t i = 0; i < left; i++)
        try_org(s, slots[i], orgs[i]);
}

/* The lowest bucket that holds items; SEARCH_BUCKETS when none does. */
static uint32_t next_bucket(const struct search_memory *m)
{
    for (uint32_t word = 0; word < SEARCH_BUCKETS / 64; word++)
        if (m->busy[word] != 0)
            return word * 64 + (uint32_t)__builtin_ctzll(m->busy[word]);
    return SEARCH_BUCKETS;
}

static uint32_t take_bucket(struct search_memory *m, uint32_t bucket)
{
    m->busy[bucket / 64] &= ~(UINT64_C(1) << bucket % 64);
    return m->heads[bucket];
}

/* Puts the items from `from` on into their buckets. */
static void file_items(struct search *s, uint32_t from)
{
    struct search_memory *m = s->m;
    for (uint32_t i = from; i < m->count; i++) {
        struct search_item *item = &m->items[i];
        uint32_t bucket = bucket_of(s, &m->parts[item->part], item->bound);
        uint64_t bit = UINT64_C(1) << bucket % 64;
        item->next = (m->busy[bucket / 64] & bit) != 0 ? m->heads[bucket] : SLOT_NONE;
        m->heads[bucket] = i;
        m->busy[bucket / 64] |= bit;
    }
}

static void try_bucket(struct search *s, uint32_t bucket)
{
    struct search_memory *m = s->m;
    uint32_t slots[TRIED_TOGETHER];
    uint32_t count = 0;
    for (uint32_t i = take_bucket(m, bucket); i != SLOT_NONE; i = m->items[i].next) {
        if (m->items[i].is_leaf) {
            uint32_t from = m->count;
            sift_leaf(m, &s->e->index.lists, m->items[i].part, m->items[i].value);
            file_items(s, from);
            continue;
        }
        slots[count++] = m->items[i].value;
        if (count == TRIED_TOGETHER) {
            try_together(s, slots, count);
            count = 0;
        }
    }
    try_together(s, slots, count);
}

static void gather(struct search *s)
{
    struct search_memory *m = s->m;
    const struct lists *lists = &s->e->index.lists;
    struct index_query query = {.lat = s->want->lat, .lon = s->want->lon,
                                .reach_percent = s->want->reach_percent,
                                .most_mm = s->want->max_distance_mm, .skills = &s->want->skills,
                                .summary = s->summary, .any = s->any};
    uint32_t parts = index_parts(&s->e->index, &query, m->parts);
    for (uint32_t i = 0; i < parts; i++) {
        if ((m->parts[i].list & LIST_IS_DIRECTORY) != 0)
            sift_directory(m, i, lists_directory(lists, m->parts[i].list));
        else
            sift_leaf(m, lists, i, m->parts[i].list);
    }
}

/* So few are tried one after the other; more are worth putting into buckets first. */
#define FEW 32

static void search_place(struct search *s)
{
    struct search_memory *m = s->m;
    gather(s);
    if (m->leaf_count == 0 && m->count <= FEW) {
        uint32_t slots[FEW];
        for (uint32_t i = 0; i < m->count; i++)
            slots[i] = m->items[i].value;
        try_together(s, slots, m->count);
        return;
    }
    file_items(s, 0);
    for (uint32_t bucket; (bucket = next_bucket(m)) < SEARCH_BUCKETS && !is_hopeless(s, bucket);)
        try_bucket(s, bucket);
}

/* Without a place or a reach anybody may do. */
static void search_everywhere(struct search *s)
{
    const struct pool *orgs = &s->e->orgs;
    for (uint32_t slot = 0; slot < orgs->used; slot++) {
        if (slot % POOL_CHUNK_SLOTS == 0 &&
            !index_crowd_may(&s->e->index, slot / POOL_CHUNK_SLOTS, &s->want->skills)) {
            slot += POOL_CHUNK_SLOTS - 1;
            continue;
        }
        const struct org *org = org_at(s->e, slot);
        if (org->id != 0 && skillset_within(&s->want->skills, &org->skills) && may_fit(s, org))
            try_org(s, slot, org);
    }
}

/* Looks once at the window. Where its starts lie on half-hours, or there is one only, and all of them
 * within 64 half-hours, a few bits of an organisation's week tell when it is open. */
static void prepare_window(struct search *s)
{
    const struct want *want = s->want;
    const struct calendar *calendar = &s->e->calendar;
    struct walk walk = walk_begin(s->e, want);
    int64_t first = calendar_half_hour(calendar, walk.from);
    int64_t last = calendar_half_hour(calendar, walk.from + walk.length_ms - 1);
    int64_t next = calendar_instant(calendar, first + 1); /* the start that would be tried next */
    int64_t spare = walk.ends_at - walk.length_ms - walk.from;
    bool is_single = next + walk.length_ms > walk.ends_at;
    bool is_even = calendar_instant(calendar, first) == walk.from;
    int64_t starts = is_single ? 1 : spare / HALF_HOUR_MS + 1;
    if (spare < 0 || first < 0 || (!is_single && !is_even) || starts + last - first > 64 ||
        (want->waived & WAIVE_SCHEDULE) != 0)
        return;
    s->is_short = true;
    s->only_start = is_single ? walk.from : 0;
    s->first = first;
    s->week_bit = (uint32_t)(calendar_weekday((int32_t)(first / HALF_HOURS_A_DAY)) * HALF_HOURS_A_DAY +
                             first % HALF_HOURS_A_DAY);
    s->length = (uint32_t)(last - first + 1);
    s->span = (uint32_t)(starts + last - first);
    s->starts = ~UINT64_C(0) >> (64 - starts);
    uint32_t parts = 0;
    for (uint32_t i = 0; i < s->span; i++)
        parts |= summary_of_time((s->week_bit + i) % WEEK_HALF_HOURS);
    s->summary |= is_single ? parts : 0; /* open in all of them, or in some */
    s->any = parts;
}

static void prepare_rest(struct search *s)
{
    const struct rules *r = &s->e->rules;
    s->weights = r->weight_proximity + r->weight_affinity + r->weight_activity + r->weight_rating +
                 r->weight_load + r->weight_fit;
    s->weights = s->weights != 0 ? s->weights : 1;
    s->rest_most = r->weight_affinity * ((s->want->person != 0 ? 400u : 0) + (s->e->has_homes ? 600u : 0)) +
                   r->weight_activity * activity_capped(r, s->e->most_activity) +
                   r->weight_rating * s->e->most_rating +
                   r->weight_load * 1000u + r->weight_fit * 1000u;
}

static void begin(struct search *s, enum rank rank, uint32_t limit, struct candidate *out)
{
    struct search_memory *m = s->m;
    if (limit > m->heap_room) {
        m->heap_room = limit;
        m->heap = must_realloc(m->heap, limit, sizeof *m->heap);
    }
    m->count = m->leaf_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(m->busy); i++)
        m->busy[i] = 0;
    s->best = (struct best){.items = out, .heap = m->heap, .limit = limit, .rank = rank};
    s->least = s->want->people_min < s->want->people ? s->want->people_min : s->want->people;
    s->has_history = s->want->order != NULL && s->want->order->first_offer != SLOT_NONE;
    s->summary = SUMMARY_SERVES | summary_of_people(s->least);
    s->any = SUMMARY_SERVES;
    prepare_window(s);
    prepare_rest(s);
}

#ifdef PAIDAN_DEBUG
/* A debug build holds every answer against the definition. */
static void compare_with_scan(const struct search *s)
{
    struct candidate *scanned = must_alloc(s->best.limit, sizeof *scanned);
    must(match_scan(s->e, s->want, s->best.rank, s->best.limit, scanned) == s->best.count);
    for (uint32_t i = 0; i < s->best.count; i++)
        must(scanned[i].org == s->best.items[i].org && scanned[i].start_at == s->best.items[i].start_at);
    free(scanned);
}
#endif

uint32_t match_find(struct engine *e, const struct want *want, enum rank rank, uint32_t limit,
                    struct candidate *out)
{
    struct search s = {.e = e, .m = &e->search, .want = want};
    begin(&s, rank, limit, out);
    if (limit == 0)
        return 0;
    if (want->is_remote || (want->waived & WAIVE_REACH) != 0)
        search_everywhere(&s);
    else
        search_place(&s);
    uint32_t count = best_sort(&s.best);
#ifdef PAIDAN_DEBUG
    compare_with_scan(&s);
#endif
    return count;
}
