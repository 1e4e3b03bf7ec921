/* tokens.h -- who may call with a token `id.secret`: the secrets' digests in memory, as the store has them.
 *
 * A secret is 256 random bits, so one pass of a digest is enough to keep it (no dictionary will find it).
 * A token has up to two secrets, so that a caller can change to a new one without a pause. */
#ifndef PAIDAN_TOKENS_H
#define PAIDAN_TOKENS_H

#include "access.h"
#include "store/batch.h"

#define TOKEN_PRINCIPAL "token:" /* and the token's id: the principal of who came with it */
#define TOKEN_TEXT_BYTES (TOKEN_ID_BYTES_MAX + 1 + 64 + 1)

struct tokens {
    struct token_row *rows; /* by id */
    uint32_t count, room;
};

void tokens_fini(struct tokens *tokens);
struct token_row *tokens_find(const struct tokens *tokens, const char *id, size_t len);
/* Puts a copy of the row in its place; one with the same id goes. */
void tokens_put(struct tokens *tokens, const struct token_row *row);
/* A new secret, which becomes the newer one of the row; `text` is what its owner shows, and is nowhere else. */
void token_make_secret(struct token_row *row, char text[TOKEN_TEXT_BYTES]);
/* Whose token it is. False: nobody's, or not any more; why does not show in the time it takes. */
bool tokens_check(const struct tokens *tokens, const char *text, size_t len, int64_t now, struct identity *who);
/* Whether the identity still stands: its token was not revoked and has not run out, and the secret that it
 * came with is one of those that the token has now. Who came without a token stays who it is. */
bool tokens_still_let_in(const struct tokens *tokens, const struct identity *who, int64_t now);

#endif
