/* The store against real SQLite: what is committed is there again, and nothing else is. */
#include <fcntl.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"
#include "proto/codes.h"
#include "store/chain.h"
#include "store/refs.h"
#include "store/store.h"

static const struct vault test_vault = {.profile = VAULT_INTERNATIONAL, .wrap_key = {1}};
static sem_t woken;

static void wake(void *context)
{
    (void)context;
    sem_post(&woken);
}

static struct store *open_store(const char *directory)
{
    struct store *store = NULL;
    struct failure failure = {0};
    struct store_options options = {.directory = directory, .wake = wake, .vault = &test_vault};
    sem_init(&woken, 0, 0);
    ck_assert_msg(store_open(&options, &store, &failure) == 0, "%s", failure.text);
    return store;
}

static void start(struct store *store)
{
    struct failure failure = {0};
    ck_assert_int_eq(store_start(store, &failure), 0);
}

static void commit(struct store *store, struct batch *batch, struct engine *e)
{
    batch->number++;
    batch->next_ref = 1 + batch->ref_count;
    batch_gather(batch, e);
    store_submit(store, batch);
    struct collected c = store_wait(store);
    ck_assert_msg(!c.has_failed, "%s", c.failure.text);
    ck_assert_ptr_eq(c.committed, batch);
    batch_reset(batch);
}

static struct query *answer(struct store *store, struct query *q)
{
    store_ask(store, q);
    for (;;) {
        struct collected c = store_collect(store);
        if (c.answered != NULL)
            return c.answered;
        sem_wait(&woken);
    }
}

static uint64_t busy_world(struct engine *e)
{
    struct org_request g = world_org(e, 7, "legal_aid");
    static const uint64_t regions[] = {11, 12};
    g.regions = regions;
    g.region_count = 2;
    world_put(e, &g);
    g.id = 8;
    world_put(e, &g);
    struct org_date dates[1] = {{.day = 20000, .is_closed = true, .half_hours = 5}};
    struct command c = {.op = OP_ORG_DATES, .org = 7};
    c.u.dates.dates = dates;
    c.u.dates.count = 1;
    world_step(e, c, MONDAY_9);
    struct order_request r = world_order(e, "legal_aid");
    r.person = 5;
    snprintf(r.external_id, sizeof r.external_id, "平安-1");
    uint64_t first = world_place(e, &r, MONDAY_9);
    uint64_t offer = world_dispatch(e, first, 7, MONDAY_9);
    world_do(e, OP_ACCEPT, offer, MONDAY_9);
    world_do(e, OP_START, offer, MONDAY_9);
    r.mode = MODE_AUTO;
    world_place(e, &r, MONDAY_9);
    world_do(e, OP_CLAIM, world_place(e, &r, MONDAY_9), MONDAY_9);
    world_step(e, (struct command){.op = OP_ORG_REMOVE, .org = 8}, MONDAY_9);
    return offer;
}

static struct engine *reload(struct store *store)
{
    struct failure failure = {0};
    struct engine *e = world_new();
    ck_assert_msg(store_load(store, e, 1, &failure) == 0, "%s", failure.text);
    engine_check(e);
    return e;
}

START_TEST(a_restart_gives_the_same_digest)
{
    char directory[64];
    struct batch batch = {.number = 0};
    make_directory(directory);
    struct store *store = open_store(directory);
    start(store);
    struct engine *e = world_new();
    uint64_t offer = busy_world(e);
    commit(store, &batch, e);
    for (int i = 0; i < 3; i++) {
        uint64_t digest = engine_digest(e);
        engine_free(e);
        store_close(store);
        store = open_store(directory);
        e = reload(store);
        ck_assert_uint_eq(engine_digest(e), digest);
        start(store);
        if (i == 0) /* and life goes on */
            ck_assert_int_eq(world_do(e, OP_COMPLETE, offer, MONDAY_9 + HOUR).refusal.code, 0);
        commit(store, &batch, e);
    }
    batch_fini(&batch);
    store_close(store);
    engine_free(e);
    remove_directory(directory);
}
END_TEST

START_TEST(ended_orders_are_answered_by_the_reader)
{
    char directory[64];
    struct batch batch = {.number = 0};
    make_directory(directory);
    struct store *store = open_store(directory);
    start(store);
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    uint64_t order = world_place(e, &r, MONDAY_9);
    world_do(e, OP_CANCEL, order, MONDAY_9);
    commit(store, &batch, e);
    ck_assert_ptr_null(engine_order(e, order));
    struct query *q = query_new(QUERY_ORDER);
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.order = order;
    q = answer(store, q);
    ck_assert(q->is_found);
    ck_assert_int_eq(q->orders[0].state, ORDER_CANCELLED);
    query_free(q);
    q = query_new(QUERY_HISTORY);
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.order = order;
    q = answer(store, q);
    ck_assert_uint_eq(q->event_count, 2);
    ck_assert_int_eq(q->events[0].kind, EVENT_PLACED);
    ck_assert_int_eq(q->events[1].kind, EVENT_CANCELLED);
    query_free(q);
    batch_fini(&batch);
    store_close(store);
    engine_free(e);
    remove_directory(directory);
}
END_TEST

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &error);
    ck_assert_msg(rc == SQLITE_OK, "%s", error);
    sqlite3_close(db);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    char *text = must_alloc(1 << 20, 1);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    ck_assert_uint_gt(len, 0);
    fclose(file);
    return text;
}

