#include "plan.h"

#include <stdlib.h>

#include "assign.h"
#include "match_inside.h"

#define LISTED_MORE 8 /* times as many candidates for an order whose list was too short */

/* A plan holds the loop up for as long as it is made, and a caller chooses how many can have what: so it
 * walks along so many edges, some milliseconds of them. What a plan would need beyond is taken one by one. */
#define EDGE_STEPS 8       /* what it costs to make an edge, in edges walked */
#define CANDIDATE_STEPS 64 /* and to find a candidate */

/* The work on one plan. */
struct planning {
    struct engine *e;
    const uint32_t *slots;
    uint32_t count;
    struct want *wants;
    struct candidate **lists; /* by order: its best candidates in rank order */
    uint32_t *listed, *asked; /* how many there are; how many were asked for */
    struct slots holds;
    uint64_t steps; /* edges made and walked so far */
};

/* An edge of the graph: order `row` may go to an organisation, at a time that may overlap others'. */
struct edge {
    uint32_t row, place; /* place in the row's list */
    uint32_t org_slot, rivalry;
    int64_t first, last; /* half-hours */
    uint32_t people, least; /* that it would bring; that the order would do with */
    bool is_flexible;       /* the window has other starts, at which fewer rivals may be met */
};

/* Edges of one organisation whose times hang together; so many of them may be taken. */
struct rivalry {
    uint32_t copies_low, copies_high; /* certainly; at most */
    uint32_t first_column;
};

struct graph {
    struct edge *edges;
    struct rivalry *rivalries;
    uint32_t edge_count, rivalry_count;
    bool is_exact; /* low and high are the same everywhere */
    bool is_flexible;
};

/* A hold stands for an offer to come, so that one order's people are not given to the next. */
static void hold(struct planning *p, uint32_t row, const struct candidate *c)
{
    struct engine *e = p->e;
    uint32_t slot = pool_take(&e->offers);
    struct offer *f = offer_at(e, slot);
    *f = (struct offer){.id = UINT64_MAX, /* no offer's, so that nobody leaves it out of account */
                        .org = c->org,
                        .start_at = c->start_at,
                        .people = c->people,
                        .minutes = order_at(e, p->slots[row])->minutes,
                        .state = OFFER_ACCEPTED,
                        .org_slot = c->org_slot};
    offer_link(e, f, slot);
    slots_add(&p->holds, slot);
}

static void drop_holds(struct planning *p)
{
    while (p->holds.count != 0) {
        uint32_t slot = p->holds.items[--p->holds.count];
        offer_unlink(p->e, offer_at(p->e, slot), slot);
        *offer_at(p->e, slot) = (struct offer){.id = 0};
        pool_give(&p->e->offers, slot);
    }
}

static unsigned priority_of(const struct planning *p, uint32_t row)
{
    return order_at(p->e, p->slots[row])->priority;
}

/* What serving an order is worth in the solver: a step of priority outweighs everything below it. */
static int64_t weight_of(const struct planning *p, uint32_t row)
{
    int64_t weight = INT64_C(1) << 18; /* more than all scores together: 256 times 1000 */
    for (unsigned i = 0; i < priority_of(p, row); i++)
        weight *= ASSIGN_COUNT_MAX + 1;
    return weight;
}

static void worth_add(const struct planning *p, struct plan_worth *worth, uint32_t row, uint32_t score)
{
    worth->served[priority_of(p, row)]++;
    worth->score += score;
}

static bool is_worth_more(const struct plan_worth *a, const struct plan_worth *b)
{
    for (int i = PRIORITY_COUNT - 1; i >= 0; i--)
        if (a->served[i] != b->served[i])
            return a->served[i] > b->served[i];
    return a->score > b->score;
}

/* Makes a feasible plan of picks: holds each that still fits, then asks for the best who is left for
 * those that have nobody. */
