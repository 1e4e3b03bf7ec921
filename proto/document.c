#include "document.h"

#include "turn.h"

static const char opening[] =
    "# The protocol\n\n"
    "Written from the method table by `make docs`; do not edit it by hand.\n\n"
    "paidand speaks [MessagePack-RPC](https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md) "
    "over Unix sockets, loopback TCP and TLS; HTTP and Redis are further down:\n\n"
    "| message | form |\n| --- | --- |\n"
    "| request | `[0, msgid, method, [params]]`, where `params` is one map (or nothing) |\n"
    "| answer | `[1, msgid, error, result]`; one of the two is nil |\n"
    "| notification | `[2, \"event\", [{…}]]`, after `event.subscribe` |\n\n"
    "Requests may be pipelined. Answers may come out of order; `msgid` tells them apart. The answer to a "
    "write, and to a read that may have seen it, comes after the write is on disk.\n\n"
    "**Values.** Times are integers, milliseconds since 1970 UTC. Coordinates are degrees of WGS-84 "
    "(`crs: \"gcj02\"` is converted). Integers stay within 2^53 - 1. Text is UTF-8. A nil parameter is "
    "an absent one; a parameter that the method does not have is refused by name.\n\n"
    "**Answers** name what they made by its kind: `{order: ID, …}`, `{org: ID}`. A list is `{items: […], "
    "next}`; give `next` back as `after` for the next page, nil was the last. A page may hold fewer items "
    "than `limit`, or none, and still have a `next`.\n\n"
    "**Repeating.** With a `ref` a write may be sent again, after a lost connection for instance: the same "
    "request under the same ref gets the same answer, another request under it gets `conflict`. A ref "
    "belongs to its caller (`token:ID`, `uid:N` of a Unix socket's peer, or `tcp`) and is remembered for the setting "
    "`retain_refs_days`.\n\n"
    "**Personal data** travel only in `contact` and `note`, are kept in a table of their own, and never "
    "appear in events, logs, Redis or error texts. When an order brings them, its place is rounded to 0.001 "
    "degree everywhere else.\n\n"
    "**Frames** are at most 1 MiB, 12 levels deep and 65536 values; extension types are refused. A frame "
    "beyond that, or one that is no MessagePack, is answered with `bad_frame` and msgid 0, and the "
    "connection ends.\n\n"
    "**Who calls.** `session.hello` with a token `id.secret` says who one is; before it only `session.hello`, "
    "`server.info` and `code.list` are answered, unless the service vouches for the caller (its own user and root on the Unix "
    "socket) or is set to (`open_roles`). A token has roles and a scope: a region and all below it, or one "
    "organisation. Without a scope a role opens nothing; a token for all regions is asked for with `everywhere`, except "
    "that the role `operator` runs the whole service by its nature: what it may do is not of regions. Lists and "
    "counts are narrowed to the scope; what lies outside it is answered like what is not there: an order with `not_found`, a region or "
    "organisation with `forbidden`. What was asked is answered as who asked, and only while that token lasts: a connection that came with "
    "a secret which was rotated away is shut out. A supervisor may do what a dispatcher may. After three wrong tokens the "
    "connection ends; who has not said hello within 10 s, or sends more than 4 KiB before it, is disconnected. "
    "Beyond loopback the transport is TLS 1.3 with certificates on both sides, and the token is needed as well.\n\n"
    "**Limits.** No connection is read further while 1,024 of its answers or 64 KiB of them wait to be taken; a frame "
    "must end within 30 s. `rate_limited`, `overloaded`, `storage_low` and `draining` carry `retry: true`.\n\n"
    "**HTTP.** With `listen = http:127.0.0.1:PORT` the same methods are `POST /rpc/METHOD` with the parameters as a JSON "
    "object (`Content-Type: application/json`, which only a browser must send; 1 MiB, 10 levels deep and 65536 values at most, "
    "4 KiB without a token) and the token as `Authorization: Bearer id.secret`. The result is the body; a refusal is always "
    "`{\"error\": {code, message, field?, …}}`, with status 400, 401, 403, 404, 405, 409, 413, 415, 429, 431, 501 or 503. After "
    "a wrong token, or a request that could be read in two ways, the connection ends. What strangers may do (`open_roles`) is for "
    "requests to `localhost`, `127.x.x.x` or `[::1]` that no page of somebody else's makes. Roles, limits and what an answer "
    "promises are the socket's.\n\n"
    "| path | what |\n| --- | --- |\n"
    "| `GET /events` | `event.subscribe` as server-sent events, its parameters in the query; `id` is the event's number, and "
    "`Last-Event-ID` goes on after it |\n"
    "| `GET /openapi.json` | this interface as OpenAPI 3.1 |\n"
    "| `GET /healthz`, `GET /readyz` | 200 while the service runs; 503 from `readyz` while it takes nothing new |\n"
    "| `GET /metrics` | `server.stats` as Prometheus's text, for the role operator |\n"
    "| `GET /` | the console |\n\n"
    "It stays on loopback: beyond it, put a proxy with TLS before it. A connection that sends no whole request for 30 s is "
    "closed; 2,000 are held at most.\n\n"
    "**Redis.** With `live = redis…` other programs can read, and block on, what is committed; keys of a county share "
    "its hash tag:\n\n"
    "| key | what |\n| --- | --- |\n"
    "| `paidan:{COUNTY}:ready:REGION` | sorted set of the orders that wait at a region, by deadline |\n"
    "| `paidan:{COUNTY}:inbox:ORG` | sorted set of an organisation's pending offers, by deadline |\n"
    "| `paidan:{COUNTY}:order:ID` | hash of an open order |\n"
    "| `paidan:{COUNTY}:events` | stream of events, trimmed to about 100,000; the whole is `event.read` |\n"
    "| `paidan:epoch` | the name of this filling; while it is absent the queues are being filled and not to be relied on |\n"
    "| `paidan:intake` | stream to append orders to: `XADD paidan:intake * region 441302001001 category legal_aid …` |\n"
    "| `paidan:intake:refused` | stream of the entries that cannot be placed: its number as `entry`, `code`, `field`, `message`, and none of its values |\n\n"
    "An entry of the intake has the parameters of `order.place` as text, lists with `|` between, times as milliseconds or "
    "RFC 3339, and `contact_name`, `contact_phone`, `contact_address`. It is acknowledged (XACK) and deleted (XDEL) when its order is on disk, for it may hold personal data. "
    "Give it a `ref`: what is appended twice under one ref is placed once; without one the entry's number and what it "
    "says stand in for it. Something else under `paidan:intake` is left alone, and nothing is taken until somebody has moved "
    "it; something else under any other of these keys is deleted, and the queues are filled anew. "
    "Keys and members that somebody lost or added are found by a sweep, ten pages of 500 a second, and mended: with 10,000 open "
    "orders within half a minute, with 100,000 within five. Fields added to an order's hash stay.\n\n"
    "It takes one Redis server, 6.2 or later, without a password. A Redis Cluster is not supported yet; `live.reason` of "
    "`server.stats` says so, as it says of everything else why the queues are not up (a password or permission that is "
    "missing, a replica, a full memory, a disk that fails), and `live.intake_reason` why nothing is taken.\n\n"
    "## Errors\n\n`{code, message, field?, retry?, misfit?, id?, low?, high?}`. `retry: true` says that the "
    "same request may succeed later.\n\n| code | retry | cause | 中文 |\n| --- | --- | --- | --- |\n";

