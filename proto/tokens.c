#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "store/vault.h"

void tokens_fini(struct tokens *t)
{
    free(t->rows);
    *t = (struct tokens){.rows = NULL};
}

/* Where the id is, or would be. */
static uint32_t place_of(const struct tokens *t, const char *id)
{
    uint32_t low = 0;
    uint32_t high = t->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strcmp(t->rows[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct token_row *tokens_find(const struct tokens *t, const char *id, size_t len)
{
    char name[TOKEN_ID_BYTES_MAX + 1];
    if (len > TOKEN_ID_BYTES_MAX)
        return NULL;
    memcpy(name, id, len);
    name[len] = '\0';
    uint32_t at = place_of(t, name);
    return at < t->count && strcmp(t->rows[at].id, name) == 0 ? &t->rows[at] : NULL;
}

void tokens_put(struct tokens *t, const struct token_row *row)
{
    uint32_t at = place_of(t, row->id);
    if (at == t->count || strcmp(t->rows[at].id, row->id) != 0) {
        if (t->count == t->room)
            t->rows = must_realloc(t->rows, t->room = t->room * 2 + 16, sizeof *t->rows);
        memmove(&t->rows[at + 1], &t->rows[at], (t->count - at) * sizeof *t->rows);
        t->count++;
    }
    t->rows[at] = *row;
}

static void digest_of(const char *id, size_t id_len, const char *secret, size_t len, uint8_t digest[DIGEST_BYTES])
{
    static const char label[] = "paidan-token-v1";
    vault_digest(VAULT_INTERNATIONAL,
                 (struct piece[]){{label, sizeof label}, {id, id_len}, {".", 1}, {secret, len}}, 4, digest);
}

void token_make_secret(struct token_row *row, char text[TOKEN_TEXT_BYTES])
{
    uint8_t secret[32];
    char hex[65];
    vault_random(secret, sizeof secret);
    hex_encode(secret, sizeof secret, hex);
    snprintf(text, TOKEN_TEXT_BYTES, "%s.%s", row->id, hex);
    memcpy(row->secrets[1], row->secrets[0], sizeof row->secrets[0]);
    digest_of(row->id, strlen(row->id), hex, sizeof hex - 1, row->secrets[0]);
    row->secret_count = row->secret_count == 0 ? 1 : 2;
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(hex, sizeof hex);
}

bool tokens_check(const struct tokens *t, const char *text, size_t len, int64_t now, struct identity *who)
{
    static const struct token_row nobody = {.secret_count = 0};
    uint8_t digest[DIGEST_BYTES];
    const char *dot = memchr(text, '.', len);
    size_t id_len = dot != NULL ? (size_t)(dot - text) : len;
    size_t skip = dot != NULL ? id_len + 1 : len;
    const struct token_row *row = tokens_find(t, text, id_len);
    row = row != NULL ? row : &nobody;
    digest_of(text, id_len, text + skip, len - skip, digest);
    bool is_first = vault_equal(digest, row->secrets[0], sizeof digest);
    bool is_second = vault_equal(digest, row->secrets[1], sizeof digest);
    bool is_known = (is_first && row->secret_count > 0) || (is_second && row->secret_count > 1);
    if (!is_known || row->revoked_at != 0 || (row->expires_at != 0 && row->expires_at <= now))
        return false;
    *who = (struct identity){.roles = row->roles, .region = row->region, .org = row->org,
                             .expires_at = row->expires_at, .has_secret = true};
    if ((row->roles & ~(unsigned)ROLE_ORG) != 0) /* region 0 of a row is everywhere: token.add takes it from nobody who did not say so */
        who->scope = row->region != 0 ? SCOPE_REGION : SCOPE_EVERYWHERE;
    memcpy(who->secret, digest, sizeof who->secret);
    snprintf(who->principal, sizeof who->principal, TOKEN_PRINCIPAL "%s", row->id);
    return true;
}

bool tokens_still_let_in(const struct tokens *t, const struct identity *who, int64_t now)
{
    if (who->expires_at != 0 && who->expires_at <= now)
        return false;
    if (!who->has_secret)
        return true;
    const char *id = who->principal + strlen(TOKEN_PRINCIPAL);
    const struct token_row *row = tokens_find(t, id, strlen(id));
    for (uint32_t i = 0; row != NULL && row->revoked_at == 0 && i < row->secret_count; i++)
        if (vault_equal(who->secret, row->secrets[i], sizeof who->secret))
            return true;
    return false;
}
