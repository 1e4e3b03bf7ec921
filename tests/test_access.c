/* Who gets in, and what they may do there: tokens, roles and scopes, TLS, sealed data, the audit chain. */
#include <arpa/inet.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon.h"
#include "proto/access.h"
#include "rig/sim.h"
#include "store/chain.h"

#define TOWN "441302001001"

static const char *const closed[] = {"--open-roles", "", NULL};

/* Another client, which shows a token. */
static struct client *enter(const char *address, const char *token)
{
    char why[200];
    const struct node *error = NULL;
    struct client *c = client_open(address, why);
    ck_assert_msg(c != NULL, "%s", why);
    struct pack *p = client_begin(c, "session.hello");
    pack_map(p);
    if (token != NULL)
        pack_key_text(p, "token", token);
    pack_close(p);
    if (client_call(c, &error) == NULL)
        saw_refusal_word(member(error, "code"));
    return c;
}

/* Lends a client to daemon_call and its relatives. */
static struct daemon as(const struct daemon *d, struct client *c)
{
    struct daemon lent = *d;
    lent.client = c;
    return lent;
}

static void add_token(struct daemon *d, const char *json, char token[200])
{
    const struct node *result = daemon_call(d, "token.add", json);
    ck_assert_msg(result != NULL, "%s: %s", json, member(daemon_error(), "message"));
    snprintf(token, 200, "%s", member(result, "token"));
    ck_assert_uint_gt(strlen(token), 64);
}

START_TEST(nobody_trespasses)
{
    sim_prepare();
    struct trespass_result r = trespass_run(11 + (uint64_t)_i, 15000);
    ck_assert_msg(r.leaks == 0, "%s", r.why);
    ck_assert_uint_gt(r.allowed, 1500); /* it does not just refuse */
}
END_TEST

START_TEST(roles_have_names)
{
    unsigned roles = 0;
    char text[ROLES_BYTES];
    ck_assert(roles_parse("dispatcher|org", 14, &roles));
    ck_assert_uint_eq(roles, ROLE_DISPATCHER | ROLE_ORG);
    ck_assert_str_eq(roles_text(roles, text), "dispatcher, org");
    ck_assert(roles_parse("all", 3, &roles));
    ck_assert_uint_eq(roles, ROLE_EVERY);
    ck_assert(!roles_parse("king", 4, &roles));
    ck_assert(roles_parse("", 0, &roles));
    ck_assert_uint_eq(roles, 0);
}
END_TEST

START_TEST(without_a_token_there_is_nothing)
{
    struct daemon d = daemon_start(closed);
    struct client *c = enter(d.tcp, NULL);
    struct daemon stranger = as(&d, c);
    ck_assert_str_eq(daemon_refused(&stranger, "order.list", "{}"), "unauthenticated");
    ck_assert_str_eq(daemon_refused(&stranger, "server.methods", "{}"), "unauthenticated");
    ck_assert_str_eq(daemon_refused(&stranger, "token.add", "{\"token_id\":\"x\",\"roles\":\"operator\"}"), "unauthenticated");
    ck_assert_str_eq(member(daemon_call(&stranger, "server.info", "{}"), "server"), "paidand");
    client_close(c);
    c = enter(d.tcp, "nobody.0000000000000000000000000000000000000000000000000000000000000000");
    stranger = as(&d, c);
    ck_assert_str_eq(daemon_refused(&stranger, "order.list", "{}"), "unauthenticated");
    client_close(c);
    daemon_end(&d);
}
END_TEST

static bool is_let_in(const char *address, uid_t uid)
{
    char why[200];
    const struct node *error = NULL;
    ck_assert_int_eq(seteuid(uid), 0);
    struct client *c = client_open(address, why);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_msg(c != NULL, "%s", why);
    struct pack *p = client_begin(c, "server.info");
    pack_map(p);
    pack_close(p);
    bool is_in = client_call(c, &error) != NULL;
    client_close(c);
    return is_in;
}

/* Another user may do everything when the settings say so; the places that are kept are not for it. */
START_TEST(who_may_do_everything_is_not_vouched_for)
{
    if (geteuid() != 0)
        return; /* only root can be somebody else */
    struct daemon d = daemon_start((const char *const[]){"--open-roles", "all", "--socket-mode", "666", "--connections-max", "2", NULL});
    ck_assert_int_eq(chmod(d.directory, 0711), 0);
    ck_assert(is_let_in(d.address, 65534));
    struct client *c = enter(d.tcp, NULL);
    ck_assert(!is_let_in(d.address, 65534));
    ck_assert(is_let_in(d.address, 0));
    client_close(c);
    daemon_end(&d);
}
END_TEST

