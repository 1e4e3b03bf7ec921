/* methods_server.c -- session.*, server.*, code.list: the operator's and the caller's own. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codes.h"
#include "engine/pool.h"
#include "methods.h"

static bool run_hello(struct call *call, struct pack *out)
{
    char roles[ROLES_BYTES];
    const struct identity *who = &call->session->who;
    const char *token = arg_has(&call->args, P_TOKEN) ? call->args.text[P_TOKEN] : NULL;
    if (token != NULL && !turn_identify(call->turn, call->session, token, strlen(token), &call->error))
        return false;
    if (arg_has(&call->args, P_CLIENT))
        snprintf(call->session->actor, sizeof call->session->actor, "%.30s/%.32s",
                 call->session->who.principal, call->args.text[P_CLIENT]);
    pack_map(out);
    pack_key_text(out, "server", "paidand");
    pack_key_text(out, "version", PAIDAN_VERSION);
    pack_key_uint(out, "protocol", 1);
    pack_key_text(out, "principal", who->principal);
    pack_key_text(out, "roles", roles_text(who->roles, roles));
    pack_key_uint(out, "region", who->region);
    pack_key_uint(out, "org", who->org);
    pack_close(out);
    return true;
}

static bool run_info(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_text(out, "server", "paidand");
    pack_key_text(out, "version", PAIDAN_VERSION);
    pack_key_uint(out, "protocol", 1);
    pack_key_uint(out, "schema", SCHEMA_VERSION);
    if (turn_codes(call->turn) != NULL)
        pack_key_text(out, "codes", turn_codes(call->turn)->version);
    pack_key_int(out, "now", call->now);
    pack_key_bool(out, "draining", turn_is_draining(call->turn));
    pack_close(out);
    return true;
}

static void pack_params(const struct method *m, struct pack *out)
{
    pack_key(out, "params");
    pack_list(out);
    for (int i = 0; i < method_param_count(m); i++) {
        const struct param_info *p = &params[m->params[i]];
        pack_map(out);
        pack_key_text(out, "name", p->name);
        pack_key_text(out, "type", param_kind_text(p->kind));
        pack_key_bool(out, "required", i < m->required);
        if (p->low < p->high) {
            pack_key_int(out, "low", p->low);
            pack_key_int(out, "high", p->high);
        }
        pack_key_text(out, "text", p->text);
        pack_close(out);
    }
    pack_close(out);
}

static bool run_methods(struct call *call, struct pack *out)
{
    char roles[ROLES_BYTES];
    (void)call;
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (int t = 0; t < method_table_count; t++) {
        for (int i = 0; i < method_count(t); i++) {
            const struct method *m = &method_tables[t][i];
            pack_map(out);
            pack_key_text(out, "name", m->name);
            pack_key_text(out, "role", roles_text(m->roles, roles));
            pack_key_text(out, "text", m->text);
            pack_key_text(out, "answer", m->answer);
            pack_key_bool(out, "write", (m->flags & METHOD_WRITE) != 0);
            pack_params(m, out);
            pack_close(out);
        }
    }
    pack_close(out);
    pack_next(out, 0);
    pack_close(out);
    return true;
}

static bool run_stats(struct call *call, struct pack *out)
{
    struct turn_counts t = turn_counts(call->turn);
    struct engine_counts e = engine_counts(call->engine);
    pack_map(out);
    pack_key_uint(out, "orders_open", e.orders);
    pack_key_uint(out, "orders_waiting", e.ready);
    pack_key_uint(out, "offers", e.offers);
    pack_key_uint(out, "orgs", e.orgs);
    pack_key_uint(out, "regions", engine_region_count(call->engine));
    pack_key_uint(out, "turns", t.turns);
    pack_key_uint(out, "requests", t.requests);
    pack_key_uint(out, "refused", t.refused);
    pack_key_uint(out, "batches", t.batches);
    pack_key_uint(out, "events", t.events);
    pack_key_uint(out, "wrong_tokens", t.wrong_tokens);
    if (arg_number(&call->args, P_DIGEST, 0) != 0) {
        char digest[20];
        snprintf(digest, sizeof digest, "%016llx", (unsigned long long)engine_digest(call->engine));
        pack_key_text(out, "digest", digest);
    }
    pack_key(out, "refusals");
    pack_map(out);
    for (int i = 1; i < REFUSAL_COUNT; i++)
        if (t.refusals[i] != 0)
            pack_key_uint(out, word_name(&words_refusal, i), t.refusals[i]);
    pack_close(out);
    budget_pack(turn_budget(call->turn), out);
    turn_pack_extra(call->turn, out);
    pack_close(out);
    return true;
}

static bool run_backup(struct call *call, struct pack *out)
{
    (void)out;
    call->query = query_new(QUERY_BACKUP);
    snprintf(call->query->path, sizeof call->query->path, "%s", call->args.text[P_PATH]);
    return true;
}

static void got_backup(struct call *call, const struct query *q, struct pack *out)
{
    (void)call;
    pack_map(out);
    pack_key_text(out, "path", q->path);
    pack_close(out);
}

static bool run_reload(struct call *call, struct pack *out)
{
    turn_reload(call->turn);
    pack_map(out);
    pack_key_bool(out, "reloading", true);
    pack_close(out);
    return true;
}

/* It is written down at the new time, so that the next start finds its newest event there. */
static bool run_trust_clock(struct call *call, struct pack *out)
{
    char from[CLOCK_TEXT_BYTES];
    char reason[WORD_BYTES_MAX + 1]; /* what an event has room for: the time before; its own is the new one */
    struct command c = {.op = OP_NOTE, .reason = reason, .u.note.kind = EVENT_CLOCK_TRUSTED};
    (void)out;
    clock_text(call->now, from);
    call->now = turn_trust_clock(call->turn);
    snprintf(reason, sizeof reason, "from %.27s", from);
    if (!call_step(call, &c))
        return false;
    call->outcome.id = (uint64_t)call->now;
    return true;
}

