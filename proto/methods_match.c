/* methods_match.c -- order.candidates, match.*: who fits, who fits best, and why not. */
#include <stdlib.h>

#include "engine/pool.h"
#include "methods.h"

/* Candidates, and the misfits of the county when they are asked for. */
static void pack_found(struct call *call, const struct want *want, struct pack *out)
{
    struct candidate found[CANDIDATE_COUNT_MAX];
    int64_t limit = arg_number(&call->args, P_LIMIT, 10);
    enum rank rank = (enum rank)arg_number(&call->args, P_RANK, RANK_SCORE);
    uint32_t most = limit < CANDIDATE_COUNT_MAX ? (uint32_t)limit : CANDIDATE_COUNT_MAX;
    uint32_t count = match_find(call->engine, want, rank, most, found);
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (uint32_t i = 0; i < count; i++)
        pack_candidate(out, call->engine, &found[i]);
    pack_close(out);
    pack_next(out, 0);
    if (arg_number(&call->args, P_REASONS, 0) != 0) {
        uint32_t counts[MISFIT_COUNT] = {0};
        match_scan(call->engine, want, rank, 0, found, counts);
        pack_key(out, "misfits");
        pack_map(out);
        for (int i = 1; i < MISFIT_COUNT; i++)
            if (counts[i] != 0)
                pack_key_uint(out, word_name(&words_misfit, i), counts[i]);
        pack_close(out);
        pack_key_uint(out, "fitting", counts[MISFIT_NONE]);
    }
    pack_close(out);
}

static bool want_of_order(struct call *call, struct want *want)
{
    const struct order *o = engine_order(call->engine, (uint64_t)call->args.number[P_ORDER]);
    if (o == NULL)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "order", "no open order of that number");
    *want = match_want(call->engine, o, call->now);
    return true;
}

static bool run_candidates(struct call *call, struct pack *out)
{
    struct want want;
    if (!want_of_order(call, &want))
        return false;
    pack_found(call, &want, out);
    return true;
}

static bool run_find(struct call *call, struct pack *out)
{
    struct order_request request;
    struct want want;
    struct refusal refusal;
    request_from_args(call, &request);
    if (arg_has(&call->args, P_LAT) != arg_has(&call->args, P_LON))
        return error_set(&call->error, REFUSAL_MISSING_FIELD,
                         arg_has(&call->args, P_LAT) ? "lon" : "lat", "lat and lon come together");
    if (!match_want_request(call->engine, &request, call->now, &want, &refusal)) {
        error_from_refusal(&call->error, &refusal);
        return false;
    }
    pack_found(call, &want, out);
    return true;
}

static bool run_explain(struct call *call, struct pack *out)
{
    struct want want;
    struct candidate c;
    if (!want_of_order(call, &want))
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
    pack_key_int(out, "distance_m", (c.distance_mm + 500) / 1000);
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
    {"order.candidates", "dispatcher", "Who fits an open order, best first; 200 at most, 10 when no limit is given.", FOUND_ANSWER, 0, 1, {P_ORDER, P_LIMIT, P_RANK, P_REASONS}, run_candidates, NULL, NULL},
    {"match.find", "platform, dispatcher", "The same for an order that is not placed. No effect.", FOUND_ANSWER, 0, 2, {P_REGION, P_CATEGORY, P_LAT, P_LON, P_CRS, P_REMOTE, P_SKILLS, P_STARTS_AT, P_ENDS_AT, P_MINUTES, P_HEADCOUNT, P_PEOPLE_MIN, P_PRIORITY, P_GROUPS, P_RISK, P_MAX_DISTANCE_M, P_PERSON, P_LIMIT, P_RANK, P_REASONS}, run_find, NULL, NULL},
    {"match.explain", "dispatcher, org", "Why one organisation fits an order, or the first reason why not, with the numbers.", "{fits, misfit?, text?, candidate?, distance_m, reach_m, …}", 0, 2, {P_ORDER, P_ORG}, run_explain, NULL, NULL},
};
const int match_method_count = (int)ARRAY_LEN(match_methods);
