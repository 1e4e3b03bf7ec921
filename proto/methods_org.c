/* methods_org.c -- org.*: the registry of organisations. */
#include "engine/pool.h"
#include "methods.h"

static bool run_put(struct call *call, struct pack *out)
{
    (void)out;
    const struct args *a = &call->args;
    struct command c = {.op = OP_ORG_PUT, .is_check = arg_number(a, P_DRY_RUN, 0) != 0};
    struct org_request *r = &c.u.put;
    *r = (struct org_request){
        .id = (uint64_t)arg_number(a, P_ID, 0),
        .region = (uint64_t)arg_number(a, P_REGION, 0),
        .reach_m = (uint32_t)arg_number(a, P_REACH_M, 5000),
        .capacity = (uint32_t)arg_number(a, P_CAPACITY, 1),
        .type = (uint8_t)arg_number(a, P_TYPE, ORG_SERVICE),
        .is_registered = arg_number(a, P_REGISTERED, 1) != 0,
        .is_insured = arg_number(a, P_INSURED, 0) != 0,
        .is_youth = arg_number(a, P_YOUTH, 0) != 0,
        .is_suspended = arg_number(a, P_SUSPENDED, 0) != 0,
        .skills = a->skills,
        .certified = a->certified,
        .week = a->week,
        .name = arg_has(a, P_NAME) ? a->text[P_NAME] : "",
        .regions = a->ids[1],
        .region_count = a->id_count[1],
    };
    point_from_args(a, &r->lat, &r->lon);
    if (!arg_has(a, P_SCHEDULE))
        week_fill(&r->week);
    if (engine_org_is_gone(call->engine, r->id))
        return error_set(&call->error, REFUSAL_BAD_VALUE, "id", "an organisation of that number was removed; leave id out to get the next one");
    return call_step(call, &c);
}

static void encode_org(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_uint(out, "org", call->outcome.id);
    if (arg_number(&call->args, P_DRY_RUN, 0) != 0)
        pack_key_bool(out, "dry_run", true);
    pack_close(out);
}

static bool run_get(struct call *call, struct pack *out)
{
    const struct org *org = engine_org(call->engine, (uint64_t)call->args.number[P_ORG]);
    if (org == NULL)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "org", "%s", "");
    char date[11];
    pack_map(out);
    pack_org(out, call->engine, org, access_counts_org(call, org));
    pack_key(out, "dates");
    pack_list(out);
    for (uint32_t i = 0; i < org_more(org)->date_count; i++) {
        date_format(org_more(org)->dates[i].day, date);
        pack_map(out);
        pack_key_text(out, "date", date);
        pack_key_bool(out, "closed", org_more(org)->dates[i].is_closed);
        pack_key_uint(out, "open_half_hours", org_more(org)->dates[i].half_hours);
        pack_close(out);
    }
    pack_close(out);
    pack_close(out);
    return true;
}

/* By slot sequence; the cursor is the slot's number. Looks at 20,000 at most, so that no page takes
 * the loop for long. */
static bool run_list(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    uint32_t limit = (uint32_t)arg_number(a, P_LIMIT, 100);
    uint32_t slot = 0;
    uint32_t region = SLOT_NONE;
    uint32_t taken = 0;
    const struct org *org = NULL;
    if (!place_from_cursor(call, &slot))
        return false;
    slot--;
    if (arg_has(a, P_REGION)) {
        region = engine_region_find(call->engine, (uint64_t)a->number[P_REGION]);
        if (region == SLOT_NONE)
            return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    }
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (int looked = 0; looked < 20000 && taken < limit; looked++) {
        org = engine_next_org(call->engine, &slot);
        if (org == NULL)
            break;
        uint32_t home = engine_region_find(call->engine, org->region);
        if ((region != SLOT_NONE &&
             (home == SLOT_NONE || !engine_region_within(call->engine, home, region))) ||
            !skillset_within(&a->skills, &org->skills))
            continue;
        pack_map(out);
        pack_org(out, call->engine, org, access_counts_org(call, org));
        pack_close(out);
        taken++;
    }
    pack_close(out);
    pack_next(out, org != NULL ? (uint64_t)slot + 1 : 0);
    pack_close(out);
    return true;
}

static bool run_remove(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_ORG_REMOVE, .org = (uint64_t)call->args.number[P_ORG]};
    if (!call_step(call, &c))
        return false;
    struct outcome removed = call->outcome;
    bool is_good = tokens_end_of_org(call, c.org);
    call->outcome = removed;
    return is_good;
}

static bool run_duty(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_ORG_DUTY, .org = (uint64_t)call->args.number[P_ORG]};
    c.u.is_on_duty = call->args.number[P_ON] != 0;
    return call_step(call, &c);
}

static bool run_dates(struct call *call, struct pack *out)
{
    (void)out;
    struct command c = {.op = OP_ORG_DATES, .org = (uint64_t)call->args.number[P_ORG]};
    c.u.dates.dates = call->args.dates;
    c.u.dates.count = call->args.date_count;
    return call_step(call, &c);
}

const struct method org_methods[] = {
    {"org.put", ROLE_OPERATOR | ROLE_SUPERVISOR, "Register an organisation, or write its registration anew. What is absent takes its default.", "{org}", METHOD_WRITE | METHOD_NEW, 3, {P_LAT, P_LON, P_SKILLS, P_ID, P_NAME, P_REGION, P_CRS, P_REACH_M, P_CAPACITY, P_CERTIFIED, P_SCHEDULE, P_TYPE, P_REGISTERED, P_INSURED, P_YOUTH, P_SUSPENDED, P_REGIONS, P_DRY_RUN, P_REF}, run_put, encode_org, NULL},
    {"org.get", ROLE_EVERY, "One organisation; `live_offers` is for itself and for who holds for all regions.", "{org, name, …, live_offers?, dates}", 0, 1, {P_ORG}, run_get, NULL, NULL},
    {"org.list", ROLE_EVERY, "Organisations of a region and below, or with skills.", "{items: [{org, name, …}], next}", 0, 0, {P_REGION, P_SKILLS, P_AFTER, P_LIMIT}, run_list, NULL, NULL},
    {"org.remove", ROLE_OPERATOR | ROLE_SUPERVISOR, "Take an organisation off the registry; not while offers are live. Its tokens are revoked, and its number is not given again.", "{org}", METHOD_WRITE, 1, {P_ORG, P_REASON, P_REF}, run_remove, encode_org, NULL},
    {"org.duty", ROLE_ORG | ROLE_DISPATCHER, "On duty or off duty.", "{org}", METHOD_WRITE, 2, {P_ORG, P_ON, P_REF}, run_duty, encode_org, NULL},
    {"org.close_dates", ROLE_ORG | ROLE_DISPATCHER, "All dates that differ from the weekly schedule, in place of those before.", "{org}", METHOD_WRITE, 2, {P_ORG, P_DATES, P_REF}, run_dates, encode_org, NULL},
};
const int org_method_count = (int)ARRAY_LEN(org_methods);
