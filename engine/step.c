/* step.c -- the one door through which state changes. */
#include <stdlib.h>

#include "state.h"

static struct refusal step_table(struct engine *e, const struct command *c)
{
    switch (c->op) {
    case OP_SET_RULES:
        e->rules = c->u.rules;
        return REFUSED_NOT;
    case OP_SET_OFFSET:
        if (e->calendar.offset_min != c->u.offset_min)
            offers_move_clock(e, c->u.offset_min);
        return REFUSED_NOT;
    case OP_SET_DAY:
        return calendar_set(&e->calendar, c->u.day.day, c->u.day.is_work)
                   ? REFUSED_NOT
                   : refuse(REFUSAL_LIMIT, "day");
    case OP_ADD_SKILL:
        return table_add_skill(e, &c->u.skill);
    case OP_ADD_REGION:
    default:
        return table_add_region(e, c);
    }
}

static struct refusal step_org(struct engine *e, const struct command *c, int64_t now,
                               struct outcome *outcome)
{
    outcome->id = c->org;
    switch (c->op) {
    case OP_ORG_PUT:
        return org_put(e, c, now, &outcome->id);
    case OP_ORG_REMOVE:
        return org_remove(e, c, now);
    case OP_ORG_DUTY:
        return org_set_duty(e, c, now);
    case OP_ORG_DATES:
    default:
        return org_set_dates(e, c, now);
    }
}

static void tick(struct engine *e, const struct command *c, int64_t now)
{
    activity_sweep(e, now);
    emergency_tick(e, c, now);
    for (int fired = 0; fired < TICK_COUNT_MAX; fired++) {
        const struct heap_entry *top = heap_top(&e->timers);
        if (top == NULL || top->at > now)
            break;
        timer_fire(e, c, now);
    }
}

struct outcome engine_step(struct engine *e, const struct command *c, int64_t now)
{
    struct outcome outcome = {.id = 0};
    must(c->actor != NULL && now > 0);
    if (c->op >= OP_SET_RULES && c->op <= OP_ADD_REGION)
        outcome.refusal = step_table(e, c);
    else if (c->op >= OP_ORG_PUT && c->op <= OP_ORG_DATES)
        outcome.refusal = step_org(e, c, now, &outcome);
    else if (c->op == OP_BATCH)
        outcome.refusal = dispatch_batch(e, c, now, &outcome);
    else if (c->op >= OP_ACCEPT && c->op <= OP_NO_SHOW)
        outcome.refusal = request_offer(e, c, now, &outcome);
    else if (c->op >= OP_RECORD_ADD && c->op <= OP_CERTIFY)
        outcome.refusal = request_record(e, c, now, &outcome);
    else if (c->op == OP_EMERGENCY_OPEN || c->op == OP_EMERGENCY_CLOSE)
        outcome.refusal = request_emergency(e, c, now);
    else if (c->op == OP_SERIES_PUT || c->op == OP_SERIES_STOP)
        outcome.refusal = request_series(e, c, now, &outcome);
    else if (c->op == OP_ASSIGN)
        dispatch_assign(e, c, now);
    else if (c->op == OP_TICK)
        tick(e, c, now);
    else
        outcome.refusal = request_order(e, c, now, &outcome);
    return outcome;
}

int64_t engine_deadline(const struct engine *e)
{
    const struct heap_entry *top = heap_top(&e->timers);
    int64_t at = top != NULL ? top->at : INT64_MAX;
    int64_t emergency = e->emergency_count != 0 ? emergency_deadline(e) : INT64_MAX;
    at = at < e->aging_at ? at : e->aging_at;
    return at < emergency ? at : emergency;
}

uint32_t engine_assign_waiting(const struct engine *e)
{
    return e->assign_waiting;
}
