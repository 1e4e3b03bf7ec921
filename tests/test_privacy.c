/* Who was helped, and where they live: exact homes, erasing, who looked. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "proto/publish.h"
#include "proto/visible.h"
#include "rig/sim.h"

#define TOWN "441302001001"
#define HOME_LAT 230861234
#define HOME_LON 1144132345
#define NEW_LAT 230899876
#define NEW_LON 1144199871

static const char *const closed[] = {"--open-roles", "", NULL};

static const struct node *call(struct daemon *d, const char *method, const char *json)
{
    const struct node *result = daemon_call(d, method, json);
    ck_assert_msg(result != NULL, "%s %s: %s %s", method, json, member(daemon_error(), "code"), member(daemon_error(), "message"));
    return result;
}

static const char *order_json(int64_t order)
{
    static char json[80];
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    return json;
}

/* A daemon like another, as a token's bearer meets it. */
static struct daemon enter(struct daemon *d, const char *id, const char *roles, const char *region)
{
    char json[200];
    char why[200];
    const struct node *error = NULL;
    struct daemon lent = *d;
    snprintf(json, sizeof json, "{\"token_id\":\"%s\",\"roles\":\"%s\",\"region\":%s}", id, roles, region);
    char token[200];
    snprintf(token, sizeof token, "%s", member(call(d, "token.add", json), "token"));
    lent.client = client_open(d->tcp, why);
    ck_assert_msg(lent.client != NULL, "%s", why);
    struct pack *p = client_begin(lent.client, "session.hello");
    pack_map(p);
    pack_key_text(p, "token", token);
    pack_close(p);
    ck_assert_ptr_nonnull(client_call(lent.client, &error));
    return lent;
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

static int64_t number_in(const char *path, const char *sql)
{
    sqlite3 *db = open_file(path);
    sqlite3_stmt *statement = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* Neither the database nor a backup of it has an exact place of an order or of a recurring one. */
static void no_exact_place(struct daemon *d)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM orders WHERE lat % 10000 <> 0 OR lon % 10000 <> 0) + "
                              "(SELECT count(*) FROM series WHERE lat % 10000 <> 0 OR lon % 10000 <> 0)";
    static int backups;
    char path[200];
    char json[300];
    snprintf(path, sizeof path, "%s/data/paidan.db", d->directory);
    ck_assert_int_eq(number_in(path, sql), 0);
    snprintf(path, sizeof path, "%s/backup.%d", d->directory, backups++);
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", path);
    call(d, "server.backup", json);
    ck_assert_int_eq(number_in(path, sql), 0);
}

static double degrees(const struct node *map, const char *key)
{
    const struct node *value = node_get(map, key);
    ck_assert_msg(value != NULL, "%s", key);
    return value->kind == NODE_INT ? (double)value->u.number : value->u.real;
}

static void is_at(const struct node *map, int32_t lat, int32_t lon)
{
    ck_assert_double_eq_tol(degrees(map, "lat"), lat / 1e7, 1e-8);
    ck_assert_double_eq_tol(degrees(map, "lon"), lon / 1e7, 1e-8);
}

static int64_t place(struct daemon *d, const char *ref, const char *more)
{
    char json[500];
    snprintf(json, sizeof json, "{\"ref\":\"%s\",\"region\":" TOWN ",\"category\":\"legal_aid\",\"lat\":23.0861234,\"lon\":114.4132345%s}", ref, more);
    return daemon_number(d, "order.place", json, "order");
}

static void resubmit(struct daemon *d, int64_t order)
{
    char json[200];
    snprintf(json, sizeof json, "{\"order\":%lld,\"reason\":\"other\"}", (long long)order);
    call(d, "order.return", json);
    snprintf(json, sizeof json, "{\"order\":%lld,\"lat\":23.0899876,\"lon\":114.4199871}", (long long)order);
    call(d, "order.resubmit", json);
}

static void is_rounded(struct daemon *d, int64_t order, int32_t lat, int32_t lon)
{
    is_at(call(d, "order.get", order_json(order)), (lat + 5000) / 10000 * 10000, (lon + 5000) / 10000 * 10000);
}

/* However the exact place of somebody with personal data came, it is in the contact only. */
START_TEST(a_home_is_exact_in_its_contact_only)
{
    struct daemon d = daemon_start(NULL);
    char json[200];
    int64_t open = place(&d, "open", "");
    is_at(call(&d, "order.get", order_json(open)), HOME_LAT, HOME_LON); /* nobody's data: as it was said */
    snprintf(json, sizeof json, "{\"order\":%lld,\"contact\":{\"name\":\"张\"}}", (long long)open);
    call(&d, "contact.put", json);
    is_rounded(&d, open, HOME_LAT, HOME_LON);
    is_at(call(&d, "contact.get", order_json(open)), HOME_LAT, HOME_LON);
    call(&d, "contact.put", json); /* new data, the same home */
    is_at(call(&d, "contact.get", order_json(open)), HOME_LAT, HOME_LON);

    int64_t moved = place(&d, "moved", ",\"review\":true,\"contact\":{\"name\":\"李\"}");
    is_rounded(&d, moved, HOME_LAT, HOME_LON);
    resubmit(&d, moved);
    is_rounded(&d, moved, NEW_LAT, NEW_LON);
    is_at(call(&d, "contact.get", order_json(moved)), NEW_LAT, NEW_LON);
    ck_assert_str_eq(member(call(&d, "contact.get", order_json(moved)), "name"), "李");

    int64_t bare = place(&d, "bare", ",\"review\":true"); /* data that come after the move */
    resubmit(&d, bare);
    snprintf(json, sizeof json, "{\"order\":%lld,\"contact\":{\"name\":\"王\"}}", (long long)bare);
    call(&d, "contact.put", json);
    is_rounded(&d, bare, NEW_LAT, NEW_LON);
    is_at(call(&d, "contact.get", order_json(bare)), NEW_LAT, NEW_LON);
    no_exact_place(&d);
    for (int64_t order = open; order <= bare; order++) {
        call(&d, "contact.erase", order_json(order));
        ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(order)), "not_found");
    }
    no_exact_place(&d);
    char digest[20];
    char again[20];
    daemon_digest(&d, digest);
    daemon_kill(&d);
    daemon_again(&d, NULL);
    daemon_digest(&d, again);
    ck_assert_str_eq(digest, again);
    daemon_end(&d);
}
END_TEST

