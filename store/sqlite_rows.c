/* sqlite_rows.c -- opening a connection, and turning rows into structs. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "engine/pool.h"
#include "sqlite.h"

int sqlite_fail(sqlite3 *db, const char *doing, struct failure *failure)
{
    int rc = sqlite3_errcode(db);
    int code = rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? EX_DATAERR : EX_IOERR;
    return failure_set(failure, code, "%s: %s", doing, sqlite3_errmsg(db));
}

int sqlite_run(sqlite3 *db, const char *sql, struct failure *failure)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    char doing[32];
    snprintf(doing, sizeof doing, "%.31s", sql);
    return sqlite_fail(db, doing, failure);
}

int sqlite_number(sqlite3 *db, const char *sql, int64_t *number, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_fail(db, sql, failure);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_fail(db, sql, failure);
}

int sqlite_open(const char *path, const char *vfs, bool is_writer, sqlite3 **db,
                struct failure *failure)
{
    int flags = (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, db, flags, vfs) != SQLITE_OK) {
        int rc = *db != NULL ? sqlite_fail(*db, path, failure)
                             : failure_set(failure, EX_OSERR, "%s: out of memory", path);
        sqlite3_close(*db);
        *db = NULL;
        return rc;
    }
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_busy_timeout(*db, BUSY_MS);
    /* The writer owns every checkpoint, so none comes by itself. */
    const char *settings = is_writer ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                                       "PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = ON; "
                                       "PRAGMA cell_size_check = ON; "
                                       "PRAGMA cache_size = -16384"
                                     : "PRAGMA query_only = ON; PRAGMA cell_size_check = ON";
    if (sqlite_run(*db, settings, failure) == 0)
        return 0;
    sqlite3_close(*db);
    *db = NULL;
    return -1;
}

static uint64_t check_number(uint64_t check, int64_t number)
{
    return hash64(check + (uint64_t)number) | 1; /* never 0 */
}

static uint64_t check_bytes(uint64_t check, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    check = check_number(check, (int64_t)len);
    for (; len >= 8; len -= 8, at += 8) {
        int64_t word = 0;
        memcpy(&word, at, 8);
        check = check_number(check, word);
    }
    int64_t rest = 0;
    if (len != 0)
        memcpy(&rest, at, len);
    return check_number(check, rest);
}

uint64_t older_check_of(sqlite3_stmt *row, int first, int count)
{
    uint64_t check = 0;
    for (int i = first; i < first + count; i++) {
        int type = sqlite3_column_type(row, i);
        if (type == SQLITE_INTEGER)
            check = check_number(check, sqlite3_column_int64(row, i));
        else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
            const void *bytes = type == SQLITE_TEXT ? sqlite3_column_text(row, i) : sqlite3_column_blob(row, i);
            check = check_bytes(check, bytes, (size_t)sqlite3_column_bytes(row, i));
        }
    }
    return check;
}

bool older_is_whole(sqlite3_stmt *row, int first, int count)
{
    return (uint64_t)sqlite3_column_int64(row, first + count - 1) == older_check_of(row, first, count - 1);
}

int row_fail(sqlite3_stmt *row, const char *table, struct failure *failure)
{
    return failure_set(failure, EX_DATAERR, "table %s: row %lld is not as it was written: restore a backup", table,
                       (long long)sqlite3_column_int64(row, 0));
}

