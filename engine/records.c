/* records.c -- service records: which minutes count at once, which after a review, which no longer.
 *
 * A volunteer's minutes of a day up to `day_minutes` count at once, up to `day_minutes_reviewed` after a
 * review by the community, beyond them after a review by a supervisor: the rule of i志愿 (8 and 12 hours,
 * reference/domain.md section 1.6). So does a record that is entered more than RECORD_DAYS after the
 * service, which is a correction and no report. What was certified is revoked by an event, never
 * overwritten. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define DAY_MINUTES_MOST 1440

static struct day_minutes *ledger_place(const struct ledger *l, uint64_t volunteer, int32_t day)
{
    uint64_t i = hash64(volunteer ^ hash64((uint64_t)(uint32_t)day)) & (l->room - 1);
    while (l->entries[i].volunteer != 0 && (l->entries[i].volunteer != volunteer || l->entries[i].day != day))
        i = (i + 1) & (l->room - 1);
    return &l->entries[i];
}

/* Every entry of a day from `from` on, in a table of `room` places. */
static void ledger_rebuild(struct ledger *l, uint64_t room, int32_t from)
{
    struct ledger old = *l;
    *l = (struct ledger){.entries = must_alloc(room, sizeof *l->entries), .room = room};
    for (uint64_t i = 0; i < old.room; i++) {
        if (old.entries[i].volunteer == 0 || old.entries[i].day < from || old.entries[i].minutes == 0)
            continue;
        *ledger_place(l, old.entries[i].volunteer, old.entries[i].day) = old.entries[i];
        l->count++;
    }
    free(old.entries);
}

static uint32_t ledger_get(const struct ledger *l, uint64_t volunteer, int32_t day)
{
    return l->room != 0 ? ledger_place(l, volunteer, day)->minutes : 0;
}

static void ledger_add(struct ledger *l, uint64_t volunteer, int32_t day, uint32_t minutes)
{
    if (l->count * 4 >= l->room * 3)
        ledger_rebuild(l, l->room != 0 ? l->room * 2 : 64, INT32_MIN);
    struct day_minutes *entry = ledger_place(l, volunteer, day);
    l->count += entry->volunteer == 0;
    *entry = (struct day_minutes){.volunteer = volunteer, .day = day, .minutes = entry->minutes + minutes};
}

/* What was not counted because its day is long past is not taken away either. */
static void ledger_take(struct ledger *l, const struct record_row *row)
{
    if (l->room == 0)
        return;
    struct day_minutes *entry = ledger_place(l, row->volunteer, row->day);
    if (entry->volunteer != 0)
        entry->minutes -= row->minutes < entry->minutes ? row->minutes : entry->minutes;
}

void ledger_forget(struct engine *e, int32_t before)
{
    if (e->ledger.room != 0)
        ledger_rebuild(&e->ledger, e->ledger.room, before);
}

void ledger_fini(struct ledger *l)
{
    free(l->entries);
}

struct refusal record_check(const struct engine *e, const struct record_row *row, const struct record_row *replaced)
{
    uint32_t before = ledger_get(&e->ledger, row->volunteer, row->day);
    if (replaced != NULL && replaced->volunteer == row->volunteer && replaced->day == row->day)
        before -= replaced->minutes < before ? replaced->minutes : before;
    if (row->volunteer == 0 || row->volunteer > ID_MAX)
        return refuse_range("volunteer", 1, ID_MAX);
    if (row->minutes < 1 || row->minutes > SERVICE_MINUTES_MAX)
        return refuse_range("minutes", 1, SERVICE_MINUTES_MAX);
    if (before + row->minutes > DAY_MINUTES_MOST) /* no day has more */
        return refuse_range("minutes", 0, DAY_MINUTES_MOST - before);
    return REFUSED_NOT;
}

static enum record_state state_of(const struct engine *e, const struct record_row *row, int64_t now)
{
    uint32_t sum = ledger_get(&e->ledger, row->volunteer, row->day) + row->minutes;
    bool is_late = row->source[0] == '\0' && row->day + RECORD_DAYS < calendar_day(&e->calendar, now);
    if (sum > e->rules.day_minutes_reviewed)
        return RECORD_REVIEW_HIGH;
    return sum > e->rules.day_minutes || is_late ? RECORD_REVIEW : RECORD_CERTIFIED;
}

/* An event about a record: on its order's chain while the order is open. */
static void emit_record(struct engine *e, enum event_kind kind, const struct record_row *row,
                        const struct command *c, int64_t now)
{
    uint32_t slot = row->order != 0 ? map_get(&e->order_ids, row->order) : SLOT_NONE;
    uint32_t region = row->region != 0 ? map_get(&e->region_codes, row->region) : SLOT_NONE;
    if (slot != SLOT_NONE)
        emit_order(e, kind, order_at(e, slot), c, now);
    else
        emit(e, kind, c, now)->order = row->order;
    struct event *event = &e->events[e->event_count - 1];
    event->offer = row->offer;
    event->org = row->org;
    event->region = row->region;
    if (region != SLOT_NONE && e->regions[region].county != SLOT_NONE)
        event->county = e->regions[e->regions[region].county].code;
    event->subject = row->id;
    event->people = 1;
    event->minutes = row->minutes;
}

static void hold(struct engine *e, const struct record_row *row)
{
    uint32_t slot = pool_take(&e->held);
    *(struct record_row *)pool_at(&e->held, slot) = *row;
    map_put(&e->held_ids, row->id, slot);
}

