/* What is lost, edited or put in the place of something else is noticed: by a start, by an audit. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"
#include "store/sqlite.h"

static const char ORG[] = "{\"id\":7,\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"]}";
static const char REGION_AND_REST[] = "\"category\":\"legal_aid\",\"region\":441302001001,\"lat\":23.0861,\"lon\":114.4131";

static int64_t place(struct daemon *d, const char *external_id)
{
    char json[300];
    snprintf(json, sizeof json, "{%s,\"external_id\":\"%s\",\"ref\":\"%s\"}", REGION_AND_REST, external_id, external_id);
    return daemon_number(d, "order.place", json, "order");
}

static void path_of(const struct daemon *d, const char *name, char path[120])
{
    snprintf(path, 120, "%s/data/%s", d->directory, name);
}

static void shell(const char *words, const char *one, const char *two)
{
    char command[600];
    snprintf(command, sizeof command, "%s '%s' %s", words, one, two);
    ck_assert_int_eq(system(command), 0);
}

/* Starts paidand over the data and waits for its end; what it said. */
static int start_fails(const struct daemon *d, char *said, size_t size)
{
    char data[100];
    char listen[120];
    snprintf(data, sizeof data, "%s/data", d->directory);
    snprintf(listen, sizeof listen, "unix:%s/other.sock", d->directory);
    const char *const options[] = {"--data", data, "--listen", listen, NULL};
    return daemon_run(options, said, size);
}

#define SAID 1500
static int verify(const struct daemon *d, const char *key, char said[SAID])
{
    char command[400];
    snprintf(command, sizeof command, "audit verify %s/data/paidan.db %s/data/heads.log %s%s%s", d->directory, d->directory,
             key[0] != '\0' ? d->directory : "", key[0] != '\0' ? "/" : "", key);
    return daemon_cli(d, command, said, SAID);
}

static void damage(const char *path, int kind)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_gt(st.st_size, 8192);
    static const char zeros[4096] = {0};
    char byte = 0;
    off_t middle = st.st_size / 2;
    if (kind == 0) { /* a bit flips */
        ck_assert_int_eq(pread(fd, &byte, 1, middle), 1);
        byte ^= 16;
        ck_assert_int_eq(pwrite(fd, &byte, 1, middle), 1);
    } else if (kind == 1) {
        ck_assert_int_eq(pwrite(fd, zeros, sizeof zeros, middle), (ssize_t)sizeof zeros);
    } else if (kind == 2) {
        ck_assert_int_eq(ftruncate(fd, middle), 0);
    } else if (kind == 3) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
    } else if (kind == 4) {
        ck_assert_int_eq(unlink(path), 0);
    } else if (kind == 5) { /* the header alone */
        ck_assert_int_eq(pwrite(fd, zeros, 32, 0), 32);
    } else if (kind == 6) { /* the last frame's end */
        ck_assert_int_eq(ftruncate(fd, st.st_size - 1), 0);
    } else { /* the last frame */
        ck_assert_int_eq(pwrite(fd, zeros, 24, st.st_size - 4096 - 24), 24);
    }
    close(fd);
}

#define DAMAGES 8

/* Nothing that was acknowledged is missing without a word: each kind of damage to the log after a kill. */
START_TEST(a_damaged_log_is_noticed)
{
    struct daemon d = daemon_start(NULL);
    char log[120];
    char said[SAID];
    char options_data[100];
    daemon_number(&d, "org.put", ORG, "org");
    for (int i = 0; i < 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "a%d", i);
        place(&d, name);
    }
    daemon_kill(&d);
    path_of(&d, "paidan.db-wal", log);
    damage(log, _i);
    ck_assert_int_eq(start_fails(&d, said, sizeof said), EX_DATAERR);
    ck_assert_msg(strstr(said, "--restore") != NULL && strstr(said, "--accept-loss") != NULL, "%s", said);
    ck_assert_int_eq(start_fails(&d, said, sizeof said), EX_DATAERR); /* and again: nothing was tidied away */
    snprintf(options_data, sizeof options_data, "%s/data", d.directory);
    const char *const accept[] = {"--accept-loss", "--data", options_data, NULL};
    ck_assert_msg(daemon_run(accept, said, sizeof said) == 0, "%s", said);
    daemon_again(&d, NULL);
    const struct node *events = node_get(daemon_call(&d, "event.read", "{\"kind\":\"restored\"}"), "items");
    ck_assert_uint_eq(events->count, 1); /* the log says so */
    place(&d, "after");
    ck_assert_int_eq(daemon_stop(&d), 0);
    ck_assert_int_eq(verify(&d, "", said), 0);
    daemon_again(&d, NULL);
    daemon_end(&d);
}
END_TEST