static int64_t put_series(struct daemon *d, const char *more)
{
    static const char *const days[] = {"thu", "fri", "sat", "sun", "mon", "tue", "wed"};
    time_t now = time(NULL);
    int64_t day = (now + 8 * 3600) / 86400; /* 1970-01-01 was a Thursday */
    time_t last = now + 60 * 86400;
    struct tm tm;
    char date[16];
    char json[600];
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&last, &tm));
    snprintf(json, sizeof json, "{\"ref\":\"series\",\"region\":" TOWN ",\"category\":\"empty_nest_elder\",\"repeat\":\"%s 09:00-11:00; %s 09:00-11:00\","
             "\"last_date\":\"%s\",\"review\":true,\"lat\":23.0861234,\"lon\":114.4132345%s}", days[(day + 1) % 7], days[(day + 2) % 7], date, more);
    return daemon_number(d, "series.put", json, "series");
}

START_TEST(the_home_of_a_recurring_order_is_in_its_contact_only)
{
    struct daemon d = daemon_start(NULL);
    int64_t series = put_series(&d, _i == 0 ? ",\"contact\":{\"name\":\"张奶奶\"}" : "");
    int64_t first = series + 1;
    is_rounded(&d, first, HOME_LAT, HOME_LON);
    is_at(call(&d, "contact.get", order_json(first)), HOME_LAT, HOME_LON);
    resubmit(&d, first);
    is_rounded(&d, first, NEW_LAT, NEW_LON);
    const struct node *contact = call(&d, "contact.get", order_json(first));
    is_at(contact, NEW_LAT, NEW_LON);
    ck_assert_str_eq(member(contact, "name"), _i == 0 ? "张奶奶" : "");
    is_at(call(&d, "contact.get", order_json(first + 1)), HOME_LAT, HOME_LON);
    no_exact_place(&d);
    daemon_end(&d);
}
END_TEST

static void end_order(struct daemon *d, int64_t order)
{
    char json[100];
    snprintf(json, sizeof json, "{\"order\":%lld,\"reason\":\"other\"}", (long long)order);
    call(d, "order.cancel", json);
}

/* The sealed row of an order, as it stands in the file. */
static size_t sealed_row(const struct daemon *d, int64_t order, uint8_t sealed[4096])
{
    char path[200];
    char sql[100];
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/data/paidan.db", d->directory);
    snprintf(sql, sizeof sql, "SELECT sealed FROM contact WHERE order_id = %lld", (long long)order);
    sqlite3 *db = open_file(path);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    size_t len = sqlite3_step(statement) == SQLITE_ROW ? (size_t)sqlite3_column_bytes(statement, 0) : 0;
    ck_assert_uint_le(len, 4096);
    if (len != 0)
        memcpy(sealed, sqlite3_column_blob(statement, 0), len);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return len;
}

