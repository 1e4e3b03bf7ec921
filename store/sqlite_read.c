/* sqlite_read.c -- what the reader thread answers: ended orders, histories, lists, backups.
 *
 * Lists are pages: at most `limit` rows, found by walking the primary key from the cursor and looking
 * at no more than SCAN_ROWS, so that no question takes the thread for long. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "sqlite.h"

#define SCAN_ROWS 200000

sqlite3_stmt *question_prepare(sqlite3 *db, const char *sql, struct query *q)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        sqlite_fail(db, "question", &q->failure);
    return statement;
}

void question_finish(sqlite3 *db, sqlite3_stmt *statement, int rc, struct query *q)
{
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        sqlite_fail(db, "question", &q->failure);
    sqlite3_finalize(statement);
}

void question_check(struct query *q, enum guarded table, sqlite3_stmt *row, int first, int count)
{
    if (!guard_is_whole(q->guard, table, row, first, count))
        row_fail(row, guarded_name(table), &q->failure);
}

bool filter_reaches(const struct query_filter *f, uint64_t region)
{
    uint32_t low = 0;
    uint32_t high = f->region_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (f->regions[middle] < region)
            low = middle + 1;
        else
            high = middle;
    }
    return f->reach == REACH_EVERYWHERE ||
           (f->reach == REACH_REGIONS && low < f->region_count && f->regions[low] == region);
}

static bool in_time(const struct query_filter *f, int64_t at)
{
    return at >= f->since && (f->until == 0 || at < f->until);
}

/* Takes a row into the answer when it passes the filter; its id is the cursor. */
typedef uint64_t take_row(struct query *q, sqlite3_stmt *row);

static uint64_t take_order(struct query *q, sqlite3_stmt *row)
{
    const struct query_filter *f = &q->filter;
    struct order o;
    question_check(q, TABLE_ORDERS, row, 0, sqlite3_column_count(row));
    row_order(row, &o);
    if (filter_reaches(f, o.region) && in_time(f, o.placed_at) && (f->state < 0 || f->state == o.state))
        q->orders[q->order_count++] = o;
    return o.id;
}

static uint64_t take_offer(struct query *q, sqlite3_stmt *row)
{
    const struct query_filter *f = &q->filter;
    struct offer offer;
    question_check(q, TABLE_OFFERS, row, 0, sqlite3_column_count(row) - 1);
    row_offer(row, &offer);
    if ((f->org == 0 || f->org == offer.org) && (f->order == 0 || f->order == offer.order_id) &&
        (f->state < 0 || f->state == offer.state) && in_time(f, offer.made_at) &&
        filter_reaches(f, (uint64_t)sqlite3_column_int64(row, sqlite3_column_count(row) - 1)))
        q->offers[q->offer_count++] = offer;
    return offer.id;
}

static uint64_t take_event(struct query *q, sqlite3_stmt *row)
{
    const struct query_filter *f = &q->filter;
    struct event event;
    row_event(row, &event);
    if ((f->org == 0 || f->org == event.org) && (f->order == 0 || f->order == event.order) &&
        (f->kind < 0 || f->kind == event.kind) && (event_is_for_all(&event) || filter_reaches(f, event.region)) &&
        in_time(f, event.at))
        q->events[q->event_count++] = event;
    return event.seq;
}

static uint64_t take_record(struct query *q, sqlite3_stmt *row)
{
    const struct query_filter *f = &q->filter;
    struct record_row r;
    row_record(row, &r);
    question_check(q, TABLE_RECORDS, row, 0, RECORD_COLUMNS);
    if ((f->org != 0 && f->org != r.org) || (f->order != 0 && f->order != r.order) ||
        (f->offer != 0 && f->offer != r.offer) || (f->volunteer != 0 && f->volunteer != r.volunteer) ||
        (f->state >= 0 && f->state != r.state) || !in_time(f, r.at) || !filter_reaches(f, r.region))
        return r.id;
    q->records[q->record_count++] = r;
    return r.id;
}

