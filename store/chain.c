/* chain.c -- heads: computing, signing, reading. Going through a database is in audit.c. */
#include "chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct entry {
    uint8_t bytes[1024];
    size_t len;
};

static void add_number(struct entry *e, uint64_t number)
{
    for (int i = 7; i >= 0; i--)
        e->bytes[e->len++] = (uint8_t)(number >> (8 * i));
}

static void add_text(struct entry *e, const char *text)
{
    size_t len = strlen(text);
    add_number(e, len);
    memcpy(e->bytes + e->len, text, len);
    e->len += len;
}

_Static_assert(sizeof(((struct event *)0)->actor) + sizeof(((struct event *)0)->reason) + 18 * 8 < 1024,
               "an entry holds every event");

void chain_add(struct chain *chain, enum vault_profile profile, const struct event *event)
{
    static const uint8_t leaf_mark[1] = {0};
    static const char label[] = "paidan-chain-v1";
    struct entry e = {.len = 0};
    uint8_t leaf[DIGEST_BYTES];
    const uint64_t numbers[] = {event->seq, event->prev, (uint64_t)event->at, event->kind,
                                event->order, event->offer, event->org, event->region,
                                event->county, event->people, event->state, event->level};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        add_number(&e, numbers[i]);
    add_text(&e, event->actor);
    add_text(&e, event->reason);
    if (event->subject != 0 || event->minutes != 0) { /* since schema 4: what came before digests as it did */
        add_number(&e, event->subject);
        add_number(&e, event->minutes);
    }
    vault_digest(profile, (struct piece[]){{leaf_mark, 1}, {e.bytes, e.len}}, 2, leaf);
    vault_digest(profile,
                 (struct piece[]){{label, sizeof label - 1}, {chain->head, DIGEST_BYTES}, {leaf, DIGEST_BYTES}},
                 3, chain->head);
    chain->seq = event->seq;
}

/* What is signed: the line up to the key. */
static size_t signed_part(const struct signed_head *h, char *text, size_t size)
{
    char head[DIGEST_BYTES * 2 + 1];
    char label[40] = "";
    if (h->mark == CHAIN_BASE)
        snprintf(label, sizeof label, "base ");
    else if (h->mark == CHAIN_RESTORED)
        snprintf(label, sizeof label, "restored %" PRIu64 " ", h->from);
    hex_encode(h->chain.head, DIGEST_BYTES, head);
    return (size_t)snprintf(text, size, "%s%" PRIu64 " %" PRId64 " %s", label, h->chain.seq, h->at, head);
}

void chain_line(const struct signed_head *head, const struct vault *vault, char line[CHAIN_LINE_BYTES])
{
    uint8_t key[32];
    uint8_t signature[SIGNATURE_BYTES];
    char key_text[sizeof key * 2 + 1];
    char signature_text[sizeof signature * 2 + 1];
    size_t len = signed_part(head, line, CHAIN_LINE_BYTES);
    vault_sign(vault, line, len, signature);
    vault_public_key(vault, key);
    hex_encode(key, sizeof key, key_text);
    hex_encode(signature, sizeof signature, signature_text);
    snprintf(line + len, CHAIN_LINE_BYTES - len, " %s %s\n", key_text, signature_text);
}

bool chain_parse(const char *line, struct signed_head *h)
{
    char head[65];
    char key_text[65];
    char signature_text[129];
    char text[CHAIN_LINE_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    int skip = 0;
    *h = (struct signed_head){.mark = CHAIN_HEAD};
    if (strncmp(line, "base ", 5) == 0) {
        h->mark = CHAIN_BASE;
        skip = 5;
    } else if (sscanf(line, "restored %" SCNu64 " %n", &h->from, &skip) == 1) {
        h->mark = CHAIN_RESTORED;
    }
    if (sscanf(line + skip, "%" SCNu64 " %" SCNd64 " %64s %64s %128s", &h->chain.seq, &h->at, head, key_text,
               signature_text) != 5)
        return false;
    if (strlen(head) != 64 || strlen(key_text) != 64 || strlen(signature_text) != 128 ||
        !hex_decode(head, 64, h->chain.head) || !hex_decode(key_text, 64, h->key) ||
        !hex_decode(signature_text, 128, signature))
        return false;
    size_t len = signed_part(h, text, sizeof text);
    return vault_verify(h->key, text, len, signature);
}