START_TEST(a_copy_of_the_database_alone_is_not_the_database)
{
    struct daemon d = daemon_start(NULL);
    char database[120];
    char copy[120];
    char said[SAID];
    place(&d, "a");
    path_of(&d, "paidan.db", database);
    snprintf(copy, sizeof copy, "%s/copy.db", d.directory);
    ck_assert_int_eq(daemon_stop(&d), 0); /* all of it is in the one file */
    shell("cp", database, copy);
    daemon_again(&d, NULL);
    place(&d, "b");
    ck_assert_int_eq(daemon_stop(&d), 0);
    shell("cp", copy, database); /* an old copy is put back */
    ck_assert_int_eq(start_fails(&d, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "was acknowledged"));
    path_of(&d, "durable", database);
    ck_assert_int_eq(unlink(database), 0); /* the database and nothing else */
    ck_assert_int_eq(start_fails(&d, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "durable"));
    shell("rm -r", d.directory, "");
}
END_TEST

/* The data directory goes while the daemon runs: nothing more is acknowledged, and it does not stay. */
START_TEST(deleted_data_stop_the_daemon)
{
    struct daemon d = daemon_start(NULL);
    char data[100];
    char elsewhere[120];
    int status = 0;
    place(&d, "a");
    snprintf(data, sizeof data, "%s/data", d.directory);
    snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", data);
    shell(_i == 0 ? "rm -r" : "mv", data, _i == 0 ? "" : elsewhere);
    if (_i != 2) { /* else it notices by itself */
        char json[300];
        const struct node *error = NULL;
        snprintf(json, sizeof json, "{%s,\"external_id\":\"b\",\"ref\":\"b\"}", REGION_AND_REST);
        struct pack *pack = client_begin(d.client, "order.place");
        char why[200];
        ck_assert(json_pack_object(pack, json, strlen(json), why));
        ck_assert_ptr_null(client_call(d.client, &error)); /* the connection ends, no answer */
        ck_assert_ptr_null(error);
    }
    ck_assert_int_eq(waitpid(d.pid, &status, 0), d.pid);
    ck_assert_int_eq(WEXITSTATUS(status), EX_IOERR);
    d.pid = 0;
    if (_i != 0)
        shell("mv", elsewhere, data);
    if (_i != 0)
        daemon_again(&d, NULL);
    if (_i != 0)
        daemon_end(&d);
}
END_TEST

/* Returns how many rows it changed. */
static int run_edit(const struct daemon *d, const char *sql)
{
    char path[120];
    char *error = NULL;
    sqlite3 *db = NULL;
    path_of(d, "paidan.db", path);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &error);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, error);
    int changes = sqlite3_total_changes(db);
    sqlite3_close(db);
    return changes;
}

static void edit(const struct daemon *d, const char *sql)
{
    ck_assert_msg(run_edit(d, sql) > 0, "%s: changed nothing", sql);
}

