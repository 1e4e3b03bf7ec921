/* methods_token.c -- token.*: who may call, kept by the operator. */
#include <stdio.h>
#include <string.h>

#include "engine/pool.h"
#include "methods.h"

/* A change of a token: durable with the turn's batch, in force at once, and an event of the log. */
static bool change(struct call *call, const struct token_row *row, enum event_kind kind)
{
    struct command c = {.op = OP_NOTE, .reason = row->id, .u.note.kind = kind};
    if (!call_step(call, &c))
        return false;
    turn_put_token(call->turn, row);
    return true;
}

static const struct token_row *find(struct call *call)
{
    const char *id = call->args.text[P_TOKEN_ID];
    const struct token_row *row = tokens_find(turn_tokens(call->turn), id, strlen(id));
    if (row == NULL)
        error_set(&call->error, REFUSAL_NOT_FOUND, "token_id", "%s", "");
    return row;
}

static bool check_scope(struct call *call, const struct token_row *row)
{
    if ((row->roles & ROLE_ORG) != 0 && row->org == 0)
        return error_set(&call->error, REFUSAL_MISSING_FIELD, "org", "the role org is of one organisation");
    bool is_everywhere = arg_number(&call->args, P_EVERYWHERE, 0) != 0;
    bool holds_somewhere = (row->roles & ~(unsigned)(ROLE_ORG | ROLE_OPERATOR)) != 0;
    if ((row->roles & ROLE_OPERATOR) != 0 && row->region != 0)
        return error_set(&call->error, REFUSAL_BAD_VALUE, "region", "an operator has the whole service");
    if (holds_somewhere && row->region == 0 && !is_everywhere)
        return error_set(&call->error, REFUSAL_MISSING_FIELD, "region", "name the region that it holds for, or say everywhere");
    if (is_everywhere && row->region != 0)
        return error_set(&call->error, REFUSAL_BAD_VALUE, "everywhere", "it holds for a region, or everywhere");
    if (row->org != 0 && (row->roles & ROLE_ORG) == 0)
        return error_set(&call->error, REFUSAL_BAD_VALUE, "org", "only the role org is of an organisation");
    if (row->region != 0 && engine_region_find(call->engine, row->region) == SLOT_NONE)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "region", "%s", "");
    if (row->org != 0 && engine_org(call->engine, row->org) == NULL)
        return error_set(&call->error, REFUSAL_NOT_FOUND, "org", "%s", "");
    if (row->expires_at != 0 && row->expires_at <= call->now)
        return error_set(&call->error, REFUSAL_BAD_VALUE, "until", "it lies in the past");
    return true;
}

static bool run_add(struct call *call, struct pack *out)
{
    const struct args *a = &call->args;
    const char *id = a->text[P_TOKEN_ID];
    struct token_row row = {.roles = (uint32_t)arg_number(a, P_ROLES, 0),
                            .region = (uint64_t)arg_number(a, P_REGION, 0),
                            .org = (uint64_t)arg_number(a, P_ORG, 0),
                            .made_at = call->now,
                            .expires_at = arg_number(a, P_UNTIL, 0)};
    (void)out;
    if (tokens_find(turn_tokens(call->turn), id, strlen(id)) != NULL)
        return error_set(&call->error, REFUSAL_BAD_VALUE, "token_id", "it exists; token.rotate gives it a new secret");
    if (!check_scope(call, &row))
        return false;
    snprintf(row.id, sizeof row.id, "%s", id);
    call->secret = arena_take(turn_arena(call->turn), TOKEN_TEXT_BYTES);
    token_make_secret(&row, call->secret);
    return change(call, &row, EVENT_TOKEN_ADDED);
}

