/* sqlite_figures.c -- what the reader thread adds up: volunteers' hours, months of events; and what the
 * platform is told. */
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "sqlite.h"

_Static_assert(EVENT_KIND_COUNT <= 64, "kinds are bits of a filter");

#define PUSH_SCAN 5000 /* events that one question looks through for those that are pushed */

/* By its number; or by an issuer's number, the one that counts before those that no longer do. */
void answer_record(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement = question_prepare(
        db, q->ref_id != 0 ? "SELECT * FROM records WHERE id = ?1"
                           : "SELECT * FROM records WHERE source = ?2 AND source <> '' AND external_id = ?3 "
                             "ORDER BY state = 4, id DESC LIMIT 1", q);
    if (statement == NULL)
        return;
    if (q->ref_id != 0) {
        sqlite3_bind_int64(statement, 1, (int64_t)q->ref_id);
    } else {
        sqlite3_bind_text(statement, 2, q->source, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, q->external_id, -1, SQLITE_STATIC);
    }
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        question_check(q, TABLE_RECORDS, statement, 0, RECORD_COLUMNS);
        q->records = must_alloc(1, sizeof *q->records);
        row_record(statement, q->records);
        q->is_found = filter_reaches(&q->filter, q->records->region);
        q->is_elsewhere = !q->is_found;
        q->record_count = q->is_found;
    }
    question_finish(db, statement, rc, q);
}

/* The regions of one state, source and category come one after the other; they become one row. */
static void add_served(struct query *q, const struct served_row *row, uint32_t *room)
{
    struct served_row *last = q->served_count != 0 ? &q->served[q->served_count - 1] : NULL;
    if (last != NULL && last->state == row->state && last->category == row->category && strcmp(last->source, row->source) == 0) {
        last->records += row->records;
        last->minutes += row->minutes;
        last->first_day = row->first_day < last->first_day ? row->first_day : last->first_day;
        last->last_day = row->last_day > last->last_day ? row->last_day : last->last_day;
        return;
    }
    if (q->served_count == *room)
        q->served = must_realloc(q->served, *room = *room != 0 ? *room * 2 : 16, sizeof *q->served);
    must(q->served != NULL);
    q->served[q->served_count++] = *row;
}

void answer_volunteer(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement = question_prepare(
        db, "SELECT r.state, r.source, coalesce(o.category, -1), count(*), sum(r.minutes), min(r.day), max(r.day), r.region "
            "FROM records r LEFT JOIN orders o ON o.id = r.order_id WHERE r.volunteer = ?1 AND r.day >= ?2 "
            "AND (?3 = 0 OR r.day <= ?3) GROUP BY 1, 2, 3, 8 ORDER BY 1, 2, 3, 8", q);
    uint32_t room = 0;
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->filter.volunteer);
    sqlite3_bind_int64(statement, 2, q->filter.first_day);
    sqlite3_bind_int64(statement, 3, q->filter.last_day);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!filter_reaches(&q->filter, (uint64_t)sqlite3_column_int64(statement, 7)))
            continue;
        struct served_row row = {.state = sqlite3_column_int(statement, 0),
                                   .category = sqlite3_column_int(statement, 2),
                                   .records = (uint64_t)sqlite3_column_int64(statement, 3),
                                   .minutes = (uint64_t)sqlite3_column_int64(statement, 4),
                                   .first_day = sqlite3_column_int(statement, 5),
                                   .last_day = sqlite3_column_int(statement, 6)};
        row_text(statement, 1, row.source, sizeof row.source);
        add_served(q, &row, &room);
    }
    question_finish(db, statement, rc, q);
}

/* A month's table while it grows. */
struct adding {
    struct query *q;
    struct map places; /* of a region and a category */
    uint32_t room;
};

static struct month_row *month_place(struct adding *a, uint64_t region, int category)
{
    uint64_t key = hash64(region ^ hash64((uint64_t)(category + 2))) | 1;
    uint32_t place = map_get(&a->places, key);
    if (place != SLOT_NONE)
        return &a->q->months[place];
    if (a->q->month_count == a->room)
        a->q->months = must_realloc(a->q->months, a->room = a->room != 0 ? a->room * 2 : 64, sizeof *a->q->months);
    map_put(&a->places, key, a->q->month_count);
    struct month_row *row = &a->q->months[a->q->month_count++];
    *row = (struct month_row){.region = region, .category = category};
    return row;
}