START_TEST(a_token_opens_what_it_is_for_and_no_more)
{
    struct daemon d = daemon_start(closed);
    char token[200];
    char order[80];
    add_token(&d, "{\"token_id\":\"qiaodong\",\"roles\":\"dispatcher\",\"region\":441302001}", token);
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"qiaodong\",\"roles\":\"org\"}"), "bad_value");
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"org\"}"), "missing_field");
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"king\"}"), "bad_value");
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"dispatcher\"}"), "missing_field");
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"platform\"}"), "missing_field");
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"operator|platform\"}"), "missing_field");
    ck_assert_ptr_nonnull(daemon_call(&d, "token.add", "{\"token_id\":\"both\",\"roles\":\"operator|platform\",\"everywhere\":true}"));
    ck_assert_ptr_nonnull(daemon_call(&d, "token.add", "{\"token_id\":\"runs\",\"roles\":\"operator\"}"));
    ck_assert_str_eq(daemon_refused(&d, "token.add", "{\"token_id\":\"x\",\"roles\":\"auditor\",\"region\":4413,\"everywhere\":true}"), "bad_value");
    int64_t ours = daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\"}", "order");
    int64_t theirs = daemon_number(&d, "order.place", "{\"ref\":\"2\",\"region\":441303001001,\"category\":\"legal_aid\"}", "order");
    struct client *c = enter(d.tcp, token);
    struct daemon desk = as(&d, c);
    snprintf(order, sizeof order, "{\"order\":%lld}", (long long)ours);
    ck_assert_str_eq(member(daemon_call(&desk, "order.get", order), "state"), "ready");
    ck_assert_str_eq(member(daemon_call(&desk, "queue.claim", order), "state"), "ready");
    snprintf(order, sizeof order, "{\"order\":%lld}", (long long)theirs);
    ck_assert_str_eq(daemon_refused(&desk, "order.get", order), "not_found");
    ck_assert_str_eq(daemon_refused(&desk, "order.cancel", order), "not_found");
    ck_assert_str_eq(daemon_refused(&desk, "queue.list", "{\"region\":441303}"), "forbidden");
    ck_assert_str_eq(daemon_refused(&desk, "server.backup", "{\"path\":\"/tmp/x\"}"), "forbidden");
    ck_assert_uint_eq(node_get(daemon_call(&desk, "order.list", "{}"), "items")->count, 1);
    client_close(c);
    daemon_kill(&d); /* tokens last */
    daemon_again(&d, closed);
    c = enter(d.tcp, token);
    desk = as(&d, c);
    ck_assert_uint_eq(node_get(daemon_call(&desk, "order.list", "{}"), "items")->count, 1);
    client_close(c);
    daemon_end(&d);
}
END_TEST

START_TEST(two_secrets_live_and_a_revoked_token_is_shut_out)
{
    struct daemon d = daemon_start(closed);
    char first[200];
    char second[200];
    char third[200];
    add_token(&d, "{\"token_id\":\"platform\",\"roles\":\"platform\",\"everywhere\":true}", first);
    snprintf(second, sizeof second, "%s", member(daemon_call(&d, "token.rotate", "{\"token_id\":\"platform\"}"), "token"));
    struct client *with_first = enter(d.tcp, first);
    struct client *with_second = enter(d.tcp, second);
    struct daemon one = as(&d, with_first);
    struct daemon two = as(&d, with_second);
    ck_assert_ptr_nonnull(daemon_call(&one, "order.list", "{}"));
    ck_assert_ptr_nonnull(daemon_call(&one, "event.subscribe", "{}"));
    ck_assert_ptr_nonnull(daemon_call(&two, "order.list", "{}"));
    snprintf(third, sizeof third, "%s", member(daemon_call(&d, "token.rotate", "{\"token_id\":\"platform\"}"), "token"));
    struct client *late = enter(d.tcp, first); /* the oldest is gone */
    struct daemon gone = as(&d, late);
    ck_assert_str_eq(daemon_refused(&gone, "order.list", "{}"), "unauthenticated");
    ck_assert_str_eq(daemon_refused(&one, "order.list", "{}"), "unauthenticated"); /* who came with it is out too */
    daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\"}", "order");
    struct client_message m;
    ck_assert_int_eq(client_receive(with_first, 300, &m), 0); /* and hears nothing that it subscribed to */
    ck_assert_ptr_nonnull(daemon_call(&two, "order.list", "{}"));
    daemon_number(&d, "token.revoke", "{\"token_id\":\"platform\"}", "none");
    ck_assert_str_eq(daemon_refused(&two, "order.list", "{}"), "unauthenticated"); /* at once */
    ck_assert_str_eq(daemon_refused(&d, "token.rotate", "{\"token_id\":\"platform\"}"), "bad_state");
    ck_assert_str_eq(daemon_refused(&d, "token.revoke", "{\"token_id\":\"nobody\"}"), "not_found");
    ck_assert_uint_eq(node_get(daemon_call(&d, "token.list", "{}"), "items")->count, 1);
    client_close(with_first);
    client_close(with_second);
    client_close(late);
    char command[400];
    snprintf(command, sizeof command, "! grep -rqF '%s' %s", second + strlen("platform."), d.directory);
    ck_assert_int_eq(system(command), 0); /* no file has the secret */
    daemon_end(&d);
}
END_TEST