void row_text(sqlite3_stmt *row, int column, char *to, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static void take_blob(sqlite3_stmt *row, int column, void *to, size_t size)
{
    const void *blob = sqlite3_column_blob(row, column);
    size_t len = (size_t)sqlite3_column_bytes(row, column);
    memset(to, 0, size);
    if (blob != NULL)
        memcpy(to, blob, len < size ? len : size);
}

void row_order(sqlite3_stmt *row, struct order *o)
{
    int at = 0;
    *o = (struct order){.id = 0};
#define ORDER_FIELD(type, name) o->name = (type)sqlite3_column_int64(row, at++);
#include "engine/fields.def"
#undef ORDER_FIELD
    take_blob(row, at++, &o->skills, sizeof o->skills);
    row_text(row, at++, o->external_id, sizeof o->external_id);
    row_text(row, at++, o->claimed_by, sizeof o->claimed_by);
}

void row_offer(sqlite3_stmt *row, struct offer *f)
{
    int at = 0;
    *f = (struct offer){.id = 0};
#define OFFER_FIELD(type, name) f->name = (type)sqlite3_column_int64(row, at++);
#include "engine/fields.def"
#undef OFFER_FIELD
}

/* The numbers one after the other, seven bits a byte, the lowest first; zeros at the end are left out. */
size_t recent_pack(const struct recent *r, uint8_t bytes[RECENT_BYTES_MAX])
{
    const uint32_t numbers[] = {
#define RECENT_FIELD(type, name) (uint32_t)r->name,
#include "engine/fields.def"
#undef RECENT_FIELD
    };
    _Static_assert(ARRAY_LEN(numbers) * 5 <= RECENT_BYTES_MAX, "five bytes hold 32 bits");
    size_t count = ARRAY_LEN(numbers);
    size_t len = 0;
    while (count != 0 && numbers[count - 1] == 0)
        count--;
    for (size_t i = 0; i < count; i++) {
        uint32_t left = numbers[i];
        for (; left > 127; left >>= 7)
            bytes[len++] = (uint8_t)(left | 128);
        bytes[len++] = (uint8_t)left;
    }
    return len;
}

static uint32_t take_number(const uint8_t *bytes, size_t len, size_t *at)
{
    uint32_t number = 0;
    for (unsigned shift = 0; *at < len && shift < 35; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        number |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return number;
}

static void recent_unpack(const uint8_t *bytes, size_t len, struct recent *r)
{
    size_t at = 0;
#define RECENT_FIELD(type, name) r->name = (type)take_number(bytes, len, &at);
#include "engine/fields.def"
#undef RECENT_FIELD
}

void row_org(sqlite3_stmt *row, struct org *org, struct org_more *more)
{
    int at = 0;
    *more = (struct org_more){.regions = NULL};
    *org = (struct org){.more = more};
#define ORG_FIELD(type, name) org->name = (type)sqlite3_column_int64(row, at++);
#include "engine/fields.def"
#undef ORG_FIELD
    take_blob(row, at++, &org->skills, sizeof org->skills);
    take_blob(row, at++, &more->certified, sizeof more->certified);
    take_blob(row, at++, &org->week, sizeof org->week);
    org->name = (char *)(uintptr_t)sqlite3_column_text(row, at++);
    more->regions = (uint64_t *)(uintptr_t)sqlite3_column_blob(row, at);
    more->region_count = (uint32_t)((size_t)sqlite3_column_bytes(row, at++) / sizeof *more->regions);
    more->dates = (struct org_date *)(uintptr_t)sqlite3_column_blob(row, at);
    more->date_count = (uint32_t)((size_t)sqlite3_column_bytes(row, at++) / sizeof *more->dates);
    at += 2; /* row_check, and tallies.org */
#define TALLY_FIELD(type, name) org->tally.name = (type)sqlite3_column_int64(row, at++);
#include "engine/fields.def"
#undef TALLY_FIELD
    recent_unpack(sqlite3_column_blob(row, at), (size_t)sqlite3_column_bytes(row, at), &more->recent);
}

void row_record(sqlite3_stmt *row, struct record_row *r)
{
    *r = (struct record_row){.id = (uint64_t)sqlite3_column_int64(row, 0),
                             .order = (uint64_t)sqlite3_column_int64(row, 1),
                             .offer = (uint64_t)sqlite3_column_int64(row, 2),
                             .org = (uint64_t)sqlite3_column_int64(row, 3),
                             .volunteer = (uint64_t)sqlite3_column_int64(row, 4),
                             .at = sqlite3_column_int64(row, 5),
                             .minutes = (uint32_t)sqlite3_column_int64(row, 6),
                             .region = (uint64_t)sqlite3_column_int64(row, 7),
                             .day = sqlite3_column_int(row, 8),
                             .state = (uint8_t)sqlite3_column_int(row, 9)};
    row_text(row, 10, r->source, sizeof r->source);
    row_text(row, 11, r->external_id, sizeof r->external_id);
}

void row_series(sqlite3_stmt *row, struct series *s)
{
    int at = 0;
    *s = (struct series){.id = 0};
#define SERIES_FIELD(type, name) s->name = (type)sqlite3_column_int64(row, at++);
#include "engine/fields.def"
#undef SERIES_FIELD
    take_blob(row, at++, &s->skills, sizeof s->skills);
    take_blob(row, at++, &s->week, sizeof s->week);
    row_text(row, at++, s->made_by, sizeof s->made_by);
}

void row_event(sqlite3_stmt *row, struct event *event)
{
    int at = 0;
    *event = (struct event){.seq = 0};
    event->seq = (uint64_t)sqlite3_column_int64(row, at++);
    event->prev = (uint64_t)sqlite3_column_int64(row, at++);
    event->at = sqlite3_column_int64(row, at++);
    event->kind = (uint8_t)sqlite3_column_int64(row, at++);
    event->order = (uint64_t)sqlite3_column_int64(row, at++);
    event->offer = (uint64_t)sqlite3_column_int64(row, at++);
    event->org = (uint64_t)sqlite3_column_int64(row, at++);
    event->region = (uint64_t)sqlite3_column_int64(row, at++);
    event->county = (uint64_t)sqlite3_column_int64(row, at++);
    event->people = (uint32_t)sqlite3_column_int64(row, at++);
    event->state = (uint8_t)sqlite3_column_int64(row, at++);
    event->level = (uint8_t)sqlite3_column_int64(row, at++);
    row_text(row, at++, event->actor, sizeof event->actor);
    row_text(row, at++, event->reason, sizeof event->reason);
    event->subject = (uint64_t)sqlite3_column_int64(row, at++);
    event->minutes = (uint32_t)sqlite3_column_int64(row, at++);
}

/* Four texts, each ended by a NUL, then the point: has, lat, lon; then, in rows since schema 4, two texts
 * more: the name and the telephone of who placed the order for somebody. */
#define FIRST_TEXTS 4

static size_t put_texts(uint8_t *plain, size_t len, const char *const *texts, int count)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = strlen(texts[i]) + 1;
        memcpy(plain + len, texts[i], bytes);
        len += bytes;
    }
    return len;
}

