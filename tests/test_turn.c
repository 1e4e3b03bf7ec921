/* The turn with a clock, a transport and a store of our own: what leaves, and when. */
#include <stdio.h>
#include <string.h>

#include "proto/push.h"
#include "proto/turn.h"
#include "world.h"

struct ports {
    int sent;                  /* frames */
    struct node *last;         /* the last one, decoded */
    struct arena arena;
    struct batch *submitted;
    int questions;
    struct query *asked;
};

static int64_t fixed_now(void *context)
{
    (void)context;
    return MONDAY_9;
}

static void take_sent(void *context, uint64_t connection, const uint8_t *bytes, size_t len)
{
    struct ports *p = context;
    ck_assert(connection == 9 || connection == 10);
    uint8_t *copy = arena_take(&p->arena, len);
    memcpy(copy, bytes, len);
    p->last = codec_decode(&p->arena, copy, len);
    p->sent++;
}

static size_t no_backlog(void *context, uint64_t connection)
{
    (void)context;
    (void)connection;
    return 0;
}

static void take_batch(void *context, struct batch *batch)
{
    struct ports *p = context;
    ck_assert_ptr_null(p->submitted); /* never two with the writer */
    p->submitted = batch;
}

static void take_question(void *context, struct query *query)
{
    struct ports *p = context;
    p->questions++;
    p->asked = query;
}

static void ignore_batch(void *context, const struct batch *batch)
{
    (void)context;
    (void)batch;
}

static void ignore(void *context)
{
    (void)context;
}

static void no_extra(void *context, struct pack *pack)
{
    (void)context;
    (void)pack;
}

struct bench {
    struct ports ports;
    struct engine *engine;
    struct turn *turn;
    struct session *session;
};

static void set_up(struct bench *b)
{
    struct turn_settings settings = {.questions_max = 10};
    *b = (struct bench){.engine = world_new()};
    struct turn_ports ports = {.context = &b->ports, .now = fixed_now, .send = take_sent,
                               .backlog = no_backlog, .submit = take_batch, .ask = take_question,
                               .committed = ignore_batch, .reload = ignore, .pack_extra = no_extra};
    struct org_request g = world_org(b->engine, 7, "legal_aid");
    world_put(b->engine, &g);
    engine_effects_clear(b->engine);
    b->turn = turn_new(b->engine, &ports, &settings, 42);
    struct identity who = identity_trusted("uid:1");
    b->session = turn_connect(b->turn, 9, &who);
}

static void tear_down(struct bench *b)
{
    turn_free(b->turn);
    engine_free(b->engine);
    arena_fini(&b->ports.arena);
}

static void request(struct bench *b, uint32_t msgid, const char *method, const char *ref, uint64_t order)
{
    struct pack p = {.bytes = NULL};
    pack_fixed_list(&p, 4);
    pack_int(&p, 0);
    pack_uint(&p, msgid);
    pack_text(&p, method);
    pack_fixed_list(&p, 1);
    pack_map(&p);
    if (ref != NULL) {
        pack_key_text(&p, "ref", ref);
        pack_key_uint(&p, "region", 1111);
        pack_key_text(&p, "category", "legal_aid");
    }
    if (order != 0)
        pack_key_uint(&p, "order", order);
    pack_close(&p);
    turn_request(b->turn, b->session, p.bytes, p.len);
    pack_fini(&p);
}

static void commit(struct bench *b)
{
    struct collected c = {.committed = b->ports.submitted};
    b->ports.submitted = NULL;
    turn_collect(b->turn, c);
    turn_end(b->turn);
}

START_TEST(nothing_leaves_before_it_is_on_disk)
{
    struct bench b;
    set_up(&b);
    request(&b, 1, "order.place", "a", 0);
    turn_end(b.turn);
    ck_assert_ptr_nonnull(b.ports.submitted);
    ck_assert_int_eq(b.ports.sent, 0);
    request(&b, 2, "order.get", NULL, 1); /* a read that saw it waits as well */
    turn_end(b.turn);
    ck_assert_int_eq(b.ports.sent, 0);
    commit(&b);
    ck_assert_int_eq(b.ports.sent, 2);
    request(&b, 3, "order.get", NULL, 1); /* what is durable is answered at once */
    turn_end(b.turn);
    ck_assert_int_eq(b.ports.sent, 3);
    tear_down(&b);
}
END_TEST

