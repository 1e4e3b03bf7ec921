/* methods_match.c -- order.candidates, match.*: who fits, who fits best, and why not. */
#include <stdlib.h>

#include "engine/geo.h"
#include "engine/pool.h"
#include "methods.h"

static void pack_items(struct call *call, const struct want *want, enum rank rank, uint32_t limit,
                       struct pack *out)
{
    struct candidate found[CANDIDATE_COUNT_MAX];
    uint32_t most = limit < CANDIDATE_COUNT_MAX ? limit : CANDIDATE_COUNT_MAX;
    uint32_t count = match_find(call->engine, want, rank, most, found);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count; i++) {
        match_score(call->engine, want, engine_org_slot(call->engine, found[i].org_slot), &found[i]);
        pack_candidate(out, call->engine, &found[i]);
    }
    pack_close(out);
    pack_next(out, 0);
}

/* What is wanted: an open order, or one that is not placed. The state may change between two slices
 * of the counting, so it is looked up anew each time. */
struct finding {
    uint64_t order; /* 0: the request */
    struct order_request request;
    enum rank rank;
    uint32_t limit, slot;
    uint32_t counts[MISFIT_COUNT];
};

#define COUNT_SLOTS 500 /* organisations a slice */

static bool want_of(struct call *call, const struct finding *f, struct want *want)
{
    struct refusal refusal;
    if (f->order != 0) {
        const struct order *o = engine_order(call->engine, f->order);
        if (o == NULL)
            return error_set(&call->error, REFUSAL_NOT_FOUND, "order", "no open order of that number");
        *want = match_want(call->engine, o, call->now);
        return true;
    }
    if (match_want_request(call->engine, &f->request, call->now, want, &refusal))
        return true;
    error_from_refusal(&call->error, &refusal);
    return false;
}

/* One slice of counting the misfits; with the last the answer is packed. */
static bool count_slice(struct call *call, void *state, struct pack *out)
{
    struct finding *f = state;
    struct want want;
    if (!want_of(call, f, &want))
        return true;
    if (!match_count(call->engine, &want, COUNT_SLOTS, &f->slot, f->counts))
        return false;
    pack_map(out);
    pack_items(call, &want, f->rank, f->limit, out);
    pack_key(out, "misfits");
    pack_map(out);
    for (int i = 1; i < MISFIT_COUNT; i++)
        if (f->counts[i] != 0)
            pack_key_uint(out, word_name(&words_misfit, i), f->counts[i]);
    pack_close(out);
    pack_key_uint(out, "fitting", f->counts[MISFIT_NONE]);
    pack_close(out);
    return true;
}

static bool find(struct call *call, struct finding *f, struct pack *out)
{
    struct want want;
    f->limit = (uint32_t)arg_number(&call->args, P_LIMIT, 10);
    f->rank = (enum rank)arg_number(&call->args, P_RANK, RANK_SCORE);
    f->slot = SLOT_NONE;
    if (!want_of(call, f, &want))
        return false;
    if (arg_number(&call->args, P_REASONS, 0) != 0) {
        struct finding *kept = must_alloc(1, sizeof *kept);
        *kept = *f;
        return turn_add_job(call, kept, count_slice);
    }
    pack_map(out);
    pack_items(call, &want, f->rank, f->limit, out);
    pack_close(out);
    return true;
}

static bool run_candidates(struct call *call, struct pack *out)
{
    struct finding f = {.order = (uint64_t)call->args.number[P_ORDER]};
    return find(call, &f, out);
}

static bool run_find(struct call *call, struct pack *out)
{
    struct finding f = {.order = 0};
    if (arg_has(&call->args, P_LAT) != arg_has(&call->args, P_LON))
        return error_set(&call->error, REFUSAL_MISSING_FIELD,
                         arg_has(&call->args, P_LAT) ? "lon" : "lat", "lat and lon come together");
    request_from_args(call, &f.request);
    return find(call, &f, out);
}

static bool run_explain(struct call *call, struct pack *out)
{
    struct want want = {.is_remote = false};
    struct candidate c;
    struct finding f = {.order = (uint64_t)call->args.number[P_ORDER]};
    if (!want_of(call, &f, &want))
        return false;
    const struct org *org = engine_org(call->engine, (uint64_t)call->args.number[P_ORG]);
    if (org == NULL)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "org", "%s", "");
    enum misfit misfit = match_try(call->engine, &want, org, &c);
    pack_map(out);
    pack_key_bool(out, "fits", misfit == MISFIT_NONE);
    if (misfit != MISFIT_NONE) {
        pack_key_text(out, "misfit", word_name(&words_misfit, (int)misfit));
        pack_key_text(out, "text", words_misfit.words[misfit].text);
        pack_key_text(out, "zh", word_zh(&words_misfit, (int)misfit));
    } else {
        pack_key(out, "candidate");
        match_score(call->engine, &want, org, &c);
        pack_candidate(out, call->engine, &c);
    }
    if (!want.is_remote)
        pack_key_int(out, "distance_m",
                     (geo_distance_mm(want.lat, want.lon, org->lat, org->lon) + 500) / 1000);
    pack_key_uint(out, "reach_m", (uint64_t)org->reach_m * want.reach_percent / 100);
    pack_key_uint(out, "capacity", org->capacity);
    pack_key_uint(out, "people_wanted", want.people);
    pack_key_uint(out, "people_min", want.people_min < want.people ? want.people_min : want.people);
    pack_skills(out, "skills_needed", call->engine, &want.skills);
    pack_skills(out, "certified_needed", call->engine, &want.certified);
    pack_key_int(out, "starts_at", want.starts_at);
    pack_key_int(out, "ends_at", want.ends_at);
    pack_key_uint(out, "minutes", want.minutes);
    pack_close(out);
    return true;
}

#define FOUND_ANSWER                                                                               \
    "{items: [{org, org_name, score, distance_m, start_at, people, parts}], next, misfits?, fitting?}"

const struct method match_methods[] = {
    {"order.candidates", ROLE_DISPATCHER, "Who fits an open order, best first; 200 at most, 10 when no limit is given.", FOUND_ANSWER, METHOD_MATCH, 1, {P_ORDER, P_LIMIT, P_RANK, P_REASONS}, run_candidates, NULL, NULL},
    {"match.find", ROLE_PLATFORM | ROLE_DISPATCHER, "The same for an order that is not placed. No effect.", FOUND_ANSWER, METHOD_MATCH, 2, {P_REGION, P_CATEGORY, P_LAT, P_LON, P_CRS, P_REMOTE, P_SKILLS, P_STARTS_AT, P_ENDS_AT, P_MINUTES, P_HEADCOUNT, P_PEOPLE_MIN, P_PRIORITY, P_GROUPS, P_RISK, P_MAX_DISTANCE_M, P_PERSON, P_LIMIT, P_RANK, P_REASONS}, run_find, NULL, NULL},
    {"match.explain", ROLE_DISPATCHER | ROLE_ORG, "Why one organisation fits an order, or the first reason why not, with the numbers.", "{fits, misfit?, text?, candidate?, distance_m, reach_m, …}", 0, 2, {P_ORDER, P_ORG}, run_explain, NULL, NULL},
};
const int match_method_count = (int)ARRAY_LEN(match_methods);
