/* turn_questions.c -- what the reader looks up for a request, and work in slices. */
#include "turn_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_later(const struct asked *asked)
{
    return asked->method != NULL && (asked->method->flags & METHOD_LATER) != 0;
}

void ask(struct turn *t, struct query *q, const struct asked *asked)
{
    struct asked *kept = must_alloc(1, sizeof *kept);
    *kept = *asked;
    kept->seen = t->changes;
    t->later_open += is_later(asked);
    q->context = kept;
    q->link = t->questions;
    t->questions = q;
    t->questions_open++;
    if (kept->caller == NULL)
        return;
    kept->caller->references++;
    budget_take(&t->budget, kept->caller, BUDGET_QUESTIONS, 1);
}

void turn_ask(struct turn *t, struct query *q, got_answer *got, void *context)
{
    struct asked asked = {.got = got, .context = context};
    ask(t, q, &asked);
}

/* A request whose ref was seen before: the row decides whether it is the same. */
void ask_ref(struct turn *t, const struct call *call)
{
    struct query *q = query_new(QUERY_REF);
    struct asked asked = {.connection = call->session->connection,
                          .digest = call->digest,
                          .msgid = call->msgid,
                          .who = call->who,
                          .caller = call->session->holder.caller};
    q->ref_id = call->ref_id;
    snprintf(asked.ref, sizeof asked.ref, "%s", call->args.text[P_REF]);
    ask(t, q, &asked);
}

bool turn_add_job(struct call *call, void *state, job_slice *slice)
{
    struct turn *t = call->turn;
    struct caller *caller = call->session->holder.caller;
    if (!budget_allows(&t->budget, caller, BUDGET_JOBS, 1, &call->error)) {
        free(state);
        return false;
    }
    caller->references++;
    budget_take(&t->budget, caller, BUDGET_JOBS, 1);
    struct job *job = must_alloc(1, sizeof *job);
    *job = (struct job){.connection = call->session->connection, .msgid = call->msgid, .who = call->who, .caller = caller,
                        .method = call->method, .state = state, .slice = slice, .next = t->jobs};
    t->jobs = job;
    t->job_count++;
    call->is_job = true;
    return true;
}

void work_on_job(struct turn *t, int64_t now)
{
    struct job **at = &t->jobs;
    if (t->jobs == NULL)
        return;
    while ((*at)->next != NULL)
        at = &(*at)->next;
    struct job *job = *at;
    struct call call = {.turn = t, .engine = t->engine, .method = job->method, .now = now, .who = job->who,
                        .session = find_session(t, job->connection)};
    begin_answer(&t->pack, job->msgid);
    pack_nil(&t->pack);
    if (call.session != NULL && !is_good_still(t, &job->who))
        error_set(&call.error, REFUSAL_UNAUTHENTICATED, NULL, "%s", "");
    else if (call.session != NULL && !budget_has_room(&t->budget, job->caller, BUDGET_OUTPUT, 1))
        budget_allows(&t->budget, job->caller, BUDGET_OUTPUT, 1, &call.error);
    else if (call.session != NULL && !job->slice(&call, job->state, &t->pack))
        return;
    if (call.error.code != REFUSAL_NONE)
        answer_error(t, job->connection, job->msgid, &call.error);
    else if (call.session != NULL)
        deliver(t, job->connection, t->pack.bytes, t->pack.len);
    *at = NULL;
    t->job_count--;
    budget_give(&t->budget, job->caller, BUDGET_JOBS, 1);
    budget_release(&t->budget, job->caller);
    free(job->state);
    free(job);
}

void ask_questions(struct turn *t, uint64_t barrier)
{
    struct query *reversed = NULL;
    while (t->questions != NULL) {
        struct query *q = t->questions;
        t->questions = q->link;
        q->link = reversed;
        reversed = q;
    }
    while (reversed != NULL) {
        struct query *q = reversed;
        reversed = q->link;
        q->barrier = barrier;
        t->ports.ask(t->ports.context, q);
    }
}

static void answer_ref(struct turn *t, const struct asked *asked, const struct query *q)
{
    struct error error;
    bool is_ours = q->is_found && strcmp(q->ref.caller, asked->who.principal) == 0 &&
                   strcmp(q->ref.ref, asked->ref) == 0;
    if (!is_ours) {
        error_set(&error, REFUSAL_UNAVAILABLE, "ref", "the earlier answer cannot be read");
        answer_error(t, asked->connection, asked->msgid, &error);
    } else if (q->ref.digest != asked->digest) {
        error_set(&error, REFUSAL_CONFLICT, "ref", "%s", "");
        answer_error(t, asked->connection, asked->msgid, &error);
    } else {
        begin_answer(&t->pack, asked->msgid);
        pack_nil(&t->pack);
        pack_raw(&t->pack, q->ref.answer, q->ref.answer_bytes);
        deliver(t, asked->connection, t->pack.bytes, t->pack.len);
    }
}

