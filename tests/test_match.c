/* What fits, reason by reason, and what is best. */
#include <string.h>

#include "world.h"

/* One organisation, one order, and what is changed about them; the first reason that must come. */
struct fit_case {
    const char *name;
    enum misfit misfit;
    void (*change)(struct engine *e, struct org_request *g, struct order_request *r);
};

static void nothing(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e, (void)g, (void)r;
}
static void suspended(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e, (void)r;
    g->is_suspended = true;
}
static void support(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e, (void)r;
    g->type = ORG_SUPPORT;
}
static void other_region(struct engine *e, struct org_request *g, struct order_request *r)
{
    static const uint64_t regions[] = {12};
    (void)e, (void)r;
    g->regions = regions;
    g->region_count = 1;
}
static void own_region(struct engine *e, struct org_request *g, struct order_request *r)
{
    static const uint64_t regions[] = {12, 11};
    (void)e, (void)r;
    g->regions = regions;
    g->region_count = 2;
}
static void other_skill(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)g;
    r->skills = world_skills(e, "legal_aid|first_aid");
}
static void no_certificate(struct engine *e, struct org_request *g, struct order_request *r)
{
    g->skills = world_skills(e, "legal_aid|first_aid");
    r->skills = g->skills;
}
static void certificate(struct engine *e, struct org_request *g, struct order_request *r)
{
    no_certificate(e, g, r);
    g->certified = world_skills(e, "first_aid");
}
static void unregistered(struct engine *e, struct org_request *g, struct order_request *r)
{
    g->skills = world_skills(e, "legal_aid|child_care");
    r->skills = g->skills;
    g->is_registered = false;
}
static void uninsured(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e, (void)g;
    r->is_risk = true;
}
static void risky_skill(struct engine *e, struct org_request *g, struct order_request *r)
{
    g->skills = world_skills(e, "legal_aid|rescue");
    r->skills = g->skills;
}
static void youth_at_risk(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->is_youth = g->is_insured = r->is_risk = true;
}
static void youth_at_night(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->is_youth = true;
    r->starts_at = MONDAY_9 + 13 * HOUR; /* 22:00 to 24:00 */
    r->ends_at = r->starts_at + 2 * HOUR;
}
static void far(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e, (void)r;
    g->lat += 600000;
}
static void far_but_remote(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->lat += 600000;
    r->is_remote = true;
}
static void limited(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->lat += 200000; /* 2.2 km */
    r->max_distance_m = 2000;
}
static void closed_day(struct engine *e, struct org_request *g, struct order_request *r)
{
    size_t at = 0;
    (void)e, (void)r;
    ck_assert(schedule_parse("tue 09:00-17:00", 15, &g->week, &at));
}
static void half_open(struct engine *e, struct org_request *g, struct order_request *r)
{
    size_t at = 0;
    (void)e;
    ck_assert(schedule_parse("mon 10:00-11:30", 15, &g->week, &at));
    r->minutes = 120; /* open, but not throughout */
}
static void too_few(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->capacity = 3;
    r->headcount = 4;
}
static void enough_of_some(struct engine *e, struct org_request *g, struct order_request *r)
{
    (void)e;
    g->capacity = 3;
    r->headcount = 4;
    r->people_min = 2;
}

static const struct fit_case fit_cases[] = {
    {"fits", MISFIT_NONE, nothing},
    {"suspended", MISFIT_SUSPENDED, suspended},
    {"support type", MISFIT_WRONG_TYPE, support},
    {"serves another county", MISFIT_REGION_NOT_SERVED, other_region},
    {"serves the county above", MISFIT_NONE, own_region},
    {"lacks a skill", MISFIT_SKILL_MISSING, other_skill},
    {"lacks a certificate", MISFIT_CERTIFICATION_MISSING, no_certificate},
    {"has the certificate", MISFIT_NONE, certificate},
    {"not registered", MISFIT_NOT_REGISTERED, unregistered},
    {"not insured", MISFIT_NOT_INSURED, uninsured},
    {"a skill at risk", MISFIT_NOT_INSURED, risky_skill},
    {"minors at risk", MISFIT_MINORS_PROTECTED, youth_at_risk},
    {"minors at night", MISFIT_MINORS_PROTECTED, youth_at_night},
    {"out of reach", MISFIT_OUT_OF_REACH, far},
    {"far, but by telephone", MISFIT_NONE, far_but_remote},
    {"beyond the order's own limit", MISFIT_OUT_OF_REACH, limited},
    {"closed on Mondays", MISFIT_NOT_OPEN, closed_day},
    {"closes before the end", MISFIT_NOT_OPEN, half_open},
    {"too few people", MISFIT_FULL, too_few},
    {"some of the people", MISFIT_NONE, enough_of_some},
};

START_TEST(an_organisation_fits_or_the_first_reason_says_why_not)
{
    const struct fit_case *c = &fit_cases[_i];
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    c->change(e, &g, &r);
    world_put(e, &g);
    struct want want;
    struct refusal refusal;
    struct candidate candidate;
    ck_assert(match_want_request(e, &r, MONDAY_9, &want, &refusal));
    enum misfit misfit = match_try(e, &want, engine_org(e, 1), &candidate);
    saw_misfit((int)misfit);
    ck_assert_msg(misfit == c->misfit, "%s: %s", c->name, word_name(&words_misfit, (int)misfit));
    engine_free(e);
}
END_TEST

START_TEST(off_duty_and_asked_before_are_seen)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    r.headcount = 2;
    r.people_min = 1;
    world_put(e, &g);
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t one = 1;
    struct command c = {.op = OP_DISPATCH, .order = order};
    c.u.dispatch.orgs = &one;
    c.u.dispatch.count = 1;
    c.u.dispatch.people = 1;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.code, 0);
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.misfit, MISFIT_ASKED_BEFORE);
    world_step(e, (struct command){.op = OP_ORG_DUTY, .org = 1, .u.is_on_duty = false}, MONDAY_9);
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.misfit, MISFIT_OFF_DUTY);
    engine_free(e);
}
END_TEST