/* By somebody who has the file, an editor for it, and not the key. */
static const char *const edits[] = {
    "UPDATE orders SET headcount = headcount + 1 WHERE id = 1",
    "UPDATE orders SET state = 10 WHERE id = 1",
    "UPDATE records SET minutes = 1440 WHERE id = 1",
    "UPDATE records SET id = 500 WHERE id = 1",
    "DELETE FROM records",
    "DELETE FROM records WHERE id = 1",
    "DELETE FROM orders WHERE id = 2",
    "DELETE FROM offers",
    "UPDATE tokens SET region = 0",
    "UPDATE tokens SET roles = 255",
    "DELETE FROM tokens WHERE revoked_at <> 0",
    "UPDATE orgs SET capacity = capacity + 5",
    "DELETE FROM orgs",
    "DELETE FROM tallies",
    "DELETE FROM refs",
    "DELETE FROM served",
    "UPDATE skills SET name = 'legal_aids' WHERE name = 'legal_aid'",
    "DELETE FROM contact",
    "UPDATE contact SET put_at = 1",
    "DELETE FROM contact_phone",
    "UPDATE contact SET order_id = 1 WHERE order_id = 2",
    "UPDATE push SET cursor = 1",
    "INSERT INTO dead_letters VALUES(1, 1, 400, 0)",
    "INSERT INTO emergencies VALUES(441302, 1, 2, 0)",
    "UPDATE counters SET next_order = 900",
    "UPDATE counters SET row_check = 0",
    "UPDATE counters SET commits = commits + 1",
    "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    "DELETE FROM events WHERE seq = 1",
    "UPDATE events SET actor = 'nobody' WHERE seq = (SELECT max(seq) FROM events)",
    ("INSERT INTO records SELECT id + 100, order_id, offer, org, volunteer, at, minutes, region, day, state, source, external_id, "
     "row_check FROM records"),
};

static void live(struct daemon *d)
{
    char json[400];
    daemon_number(d, "org.put", ORG, "org");
    place(d, "a");
    snprintf(json, sizeof json, "{%s,\"external_id\":\"b\",\"contact\":{\"name\":\"A\",\"phone\":\"13800000000\",\"address\":\"B\"},"
                                "\"mode\":\"auto\",\"person\":9,\"ref\":\"r\"}", REGION_AND_REST);
    daemon_number(d, "order.place", json, "order");
    ck_assert_ptr_nonnull(daemon_call(d, "offer.accept", "{\"offer\":1}"));
    ck_assert_ptr_nonnull(daemon_call(d, "service.start", "{\"offer\":1}"));
    ck_assert_ptr_nonnull(daemon_call(d, "service.complete", "{\"offer\":1,\"records\":[{\"volunteer\":5,\"minutes\":30}]}"));
    ck_assert_ptr_nonnull(daemon_call(d, "token.add", "{\"token_id\":\"town\",\"roles\":\"dispatcher\",\"region\":441302001}"));
    ck_assert_ptr_nonnull(daemon_call(d, "token.add", "{\"token_id\":\"gone\",\"roles\":\"dispatcher\",\"region\":441302001}"));
    ck_assert_ptr_nonnull(daemon_call(d, "token.revoke", "{\"token_id\":\"gone\"}"));
}

START_TEST(an_edited_row_is_noticed)
{
    struct daemon d = daemon_start(NULL);
    char said[SAID];
    char kept[120];
    char database[120];
    live(&d);
    ck_assert_int_eq(daemon_stop(&d), 0);
    path_of(&d, "paidan.db", database);
    snprintf(kept, sizeof kept, "%s/kept.db", d.directory);
    shell("cp", database, kept);
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        edit(&d, edits[i]);
        ck_assert_msg(start_fails(&d, said, sizeof said) == EX_DATAERR, "%s: %s", edits[i], said);
        ck_assert_msg(verify(&d, "data/master.key", said) != 0, "%s: %s", edits[i], said);
        shell("cp", kept, database);
    }
    ck_assert_msg(verify(&d, "data/master.key", said) == 0, "%s", said);
    daemon_again(&d, NULL);
    daemon_end(&d);
}
END_TEST

static const struct {
    const char *sql, *object;
} schema_edits[] = {
    {"CREATE TRIGGER more AFTER INSERT ON orders BEGIN DELETE FROM contact WHERE order_id = new.id - 1; END", "trigger more"},
    {"DROP TRIGGER contact_gone", "trigger contact_gone"},
    {"DROP INDEX records_held", "index records_held"},
    {"CREATE INDEX more ON orders(state)", "index more"},
    {"CREATE TABLE more(x)", "table more"},
    {"CREATE VIEW more AS SELECT * FROM orders", "view more"},
    {"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT 0', 'DEFAULT 1') WHERE name = 'contact'",
     "table contact"},
    {"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'IN (1, 2)', 'IN (1)') WHERE name = 'records_held'",
     "index records_held"},
};

