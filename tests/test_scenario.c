/* Scenarios that a dispatcher can read. One step a line:
 *
 *   WHEN  org N key=value…            organisation N registers (skills cap reach north week)
 *   WHEN  order A key=value…          order A is placed (skills mode priority heads least from to)
 *   WHEN  dispatch A N | accept A N | decline A N | start A N | complete A N | release A N | no_show A N
 *   WHEN  cancel A | suspend A | resume A | escalate A | look A
 *
 * WHEN is a day of the week of 2026-11-23 and a time. After `=>` stands what must follow: the order's
 * state, optionally with the level, or the refusal, or the misfit. */
#include <stdio.h>
#include <string.h>

#include "world.h"

static const char *const scenarios[][16] = {
    {"a lawyer for an hour, by hand",
     "mon 09:00 org 1 skills=legal_aid week=mon-fri_09:00-18:00",
     "mon 09:00 order A skills=legal_aid from=mon_14:00 to=mon_17:00 => ready",
     "mon 09:05 dispatch A 1 => offered",
     "mon 09:06 dispatch A 1 => asked_before",
     "mon 10:00 accept A 1 => accepted",
     "mon 14:00 start A 1 => serving",
     "mon 15:00 complete A 1 => done",
     "mon 15:01 cancel A => bad_state"},
    {"the lawyers are closed on Sunday, so the order waits and climbs",
     "mon 09:00 org 1 skills=legal_aid week=mon-fri_09:00-18:00",
     "mon 09:00 order A skills=legal_aid from=sun_09:00 to=sun_12:00 => ready",
     "mon 09:05 dispatch A 1 => not_open",
     "wed 08:59 look A => ready village",
     "wed 09:00 look A => ready town",
     "thu 09:00 look A => ready county",
     "fri 09:00 look A => ready city",
     "sun 09:00 look A => ready city", /* working time stood still since Saturday */
     "mon2 09:00 look A => unmet"},
    {"a flood: the emergency goes to whoever is left, in minutes",
     "mon 09:00 org 1 skills=flood cap=3",
     "mon 09:00 org 2 skills=flood cap=3 north=1000",
     "mon 09:00 order A skills=flood mode=auto priority=emergency heads=3 => offered",
     "mon 09:01 decline A 1 => offered",
     "mon 09:02 accept A 1 => bad_state",
     "mon 09:02 accept A 2 => accepted",
     "mon 09:20 release A 2 => unmet"},
    {"nobody answers a broadcast: those asked are not asked again",
     "mon 09:00 org 1 skills=flood",
     "mon 09:00 org 2 skills=flood",
     "mon 09:00 order A skills=flood mode=broadcast priority=emergency => offered",
     "mon 09:01 look A => offered village",
     "mon 09:02 look A => unmet"},
    {"an order rests while its street is closed",
     "mon 09:00 org 1 skills=flood",
     "mon 09:00 order A skills=flood mode=auto priority=urgent from=mon_10:00 to=wed_18:00 => offered",
     "mon 09:10 suspend A => ready",
     "mon 09:11 dispatch A 1 => bad_state",
     "tue 09:00 look A => ready village",
     "tue 09:00 resume A => offered",
     "tue 09:05 accept A 1 => accepted",
     "tue 09:06 no_show A 1 => unmet"},
    {"ten people for a street, from three teams",
     "mon 09:00 org 1 skills=flood cap=4",
     "mon 09:00 org 2 skills=flood cap=4",
     "mon 09:00 org 3 skills=flood cap=4",
     "mon 09:00 order A skills=flood heads=10 least=2 => ready",
     "mon 09:01 dispatch A 1 => offered",
     "mon 09:02 accept A 1 => ready",
     "mon 09:03 dispatch A 2 => offered",
     "mon 09:04 dispatch A 3 => offered",
     "mon 09:05 accept A 3 => offered",
     "mon 09:06 accept A 2 => accepted",
     "mon 10:00 start A 1 => serving",
     "mon 10:05 release A 2 => ready",
     "mon 11:00 complete A 1 => ready",
     "mon 11:05 escalate A => ready town"},
    {"a resident changes her mind",
     "mon 09:00 org 1 skills=legal_aid",
     "mon 09:00 order A skills=legal_aid => ready",
     "mon 09:01 dispatch A 1 => offered",
     "mon 09:02 accept A 1 => accepted",
     "mon 09:03 cancel A => cancelled"},
};

struct stage {
    struct engine *engine;
    uint64_t orders[26];
    int64_t now;
};

static int64_t instant(const char *day, const char *time)
{
    static const char days[] = "mon tue wed thu fri sat sun ";
    int hours = 0;
    int minutes = 0;
    char name[4];
    snprintf(name, sizeof name, "%.3s", day);
    const char *at = strstr(days, name);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(time, "%d:%d", &hours, &minutes), 2);
    int64_t week = day[3] == '2' ? 7 * DAY_MS : 0;
    return MONDAY_9 - 9 * HOUR + week + (at - days) / 4 * DAY_MS + hours * HOUR + minutes * MINUTE;
}

/* The value of key=value in a line, with _ for spaces; the fallback when it is not there. */
static const char *value_of(const char *line, const char *key, const char *fallback, char value[100])
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *at = strstr(line, wanted);
    snprintf(value, 100, "%s", fallback);
    if (at != NULL)
        snprintf(value, 100, "%.*s", (int)strcspn(at + strlen(wanted), " "), at + strlen(wanted));
    for (char *c = value; *c != '\0'; c++)
        *c = *c == '_' && strcmp(key, "skills") != 0 ? ' ' : *c;
    return value;
}

