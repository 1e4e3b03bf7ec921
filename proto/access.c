#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "methods.h"

static const char *const names[] = {"platform", "dispatcher", "supervisor", "org", "auditor", "operator"};

const char *roles_text(unsigned roles, char text[ROLES_BYTES])
{
    size_t len = 0;
    text[0] = '\0';
    if ((roles & ROLE_ANYONE) != 0)
        return "anyone";
    if ((roles & ROLE_EVERY) == ROLE_EVERY)
        return "all";
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if ((roles >> i & 1) != 0)
            len += (size_t)snprintf(text + len, ROLES_BYTES - len, "%s%s", len != 0 ? ", " : "", names[i]);
    return text;
}

bool roles_parse(const char *text, size_t len, unsigned *roles)
{
    *roles = 0;
    for (size_t at = 0; at < len;) {
        const char *name = text + at;
        size_t word = 0;
        unsigned before = *roles;
        while (at + word < len && strchr("|, ", name[word]) == NULL)
            word++;
        at += word + 1;
        if (word == 0)
            continue;
        if (word == 3 && strncmp(name, "all", 3) == 0)
            *roles |= ROLE_EVERY;
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
            if (strlen(names[i]) == word && strncmp(names[i], name, word) == 0)
                *roles |= 1u << i;
        if (*roles == before)
            return false;
    }
    return true;
}

struct identity identity_trusted(const char *principal)
{
    struct identity who = {.roles = ROLE_EVERY, .scope = SCOPE_EVERYWHERE, .is_vouched = true};
    snprintf(who.principal, sizeof who.principal, "%s", principal);
    return who;
}

static bool is_within(const struct call *call, uint64_t region)
{
    if (call->who.scope != SCOPE_REGION)
        return call->who.scope == SCOPE_EVERYWHERE;
    uint32_t inner = engine_region_find(call->engine, region);
    uint32_t outer = engine_region_find(call->engine, call->who.region);
    return inner != SLOT_NONE && outer != SLOT_NONE && engine_region_within(call->engine, inner, outer);
}

/* Of the roles that the method asks for, those that the caller has. */
static unsigned shared_roles(const struct call *call)
{
    unsigned mine = call->who.roles;
    if ((mine & ROLE_SUPERVISOR) != 0)
        mine |= ROLE_DISPATCHER;
    return mine & call->method->roles;
}

bool access_sees(const struct call *call, uint64_t region)
{
    unsigned shared = shared_roles(call);
    return shared == ROLE_ORG || (shared != 0 && is_within(call, region));
}

bool access_counts(const struct call *call, uint64_t region)
{
    return (shared_roles(call) & ~(unsigned)ROLE_ORG) != 0 && is_within(call, region);
}

bool access_counts_org(const struct call *call, const struct org *org)
{
    return (shared_roles(call) & ~(unsigned)ROLE_ORG) != 0 ? call->who.scope == SCOPE_EVERYWHERE
                                                           : org->id == call->who.org;
}

static bool not_found(struct call *call, enum param p)
{
    return error_set(&call->error, REFUSAL_NOT_FOUND, params[p].name, "%s", "");
}

static bool forbidden(struct call *call, enum param p)
{
    return error_set(&call->error, REFUSAL_FORBIDDEN, params[p].name, "it is outside what you may see");
}

/* A foreign order is answered like one that does not exist. What the reader answers is left to it: it looks
 * at the region (access_narrow), of open and ended ones alike, and finds what is foreign no more than what
 * is not there. */
static bool may_order(struct call *call, enum param p)
{
    if (!arg_has(&call->args, p) || (call->method->flags & METHOD_READER) != 0)
        return true;
    const struct order *o = engine_order(call->engine, (uint64_t)call->args.number[p]);
    const struct series *s = engine_series(call->engine, (uint64_t)call->args.number[p]); /* of the same sequence */
    if (o == NULL && s == NULL)
        return not_found(call, p);
    return is_within(call, o != NULL ? o->region : s->region) || not_found(call, p);
}

static bool may_offer(struct call *call)
{
    if (!arg_has(&call->args, P_OFFER) || (call->method->flags & METHOD_READER) != 0)
        return true;
    const struct offer *f = engine_offer(call->engine, (uint64_t)call->args.number[P_OFFER]);
    const struct order *o = f != NULL ? engine_order(call->engine, f->order_id) : NULL;
    return (o != NULL && is_within(call, o->region)) || not_found(call, P_OFFER);
}

/* Changing an organisation, or its figures, needs its region; dispatching to one does not. */
static bool may_org(struct call *call, enum param p)
{
    const struct method *m = call->method;
    bool is_about_org = m->params[0] == P_ORG || p == P_ID;
    if (!arg_has(&call->args, p) || !is_about_org || (m->roles & ROLE_EVERY) == ROLE_EVERY)
        return true;
    const struct org *org = engine_org(call->engine, (uint64_t)call->args.number[p]);
    if (org == NULL && p == P_ID) /* it is to be registered */
        return true;
    return (org != NULL && is_within(call, org->region)) || forbidden(call, p);
}