START_TEST(closed_and_extra_dates_come_before_the_week)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request r = world_order(e, "legal_aid");
    size_t at = 0;
    ck_assert(schedule_parse("mon 09:00-18:00", 15, &g.week, &at));
    world_put(e, &g);
    struct org_date dates[2] = {{.day = calendar_day(engine_calendar(e), MONDAY_9), .is_closed = true}};
    dates[1].day = dates[0].day + 1;
    dates[1].half_hours = UINT64_C(3) << 28; /* Tuesday 14:00-15:00 in addition */
    struct command c = {.op = OP_ORG_DATES, .org = 1};
    c.u.dates.dates = dates;
    c.u.dates.count = 2;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.code, 0);
    r.ends_at = r.starts_at + 3 * DAY_MS;
    struct want want;
    struct refusal refusal;
    struct candidate candidate;
    ck_assert(match_want_request(e, &r, MONDAY_9, &want, &refusal));
    ck_assert_int_eq(match_try(e, &want, engine_org(e, 1), &candidate), MISFIT_NONE);
    ck_assert_int_eq(candidate.start_at, MONDAY_9 + DAY_MS + 5 * HOUR);
    engine_free(e);
}
END_TEST

START_TEST(the_earliest_start_is_proposed)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    g.capacity = 1;
    world_put(e, &g);
    struct order_request r = world_order(e, "legal_aid");
    r.starts_at = MONDAY_9 + HOUR + 10 * MINUTE; /* 10:10: tried as it is, then on the half-hour */
    uint64_t first = world_place(e, &r, MONDAY_9);
    uint64_t offer = world_dispatch(e, first, 1, MONDAY_9);
    ck_assert_int_eq(engine_offer(e, offer)->start_at, r.starts_at);
    uint64_t second = world_place(e, &r, MONDAY_9);
    offer = world_dispatch(e, second, 1, MONDAY_9);
    /* 10:10 to 11:10 touches the half-hours until 11:30 */
    ck_assert_int_eq(engine_offer(e, offer)->start_at, MONDAY_9 + 2 * HOUR + 30 * MINUTE);
    engine_free(e);
}
END_TEST

START_TEST(a_dispatcher_may_override_with_a_reason)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    g.lat += 600000;
    world_put(e, &g);
    struct order_request r = world_order(e, "legal_aid");
    uint64_t order = world_place(e, &r, MONDAY_9);
    uint64_t one = 1;
    struct command c = {.op = OP_DISPATCH, .order = order};
    c.u.dispatch.orgs = &one;
    c.u.dispatch.count = 1;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.misfit, MISFIT_OUT_OF_REACH);
    c.u.dispatch.waived = WAIVE_REACH;
    ck_assert_int_eq(world_step(e, c, MONDAY_9).refusal.code, REFUSAL_MISSING_FIELD);
    c.reason = "agreed_by_phone";
    struct outcome o = world_step(e, c, MONDAY_9);
    ck_assert_int_eq(o.refusal.code, 0);
    ck_assert_uint_eq(world_event_count(e, EVENT_OVERRIDDEN), 1);
    ck_assert_int_eq(world_do(e, OP_ACCEPT, o.id, MONDAY_9).refusal.code, 0); /* and it holds */
    engine_free(e);
}
END_TEST

START_TEST(nearer_teams_of_the_village_that_know_the_person_score_higher)
{
    struct engine *e = world_new();
    struct org_request plain = world_org(e, 1, "legal_aid");
    struct org_request farther = world_org(e, 2, "legal_aid");
    struct org_request stranger = world_org(e, 3, "legal_aid");
    struct org_request skilled = world_org(e, 4, "legal_aid|rescue");
    farther.lat += 300000;
    stranger.region = 1211;
    world_put(e, &plain);
    world_put(e, &farther);
    world_put(e, &stranger);
    world_put(e, &skilled);
    struct order_request r = world_order(e, "legal_aid");
    struct want want;
    struct refusal refusal;
    struct candidate found[4];
    ck_assert(match_want_request(e, &r, MONDAY_9, &want, &refusal));
    ck_assert_uint_eq(match_scan(e, &want, RANK_SCORE, 4, found), 4);
    ck_assert_uint_eq(found[0].org, 1);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_le(found[i].score, 1000);
        if (found[i].org == 2)
            ck_assert_uint_lt(found[i].part[0], found[0].part[0]);
        if (found[i].org == 3)
            ck_assert_uint_lt(found[i].part[1], found[0].part[1]);
        if (found[i].org == 4) /* a rare skill is kept for those who need it */
            ck_assert_uint_lt(found[i].part[5], found[0].part[5]);
    }
    engine_free(e);
}
END_TEST

Suite *suite_match(void);
Suite *suite_match(void)
{
    Suite *s = suite_create("match");
    TCase *t = tcase_create("match");
    tcase_add_loop_test(t, an_organisation_fits_or_the_first_reason_says_why_not, 0,
                        (int)ARRAY_LEN(fit_cases));
    tcase_add_test(t, off_duty_and_asked_before_are_seen);
    tcase_add_test(t, closed_and_extra_dates_come_before_the_week);
    tcase_add_test(t, the_earliest_start_is_proposed);
    tcase_add_test(t, a_dispatcher_may_override_with_a_reason);
    tcase_add_test(t, nearer_teams_of_the_village_that_know_the_person_score_higher);
    suite_add_tcase(s, t);
    return s;
}