START_TEST(an_older_schema_is_migrated)
{
    char directory[64];
    char path[100];
    struct failure failure = {0};
    make_directory(directory);
    snprintf(path, sizeof path, "%s/%s", directory, STORE_FILE);
    static const char *const dumps[] = {"tests/schema_v1.sql", "tests/schema_v2.sql", "tests/schema_v3.sql",
                                        "tests/schema_v4.sql"};
    char *sql = read_text(dumps[_i]);
    run_sql(path, sql);
    free(sql);
    struct store *store = open_store(directory);
    struct engine *e = engine_new(0);
    ck_assert_int_eq(store_load_skills(store, e, &failure), 0);
    ck_assert_int_eq(codes_load_regions(e, "conf/huizhou/regions.csv", &failure), 0);
    ck_assert_int_eq(codes_load_tables(e, "conf/huizhou", &failure), 0);
    ck_assert_msg(store_load(store, e, 1, &failure) == 0, "%s", failure.text);
    engine_check(e);
    ck_assert_str_eq(world_state(e, 1), "gone"); /* closed */
    ck_assert_str_eq(world_state(e, 2), "accepted");
    ck_assert_str_eq(world_state(e, 3), "offered");
    start(store);
    struct query *q = query_new(QUERY_HISTORY); /* the chain of events was made */
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.order = 1;
    q = answer(store, q);
    ck_assert_uint_eq(q->event_count, 6);
    ck_assert_int_eq(q->events[0].kind, EVENT_PLACED);
    ck_assert_int_eq(q->events[5].kind, EVENT_RATED);
    query_free(q);
    q = query_new(QUERY_CONTACT); /* personal data were sealed, and open */
    q->filter.reach = REACH_EVERYWHERE;
    q->filter.order = _i == 0 ? 2 : 4;
    q = answer(store, q);
    ck_assert_str_eq(q->contact.phone, _i == 0 ? "000" : "13800000000");
    ck_assert_str_eq(q->contact.name, "示例");
    query_free(q);
    store_close(store);
    struct audit audit; /* and the events became a chain */
    ck_assert_int_eq(audit_verify(path, NULL, NULL, NULL, &audit, &failure), 0);
    ck_assert_str_eq(audit.finding, "");
    ck_assert_uint_gt(audit.events, 9);
    store = open_store(directory); /* once migrated, it stays so */
    store_close(store);
    engine_free(e);
    remove_directory(directory);
}
END_TEST

static int64_t count_rows(const char *directory, const char *table)
{
    char path[100];
    char sql[100];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, STORE_FILE);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

/* A migration that fails half way leaves the older database as it was. */
START_TEST(a_migration_is_all_or_nothing)
{
    char directory[64];
    char path[100];
    struct failure failure = {0};
    struct store *store = NULL;
    make_directory(directory);
    snprintf(path, sizeof path, "%s/%s", directory, STORE_FILE);
    char *sql = read_text("tests/schema_v1.sql");
    run_sql(path, sql);
    free(sql);
    run_sql(path, "CREATE TABLE events_1(x)"); /* stands in the way of the renaming */
    struct store_options options = {.directory = directory, .wake = wake, .vault = &test_vault};
    ck_assert_int_eq(store_open(&options, &store, &failure), -1);
    ck_assert_int_eq(count_rows(directory, "pragma_user_version WHERE user_version = 1"), 1);
    ck_assert_int_eq(count_rows(directory, "sqlite_schema WHERE name = 'orders_1'"), 0);
    ck_assert_int_eq(count_rows(directory, "orders"), 3);
    run_sql(path, "DROP TABLE events_1");
    failure.exit_code = 0;
    ck_assert_msg(store_open(&options, &store, &failure) == 0, "%s", failure.text);
    store_close(store);
    remove_directory(directory);
}
END_TEST