/* Whoever gets its number next would get its token, its records and what it was offered. */
START_TEST(a_removed_organisation_leaves_nothing_to_the_next)
{
#define ORG(id) "{" id "\"region\":" TOWN ",\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"]}"
    struct daemon d = daemon_start(closed);
    char token[200];
    daemon_number(&d, "org.put", ORG("\"id\":8,"), "org");
    daemon_number(&d, "org.put", ORG("\"id\":7,"), "org");
    add_token(&d, "{\"token_id\":\"org7\",\"roles\":\"org\",\"org\":7}", token);
    struct client *c = enter(d.tcp, token);
    struct daemon team = as(&d, c);
    ck_assert_ptr_nonnull(daemon_call(&team, "offer.list", "{}"));
    ck_assert_int_eq(daemon_number(&d, "org.remove", "{\"org\":7}", "org"), 7);
    ck_assert_str_eq(daemon_refused(&team, "offer.list", "{}"), "unauthenticated"); /* at once */
    client_close(c);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(daemon_refused(&d, "org.put", ORG("\"id\":7,")), "bad_value");
        ck_assert_int_eq(daemon_number(&d, "org.put", ORG(""), "org"), 9 + i);
        c = enter(d.tcp, token);
        team = as(&d, c);
        ck_assert_str_eq(daemon_refused(&team, "offer.list", "{}"), "unauthenticated");
        client_close(c);
        if (i == 0) {
            ck_assert_int_eq(daemon_number(&d, "org.remove", "{\"org\":9}", "org"), 9); /* the highest */
            daemon_kill(&d); /* it lasts */
            daemon_again(&d, closed);
        }
    }
    daemon_end(&d);
}
END_TEST

/* Who has no token is no organisation, so that role cannot be everybody's. */
START_TEST(the_role_of_an_organisation_is_not_for_strangers)
{
    static const char *const wrong[] = {"org", "dispatcher, org"};
    char said[4000];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_int_eq(daemon_run((const char *const[]){"--data", "/nowhere", "--listen", "unix:/nowhere/s", "--open-roles", wrong[i], NULL}, said, sizeof said), EX_CONFIG);
        ck_assert_ptr_nonnull(strstr(said, "org is the role of one organisation"));
    }
}
END_TEST

/* A token that runs out is good for nothing from then on, events that it subscribed to included. */
START_TEST(an_expired_token_is_over)
{
    struct daemon d = daemon_start(closed);
    char token[200];
    char json[200];
    int64_t now = member_number(daemon_call(&d, "server.info", "{}"), "now");
    snprintf(json, sizeof json, "{\"token_id\":\"short\",\"roles\":\"platform\",\"everywhere\":true,\"until\":%lld}", (long long)now + 1500);
    add_token(&d, json, token);
    struct client *c = enter(d.tcp, token);
    struct daemon caller = as(&d, c);
    ck_assert_ptr_nonnull(daemon_call(&caller, "event.subscribe", "{}"));
    for (int64_t at = 0; at <= now + 1500; usleep(20000))
        at = daemon_number(&d, "server.info", "{}", "now");
    daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\"}", "order");
    struct client_message m;
    ck_assert_int_eq(client_receive(c, 300, &m), 0); /* no event comes */
    ck_assert_str_eq(daemon_refused(&caller, "order.list", "{}"), "unauthenticated");
    client_close(c);
    snprintf(json, sizeof json, "{\"token_id\":\"past\",\"roles\":\"platform\",\"everywhere\":true,\"until\":%lld}", (long long)now);
    ck_assert_str_eq(daemon_refused(&d, "token.add", json), "bad_value");
    daemon_end(&d);
}
END_TEST