static bool in_region(struct call *call)
{
    struct args *a = &call->args;
    bool is_write = (call->method->flags & METHOD_WRITE) != 0;
    if (arg_has(a, P_REGION) && !is_within(call, (uint64_t)a->number[P_REGION]))
        return forbidden(call, P_REGION);
    if (!arg_has(a, P_REGION) && method_takes(call->method, P_REGION)) {
        if (is_write && !method_takes(call->method, P_ORDER)) /* what is made is made somewhere */
            return error_set(&call->error, REFUSAL_MISSING_FIELD, "region", "name one that you work for");
        if (!is_write)
            args_put_number(a, P_REGION, (int64_t)call->who.region);
    }
    return may_order(call, P_ORDER) && may_order(call, P_INTO) && may_offer(call) &&
           may_org(call, P_ORG) && may_org(call, P_ID);
}

/* Whether an order was offered to an organisation; for its personal data, whether it was accepted, and
 * not for a round of service that is over because others must do it again. */
static bool is_offered(const struct call *call, const struct order *o, uint64_t org)
{
    bool needs_accepted = strcmp(call->method->name, "contact.get") == 0;
    for (uint32_t slot = o != NULL ? o->first_offer : SLOT_NONE; slot != SLOT_NONE;) {
        const struct offer *f = engine_offer_slot(call->engine, slot);
        slot = f->next_of_order;
        bool is_accepted = f->round == o->round && (f->state == OFFER_ACCEPTED || f->state == OFFER_SERVING ||
                                                    f->state == OFFER_COMPLETED);
        if (f->org == org && (!needs_accepted || is_accepted))
            return true;
    }
    return false;
}

static bool in_org(struct call *call)
{
    struct args *a = &call->args;
    uint64_t mine = call->who.org;
    bool is_narrowed = false;
    if (engine_org(call->engine, mine) == NULL) /* none, or one that was removed */
        return error_set(&call->error, REFUSAL_FORBIDDEN, "method", "your role holds for no organisation");
    if (arg_has(a, P_ORG) && (uint64_t)a->number[P_ORG] != mine)
        return (call->method->roles & ROLE_EVERY) == ROLE_EVERY || forbidden(call, P_ORG);
    if (method_takes(call->method, P_ORG)) {
        args_put_number(a, P_ORG, (int64_t)mine);
        is_narrowed = (call->method->flags & METHOD_READER) != 0;
    }
    if (arg_has(a, P_OFFER) && !is_narrowed) {
        const struct offer *f = engine_offer(call->engine, (uint64_t)a->number[P_OFFER]);
        if (f == NULL || f->org != mine)
            return not_found(call, P_OFFER);
    }
    if (arg_has(a, P_ORDER) && !is_narrowed &&
        !is_offered(call, engine_order(call->engine, (uint64_t)a->number[P_ORDER]), mine))
        return not_found(call, P_ORDER);
    return true;
}

bool access_check(struct call *call)
{
    const struct identity *who = &call->who;
    unsigned shared = shared_roles(call);
    if ((call->method->roles & ROLE_ANYONE) != 0)
        return true;
    if (who->roles == 0 || (who->expires_at != 0 && who->expires_at <= call->now))
        return error_set(&call->error, REFUSAL_UNAUTHENTICATED, NULL, "%s", "");
    if (shared == 0)
        return error_set(&call->error, REFUSAL_FORBIDDEN, "method", "your role may not call it");
    if ((shared & ~(unsigned)ROLE_ORG) == 0)
        return in_org(call);
    if (who->scope == SCOPE_NOWHERE)
        return error_set(&call->error, REFUSAL_FORBIDDEN, "method", "your role holds for no region");
    if (who->scope == SCOPE_REGION && (call->method->flags & METHOD_WHOLE) != 0)
        return error_set(&call->error, REFUSAL_FORBIDDEN, "method", "it is about the whole service, and your role holds for a region");
    return who->scope == SCOPE_EVERYWHERE || in_region(call);
}

static int by_code(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void access_narrow(const struct call *call, struct query *q)
{
    if ((shared_roles(call) & ~(unsigned)ROLE_ORG) == 0) {
        q->filter.reach = REACH_EVERYWHERE;
        q->filter.org = call->who.org; /* which is all that it sees */
        return;
    }
    q->filter.reach = call->who.scope == SCOPE_EVERYWHERE && q->filter.regions == NULL ? REACH_EVERYWHERE : REACH_REGIONS;
    if (q->filter.reach == REACH_EVERYWHERE || q->filter.regions != NULL)
        return;
    uint64_t *codes = must_alloc(engine_region_count(call->engine) + 1, sizeof *codes);
    for (uint32_t slot = 0; slot < engine_region_count(call->engine); slot++) {
        uint64_t code = engine_region_slot(call->engine, slot)->code;
        if (is_within(call, code))
            codes[q->filter.region_count++] = code;
    }
    qsort(codes, q->filter.region_count, sizeof *codes, by_code);
    q->filter.regions = codes;
}
