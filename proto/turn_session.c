/* turn_session.c -- who calls, making and freeing a turn, and what methods may ask of it. */
#include "turn_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIPTIONS_MAX 8192 /* each event is looked at for each */
#define JOBS_MAX 256           /* each holds some hundred KiB, and one of them goes on each turn */

struct turn *turn_new(struct engine *engine, const struct turn_ports *ports,
                      const struct turn_settings *settings, uint64_t random_key)
{
    struct turn *t = must_alloc(1, sizeof *t);
    t->engine = engine;
    t->ports = *ports;
    t->calls_end = &t->calls;
    t->gathering = &t->batches[0];
    t->last_number = 1;
    t->gathering->number = 1;
    t->next_ref = 1;
    refs_init(&t->refs, random_key);
    pool_init(&t->session_table, sizeof(struct session *));
    turn_configure(t, settings);
    return t;
}

void turn_free(struct turn *t)
{
    if (t == NULL)
        return;
    t->calls = NULL; /* nobody is answered any more */
    while (t->sessions != NULL)
        turn_disconnect(t, t->sessions);
    while (t->jobs != NULL) {
        struct job *next = t->jobs->next;
        free(t->jobs->state);
        free(t->jobs);
        t->jobs = next;
    }
    budget_fini(&t->budget);
    map_fini(&t->session_places);
    map_fini(&t->changed);
    pool_fini(&t->session_table);
    arena_fini(&t->arena);
    refs_fini(&t->refs);
    tokens_fini(&t->tokens);
    free(t->buckets);
    free(t->ref_days);
    pack_fini(&t->pack);
    for (int i = 0; i < 2; i++)
        batch_fini(&t->batches[i]);
    free(t->delivery.bytes);
    free(t);
}

void turn_configure(struct turn *t, const struct turn_settings *settings)
{
    t->settings = *settings;
    t->budget.share_percent = settings->share_percent;
    t->budget.max[BUDGET_INPUT] = settings->input_bytes;
    t->budget.max[BUDGET_OUTPUT] = settings->output_bytes;
    t->budget.max[BUDGET_CONNECTIONS] = settings->connections;
    t->budget.max[BUDGET_STREAMS] = settings->streams;
    t->budget.max[BUDGET_SUBSCRIPTIONS] = SUBSCRIPTIONS_MAX;
    t->budget.max[BUDGET_QUESTIONS] = settings->questions_max;
    t->budget.max[BUDGET_JOBS] = JOBS_MAX;
}

struct budget *turn_budget(struct turn *t)
{
    return &t->budget;
}

void remember_day(struct turn *t, uint64_t id, int64_t at)
{
    int64_t day = at / DAY_MS;
    if (t->ref_day_count != 0 && t->ref_days[t->ref_day_count - 1].day >= day)
        return;
    t->ref_days = must_realloc(t->ref_days, t->ref_day_count + 1, sizeof *t->ref_days);
    t->ref_days[t->ref_day_count++] = (struct ref_day){.day = day, .first_id = id};
}

void turn_load_ref(void *context, const char *caller, const char *ref, uint64_t id, int64_t at)
{
    struct turn *t = context;
    refs_add(&t->refs, caller, ref, id);
    remember_day(t, id, at);
}

void turn_load_done(struct turn *t, uint64_t next_ref)
{
    t->next_ref = next_ref;
    t->published = engine_counters(t->engine).event - 1;
}

struct session *turn_connect(struct turn *t, uint64_t connection, const struct identity *who)
{
    struct session *s = must_alloc(1, sizeof *s);
    s->connection = connection;
    s->who = *who;
    snprintf(s->actor, sizeof s->actor, "%s", who->principal);
    budget_join(&s->holder, &t->budget, who->principal, who->is_vouched);
    s->next = t->sessions;
    if (s->next != NULL)
        s->next->prev = s;
    t->sessions = s;
    s->place = pool_take(&t->session_table);
    *(struct session **)pool_at(&t->session_table, s->place) = s;
    map_put(&t->session_places, connection, s->place);
    return s;
}

void turn_disconnect(struct turn *t, struct session *session)
{
    /* What came of a METHOD_LATER between two turns is done, and has nobody to be told any more. */
    for (struct call *call = t->calls; call != NULL; call = call->next) {
        must(call->session != session || call->packed != NULL); /* others end their turn first */
        if (call->session == session)
            call->session = NULL;
    }
    if (session->prev != NULL)
        session->prev->next = session->next;
    else
        t->sessions = session->next;
    if (session->next != NULL)
        session->next->prev = session->prev;
    map_remove(&t->session_places, session->connection);
    pool_give(&t->session_table, session->place);
    drop_subscriptions(session);
    budget_part(&session->holder);
    free(session);
}