/* An organisation sees the telephone only after it has accepted. */
START_TEST(contact_is_shown_after_acceptance)
{
    struct daemon d = daemon_start(closed);
    char token[200];
    char other[200];
    char json[80];
    daemon_number(&d, "org.put", "{\"id\":7,\"name\":\"队\",\"region\":" TOWN ",\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"]}", "org");
    daemon_number(&d, "org.put", "{\"id\":8,\"name\":\"队\",\"region\":" TOWN ",\"lat\":23.5,\"lon\":114.9,\"skills\":[\"legal_aid\"]}", "org");
    int64_t order = daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\",\"mode\":\"auto\",\"contact\":{\"name\":\"CANARY-张\",\"phone\":\"+86 138-0000-7777\",\"address\":\"CANARY-ROAD\"}}", "order");
    add_token(&d, "{\"token_id\":\"org7\",\"roles\":\"org\",\"org\":7}", token);
    add_token(&d, "{\"token_id\":\"org8\",\"roles\":\"org\",\"org\":8}", other);
    struct client *c = enter(d.tcp, token);
    struct client *o = enter(d.tcp, other);
    struct daemon team = as(&d, c);
    struct daemon foreign = as(&d, o);
    snprintf(json, sizeof json, "{\"order\":%lld}", (long long)order);
    ck_assert_str_eq(daemon_refused(&team, "contact.get", json), "not_found");
    const struct node *inbox = node_get(daemon_call(&team, "offer.list", "{}"), "items");
    ck_assert_uint_eq(inbox->count, 1);
    int64_t offer = member_number(&inbox->u.items[0], "offer");
    char accept[80];
    snprintf(accept, sizeof accept, "{\"offer\":%lld}", (long long)offer);
    ck_assert_str_eq(daemon_refused(&foreign, "offer.accept", accept), "not_found");
    ck_assert_uint_eq(node_get(daemon_call(&foreign, "offer.list", "{}"), "items")->count, 0);
    ck_assert_str_eq(daemon_refused(&foreign, "offer.list", "{\"org\":7}"), "forbidden");
    ck_assert_str_eq(member(daemon_call(&team, "offer.accept", accept), "state"), "accepted");
    ck_assert_str_eq(member(daemon_call(&team, "contact.get", json), "name"), "CANARY-张");
    ck_assert_str_eq(daemon_refused(&foreign, "contact.get", json), "not_found");
    /* Who served badly, so that others must, sees it no longer. */
    char rate[100];
    snprintf(rate, sizeof rate, "{\"order\":%lld,\"stars\":1,\"rework\":true}", (long long)order);
    ck_assert_ptr_nonnull(daemon_call(&team, "service.start", accept));
    ck_assert_ptr_nonnull(daemon_call(&team, "service.complete", accept));
    ck_assert_ptr_nonnull(daemon_call(&team, "contact.get", json));
    ck_assert_ptr_nonnull(daemon_call(&d, "order.rate", rate));
    ck_assert_str_eq(daemon_refused(&team, "contact.get", json), "not_found");
    /* A dispatcher finds the order by the telephone, however it is written. */
    const struct node *found = node_get(daemon_call(&d, "contact.find", "{\"phone\":\"138 0000 7777\"}"), "items");
    ck_assert_uint_eq(found->count, 1);
    ck_assert_int_eq(member_number(&found->u.items[0], "order"), order);
    ck_assert_uint_eq(node_get(daemon_call(&d, "contact.find", "{\"phone\":\"13800007778\"}"), "items")->count, 0);
    /* Nothing of it stands readable in any file: not in the database, its log, or the daemon's. */
    char command[200];
    snprintf(command, sizeof command, "! grep -raqE 'CANARY|0000.?7777' %s", d.directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert_ptr_nonnull(daemon_call(&d, "contact.erase", json));
    ck_assert_uint_eq(node_get(daemon_call(&d, "contact.find", "{\"phone\":\"13800007777\"}"), "items")->count, 0);
    client_close(c);
    client_close(o);
    daemon_end(&d);
}
END_TEST

START_TEST(the_wrong_master_key_opens_nothing)
{
    struct daemon d = daemon_start(NULL);
    char said[4000];
    char path[100];
    char data[100];
    daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\",\"contact\":{\"name\":\"x\"}}", "order");
    ck_assert_int_eq(daemon_stop(&d), 0);
    snprintf(path, sizeof path, "%s/other.key", d.directory);
    snprintf(data, sizeof data, "%s/data", d.directory);
    FILE *file = fopen(path, "we");
    fputs("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", file);
    fclose(file);
    const char *const wrong[] = {"--data", data, "--listen", d.address, "--master-key", path, NULL};
    ck_assert_int_eq(daemon_run(wrong, said, sizeof said), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "not the key that this database was made with"));
    const char *const profile[] = {"--data", data, "--listen", d.address, "--crypto", "state", NULL};
    ck_assert_int_eq(daemon_run(profile, said, sizeof said), EX_CONFIG);
    remove_directory(d.directory);
}
END_TEST

