#include "show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "engine/words.h"
#include "texts.h"
#include "visible.h"

#define COLUMNS_MAX 16
#define CELL_BYTES 120

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The Chinese label of a word, by the name of its column. */
static const char *label_of(const char *column, const char *word)
{
    static const struct {
        const char *column;
        const struct wordlist *list;
    } lists[] = {{"state", &words_order_state},  {"state", &words_offer_state},
                 {"offer_state", &words_offer_state}, {"priority", &words_priority},
                 {"mode", &words_mode},          {"level", &words_level},
                 {"kind", &words_event_kind},    {"type", &words_org_type},
                 {"misfit", &words_misfit}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int at = strcmp(lists[i].column, column) == 0 ? word_find(lists[i].list, word, strlen(word)) : -1;
        if (at >= 0)
            return word_zh(lists[i].list, at);
    }
    return NULL;
}

static void cell_text(const char *column, const struct node *n, char cell[CELL_BYTES])
{
    cell[0] = '\0';
    if (n == NULL || n->kind == NODE_NIL)
        return;
    if (n->kind == NODE_INT && n->u.number > 100000000000 &&
        (ends_with(column, "_at") || ends_with(column, "_until") || strcmp(column, "at") == 0)) {
        time_format(n->u.number, cell);
    } else if (n->kind == NODE_INT) {
        snprintf(cell, CELL_BYTES, "%" PRId64, n->u.number);
    } else if (n->kind == NODE_REAL) {
        snprintf(cell, CELL_BYTES, "%.4f", n->u.real);
    } else if (n->kind == NODE_BOOL) {
        snprintf(cell, CELL_BYTES, "%s", n->u.truth ? "yes" : "no");
    } else if (n->kind == NODE_TEXT) {
        text_visible(n->u.text, n->count, cell, 81);
        const char *label = label_of(column, cell);
        size_t len = strlen(cell);
        if (label != NULL)
            snprintf(cell + len, CELL_BYTES - len, " %s", label);
    } else if (n->kind == NODE_LIST) {
        size_t len = 0;
        for (uint32_t i = 0; i < n->count && len < 60; i++) {
            char item[CELL_BYTES];
            cell_text("", &n->u.items[i], item);
            len += (size_t)snprintf(cell + len, CELL_BYTES - len, "%s%.50s", i != 0 ? " " : "", item);
        }
    }
}

/* How many columns of a terminal a text takes. */
static int width_of(const char *text)
{
    mbstate_t state = {0};
    int width = 0;
    while (*text != '\0') {
        wchar_t wide = 0;
        size_t len = mbrtowc(&wide, text, 8, &state);
        if (len == (size_t)-1 || len == (size_t)-2)
            return width + (int)strlen(text);
        int columns = wcwidth(wide);
        width += columns > 0 ? columns : 0;
        text += len;
    }
    return width;
}

static void put_cell(FILE *out, const char *text, int width)
{
    fputs(text, out);
    for (int i = width_of(text); i < width; i++)
        fputc(' ', out);
}

static const char *colour_of(FILE *out, const struct node *item)
{
    const struct node *priority = node_get(item, "priority");
    if (priority == NULL || !isatty(fileno(out)))
        return "";
    return node_is_text(priority, "emergency") ? "\x1b[31m" : node_is_text(priority, "urgent") ? "\x1b[33m" : "";
}

static int split(const char *columns, char names[COLUMNS_MAX][40])
{
    int count = 0;
    while (*columns != '\0' && count < COLUMNS_MAX) {
        size_t len = strcspn(columns, " ");
        snprintf(names[count++], 40, "%.*s", (int)len, columns);
        columns += len + (columns[len] != '\0');
    }
    return count;
}

static void show_table(FILE *out, const struct node *items, const char *columns)
{
    char names[COLUMNS_MAX][40];
    char cell[CELL_BYTES];
    int widths[COLUMNS_MAX];
    int count = split(columns, names);
    bool is_terminal = isatty(fileno(out)) != 0;
    for (int c = 0; c < count; c++) {
        widths[c] = width_of(names[c]);
        for (uint32_t i = 0; i < items->count; i++) {
            cell_text(names[c], node_get(&items->u.items[i], names[c]), cell);
            widths[c] = width_of(cell) > widths[c] ? width_of(cell) : widths[c];
        }
    }
    fputs(is_terminal ? "\x1b[1m" : "", out);
    for (int c = 0; c < count; c++)
        put_cell(out, names[c], c + 1 < count ? widths[c] + 2 : 0);
    fputs(is_terminal ? "\x1b[0m\n" : "\n", out);
    for (uint32_t i = 0; i < items->count; i++) {
        const char *colour = colour_of(out, &items->u.items[i]);
        fputs(colour, out);
        for (int c = 0; c < count; c++) {
            cell_text(names[c], node_get(&items->u.items[i], names[c]), cell);
            put_cell(out, cell, c + 1 < count ? widths[c] + 2 : 0);
        }
        fputs(*colour != '\0' ? "\x1b[0m\n" : "\n", out);
    }
    if (items->count == 0)
        fputs("(nothing 无)\n", out);
}

