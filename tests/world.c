#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add_region(struct engine *e, uint64_t code, uint64_t parent, unsigned level, int32_t lat,
                       int32_t lon)
{
    struct command c = {.op = OP_ADD_REGION, .actor = "test"};
    c.u.region.code = code;
    c.u.region.parent = parent;
    c.u.region.name = "region";
    c.u.region.level = (uint8_t)level;
    c.u.region.has_point = true;
    c.u.region.lat = lat;
    c.u.region.lon = lon;
    ck_assert_int_eq(engine_step(e, &c, 1).refusal.code, REFUSAL_NONE);
}

static void add_skill(struct engine *e, const char *name, bool is_category, uint8_t needs)
{
    struct command c = {.op = OP_ADD_SKILL, .actor = "test"};
    snprintf(c.u.skill.name, sizeof c.u.skill.name, "%s", name);
    c.u.skill.is_category = is_category;
    c.u.skill.needs = needs;
    ck_assert_int_eq(engine_step(e, &c, 1).refusal.code, REFUSAL_NONE);
}

struct engine *world_new(void)
{
    struct engine *e = engine_new(0);
    add_region(e, 1, 0, LEVEL_CITY, 230000000, 1144000000);
    add_region(e, 11, 1, LEVEL_COUNTY, 230000000, 1144000000);
    add_region(e, 12, 1, LEVEL_COUNTY, 235000000, 1148000000);
    add_region(e, 111, 11, LEVEL_TOWN, 230000000, 1144000000);
    add_region(e, 121, 12, LEVEL_TOWN, 235000000, 1148000000);
    add_region(e, 1111, 111, LEVEL_VILLAGE, 230000000, 1144000000);
    add_region(e, 1112, 111, LEVEL_VILLAGE, 230100000, 1144100000);
    add_region(e, 1211, 121, LEVEL_VILLAGE, 235000000, 1148000000);
    add_skill(e, "legal_aid", true, 0);
    add_skill(e, "flood", true, 0);
    add_skill(e, "first_aid", false, NEEDS_CERTIFIED);
    add_skill(e, "child_care", false, NEEDS_REGISTERED);
    add_skill(e, "rescue", false, NEEDS_RISK);
    engine_effects_clear(e);
    return e;
}

struct skillset world_skills(const struct engine *e, const char *names)
{
    struct skillset set = {{0}};
    while (*names != '\0') {
        size_t len = strcspn(names, "|");
        int skill = catalogue_find(engine_catalogue(e), names, len);
        ck_assert_int_ge(skill, 0);
        skillset_add(&set, skill);
        names += len + (names[len] != '\0');
    }
    return set;
}

struct org_request world_org(const struct engine *e, uint64_t id, const char *skills)
{
    struct org_request r = {.id = id, .region = 1111, .lat = 230000000, .lon = 1144000000,
                            .reach_m = 5000, .capacity = 10, .is_registered = true,
                            .skills = world_skills(e, skills), .name = "team"};
    week_fill(&r.week);
    return r;
}

struct outcome world_step(struct engine *e, struct command command, int64_t now)
{
    if (command.actor == NULL)
        command.actor = "desk";
    struct outcome outcome = engine_step(e, &command, now);
    saw_refusal((int)outcome.refusal.code);
    saw_misfit((int)outcome.refusal.misfit);
    return outcome;
}

uint64_t world_put(struct engine *e, const struct org_request *request)
{
    struct outcome o = world_step(e, (struct command){.op = OP_ORG_PUT, .u.put = *request}, MONDAY_9);
    ck_assert_int_eq(o.refusal.code, REFUSAL_NONE);
    return o.id;
}

struct order_request world_order(const struct engine *e, const char *skills)
{
    struct order_request r = {.region = 1111, .skills = world_skills(e, skills),
                              .starts_at = MONDAY_9 + HOUR, .ends_at = MONDAY_9 + 10 * HOUR,
                              .minutes = 60, .headcount = 1};
    r.category = skillset_has(&r.skills, 1) ? 1 : 0;
    return r;
}

uint64_t world_place(struct engine *e, const struct order_request *request, int64_t now)
{
    struct outcome o = world_step(e, (struct command){.op = OP_PLACE, .u.place = *request}, now);
    ck_assert_int_eq(o.refusal.code, REFUSAL_NONE);
    world_settle(e, now);
    return o.id;
}

struct outcome world_do(struct engine *e, enum op op, uint64_t id, int64_t now)
{
    struct command c = {.op = op};
    if (op >= OP_ACCEPT && op <= OP_NO_SHOW)
        c.offer = id;
    else
        c.order = id;
    struct outcome o = world_step(e, c, now);
    world_settle(e, now);
    return o;
}

void world_settle(struct engine *e, int64_t now)
{
    for (int i = 0; i < 1000 && engine_deadline(e) <= now; i++)
        world_step(e, (struct command){.op = OP_TICK}, now);
    while (engine_assign_waiting(e) != 0)
        world_step(e, (struct command){.op = OP_ASSIGN}, now);
    engine_check(e);
}

uint64_t world_dispatch(struct engine *e, uint64_t order, uint64_t org, int64_t now)
{
    struct command c = {.op = OP_DISPATCH, .order = order};
    c.u.dispatch.orgs = &org;
    c.u.dispatch.count = 1;
    struct outcome o = world_step(e, c, now);
    ck_assert_int_eq(o.refusal.code, REFUSAL_NONE);
    engine_check(e);
    return o.id;
}

const char *world_state(const struct engine *e, uint64_t order)
{
    const struct order *o = engine_order(e, order);
    return o != NULL ? word_name(&words_order_state, o->state) : "gone";
}

uint32_t world_event_count(const struct engine *e, enum event_kind kind)
{
    struct effects effects = engine_effects(e);
    uint32_t count = 0;
    for (uint32_t i = 0; i < effects.event_count; i++)
        count += effects.events[i].kind == kind;
    return count;
}

uint64_t draw(struct random *r, uint64_t below)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash64(r->state) % below;
}

/* What was seen goes to a file, for every test runs in a process of its own. */
static void saw(char kind, int number)
{
    const char *path = getenv("PAIDAN_SEEN");
    char line[16];
    if (path == NULL || number <= 0)
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int len = snprintf(line, sizeof line, "%c%d\n", kind, number);
    if (fd >= 0 && write(fd, line, (size_t)len) == len)
        close(fd);
}

void saw_refusal(int code)
{
    saw('r', code);
}

void saw_refusal_word(const char *word)
{
    saw('r', word_find(&words_refusal, word, strlen(word)));
}

void saw_misfit(int misfit)
{
    saw('m', misfit);
}

int seen_report(void)
{
    bool refusals[REFUSAL_COUNT] = {false};
    bool misfits[MISFIT_COUNT] = {false};
    char line[16];
    int missing = 0;
    FILE *file = fopen(getenv("PAIDAN_SEEN"), "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        int number = atoi(line + 1);
        if (line[0] == 'r' && number < REFUSAL_COUNT)
            refusals[number] = true;
        else if (line[0] == 'm' && number < MISFIT_COUNT)
            misfits[number] = true;
    }
    if (file != NULL)
        fclose(file);
    for (int i = 1; i < REFUSAL_COUNT; i++)
        if (!refusals[i] && ++missing)
            printf("refusal never seen: %s\n", word_name(&words_refusal, i));
    for (int i = 1; i < MISFIT_COUNT; i++)
        if (!misfits[i] && ++missing)
            printf("misfit never seen: %s\n", word_name(&words_misfit, i));
    return missing;
}