START_TEST(a_changed_schema_is_noticed)
{
    struct daemon d = daemon_start(NULL);
    char said[SAID];
    char kept[120];
    char database[120];
    live(&d);
    ck_assert_int_eq(daemon_stop(&d), 0);
    path_of(&d, "paidan.db", database);
    snprintf(kept, sizeof kept, "%s/kept.db", d.directory);
    shell("cp", database, kept);
    for (size_t i = 0; i < ARRAY_LEN(schema_edits); i++) {
        run_edit(&d, schema_edits[i].sql);
        ck_assert_msg(start_fails(&d, said, sizeof said) == EX_DATAERR, "%s: %s", schema_edits[i].sql, said);
        ck_assert_msg(strstr(said, schema_edits[i].object) != NULL, "%s: %s", schema_edits[i].sql, said);
        ck_assert_msg(verify(&d, "", said) != 0, "%s: %s", schema_edits[i].sql, said); /* nor is a key needed to see it */
        ck_assert_msg(strstr(said, schema_edits[i].object) != NULL, "%s: %s", schema_edits[i].sql, said);
        shell("cp", kept, database);
    }
    ck_assert_msg(verify(&d, "data/master.key", said) == 0, "%s", said);
    daemon_again(&d, NULL);
    daemon_end(&d);
}
END_TEST

/* A row as it once was carries its MAC; the sum of its table does not. */
START_TEST(an_old_row_put_back_is_noticed)
{
    struct daemon d = daemon_start(NULL);
    char said[SAID];
    char old[120];
    char database[120];
    char sql[400];
    live(&d);
    ck_assert_int_eq(daemon_stop(&d), 0);
    path_of(&d, "paidan.db", database);
    snprintf(old, sizeof old, "%s/old.db", d.directory);
    shell("cp", database, old);
    daemon_again(&d, NULL);
    ck_assert_ptr_nonnull(daemon_call(&d, "token.revoke", "{\"token_id\":\"town\"}"));
    ck_assert_int_eq(daemon_stop(&d), 0);
    snprintf(sql, sizeof sql, "ATTACH '%s' AS old; DELETE FROM tokens WHERE id = 'town'; "
                              "INSERT INTO tokens SELECT * FROM old.tokens WHERE id = 'town'", old);
    edit(&d, sql);
    ck_assert_int_eq(start_fails(&d, said, sizeof said), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(said, "table tokens"));
    shell("rm -r", d.directory, "");
}
END_TEST

/* The head of the first `count` events, as anybody can compute it who has the file. */
static struct chain chain_up_to(const char *path, int count)
{
    struct chain chain = {.seq = 0};
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT * FROM events ORDER BY seq", -1, &row, NULL), SQLITE_OK);
    for (int i = 0; i < count && sqlite3_step(row) == SQLITE_ROW; i++) {
        struct event event;
        row_event(row, &event);
        chain_add(&chain, VAULT_INTERNATIONAL, &event);
    }
    sqlite3_finalize(row);
    sqlite3_close(db);
    return chain;
}

/* A log that somebody made up: with numbers above every signed head, or without its first events. */
START_TEST(a_log_that_was_made_up_does_not_pass)
{
    struct daemon d = daemon_start(NULL);
    char said[SAID];
    char database[120];
    char head[2 * DIGEST_BYTES + 1];
    char line[CHAIN_LINE_BYTES] = "";
    char sql[1200];
    static const struct vault other = {.profile = VAULT_INTERNATIONAL, .sign_seed = {9}};
    live(&d);
    ck_assert_int_eq(daemon_stop(&d), 0);
    path_of(&d, "paidan.db", database);
    ck_assert_int_eq(verify(&d, "", said), 0);
    struct signed_head base = {.mark = CHAIN_BASE, .chain = chain_up_to(database, 3)};
    if (_i == 1) /* numbers that nobody has seen */
        edit(&d, "DELETE FROM events WHERE seq > 4; UPDATE events SET seq = seq + 1000000");
    if (_i == 1)
        base.chain.seq = 1000000;
    if (_i == 2) /* signed by somebody, who is nobody */
        chain_line(&base, &other, line);
    hex_encode(base.chain.head, DIGEST_BYTES, head);
    snprintf(sql, sizeof sql, "DELETE FROM events WHERE seq <= %llu; UPDATE counters SET base_seq = %llu, base_head = x'%s', base_line = '%s'",
             (unsigned long long)base.chain.seq, (unsigned long long)base.chain.seq, head, line);
    edit(&d, sql);
    ck_assert_msg(verify(&d, "", said) == 1, "%s", said);
    ck_assert_msg(strstr(said, "nobody signed") != NULL, "%s", said);
    shell("rm -r", d.directory, "");
}
END_TEST

