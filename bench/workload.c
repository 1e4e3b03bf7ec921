#include "workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

static uint64_t next(struct workload *w)
{
    w->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash64(w->state);
}

static double uniform(struct workload *w)
{
    return (double)(next(w) >> 11) / 9007199254740992.0;
}

static uint32_t below(struct workload *w, uint32_t count)
{
    return (uint32_t)(next(w) % count);
}

static double normal(struct workload *w)
{
    double u = uniform(w);
    return sqrt(-2 * log(u > 0 ? u : 1e-300)) * cos(2 * M_PI * uniform(w));
}

bool workload_init(struct workload *w, const char *box, uint32_t orgs, uint64_t seed, int64_t now)
{
    static const struct {
        const char *name;
        double lat_low, lat_high, lon_low, lon_high;
    } boxes[] = {{"huizhou", 22.50, 23.95, 113.80, 115.50}, {"national", 20, 45, 98, 122}, {"city", 23.0, 23.2, 114.3, 114.5}};
    size_t at = 0;
    *w = (struct workload){.state = hash64(seed + 1), .orgs = orgs, .now = now};
    while (at < ARRAY_LEN(boxes) && strcmp(box, boxes[at].name) != 0)
        at++;
    if (at == ARRAY_LEN(boxes))
        return false;
    w->lat_low = boxes[at].lat_low;
    w->lat_high = boxes[at].lat_high;
    w->lon_low = boxes[at].lon_low;
    w->lon_high = boxes[at].lon_high;
    w->centre_count = orgs / 40 + 1;
    w->centres = must_alloc(w->centre_count, 2 * sizeof(double));
    for (uint32_t i = 0; i < w->centre_count; i++) {
        w->centres[i * 2] = w->lat_low + uniform(w) * (w->lat_high - w->lat_low);
        w->centres[i * 2 + 1] = w->lon_low + uniform(w) * (w->lon_high - w->lon_low);
    }
    double sum = 0;
    for (int s = 0; s < WORKLOAD_SKILLS; s++)
        sum += w->weights[s] = pow(s + 1, -1.1);
    for (int s = 0; s < WORKLOAD_SKILLS; s++)
        w->weights[s] /= sum;
    return true;
}

void workload_fini(struct workload *w)
{
    free(w->centres);
}

static int any_skill(struct workload *w)
{
    double u = uniform(w);
    for (int s = 0; s < WORKLOAD_SKILLS; s++) {
        if (u < w->weights[s])
            return s;
        u -= w->weights[s];
    }
    return WORKLOAD_SKILLS - 1;
}

static void any_place(struct workload *w, double spread, int32_t *lat, int32_t *lon)
{
    uint32_t centre = (uint32_t)(pow(uniform(w), 1.5) * w->centre_count);
    *lat = (int32_t)((w->centres[centre * 2] + spread * normal(w)) * 1e7);
    *lon = (int32_t)((w->centres[centre * 2 + 1] + spread * normal(w)) * 1e7);
}

static void any_week(struct workload *w, struct week *week)
{
    static const char *const texts[] = {"mon-fri 09:00-17:00", "daily 18:00-21:00",
                                        "sat-sun 08:00-20:00"};
    uint32_t kind = below(w, 4);
    size_t at = 0;
    if (kind < 3) {
        must(schedule_parse(texts[kind], strlen(texts[kind]), week, &at));
        return;
    }
    *week = (struct week){{0}};
    for (int day = 0; day < 7; day++)
        for (int i = 16; i < 40; i++)
            if ((next(w) & 1) != 0)
                week_set(week, day * HALF_HOURS_A_DAY + i);
}

struct org_request workload_org(struct workload *w)
{
    struct org_request r = {.region = WORKLOAD_REGION, .name = "generated", .is_registered = true};
    double u = uniform(w);
    any_place(w, 0.02, &r.lat, &r.lon);
    r.reach_m = (uint32_t)(3000 + 27000 * u * u);
    r.capacity = 1 + below(w, 40);
    for (uint32_t i = 0, n = 1 + below(w, 5); i < n; i++)
        skillset_add(&r.skills, any_skill(w));
    if (w->hostile == HOSTILE_RARE) { /* the last skill is one organisation's alone */
        r.skills.bits[0] &= ~(UINT64_C(1) << (WORKLOAD_SKILLS - 1));
        skillset_add(&r.skills, w->drawn == w->orgs / 2 ? WORKLOAD_SKILLS - 1 : 0);
    }
    w->drawn++;
    any_week(w, &r.week);
    return r;
}

struct order_request workload_order(struct workload *w)
{
    struct order_request r = {.region = WORKLOAD_REGION, .has_place = true};
    const int64_t offset = 8 * 3600000; /* Asia/Shanghai */
    any_place(w, 0.03, &r.lat, &r.lon);
    r.category = any_skill(w);
    skillset_add(&r.skills, r.category);
    if (below(w, 5) == 0)
        skillset_add(&r.skills, any_skill(w));
    int64_t day = (w->now + offset) / DAY_MS + 1 + below(w, 60);
    r.starts_at = day * DAY_MS - offset + (16 + below(w, 26)) * (int64_t)HALF_HOUR_MS;
    r.ends_at = r.starts_at + HALF_HOUR_MS;
    r.minutes = 30;
    r.headcount = 1 + below(w, 6);
    if (w->hostile == HOSTILE_NOBODY)
        r.headcount = 41;
    if (w->hostile == HOSTILE_RARE) {
        r.category = WORKLOAD_SKILLS - 1;
        r.skills = (struct skillset){{0}};
        skillset_add(&r.skills, r.category);
    }
    return r;
}

struct engine *workload_engine(void)
{
    struct engine *e = engine_new(0);
    static const uint64_t codes[] = {1, 11, 111, WORKLOAD_REGION};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct command region = {.op = OP_ADD_REGION, .actor = "bench"};
        region.u.region.code = codes[i];
        region.u.region.parent = i != 0 ? codes[i - 1] : 0;
        region.u.region.name = "bench";
        region.u.region.level = (uint8_t)(LEVEL_CITY - i);
        must(engine_step(e, &region, 1).refusal.code == REFUSAL_NONE);
    }
    for (int s = 0; s < WORKLOAD_SKILLS; s++) {
        struct command skill = {.op = OP_ADD_SKILL, .actor = "bench", .u.skill.is_category = true};
        snprintf(skill.u.skill.name, sizeof skill.u.skill.name, "s%d", s);
        must(engine_step(e, &skill, 1).refusal.code == REFUSAL_NONE);
    }
    engine_effects_clear(e);
    return e;
}