static void print_words(FILE *out, const char *title, const struct wordlist *list)
{
    fprintf(out, "\n## %s\n\n| word | 中文 |%s\n| --- | --- |%s\n", title,
            list == &words_misfit ? " meaning |" : "", list == &words_misfit ? " --- |" : "");
    for (int i = 0; i < list->count; i++) {
        const struct word *word = &list->words[i];
        if (word->name == NULL)
            continue;
        fprintf(out, "| `%s` | %s |", word->name, word->zh);
        if (word->text != NULL)
            fprintf(out, " %s |", word->text);
        fputc('\n', out);
    }
}

static void print_method(FILE *out, const struct method *m)
{
    char roles[ROLES_BYTES];
    fprintf(out, "\n### %s\n\n%s\n\nRole: %s.%s Answer: `%s`\n", m->name, m->text, roles_text(m->roles, roles),
            (m->flags & METHOD_WRITE) != 0 ? " A write." : "", m->answer);
    if (method_param_count(m) == 0)
        return;
    fputs("\n| parameter | type | range | |\n| --- | --- | --- | --- |\n", out);
    for (int i = 0; i < method_param_count(m); i++) {
        const struct param_info *p = &params[m->params[i]];
        fprintf(out, "| `%s`%s | %s | ", p->name, i < m->required ? " **required**" : "",
                param_kind_text(p->kind));
        if (p->low < p->high)
            fprintf(out, "%lld to %lld%s", (long long)p->low, (long long)p->high,
                    p->kind == KIND_TEXT || p->kind == KIND_PATH || p->kind == KIND_CODE ? " bytes" : "");
        fprintf(out, " | %s |\n", p->text);
    }
}

void document_protocol(FILE *out)
{
    fputs(opening, out);
    for (int i = 1; i < REFUSAL_COUNT; i++)
        fprintf(out, "| `%s` | %s | %s | %s |\n", words_refusal.words[i].name,
                words_refusal.words[i].may_retry ? "yes" : "", words_refusal.words[i].text, words_refusal.words[i].zh);
    print_words(out, "Misfits", &words_misfit);
    print_words(out, "States of an order", &words_order_state);
    print_words(out, "States of an offer", &words_offer_state);
    print_words(out, "Events", &words_event_kind);
    fputs("\n## Methods\n", out);
    for (int t = 0; t < method_table_count; t++)
        for (int i = 0; i < method_count(t); i++)
            print_method(out, &method_tables[t][i]);
}
