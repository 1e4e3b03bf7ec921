/* audit.h -- shared by what goes through the log: an auditor's command, and a start. */
#ifndef PAIDAN_AUDIT_H
#define PAIDAN_AUDIT_H

#include "sqlite.h"

/* The lines of a file of heads. With `skips_others` what another key signed, or nobody, is left out; else
 * it is a finding. */
int audit_read_heads(const char *path, const uint8_t *key, bool skips_others, struct heads *heads,
                     struct audit *audit, struct failure *failure);
void audit_free_heads(struct heads *heads);

/* From `chain` on to the last event; marks which heads the log leads to. Then what there is to say of it. */
int audit_walk(sqlite3 *db, enum vault_profile profile, struct chain *chain, struct heads *heads,
               struct audit *audit, struct failure *failure);
void audit_conclude(const struct state_head *state, const struct chain *chain, const struct heads *heads,
                    struct audit *audit);

#endif