static void page(sqlite3 *db, struct query *q, const char *sql, take_row *take, uint32_t *count)
{
    sqlite3_stmt *statement = question_prepare(db, sql, q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->after);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, (int64_t)q->filter.volunteer);
    int rc = SQLITE_ROW;
    for (int scanned = 0; (rc = sqlite3_step(statement)) == SQLITE_ROW; scanned++) {
        if (*count == q->limit || scanned == SCAN_ROWS)
            break;
        q->next = take(q, statement);
    }
    if (rc == SQLITE_DONE)
        q->next = 0;
    question_finish(db, statement, rc, q);
}

static void answer_order(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement = question_prepare(db, "SELECT * FROM orders WHERE id = ?", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->filter.order);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        q->orders = must_alloc(1, sizeof *q->orders);
        question_check(q, TABLE_ORDERS, statement, 0, sqlite3_column_count(statement));
        row_order(statement, q->orders);
        q->is_found = filter_reaches(&q->filter, q->orders->region);
        q->order_count = q->is_found;
    }
    question_finish(db, statement, rc, q);
}

/* Follows the chain of events back from the order's last, or from one that the caller names and that must
 * be the order's too, then turns it round. `next` is one that is there: older ones may have been purged. */
static void answer_history(sqlite3 *db, struct query *q)
{
    answer_order(db, q);
    sqlite3_stmt *statement = question_prepare(db, "SELECT * FROM events WHERE seq = ?", q);
    if (statement == NULL || !q->is_found) {
        sqlite3_finalize(statement);
        return;
    }
    uint64_t seq = q->after != 0 ? q->after : q->orders->last_event;
    q->events = must_alloc(q->limit, sizeof *q->events);
    int rc = SQLITE_DONE;
    while (seq != 0) {
        struct event event;
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, (int64_t)seq);
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        row_event(statement, &event);
        if (event.order != q->filter.order)
            break;
        if (q->event_count == q->limit) {
            q->next = seq;
            break;
        }
        q->events[q->event_count++] = event;
        seq = event.prev;
    }
    q->is_elsewhere = q->after != 0 && q->event_count == 0;
    question_finish(db, statement, rc, q);
    for (uint32_t i = 0, j = q->event_count; i + 1 < j; i++) {
        struct event swap = q->events[i];
        q->events[i] = q->events[--j];
        q->events[j] = swap;
    }
}

/* The offers of an ended order are named by its events. */
static void answer_offers_of(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *event = question_prepare(db, "SELECT prev, offer, kind FROM events WHERE seq = ?", q);
    sqlite3_stmt *offer = question_prepare(db, "SELECT * FROM offers WHERE id = ?", q);
    q->offers = must_alloc(q->limit, sizeof *q->offers);
    uint64_t seq = q->is_found && event != NULL && offer != NULL ? q->orders->last_event : 0;
    while (seq != 0 && q->offer_count < q->limit) {
        sqlite3_reset(event);
        sqlite3_bind_int64(event, 1, (int64_t)seq);
        if (sqlite3_step(event) != SQLITE_ROW)
            break;
        seq = (uint64_t)sqlite3_column_int64(event, 0);
        if (sqlite3_column_int(event, 2) != EVENT_OFFERED)
            continue;
        sqlite3_reset(offer);
        sqlite3_bind_int64(offer, 1, sqlite3_column_int64(event, 1));
        if (sqlite3_step(offer) != SQLITE_ROW)
            continue;
        question_check(q, TABLE_OFFERS, offer, 0, sqlite3_column_count(offer));
        row_offer(offer, &q->offers[q->offer_count++]);
    }
    sqlite3_finalize(event);
    sqlite3_finalize(offer);
}

