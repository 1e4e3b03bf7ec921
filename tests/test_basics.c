/* Places, schedules, calendar, pools: what everything else stands on. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/geo.h"
#include "proto/crs.h"
#include "proto/texts.h"
#include "world.h"

/* Vincenty's inverse formula on WGS-84, metres: the geodesic that distances are held against. */
static double geodesic(double lat1, double lon1, double lat2, double lon2)
{
    const double a = 6378137, f = 1 / 298.257223563, b = a * (1 - f), rad = M_PI / 180;
    double u1 = atan((1 - f) * tan(lat1 * rad)), u2 = atan((1 - f) * tan(lat2 * rad));
    double l = (lon2 - lon1) * rad, lambda = l, before = 0, sin_sigma = 0, cos_sigma = 0, sigma = 0;
    double cos2alpha = 0, cos2m = 0;
    for (int i = 0; i < 100 && fabs(lambda - before) > 1e-12; i++) {
        double x = cos(u2) * sin(lambda);
        double y = cos(u1) * sin(u2) - sin(u1) * cos(u2) * cos(lambda);
        sin_sigma = sqrt(x * x + y * y);
        if (sin_sigma == 0)
            return 0;
        cos_sigma = sin(u1) * sin(u2) + cos(u1) * cos(u2) * cos(lambda);
        sigma = atan2(sin_sigma, cos_sigma);
        double sin_alpha = cos(u1) * cos(u2) * sin(lambda) / sin_sigma;
        cos2alpha = 1 - sin_alpha * sin_alpha;
        cos2m = cos2alpha != 0 ? cos_sigma - 2 * sin(u1) * sin(u2) / cos2alpha : 0;
        double c = f / 16 * cos2alpha * (4 + f * (4 - 3 * cos2alpha));
        before = lambda;
        lambda = l + (1 - c) * f * sin_alpha *
                         (sigma + c * sin_sigma * (cos2m + c * cos_sigma * (2 * cos2m * cos2m - 1)));
    }
    double k = cos2alpha * (a * a - b * b) / (b * b);
    double big_a = 1 + k / 16384 * (4096 + k * (-768 + k * (320 - 175 * k)));
    double big_b = k / 1024 * (256 + k * (-128 + k * (74 - 47 * k)));
    double delta = big_b * sin_sigma *
                   (cos2m + big_b / 4 * (cos_sigma * (2 * cos2m * cos2m - 1) -
                                         big_b / 6 * cos2m * (4 * sin_sigma * sin_sigma - 3) *
                                             (4 * cos2m * cos2m - 3)));
    return b * big_a * (sigma - delta);
}

START_TEST(distances_agree_with_the_geodesic)
{
    struct random r = {.state = 7};
    for (int i = 0; i < 200000; i++) {
        int32_t lat = (int32_t)draw(&r, 1200000000) - 600000000;
        int32_t lon = (int32_t)((int64_t)draw(&r, 3600000000) - 1800000000);
        int32_t lat2 = lat + (int32_t)draw(&r, 12000000) - 6000000;
        int32_t lon2 = lon + (int32_t)draw(&r, 16000000) - 8000000;
        if (lon2 > LON_MAX || lon2 < -LON_MAX || lat2 > 600000000 || lat2 < -600000000)
            continue;
        int64_t mm = geo_distance_mm(lat, lon, lat2, lon2);
        ck_assert(geo_is_within(lat, lon, lat2, lon2, (uint64_t)mm));
        ck_assert(mm == 0 || !geo_is_within(lat, lon, lat2, lon2, (uint64_t)mm - 1));
        double truth = geodesic(lat / 1e7, lon / 1e7, lat2 / 1e7, lon2 / 1e7);
        double ours = (double)geo_distance_mm(lat, lon, lat2, lon2) / 1000;
        if (truth <= 100000)
            ck_assert_msg(fabs(ours - truth) <= truth * 0.0005 + 1, "%d,%d %d,%d: %f not %f", lat, lon,
                          lat2, lon2, ours, truth);
    }
}
END_TEST