bool is_too_fast(struct turn *t, const struct session *s, int64_t now)
{
    uint64_t rate = t->settings.requests_per_s;
    if (rate == 0)
        return false;
    if (t->buckets == NULL)
        t->buckets = must_alloc(BUCKETS, sizeof *t->buckets);
    struct bucket *b = &t->buckets[s->holder.caller->hash % BUCKETS];
    uint64_t drained = now > b->at ? (uint64_t)(now - b->at) * rate : 0;
    b->level = drained < b->level ? b->level - drained : 0;
    b->at = now;
    if (b->level + 1000 > rate * 1000) /* a second's worth at once */
        return true;
    b->level += 1000;
    return false;
}

void turn_storage_low(struct turn *t, bool is_low)
{
    t->is_storage_low = is_low;
}

void turn_load_token(void *context, const struct token_row *row)
{
    struct turn *t = context;
    tokens_put(&t->tokens, row);
}

const struct tokens *turn_tokens(const struct turn *t)
{
    return &t->tokens;
}

/* A clock that is set back revives no token. */
static int64_t latest(const struct turn *t)
{
    return t->ports.latest != NULL ? t->ports.latest(t->ports.context) : t->ports.now(t->ports.context);
}

bool is_good_still(const struct turn *t, const struct identity *who)
{
    return tokens_still_let_in(&t->tokens, who, latest(t));
}

/* It may do nothing any more, and hears nothing. */
static void end_rights(struct session *s)
{
    s->who.roles = 0;
    s->who.scope = SCOPE_NOWHERE;
    s->who.region = s->who.org = 0;
    drop_subscriptions(s);
}

/* In force at once, for those too who came with it before: revoked, or with a secret that it has no more. */
void turn_put_token(struct turn *t, const struct token_row *row)
{
    tokens_put(&t->tokens, row);
    batch_add_token(t->gathering, row);
    for (struct session *s = t->sessions; s != NULL; s = s->next)
        if (s->who.has_secret && strcmp(s->who.principal + strlen(TOKEN_PRINCIPAL), row->id) == 0 &&
            !is_good_still(t, &s->who))
            end_rights(s);
}

bool turn_identify(struct turn *t, struct session *s, const char *token, size_t len, struct error *error)
{
    end_rights(s);
    if (!tokens_check(&t->tokens, token, len, latest(t), &s->who)) {
        s->failures++;
        t->counts.wrong_tokens++;
        return error_set(error, REFUSAL_UNAUTHENTICATED, "token", "it is unknown, expired or revoked");
    }
    snprintf(s->actor, sizeof s->actor, "%s", s->who.principal);
    budget_join(&s->holder, &t->budget, s->who.principal, false);
    if (s->holder.held[BUDGET_CONNECTIONS] == 0 || budget_allows(&t->budget, s->holder.caller, BUDGET_CONNECTIONS, 0, error))
        return true;
    end_rights(s);
    s->is_one_too_many = true;
    return false;
}

struct session *find_session(struct turn *t, uint64_t connection)
{
    uint32_t place = map_get(&t->session_places, connection);
    return place != SLOT_NONE ? *(struct session **)pool_at(&t->session_table, place) : NULL;
}

bool call_step(struct call *call, struct command *command)
{
    command->actor = call->actor;
    if (arg_has(&call->args, P_REASON))
        command->reason = call->args.text[P_REASON];
    call->outcome = engine_step(call->engine, command, call->now);
    if (call->outcome.refusal.code == REFUSAL_NONE)
        return true;
    error_from_refusal(&call->error, &call->outcome.refusal);
    return false;
}

void call_add_contact(struct call *call, const struct contact_row *row)
{
    batch_add_contact(call->turn->gathering, row);
}

void turn_set_push(struct turn *t, struct push *push)
{
    t->push = push;
}

struct push *turn_push(const struct turn *t)
{
    return t->push;
}

void turn_push_cursor(struct turn *t, uint64_t event)
{
    t->gathering->push_cursor = event;
    t->gathering->has_push_cursor = true;
}

void turn_push_dead(struct turn *t, const struct dead_letter *row)
{
    batch_add_dead_letter(t->gathering, row);
}

uint64_t turn_published(const struct turn *t)
{
    return t->published;
}

const char *turn_issuer(const struct turn *t)
{
    return t->settings.issuer != NULL ? t->settings.issuer : "";
}

const struct code_tables *turn_codes(const struct turn *t)
{
    return t->settings.codes;
}

bool turn_is_draining(const struct turn *t)
{
    return t->is_draining;
}

void turn_reload(struct turn *t)
{
    t->ports.reload(t->ports.context);
}

int64_t turn_trust_clock(struct turn *t)
{
    return (t->ports.trust_clock != NULL ? t->ports.trust_clock : t->ports.now)(t->ports.context);
}

void turn_pack_extra(struct turn *t, struct pack *pack)
{
    t->ports.pack_extra(t->ports.context, pack);
}

struct arena *turn_arena(struct turn *t)
{
    return &t->arena;
}
