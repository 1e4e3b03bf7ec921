/* sqlite_write.c -- one batch, one transaction. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "sqlite.h"

enum statement {
    PUT_ORDER,
    PUT_OFFER,
    PUT_ORG,
    PUT_TALLY,
    PUT_EVENT,
    PUT_RECORD,
    PUT_SERVED,
    PUT_REF,
    PUT_SKILL,
    PUT_CONTACT,
    PUT_PHONE,
    GET_CONTACT,
    CUT_CONTACT,
    CUT_CONTACTS_OF,
    PUT_TOKEN,
    CUT_ORG,
   
    PUT_COUNTERS,
    OLD_EVENTS,
    CUT_EVENTS,
    OLD_REFS,
    CUT_REFS,
    NEXT_CONTACTS,
    CUT_OLD_CONTACTS,
    PUT_EMERGENCY,
    CUT_EMERGENCY,
    PUT_SERIES,
    PUT_CURSOR,
    PUT_DEAD,
    CUT_DEAD,
    STATEMENT_COUNT
};

#define PURGE_ROWS 1000 /* of a table that one commit looks at, so that none is long */
#define MARK(type, name) "?,"

_Static_assert(ORDER_REJECTED == 2 && ORDER_CLOSED == 8 && ORDER_UNMET == 9 && ORDER_CANCELLED == 10,
               "the ended states, as this folder's SQL names them");

static const char *const statements[STATEMENT_COUNT] = {
#define ORDER_FIELD MARK
    [PUT_ORDER] = "INSERT OR REPLACE INTO orders VALUES("
#include "engine/fields.def"
                  "?,?,?,?)",
#undef ORDER_FIELD
#define OFFER_FIELD MARK
    [PUT_OFFER] = "INSERT OR REPLACE INTO offers VALUES("
#include "engine/fields.def"
                  "?)",
#undef OFFER_FIELD
#define ORG_FIELD MARK
    [PUT_ORG] = "INSERT OR REPLACE INTO orgs VALUES("
#include "engine/fields.def"
                "?,?,?,?,?,?,?)",
#undef ORG_FIELD
#define TALLY_FIELD MARK
    [PUT_TALLY] = "INSERT OR REPLACE INTO tallies VALUES("
#include "engine/fields.def"
                  "?,?,?)",
#undef TALLY_FIELD
#define SERIES_FIELD MARK
    [PUT_SERIES] = "INSERT OR REPLACE INTO series VALUES("
#include "engine/fields.def"
                   "?,?,?,?)",
#undef SERIES_FIELD
    [PUT_EVENT] = "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_RECORD] = "INSERT OR REPLACE INTO records VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_EMERGENCY] = "INSERT OR REPLACE INTO emergencies VALUES(?,?,?,?)",
    [CUT_EMERGENCY] = "DELETE FROM emergencies WHERE region = ? RETURNING row_check",
    [PUT_CURSOR] = "UPDATE push SET cursor = ?2, row_check = ?3 WHERE one = ?1",
    [PUT_DEAD] = "INSERT OR REPLACE INTO dead_letters VALUES(?,?,?,?)",
    [CUT_DEAD] = "DELETE FROM dead_letters WHERE seq = ? RETURNING row_check",
    [PUT_SERVED] = "INSERT OR IGNORE INTO served VALUES(?,?,?)",
    [PUT_REF] = "INSERT INTO refs VALUES(?,?,?,?,?,?,?)",
    [PUT_SKILL] = "INSERT OR IGNORE INTO skills VALUES(?,?,?)",
    [PUT_CONTACT] = "INSERT INTO contact VALUES(?,?,?,?,?)",
    [PUT_PHONE] = "INSERT INTO contact_phone VALUES(?,?)",
    [PUT_TOKEN] = "INSERT OR REPLACE INTO tokens VALUES(?,?,?,?,?,?,?,?,?,?)",
    /* Its own, or else those of the recurring order that placed it. */
    [GET_CONTACT] = "SELECT * FROM contact WHERE order_id IN (?1, ?2) ORDER BY order_id = ?1 DESC LIMIT 1",
    [CUT_CONTACTS_OF] = "DELETE FROM contact WHERE order_id IN (SELECT id FROM orders WHERE series = ?1 AND series <> 0) "
                        "RETURNING row_check",
    [CUT_CONTACT] = "DELETE FROM contact WHERE order_id = ? RETURNING row_check",
    [CUT_ORG] = "DELETE FROM orgs WHERE id = ? RETURNING row_check",
    [PUT_COUNTERS] = "UPDATE counters SET next_order = ?, next_offer = ?, next_org = ?, "
                     "next_event = ?, next_ref = ?, head = ?, base_seq = ?, base_head = ?, next_record = ?, commits = ?, tables = ?, "
                     "base_line = ?, row_check = ?",
    [OLD_EVENTS] = "SELECT * FROM events ORDER BY seq LIMIT ?",
    [CUT_EVENTS] = "DELETE FROM events WHERE seq <= ?",
    [OLD_REFS] = "SELECT id, at FROM refs ORDER BY id LIMIT ?",
    [CUT_REFS] = "DELETE FROM refs WHERE id <= ? RETURNING row_check",
    [NEXT_CONTACTS] = "SELECT max(order_id), count(*) FROM (SELECT order_id FROM contact WHERE order_id > ? "
                      "ORDER BY order_id LIMIT ?)",
    [CUT_OLD_CONTACTS] =
        "DELETE FROM contact WHERE order_id IN (SELECT c.order_id FROM contact c "
        "LEFT JOIN orders o ON o.id = c.order_id WHERE c.order_id > ?2 AND c.order_id <= ?3 "
        "AND (o.state IS NULL OR o.state IN (2, 8, 9, 10)) "
        "AND coalesce(o.moved_at, c.put_at) < ?1 AND NOT EXISTS (SELECT 1 FROM series s WHERE s.id = c.order_id "
        "AND (s.next_at <> 0 OR s.last_day > ?1 / 86400000)) " /* a recurring order's stay with it */
        "AND NOT (c.put_at = 0 AND EXISTS (SELECT 1 FROM contact r WHERE r.order_id = o.series))) "
        "RETURNING row_check",
};