START_TEST(distances_are_symmetric_and_cross_the_date_line)
{
    ck_assert_int_eq(geo_distance_mm(100000000, 1799900000, 100000000, -1799900000),
                     geo_distance_mm(100000000, -1799900000, 100000000, 1799900000));
    ck_assert_int_lt(geo_distance_mm(100000000, 1799900000, 100000000, -1799900000), 3000000);
    ck_assert_int_eq(geo_distance_mm(0, 0, 0, 1800000000), DISTANCE_FAR);
    ck_assert_int_eq(geo_distance_mm(5, 5, 5, 5), 0);
}
END_TEST

START_TEST(roots_are_rounded_down)
{
    struct random r = {.state = 3};
    ck_assert_uint_eq(geo_root(0), 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t root = draw(&r, UINT64_C(1) << (1 + i % 32));
        ck_assert_uint_eq(geo_root(root * root), root);
        if (root != 0) {
            ck_assert_uint_eq(geo_root(root * root - 1), root - 1);
            ck_assert_uint_eq(geo_root(root * root + 2 * root), root);
        }
    }
}
END_TEST

START_TEST(gcj02_is_undone)
{
    int32_t lat = 231100000;
    int32_t lon = 1144200000;
    crs_from_gcj02(&lat, &lon);
    int64_t shift = geo_distance_mm(lat, lon, 231100000, 1144200000) / 1000;
    ck_assert_int_gt(shift, 500); /* about 580 m at Huizhou */
    ck_assert_int_lt(shift, 650);
    lat = 520000000;
    lon = 0;
    crs_from_gcj02(&lat, &lon);
    ck_assert_int_eq(lon, 0); /* no shift outside of China */
}
END_TEST

static const struct {
    const char *text, *canonical; /* NULL: refused */
} schedules[] = {
    {"mon-fri 09:00-12:00,14:00-17:30; sat 10:00-12:00",
     "mon-fri 09:00-12:00,14:00-17:30; sat 10:00-12:00"},
    {"", "always"}, {"always", "always"}, {"never", "never"}, {"daily 00:00-24:00", "always"},
    {"sat 22:00-02:00", "sat 22:00-24:00; sun 00:00-02:00"},
    {"sun 22:00-02:00", "mon 00:00-02:00; sun 22:00-24:00"},
    {"mon,wed 08:00-09:00", "mon 08:00-09:00; wed 08:00-09:00"},
    {"sat-mon 08:00-09:00", "mon 08:00-09:00; sat-sun 08:00-09:00"},
    {"mon 09:15-10:00", NULL}, {"mon 25:00-26:00", NULL}, {"monday 09:00-10:00", NULL},
    {"mon", NULL}, {"mon 09:00", NULL}, {"mon 09:00-10:00 tue", NULL}, {"mon 24:00-25:00", NULL},
};

START_TEST(a_schedule_is_read_and_written)
{
    struct week week;
    char text[SCHEDULE_TEXT_BYTES_MAX];
    size_t at = 0;
    bool is_good = schedule_parse(schedules[_i].text, strlen(schedules[_i].text), &week, &at);
    ck_assert_int_eq(is_good, schedules[_i].canonical != NULL);
    if (!is_good)
        return;
    schedule_format(&week, text);
    ck_assert_str_eq(text, schedules[_i].canonical);
}
END_TEST

START_TEST(working_time_stands_still_on_days_off)
{
    struct calendar calendar = {.offset_min = 480};
    int64_t friday_15 = MONDAY_9 + 4 * DAY_MS + 6 * HOUR;
    ck_assert_int_eq(calendar_weekday(calendar_day(&calendar, MONDAY_9)), 0);
    ck_assert_int_eq(calendar_add_working(&calendar, friday_15, 1440), friday_15 + 3 * DAY_MS);
    /* the Saturday after is a shifted working day */
    calendar_set(&calendar, calendar_day(&calendar, friday_15) + 1, true);
    ck_assert_int_eq(calendar_add_working(&calendar, friday_15, 1440), friday_15 + DAY_MS);
    /* and Monday a holiday */
    calendar_set(&calendar, calendar_day(&calendar, friday_15) + 3, false);
    ck_assert_int_eq(calendar_add_working(&calendar, friday_15, 2880), friday_15 + 4 * DAY_MS);
}
END_TEST