START_TEST(a_commit_that_ends_in_the_middle_of_a_pass_releases_its_own_answers_only)
{
    struct bench b;
    set_up(&b);
    request(&b, 1, "order.place", "a", 0);
    turn_end(b.turn);
    request(&b, 2, "order.place", "b", 0);
    request(&b, 3, "order.get", NULL, 2); /* sees what the commit that ends now does not hold */
    request(&b, 4, "order.approve", NULL, 99); /* a refusal has looked as well */
    struct collected c = {.committed = b.ports.submitted};
    b.ports.submitted = NULL;
    turn_collect(b.turn, c);
    ck_assert_int_eq(b.ports.sent, 1);
    turn_end(b.turn);
    ck_assert_int_eq(b.ports.sent, 1);
    commit(&b);
    ck_assert_int_eq(b.ports.sent, 4);
    tear_down(&b);
}
END_TEST

START_TEST(writes_are_gathered_while_the_writer_is_busy)
{
    struct bench b;
    set_up(&b);
    request(&b, 1, "order.place", "a", 0);
    turn_end(b.turn);
    for (uint32_t i = 2; i <= 50; i++) {
        char ref[8];
        snprintf(ref, sizeof ref, "r%u", i);
        request(&b, i, "order.place", ref, 0);
        turn_end(b.turn);
    }
    ck_assert_uint_eq(b.ports.submitted->order_count, 1);
    commit(&b);
    ck_assert_int_eq(b.ports.sent, 1);
    ck_assert_uint_eq(b.ports.submitted->order_count, 49); /* one commit for all of them */
    commit(&b);
    ck_assert_int_eq(b.ports.sent, 50);
    ck_assert(turn_is_idle(b.turn));
    tear_down(&b);
}
END_TEST

START_TEST(a_ref_in_the_same_turn_is_seen)
{
    struct bench b;
    set_up(&b);
    request(&b, 1, "order.place", "same", 0);
    request(&b, 2, "order.place", "same", 0);
    turn_end(b.turn);
    ck_assert_uint_eq(b.ports.submitted->order_count, 1); /* placed once */
    ck_assert_int_eq(b.ports.questions, 1);               /* and the row is asked for */
    ck_assert_uint_eq(b.ports.asked->barrier, b.ports.submitted->number);
    free(b.ports.asked->context);
    query_free(b.ports.asked);
    tear_down(&b);
}
END_TEST

START_TEST(a_draining_turn_takes_no_new_orders)
{
    struct bench b;
    set_up(&b);
    request(&b, 1, "order.place", "a", 0);
    turn_end(b.turn);
    commit(&b);
    turn_drain(b.turn);
    request(&b, 2, "order.place", "b", 0);
    turn_end(b.turn);
    const struct node *code = node_get(&b.ports.last->u.items[2], "code");
    ck_assert(node_is_text(code, "draining"));
    saw_refusal_word("draining");
    request(&b, 3, "order.cancel", NULL, 1); /* but finishes what there is */
    turn_end(b.turn);
    commit(&b);
    ck_assert_int_eq(b.ports.last->u.items[2].kind, NODE_NIL);
    tear_down(&b);
}
END_TEST

/* One caller's share of the work in slices and of subscriptions, whatever it asks for; what it held goes with it. */
START_TEST(a_caller_holds_no_more_than_its_share)
{
    struct bench b;
    set_up(&b);
    struct turn_settings settings = {.questions_max = 10, .share_percent = 25, .output_bytes = 256 << 20};
    struct identity who = {.principal = "token:x", .roles = ROLE_EVERY, .scope = SCOPE_EVERYWHERE};
    struct budget *budget = turn_budget(b.turn);
    turn_configure(b.turn, &settings);
    turn_disconnect(b.turn, b.session);
    b.session = turn_connect(b.turn, 10, &who);
    uint64_t jobs = budget->max[BUDGET_JOBS] / 4;
    uint64_t subscriptions = budget->max[BUDGET_SUBSCRIPTIONS] / 4;
    for (uint32_t i = 0; i < 1000; i++)
        request(&b, i, "map.cells", NULL, 0);
    ck_assert_uint_eq(budget->held[BUDGET_JOBS], jobs);
    ck_assert_uint_eq(budget->refused[BUDGET_JOBS], 1000 - jobs);
    for (uint32_t i = 0; i < 30000; i++)
        request(&b, i, "event.subscribe", NULL, 0);
    ck_assert_uint_eq(budget->held[BUDGET_SUBSCRIPTIONS], subscriptions);
    ck_assert_uint_eq(budget->refused[BUDGET_SUBSCRIPTIONS], 30000 - subscriptions);
    for (uint32_t i = 0; i < 300; i++)
        request(&b, i, "order.list", NULL, 0);
    ck_assert_uint_eq(budget->held[BUDGET_QUESTIONS], 2);
    turn_disconnect(b.turn, b.session);
    ck_assert_uint_eq(budget->held[BUDGET_SUBSCRIPTIONS] + budget->held[BUDGET_OUTPUT], 0);
    for (uint64_t i = 0; i <= jobs; i++)
        turn_end(b.turn);
    ck_assert_uint_eq(budget->held[BUDGET_JOBS], 0);
    tear_down(&b);
}
END_TEST