/* Whose rows a statement writes or deletes. */
static const uint8_t tables_of[STATEMENT_COUNT] = {
    [PUT_ORDER] = TABLE_ORDERS, [PUT_OFFER] = TABLE_OFFERS, [PUT_ORG] = TABLE_ORGS, [PUT_TALLY] = TABLE_TALLIES,
    [PUT_RECORD] = TABLE_RECORDS, [PUT_SERVED] = TABLE_SERVED, [PUT_REF] = TABLE_REFS, [PUT_SKILL] = TABLE_SKILLS,
    [PUT_CONTACT] = TABLE_CONTACT, [CUT_CONTACT] = TABLE_CONTACT, [CUT_CONTACTS_OF] = TABLE_CONTACT, [PUT_TOKEN] = TABLE_TOKENS,
    [CUT_ORG] = TABLE_ORGS, [PUT_COUNTERS] = TABLE_COUNTERS, [CUT_REFS] = TABLE_REFS,
    [CUT_OLD_CONTACTS] = TABLE_CONTACT, [PUT_EMERGENCY] = TABLE_EMERGENCIES, [CUT_EMERGENCY] = TABLE_EMERGENCIES,
    [PUT_SERIES] = TABLE_SERIES, [PUT_CURSOR] = TABLE_PUSH, [PUT_DEAD] = TABLE_DEAD_LETTERS,
    [CUT_DEAD] = TABLE_DEAD_LETTERS};