static void answer_summary(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement = question_prepare(
        db, "SELECT state, category, priority, headcount, region, placed_at FROM orders", q);
    if (statement == NULL)
        return;
    enum { CELLS = ORDER_STATE_COUNT * SKILL_COUNT_MAX * PRIORITY_COUNT };
    struct summary_row *cells = must_alloc(CELLS, sizeof *cells);
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int state = sqlite3_column_int(statement, 0);
        int category = sqlite3_column_int(statement, 1);
        int priority = sqlite3_column_int(statement, 2);
        if (!filter_reaches(&q->filter, (uint64_t)sqlite3_column_int64(statement, 4)) ||
            !in_time(&q->filter, sqlite3_column_int64(statement, 5)))
            continue;
        struct summary_row *cell =
            &cells[(state * SKILL_COUNT_MAX + category) * PRIORITY_COUNT + priority];
        cell->state = state;
        cell->category = category;
        cell->priority = priority;
        cell->orders++;
        cell->headcount += (uint64_t)sqlite3_column_int64(statement, 3);
    }
    question_finish(db, statement, rc, q);
    for (uint32_t i = 0; i < CELLS; i++)
        if (cells[i].orders != 0)
            cells[q->count_count++] = cells[i];
    q->counts = cells;
}

static void answer_contact(sqlite3 *db, const struct vault *vault, struct query *q)
{
    answer_order(db, q); /* whose region says who may see it */
    if (!q->is_found)
        return;
    q->is_found = false;
    /* Its own, or else those of the recurring order that placed it. */
    sqlite3_stmt *statement = question_prepare(
        db, "SELECT * FROM contact WHERE order_id IN (?1, ?2) ORDER BY order_id = ?1 DESC LIMIT 1", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->filter.order);
    sqlite3_bind_int64(statement, 2, (int64_t)q->orders->series);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        question_check(q, TABLE_CONTACT, statement, 0, sqlite3_column_count(statement));
        q->is_found = row_contact(statement, vault, &q->contact);
        if (!q->is_found)
            failure_set(&q->failure, EX_DATAERR, "the personal data of this order do not open");
        q->is_found = q->is_found && q->contact.put_at != 0;
        q->contact.order_id = q->filter.order;
    }
    question_finish(db, statement, rc, q);
}

/* An order or a recurring one, open or ended. */
static void answer_holder(sqlite3 *db, struct query *q)
{
    answer_order(db, q);
    if (q->orders != NULL || q->failure.exit_code != 0)
        return;
    sqlite3_stmt *statement = question_prepare(db, "SELECT * FROM series WHERE id = ?", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->filter.order);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        struct series s;
        question_check(q, TABLE_SERIES, statement, 0, sqlite3_column_count(statement));
        row_series(statement, &s);
        q->orders = must_alloc(1, sizeof *q->orders);
        q->orders->id = q->orders->series = s.id;
        q->orders->region = s.region;
        q->is_found = filter_reaches(&q->filter, q->orders->region);
    }
    question_finish(db, statement, rc, q);
}

/* The orders of a telephone number, the newest first. */
static void answer_phone(sqlite3 *db, const struct vault *vault, struct query *q)
{
    uint8_t phone[DIGEST_BYTES];
    sqlite3_stmt *statement = question_prepare(
        db, "SELECT orders.* FROM contact_phone JOIN orders ON orders.id = contact_phone.order_id "
            "WHERE phone = ? ORDER BY order_id DESC", q);
    vault_index(vault, q->path, phone);
    q->orders = must_alloc(q->limit, sizeof *q->orders);
    if (statement == NULL)
        return;
    sqlite3_bind_blob(statement, 1, phone, sizeof phone, SQLITE_STATIC);
    int rc = SQLITE_ROW;
    while (q->order_count < q->limit && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        take_order(q, statement);
    question_finish(db, statement, rc, q);
}

static void answer_ref(sqlite3 *db, struct query *q)
{
    sqlite3_stmt *statement =
        question_prepare(db, "SELECT caller, ref, digest, at, answer, refs.* FROM refs WHERE id = ?", q);
    if (statement == NULL)
        return;
    sqlite3_bind_int64(statement, 1, (int64_t)q->ref_id);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        question_check(q, TABLE_REFS, statement, 5, 7);
        q->is_found = true;
        q->ref.caller = must_strdup((const char *)sqlite3_column_text(statement, 0));
        q->ref.ref = must_strdup((const char *)sqlite3_column_text(statement, 1));
        q->ref.digest = (uint64_t)sqlite3_column_int64(statement, 2);
        q->ref.at = sqlite3_column_int64(statement, 3);
        q->ref.answer_bytes = (uint32_t)sqlite3_column_bytes(statement, 4);
        q->ref.answer = must_alloc(1, q->ref.answer_bytes + 1);
        if (q->ref.answer_bytes != 0)
            memcpy(q->ref.answer, sqlite3_column_blob(statement, 4), q->ref.answer_bytes);
    }
    question_finish(db, statement, rc, q);
}