static void add_event(struct adding *a, const struct event *event, int category)
{
    struct month_row *row = month_place(a, event->region, category);
    row->placed += event->kind == EVENT_PLACED;
    row->accepted += event->kind == EVENT_ACCEPTED;
    row->done += event->kind == EVENT_COMPLETED && event->state == ORDER_DONE;
    row->unmet += event->kind == EVENT_UNMET;
    row->cancelled += event->kind == EVENT_CANCELLED;
    row->attendances += event->kind == EVENT_COMPLETED ? event->people : 0;
    if (event->kind == EVENT_COMPLETED || event->kind == EVENT_RECORD_CERTIFIED || event->kind == EVENT_RECORD_ADDED)
        row->minutes += event->minutes;
    else if (event->kind == EVENT_RECORD_REVOKED)
        row->minutes -= event->minutes;
}

/* The event before which nothing is younger than `since`: the log is in time's sequence but for steps
 * of the clock, for which a day is left. */
static int64_t first_event(sqlite3 *db, int64_t since, struct query *q)
{
    int64_t low = 0;
    int64_t high = 0;
    if (sqlite_number(db, "SELECT coalesce(min(seq), 0) FROM events", &low, &q->failure) != 0 ||
        sqlite_number(db, "SELECT coalesce(max(seq), 0) FROM events", &high, &q->failure) != 0)
        return 0;
    sqlite3_stmt *statement = question_prepare(db, "SELECT at FROM events WHERE seq = ?", q);
    while (statement != NULL && low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, middle);
        if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int64(statement, 0) < since - DAY_MS)
            low = middle + 1;
        else
            high = middle;
    }
    sqlite3_finalize(statement);
    return low;
}

void answer_month(sqlite3 *db, struct query *q)
{
    struct adding a = {.q = q};
    const struct query_filter *f = &q->filter;
    int64_t first = first_event(db, f->since, q);
    sqlite3_stmt *statement = question_prepare(
        db, "SELECT e.*, coalesce(o.category, -1) FROM events e LEFT JOIN orders o ON o.id = e.order_id "
            "WHERE e.seq >= ? ORDER BY e.seq", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, first);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct event event;
        row_event(statement, &event);
        if (event.at >= f->until + DAY_MS)
            break;
        if (event.region != 0 && event.at >= f->since && event.at < f->until && filter_reaches(f, event.region))
            add_event(&a, &event, sqlite3_column_int(statement, sqlite3_column_count(statement) - 1));
    }
    question_finish(db, statement, rc, q);
    map_fini(&a.places);
}

void answer_push(sqlite3 *db, struct query *q)
{
    q->events = must_alloc(q->limit, sizeof *q->events);
    q->external_ids = must_alloc(q->limit, sizeof *q->external_ids);
    sqlite3_stmt *statement = question_prepare(
        db, q->ref_id != 0
                ? "SELECT e.*, o.external_id FROM events e LEFT JOIN orders o ON o.id = e.order_id WHERE e.seq = ?2"
                : "SELECT e.*, o.external_id FROM events e LEFT JOIN orders o ON o.id = e.order_id "
                  "WHERE e.seq > ?1 ORDER BY e.seq", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, q->ref_id != 0 ? 2 : 1, (int64_t)(q->ref_id != 0 ? q->ref_id : q->after));
    int rc = SQLITE_ROW;
    for (int scanned = 0; q->event_count < q->limit && scanned < PUSH_SCAN &&
                          (rc = sqlite3_step(statement)) == SQLITE_ROW; scanned++) {
        struct event *event = &q->events[q->event_count];
        row_event(statement, event);
        q->next = event->seq; /* so far everything was looked at */
        if ((q->filter.kinds >> event->kind & 1) == 0 || event->order == 0)
            continue;
        row_text(statement, sqlite3_column_count(statement) - 1, q->external_ids[q->event_count],
                  sizeof *q->external_ids);
        q->event_count++;
    }
    question_finish(db, statement, rc, q);
}

void answer_dead(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement = question_prepare(db, "SELECT * FROM dead_letters WHERE seq > ? ORDER BY seq", q);
    q->dead_letters = must_alloc(q->limit, sizeof *q->dead_letters);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->after);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && q->dead_count < q->limit) {
        question_check(q, TABLE_DEAD_LETTERS, statement, 0, 4);
        q->dead_letters[q->dead_count++] = (struct dead_letter){.seq = (uint64_t)sqlite3_column_int64(statement, 0),
                                                               .at = sqlite3_column_int64(statement, 1),
                                                               .status = (uint32_t)sqlite3_column_int64(statement, 2)};
    }
    q->next = rc == SQLITE_ROW ? q->dead_letters[q->dead_count - 1].seq : 0;
    question_finish(db, statement, rc, q);
}
