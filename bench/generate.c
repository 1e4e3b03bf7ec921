#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "proto/codes.h"
#include "proto/params.h"

struct source {
    uint64_t state;
};

static uint64_t draw(struct source *s, uint64_t below)
{
    s->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash64(s->state) % below;
}

static bool chance(struct source *s, uint64_t percent)
{
    return draw(s, 100) < percent;
}

/* One of several, each with a weight. */
static size_t pick(struct source *s, const unsigned *weights, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += weights[i];
    uint64_t at = draw(s, total);
    for (size_t i = 0; i < count; i++) {
        if (at < weights[i])
            return i;
        at -= weights[i];
    }
    return count - 1;
}

/* Villages with a point, and how many skills of the catalogue are categories. */
struct world {
    struct engine *engine;
    uint32_t *villages;
    uint32_t village_count;
};

static const struct region *any_village(const struct world *w, struct source *s)
{
    return engine_region_slot(w->engine, w->villages[draw(s, w->village_count)]);
}

static void print_point(const struct region *r, struct source *s, int64_t spread)
{
    int64_t lat = r->lat + (int64_t)draw(s, (uint64_t)spread * 2) - spread;
    int64_t lon = r->lon + (int64_t)draw(s, (uint64_t)spread * 2) - spread;
    printf("%.6f,%.6f", (double)lat / 1e7, (double)lon / 1e7);
}

static void print_skills(const struct skillset *set, const struct catalogue *catalogue)
{
    const char *between = "";
    SKILLSET_EACH(set, skill) {
        printf("%s%s", between, catalogue->skills[skill].name);
        between = "|";
    }
}

/* What organisations do: company for the old and the neighbourhood is common, rescue is rare. */
static const unsigned category_weights[18] = {12, 14, 6, 4, 5, 4, 8, 10, 6, 6, 6, 3, 8, 2, 4, 6, 4, 2};

static struct skillset draw_skills(const struct world *w, struct source *s, struct skillset *certified)
{
    const struct catalogue *catalogue = engine_catalogue(w->engine);
    struct skillset skills = {{0}};
    *certified = (struct skillset){{0}};
    for (uint64_t i = 0, n = 1 + draw(s, 3); i < n; i++)
        skillset_add(&skills, (int)pick(s, category_weights, 18));
    for (uint64_t i = 0, n = draw(s, 4); i < n; i++)
        skillset_add(&skills, 18 + (int)draw(s, (uint64_t)catalogue->count - 18));
    SKILLSET_EACH(&skills, skill)
        if ((catalogue->skills[skill].needs & NEEDS_CERTIFIED) != 0 && chance(s, 60))
            skillset_add(certified, skill);
    return skills;
}

static void print_org(const struct world *w, struct source *s, uint32_t number)
{
    static const char *const schedules[] = {"always", "mon-fri 09:00-12:00,14:00-17:30",
                                            "mon-fri 18:00-21:00; sat-sun 09:00-18:00",
                                            "sat-sun 08:00-20:00", "daily 08:00-20:00"};
    static const unsigned schedule_weights[] = {10, 25, 25, 20, 20};
    static const unsigned type_weights[] = {92, 5, 3};
    const struct region *r = any_village(w, s);
    struct skillset certified;
    struct skillset skills = draw_skills(w, s, &certified);
    bool is_registered = chance(s, 55);
    printf("%u,%s志愿服务队%u（生成数据 generated）,%llu,", number, r->name, number,
           (unsigned long long)r->code);
    print_point(r, s, 200000);
    printf(",%u,%u,", 2000 + 1000 * (unsigned)draw(s, 14), 2 + (unsigned)draw(s, 39));
    print_skills(&skills, engine_catalogue(w->engine));
    putchar(',');
    print_skills(&certified, engine_catalogue(w->engine));
    printf(",\"%s\",%s,%s,%s,%s\n", schedules[pick(s, schedule_weights, 5)],
           word_name(&words_org_type, (int)pick(s, type_weights, 3)), is_registered ? "true" : "false",
           chance(s, 50) ? "true" : "false", chance(s, 5) ? "true" : "false");
}

static void print_time(int64_t day, uint32_t minute)
{
    int32_t date = (int32_t)day;
    char text[11];
    date_format(date, text);
    printf("%s", text);
    printf("T%02u:%02u:00+08:00", minute / 60, minute % 60);
}

static void print_order(const struct world *w, struct source *s, uint32_t number, int32_t day,
                        uint64_t seed)
{
    static const unsigned priority_weights[] = {90, 8, 2};
    static const unsigned mode_weights[] = {50, 35, 10, 5};
    static const unsigned headcounts[] = {60, 20, 8, 5, 3, 2, 1, 1};
    const struct region *r = any_village(w, s);
    size_t category = pick(s, category_weights, 18);
    uint32_t begin = 480 + 30 * (uint32_t)draw(s, 20);
    uint32_t minutes = 30 + 30 * (uint32_t)draw(s, 6);
    printf("generated-%llu-%u,%llu,", (unsigned long long)seed, number, (unsigned long long)r->code);
    print_point(r, s, 100000);
    printf(",%s,,", engine_catalogue(w->engine)->skills[category].name);
    print_time(day, begin);
    putchar(',');
    print_time(day, begin + minutes + 30 * (uint32_t)draw(s, 8));
    printf(",%u,%u,%s,%s\n", minutes, 1 + (unsigned)pick(s, headcounts, 8),
           word_name(&words_priority, (int)pick(s, priority_weights, 3)),
           word_name(&words_mode, (int)pick(s, mode_weights, 4)));
}

int generate(const struct generate_options *o, struct failure *failure)
{
    struct world w = {.engine = engine_new(0)};
    struct source s = {.state = hash64(o->seed + (o->is_orgs ? 1 : 2))};
    int rc = codes_load_regions(w.engine, o->regions, failure);
    if (rc == 0)
        rc = codes_load_tables(w.engine, o->codes, failure);
    w.villages = must_alloc(engine_region_count(w.engine) + 1, sizeof *w.villages);
    for (uint32_t i = 0; i < engine_region_count(w.engine); i++) {
        const struct region *r = engine_region_slot(w.engine, i);
        if (r->level == LEVEL_VILLAGE && r->has_point)
            w.villages[w.village_count++] = i;
    }
    if (rc == 0)
        puts(o->is_orgs ? "id,name,region,lat,lon,reach_m,capacity,skills,certified,schedule,type,"
                          "registered,insured,youth"
                        : "ref,region,lat,lon,category,skills,starts_at,ends_at,minutes,headcount,"
                          "priority,mode");
    int32_t day = calendar_day(engine_calendar(w.engine), o->day);
    for (uint32_t i = 1; rc == 0 && i <= o->count; i++) {
        if (o->is_orgs)
            print_org(&w, &s, i);
        else
            print_order(&w, &s, i, day, o->seed);
    }
    free(w.villages);
    engine_free(w.engine);
    return rc;
}