/* Where the next thing stands after the texts; 0: they are not all there. */
static size_t get_texts(const uint8_t *plain, size_t at, size_t got, char *const *texts, int count)
{
    for (int i = 0; i < count; i++) {
        size_t bytes = at < got ? strnlen((const char *)plain + at, got - at) : 0;
        if (at + bytes + 1 > got || bytes > CONTACT_TEXT_BYTES_MAX)
            return 0;
        memcpy(texts[i], plain + at, bytes + 1);
        at += bytes + 1;
    }
    return at;
}

size_t contact_seal(const struct vault *vault, const struct contact_row *row, uint8_t *sealed)
{
    uint8_t plain[CONTACT_TEXTS * (CONTACT_TEXT_BYTES_MAX + 1) + 16];
    const char *const texts[CONTACT_TEXTS] = {row->name, row->phone, row->address,
                                              row->note, row->proxy_name, row->proxy_phone};
    const int32_t point[3] = {row->has_point, row->lat, row->lon};
    size_t len = put_texts(plain, 0, texts, FIRST_TEXTS);
    memcpy(plain + len, point, sizeof point);
    len = put_texts(plain, len + sizeof point, texts + FIRST_TEXTS, CONTACT_TEXTS - FIRST_TEXTS);
    len = vault_seal(vault, row->order_id, plain, len, sealed);
    explicit_bzero(plain, sizeof plain);
    return len;
}

static bool contact_unseal(const struct vault *vault, const uint8_t *sealed, size_t len, struct contact_row *row)
{
    uint8_t plain[CONTACT_SEALED_MAX];
    char *const texts[CONTACT_TEXTS] = {row->name, row->phone, row->address,
                                        row->note, row->proxy_name, row->proxy_phone};
    int32_t point[3];
    ptrdiff_t got = len <= sizeof plain ? vault_unseal(vault, row->order_id, sealed, len, plain) : -1;
    size_t at = got > 0 ? get_texts(plain, 0, (size_t)got, texts, FIRST_TEXTS) : 0;
    bool is_good = at != 0 && at + sizeof point <= (size_t)got;
    if (is_good) {
        memcpy(point, plain + at, sizeof point);
        row->has_point = point[0] != 0;
        row->lat = point[1];
        row->lon = point[2];
        at += sizeof point;
        if (at != (size_t)got)
            at = get_texts(plain, at, (size_t)got, texts + FIRST_TEXTS, CONTACT_TEXTS - FIRST_TEXTS);
        is_good = at == (size_t)got;
    }
    explicit_bzero(plain, sizeof plain);
    return is_good;
}

bool row_contact(sqlite3_stmt *row, const struct vault *vault, struct contact_row *c)
{
    c->order_id = (uint64_t)sqlite3_column_int64(row, 0); /* it is sealed under that number */
    c->put_at = sqlite3_column_int64(row, 1);
    return contact_unseal(vault, sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2), c);
}
