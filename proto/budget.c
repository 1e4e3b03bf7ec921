#include "budget.h"

#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

static const struct {
    const char *name, *what;
    bool is_bytes;
} kinds[BUDGET_KIND_COUNT] = {
    [BUDGET_INPUT] = {"input_bytes", "of requests that have not ended", true},
    [BUDGET_OUTPUT] = {"output_bytes", "of answers that have not been read", true},
    [BUDGET_CONNECTIONS] = {"connections", "connections", false},
    [BUDGET_STREAMS] = {"streams", "event streams", false},
    [BUDGET_SUBSCRIPTIONS] = {"subscriptions", "subscriptions", false},
    [BUDGET_QUESTIONS] = {"questions", "questions that wait to be read from the database", false},
    [BUDGET_JOBS] = {"jobs", "requests that go through everything", false},
};

static uint64_t hash_of(const char *principal)
{
    uint64_t hash = 0;
    for (const char *at = principal; *at != '\0'; at++)
        hash = hash64(hash ^ (unsigned char)*at) + 1;
    return hash;
}

static struct caller *find_caller(struct budget *b, const char *principal, bool is_vouched)
{
    uint64_t hash = hash_of(principal);
    struct caller **bucket = &b->callers[hash % BUDGET_BUCKETS];
    for (struct caller *c = *bucket; c != NULL; c = c->next)
        if (c->hash == hash && c->is_vouched == is_vouched && strcmp(c->principal, principal) == 0) {
            c->references++;
            return c;
        }
    struct caller *c = must_alloc(1, sizeof *c);
    *c = (struct caller){.hash = hash, .references = 1, .is_vouched = is_vouched, .next = *bucket};
    memcpy(c->principal, principal, strlen(principal) + 1);
    *bucket = c;
    return c;
}

void budget_release(struct budget *b, struct caller *caller)
{
    if (--caller->references != 0)
        return;
    struct caller **at = &b->callers[caller->hash % BUDGET_BUCKETS];
    while (*at != caller)
        at = &(*at)->next;
    *at = caller->next;
    free(caller);
}

void budget_fini(struct budget *b)
{
    for (int i = 0; i < BUDGET_BUCKETS; i++)
        while (b->callers[i] != NULL) {
            struct caller *next = b->callers[i]->next;
            free(b->callers[i]);
            b->callers[i] = next;
        }
}

void budget_join(struct holder *h, struct budget *b, const char *principal, bool is_vouched)
{
    struct caller *before = h->caller;
    h->budget = b;
    h->caller = find_caller(b, principal, is_vouched);
    for (int i = 0; before != NULL && i < BUDGET_KIND_COUNT; i++) {
        budget_give(b, before, (enum budget_kind)i, h->held[i]);
        budget_take(b, h->caller, (enum budget_kind)i, h->held[i]);
    }
    if (before != NULL)
        budget_release(b, before);
}

void budget_part(struct holder *h)
{
    for (int i = 0; i < BUDGET_KIND_COUNT; i++)
        holder_give(h, (enum budget_kind)i, h->held[i]);
    budget_release(h->budget, h->caller);
    *h = (struct holder){.caller = NULL};
}

static uint64_t max_of_all(const struct budget *b, const struct caller *c, enum budget_kind kind)
{
    uint64_t max = b->max[kind];
    return max == 0 ? UINT64_MAX : c->is_vouched ? max + budget_kept_of(max) : max;
}

static uint64_t share_of(const struct budget *b, const struct caller *c, enum budget_kind kind)
{
    uint64_t max = b->max[kind];
    if (c->is_vouched || b->share_percent == 0 || max == 0)
        return UINT64_MAX;
    max = max / 100 * b->share_percent + max % 100 * b->share_percent / 100;
    return max != 0 ? max : 1;
}

bool budget_has_room(const struct budget *b, const struct caller *c, enum budget_kind kind, uint64_t more)
{
    return c->held[kind] + more <= share_of(b, c, kind) && b->held[kind] + more <= max_of_all(b, c, kind);
}

bool budget_allows(struct budget *b, const struct caller *c, enum budget_kind kind, uint64_t more, struct error *error)
{
    if (budget_has_room(b, c, kind, more))
        return true;
    bool is_own = c->held[kind] + more > share_of(b, c, kind);
    unsigned long long most = is_own ? share_of(b, c, kind) : b->max[kind];
    b->refused[kind]++;
    if (kinds[kind].is_bytes)
        return error_set(error, REFUSAL_OVERLOADED, NULL, "at most %llu KiB %s, of %s", most >> 10, kinds[kind].what,
                         is_own ? "one caller" : "all callers");
    return error_set(error, REFUSAL_OVERLOADED, NULL, "at most %llu %s, of %s", most, kinds[kind].what,
                     is_own ? "one caller" : "all callers");
}

static void pack_kinds(struct pack *out, const char *key, const uint64_t values[BUDGET_KIND_COUNT])
{
    pack_key(out, key);
    pack_map(out);
    for (int i = 0; i < BUDGET_KIND_COUNT; i++)
        pack_key_uint(out, kinds[i].name, values[i]);
    pack_close(out);
}

void budget_pack(const struct budget *b, struct pack *out)
{
    pack_key(out, "budget");
    pack_map(out);
    pack_kinds(out, "held", b->held);
    pack_kinds(out, "max", b->max);
    pack_kinds(out, "refused", b->refused);
    pack_close(out);
}