/* The MAC of a row that may be about to be replaced; the other tables' rows are only added. */
static const char *const older_rows[TABLE_COUNT] = {
    [TABLE_ORDERS] = "SELECT row_check FROM orders WHERE id = ?", [TABLE_OFFERS] = "SELECT row_check FROM offers WHERE id = ?",
    [TABLE_ORGS] = "SELECT row_check FROM orgs WHERE id = ?", [TABLE_TALLIES] = "SELECT row_check FROM tallies WHERE org = ?",
    [TABLE_SERIES] = "SELECT row_check FROM series WHERE id = ?", [TABLE_RECORDS] = "SELECT row_check FROM records WHERE id = ?",
    [TABLE_TOKENS] = "SELECT row_check FROM tokens WHERE id = ?", [TABLE_PUSH] = "SELECT row_check FROM push WHERE one = ?",
    [TABLE_EMERGENCIES] = "SELECT row_check FROM emergencies WHERE region = ?",
    [TABLE_DEAD_LETTERS] = "SELECT row_check FROM dead_letters WHERE seq = ?"};

/* The MACs of rows that were written of late: an order's and its offers' rows are written a few times in a
 * life, and looking each up would cost a tenth of the lives a second. */
#define RECENT_ROWS 65536
struct recent_row {
    int64_t key, check; /* key 0: an empty place */
};

struct writer {
    sqlite3 *db;
    const struct vault *vault;
    struct guard guard;
    struct state_head head; /* as it is after the batch: chain, base, commits */
    struct state_rows rows;
    struct recent_row *recent[TABLE_COUNT]; /* NULL: of a table whose rows change seldom */
    sqlite3_stmt *statements[STATEMENT_COUNT], *older[TABLE_COUNT];
    int rc; /* the first failure of the batch, or SQLITE_OK */
    bool has_erased;
    struct left_over left_over;
    int64_t contacts_seen; /* up to this order's the present search for old ones has come */
};

static int prepare(struct writer *w, const char *sql, sqlite3_stmt **statement, struct failure *failure)
{
    return sql == NULL || sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK
               ? 0 : sqlite_fail(w->db, "prepare", failure);
}

int writer_new(sqlite3 *db, const struct vault *vault, const struct state_head *head, const struct state_rows *rows,
               struct writer **writer, struct failure *failure)
{
    struct writer *w = must_alloc(1, sizeof *w);
    int rc = 0;
    w->db = db;
    w->vault = vault;
    w->head = *head;
    w->rows = *rows;
    guard_init(&w->guard, vault);
    static const enum guarded often[] = {TABLE_ORDERS, TABLE_OFFERS, TABLE_TALLIES};
    for (size_t i = 0; i < ARRAY_LEN(often); i++)
        w->recent[often[i]] = must_alloc(RECENT_ROWS, sizeof *w->recent[0]);
    for (int i = 0; rc == 0 && i < STATEMENT_COUNT; i++)
        rc = prepare(w, statements[i], &w->statements[i], failure);
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++)
        rc = prepare(w, older_rows[i], &w->older[i], failure);
    if (rc == 0)
        *writer = w;
    else
        writer_free(w);
    return rc;
}

void writer_free(struct writer *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(w->statements[i]);
    for (int i = 0; i < TABLE_COUNT; i++) {
        sqlite3_finalize(w->older[i]);
        free(w->recent[i]);
    }
    guard_fini(&w->guard);
    free(w);
}

/* Binding, left to right; what is bound goes under the row's MAC, which is bound last where there is room. */
struct binder {
    struct guard *guard;
    sqlite3_stmt *statement;
    enum guarded table;
    int at;
    int64_t key; /* the first value, a number or a text */
    const char *key_text;
};

static void put(struct binder *b, int64_t number)
{
    if (b->at == 0)
        b->key = number;
    guard_number(b->guard, number);
    sqlite3_bind_int64(b->statement, ++b->at, number);
}

static void put_text(struct binder *b, const char *text)
{
    size_t len = strlen(text);
    if (b->at == 0)
        b->key_text = text;
    guard_bytes(b->guard, text, len);
    sqlite3_bind_text(b->statement, ++b->at, text, (int)len, SQLITE_STATIC);
}