/* Heads that must be there, and a line that gives events up and is nobody's. */
START_TEST(heads_that_were_made_up_do_not_pass)
{
    struct daemon d = daemon_start(NULL);
    char said[SAID];
    char heads[120];
    char line[CHAIN_LINE_BYTES];
    static const struct vault other = {.profile = VAULT_INTERNATIONAL, .sign_seed = {9}};
    live(&d);
    ck_assert_int_eq(daemon_stop(&d), 0);
    path_of(&d, "heads.log", heads);
    struct signed_head head = {.mark = CHAIN_RESTORED, .from = 1000};
    chain_line(&head, &other, line);
    FILE *file = fopen(heads, "ae");
    fputs(line, file);
    fclose(file);
    ck_assert_msg(verify(&d, "", said) == 1, "%s", said);
    write_file(heads, "");
    ck_assert_msg(verify(&d, "", said) == 1, "%s", said);
    ck_assert_msg(strstr(said, "no signed head") != NULL, "%s", said);
    shell("rm -r", d.directory, "");
}
END_TEST

/* The damaged database is not opened: whatever stands there, a backup takes its place. */
START_TEST(a_restore_opens_nothing_of_what_is_damaged)
{
    struct daemon d = daemon_start(NULL);
    char json[200];
    char said[SAID];
    char backup[120];
    char part[140];
    char data[100];
    char database[120];
    struct stat st;
    live(&d);
    snprintf(backup, sizeof backup, "%s/backup.db", d.directory);
    snprintf(part, sizeof part, "%s.part", backup);
    write_file(part, "somebody else's");
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", backup);
    ck_assert_ptr_nonnull(daemon_call(&d, "server.backup", json));
    ck_assert_int_eq(access(part, F_OK), 0); /* that is not ours */
    ck_assert_int_eq(stat(backup, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    place(&d, "lost");
    daemon_kill(&d);
    path_of(&d, "paidan.db", database);
    write_file(database, "this has no header any more");
    snprintf(data, sizeof data, "%s/data", d.directory);
    ck_assert_int_ne(start_fails(&d, said, sizeof said), 0);
    const char *const options[] = {"--restore", backup, "--data", data, NULL};
    ck_assert_msg(daemon_run(options, said, sizeof said) == 0, "%s", said);
    const char *kept = strstr(said, "before-restore");
    ck_assert_ptr_nonnull(kept);
    daemon_again(&d, NULL);
    ck_assert_ptr_nonnull(daemon_call(&d, "order.get", "{\"order\":1}"));
    ck_assert_str_eq(daemon_refused(&d, "order.get", "{\"order\":3}"), "not_found");
    place(&d, "after");
    ck_assert_int_eq(daemon_stop(&d), 0);
    ck_assert_msg(verify(&d, "data/master.key", said) == 0, "%s", said);
    daemon_again(&d, NULL);
    daemon_end(&d);
}
END_TEST

Suite *suite_loss(void);
Suite *suite_loss(void)
{
    Suite *suite = suite_create("loss");
    TCase *t = tcase_create("loss");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, a_damaged_log_is_noticed, 0, DAMAGES);
    tcase_add_test(t, a_copy_of_the_database_alone_is_not_the_database);
    tcase_add_loop_test(t, deleted_data_stop_the_daemon, 0, 3);
    tcase_add_test(t, an_edited_row_is_noticed);
    tcase_add_test(t, a_changed_schema_is_noticed);
    tcase_add_loop_test(t, a_log_that_was_made_up_does_not_pass, 0, 3);
    tcase_add_test(t, heads_that_were_made_up_do_not_pass);
    tcase_add_test(t, an_old_row_put_back_is_noticed);
    tcase_add_test(t, a_restore_opens_nothing_of_what_is_damaged);
    suite_add_tcase(suite, t);
    return suite;
}