static void encode_now(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_uint(out, "now", call->outcome.id);
    pack_close(out);
}

static bool run_codes(struct call *call, struct pack *out)
{
    const char *list = arg_has(&call->args, P_LIST) ? call->args.text[P_LIST] : NULL;
    if (codes_pack(turn_codes(call->turn), list, out))
        return true;
    return error_set(&call->error, REFUSAL_NOT_FOUND, "list", "code.list without a list names them all");
}

const struct method server_methods[] = {
    {"session.hello", ROLE_ANYONE, "Say who calls, with a token; `client` tells desks apart.", "{server, version, protocol, principal, roles, region, org}", 0, 0, {P_TOKEN, P_CLIENT, P_PROTOCOL}, run_hello, NULL, NULL},
    {"server.info", ROLE_ANYONE, "Which server this is.", "{server, version, protocol, schema, codes, now, draining}: `codes` is the version of all code tables", 0, 0, {P_NONE}, run_info, NULL, NULL},
    {"server.methods", ROLE_EVERY, "This table.", "{items: [{name, role, text, answer, write, params}], next}", 0, 0, {P_NONE}, run_methods, NULL, NULL},
    {"server.stats", ROLE_OPERATOR, "Counts, sizes, and how the live queues are.", "{orders_open, …, budget: {held, max, refused}, live}", 0, 0, {P_DIGEST}, run_stats, NULL, NULL},
    {"server.backup", ROLE_OPERATOR, "Copy the database to a new file on the service's host, while it runs.", "{path}", METHOD_READER | METHOD_NEW, 1, {P_PATH}, run_backup, NULL, got_backup},
    {"server.reload", ROLE_OPERATOR, "Read the configuration and the tables again, as SIGHUP does.", "{reloading}", 0, 0, {P_NONE}, run_reload, NULL, NULL},
    {"server.trust_clock", ROLE_OPERATOR, "Believe the host's clock from now on, after a step of it that is right.", "{now}", METHOD_WRITE | METHOD_WHOLE, 0, {P_REF}, run_trust_clock, encode_now, NULL},
    {"code.list", ROLE_ANYONE, "The closed lists and code tables, with Chinese and English labels.", "{items: […], next, version}", 0, 0, {P_LIST}, run_codes, NULL, NULL},
};
const int server_method_count = (int)ARRAY_LEN(server_methods);
