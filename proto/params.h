/* params.h -- decoding a request's parameters by the one table of params.def. */
#ifndef PAIDAN_PARAMS_H
#define PAIDAN_PARAMS_H

#include "codec.h"
#include "engine/engine.h"

enum param {
    P_NONE, /* ends a method's list */
#define PARAM(N, name, kind, low, high, text) P_##N,
#include "params.def"
#undef PARAM
    PARAM_COUNT
};

enum param_kind {
    KIND_ID, KIND_INT, KIND_TIME, KIND_BOOL, KIND_TEXT, KIND_CODE, KIND_PATH, KIND_DEGREES,
    KIND_CRS, KIND_SKILL, KIND_SKILLS, KIND_IDS, KIND_GROUPS, KIND_WAIVES, KIND_SCHEDULE,
    KIND_DATES, KIND_RECORDS, KIND_CONTACT, KIND_PRIORITY, KIND_MODE, KIND_ORG_TYPE, KIND_RANK,
    KIND_ORDER_STATE, KIND_OFFER_STATE, KIND_EVENT_KIND, KIND_ROLES, KIND_RECORD_STATE, KIND_LEVEL,
    KIND_DATE, KIND_MONTH, KIND_COUNT
};

struct param_info {
    const char *name, *text;
    enum param_kind kind;
    int64_t low, high;
};

extern const struct param_info params[PARAM_COUNT];
const char *param_kind_text(enum param_kind kind); /* for the documentation */

/* The parameters of one request, checked by type and range. Numbers, truths and words of closed lists
 * stand in `number`; degrees in 1e-7; the rest in its own member. */
struct args {
    uint64_t present[(PARAM_COUNT + 63) / 64];
    int64_t number[PARAM_COUNT];
    const char *text[PARAM_COUNT]; /* ended by NUL, in the arena */
    struct skillset skills, certified;
    struct week week;
    uint64_t *ids[2]; /* orgs, regions */
    uint32_t id_count[2];
    struct org_date *dates;
    struct record *records;
    uint32_t date_count, record_count;
    const struct node *contact;
};

/* Why a request is refused, for people and programs. */
struct error {
    enum refusal_code code;
    enum misfit misfit;
    char field[40];
    char detail[200]; /* after the code's own text; never personal data */
    uint64_t id;      /* the organisation or so that it is about */
    bool has_range;
    int64_t low, high;
};

static inline bool arg_has(const struct args *a, enum param p)
{
    return (a->present[p / 64] >> (p % 64) & 1) != 0;
}
static inline void args_put_number(struct args *a, enum param p, int64_t number)
{
    a->present[p / 64] |= UINT64_C(1) << (p % 64);
    a->number[p] = number;
}
static inline int64_t arg_number(const struct args *a, enum param p, int64_t fallback)
{
    return arg_has(a, p) ? a->number[p] : fallback;
}

/* Decodes a map of parameters. `allowed` are the method's, `required` the first of them. False, with
 * *error, at the first that is unknown, twice, missing, of the wrong type or out of range. */
bool params_decode(struct arena *arena, const struct catalogue *catalogue, const struct node *map,
                   const enum param *allowed, int allowed_count, int required_count,
                   struct args *args, struct error *error);

__attribute__((format(printf, 4, 5))) bool error_set(struct error *error, enum refusal_code code,
                                                     const char *field, const char *format, ...);
void error_from_refusal(struct error *error, const struct refusal *refusal);
void error_pack(const struct error *error, struct pack *pack);

/* Parses 2026-12-31 into a day counted from 1970-01-01; false when it is no date. */
bool date_parse(const char *text, size_t len, int32_t *day);
void date_format(int32_t day, char text[11]);
/* The first day of the month after that of a day. */
int32_t date_next_month(int32_t day);

#endif