static struct plan_worth settle(struct planning *p, struct candidate *picks)
{
    struct plan_worth worth = {.score = 0};
    for (uint32_t row = 0; row < p->count; row++) {
        struct candidate *pick = &picks[row];
        struct candidate now;
        if (pick->org == 0)
            continue;
        const struct org *org = org_at(p->e, pick->org_slot);
        if (match_try(p->e, &p->wants[row], org, &now) != MISFIT_NONE || now.people < pick->people) {
            pick->org = 0;
            continue;
        }
        pick->start_at = now.start_at;
        hold(p, row, pick);
        worth_add(p, &worth, row, pick->score);
    }
    for (uint32_t row = 0; row < p->count; row++) {
        if (picks[row].org != 0 || match_find(p->e, &p->wants[row], RANK_SCORE, 1, &picks[row]) == 0)
            continue;
        hold(p, row, &picks[row]);
        worth_add(p, &worth, row, picks[row].score);
    }
    drop_holds(p);
    return worth;
}

/* Takes every order's first choice, which nothing can beat, if they are feasible together. */
static bool take_first_choices(struct planning *p, struct candidate *picks, struct plan_worth *worth)
{
    bool is_feasible = true;
    *worth = (struct plan_worth){.score = 0};
    for (uint32_t row = 0; row < p->count && is_feasible; row++) {
        struct candidate now;
        picks[row] = (struct candidate){.org = 0};
        if (p->listed[row] == 0)
            continue;
        picks[row] = p->lists[row][0];
        const struct org *org = org_at(p->e, picks[row].org_slot);
        is_feasible = match_try(p->e, &p->wants[row], org, &now) == MISFIT_NONE &&
                      now.people == picks[row].people && now.start_at == picks[row].start_at;
        if (is_feasible)
            hold(p, row, &picks[row]);
        worth_add(p, worth, row, picks[row].score);
    }
    drop_holds(p);
    return is_feasible;
}

/* Lists an order's best candidates, `most` of them. As many as there are orders are always enough:
 * the others cannot fill them all. */
static void list_candidates(struct planning *p, uint32_t row, uint32_t most)
{
    most = most < p->count ? most : p->count;
    p->lists[row] = must_realloc(p->lists[row], most, sizeof **p->lists);
    p->asked[row] = most;
    p->listed[row] = match_find(p->e, &p->wants[row], RANK_SCORE, most, p->lists[row]);
    p->steps += (p->listed[row] + UINT64_C(1)) * CANDIDATE_STEPS;
}

/* Makes those lists longer that were too short, or all. False: it would take too many steps. */
static bool list_more(struct planning *p, bool lists_all, const bool *is_row_short)
{
    for (uint32_t row = 0; row < p->count && p->steps < PLAN_STEPS_MAX; row++)
        if (is_row_short[row] || (lists_all && p->asked[row] < p->count))
            list_candidates(p, row, p->asked[row] * LISTED_MORE);
    return p->steps < PLAN_STEPS_MAX;
}

/* Whether somebody is left who might be listed. */
static bool lists_more(const struct planning *p)
{
    bool has_more = false;
    for (uint32_t row = 0; row < p->count; row++)
        has_more |= p->listed[row] == p->asked[row] && p->asked[row] < p->count;
    return has_more;
}

