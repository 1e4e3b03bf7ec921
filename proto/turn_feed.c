/* turn_feed.c -- subscriptions: each event once, in sequence, from any point on. */
#include "turn_inside.h"

#include <stdlib.h>

#include "encode.h"

#define BACKLOG_MAX (1u << 20) /* a subscriber that is so far behind reads from the store again */
#define CATCH_UP_EVENTS 500

void drop_subscriptions(struct session *s)
{
    while (s->subscriptions != NULL) {
        struct subscription *next = s->subscriptions->next;
        holder_give(&s->holder, BUDGET_SUBSCRIPTIONS, 1);
        free((void *)(uintptr_t)s->subscriptions->filter.regions);
        free(s->subscriptions);
        s->subscriptions = next;
    }
}

static bool wants_event(const struct query_filter *f, const struct event *e)
{
    if ((f->order != 0 && f->order != e->order) || (f->org != 0 && f->org != e->org) ||
        (f->kind >= 0 && f->kind != e->kind))
        return false;
    if (event_is_for_all(e))
        return true;
    return filter_reaches(f, e->region);
}

static void notify(struct turn *t, uint64_t barrier, const struct session *s, struct subscription *sub,
                   const struct event *e)
{
    sub->position = e->seq;
    if (!wants_event(&sub->filter, e))
        return;
    pack_reset(&t->pack);
    pack_fixed_list(&t->pack, 3);
    pack_int(&t->pack, 2);
    pack_text(&t->pack, "event");
    pack_fixed_list(&t->pack, 1);
    pack_event(&t->pack, e);
    leave(t, barrier, s->connection, t->pack.bytes, t->pack.len);
}

static bool is_behind(struct turn *t, const struct session *s)
{
    return t->ports.backlog(t->ports.context, s->connection) > BACKLOG_MAX ||
           !budget_has_room(&t->budget, s->holder.caller, BUDGET_OUTPUT, 1);
}

static void catch_up(struct turn *t, struct session *s, struct subscription *sub)
{
    if (sub->is_live || sub->is_asking || is_behind(t, s))
        return;
    if (sub->position >= t->published) {
        sub->is_live = true;
        return;
    }
    struct query *q = query_new(QUERY_EVENTS);
    struct asked asked = {.connection = s->connection, .subscription = sub->number};
    q->filter.reach = REACH_EVERYWHERE; /* the subscription's own filter looks at each */
    q->after = sub->position;
    q->limit = CATCH_UP_EVENTS;
    sub->is_asking = true;
    ask(t, q, &asked);
}

/* A token that has run out, or secret that was rotated away, feeds nobody any more. */
static void drop_expired(struct turn *t, struct session *s)
{
    if (s->subscriptions != NULL && !is_good_still(t, &s->who))
        drop_subscriptions(s);
}

void catch_up_all(struct turn *t)
{
    if (!t->is_somebody_behind)
        return;
    t->is_somebody_behind = false;
    for (struct session *s = t->sessions; s != NULL; s = s->next) {
        drop_expired(t, s);
        for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next) {
            catch_up(t, s, sub);
            t->is_somebody_behind |= !sub->is_live;
        }
    }
}

void publish(struct turn *t, const struct batch *batch)
{
    if (batch->event_count == 0)
        return;
    for (struct session *s = t->sessions; s != NULL; s = s->next) {
        drop_expired(t, s);
        for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next) {
            if (sub->is_live && is_behind(t, s)) {
                sub->is_live = false;
                t->is_somebody_behind = true;
            }
            for (uint32_t i = 0; sub->is_live && i < batch->event_count; i++)
                if (batch->events[i].seq > sub->position)
                    notify(t, batch->number, s, sub, &batch->events[i]);
        }
    }
    t->published = batch->events[batch->event_count - 1].seq;
}

bool turn_subscribe(struct call *call, uint64_t after, const struct query_filter *filter)
{
    struct holder *holder = &call->session->holder;
    if (!budget_allows(holder->budget, holder->caller, BUDGET_SUBSCRIPTIONS, 1, &call->error))
        return false;
    holder_take(holder, BUDGET_SUBSCRIPTIONS, 1);
    struct subscription *sub = must_alloc(1, sizeof *sub);
    sub->number = ++call->session->last_subscription;
    sub->filter = *filter;
    sub->position = after < call->turn->published ? after : call->turn->published;
    sub->next = call->session->subscriptions;
    call->session->subscriptions = sub;
    call->outcome.id = sub->number;
    call->turn->is_somebody_behind = true;
    return true;
}

void feed(struct turn *t, const struct asked *asked, const struct query *q)
{
    struct session *s = find_session(t, asked->connection);
    struct subscription *sub = s != NULL ? s->subscriptions : NULL;
    while (sub != NULL && sub->number != asked->subscription)
        sub = sub->next;
    if (sub == NULL)
        return;
    sub->is_asking = false;
    for (uint32_t i = 0; i < q->event_count; i++)
        notify(t, q->barrier, s, sub, &q->events[i]);
    if (q->event_count == 0 && q->next == 0 && sub->position < t->published)
        sub->position = t->published; /* what lay between has been purged */
}