static bool run_rotate(struct call *call, struct pack *out)
{
    const struct token_row *found = find(call);
    (void)out;
    if (found == NULL)
        return false;
    struct token_row row = *found;
    if (row.revoked_at != 0)
        return error_set(&call->error, REFUSAL_BAD_STATE, "token_id", "it was revoked");
    call->secret = arena_take(turn_arena(call->turn), TOKEN_TEXT_BYTES);
    token_make_secret(&row, call->secret);
    return change(call, &row, EVENT_TOKEN_ROTATED);
}

bool tokens_end_of_org(struct call *call, uint64_t org)
{
    const struct tokens *tokens = turn_tokens(call->turn);
    for (uint32_t i = 0; i < tokens->count; i++) {
        struct token_row row = tokens->rows[i];
        if (row.org != org || row.revoked_at != 0)
            continue;
        row.revoked_at = call->now;
        if (!change(call, &row, EVENT_TOKEN_REVOKED))
            return false;
    }
    return true;
}

static bool run_revoke(struct call *call, struct pack *out)
{
    const struct token_row *found = find(call);
    (void)out;
    if (found == NULL)
        return false;
    struct token_row row = *found;
    row.revoked_at = row.revoked_at != 0 ? row.revoked_at : call->now;
    return change(call, &row, EVENT_TOKEN_REVOKED);
}

static void encode_token(struct call *call, struct pack *out)
{
    pack_map(out);
    pack_key_text(out, "token_id", call->args.text[P_TOKEN_ID]);
    if (call->secret != NULL) {
        pack_key_text(out, "token", call->secret);
        explicit_bzero(call->secret, TOKEN_TEXT_BYTES);
    }
    pack_close(out);
}

static bool run_list(struct call *call, struct pack *out)
{
    const struct tokens *tokens = turn_tokens(call->turn);
    uint32_t from = 0;
    if (!place_from_cursor(call, &from))
        return false;
    uint32_t limit = (uint32_t)arg_number(&call->args, P_LIMIT, 100);
    uint32_t i = from;
    char roles[ROLES_BYTES];
    pack_map(out);
    pack_key(out, "items");
    pack_list(out);
    for (; i < tokens->count && i - from < limit; i++) {
        const struct token_row *row = &tokens->rows[i];
        pack_map(out);
        pack_key_text(out, "token_id", row->id);
        pack_key_text(out, "roles", roles_text(row->roles, roles));
        pack_key_uint(out, "region", row->region);
        pack_key_uint(out, "org", row->org);
        pack_key_uint(out, "secrets", row->secret_count);
        pack_key_int(out, "made_at", row->made_at);
        pack_key_int(out, "until", row->expires_at);
        pack_key_int(out, "revoked_at", row->revoked_at);
        pack_close(out);
    }
    pack_close(out);
    pack_next(out, i < tokens->count ? i : 0);
    pack_close(out);
    return true;
}

const struct method token_methods[] = {
    {"token.add", ROLE_OPERATOR, "A token for a caller: what it may do, and the region or the organisation that it holds for. The answer shows it once; only a digest is kept.", "{token_id, token}", METHOD_WRITE, 2, {P_TOKEN_ID, P_ROLES, P_REGION, P_EVERYWHERE, P_ORG, P_UNTIL}, run_add, encode_token, NULL},
    {"token.rotate", ROLE_OPERATOR, "A new secret; the one before stays good until the next rotation, so that callers change in peace.", "{token_id, token}", METHOD_WRITE, 1, {P_TOKEN_ID}, run_rotate, encode_token, NULL},
    {"token.revoke", ROLE_OPERATOR, "The token is no good any more; who came with it is shut out at once.", "{token_id}", METHOD_WRITE, 1, {P_TOKEN_ID}, run_revoke, encode_token, NULL},
    {"token.list", ROLE_OPERATOR, "All tokens, without their secrets.", "{items: [{token_id, roles, region, org, secrets, made_at, until, revoked_at}], next}", 0, 0, {P_AFTER, P_LIMIT}, run_list, NULL, NULL},
};
const int token_method_count = (int)ARRAY_LEN(token_methods);
