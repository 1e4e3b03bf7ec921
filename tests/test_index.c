/* The index against the definition: over random worlds that change, both give the same list. */
#include <signal.h>
#include <string.h>

#include "engine/state.h"
#include "world.h"

/* A random organisation: mostly around the villages, some far off, near a pole or the date line. */
static struct org_request any_org(const struct engine *e, struct random *r, uint64_t id)
{
    static const char *const skills[] = {"legal_aid", "flood", "legal_aid|first_aid",
                                         "flood|rescue", "legal_aid|flood|child_care"};
    static const char *const weeks[] = {"always", "mon-fri 09:00-12:00", "daily 08:00-20:00", "sat 22:00-06:00"};
    struct org_request g = world_org(e, id, skills[draw(r, 5)]);
    size_t at = 0;
    int64_t spread = draw(r, 10) == 0 ? 20000000 : 2000000;
    g.lat = (int32_t)(230000000 + (int64_t)draw(r, (uint64_t)spread) - spread / 2);
    g.lon = (int32_t)(1144000000 + (int64_t)draw(r, (uint64_t)spread) - spread / 2);
    if (draw(r, 50) == 0)
        g.lat = 899000000;
    if (draw(r, 50) == 0)
        g.lon = 1799990000;
    g.reach_m = draw(r, 20) == 0 ? 1 + (uint32_t)draw(r, REACH_M_MAX) : 100 + (uint32_t)draw(r, 30000);
    g.capacity = 1 + (uint32_t)draw(r, 6);
    g.is_insured = draw(r, 2) == 0;
    g.is_youth = draw(r, 10) == 0;
    const char *week = weeks[draw(r, 4)];
    ck_assert(schedule_parse(week, strlen(week), &g.week, &at));
    return g;
}

static struct order_request any_order(const struct engine *e, struct random *r)
{
    static const char *const skills[] = {"legal_aid", "flood", "legal_aid|first_aid", "flood|rescue"};
    struct order_request o = world_order(e, skills[draw(r, 4)]);
    o.has_place = true;
    o.lat = (int32_t)(230000000 + (int64_t)draw(r, 2000000) - 1000000);
    o.lon = (int32_t)(1144000000 + (int64_t)draw(r, 2000000) - 1000000);
    if (draw(r, 40) == 0)
        o.lat = 898000000;
    if (draw(r, 40) == 0)
        o.lon = -1799990000;
    o.is_remote = draw(r, 20) == 0;
    o.starts_at = MONDAY_9 + (int64_t)draw(r, 7 * 48) * 30 * MINUTE;
    o.starts_at += draw(r, 4) == 0 ? 7 * MINUTE : 0; /* off the half-hour */
    o.minutes = 15 * (1 + (uint32_t)draw(r, 8));
    o.ends_at = o.starts_at + o.minutes * MINUTE + 30 * MINUTE * (int64_t)draw(r, draw(r, 5) == 0 ? 200 : 12);
    o.headcount = 1 + (uint32_t)draw(r, 5);
    o.people_min = 1 + (uint32_t)draw(r, o.headcount);
    return o;
}

static void compare(struct engine *e, const struct want *want, enum rank rank, uint32_t limit)
{
    struct candidate slow[64];
    struct candidate fast[64];
    uint32_t slow_count = match_scan(e, want, rank, limit, slow);
    uint32_t fast_count = match_find(e, want, rank, limit, fast);
    ck_assert_uint_eq(slow_count, fast_count);
    for (uint32_t i = 0; i < slow_count; i++) {
        ck_assert_uint_eq(slow[i].org, fast[i].org);
        ck_assert_uint_eq(slow[i].score, fast[i].score);
        ck_assert_int_eq(slow[i].start_at, fast[i].start_at);
        ck_assert_uint_eq(slow[i].people, fast[i].people);
    }
}

static void change_world(struct engine *e, struct random *r, uint64_t orgs)
{
    uint64_t id = 1 + draw(r, orgs);
    struct command c = {.org = id, .actor = "test"};
    switch (draw(r, 4)) {
    case 0:
        c.op = OP_ORG_REMOVE; /* refused where offers are live */
        break;
    case 1:
        c.op = OP_ORG_DUTY;
        c.u.is_on_duty = draw(r, 3) != 0;
        break;
    default:
        c.op = OP_ORG_PUT;
        c.u.put = any_org(e, r, id);
        break;
    }
    engine_step(e, &c, MONDAY_9);
}

START_TEST(the_index_agrees_with_the_definition)
{
    struct random r = {.state = (uint64_t)_i * 1000};
    struct engine *e = world_new();
    uint64_t orgs = _i == 0 ? 5 : 200 * (uint64_t)_i;
    for (uint64_t id = 1; id <= orgs; id++) {
        struct org_request g = any_org(e, &r, id);
        world_put(e, &g);
    }
    for (int step = 0; step < 300; step++) {
        struct order_request o = any_order(e, &r);
        struct want want;
        struct refusal refusal;
        ck_assert(match_want_request(e, &o, MONDAY_9, &want, &refusal));
        want.reach_percent = 100 + 50 * (uint32_t)draw(&r, 5);
        compare(e, &want, step % 2 == 0 ? RANK_SCORE : RANK_DISTANCE, 1 + (uint32_t)draw(&r, 64));
        change_world(e, &r, orgs);
        if (draw(&r, 3) == 0) { /* somebody is booked, and sometimes released again */
            o.mode = MODE_AUTO;
            struct command c = {.op = OP_PLACE, .actor = "test", .u.place = o};
            uint64_t id = engine_step(e, &c, MONDAY_9).id;
            world_settle(e, MONDAY_9);
            const struct order *placed = engine_order(e, id);
            if (placed != NULL && placed->first_offer != SLOT_NONE) {
                uint64_t offer = engine_offer_slot(e, placed->first_offer)->id;
                world_do(e, draw(&r, 2) == 0 ? OP_ACCEPT : OP_DECLINE, offer, MONDAY_9);
            }
        }
        engine_effects_clear(e);
    }
    engine_free(e);
}
END_TEST