static void put_blob(struct binder *b, const void *bytes, size_t count)
{
    guard_bytes(b->guard, bytes, count);
    sqlite3_bind_blob64(b->statement, ++b->at, count != 0 ? bytes : "", count, SQLITE_STATIC);
}

static struct binder begin(struct writer *w, enum statement statement)
{
    guard_begin(&w->guard, tables_of[statement]);
    return (struct binder){.guard = &w->guard, .statement = w->statements[statement], .table = tables_of[statement]};
}

/* Where the MAC of the row is kept that was written last under this key; NULL: not of this table. */
static struct recent_row *recent_of(struct writer *w, const struct binder *b)
{
    struct recent_row *rows = w->recent[b->table];
    return rows != NULL ? &rows[(uint64_t)b->key % RECENT_ROWS] : NULL;
}

/* The row that this one replaces leaves the table's sum. A key above all that there were has none. */
static void leave_older(struct writer *w, const struct binder *b)
{
    sqlite3_stmt *older = w->older[b->table];
    if (older == NULL || w->rc != SQLITE_OK)
        return;
    if (b->key_text == NULL && b->key > w->rows.highest[b->table]) {
        w->rows.highest[b->table] = b->key;
        return;
    }
    const struct recent_row *recent = recent_of(w, b);
    if (recent != NULL && recent->key == b->key) {
        guard_remove(&w->guard, w->rows.tallies, b->table, recent->check);
        return;
    }
    if (b->key_text != NULL)
        sqlite3_bind_text(older, 1, b->key_text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(older, 1, b->key);
    int rc = sqlite3_step(older);
    if (rc == SQLITE_ROW)
        guard_remove(&w->guard, w->rows.tallies, b->table, sqlite3_column_int64(older, 0));
    else if (rc != SQLITE_DONE)
        w->rc = rc;
    sqlite3_reset(older);
}

/* After a failure nothing runs any more: some of them roll the transaction back by themselves, and what
 * came then would be a transaction of its own. A statement that deletes returns the MACs of what is gone. */
static void run(struct writer *w, struct binder *b)
{
    bool has_check = b->at < sqlite3_bind_parameter_count(b->statement);
    int64_t check = has_check ? guard_end(&w->guard) : 0;
    if (has_check && w->rc == SQLITE_OK)
        leave_older(w, b);
    if (w->rc != SQLITE_OK)
        return;
    if (has_check)
        sqlite3_bind_int64(b->statement, ++b->at, check);
    int rc = SQLITE_DONE;
    while ((rc = sqlite3_step(b->statement)) == SQLITE_ROW)
        guard_remove(&w->guard, w->rows.tallies, b->table, sqlite3_column_int64(b->statement, 0));
    bool is_there = sqlite3_changes(w->db) != 0; /* not where INSERT OR IGNORE found it */
    sqlite3_reset(b->statement);
    struct recent_row *recent = recent_of(w, b);
    if (recent != NULL)
        *recent = (struct recent_row){.key = has_check ? b->key : 0, .check = check};
    if (rc != SQLITE_DONE)
        w->rc = rc;
    else if (has_check && is_there)
        guard_add(&w->guard, w->rows.tallies, b->table, check);
    if (has_check && b->table == TABLE_COUNTERS)
        w->head.row_check = check;
}

static void write_order(struct writer *w, const struct order *o)
{
    struct binder b = begin(w, PUT_ORDER);
#define ORDER_FIELD(type, name) put(&b, (int64_t)o->name);
#include "engine/fields.def"
#undef ORDER_FIELD
    put_blob(&b, &o->skills, sizeof o->skills);
    put_text(&b, o->external_id);
    put_text(&b, o->claimed_by);
    run(w, &b);
}

static void write_offer(struct writer *w, const struct offer *f)
{
    struct binder b = begin(w, PUT_OFFER);
#define OFFER_FIELD(type, name) put(&b, (int64_t)f->name);
#include "engine/fields.def"
#undef OFFER_FIELD
    run(w, &b);
}

static void write_org(struct writer *w, const struct org *org)
{
    if (org->id == 0)
        return;
    const struct org_more *more = org_more(org);
    struct binder b = begin(w, PUT_ORG);
#define ORG_FIELD(type, name) put(&b, (int64_t)org->name);
#include "engine/fields.def"
#undef ORG_FIELD
    put_blob(&b, &org->skills, sizeof org->skills);
    put_blob(&b, &more->certified, sizeof more->certified);
    put_blob(&b, &org->week, sizeof org->week);
    put_text(&b, org->name);
    put_blob(&b, more->regions, more->region_count * sizeof *more->regions);
    put_blob(&b, more->dates, more->date_count * sizeof *more->dates);
    run(w, &b);
}

static void write_tally(struct writer *w, const struct tally_row *row)
{
    struct binder b = begin(w, PUT_TALLY);
    put(&b, (int64_t)row->org);
#define TALLY_FIELD(type, name) put(&b, (int64_t)row->tally.name);
#include "engine/fields.def"
#undef TALLY_FIELD
    uint8_t recent[RECENT_BYTES_MAX];
    put_blob(&b, recent, recent_pack(&row->recent, recent));
    run(w, &b);
}

static void write_event(struct writer *w, const struct event *event)
{
    chain_add(&w->head.head, w->head.profile, event);
    struct binder b = begin(w, PUT_EVENT);
    put(&b, (int64_t)event->seq);
    put(&b, (int64_t)event->prev);
    put(&b, event->at);
    put(&b, event->kind);
    put(&b, (int64_t)event->order);
    put(&b, (int64_t)event->offer);
    put(&b, (int64_t)event->org);
    put(&b, (int64_t)event->region);
    put(&b, (int64_t)event->county);
    put(&b, event->people);
    put(&b, event->state);
    put(&b, event->level);
    put_text(&b, event->actor);
    put_text(&b, event->reason);
    put(&b, (int64_t)event->subject);
    put(&b, event->minutes);
    run(w, &b);
}

static void write_record(struct writer *w, const struct record_row *row)
{
    struct binder b = begin(w, PUT_RECORD);
    put(&b, (int64_t)row->id);
    put(&b, (int64_t)row->order);
    put(&b, (int64_t)row->offer);
    put(&b, (int64_t)row->org);
    put(&b, (int64_t)row->volunteer);
    put(&b, row->at);
    put(&b, row->minutes);
    put(&b, (int64_t)row->region);
    put(&b, row->day);
    put(&b, row->state);
    put_text(&b, row->source);
    put_text(&b, row->external_id);
    run(w, &b);
}

static void write_emergency(struct writer *w, const struct emergency *row)
{
    struct binder b = begin(w, row->until != 0 ? PUT_EMERGENCY : CUT_EMERGENCY);
    put(&b, (int64_t)row->region);
    if (row->until != 0) {
        put(&b, row->opened_at);
        put(&b, row->until);
    }
    run(w, &b);
}

static void write_series(struct writer *w, const struct series *s)
{
    struct binder b = begin(w, PUT_SERIES);
#define SERIES_FIELD(type, name) put(&b, (int64_t)s->name);
#include "engine/fields.def"
#undef SERIES_FIELD
    put_blob(&b, &s->skills, sizeof s->skills);
    put_blob(&b, &s->week, sizeof s->week);
    put_text(&b, s->made_by);
    run(w, &b);
}

static void write_push(struct writer *w, const struct batch *batch)
{
    struct binder b;
    for (uint32_t i = 0; i < batch->dead_count; i++) {
        const struct dead_letter *row = &batch->dead_letters[i];
        b = begin(w, row->is_gone ? CUT_DEAD : PUT_DEAD);
        put(&b, (int64_t)row->seq);
        if (!row->is_gone) {
            put(&b, row->at);
            put(&b, row->status);
        }
        run(w, &b);
    }
    if (!batch->has_push_cursor)
        return;
    b = begin(w, PUT_CURSOR);
    put(&b, 1);
    put(&b, (int64_t)batch->push_cursor);
    run(w, &b);
}

static void write_ref(struct writer *w, const struct ref_row *row)
{
    struct binder b = begin(w, PUT_REF);
    put(&b, (int64_t)row->id);
    put_text(&b, row->caller);
    put_text(&b, row->ref);
    put(&b, (int64_t)row->digest);
    put(&b, row->at);
    put_blob(&b, row->answer, row->answer_bytes);
    run(w, &b);
}

/* Deletes personal data, with their digest of the telephone, and remembers whether there were any. */
static void cut_contacts(struct writer *w, enum statement cut, int64_t what)
{
    struct binder b = begin(w, cut);
    put(&b, what);
    run(w, &b);
    w->has_erased |= w->rc == SQLITE_OK && sqlite3_changes(w->db) != 0;
}

/* What an order was known by until now: all empty when there is nothing, or nothing that opens. */
static void kept_contact(struct writer *w, const struct contact_row *row, struct contact_row *kept)
{
    struct binder b = begin(w, GET_CONTACT);
    *kept = (struct contact_row){.order_id = row->order_id};
    put(&b, (int64_t)row->order_id);
    put(&b, (int64_t)row->series);
    int rc = w->rc == SQLITE_OK ? sqlite3_step(b.statement) : SQLITE_DONE;
    if (rc == SQLITE_ROW && (!row_contact(b.statement, w->vault, kept) || kept->put_at == 0))
        *kept = (struct contact_row){.order_id = row->order_id};
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        w->rc = rc;
    sqlite3_reset(b.statement);
}

static void put_contact(struct writer *w, const struct contact_row *row)
{
    uint8_t sealed[CONTACT_SEALED_MAX];
    uint8_t phone[DIGEST_BYTES];
    size_t len = contact_seal(w->vault, row, sealed);
    vault_index(w->vault, row->phone, phone);
    if (len == 0 && w->rc == SQLITE_OK)
        w->rc = SQLITE_ERROR;
    struct binder b = begin(w, PUT_CONTACT);
    put(&b, (int64_t)row->order_id);
    put(&b, row->put_at);
    put_blob(&b, sealed, len);
    put_blob(&b, phone, sizeof phone);
    run(w, &b);
    if (row->phone[0] == '\0')
        return;
    b = begin(w, PUT_PHONE);
    put_blob(&b, phone, sizeof phone);
    put(&b, (int64_t)row->order_id);
    run(w, &b);
}

static void erase_contact(struct writer *w, const struct contact_row *row)
{
    struct contact_row nothing = {.order_id = row->order_id};
    cut_contacts(w, CUT_CONTACT, (int64_t)row->order_id);
    if (row->series == row->order_id)
        cut_contacts(w, CUT_CONTACTS_OF, (int64_t)row->series);
    else if (row->series != 0)
        put_contact(w, &nothing);
}

static void write_contact(struct writer *w, const struct contact_row *row)
{
    struct contact_row kept;
    struct contact_row fresh = *row;
    if (row->change == CONTACT_ERASED) {
        erase_contact(w, row);
        return;
    }
    if (row->change == CONTACT_MOVED || !row->has_point) {
        kept_contact(w, row, &kept);
        const struct contact_row *texts = row->change == CONTACT_MOVED ? &kept : row;
        const struct contact_row *point = row->has_point ? row : &kept;
        fresh = *texts;
        fresh.order_id = row->order_id;
        fresh.put_at = row->put_at;
        fresh.has_point = point->has_point;
        fresh.lat = point->lat;
        fresh.lon = point->lon;
        explicit_bzero(&kept, sizeof kept);
    }
    cut_contacts(w, CUT_CONTACT, (int64_t)row->order_id);
    put_contact(w, &fresh);
    explicit_bzero(&fresh, sizeof fresh);
}

static void write_token(struct writer *w, const struct token_row *row)
{
    struct binder b = begin(w, PUT_TOKEN);
    put_text(&b, row->id);
    put_blob(&b, row->secrets[0], row->secret_count > 0 ? sizeof row->secrets[0] : 0);
    put_blob(&b, row->secrets[1], row->secret_count > 1 ? sizeof row->secrets[1] : 0);
    put(&b, row->roles);
    put(&b, (int64_t)row->region);
    put(&b, (int64_t)row->org);
    put(&b, row->made_at);
    put(&b, row->expires_at);
    put(&b, row->revoked_at);
    run(w, &b);
}

/* Deletes from the old end of a table: rows before an instant or an id, at most PURGE_ROWS. Whether there
 * may be more. */
static bool purge(struct writer *w, enum statement old, enum statement cut, int64_t before,
                  uint64_t id_before)
{
    if ((before == 0 && id_before == 0) || w->rc != SQLITE_OK)
        return false;
    struct binder b = begin(w, old);
    int64_t last = 0;
    int rc = SQLITE_OK;
    int count = 0;
    put(&b, PURGE_ROWS);
    while ((rc = sqlite3_step(b.statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(b.statement, 0);
        struct event event = {.seq = 0};
        if (old == OLD_EVENTS)
            row_event(b.statement, &event);
        int64_t at = old == OLD_EVENTS ? event.at : sqlite3_column_int64(b.statement, 1);
        if (at >= before && (uint64_t)id >= id_before)
            break;
        if (old == OLD_EVENTS) /* the chain begins after it from now on */
            chain_add(&w->head.base, w->head.profile, &event);
        last = id;
        count++;
    }
    sqlite3_reset(b.statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        w->rc = rc;
    if (last == 0)
        return false;
    if (old == OLD_EVENTS) {
        struct signed_head base = {.mark = CHAIN_BASE, .chain = w->head.base, .at = (int64_t)time(NULL) * 1000};
        chain_line(&base, w->vault, w->head.base_line);
    }
    b = begin(w, cut);
    put(&b, last);
    run(w, &b);
    return count == PURGE_ROWS;
}

/* Deletes old contacts among the next ones. Whether there are others behind them. */
static bool purge_contacts(struct writer *w, int64_t before)
{
    if (before == 0 || w->rc != SQLITE_OK)
        return false;
    struct binder b = begin(w, NEXT_CONTACTS);
    put(&b, w->contacts_seen);
    put(&b, PURGE_ROWS);
    int rc = sqlite3_step(b.statement);
    int64_t until = rc == SQLITE_ROW ? sqlite3_column_int64(b.statement, 0) : 0;
    bool has_more = rc == SQLITE_ROW && sqlite3_column_int64(b.statement, 1) == PURGE_ROWS;
    sqlite3_reset(b.statement);
    if (rc != SQLITE_ROW)
        w->rc = rc;
    b = begin(w, CUT_OLD_CONTACTS);
    put(&b, before);
    put(&b, w->contacts_seen);
    put(&b, until);
    run(w, &b);
    w->has_erased |= w->rc == SQLITE_OK && sqlite3_changes(w->db) != 0;
    w->contacts_seen = has_more ? until : 0;
    return has_more;
}

static void write_rest(struct writer *w, const struct batch *batch)
{
    struct binder b;
    for (uint32_t i = 0; i < batch->served_count; i++) {
        b = begin(w, PUT_SERVED);
        put(&b, (int64_t)batch->served[i].person);
        put(&b, (int64_t)batch->served[i].org);
        run(w, &b);
    }
    for (uint32_t i = 0; i < batch->skill_count; i++) {
        b = begin(w, PUT_SKILL);
        put(&b, i);
        put_text(&b, batch->skills[i].name);
        run(w, &b);
    }
    if (!batch->has_retention)
        return;
    const struct retention *r = &batch->retention;
    w->left_over.events = purge(w, OLD_EVENTS, CUT_EVENTS, r->events_before, 0);
    w->left_over.refs = purge(w, OLD_REFS, CUT_REFS, r->refs_before, r->ref_id_before);
    w->left_over.contacts = purge_contacts(w, r->contacts_before);
}

static void write_counters(struct writer *w, const struct batch *batch)
{
    struct state_head *h = &w->head;
    guard_pack(&w->guard, w->rows.tallies, h->tables);
    h->commits++;
    struct binder b = begin(w, PUT_COUNTERS);
    guard_number(&w->guard, 1); /* the columns that stay have their places under the MAC as well */
    put(&b, (int64_t)batch->counters.order);
    put(&b, (int64_t)batch->counters.offer);
    put(&b, (int64_t)batch->counters.org);
    put(&b, (int64_t)batch->counters.event);
    put(&b, (int64_t)batch->next_ref);
    put_blob(&b, h->head.head, DIGEST_BYTES);
    put(&b, (int64_t)h->base.seq);
    put_blob(&b, h->base.head, DIGEST_BYTES);
    guard_number(&w->guard, h->profile);
    guard_bytes(&w->guard, h->key_check, h->key_check_bytes);
    put(&b, (int64_t)batch->counters.record);
    put(&b, (int64_t)h->commits);
    put_blob(&b, h->tables, sizeof h->tables);
    put_text(&b, h->base_line);
    run(w, &b);
}

static void write_rows(struct writer *w, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->removed_count; i++) {
        struct binder b = begin(w, CUT_ORG);
        put(&b, (int64_t)batch->removed_orgs[i]);
        run(w, &b);
    }
    for (uint32_t i = 0; i < batch->org_count; i++)
        write_org(w, &batch->orgs[i]);
    for (uint32_t i = 0; i < batch->tally_count; i++)
        write_tally(w, &batch->tallies[i]);
    for (uint32_t i = 0; i < batch->order_count; i++)
        write_order(w, &batch->orders[i]);
    for (uint32_t i = 0; i < batch->offer_count; i++)
        write_offer(w, &batch->offers[i]);
    for (uint32_t i = 0; i < batch->event_count; i++)
        write_event(w, &batch->events[i]);
    for (uint32_t i = 0; i < batch->record_count; i++)
        write_record(w, &batch->records[i]);
    for (uint32_t i = 0; i < batch->ref_count; i++)
        write_ref(w, &batch->refs[i]);
    for (uint32_t i = 0; i < batch->contact_count; i++)
        write_contact(w, &batch->contacts[i]);
    for (uint32_t i = 0; i < batch->token_count; i++)
        write_token(w, &batch->tokens[i]);
    for (uint32_t i = 0; i < batch->emergency_count; i++)
        write_emergency(w, &batch->emergencies[i]);
    for (uint32_t i = 0; i < batch->series_count; i++)
        write_series(w, &batch->series[i]);
    write_push(w, batch);
    write_rest(w, batch);
    write_counters(w, batch);
}

const struct state_head *writer_head(const struct writer *w)
{
    return &w->head;
}

bool writer_has_erased(const struct writer *w)
{
    return w->has_erased;
}

struct left_over writer_left_over(const struct writer *w)
{
    return w->left_over;
}

int writer_commit(struct writer *w, const struct batch *batch, struct failure *failure)
{
    w->rc = SQLITE_OK;
    w->has_erased = false;
    w->left_over = (struct left_over){.events = false};
    if (sqlite_run(w->db, "BEGIN IMMEDIATE", failure) != 0)
        return -1;
    write_rows(w, batch);
    if (w->rc != SQLITE_OK)
        return failure_set(failure, EX_IOERR, "write: %s", sqlite3_errstr(w->rc));
    return sqlite_run(w->db, "COMMIT", failure);
}