START_TEST(both_profiles_seal_and_notice_tampering)
{
    struct vault v = {.profile = _i == 0 ? VAULT_INTERNATIONAL : VAULT_STATE, .wrap_key = {7}, .index_key = {8}};
    static const char text[] = "13800007777, 二楼左手";
    uint8_t sealed[sizeof text + SEAL_BYTES_MAX];
    uint8_t plain[sizeof sealed];
    size_t len = vault_seal(&v, 42, text, sizeof text, sealed);
    ck_assert_uint_gt(len, sizeof text);
    ck_assert_int_eq(vault_unseal(&v, 42, sealed, len, plain), sizeof text);
    ck_assert_mem_eq(plain, text, sizeof text);
    ck_assert_int_eq(vault_unseal(&v, 43, sealed, len, plain), -1); /* of another row */
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 1;
        ck_assert_int_eq(vault_unseal(&v, 42, sealed, len, plain), -1);
        sealed[i] ^= 1;
        ck_assert_int_eq(vault_unseal(&v, 42, sealed, i, plain), -1);
    }
    v.wrap_key[0]++;
    ck_assert_int_eq(vault_unseal(&v, 42, sealed, len, plain), -1);
}
END_TEST

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why);
    sqlite3_close(db);
}

/* Edited, deleted, put in, reordered, cut off; and the same by one who can write the head as well. */
START_TEST(tampering_with_the_log_is_found)
{
    static const char *const deeds[] = {
        "UPDATE events SET actor = 'somebody' WHERE seq = 3",
        "DELETE FROM events WHERE seq = 3",
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        "UPDATE events SET seq = -seq WHERE seq IN (3, 4); UPDATE events SET seq = CASE seq WHEN -3 THEN 4 ELSE 3 END WHERE seq < 0",
        "UPDATE counters SET head = zeroblob(32)",
        /* by one who knows how heads are made: the log is cut and its head made to fit */
        "DELETE FROM events WHERE seq > 2; UPDATE counters SET next_event = 3, row_check = 0",
    };
    struct daemon d = daemon_start(NULL);
    char db[120];
    char copy[120];
    char heads[120];
    char command[300];
    struct audit audit;
    struct failure failure = {0};
    for (int i = 0; i < 6; i++) {
        char json[120];
        snprintf(json, sizeof json, "{\"ref\":\"%d\",\"region\":" TOWN ",\"category\":\"legal_aid\"}", i);
        daemon_number(&d, "order.place", json, "order");
    }
    ck_assert_int_eq(daemon_stop(&d), 0);
    snprintf(db, sizeof db, "%s/data/paidan.db", d.directory);
    snprintf(copy, sizeof copy, "%s/copy.db", d.directory);
    snprintf(heads, sizeof heads, "%s/data/heads.log", d.directory);
    ck_assert_int_eq(audit_verify(db, heads, NULL, NULL, &audit, &failure), 0);
    ck_assert_str_eq(audit.finding, "");
    ck_assert_uint_ge(audit.events, 6);
    ck_assert_uint_ge(audit.heads, 1);
    for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
        snprintf(command, sizeof command, "cp %s %s", db, copy);
        ck_assert_int_eq(system(command), 0);
        run_sql(copy, deeds[i]);
        int rc = audit_verify(copy, heads, NULL, NULL, &audit, &failure); /* -1: a row's digest says it already */
        ck_assert_msg(rc != 0 || audit.finding[0] != '\0', "not found: %s", deeds[i]);
    }
    snprintf(command, sizeof command, "%s audit verify %s %s", program("paidan"), db, heads);
    ck_assert_int_eq(system(command), 0); /* as the operator does it */
    snprintf(command, sizeof command, "%s audit verify %s %s >/dev/null", program("paidan"), copy, heads);
    ck_assert_int_ne(system(command), 0);
    daemon_end(&d);
}
END_TEST

static void make_certificates(const char *directory)
{
    char command[1600];
    snprintf(command, sizeof command,
             "cd %s && exec 2>/dev/null; "
             "new() { openssl req -new -newkey rsa:2048 -nodes -keyout $1.key -subj /CN=$1 -out $1.csr; }; "
             "for ca in ca otherca; do openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -subj /CN=$ca -days 2 -out $ca.pem; done; "
             "echo 'subjectAltName=IP:127.0.0.1' >san; new server; new client; new stranger; "
             "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem; "
             "openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out client.pem; "
             "openssl x509 -req -in stranger.csr -CA otherca.pem -CAkey otherca.key -CAcreateserial -days 2 -out stranger.pem",
             directory);
    ck_assert_int_eq(system(command), 0);
}

static void use_certificate(const char *directory, const char *name)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s.pem", directory, name);
    setenv("PAIDAN_TLS_CERT", path, 1);
    snprintf(path, sizeof path, "%s/%s.key", directory, name);
    setenv("PAIDAN_TLS_KEY", path, 1);
    snprintf(path, sizeof path, "%s/ca.pem", directory);
    setenv("PAIDAN_TLS_CA", path, 1);
}

