/* batch.h -- the rows that one commit makes durable.
 *
 * batch_gather() copies what the engine's effects name, each object once however often it moved since
 * the last commit, and clears the effects. The batch owns its copies; batch_reset() empties it and
 * keeps the memory. */
#ifndef PAIDAN_BATCH_H
#define PAIDAN_BATCH_H

#include "engine/engine.h"
#include "engine/pool.h"

/* A request that was answered, so that asking again gets the same answer. */
struct ref_row {
    uint64_t id;     /* sequence */
    uint64_t digest; /* of the request */
    int64_t at;
    char *caller, *ref; /* owned */
    uint8_t *answer;    /* owned: MessagePack */
    uint32_t answer_bytes;
};

#define CONTACT_TEXT_BYTES_MAX 400

enum contact_change {
    CONTACT_PUT,   /* in place of what was kept; the point of the home stays when there is no new one */
    CONTACT_MOVED, /* only the point is new */
    CONTACT_ERASED /* with those of a recurring order, what its orders have of their own */
};

/* Personal data of an order. Never logged, never in an event, never in Redis. */
struct contact_row {
    uint64_t order_id;
    uint64_t series; /* the recurring order whose data it shares; its own number: it is one */
    int64_t put_at; /* 0 in the store: erased, and what the recurring order has is not shown either */
    enum contact_change change;
    char name[CONTACT_TEXT_BYTES_MAX + 1], phone[CONTACT_TEXT_BYTES_MAX + 1],
        address[CONTACT_TEXT_BYTES_MAX + 1], note[CONTACT_TEXT_BYTES_MAX + 1],
        proxy_name[CONTACT_TEXT_BYTES_MAX + 1], proxy_phone[CONTACT_TEXT_BYTES_MAX + 1]; /* of who placed it for them */
    int32_t lat, lon; /* the exact point of a home */
    bool has_point;
};

#define TOKEN_ID_BYTES_MAX 24

/* Who may call: secrets as digests, at most two of them alive so that they can be changed in peace. */
struct token_row {
    char id[TOKEN_ID_BYTES_MAX + 1];
    uint8_t secrets[2][32]; /* the newer one first */
    uint32_t secret_count, roles;
    uint64_t region, org;
    int64_t made_at, expires_at, revoked_at; /* 0: never */
};

/* What may be forgotten: everything before these instants; 0 keeps all. */
struct retention {
    int64_t events_before, refs_before, contacts_before;
    uint64_t ref_id_before; /* the bound on their number */
};
/* What a commit did not come to the end of, so that none is long: the next one goes on. */
struct left_over {
    bool events, refs, contacts;
};

struct tally_row {
    uint64_t org;
    struct tally tally;
    struct recent recent;
};

/* An event that the platform refused for good, or that is parked: proto/push.h tells them apart by the status. */
struct dead_letter {
    uint64_t seq;
    int64_t at;
    uint32_t status; /* of HTTP; 0: no answer, or not tried yet */
    bool is_gone;    /* delivered after all, or given up: the row goes */
};

struct batch {
    uint64_t number;
    struct order *orders;
    struct offer *offers;
    struct org *orgs; /* deep copies */
    struct tally_row *tallies;
    struct event *events;
    struct record_row *records;
    struct emergency *emergencies;
    struct series *series;
    struct dead_letter *dead_letters;
    struct served_pair *served;
    uint64_t *removed_orgs;
    struct ref_row *refs;
    struct contact_row *contacts;
    struct token_row *tokens;
    struct skill *skills; /* the whole catalogue when it has changed */
    uint32_t order_count, order_room, offer_count, offer_room, org_count, org_room, tally_count,
        tally_room, event_count, event_room, record_count, record_room, served_count, served_room,
        removed_count, removed_room, ref_count, ref_room, contact_count, contact_room, token_count, token_room,
        skill_count, emergency_count, emergency_room, series_count, series_room, dead_count, dead_room;
    uint64_t push_cursor; /* the last event that the platform has */
    bool has_push_cursor;
    struct counters counters;
    uint64_t next_ref;
    struct retention retention;
    bool has_retention;
    struct left_over left_over; /* the writer's answer to it */
    struct map order_places, offer_places, tally_places; /* id to place in the array plus nothing */
};

void batch_gather(struct batch *batch, struct engine *engine);
void batch_add_ref(struct batch *batch, struct ref_row row); /* takes its strings */
void batch_add_contact(struct batch *batch, const struct contact_row *row);
void batch_add_token(struct batch *batch, const struct token_row *row);
void batch_add_dead_letter(struct batch *batch, const struct dead_letter *row);
void batch_add_catalogue(struct batch *batch, const struct catalogue *catalogue);
bool batch_is_empty(const struct batch *batch);
void batch_reset(struct batch *batch);
void batch_fini(struct batch *batch);

#endif
