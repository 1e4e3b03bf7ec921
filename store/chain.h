/* chain.h -- the audit chain: the event log as a hash chain, in the transaction that writes it.
 *
 *     leaf = H(0x00 || entry)                            the form of RFC 9162, section 2.1.1
 *     head(n) = H("paidan-chain-v1" || head(n-1) || leaf)
 *
 * An entry is the event's columns in the table's sequence: numbers as eight bytes, most significant
 * first; texts as their length in eight bytes, then their bytes; subject and minutes only where one of
 * them is not 0. The head before the first event is 32
 * zeros. Heads are signed and written to a file from time to time; only a head that left the machine is
 * evidence against somebody who may write to all of it. */
#ifndef PAIDAN_CHAIN_H
#define PAIDAN_CHAIN_H

#include "engine/engine.h"
#include "vault.h"

struct chain {
    uint64_t seq; /* the event that the head is of */
    uint8_t head[DIGEST_BYTES];
};

void chain_add(struct chain *chain, enum vault_profile profile, const struct event *event);

/* A head that is signed: "SEQ TIME HEAD KEY SIGNATURE", numbers decimal, the rest hexadecimal, in the file
 * of heads. The head before the oldest event that is kept has a line of its own in the database, which
 * begins with "base " and is signed with it: a head that left the machine says nothing of what may be
 * gone. Where somebody went back to an older log, a line "restored FROM " with the head that was gone back
 * to says from which event. */
enum chain_mark { CHAIN_HEAD, CHAIN_BASE, CHAIN_RESTORED };
struct signed_head {
    enum chain_mark mark;
    struct chain chain;
    uint64_t from; /* of CHAIN_RESTORED */
    int64_t at;
    uint8_t key[32];
};
#define CHAIN_LINE_BYTES 352
void chain_line(const struct signed_head *head, const struct vault *vault, char line[CHAIN_LINE_BYTES]);
/* False: not such a line, or not signed by the key that it names. */
bool chain_parse(const char *line, struct signed_head *head);

/* The heads that were signed with a key, in the sequence of their file. */
struct heads {
    struct signed_head *items;
    bool *is_reached;
    size_t count;
};

struct audit {
    uint64_t events, heads; /* how many were looked at */
    uint64_t first, last;   /* event numbers */
    char finding[200];      /* what is wrong; empty: nothing */
};

/* Goes through the events of a database file, which a daemon may be using, and compares with the head
 * that stands in it and with the signed heads of a file (NULL: none). `key`: the only one whose heads
 * count; NULL: that of the file's first line. `master_key`: file of the master key, with which every row of
 * state is looked at as well; NULL: only the log is. 0, also with a finding; -1 with *failure when it
 * cannot be read. */
int audit_verify(const char *database, const char *heads, const uint8_t *key, const char *master_key,
                 struct audit *audit, struct failure *failure);

#endif
