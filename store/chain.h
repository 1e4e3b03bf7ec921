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
 * begins with "base " and is signed with it: a head that left the machine says nothing of what may be gone. */
enum chain_mark { CHAIN_HEAD, CHAIN_BASE };
#define CHAIN_LINE_BYTES 320
void chain_line(enum chain_mark mark, const struct chain *chain, int64_t now, const struct vault *vault,
                char line[CHAIN_LINE_BYTES]);
/* False: not such a line, or not signed by the key that it names. */
bool chain_parse(enum chain_mark mark, const char *line, struct chain *chain, int64_t *at, uint8_t key[32]);

struct audit {
    uint64_t events, heads; /* how many were looked at */
    uint64_t first, last;   /* event numbers */
    char finding[200];      /* what is wrong; empty: nothing */
};

/* Goes through the events of a database file, which a daemon may be using, and compares with the head
 * that stands in it and with the signed heads of a file (NULL: none). `key`: the only one whose heads
 * count; NULL: that of the file's first line. 0, also with a finding; -1 with *failure when it cannot be read. */
int audit_verify(const char *database, const char *heads, const uint8_t *key, struct audit *audit,
                 struct failure *failure);

#endif