START_TEST(tls_lets_in_who_has_a_certificate_and_a_token)
{
    char keys[64];
    char token[200];
    char why[200];
    char files[3][100];
    make_directory(keys);
    make_certificates(keys);
    for (int i = 0; i < 3; i++)
        snprintf(files[i], sizeof files[i], "%s/%s", keys, (const char *[]){"server.pem", "server.key", "ca.pem"}[i]);
    const char *const options[] = {"--listen", "tls:127.0.0.1:0", "--tls-cert", files[0], "--tls-key", files[1], "--tls-ca", files[2], NULL};
    struct daemon d = daemon_start(options);
    add_token(&d, "{\"token_id\":\"p\",\"roles\":\"platform\",\"everywhere\":true}", token);
    use_certificate(keys, "client");
    struct client *c = enter(d.tls, NULL);
    struct daemon bare = as(&d, c);
    ck_assert_str_eq(daemon_refused(&bare, "order.list", "{}"), "unauthenticated"); /* a certificate alone is not enough */
    client_close(c);
    c = enter(d.tls, token);
    struct daemon good = as(&d, c);
    ck_assert_ptr_nonnull(daemon_call(&good, "order.list", "{}"));
    for (int i = 0; i < 200; i++)
        ck_assert_ptr_nonnull(daemon_call(&good, "server.methods", "{}"));
    client_close(c);
    use_certificate(keys, "stranger"); /* signed by somebody else */
    c = client_open(d.tls, why);
    if (c != NULL) { /* with TLS 1.3 the client learns it at its first read */
        struct daemon alien = as(&d, c);
        const struct node *error = NULL;
        struct pack *p = client_begin(alien.client, "server.info");
        pack_map(p);
        pack_close(p);
        ck_assert_ptr_null(client_call(c, &error));
        client_close(c);
    }
    daemon_end(&d);
    remove_directory(keys);
}
END_TEST

/* Whether the log says it, within five seconds. */
static bool is_logged(const char *path, const char *words)
{
    char line[2000];
    for (int i = 0; i < 100; i++) {
        FILE *file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            if (strstr(line, words) != NULL) {
                fclose(file);
                return true;
            }
        }
        if (file != NULL)
            fclose(file);
        usleep(50000);
    }
    return false;
}

static bool can_enter(const char *address, const char *token)
{
    char why[200];
    struct client *c = client_open(address, why);
    const struct node *error = NULL;
    if (c == NULL)
        return false;
    struct pack *p = client_begin(c, "session.hello");
    pack_map(p);
    pack_key_text(p, "token", token);
    pack_close(p);
    bool is_in = client_call(c, &error) != NULL;
    client_close(c);
    return is_in;
}