#ifdef PAIDAN_DEBUG
#define DENSE_ORGS 10000 /* each search is held against a scan already */
#else
#define DENSE_ORGS 100000
#endif

/* A city in which thousands stand in one list, which splits and shrinks as they come, move and go. */
START_TEST(a_dense_world_agrees_while_it_changes)
{
    struct random r = {.state = 77};
    struct engine *e = world_new();
    for (uint64_t id = 1; id <= DENSE_ORGS; id++) {
        struct org_request g = any_org(e, &r, id);
        g.lat = 230000000 + (g.lat - 230000000) / 8;
        g.lon = 1144000000 + (int32_t)(((int64_t)g.lon - 1144000000) / 8);
        world_put(e, &g);
    }
    for (int step = 0; step < 40; step++) {
        struct order_request o = any_order(e, &r);
        struct want want;
        struct refusal refusal;
        ck_assert(match_want_request(e, &o, MONDAY_9, &want, &refusal));
        want.reach_percent = step % 4 == 0 ? 150 : 100;
        compare(e, &want, step % 2 == 0 ? RANK_SCORE : RANK_DISTANCE, 10);
        for (int i = 0; i < DENSE_ORGS / 40; i++)
            change_world(e, &r, DENSE_ORGS);
        engine_effects_clear(e);
    }
    for (uint64_t id = 1; id <= DENSE_ORGS; id++) {
        struct command c = {.op = OP_ORG_REMOVE, .org = id, .actor = "test"};
        engine_step(e, &c, MONDAY_9);
    }
    ck_assert_uint_eq(e->index.places.count, 0);
    ck_assert_uint_eq(e->index.cells.live_count, 0);
    ck_assert_uint_eq(e->index.lists.directories.live_count, 0);
    engine_free(e);
}
END_TEST

/* Whatever the processor can do, it leaves the same entries as plain arithmetic. */
START_TEST(vector_instructions_sift_alike)
{
    struct random r = {.state = (uint64_t)_i};
    struct sifted plain;
    struct sifted fast;
    sift_function *simple = sift_variant(0);
    sift_function *chosen = sift_variant(_i % 3);
    for (int step = 0; step < 2000; step++) {
        uint32_t spots[LEAF_ROOM_MAX];
        uint32_t summaries[LEAF_ROOM_MAX];
        uint32_t count = 1 + (uint32_t)draw(&r, LEAF_ROOM_MAX);
        for (uint32_t i = 0; i < count; i++) {
            spots[i] = (uint32_t)draw(&r, UINT64_C(1) << 32);
            summaries[i] = (uint32_t)draw(&r, UINT64_C(1) << 32);
        }
        struct index_part part = {.lat = (int32_t)draw(&r, 4096) - 1024, .lon = (int32_t)draw(&r, 4096) - 1024,
                                  .east = (int32_t)draw(&r, 1032), .percent_q8 = 256 + (int32_t)draw(&r, 513),
                                  .most = 1 + (int32_t)draw(&r, 4095), .lat_from = (int32_t)draw(&r, 2) * 512,
                                  .lat_to = 1536 + (int32_t)draw(&r, 2) * 512, .lon_to = 2048};
        part.summary = UINT32_C(1) << draw(&r, 32);
        part.any = UINT32_C(7) << draw(&r, 32);
        simple(&part, spots, summaries, count, &plain);
        chosen(&part, spots, summaries, count, &fast);
        ck_assert_uint_eq(plain.count, fast.count);
        ck_assert_mem_eq(plain.places, fast.places, plain.count * sizeof *plain.places);
        ck_assert_mem_eq(plain.squares, fast.squares, plain.count * sizeof *plain.squares);
    }
}
END_TEST

/* The canary: an organisation that the index forgot is noticed; a debug build stops at once. */
START_TEST(a_stale_index_is_noticed)
{
    struct engine *e = world_new();
    struct org_request g = world_org(e, 1, "legal_aid");
    struct order_request o = world_order(e, "legal_aid");
    struct want want;
    struct refusal refusal;
    struct candidate found[1];
    world_put(e, &g);
    const struct org *org = engine_org(e, 1);
    struct index_place place = {.lat = org->lat, .lon = org->lon, .reach_m = org->reach_m};
    ck_assert(match_want_request(e, &o, MONDAY_9, &want, &refusal));
    ck_assert_uint_eq(match_find(e, &want, RANK_SCORE, 1, found), 1);
    index_remove(&e->index, map_get(&e->org_ids, 1), place, &org->skills);
    uint32_t count = match_find(e, &want, RANK_SCORE, 1, found);
    ck_assert_uint_ne(count, match_scan(e, &want, RANK_SCORE, 1, found));
}
END_TEST

Suite *suite_index(void);
Suite *suite_index(void)
{
    Suite *s = suite_create("index");
    TCase *t = tcase_create("index");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, the_index_agrees_with_the_definition, 0, 8);
    tcase_add_test(t, a_dense_world_agrees_while_it_changes);
    tcase_add_loop_test(t, vector_instructions_sift_alike, 0, 6);
#ifdef PAIDAN_DEBUG
    tcase_add_test_raise_signal(t, a_stale_index_is_noticed, SIGABRT);
#else
    tcase_add_test(t, a_stale_index_is_noticed);
#endif
    suite_add_tcase(s, t);
    return s;
}