START_TEST(times_are_read_as_rfc_3339)
{
    int64_t ms = 0;
    ck_assert(time_parse("2026-11-23T09:00:00+08:00", &ms));
    ck_assert_int_eq(ms, MONDAY_9);
    ck_assert(time_parse("2026-11-23T01:00Z", &ms));
    ck_assert_int_eq(ms, MONDAY_9);
    ck_assert(!time_parse("2026-11-31T09:00:00+08:00", &ms));
    ck_assert(!time_parse("2026-11-23T09:00:00", &ms));
    ck_assert(!time_parse("2026-11-23T25:00:00Z", &ms));
    ck_assert(!time_parse("yesterday", &ms));
}
END_TEST

START_TEST(a_catalogue_has_a_bound)
{
    struct engine *e = world_new();
    enum refusal_code code = REFUSAL_NONE;
    int count = 0;
    for (; count <= SKILL_COUNT_MAX && code == REFUSAL_NONE; count++) {
        struct command c = {.op = OP_ADD_SKILL};
        snprintf(c.u.skill.name, sizeof c.u.skill.name, "skill_%d", count);
        code = world_step(e, c, MONDAY_9).refusal.code;
    }
    ck_assert_int_eq(code, REFUSAL_LIMIT);
    ck_assert_int_eq(engine_catalogue(e)->count, SKILL_COUNT_MAX);
    engine_free(e);
}
END_TEST

START_TEST(a_map_and_a_heap_do_as_a_plain_array)
{
    enum { KEYS = 500 };
    struct random r = {.state = (uint64_t)_i};
    struct map map = {0};
    struct heap heap = {0};
    uint32_t values[KEYS];
    int64_t due[KEYS];
    uint32_t places[KEYS] = {0};
    for (int i = 0; i < KEYS; i++)
        values[i] = SLOT_NONE, due[i] = INT64_MAX;
    for (int step = 0; step < 20000; step++) {
        uint64_t k = draw(&r, KEYS);
        if (draw(&r, 2) == 0) {
            values[k] = (uint32_t)draw(&r, 1000);
            map_put(&map, k + 1, values[k]);
            due[k] = (int64_t)draw(&r, 100);
            heap_set(&heap, due[k], k + 1, &places[k]);
        } else if (values[k] != SLOT_NONE) {
            map_remove(&map, k + 1);
            values[k] = SLOT_NONE;
            heap_remove(&heap, &places[k]);
            due[k] = INT64_MAX;
        }
        uint64_t look = draw(&r, KEYS);
        ck_assert_uint_eq(map_get(&map, look + 1), values[look]);
        int best = 0;
        for (int i = 1; i < KEYS; i++)
            if (due[i] < due[best])
                best = i;
        if (due[best] == INT64_MAX)
            ck_assert_ptr_null(heap_top(&heap));
        else
            ck_assert_uint_eq(heap_top(&heap)->key, (uint64_t)best + 1);
    }
    map_fini(&map);
    heap_fini(&heap);
}
END_TEST

Suite *suite_basics(void);
Suite *suite_basics(void)
{
    Suite *s = suite_create("basics");
    TCase *t = tcase_create("basics");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, distances_agree_with_the_geodesic);
    tcase_add_test(t, distances_are_symmetric_and_cross_the_date_line);
    tcase_add_test(t, roots_are_rounded_down);
    tcase_add_test(t, gcj02_is_undone);
    tcase_add_loop_test(t, a_schedule_is_read_and_written, 0, (int)ARRAY_LEN(schedules));
    tcase_add_test(t, working_time_stands_still_on_days_off);
    tcase_add_test(t, times_are_read_as_rfc_3339);
    tcase_add_test(t, a_catalogue_has_a_bound);
    tcase_add_loop_test(t, a_map_and_a_heap_do_as_a_plain_array, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