static bool file_has(const struct daemon *d, const char *name, const uint8_t *bytes, size_t len)
{
    char path[200];
    static char buffer[8 << 20];
    snprintf(path, sizeof path, "%s/data/%s", d->directory, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t got = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    ck_assert_uint_lt(got, sizeof buffer);
    return memmem(buffer, got, bytes, len) != NULL;
}

/* What is erased is in no file any more when the answer comes: not in the database, not in its log. */
START_TEST(what_is_erased_is_overwritten)
{
    struct daemon d = daemon_start(NULL);
    uint8_t sealed[4096];
    int64_t order = place(&d, "1", ",\"contact\":{\"name\":\"张\",\"phone\":\"13800007777\"}");
    size_t len = sealed_row(&d, order, sealed);
    ck_assert_uint_gt(len, 40);
    size_t part = 32; /* a long value may lie on several pages */
    ck_assert(file_has(&d, "paidan.db-wal", sealed, part) || file_has(&d, "paidan.db", sealed, part));
    if (_i == 0) {
        call(&d, "contact.erase", order_json(order));
    } else { /* what is replaced is gone too */
        char json[100];
        snprintf(json, sizeof json, "{\"order\":%lld,\"contact\":{\"name\":\"李\"}}", (long long)order);
        call(&d, "contact.put", json);
    }
    ck_assert(!file_has(&d, "paidan.db", sealed, part));
    ck_assert(!file_has(&d, "paidan.db-wal", sealed, part));
    ck_assert(!file_has(&d, "paidan.db", sealed + len - part, part));
    ck_assert(!file_has(&d, "paidan.db-wal", sealed + len - part, part));
    daemon_end(&d);
}
END_TEST

/* While somebody reads, the log cannot be cut; it is as soon as they have done. */
START_TEST(a_reader_delays_the_cutting_of_the_log_and_no_more)
{
    struct daemon d = daemon_start(NULL);
    uint8_t sealed[4096];
    char path[200];
    snprintf(path, sizeof path, "%s/data/paidan.db", d.directory);
    int64_t order = place(&d, "1", ",\"contact\":{\"name\":\"张\"}");
    ck_assert_uint_gt(sealed_row(&d, order, sealed), 40);
    sqlite3 *reader = open_file(path);
    ck_assert_int_eq(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM orders", NULL, NULL, NULL), SQLITE_OK);
    call(&d, "contact.erase", order_json(order));
    ck_assert(file_has(&d, "paidan.db-wal", sealed, 32));
    ck_assert_int_eq(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(reader);
    bool is_there = true;
    for (int i = 0; i < 200 && is_there; i++) {
        is_there = file_has(&d, "paidan.db-wal", sealed, 32) || file_has(&d, "paidan.db", sealed, 32);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    ck_assert(!is_there);
    daemon_end(&d);
}
END_TEST

START_TEST(ended_orders_are_forgotten_by_those_of_their_region)
{
    struct daemon d = daemon_start(closed);
    struct daemon ours = enter(&d, "ours", "dispatcher", TOWN);
    struct daemon theirs = enter(&d, "theirs", "dispatcher", "441303001001");
    struct daemon platform = enter(&d, "platform", "platform", "441302");
    int64_t first = place(&d, "1", ",\"contact\":{\"name\":\"张\"}");
    int64_t second = place(&d, "2", ",\"contact\":{\"name\":\"李\"}");
    end_order(&d, first);
    end_order(&d, second);
    ck_assert_str_eq(daemon_refused(&theirs, "contact.erase", order_json(first)), "not_found");
    ck_assert_str_eq(daemon_refused(&theirs, "contact.erase", order_json(999)), "not_found");
    ck_assert_str_eq(member(call(&ours, "contact.get", order_json(first)), "name"), "张");
    ck_assert_str_eq(member(call(&ours, "contact.erase", order_json(first)), "state"), "cancelled");
    call(&ours, "contact.erase", order_json(first)); /* twice is as once */
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(first)), "not_found");
    ck_assert_str_eq(member(call(&d, "contact.get", order_json(second)), "name"), "李");
    call(&platform, "contact.erase", order_json(second));
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(second)), "not_found");
    client_close(ours.client);
    client_close(theirs.client);
    client_close(platform.client);
    daemon_end(&d);
}
END_TEST

START_TEST(erasing_one_of_a_series_and_all_of_it)
{
    struct daemon d = daemon_start(closed);
    struct daemon ours = enter(&d, "ours", "dispatcher", TOWN);
    struct daemon theirs = enter(&d, "theirs", "dispatcher", "441303001001");
    char json[200];
    int64_t series = put_series(&d, ",\"contact\":{\"name\":\"张奶奶\"}");
    int64_t first = series + 1;
    int64_t second = series + 2;
    ck_assert_int_eq(member_number(call(&ours, "contact.erase", order_json(first)), "series"), series);
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(first)), "not_found");
    ck_assert_str_eq(member(call(&d, "contact.get", order_json(second)), "name"), "张奶奶");
    snprintf(json, sizeof json, "{\"order\":%lld,\"contact\":{\"name\":\"李\",\"phone\":\"13800000009\"}}", (long long)second);
    call(&d, "contact.put", json);
    snprintf(json, sizeof json, "{\"series\":%lld}", (long long)series);
    call(&d, "series.stop", json);
    end_order(&d, second);
    ck_assert_str_eq(daemon_refused(&theirs, "contact.erase", order_json(series)), "not_found");
    call(&ours, "contact.erase", order_json(series)); /* though it has ended */
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(first)), "not_found");
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(second)), "not_found");
    ck_assert_uint_eq(node_get(call(&d, "contact.find", "{\"phone\":\"13800000009\"}"), "items")->count, 0);
    char path[200];
    snprintf(path, sizeof path, "%s/data/paidan.db", d.directory);
    ck_assert_int_eq(number_in(path, "SELECT count(*) FROM contact"), 0);
    client_close(ours.client);
    client_close(theirs.client);
    daemon_end(&d);
}
END_TEST

static uint32_t count_events(struct daemon *auditor, const char *kind, int64_t order)
{
    char json[100];
    uint32_t count = 0;
    snprintf(json, sizeof json, "{\"kind\":\"%s\",\"limit\":1000}", kind);
    const struct node *items = node_get(call(auditor, "event.read", json), "items");
    for (uint32_t i = 0; i < items->count; i++)
        count += order == 0 || member_number(&items->u.items[i], "order") == order;
    return count;
}