void encode_packed(struct call *call, struct pack *out)
{
    pack_raw(out, call->packed, call->packed_bytes);
}

/* The same question once more: what it is about was changed since it was asked. */
static void ask_again(struct turn *t, struct query *q, struct asked *asked)
{
    struct query *again = query_new(q->kind);
    again->filter = q->filter;
    again->ref_id = q->ref_id;
    again->limit = q->limit;
    memcpy(again->source, q->source, sizeof again->source);
    memcpy(again->external_id, q->external_id, sizeof again->external_id);
    q->filter.regions = NULL;
    ask(t, again, asked);
    asked->carried = NULL;
}

/* The second half of a method that needed what the reader found. */
static void change_later(struct turn *t, struct query *q, struct asked *asked, struct session *s)
{
    uint32_t changed = asked->about != 0 ? map_get(&t->changed, asked->about) : SLOT_NONE;
    if (s == NULL)
        return; /* who asked has gone, and will ask again */
    if (changed != SLOT_NONE && changed > asked->seen) {
        ask_again(t, q, asked);
        return;
    }
    struct call *call = arena_take(&t->arena, sizeof *call);
    *call = (struct call){.turn = t, .engine = t->engine, .session = s, .method = asked->method, .msgid = asked->msgid,
                          .who = asked->who, .now = t->ports.now(t->ports.context), .carried = asked->carried};
    memcpy(call->actor, asked->actor, sizeof call->actor);
    if (asked->reason[0] != '\0') {
        call->args.present[P_REASON / 64] |= UINT64_C(1) << (P_REASON % 64);
        call->args.text[P_REASON] = arena_text(&t->arena, asked->reason, strlen(asked->reason));
    }
    pack_reset(&t->pack);
    asked->method->answered(call, q, &t->pack);
    call->carried = NULL;
    if (call->error.code != REFUSAL_NONE) {
        answer_error(t, asked->connection, asked->msgid, &call->error);
        return;
    }
    if (asked->about != 0)
        map_put(&t->changed, asked->about, ++t->changes);
    uint8_t *copy = arena_take(&t->arena, t->pack.len);
    memcpy(copy, t->pack.bytes, t->pack.len);
    call->packed = copy;
    call->packed_bytes = (uint32_t)t->pack.len;
    *t->calls_end = call;
    t->calls_end = &call->next;
}

/* Without such questions there is nothing that could be passed. */
static void later_closed(struct turn *t)
{
    if (--t->later_open != 0)
        return;
    map_clear(&t->changed);
    t->changes = 0;
}

void answer_query(struct turn *t, struct query *q)
{
    struct asked *asked = q->context;
    struct session *s = find_session(t, asked->connection);
    struct call call = {.turn = t, .engine = t->engine, .session = s, .method = asked->method, .who = asked->who};
    if (asked->got != NULL) {
        asked->got(asked->context, q, t->ports.now(t->ports.context));
    } else if (asked->subscription == 0 && !is_good_still(t, &asked->who)) {
        error_set(&call.error, REFUSAL_UNAUTHENTICATED, NULL, "%s", "");
        answer_error(t, asked->connection, asked->msgid, &call.error);
    } else if (q->failure.exit_code != 0 && asked->subscription == 0) {
        error_set(&call.error, REFUSAL_UNAVAILABLE, NULL, "%s", q->failure.text);
        answer_error(t, asked->connection, asked->msgid, &call.error);
    } else if (asked->subscription != 0) {
        feed(t, asked, q);
    } else if (q->kind == QUERY_REF) {
        answer_ref(t, asked, q);
    } else if (is_later(asked)) {
        change_later(t, q, asked, s);
    } else if (!budget_allows(&t->budget, asked->caller, BUDGET_OUTPUT, 1, &call.error)) {
        answer_error(t, asked->connection, asked->msgid, &call.error);
    } else {
        begin_answer(&t->pack, asked->msgid);
        pack_nil(&t->pack);
        asked->method->answered(&call, q, &t->pack);
        if (call.error.code != REFUSAL_NONE)
            answer_error(t, asked->connection, asked->msgid, &call.error);
        else
            deliver(t, asked->connection, t->pack.bytes, t->pack.len);
    }
    if (is_later(asked))
        later_closed(t);
    if (asked->caller != NULL) {
        budget_give(&t->budget, asked->caller, BUDGET_QUESTIONS, 1);
        budget_release(&t->budget, asked->caller);
    }
    free((void *)(uintptr_t)q->filter.regions);
    free(asked->carried);
    free(asked);
    query_free(q);
    t->questions_open--;
}