uint64_t record_enter(struct engine *e, struct record_row *row, const struct command *c, int64_t now)
{
    row->id = (uint64_t)e->node << SEQUENCE_BITS | e->next.record++;
    row->at = now;
    row->state = (uint8_t)state_of(e, row, now);
    ledger_add(&e->ledger, row->volunteer, row->day, row->minutes);
    effect_record(e, *row);
    if (row->state != RECORD_CERTIFIED) {
        hold(e, row);
        emit_record(e, EVENT_RECORD_HELD, row, c, now);
    }
    return row->id;
}

static struct refusal review(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    uint32_t slot = map_get(&e->held_ids, c->u.review.id);
    if (slot == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "record");
    struct record_row *held = pool_at(&e->held, slot);
    struct record_row row = *held;
    row.state = c->u.review.is_granted ? RECORD_CERTIFIED : RECORD_REFUSED;
    if (c->u.review.is_granted) {
        uint32_t org = map_get(&e->org_ids, row.org);
        if (org != SLOT_NONE && row.order != 0)
            activity_served(e, org, 1, row.minutes, now);
    } else {
        ledger_take(&e->ledger, &row);
    }
    map_remove(&e->held_ids, row.id);
    *held = (struct record_row){.id = 0};
    pool_give(&e->held, slot);
    effect_record(e, row);
    emit_record(e, c->u.review.is_granted ? EVENT_RECORD_CERTIFIED : EVENT_RECORD_REFUSED, &row, c, now);
    outcome->id = row.id;
    return REFUSED_NOT;
}

static void set_revoked(struct engine *e, const struct record_row *stored, const struct command *c, int64_t now)
{
    struct record_row row = *stored;
    row.state = RECORD_REVOKED;
    ledger_take(&e->ledger, &row);
    effect_record(e, row);
    emit_record(e, EVENT_RECORD_REVOKED, &row, c, now);
}

static struct refusal revoke(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    const struct record_row *stored = c->u.record.stored;
    outcome->id = stored->id;
    if (stored->state == RECORD_REVOKED)
        return REFUSED_NOT; /* said before */
    if (stored->state != RECORD_CERTIFIED)
        return refuse(REFUSAL_BAD_STATE, "record");
    set_revoked(e, stored, c, now);
    return REFUSED_NOT;
}

/* What another issuer certified. Its own number there makes it safe to repeat; when the issuer has
 * corrected it, the issuer is right: what stood here is revoked, and the new one entered. */
static struct refusal add(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    struct record_row row = *c->u.record.fresh;
    const struct record_row *stored = c->u.record.stored;
    int32_t today = calendar_day(&e->calendar, now);
    must(row.source[0] != '\0' && row.external_id[0] != '\0');
    if (row.region != 0 && map_get(&e->region_codes, row.region) == SLOT_NONE)
        return refuse(REFUSAL_NOT_FOUND, "region");
    if (row.day < 0 || row.day > today)
        return refuse(REFUSAL_BAD_VALUE, "date");
    if (stored != NULL && stored->volunteer == row.volunteer && stored->minutes == row.minutes &&
        stored->day == row.day && stored->state != RECORD_REVOKED) {
        outcome->id = stored->id;
        return REFUSED_NOT;
    }
    if (stored != NULL && (stored->state == RECORD_REVIEW || stored->state == RECORD_REVIEW_HIGH))
        return refuse(REFUSAL_BAD_STATE, "external_id"); /* it waits for its review */
    const struct record_row *replaced = stored != NULL && stored->state == RECORD_CERTIFIED ? stored : NULL;
    struct refusal refusal = record_check(e, &row, replaced);
    if (refusal.code != REFUSAL_NONE || c->is_check)
        return refusal;
    if (replaced != NULL)
        set_revoked(e, replaced, c, now);
    outcome->id = record_enter(e, &row, c, now);
    if (row.state == RECORD_CERTIFIED)
        emit_record(e, EVENT_RECORD_ADDED, &row, c, now);
    return REFUSED_NOT;
}

/* The number of a certificate is that of its event, so that the audit chain vouches for it. */
static struct refusal certify(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    struct event *event = emit(e, EVENT_CERTIFICATE_ISSUED, c, now);
    event->subject = c->u.certify.volunteer;
    event->minutes = c->u.certify.minutes;
    outcome->id = event->seq;
    return REFUSED_NOT;
}

struct refusal request_record(struct engine *e, const struct command *c, int64_t now, struct outcome *outcome)
{
    switch (c->op) {
    case OP_RECORD_ADD:
        return add(e, c, now, outcome);
    case OP_RECORD_REVIEW:
        return review(e, c, now, outcome);
    case OP_CERTIFY:
        return certify(e, c, now, outcome);
    case OP_RECORD_REVOKE:
    default:
        return revoke(e, c, now, outcome);
    }
}

void engine_load_record(struct engine *e, const struct record_row *row)
{
    if (row->state == RECORD_REFUSED || row->state == RECORD_REVOKED)
        return;
    ledger_add(&e->ledger, row->volunteer, row->day, row->minutes);
    if (row->state != RECORD_CERTIFIED)
        hold(e, row);
}

const struct record_row *engine_held_record(const struct engine *e, uint64_t id)
{
    uint32_t slot = map_get(&e->held_ids, id);
    return slot != SLOT_NONE ? pool_at(&e->held, slot) : NULL;
}

const struct record_row *engine_next_held(const struct engine *e, uint32_t *slot)
{
    for (uint32_t i = *slot + 1; i < e->held.used; i++) {
        const struct record_row *row = pool_at(&e->held, i);
        if (row->id != 0) {
            *slot = i;
            return row;
        }
    }
    return NULL;
}
