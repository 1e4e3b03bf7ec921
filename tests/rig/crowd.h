/* crowd.h -- the clients of a simulation: platforms, dispatchers and organisations that send real
 * frames over a transport that splits, delays and breaks, ask again what they do not know the outcome
 * of, and keep a journal of what was acknowledged. */
#ifndef PAIDAN_RIG_CROWD_H
#define PAIDAN_RIG_CROWD_H

#include "proto/frame.h"
#include "service.h"

#define CROWD_ORGS 8
#define CROWD_CLIENTS 8

enum client_kind { CLIENT_PLATFORM, CLIENT_DISPATCHER, CLIENT_ORG };

/* What a client was told for certain. */
enum deed { DEED_PLACE, DEED_ACCEPT, DEED_START, DEED_COMPLETE, DEED_CANCEL, DEED_CONTACT, DEED_INTAKE,
            DEED_RECORD, DEED_SERIES,
            DEED_SEEN, DEED_OFFER_SEEN }; /* nothing was done, but it was shown: an order in a state, an offer */

struct journal_line {
    enum deed deed;
    uint64_t id; /* of the order or the offer; of an order from the intake, its attempt */
    uint64_t attempt; /* DEED_SEEN: the state */
};

struct journal {
    struct journal_line *lines;
    size_t count, room;
    uint64_t attempts; /* each order that is placed carries the number of its attempt */
    uint64_t *refused; /* attempts that were refused for certain */
    size_t refused_count, refused_room;
};

struct wire {
    uint8_t *bytes;
    size_t len, room;
};

struct crowd_client {
    enum client_kind kind;
    int place;
    uint64_t connection; /* 0: not connected */
    struct session *session;
    struct frame_scan scan, answer_scan;
    struct wire to, arrived, from; /* not delivered; delivered but no whole frame; answers under way */
    struct pack request;   /* what waits for its answer */
    bool is_waiting;
    uint32_t msgid;
    int patience; /* ticks until it asks again */
    enum deed deed;
    bool is_deed;
    uint64_t subject, attempt, org;
    uint64_t known[16]; /* orders or offers that it may do something about */
    size_t known_count;
};

struct crowd {
    struct service *service;
    struct crowd_client clients[CROWD_CLIENTS];
    struct journal journal;
    struct arena arena;
    uint64_t random, next_connection, next_ref, answered, refused, repeated, trace;
    uint32_t next_msgid;
    bool seen[1024]; /* orders, in a queue */
    bool is_lossless; /* the transport is healed */
    bool is_quiet;    /* nobody asks anything new */
    bool has_threads; /* between two clients a thread may take a turn, and the loop may take in what it did */
};

void crowd_init(struct crowd *crowd, struct service *service, uint64_t seed);
void crowd_fini(struct crowd *crowd);
/* One tick: clients ask, bytes travel, requests reach the service, answers reach clients. */
void crowd_tick(struct crowd *crowd);
/* What the service has sent arrives, though it has died since. */
void crowd_hear_out(struct crowd *crowd);
/* The service has gone: all connections with it. */
void crowd_cut(struct crowd *crowd);
bool crowd_is_idle(const struct crowd *crowd);
/* The service's `send`. */
void crowd_receive(void *crowd, uint64_t connection, const uint8_t *bytes, size_t len);

#endif
