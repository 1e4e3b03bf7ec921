/* access.h -- who may do what. Deny is the default: a method names the roles that may call it, a caller
 * has roles and the region or the organisation that they hold for, and one function compares the two.
 *
 * A platform, dispatcher, supervisor and auditor see a region and all below; an organisation sees what
 * was offered to it; an operator runs the service. A supervisor may do what a dispatcher may. */
#ifndef PAIDAN_ACCESS_H
#define PAIDAN_ACCESS_H

#include "engine/engine.h"

enum role {
    ROLE_PLATFORM = 1,
    ROLE_DISPATCHER = 2,
    ROLE_SUPERVISOR = 4,
    ROLE_ORG = 8,
    ROLE_AUDITOR = 16,
    ROLE_OPERATOR = 32,
    ROLE_EVERY = 63,
    ROLE_ANYONE = 64, /* of a method: also those who have not said who they are */
};

/* The longest list of roles, as text. */
#define ROLES_BYTES 64

/* Where the roles other than org hold. Who is given none has none: everywhere is said, never left out. */
enum scope { SCOPE_NOWHERE, SCOPE_REGION, SCOPE_EVERYWHERE };

struct identity {
    char principal[ACTOR_BYTES_MAX + 1]; /* uid:1000, tcp, intake, token:ID */
    unsigned roles;
    enum scope scope;
    uint64_t region;    /* of SCOPE_REGION */
    uint64_t org;       /* of ROLE_ORG; 0: none, and the role opens nothing */
    int64_t expires_at; /* 0: never */
    bool is_vouched;    /* the system says who it is, and it runs the service: root, the daemon's own user, the intake */
    bool has_secret;    /* it came with a token; `secret` is the digest of what it showed */
    uint8_t secret[32];
};

/* "dispatcher, org", "all", "anyone"; and back, with | or , between. False: not a role. */
const char *roles_text(unsigned roles, char text[ROLES_BYTES]);
bool roles_parse(const char *text, size_t len, unsigned *roles);

/* An identity that may do everything, for callers that the system vouches for. */
struct identity identity_trusted(const char *principal);

struct call;
struct query;
/* Whether the call may be carried out on what its parameters name; else its error says why. Names the
 * caller's own region or organisation where a list is asked for without one. Cost: the few objects that
 * the parameters name. */
bool access_check(struct call *call);
/* Narrows what the reader looks up to what the caller may see; without it a question reaches nothing. */
void access_narrow(const struct call *call, struct query *query);
/* Whether the caller may see an order of that region; one with the role org alone: as far as its region goes. */
bool access_sees(const struct call *call, uint64_t region);
/* Whether the caller may see how many orders there are at a region, and offers of an organisation: of all
 * regions, so who holds for one does not. */
bool access_counts(const struct call *call, uint64_t region);
bool access_counts_org(const struct call *call, const struct org *org);

#endif