/* What a commit left of the old is taken by the next one, not a minute later; callers' work goes with it. */
START_TEST(purging_goes_on_until_nothing_is_left)
{
    struct bench b;
    set_up(&b);
    struct turn_settings settings = {.questions_max = 10, .refs_max = 1, .retain_events_ms = DAY_MS, .retain_contacts_ms = DAY_MS};
    turn_configure(b.turn, &settings);
    turn_load_done(b.turn, 60000);
    turn_end(b.turn);
    for (uint32_t slice = 0; slice < 60; slice++) {
        ck_assert_ptr_nonnull(b.ports.submitted);
        ck_assert(b.ports.submitted->has_retention);
        ck_assert_uint_eq(b.ports.submitted->retention.ref_id_before, 59999);
        ck_assert_int_eq(b.ports.submitted->retention.events_before, slice == 0 ? MONDAY_9 - DAY_MS : 0);
        ck_assert_int_eq(b.ports.submitted->retention.contacts_before, slice < 30 ? MONDAY_9 - DAY_MS : 0);
        ck_assert_uint_eq(b.ports.submitted->order_count, slice != 0);
        b.ports.submitted->left_over = (struct left_over){.refs = slice < 59, .contacts = slice < 29};
        char ref[20];
        snprintf(ref, sizeof ref, "r%u", slice);
        request(&b, slice, "order.place", ref, 0);
        turn_end(b.turn);
        commit(&b);
        ck_assert_int_eq(b.ports.sent, (int)slice);
    }
    ck_assert(!b.ports.submitted->has_retention); /* only the last order */
    commit(&b);
    ck_assert_ptr_null(b.ports.submitted);
    tear_down(&b);
}
END_TEST

/* Ends turns and answers their questions with nothing, as a log does whose events were purged; how many there were. */
static int answer_with_nothing(struct bench *b, struct push *push)
{
    int asked = b->ports.questions;
    for (int i = 0; i < 20; i++) {
        push_wants_sending(push, MONDAY_9);
        turn_end(b->turn);
        if (b->ports.asked != NULL)
            turn_collect(b->turn, (struct collected){.answered = b->ports.asked});
        b->ports.asked = NULL;
    }
    return b->ports.questions - asked;
}

START_TEST(behind_a_purged_log_the_platform_is_not_looked_for_again_and_again)
{
    struct bench b;
    struct push push;
    struct push_options options = {.node = 0};
    set_up(&b);
    push_init(&push, b.turn, &options, 0);
    request(&b, 1, "order.place", "a", 0);
    request(&b, 2, "order.place", "b", 0);
    turn_end(b.turn);
    commit(&b);
    uint64_t published = turn_published(b.turn);
    ck_assert_uint_ge(published, 2);
    ck_assert_int_eq(answer_with_nothing(&b, &push), 1);
    request(&b, 3, "order.place", "c", 0); /* a new one is looked for, behind what is gone */
    turn_end(b.turn);
    commit(&b);
    push_wants_sending(&push, MONDAY_9);
    turn_end(b.turn);
    ck_assert_ptr_nonnull(b.ports.asked);
    ck_assert_uint_eq(b.ports.asked->after, published);
    struct query *q = b.ports.asked;
    q->events = must_alloc(1, sizeof *q->events);
    q->external_ids = must_alloc(1, sizeof *q->external_ids);
    q->events[0] = (struct event){.seq = q->next = published + 1, .kind = EVENT_PLACED, .order = 3};
    q->event_count = 1;
    turn_collect(b.turn, (struct collected){.answered = q});
    ck_assert(push_wants_sending(&push, MONDAY_9));
    push_fini(&push);
    tear_down(&b);
}
END_TEST

Suite *suite_turn(void);
Suite *suite_turn(void)
{
    Suite *s = suite_create("turn");
    TCase *t = tcase_create("turn");
    tcase_add_test(t, a_caller_holds_no_more_than_its_share);
    tcase_add_test(t, nothing_leaves_before_it_is_on_disk);
    tcase_add_test(t, a_commit_that_ends_in_the_middle_of_a_pass_releases_its_own_answers_only);
    tcase_add_test(t, writes_are_gathered_while_the_writer_is_busy);
    tcase_add_test(t, a_ref_in_the_same_turn_is_seen);
    tcase_add_test(t, a_draining_turn_takes_no_new_orders);
    tcase_add_test(t, purging_goes_on_until_nothing_is_left);
    tcase_add_test(t, behind_a_purged_log_the_platform_is_not_looked_for_again_and_again);
    suite_add_tcase(s, t);
    return s;
}