START_TEST(a_reload_takes_new_certificates_or_says_that_it_does_not)
{
    char keys[64];
    char token[200];
    char command[600];
    char log[100];
    char config[100];
    char files[3][100];
    make_directory(keys);
    make_certificates(keys);
    for (int i = 0; i < 3; i++)
        snprintf(files[i], sizeof files[i], "%s/%s", keys, (const char *[]){"server.pem", "server.key", "ca.pem"}[i]);
    snprintf(log, sizeof log, "%s/log", keys);
    snprintf(config, sizeof config, "%s/paidan.conf", keys);
    snprintf(command, sizeof command, "printf 'declines_climb = 3\nnode = 0\n' >%s", config);
    ck_assert_int_eq(system(command), 0);
    const char *const options[] = {"--config", config, "--listen", "tls:127.0.0.1:0", "--tls-cert", files[0], "--tls-key", files[1], "--tls-ca",
                                   files[2], "--issuer", "given", NULL};
    struct daemon d = daemon_start(options);
    add_token(&d, "{\"token_id\":\"p\",\"roles\":\"platform\",\"everywhere\":true}", token);
    use_certificate(keys, "client");
    struct client *old = enter(d.tls, token);
    snprintf(command, sizeof command, "printf 'declines_climb = 3\\nnode = 0\\nlog = %s\\n' >%s", log, config);
    ck_assert_int_eq(system(command), 0);
    kill(d.pid, SIGHUP);
    ck_assert(is_logged(log, "event=reloaded"));
    ck_assert(is_logged(log, "event=tls_expires days=1"));
    ck_assert_int_eq(truncate(log, 0), 0);
    snprintf(command, sizeof command, "cd %s && cp server.pem old.pem && openssl x509 -req -in server.csr -CA otherca.pem -CAkey otherca.key "
             "-CAcreateserial -days 60 -extfile san -out server.pem 2>/dev/null", keys);
    ck_assert_int_eq(system(command), 0);
    kill(d.pid, SIGHUP);
    ck_assert(is_logged(log, "event=reloaded"));
    ck_assert(!can_enter(d.tls, token)); /* who trusts the old authority only */
    snprintf(command, sizeof command, "%s/otherca.pem", keys);
    setenv("PAIDAN_TLS_CA", command, 1);
    ck_assert(can_enter(d.tls, token));
    struct daemon standing = as(&d, old);
    ck_assert_ptr_nonnull(daemon_call(&standing, "order.list", "{}")); /* what stood goes on */
    /* A wrong file: it is said, nothing is taken, and the daemon serves on. */
    snprintf(command, sizeof command, "echo nonsense >%s && printf 'declines_climb = 2\nnode = 3\n' >%s", files[0], config);
    ck_assert_int_eq(system(command), 0);
    kill(d.pid, SIGHUP);
    ck_assert(is_logged(log, "event=reload_refused reason=\"tls_cert: "));
    ck_assert_int_eq(node_number(daemon_call(&d, "server.stats", "{}"), "reload_failed", -1), 1);
    ck_assert(!is_logged(log, "reload_incomplete"));
    ck_assert(can_enter(d.tls, token));
    snprintf(command, sizeof command, "cd %s && cp old.pem server.pem", keys);
    ck_assert_int_eq(system(command), 0);
    ck_assert_ptr_nonnull(daemon_call(&d, "server.reload", "{}"));
    ck_assert(is_logged(log, "event=needs_restart keys=node ")); /* and nothing that options gave */
    ck_assert_int_eq(node_number(daemon_call(&d, "server.stats", "{}"), "reload_failed", -1), 0);
    use_certificate(keys, "client");
    ck_assert(can_enter(d.tls, token));
    client_close(old);
    daemon_end(&d);
    remove_directory(keys);
}
END_TEST

START_TEST(beyond_loopback_needs_tls)
{
    char directory[64];
    char data[100];
    char said[2000];
    make_directory(directory);
    snprintf(data, sizeof data, "%s/data", directory);
    const char *const tcp[] = {"--data", data, "--listen", "tcp:0.0.0.0:0", NULL};
    ck_assert_int_eq(daemon_run(tcp, said, sizeof said), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "beyond loopback"));
    const char *const tls[] = {"--data", data, "--listen", "tls:0.0.0.0:0", NULL};
    ck_assert_int_eq(daemon_run(tls, said, sizeof said), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(said, "tls_cert"));
    remove_directory(directory);
}
END_TEST

START_TEST(who_asks_too_fast_is_slowed_down)
{
    static const char *const options[] = {"--requests-per-s", "50", NULL};
    struct daemon d = daemon_start(options);
    int refused = 0;
    for (int i = 0; i < 200; i++)
        if (daemon_call(&d, "order.list", "{}") == NULL) {
            ck_assert_str_eq(member(daemon_error(), "code"), "rate_limited");
            refused++;
        }
    ck_assert_int_gt(refused, 50);
    const struct node *list = NULL;
    for (int i = 0; i < 100 && (list = daemon_call(&d, "order.list", "{}")) == NULL; i++)
        usleep(100000);
    ck_assert_ptr_nonnull(list);
    daemon_end(&d);
}
END_TEST

/* With a bound that no disk meets: nothing new is begun, what there is goes its way. */
START_TEST(a_low_disk_leaves_room_to_finish)
{
    static const char *const low[] = {"--disk-reserve-mib", "1048576", NULL};
    struct daemon d = daemon_start(NULL);
    char json[80];
    daemon_number(&d, "org.put", "{\"id\":7,\"name\":\"队\",\"region\":" TOWN ",\"lat\":23.0861,\"lon\":114.4132,\"skills\":[\"legal_aid\"]}", "org");
    daemon_number(&d, "order.place", "{\"ref\":\"1\",\"region\":" TOWN ",\"category\":\"legal_aid\",\"mode\":\"auto\"}", "order");
    ck_assert_int_eq(daemon_stop(&d), 0);
    daemon_again(&d, low);
    for (int i = 0; i < 400; i++) { /* the disk is looked at once a second */
        snprintf(json, sizeof json, "{\"ref\":\"early-%d\",\"region\":" TOWN ",\"category\":\"legal_aid\"}", i);
        if (daemon_call(&d, "order.place", json) == NULL)
            break;
        usleep(50000);
    }
    ck_assert_str_eq(daemon_refused(&d, "order.place", "{\"ref\":\"2\",\"region\":" TOWN ",\"category\":\"legal_aid\"}"), "storage_low");
    ck_assert_str_eq(daemon_refused(&d, "server.backup", "{\"path\":\"/tmp/never\"}"), "storage_low");
    const struct node *inbox = node_get(daemon_call(&d, "offer.list", "{\"org\":7}"), "items");
    snprintf(json, sizeof json, "{\"offer\":%lld}", (long long)member_number(&inbox->u.items[0], "offer"));
    ck_assert_str_eq(member(daemon_call(&d, "offer.accept", json), "state"), "accepted");
    ck_assert_str_eq(member(daemon_call(&d, "service.start", json), "offer_state"), "serving");
    ck_assert_str_eq(member(daemon_call(&d, "service.complete", json), "offer_state"), "completed");
    daemon_end(&d);
}
END_TEST