START_TEST(what_cannot_be_opened_says_why)
{
    char directory[64];
    char path[100];
    struct failure failure = {0};
    struct store *other = NULL;
    make_directory(directory);
    struct store *store = open_store(directory);
    struct store_options options = {.directory = directory, .wake = wake, .vault = &test_vault};
    ck_assert_int_eq(store_open(&options, &other, &failure), -1); /* a second one */
    ck_assert_int_eq(failure.exit_code, EX_UNAVAILABLE);
    store_close(store);
    snprintf(path, sizeof path, "%s/%s", directory, STORE_FILE);
    run_sql(path, "PRAGMA user_version = 99");
    ck_assert_int_eq(store_open(&options, &other, &failure), -1); /* a newer schema */
    ck_assert_int_eq(failure.exit_code, EX_CONFIG);
    ck_assert_int_eq(truncate(path, 0), 0);
    char wal[120];
    snprintf(wal, sizeof wal, "%s-wal", path);
    int fd = open(wal, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "log", 3), 3);
    close(fd);
    ck_assert_int_eq(store_open(&options, &other, &failure), -1); /* an empty database with a log */
    ck_assert_int_eq(failure.exit_code, EX_DATAERR);
    unlink(wal);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(write(fd, "this is no database at all, is it?", 34), 34);
    close(fd);
    ck_assert_int_eq(store_open(&options, &other, &failure), -1);
    ck_assert_int_eq(failure.exit_code, EX_DATAERR);
    options.directory = "/proc/no/such/place";
    ck_assert_int_eq(store_open(&options, &other, &failure), -1);
    ck_assert_int_eq(failure.exit_code, EX_CANTCREAT);
    remove_directory(directory);
}
END_TEST

START_TEST(a_backup_is_restored)
{
    char directory[64];
    char backup[100];
    char kept[300];
    struct failure failure = {0};
    struct batch batch = {.number = 0};
    make_directory(directory);
    snprintf(backup, sizeof backup, "%s.backup", directory);
    struct store_options options = {.directory = directory, .wake = wake, .vault = &test_vault};
    struct store *store = open_store(directory);
    start(store);
    struct engine *e = world_new();
    busy_world(e);
    commit(store, &batch, e);
    uint64_t digest = 0;
    uint64_t orders = engine_counters(e).order;
    struct query *q = query_new(QUERY_BACKUP);
    snprintf(q->path, sizeof q->path, "%s", backup);
    q = answer(store, q);
    ck_assert_msg(q->failure.exit_code == 0, "%s", q->failure.text);
    query_free(q);
    struct order_request r = world_order(e, "legal_aid"); /* after the backup */
    world_place(e, &r, MONDAY_9);
    commit(store, &batch, e);
    ck_assert_int_eq(store_restore(&options, backup, kept, sizeof kept, &failure), -1); /* in use */
    ck_assert_int_eq(failure.exit_code, EX_UNAVAILABLE);
    engine_free(e);
    store_close(store);
    failure = (struct failure){0};
    ck_assert_msg(store_restore(&options, backup, kept, sizeof kept, &failure) == 0, "%s", failure.text);
    ck_assert_int_eq(access(kept, R_OK), 0); /* what was there is kept */
    for (int i = 0; i < 2; i++) {
        store = open_store(directory);
        e = reload(store);
        ck_assert_uint_eq(engine_counters(e).order, orders);
        start(store);
        commit(store, &batch, e); /* and the log says so, once */
        digest = i == 0 ? engine_digest(e) : digest;
        ck_assert_uint_eq(engine_digest(e), digest);
        engine_free(e);
        store_close(store);
        ck_assert_int_eq(truncate(backup, 9000), 0); /* a torn backup is refused */
        ck_assert_int_eq(store_restore(&options, backup, kept, sizeof kept, &failure), -1);
        ck_assert_int_eq(failure.exit_code, EX_DATAERR);
    }
    ck_assert_int_eq(count_rows(directory, "events WHERE kind = 54"), 1);
    unlink(backup);
    batch_fini(&batch);
    remove_directory(directory);
}
END_TEST

START_TEST(old_rows_are_forgotten)
{
    char directory[64];
    struct batch batch = {.number = 0};
    make_directory(directory);
    struct store *store = open_store(directory);
    start(store);
    struct engine *e = world_new();
    struct order_request r = world_order(e, "legal_aid");
    uint64_t ended = world_place(e, &r, MONDAY_9);
    uint64_t open = world_place(e, &r, MONDAY_9);
    world_do(e, OP_CANCEL, ended, MONDAY_9);
    struct contact_row contact = {.order_id = ended, .put_at = MONDAY_9, .name = "a"};
    batch_add_contact(&batch, &contact);
    contact.order_id = open;
    batch_add_contact(&batch, &contact);
    for (uint64_t i = 1; i <= 10; i++) {
        struct ref_row ref = {.id = i, .at = MONDAY_9 + (int64_t)i, .caller = must_strdup("me"),
                              .ref = must_strdup("r"), .answer = must_alloc(1, 1), .answer_bytes = 1};
        batch_add_ref(&batch, ref);
    }
    commit(store, &batch, e);
    ck_assert_int_eq(count_rows(directory, "events"), 3);
    batch.has_retention = true; /* nothing is old enough */
    batch.retention = (struct retention){.events_before = MONDAY_9, .contacts_before = MONDAY_9};
    commit(store, &batch, e);
    ck_assert_int_eq(count_rows(directory, "events"), 3);
    ck_assert_int_eq(count_rows(directory, "contact"), 2);
    batch.has_retention = true;
    batch.retention = (struct retention){.events_before = MONDAY_9 + 1, .ref_id_before = 4,
                                         .contacts_before = MONDAY_9 + 1};
    commit(store, &batch, e);
    ck_assert_int_eq(count_rows(directory, "events"), 0);
    ck_assert_int_eq(count_rows(directory, "refs"), 7);
    ck_assert_int_eq(count_rows(directory, "contact"), 1); /* the open order's stays */
    ck_assert_int_eq(count_rows(directory, "orders"), 2);
    batch_fini(&batch);
    store_close(store);
    engine_free(e);
    remove_directory(directory);
}
END_TEST