/* Whoever watches over a region sees each look at data of its people, of ended orders too. */
START_TEST(looks_are_seen_in_their_region)
{
    struct daemon d = daemon_start(closed);
    struct daemon auditor = enter(&d, "auditor", "auditor", "441302");
    struct daemon elsewhere = enter(&d, "elsewhere", "auditor", "441303");
    struct daemon theirs = enter(&d, "theirs", "dispatcher", "441303001001");
    int64_t order = place(&d, "1", ",\"contact\":{\"name\":\"张\",\"phone\":\"13800007777\"}");
    for (int ended = 0; ended < 2; ended++) {
        call(&d, "contact.get", order_json(order));
        call(&d, "contact.find", "{\"phone\":\"13800007777\"}");
        ck_assert_uint_eq(count_events(&auditor, "contact_read", order), 1 + (uint32_t)ended);
        ck_assert_uint_eq(count_events(&auditor, "contact_sought", order), 1 + (uint32_t)ended);
        ck_assert_str_eq(daemon_refused(&theirs, "contact.get", order_json(order)), "not_found");
        ck_assert_uint_eq(node_get(call(&theirs, "contact.find", "{\"phone\":\"13800007777\"}"), "items")->count, 0);
        if (!ended)
            end_order(&d, order);
    }
    ck_assert_uint_eq(count_events(&d, "contact_read", order), 2); /* who was shown nothing has read nothing */
    ck_assert_uint_eq(count_events(&elsewhere, "contact_sought", 0), 2);
    ck_assert_uint_eq(count_events(&auditor, "contact_sought", 0), 2);
    call(&d, "contact.erase", order_json(order));
    ck_assert_uint_eq(count_events(&auditor, "contact_erased", order), 1);
    ck_assert_str_eq(daemon_refused(&d, "contact.get", order_json(order)), "not_found");
    ck_assert_uint_eq(count_events(&d, "contact_read", order), 2);
    client_close(auditor.client);
    client_close(elsewhere.client);
    client_close(theirs.client);
    daemon_end(&d);
}
END_TEST

/* No name moves what a terminal shows, nor makes two lines of one. */
START_TEST(what_is_not_seen_is_written_out)
{
    static const struct {
        const char *from, *to;
    } texts[] = {{"桥东 team", "桥东 team"}, {"a\nb", "a\\u000ab"}, {"a\x1b[31m", "a\\u001b[31m"}, {"\x7f", "\\u007f"},
                 {"\xc2\x9b" "2J", "\\u009b2J"}, {"\xe2\x80\xaegpj", "\\u202egpj"}, {"\xe2\x81\xa6x", "\\u2066x"},
                 {"\xe2\x80\x8f", "\\u200f"}, {"\xd8\x9c", "\\u061c"}, {"\xff\xc0\x80", "\\xff\\xc0\\x80"}, {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}};
    char to[200];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_uint_eq(text_visible(texts[i].from, strlen(texts[i].from), to, sizeof to), strlen(texts[i].to));
        ck_assert_str_eq(to, texts[i].to);
    }
    ck_assert_uint_eq(text_visible("桥东", 6, to, 6), 3); /* cut between characters */
    char said[20000];
    struct daemon d = daemon_start(NULL);
    call(&d, "org.put", "{\"id\":7,\"name\":\"x\\u202e\\u009b2J\\u2066y\",\"region\":" TOWN ",\"lat\":23.08,\"lon\":114.41,\"skills\":[\"legal_aid\"]}");
    static const char *const commands[] = {"orgs", "org show 7", "call org.get '{\"id\":\"a\\u001b[2J\\u202e\"}'", "doctor"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        daemon_cli(&d, commands[i], said, sizeof said);
        ck_assert_msg(strstr(said, "\x1b[2J") == NULL && strstr(said, "\xe2\x80\xae") == NULL && strstr(said, "\xc2\x9b") == NULL &&
                      strstr(said, "\xe2\x81\xa6") == NULL, "%s: %s", commands[i], said);
        ck_assert_msg(i >= 2 || strstr(said, "x\\u202e\\u009b2J\\u2066y") != NULL, "%s: %s", commands[i], said);
    }
    daemon_end(&d);
}
END_TEST

/* A random city of 2 counties, 5 towns and 12 villages, with 3 categories: mostly small cells. */
enum { VILLAGES = 12, CATEGORIES = 3, CELLS = VILLAGES * CATEGORIES, KINDS = 6, UNKNOWNS = KINDS * CELLS, ROWS_MAX = 600 };

static struct engine *a_city(void)
{
    struct engine *e = world_new();
    for (unsigned i = 0; i < 3; i++) { /* towns beside 111 and 121 */
        struct command c = {.op = OP_ADD_REGION, .actor = "test"};
        c.u.region.code = 112 + i + (i == 2 ? 8 : 0);
        c.u.region.parent = i == 2 ? 12 : 11;
        c.u.region.name = "town";
        c.u.region.level = LEVEL_TOWN;
        ck_assert_int_eq(engine_step(e, &c, 1).refusal.code, REFUSAL_NONE);
    }
    static const uint64_t villages[] = {1113, 1121, 1122, 1131, 1132, 1212, 1213, 1221, 1222};
    for (unsigned i = 0; i < ARRAY_LEN(villages); i++) {
        struct command c = {.op = OP_ADD_REGION, .actor = "test"};
        c.u.region.code = villages[i];
        c.u.region.parent = villages[i] / 10;
        c.u.region.name = "village";
        c.u.region.level = LEVEL_VILLAGE;
        ck_assert_int_eq(engine_step(e, &c, 1).refusal.code, REFUSAL_NONE);
    }
    return e;
}

