#include "intake.h"

#include <stdio.h>
#include <string.h>

#include "texts.h"

static struct live_entry *entry_at(struct intake *in, uint32_t msgid)
{
    struct live_entry *e = in->entries;
    while (e != NULL && msgid-- != 0)
        e = e->next;
    return e;
}

/* What is told of a refusal goes back into Redis: the code, its words, and a field's name, never a value; nor
 * what stands where a name should, which has digits or other signs. */
static void tell_error(struct live_entry *e, enum refusal_code code, const char *field)
{
    const struct word *word = &words_refusal.words[code];
    bool is_name = field[strspn(field, "abcdefghijklmnopqrstuvwxyz_.")] == '\0';
    snprintf(e->code, sizeof e->code, "%s", word->name);
    snprintf(e->field, sizeof e->field, "%s", is_name ? field : "?");
    snprintf(e->message, sizeof e->message, "%s", word->text);
}

static void refuse_entry(struct intake *in, struct live_entry *e, const struct error *error)
{
    e->is_answered = true;
    tell_error(e, error->code, error->field);
    e->may_retry = false;
    in->left--;
}

/* Fields contact_name, contact_phone, contact_address go together into `contact`. */
static bool pack_contact(struct pack *pack, const struct live_entry *e)
{
    static const char *const parts[] = {"name", "phone", "address"};
    bool is_open = false;
    for (int i = 0; i < e->count; i++) {
        for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
            if (strncmp(e->names[i], "contact_", 8) != 0 || strcmp(e->names[i] + 8, parts[p]) != 0)
                continue;
            if (!is_open) {
                pack_key(pack, "contact");
                pack_map(pack);
                is_open = true;
            }
            pack_key_text(pack, parts[p], e->values[i]);
        }
    }
    if (is_open)
        pack_close(pack);
    return is_open;
}

static bool pack_request(struct pack *pack, uint32_t msgid, const struct live_entry *e,
                         struct error *error)
{
    bool has_ref = false;
    pack_reset(pack);
    pack_fixed_list(pack, 4);
    pack_int(pack, 0);
    pack_uint(pack, msgid);
    pack_text(pack, "order.place");
    pack_fixed_list(pack, 1);
    pack_map(pack);
    for (int i = 0; i < e->count; i++) {
        if (strncmp(e->names[i], "contact_", 8) == 0)
            continue;
        has_ref |= strcmp(e->names[i], "ref") == 0;
        if (!texts_pack_param(pack, e->names[i], e->values[i], error))
            return false;
    }
    if (!has_ref)
        pack_key_text(pack, "ref", e->default_ref);
    pack_contact(pack, e);
    pack_close(pack);
    return true;
}

static void finish_when_done(struct intake *in)
{
    if (in->left != 0)
        return;
    in->entries = NULL;
    live_give_intake(in->live);
}

void intake_take(struct intake *in)
{
    struct pack pack = {.bytes = NULL};
    struct live_entry *entries = in->entries == NULL ? live_take_intake(in->live) : NULL;
    if (entries == NULL)
        return;
    in->entries = entries;
    in->left = 0;
    for (struct live_entry *e = entries; e != NULL; e = e->next)
        in->left++;
    uint32_t msgid = 0;
    for (struct live_entry *e = entries; e != NULL; e = e->next, msgid++) {
        struct error error;
        if (pack_request(&pack, msgid, e, &error))
            turn_request(in->turn, in->session, pack.bytes, pack.len);
        else
            refuse_entry(in, e, &error);
    }
    pack_fini(&pack);
    finish_when_done(in);
}

static void copy_member(const struct node *map, const char *key, char *to, size_t size)
{
    const struct node *value = node_get(map, key);
    if (value != NULL && value->kind == NODE_TEXT)
        snprintf(to, size, "%.*s", (int)value->count, value->u.text);
}

void intake_answer(struct intake *in, const uint8_t *bytes, size_t len)
{
    struct arena arena = {.blocks = NULL};
    const struct node *n = codec_decode(&arena, bytes, len);
    must(n != NULL && n->kind == NODE_LIST && n->count == 4);
    struct live_entry *e = entry_at(in, (uint32_t)n->u.items[1].u.number);
    const struct node *error = &n->u.items[2];
    if (e != NULL && !e->is_answered) {
        e->is_answered = true;
        e->is_placed = error->kind == NODE_NIL;
        char code[WORD_BYTES_MAX + 1] = "";
        char field[WORD_BYTES_MAX + 1] = "";
        copy_member(error, "code", code, sizeof code);
        copy_member(error, "field", field, sizeof field);
        int which = word_find(&words_refusal, code, strlen(code));
        if (!e->is_placed && which >= 0)
            tell_error(e, (enum refusal_code)which, field);
        const struct node *retry = node_get(error, "retry");
        e->may_retry = retry != NULL && retry->u.truth;
        const struct node *order = node_get(&n->u.items[3], "order");
        e->order = order != NULL ? (uint64_t)order->u.number : 0;
        in->left--;
        finish_when_done(in);
    }
    arena_fini(&arena);
}