/* However much is old: a slice a commit, each telling what it left, until nothing is. */
START_TEST(what_is_old_goes_slice_by_slice)
{
    enum { OLD = 60000, CONTACTS = 2500, SLICES_MOST = OLD / 1000 + 1 };
    char directory[64];
    struct batch batch = {.number = 0};
    make_directory(directory);
    struct store *store = open_store(directory);
    start(store);
    struct engine *e = world_new();
    batch.events = must_alloc(OLD, sizeof *batch.events);
    batch.event_count = batch.event_room = OLD;
    for (uint64_t i = 1; i <= OLD; i++) {
        batch.events[i - 1] = (struct event){.seq = i, .at = MONDAY_9};
        batch_add_ref(&batch, (struct ref_row){.id = i, .at = MONDAY_9, .caller = must_strdup("me"), .ref = must_strdup("r"),
                                               .answer = must_alloc(1, 1), .answer_bytes = 1});
    }
    for (uint64_t i = 1; i <= CONTACTS; i++)
        batch_add_contact(&batch, &(struct contact_row){.order_id = i, .put_at = MONDAY_9 + (i % 5 == 0), .name = "a"});
    commit(store, &batch, e);
    struct left_over left = {.events = true};
    int slices = 0;
    for (; left.events || left.refs || left.contacts; slices++) {
        ck_assert_int_lt(slices, SLICES_MOST);
        batch.number++;
        batch.has_retention = true;
        batch.retention = (struct retention){.events_before = MONDAY_9 + 1, .ref_id_before = OLD, .contacts_before = MONDAY_9 + 1};
        store_submit(store, &batch);
        ck_assert_ptr_eq(store_wait(store).committed, &batch);
        left = batch.left_over;
        batch_reset(&batch);
    }
    ck_assert_int_ge(slices, OLD / 5000); /* none of them is long */
    ck_assert_int_eq(count_rows(directory, "events"), 0);
    ck_assert_int_eq(count_rows(directory, "refs"), 1);
    ck_assert_int_eq(count_rows(directory, "contact"), CONTACTS / 5);
    batch_fini(&batch);
    store_close(store);
    engine_free(e);
    remove_directory(directory);
}
END_TEST

START_TEST(refs_are_found_and_forgotten)
{
    struct refs refs;
    char ref[32];
    refs_init(&refs, 12345);
    for (uint64_t i = 1; i <= 5000; i++) {
        snprintf(ref, sizeof ref, "r%llu", (unsigned long long)i);
        ck_assert_uint_eq(refs_find(&refs, "a", ref), 0);
        refs_add(&refs, "a", ref, i);
    }
    ck_assert_uint_eq(refs_find(&refs, "a", "r77"), 77);
    ck_assert_uint_eq(refs_find(&refs, "b", "r77"), 0); /* a ref belongs to its caller */
    refs_purge(&refs, 78);
    ck_assert_uint_eq(refs_find(&refs, "a", "r77"), 0);
    ck_assert_uint_eq(refs_find(&refs, "a", "r78"), 78);
    refs_fini(&refs);
}
END_TEST

Suite *suite_store(void);
Suite *suite_store(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_restart_gives_the_same_digest);
    tcase_add_test(t, ended_orders_are_answered_by_the_reader);
    tcase_add_loop_test(t, an_older_schema_is_migrated, 0, 4);
    tcase_add_test(t, a_migration_is_all_or_nothing);
    tcase_add_test(t, what_cannot_be_opened_says_why);
    tcase_add_test(t, a_backup_is_restored);
    tcase_add_test(t, old_rows_are_forgotten);
    tcase_add_test(t, what_is_old_goes_slice_by_slice);
    tcase_add_test(t, refs_are_found_and_forgotten);
    suite_add_tcase(s, t);
    return s;
}