/* What somebody knows who has every answer of every level and region: sums of cells, as rows of a matrix. */
struct attacker {
    double sums[ROWS_MAX][UNKNOWNS + 1];
    int count;
    int columns; /* unknowns; what they sum up to comes after */
    bool rest[CELLS]; /* of no set below the city's */
};

/* Brings the rows to reduced form. */
static void eliminate(struct attacker *a)
{
    int row = 0;
    for (int column = 0; column < a->columns && row < a->count; column++) {
        int best = row;
        for (int i = row; i < a->count; i++)
            if (fabs(a->sums[i][column]) > fabs(a->sums[best][column]))
                best = i;
        if (fabs(a->sums[best][column]) < 1e-7)
            continue;
        for (int j = 0; j <= a->columns; j++) {
            double swap = a->sums[row][j];
            a->sums[row][j] = a->sums[best][j];
            a->sums[best][j] = swap;
        }
        double lead = a->sums[row][column];
        for (int j = 0; j <= a->columns; j++)
            a->sums[row][j] /= lead;
        for (int i = 0; i < a->count; i++) {
            double times = i != row ? a->sums[i][column] : 0;
            for (int j = 0; times != 0 && j <= a->columns; j++)
                a->sums[i][j] -= times * a->sums[row][j];
        }
        row++;
    }
    a->count = row;
}

/* Of the cells that are small and not 0, those that the sums determine. */
static int solved(struct attacker *a, const uint64_t values[CELLS])
{
    int found = 0;
    eliminate(a);
    for (int i = 0; i < a->count; i++) {
        int cell = -1;
        int others = 0;
        for (int j = 0; j < a->columns; j++) {
            if (fabs(a->sums[i][j]) < 1e-7)
                continue;
            others += cell >= 0;
            cell = cell >= 0 ? cell : j;
        }
        if (cell >= 0 && others == 0 && values[cell] != 0 && values[cell] < PUBLISH_LEAST)
            found += fabs(a->sums[i][a->columns] - (double)values[cell]) < 1e-6;
    }
    return found;
}

/* The suppression that this project had: each answer hides what is small in it, for itself. */
static struct month_row *primary_only(const struct engine *e, const struct month_row *cells, uint32_t count, int level,
                                      uint64_t within, uint32_t *shown)
{
    struct month_row *rows = must_alloc(count + 1, sizeof *rows);
    uint32_t left = 0;
    *shown = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t region = region_at(e, cells[i].region, level);
        uint32_t at = 0;
        if (within != 0 && !engine_region_within(e, engine_region_find(e, cells[i].region), engine_region_find(e, within)))
            continue;
        while (at < left && (rows[at].region != region || rows[at].category != cells[i].category))
            at++;
        if (at == left)
            rows[left++] = (struct month_row){.region = region, .category = cells[i].category};
        rows[at].attendances += cells[i].attendances;
        rows[at].minutes += cells[i].minutes;
    }
    for (uint32_t i = 0; i < left; i++)
        if (rows[i].attendances >= PUBLISH_LEAST)
            rows[(*shown)++] = rows[i];
    return rows;
}

typedef struct month_row *publisher(const struct engine *e, const struct month_row *cells, uint32_t count, int level,
                                    uint64_t within, uint32_t *shown);

/* Every answer that can be had of the month. The minutes of cell j are 2^j: they say which cells a row sums up,
 * which is more than anybody is told. */
static void learn(struct attacker *a, const struct engine *e, const struct month_row *cells, publisher *show)
{
    static const uint64_t regions[] = {0, 11, 12, 111, 112, 113, 121, 122, 1111, 1112, 1113, 1121, 1122, 1131, 1132, 1211, 1212, 1213, 1221, 1222};
    a->count = 0;
    a->columns = CELLS;
    for (size_t w = 0; w < ARRAY_LEN(regions); w++) {
        for (int level = LEVEL_VILLAGE; level <= LEVEL_CITY; level++) {
            uint32_t count = 0;
            struct month_row *rows = show(e, cells, CELLS, level, regions[w], &count);
            for (uint32_t r = 0; r < count; r++) {
                if (a->count == ROWS_MAX)
                    eliminate(a);
                ck_assert_int_lt(a->count, ROWS_MAX);
                if (rows[r].attendances == 0)
                    continue;
                ck_assert_uint_ge(rows[r].attendances, PUBLISH_LEAST);
                for (int j = 0; j < CELLS; j++)
                    a->sums[a->count][j] = (double)(rows[r].minutes >> j & 1);
                a->sums[a->count++][CELLS] = (double)rows[r].attendances;
            }
            free(rows);
        }
    }
}

/* Over random cities, whoever has every answer solves for no small cell; and does where only what is small in
 * an answer is hidden. */