static void show_members(FILE *out, const struct node *map, int indent)
{
    for (uint32_t i = 0; i < map->count; i++) {
        char key[40];
        char cell[CELL_BYTES];
        const struct node *value = &map->u.pairs[i].value;
        text_visible(map->u.pairs[i].key.u.text, map->u.pairs[i].key.count, key, sizeof key);
        bool is_table = value->kind == NODE_LIST && value->count != 0 && value->u.items[0].kind == NODE_MAP;
        if (value->kind == NODE_MAP) {
            fprintf(out, "%*s%s:\n", indent, "", key);
            show_members(out, value, indent + 2);
        } else if (is_table) {
            fprintf(out, "%*s%s:\n", indent, "", key);
            for (uint32_t j = 0; j < value->count; j++) {
                show_members(out, &value->u.items[j], indent + 4);
                fputs(j + 1 < value->count ? "\n" : "", out);
            }
        } else {
            cell_text(key, value, cell);
            fprintf(out, "%*s%-18s %s\n", indent, "", key, cell);
        }
    }
}

void show_answer(FILE *out, const struct node *answer, const char *columns)
{
    const struct node *items = node_get(answer, "items");
    if (items == NULL || items->kind != NODE_LIST || columns == NULL) {
        if (answer->kind == NODE_MAP)
            show_members(out, answer, 0);
        return;
    }
    show_table(out, items, columns);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct node *key = &answer->u.pairs[i].key;
        const struct node *value = &answer->u.pairs[i].value;
        char cell[CELL_BYTES];
        if (node_is_text(key, "items") || value->kind == NODE_NIL)
            continue;
        fprintf(out, "%.*s:", (int)key->count, key->u.text);
        if (value->kind == NODE_MAP) {
            fputc('\n', out);
            show_members(out, value, 2);
            continue;
        }
        cell_text("", value, cell);
        fprintf(out, " %s%s\n", cell, node_is_text(key, "next") ? "   (more: add --after with this number)" : "");
    }
}

/* The range of a time in words, where an error names one; else nothing. */
static const char *range_of(const struct node *error, char text[64])
{
    const struct node *low = node_get(error, "low");
    const struct node *high = node_get(error, "high");
    char from[17];
    char to[17];
    text[0] = '\0';
    if (low == NULL || high == NULL || low->kind != NODE_INT || low->u.number < 100000000000)
        return text;
    time_format(low->u.number, from);
    time_format(high->u.number, to);
    snprintf(text, 64, " (%s to %s)", from, to);
    return text;
}

void show_error(FILE *out, const struct node *error)
{
    const struct node *code = node_get(error, "code");
    const struct node *message = node_get(error, "message");
    const struct node *misfit = node_get(error, "misfit");
    char text[CELL_BYTES] = "";
    char times[64];
    char name[64] = "";
    char said[1000] = "";
    if (code != NULL)
        text_visible(code->u.text, code->count, name, sizeof name);
    if (message != NULL)
        text_visible(message->u.text, message->count, said, sizeof said);
    if (misfit != NULL)
        cell_text("misfit", misfit, text);
    int known = code != NULL ? word_find(&words_refusal, code->u.text, code->count) : -1;
    if (code != NULL && message != NULL)
        fprintf(out, "%s%s%s: %s%s%s%s\n", name, known >= 0 ? " " : "",
                known >= 0 ? words_refusal.words[known].zh : "", said, text[0] != '\0' ? " -- " : "", text, range_of(error, times));
    else
        fputs("the answer was an error of a form that is not ours\n", out);
}

void show_event(FILE *out, const struct node *event)
{
    static const char *const keys[] = {"at", "kind", "order", "offer", "org", "people", "state",
                                       "level", "reason", "actor"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char cell[CELL_BYTES];
        const struct node *value = node_get(event, keys[i]);
        if (value == NULL)
            continue;
        cell_text(keys[i], value, cell);
        fprintf(out, "%s%s%s%s", i != 0 ? "  " : "", i > 1 ? keys[i] : "", i > 1 ? " " : "", cell);
    }
    fputc('\n', out);
    fflush(out);
}