static void put_org(struct stage *s, const char *line, uint64_t id)
{
    char v[100];
    size_t at = 0;
    struct org_request g = world_org(s->engine, id, value_of(line, "skills", "legal_aid", v));
    g.capacity = (uint32_t)atoi(value_of(line, "cap", "10", v));
    g.reach_m = (uint32_t)atoi(value_of(line, "reach", "5000", v));
    g.lat += atoi(value_of(line, "north", "0", v)) * 90; /* metres, roughly */
    value_of(line, "week", "always", v);
    ck_assert(schedule_parse(v, strlen(v), &g.week, &at));
    world_put(s->engine, &g);
}

static struct outcome place_order(struct stage *s, const char *line, int name)
{
    char v[100];
    struct order_request r = world_order(s->engine, value_of(line, "skills", "legal_aid", v));
    r.starts_at = r.ends_at = 0;
    if (strstr(line, " from=") != NULL) {
        value_of(line, "from", "", v);
        r.starts_at = instant(v, v + 4);
        value_of(line, "to", "", v);
        r.ends_at = instant(v, v + 4);
    }
    value_of(line, "mode", "manual", v);
    r.mode = (uint8_t)word_find(&words_mode, v, strlen(v));
    value_of(line, "priority", "routine", v);
    r.priority = (uint8_t)word_find(&words_priority, v, strlen(v));
    r.headcount = (uint32_t)atoi(value_of(line, "heads", "1", v));
    r.people_min = (uint32_t)atoi(value_of(line, "least", "0", v));
    struct outcome o = world_step(s->engine, (struct command){.op = OP_PLACE, .u.place = r}, s->now);
    s->orders[name - 'A'] = o.id;
    return o;
}

/* The newest offer of an organisation on an order. */
static uint64_t offer_of(struct stage *s, uint64_t order, uint64_t org)
{
    uint64_t newest = 0;
    const struct order *o = engine_order(s->engine, order);
    for (uint32_t slot = o->first_offer; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(s->engine, slot);
        if (f->org == org && f->id > newest)
            newest = f->id;
        slot = f->next_of_order;
    }
    return newest;
}

static struct outcome act(struct stage *s, const char *verb, uint64_t order, uint64_t org)
{
    static const struct {
        const char *verb;
        enum op op;
    } verbs[] = {{"accept", OP_ACCEPT},   {"decline", OP_DECLINE}, {"start", OP_START},
                 {"complete", OP_COMPLETE}, {"release", OP_RELEASE}, {"no_show", OP_NO_SHOW},
                 {"cancel", OP_CANCEL},   {"suspend", OP_SUSPEND}, {"resume", OP_RESUME},
                 {"escalate", OP_ESCALATE}, {"dispatch", OP_DISPATCH}};
    struct command c = {.order = order};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].verb, verb) == 0)
            c.op = verbs[i].op;
    ck_assert_msg(c.op != OP_NONE, "no verb %s", verb);
    if (c.op >= OP_ACCEPT && c.op <= OP_NO_SHOW)
        c.offer = offer_of(s, order, org);
    if (c.op == OP_DISPATCH) {
        c.u.dispatch.orgs = &org;
        c.u.dispatch.count = 1;
    }
    return world_step(s->engine, c, s->now);
}

static void check_step(struct stage *s, const char *line, struct outcome o, uint64_t order)
{
    const char *wanted = strstr(line, "=> ");
    char seen[64];
    if (wanted == NULL)
        return;
    wanted += 3;
    if (o.refusal.misfit != MISFIT_NONE)
        snprintf(seen, sizeof seen, "%s", word_name(&words_misfit, (int)o.refusal.misfit));
    else if (o.refusal.code != REFUSAL_NONE)
        snprintf(seen, sizeof seen, "%s", word_name(&words_refusal, (int)o.refusal.code));
    else if (strchr(wanted, ' ') != NULL)
        snprintf(seen, sizeof seen, "%s %s", world_state(s->engine, order),
                 word_name(&words_level, engine_order(s->engine, order)->level));
    else
        snprintf(seen, sizeof seen, "%s", world_state(s->engine, order));
    ck_assert_msg(strcmp(seen, wanted) == 0, "%s\n   but: %s", line, seen);
}

static void play(struct stage *s, const char *line)
{
    char day[8];
    char time[8];
    char verb[16];
    char who[8] = "";
    unsigned long long org = 0;
    ck_assert_int_ge(sscanf(line, "%7s %7s %15s %7s %llu", day, time, verb, who, &org), 4);
    s->now = instant(day, time);
    world_settle(s->engine, s->now);
    if (strcmp(verb, "org") == 0) {
        put_org(s, line, strtoull(who, NULL, 10));
        return;
    }
    struct outcome o = {.id = 0};
    if (strcmp(verb, "order") == 0)
        o = place_order(s, line, who[0]);
    else if (strcmp(verb, "look") != 0)
        o = act(s, verb, s->orders[who[0] - 'A'], org);
    world_settle(s->engine, s->now);
    check_step(s, line, o, s->orders[who[0] - 'A']);
}

START_TEST(it_goes_as_the_table_says)
{
    struct stage s = {.engine = world_new()};
    for (int i = 1; i < 16 && scenarios[_i][i] != NULL; i++)
        play(&s, scenarios[_i][i]);
    engine_free(s.engine);
}
END_TEST

Suite *suite_scenario(void);
Suite *suite_scenario(void)
{
    Suite *s = suite_create("scenario");
    TCase *t = tcase_create("scenario");
    tcase_add_loop_test(t, it_goes_as_the_table_says, 0, (int)ARRAY_LEN(scenarios));
    suite_add_tcase(s, t);
    return s;
}