START_TEST(nothing_small_is_the_difference_of_what_is_published)
{
    static struct attacker attacker;
    static const uint64_t villages[VILLAGES] = {1111, 1112, 1113, 1121, 1122, 1131, 1132, 1211, 1212, 1213, 1221, 1222};
    struct engine *e = a_city();
    struct random random = {.state = 12};
    int shown = 0;
    int solved_before = 0;
    for (int city = 0; city < 150; city++) {
        struct month_row cells[CELLS];
        uint64_t values[CELLS];
        uint64_t most = 3 + draw(&random, 12);
        for (int i = 0; i < CELLS; i++) {
            values[i] = draw(&random, 3) == 0 ? 0 : draw(&random, most);
            cells[i] = (struct month_row){.region = villages[i / CATEGORIES], .category = i % CATEGORIES,
                                          .attendances = values[i], .minutes = INT64_C(1) << i};
        }
        learn(&attacker, e, cells, publish_figures);
        shown += attacker.count;
        ck_assert_msg(solved(&attacker, values) == 0, "city %d", city);
        learn(&attacker, e, cells, primary_only);
        solved_before += solved(&attacker, values);
    }
    ck_assert_int_gt(shown, 1000); /* it does not just hide */
    ck_assert_int_gt(solved_before, 100);
    engine_free(e);
}
END_TEST

/* Which cells a set is made of: those of its place that no set below has. `held` are the cells that are. */
static void claim(const struct engine *e, const struct month_row *set, const struct month_row *cells, bool held[CELLS], bool of[CELLS])
{
    uint32_t outer = engine_region_find(e, set->region);
    for (int j = 0; j < CELLS; j++) {
        of[j] = !held[j] && (set->category == CATEGORY_OTHER || set->category == cells[j].category) &&
                engine_region_within(e, engine_region_find(e, cells[j].region), outer);
        held[j] |= of[j];
    }
}

static uint64_t kind_of(const struct month_row *row, int kind)
{
    const uint64_t kinds[KINDS] = {row->placed, row->accepted, row->done, row->unmet, row->cancelled, row->attendances};
    return kinds[kind];
}

static double *new_row(struct attacker *a)
{
    ck_assert_int_lt(a->count, ROWS_MAX);
    double *row = a->sums[a->count++];
    memset(row, 0, sizeof a->sums[0]);
    return row;
}

/* What the sets of one division say of some kinds. That a figure is not shown says that it is 0 in each cell,
 * where `is_joint`: but for the city's rest, whose figures may be left out. */
static void learn_sets(struct attacker *a, const struct engine *e, const struct month_row *cells, const struct month_row *asked, unsigned kinds, bool is_joint)
{
    uint32_t count = 0;
    bool held[CELLS] = {false};
    struct month_row *sets = publish_figures(e, asked, CELLS, LEVEL_VILLAGE, 0, &count);
    for (int level = LEVEL_VILLAGE; level <= LEVEL_CITY; level++)
        for (int other = 0; other < 2; other++)
            for (uint32_t s = 0; s < count; s++) {
                bool of[CELLS];
                if (engine_region_slot(e, engine_region_find(e, sets[s].region))->level != level || (sets[s].category == CATEGORY_OTHER) != other)
                    continue;
                claim(e, &sets[s], cells, held, of);
                if (level == LEVEL_CITY)
                    memcpy(a->rest, of, sizeof of);
                for (int kind = 0; kind < KINDS; kind++) {
                    if ((kinds >> kind & 1) == 0)
                        continue;
                    uint64_t said = kind_of(&sets[s], kind);
                    double *row = said != 0 ? new_row(a) : NULL;
                    for (int j = 0; j < CELLS; j++) {
                        if (said == 0 && of[j] && is_joint && level != LEVEL_CITY)
                            new_row(a)[kind * CELLS + j] = 1;
                        if (said != 0)
                            row[kind * CELLS + j] = of[j];
                    }
                    if (said != 0)
                        row[UNKNOWNS] = (double)said;
                }
            }
    free(sets);
}

/* Each kind divided for itself, as this project had it; or all together. All orders have ended in the month, if
 * `is_closed`, and the attacker knows it. */
static void learn_kinds(struct attacker *a, const struct engine *e, const struct month_row *cells, bool is_joint, bool is_closed)
{
    a->count = 0;
    a->columns = UNKNOWNS;
    memset(a->rest, 0, sizeof a->rest);
    if (is_joint)
        learn_sets(a, e, cells, cells, (1U << KINDS) - 1, true);
    for (int kind = 0; kind < KINDS && !is_joint; kind++) {
        struct month_row alone[CELLS];
        for (int j = 0; j < CELLS; j++) {
            uint64_t value = kind_of(&cells[j], kind);
            alone[j] = (struct month_row){.region = cells[j].region, .category = cells[j].category,
                                          .placed = kind == 0 ? value : 0, .accepted = kind == 1 ? value : 0, .done = kind == 2 ? value : 0,
                                          .unmet = kind == 3 ? value : 0, .cancelled = kind == 4 ? value : 0, .attendances = kind == 5 ? value : 0};
        }
        learn_sets(a, e, cells, alone, 1U << kind, false);
    }
    for (int j = 0; j < CELLS && is_closed; j++) {
        static const int times[KINDS] = {1, 0, -1, -1, -1, 0};
        double *row = new_row(a);
        for (int kind = 0; kind < KINDS; kind++)
            row[kind * CELLS + j] = times[kind];
    }
    eliminate(a);
}