/* Wrong tokens by the dozen: each connection ends after three, and a stranger who says nothing is not
 * waited for. */
START_TEST(guessing_ends_the_connection)
{
    struct daemon d = daemon_start(closed);
    char why[200];
    for (int i = 0; i < 50; i++) {
        struct client *c = client_open(d.tcp, why);
        const struct node *error = NULL;
        int answers = 0;
        for (int guess = 0; guess < 5; guess++) {
            struct pack *p = client_begin(c, "session.hello");
            pack_map(p);
            pack_key_text(p, "token", "platform.00");
            pack_close(p);
            client_call(c, &error);
            answers += error != NULL;
        }
        ck_assert_int_eq(answers, 3);
        client_close(c);
    }
    ck_assert_int_ge(daemon_number(&d, "server.stats", "{}", "wrong_tokens"), 150);
    daemon_end(&d);
}
END_TEST

/* What an order.list says to another user behind the Unix socket: 0 shown, 1 unauthenticated, else neither. */
static int asked_as(const struct daemon *d, unsigned user)
{
    pid_t pid = fork();
    int status = 0;
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char why[200];
        const struct node *error = NULL;
        if (setgid(user) != 0 || setuid(user) != 0)
            _exit(2);
        struct client *c = client_open(d->address, why);
        if (c == NULL)
            _exit(3);
        struct pack *p = client_begin(c, "order.list");
        pack_map(p);
        pack_close(p);
        if (client_call(c, &error) != NULL)
            _exit(0);
        _exit(error != NULL && strcmp(member(error, "code"), "unauthenticated") == 0 ? 1 : 4);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Whoever may open the socket is not yet root: the kernel says who it is. */
START_TEST(another_user_behind_the_socket_needs_a_token)
{
    static const char *const options[] = {"--open-roles", "", "--socket-mode", "666", NULL};
    struct daemon d = daemon_start(options);
    ck_assert_int_eq(chmod(d.directory, 0711), 0);
    ck_assert_int_eq(asked_as(&d, 0), 0);
    ck_assert_int_eq(asked_as(&d, 65534), 1);
    daemon_end(&d);
}
END_TEST

Suite *suite_access(void);
Suite *suite_access(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, nobody_trespasses, 0, 3);
    tcase_add_test(t, roles_have_names);
    tcase_add_test(t, without_a_token_there_is_nothing);
    tcase_add_test(t, who_may_do_everything_is_not_vouched_for);
    tcase_add_test(t, a_token_opens_what_it_is_for_and_no_more);
    tcase_add_test(t, a_removed_organisation_leaves_nothing_to_the_next);
    tcase_add_test(t, the_role_of_an_organisation_is_not_for_strangers);
    tcase_add_test(t, two_secrets_live_and_a_revoked_token_is_shut_out);
    tcase_add_test(t, an_expired_token_is_over);
    tcase_add_test(t, contact_is_shown_after_acceptance);
    tcase_add_test(t, the_wrong_master_key_opens_nothing);
    tcase_add_loop_test(t, both_profiles_seal_and_notice_tampering, 0, 2);
    tcase_add_test(t, tampering_with_the_log_is_found);
    tcase_add_test(t, tls_lets_in_who_has_a_certificate_and_a_token);
    tcase_add_test(t, a_reload_takes_new_certificates_or_says_that_it_does_not);
    tcase_add_test(t, beyond_loopback_needs_tls);
    tcase_add_test(t, who_asks_too_fast_is_slowed_down);
    tcase_add_test(t, a_low_disk_leaves_room_to_finish);
    tcase_add_test(t, guessing_ends_the_connection);
    suite_add_tcase(s, t);
    t = tcase_create("peer");
    tcase_set_timeout(t, 120);
    if (geteuid() == 0)
        tcase_add_test(t, another_user_behind_the_socket_needs_a_token);
    else
        puts("not run: another_user_behind_the_socket_needs_a_token: only root can become somebody else");
    suite_add_tcase(s, t);
    return s;
}