void reader_answer(sqlite3 *db, const struct vault *vault, struct query *q)
{
    switch (q->kind) {
    case QUERY_ORDER:
        answer_order(db, q);
        answer_offers_of(db, q);
        break;
    case QUERY_ORDERS:
        q->orders = must_alloc(q->limit, sizeof *q->orders);
        page(db, q, "SELECT * FROM orders WHERE id > ? ORDER BY id", take_order, &q->order_count);
        break;
    case QUERY_HISTORY:
        answer_history(db, q);
        break;
    case QUERY_EVENTS:
        q->events = must_alloc(q->limit, sizeof *q->events);
        page(db, q, "SELECT * FROM events WHERE seq > ? ORDER BY seq", take_event, &q->event_count);
        break;
    case QUERY_OFFERS:
        q->offers = must_alloc(q->limit, sizeof *q->offers);
        page(db, q,
             q->filter.reach == REACH_EVERYWHERE
                 ? "SELECT *, 0 FROM offers WHERE id > ? ORDER BY id"
                 : "SELECT *, (SELECT region FROM orders WHERE orders.id = offers.order_id) FROM offers "
                   "WHERE id > ? ORDER BY id",
             take_offer, &q->offer_count);
        break;
    case QUERY_RECORDS:
        q->records = must_alloc(q->limit, sizeof *q->records);
        page(db, q,
             q->filter.volunteer != 0
                 ? "SELECT * FROM records WHERE id > ?1 AND volunteer = ?2 ORDER BY id"
                 : "SELECT * FROM records WHERE id > ?1 ORDER BY id",
             take_record, &q->record_count);
        break;
    case QUERY_RECORD:
        answer_record(db, q);
        break;
    case QUERY_VOLUNTEER:
        answer_volunteer(db, q);
        break;
    case QUERY_MONTH:
        answer_month(db, q);
        break;
    case QUERY_PUSH:
        answer_push(db, q);
        break;
    case QUERY_DEAD:
        answer_dead(db, q);
        break;
    case QUERY_SUMMARY:
        answer_summary(db, q);
        break;
    case QUERY_CONTACT:
        answer_contact(db, vault, q);
        break;
    case QUERY_HOLDER:
        answer_holder(db, q);
        break;
    case QUERY_PHONE:
        answer_phone(db, vault, q);
        break;
    case QUERY_REF:
        answer_ref(db, q);
        break;
    case QUERY_BACKUP:
        sqlite_backup(db, q->path, &q->failure);
        break;
    }
}

struct query *query_new(enum query_kind kind)
{
    struct query *q = must_alloc(1, sizeof *q);
    q->kind = kind;
    q->filter.state = q->filter.kind = -1;
    q->limit = 100;
    return q;
}

void query_free(struct query *q)
{
    if (q == NULL)
        return;
    free(q->orders);
    free(q->offers);
    free(q->events);
    free(q->records);
    free(q->served);
    free(q->months);
    free(q->dead_letters);
    free(q->external_ids);
    free(q->counts);
    free(q->ref.caller);
    free(q->ref.ref);
    free(q->ref.answer);
    explicit_bzero(&q->contact, sizeof q->contact);
    explicit_bzero(q->path, sizeof q->path); /* it may be a telephone number */
    free(q);
}