/* Whether the sums determine a sum of unknowns. */
static bool is_determined(const struct attacker *a, double sought[UNKNOWNS])
{
    for (int i = 0; i < a->count; i++) {
        int lead = 0;
        while (fabs(a->sums[i][lead]) < 1e-7)
            lead++;
        double times = lead < UNKNOWNS ? sought[lead] : 0;
        for (int j = lead; times != 0 && j < UNKNOWNS; j++)
            sought[j] -= times * a->sums[i][j];
    }
    for (int j = 0; j < UNKNOWNS; j++)
        if (fabs(sought[j]) > 1e-6)
            return false;
    return true;
}

/* How many small counts the attacker comes to: of every region, by category and of all, and of the city's rest,
 * each kind and what is left of one without others. */
static int solved_kinds(const struct attacker *a, const struct engine *e, const struct month_row *cells)
{
    static const int counts[][KINDS] = {
        {1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}, {0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 1}, {1, -1}, {1, 0, -1}, {1, 0, 0, -1}, {1, 0, 0, 0, -1},
        {1, 0, -1, -1}, {1, 0, -1, 0, -1}, {1, 0, 0, -1, -1}, {1, 0, -1, -1, -1}, {0, 1, -1}, {0, 0, -1, 0, 0, 1}};
    int found = 0;
    for (uint32_t slot = 0; slot <= engine_region_count(e); slot++)
        for (int category = -1; category < CATEGORIES; category++)
            for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
                double sought[UNKNOWNS] = {0};
                int64_t value = 0;
                for (int j = 0; j < CELLS; j++) {
                    bool is_in = slot < engine_region_count(e) ? engine_region_within(e, engine_region_find(e, cells[j].region), slot) : a->rest[j];
                    bool is_of = is_in && (category < 0 || cells[j].category == category);
                    for (int kind = 0; kind < KINDS && is_of; kind++) {
                        sought[kind * CELLS + j] = counts[c][kind];
                        value += counts[c][kind] * (int64_t)kind_of(&cells[j], kind);
                    }
                }
                found += value > 0 && value < PUBLISH_LEAST && is_determined(a, sought);
            }
    return found;
}

/* The orders of a random cell, counted: what is accepted, done and so on is part of what was placed. */
static struct month_row random_cell(struct random *random, uint64_t region, int category, uint64_t most, uint64_t done, bool is_closed)
{
    struct month_row row = {.region = region, .category = category};
    row.placed = draw(random, 3) == 0 ? 0 : draw(random, most);
    for (uint64_t i = 0; i < row.placed; i++) {
        uint64_t way = draw(random, is_closed ? 12 : 13);
        bool is_done = way < done; /* so many of twelve */
        row.done += is_done;
        row.unmet += !is_done && way < 12 && way % 2 == 0;
        row.cancelled += !is_done && way < 12 && way % 2 == 1;
        row.accepted += is_done || draw(random, 2) == 0;
        row.attendances += is_done ? 1 + (draw(random, 4) == 0 ? 1U : 0U) : 0;
    }
    row.minutes = (int64_t)row.attendances * 60;
    return row;
}

/* Nor is it the difference of figures of several kinds. */
START_TEST(nothing_small_is_the_difference_of_what_is_published_of_several_kinds)
{
    static struct attacker attacker;
    static const uint64_t villages[VILLAGES] = {1111, 1112, 1113, 1121, 1122, 1131, 1132, 1211, 1212, 1213, 1221, 1222};
    struct engine *e = a_city();
    struct random random = {.state = 21};
    int solved_before = 0;
    uint64_t placed = 0;
    uint64_t shown = 0;
    for (int city = 0; city < 400; city++) {
        struct month_row cells[CELLS];
        bool is_closed = city % 2 == 0;
        uint64_t most = 4 + draw(&random, city % 3 == 0 ? 200 : 12);
        uint64_t done = draw(&random, 13);
        for (int i = 0; i < CELLS; i++) {
            cells[i] = random_cell(&random, villages[i / CATEGORIES], i % CATEGORIES, most, done, is_closed);
            placed += cells[i].placed;
        }
        learn_kinds(&attacker, e, cells, true, is_closed);
        ck_assert_msg(solved_kinds(&attacker, e, cells) == 0, "city %d", city);
        learn_kinds(&attacker, e, cells, false, is_closed);
        solved_before += solved_kinds(&attacker, e, cells);
        uint32_t count = 0;
        struct month_row *rows = publish_figures(e, cells, CELLS, LEVEL_COUNTY, 0, &count);
        for (uint32_t i = 0; i < count; i++)
            shown += rows[i].placed;
        free(rows);
    }
    ck_assert_int_gt(solved_before, 100);
    ck_assert_uint_gt(shown, placed * 9 / 10); /* it does not just hide */
    engine_free(e);
}
END_TEST

/* Seven placed and five done would say that two were cancelled. */
START_TEST(few_cancelled_are_not_placed_less_done)
{
    struct engine *e = a_city();
    struct month_row cell = {.region = 1111, .placed = 7, .accepted = 5, .done = 5, .cancelled = 2};
    uint32_t count = 0;
    struct month_row *rows = publish_figures(e, &cell, 1, LEVEL_VILLAGE, 0, &count);
    ck_assert_uint_eq(count, 1); /* what is left is the city's */
    ck_assert_uint_eq(rows[0].region, 1);
    ck_assert_uint_eq(rows[0].placed, 7);
    ck_assert_uint_eq(rows[0].accepted + rows[0].done + rows[0].cancelled, 0);
    free(rows);
    engine_free(e);
}
END_TEST