static int by_org_and_time(const void *a, const void *b)
{
    const struct edge *x = a;
    const struct edge *y = b;
    if (x->org_slot != y->org_slot)
        return x->org_slot < y->org_slot ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* How many orders of a rivalry an organisation can take: with the most people each and the fewest free
 * at any time, certainly; with the fewest people at a time that all share, at most. */
static struct rivalry rivalry_of(const struct planning *p, const struct edge *edges, uint32_t count)
{
    const struct org *org = org_at(p->e, edges[0].org_slot);
    const struct want *any = &p->wants[edges[0].row];
    int64_t shared_first = edges[0].first;
    int64_t shared_last = edges[0].last;
    int64_t last = shared_last;
    uint32_t fewest = UINT32_MAX;
    uint32_t most = 0;
    bool is_flexible = false;
    struct rivalry g = {.copies_low = UINT32_MAX, .copies_high = UINT32_MAX};
    for (uint32_t i = 0; i < count; i++) {
        shared_first = edges[i].first > shared_first ? edges[i].first : shared_first;
        shared_last = edges[i].last < shared_last ? edges[i].last : shared_last;
        last = edges[i].last > last ? edges[i].last : last;
        fewest = edges[i].least < fewest ? edges[i].least : fewest;
        most = edges[i].people > most ? edges[i].people : most;
        is_flexible |= edges[i].is_flexible;
    }
    must(fewest != 0 && most != 0); /* nobody is ordered to come as none */
    for (int64_t h = edges[0].first; h <= last; h++) {
        uint32_t people = match_free(p->e, any, org, h);
        g.copies_low = people / most < g.copies_low ? people / most : g.copies_low;
        if (!is_flexible && h >= shared_first && h <= shared_last && people / fewest < g.copies_high)
            g.copies_high = people / fewest;
    }
    g.copies_low = g.copies_low < 1 ? 1 : g.copies_low < count ? g.copies_low : count;
    g.copies_high = g.copies_high < count ? g.copies_high : count;
    return g;
}

static void graph_add_row(const struct planning *p, struct graph *g, uint32_t row)
{
    const struct calendar *calendar = &p->e->calendar;
    const struct want *want = &p->wants[row];
    int64_t length = order_at(p->e, p->slots[row])->minutes * INT64_C(60000);
    struct walk walk = walk_begin(p->e, want);
    int64_t next = calendar_instant(calendar, calendar_half_hour(calendar, walk.from) + 1);
    bool is_flexible = next + length <= walk.ends_at;
    g->is_flexible |= is_flexible;
    for (uint32_t i = 0; i < p->listed[row]; i++) {
        const struct candidate *c = &p->lists[row][i];
        g->edges[g->edge_count++] = (struct edge){
            .row = row,
            .place = i,
            .org_slot = c->org_slot,
            .first = calendar_half_hour(calendar, c->start_at),
            .last = calendar_half_hour(calendar, c->start_at + length - 1),
            .people = c->people,
            .is_flexible = is_flexible,
            .least = want->people_min < c->people ? want->people_min : c->people,
        };
    }
}

static struct graph graph_make(const struct planning *p)
{
    struct graph g = {.is_exact = true};
    uint64_t total = 0;
    for (uint32_t row = 0; row < p->count; row++)
        total += p->listed[row];
    g.edges = must_alloc(total, sizeof *g.edges);
    g.rivalries = must_alloc(total, sizeof *g.rivalries);
    for (uint32_t row = 0; row < p->count; row++)
        graph_add_row(p, &g, row);
    qsort(g.edges, g.edge_count, sizeof *g.edges, by_org_and_time);
    for (uint32_t from = 0; from < g.edge_count;) {
        uint32_t to = from;
        int64_t last = g.edges[from].last;
        while (to < g.edge_count && g.edges[to].org_slot == g.edges[from].org_slot &&
               g.edges[to].first <= last) {
            last = g.edges[to].last > last ? g.edges[to].last : last;
            g.edges[to++].rivalry = g.rivalry_count;
        }
        g.rivalries[g.rivalry_count] = rivalry_of(p, &g.edges[from], to - from);
        g.is_exact &= g.rivalries[g.rivalry_count].copies_low == g.rivalries[g.rivalry_count].copies_high;
        g.rivalry_count++;
        from = to;
    }
    return g;
}

static void graph_fini(struct graph *g)
{
    free(g->edges);
    free(g->rivalries);
}

/* The graph as the solver wants it: so many columns for each rivalry, and one of its own for every
 * order, in which it stays without help. */
struct expanded {
    struct assign_graph graph;
    uint64_t *first;
    uint32_t *column, *place; /* place: in the row's list */
    int64_t *cost;
};

static uint32_t copies_of(const struct graph *g, const struct edge *edge, bool is_high)
{
    return is_high ? g->rivalries[edge->rivalry].copies_high : g->rivalries[edge->rivalry].copies_low;
}

static struct expanded expand(const struct planning *p, struct graph *g, bool is_high)
{
    struct expanded x = {.first = must_alloc((size_t)p->count + 1, sizeof *x.first)};
    uint32_t columns = p->count;
    for (uint32_t i = 0; i < g->rivalry_count; i++) {
        g->rivalries[i].first_column = columns;
        columns += is_high ? g->rivalries[i].copies_high : g->rivalries[i].copies_low;
    }
    for (uint32_t i = 0; i < g->edge_count; i++)
        x.first[g->edges[i].row + 1] += copies_of(g, &g->edges[i], is_high);
    for (uint32_t row = 0; row < p->count; row++)
        x.first[row + 1] += x.first[row] + 1;
    uint64_t total = x.first[p->count];
    uint64_t *next = must_alloc(p->count, sizeof *next);
    x.column = must_alloc(total, sizeof *x.column);
    x.place = must_alloc(total, sizeof *x.place);
    x.cost = must_alloc(total, sizeof *x.cost);
    for (uint32_t row = 0; row < p->count; row++) {
        next[row] = x.first[row];
        x.column[next[row]++] = row;
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct edge *edge = &g->edges[i];
        for (uint32_t copy = 0; copy < copies_of(g, edge, is_high); copy++) {
            uint64_t at = next[edge->row]++;
            x.column[at] = g->rivalries[edge->rivalry].first_column + copy;
            x.place[at] = edge->place;
            x.cost[at] = -(weight_of(p, edge->row) + p->lists[edge->row][edge->place].score);
        }
    }
    free(next);
    x.graph = (struct assign_graph){.rows = p->count, .columns = columns, .first = x.first, .column = x.column, .cost = x.cost};
    return x;
}

static void expanded_fini(struct expanded *x)
{
    free(x->first);
    free(x->column);
    free(x->place);
    free(x->cost);
}

/* Solves the graph within what is left of the steps, and has the proof checked. */
static bool solve_within(struct planning *p, struct graph *g, bool is_high, struct expanded *x,
                         struct assign_answer *answer)
{
    uint64_t arcs = p->count;
    for (uint32_t i = 0; i < g->edge_count; i++)
        arcs += copies_of(g, &g->edges[i], is_high);
    if (p->steps + arcs * EDGE_STEPS >= PLAN_STEPS_MAX)
        return false;
    p->steps += arcs * EDGE_STEPS;
    *x = expand(p, g, is_high);
    x->graph.steps_max = PLAN_STEPS_MAX - p->steps;
    bool is_solved = assign_solve(&x->graph, answer);
    p->steps += answer->steps;
    must(!is_solved || assign_is_optimal(&x->graph, answer));
    if (!is_solved)
        expanded_fini(x);
    return is_solved;
}

/* The prices also say whose list was too short to be sure that nobody outside it would serve better:
 * those rows are marked, and *is_short with them. False: there were not enough steps for it, and the
 * picks are as before. */
static bool solve(struct planning *p, struct graph *g, bool is_high, struct candidate *picks,
                  struct plan_worth *total, bool *is_short)
{
    struct plan_worth worth = {.score = 0};
    struct assign_answer answer;
    struct expanded x;
    if (!solve_within(p, g, is_high, &x, &answer))
        return false;
    for (uint32_t row = 0; row < p->count; row++) {
        picks[row] = (struct candidate){.org = 0};
        for (uint64_t i = x.first[row] + 1; i < x.first[row + 1]; i++)
            if (x.column[i] == answer.column_of[row])
                picks[row] = p->lists[row][x.place[i]];
        if (picks[row].org != 0)
            worth_add(p, &worth, row, picks[row].score);
        uint32_t listed = p->listed[row];
        if (listed == p->asked[row] && listed < p->count &&
            -(weight_of(p, row) + p->lists[row][listed - 1].score) < answer.row_price[row])
            is_short[0] = is_short[1 + row] = true;
    }
    assign_answer_fini(&answer);
    expanded_fini(&x);
    *total = worth;
    return true;
}

/* Whether orders differ in their time only where they do not overlap, and in nothing else that counts:
 * then no candidate that is not listed can change how many an organisation may take. */
static bool are_alike(const struct planning *p)
{
    const struct want *any = &p->wants[0];
    for (uint32_t i = 0; i < p->count; i++) {
        const struct want *a = &p->wants[i];
        struct walk x = walk_begin(p->e, a);
        if (a->people != any->people || a->people_min < a->people ||
            calendar_instant(x.calendar, x.half_hour + 1) + x.length_ms <= x.ends_at)
            return false;
        for (uint32_t j = 0; j < i; j++) {
            struct walk y = walk_begin(p->e, &p->wants[j]);
            bool is_same = x.from == y.from && x.length_ms == y.length_ms;
            if (!is_same && x.from < y.from + y.length_ms + HALF_HOUR_MS && y.from < x.from + x.length_ms + HALF_HOUR_MS)
                return false;
        }
    }
    return true;
}

static void keep_better(struct plan *plan, struct candidate *picks, struct plan_worth worth)
{
    if (!is_worth_more(&worth, &plan->worth))
        return;
    plan->worth = worth;
    for (uint32_t row = 0; row < plan->count; row++)
        plan->picks[row] = picks[row];
}

/* Every order with its first choice: no plan can be worth more, whatever it would take to find one. */
static struct plan_worth worth_of_firsts(const struct planning *p)
{
    struct plan_worth worth = {.score = 0};
    for (uint32_t row = 0; row < p->count; row++)
        if (p->listed[row] != 0)
            worth_add(p, &worth, row, p->lists[row][0].score);
    return worth;
}

/* Solves with longer lists until they are long enough. False: the steps did not suffice for that; `low`
 * and `high` are then of shorter lists, or nobody. */
static bool solve_rivals(struct planning *p, struct plan *plan, bool lists_all, struct candidate *low,
                         struct candidate *high, bool *is_exact)
{
    bool *is_short = must_alloc((size_t)p->count + 1, sizeof *is_short); /* any, then each */
    struct plan_worth worth;
    bool is_solved = false;
    do {
        is_solved = list_more(p, lists_all, is_short + 1);
        for (uint32_t row = 0; row <= p->count; row++)
            is_short[row] = false;
        struct graph graph = graph_make(p);
        *is_exact = graph.is_exact && !graph.is_flexible;
        is_solved = is_solved && solve(p, &graph, true, high, &plan->bound, is_short) &&
                    solve(p, &graph, false, low, &worth, is_short);
        graph_fini(&graph);
    } while (is_solved && (is_short[0] || (lists_all && lists_more(p))));
    free(is_short);
    return is_solved;
}

/* The plan where orders compete. Only those that do get more than their first choice into the graph. */
static void plan_together(struct planning *p, struct plan *plan, bool is_bounded)
{
    bool lists_all = is_bounded && !are_alike(p);
    plan->worth = (struct plan_worth){.score = 0};
    for (uint32_t row = 0; row < p->count; row++)
        plan->picks[row].org = 0;
    struct candidate *low = must_alloc(p->count, sizeof *low);
    struct candidate *high = must_alloc(p->count, sizeof *high);
    bool is_exact = false;
    bool is_solved = solve_rivals(p, plan, lists_all, low, high, &is_exact);
    if (!is_solved)
        plan->bound = worth_of_firsts(p);
    is_exact &= is_solved;
    keep_better(plan, low, settle(p, low));
    if (!is_exact) {
        keep_better(plan, high, settle(p, high));
        for (uint32_t row = 0; row < p->count; row++)
            low[row].org = 0;
        keep_better(plan, low, settle(p, low)); /* one by one */
    }
    must(!is_exact || !is_bounded || !is_worth_more(&plan->worth, &plan->bound));
    if (is_worth_more(&plan->worth, &plan->bound))
        plan->bound = plan->worth; /* another start, or somebody not listed, may score more */
    free(low);
    free(high);
}

struct plan plan_make(struct engine *e, const uint32_t *slots, uint32_t count, int64_t now,
                      enum plan_method method)
{
    must(count <= ASSIGN_COUNT_MAX);
    struct planning p = {.e = e, .slots = slots, .count = count};
    struct plan plan = {.count = count, .picks = must_alloc(count, sizeof *plan.picks)};
    p.wants = must_alloc(count, sizeof *p.wants);
    p.lists = must_alloc(count, sizeof *p.lists);
    p.listed = must_alloc(count, sizeof *p.listed);
    p.asked = must_alloc(count, sizeof *p.asked);
    for (uint32_t row = 0; row < count; row++) {
        p.wants[row] = match_want(e, order_at(e, slots[row]), now);
        p.wants[row].is_automatic = true;
        if (method != PLAN_ONE_BY_ONE)
            list_candidates(&p, row, 1);
    }
    if (method == PLAN_ONE_BY_ONE)
        plan.worth = settle(&p, plan.picks);
    else if (take_first_choices(&p, plan.picks, &plan.worth))
        plan.bound = plan.worth;
    else
        plan_together(&p, &plan, method == PLAN_BOUNDED);
    plan.steps = p.steps;
    plan.is_exact = method != PLAN_ONE_BY_ONE && !is_worth_more(&plan.bound, &plan.worth);
    for (uint32_t row = 0; row < count; row++)
        free(p.lists[row]);
    free(p.wants);
    free(p.lists);
    free(p.listed);
    free(p.asked);
    slots_fini(&p.holds);
    return plan;
}

void plan_fini(struct plan *plan)
{
    free(plan->picks);
}