/* A service whose clock can pass the end of a month; the last answer, decoded. */
struct box {
    struct service service;
    struct arena arena;
    const struct node *answer;
};

static void take_answer(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct box *b = context;
    uint8_t *copy = arena_take(&b->arena, len);
    (void)connection;
    memcpy(copy, bytes, len);
    b->answer = codec_decode(&b->arena, copy, len);
}

/* What a caller is answered; an error's map when it is refused. */
static const struct node *ask_box(struct box *b, struct identity who, const char *method, const char *json)
{
    struct pack p = {.bytes = NULL};
    char why[200];
    struct session *session = turn_connect(b->service.turn, 100, &who);
    pack_fixed_list(&p, 4);
    pack_int(&p, 0);
    pack_int(&p, 1);
    pack_text(&p, method);
    pack_fixed_list(&p, 1);
    ck_assert_msg(json_pack_object(&p, json, strlen(json), why), "%s", why);
    b->answer = NULL;
    ck_assert(turn_request(b->service.turn, session, p.bytes, p.len));
    service_settle(&b->service);
    ck_assert_msg(b->answer != NULL, "%s %s: %s", method, json, b->service.failure.text);
    turn_disconnect(b->service.turn, session);
    pack_fini(&p);
    return b->answer->u.items[2].kind == NODE_NIL ? &b->answer->u.items[3] : &b->answer->u.items[2];
}

/* A month's figures, when it is over, are those of the log: the few of a village with what else is few in
 * its town, and the same for whoever asks. */
START_TEST(a_month_that_is_over_is_published_from_the_log)
{
    struct box b = {.service = {.now = MONDAY_9, .disk = disk_new(5), .send = take_answer}};
    char json[200];
    static const struct {
        const char *region;
        int orders;
    } placed[] = {{"1111", 7}, {"1112", 2}, {"1211", 3}};
    sim_prepare();
    b.service.context = &b;
    ck_assert_int_eq(service_start(&b.service, 7), 0);
    struct identity all = identity_trusted("uid:0");
    struct identity one = {.roles = ROLE_SUPERVISOR, .scope = SCOPE_REGION, .region = 111, .principal = "token:t"};
    for (size_t i = 0; i < ARRAY_LEN(placed); i++)
        for (int n = 0; n < placed[i].orders; n++) {
            snprintf(json, sizeof json, "{\"ref\":\"%zu.%d\",\"region\":%s,\"category\":\"legal_aid\"}", i, n, placed[i].region);
            ck_assert_ptr_nonnull(node_get(ask_box(&b, all, "order.place", json), "order"));
        }
    ck_assert_str_eq(member(ask_box(&b, all, "stats.public", "{\"month\":\"2026-11\"}"), "code"), "bad_value");
    b.service.now = b.service.disk->now = MONDAY_9 + 9 * 24 * HOUR;
    service_settle(&b.service);
    const struct node *figures = ask_box(&b, all, "stats.public", "{\"month\":\"2026-11\",\"level\":\"village\"}");
    /* 7 of one village; the 2 and the 3 of two counties meet in the city */
    ck_assert_int_eq(member_number(figures, "placed"), 12);
    const struct node *items = node_get(figures, "items");
    ck_assert_uint_eq(items->count, 2);
    for (uint32_t i = 0; i < items->count; i++) {
        bool is_village = member_number(&items->u.items[i], "region") == 1111;
        ck_assert(is_village || member_number(&items->u.items[i], "region") == 1);
        ck_assert_int_eq(member_number(&items->u.items[i], "placed"), is_village ? 7 : 5);
    }
    figures = ask_box(&b, one, "stats.public", "{\"month\":\"2026-11\",\"level\":\"town\"}");
    ck_assert_int_eq(member_number(figures, "placed"), 7); /* the town's two are in no set that lies in it */
    service_stop(&b.service);
    disk_free(b.service.disk);
    arena_fini(&b.arena);
}
END_TEST

Suite *suite_privacy(void);
Suite *suite_privacy(void)
{
    Suite *suite = suite_create("privacy");
    TCase *tc = tcase_create("privacy");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_home_is_exact_in_its_contact_only);
    tcase_add_loop_test(tc, the_home_of_a_recurring_order_is_in_its_contact_only, 0, 2);
    tcase_add_loop_test(tc, what_is_erased_is_overwritten, 0, 2);
    tcase_add_test(tc, a_reader_delays_the_cutting_of_the_log_and_no_more);
    tcase_add_test(tc, ended_orders_are_forgotten_by_those_of_their_region);
    tcase_add_test(tc, erasing_one_of_a_series_and_all_of_it);
    tcase_add_test(tc, nothing_small_is_the_difference_of_what_is_published);
    tcase_add_test(tc, nothing_small_is_the_difference_of_what_is_published_of_several_kinds);
    tcase_add_test(tc, few_cancelled_are_not_placed_less_done);
    tcase_add_test(tc, a_month_that_is_over_is_published_from_the_log);
    tcase_add_test(tc, what_is_not_seen_is_written_out);
    tcase_add_test(tc, looks_are_seen_in_their_region);
    suite_add_tcase(suite, tc);
    return suite;
}
