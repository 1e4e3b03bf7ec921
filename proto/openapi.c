#include "openapi.h"

#include <jansson.h>
#include <string.h>

#include "params.h"
#include "turn.h"

/* JSON Schema of a parameter, by its kind. Closed lists are in code.list, so that they stand once. */
static json_t *schema_of(const struct param_info *p)
{
    static const char *const types[KIND_COUNT] = {
        [KIND_ID] = "integer", [KIND_INT] = "integer", [KIND_TIME] = "integer", [KIND_BOOL] = "boolean",
        [KIND_DEGREES] = "number", [KIND_IDS] = "array", [KIND_DATES] = "array", [KIND_RECORDS] = "array",
        [KIND_CONTACT] = "object"};
    const char *type = types[p->kind] != NULL ? types[p->kind] : "string";
    json_t *schema = json_pack("{s:s, s:s}", "type", type, "description", p->text);
    bool is_number = strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    if (p->kind == KIND_SKILLS || p->kind == KIND_GROUPS || p->kind == KIND_WAIVES) {
        json_object_set_new(schema, "type", json_pack("[s, s]", "array", "string"));
        json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
    }
    if (p->kind == KIND_IDS)
        json_object_set_new(schema, "items", json_pack("{s:s}", "type", "integer"));
    if (p->kind == KIND_DATES || p->kind == KIND_RECORDS)
        json_object_set_new(schema, "items", json_pack("{s:s}", "type", "object"));
    if (p->low < p->high && is_number) {
        json_object_set_new(schema, "minimum", json_integer(p->low));
        json_object_set_new(schema, "maximum", json_integer(p->high));
    } else if (p->low < p->high && strcmp(type, "array") == 0) {
        json_object_set_new(schema, "minItems", json_integer(p->low));
        json_object_set_new(schema, "maxItems", json_integer(p->high));
    } else if (p->low < p->high && (p->kind == KIND_TEXT || p->kind == KIND_CODE || p->kind == KIND_PATH)) {
        json_object_set_new(schema, "minLength", json_integer(p->low == 0 ? 0 : 1)); /* ours counts bytes, this characters */
        json_object_set_new(schema, "maxLength", json_integer(p->high));
    }
    return schema;
}

static json_t *body_of(const struct method *m)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (int i = 0; i < method_param_count(m); i++) {
        const struct param_info *p = &params[m->params[i]];
        json_object_set_new(properties, p->name, schema_of(p));
        if (i < m->required)
            json_array_append_new(required, json_string(p->name));
    }
    json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", properties);
    if (json_array_size(required) != 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    return json_pack("{s:b, s:{s:{s:o}}}", "required", m->required != 0, "content", "application/json", "schema", schema);
}

static json_t *path_of(const struct method *m)
{
    char roles[ROLES_BYTES];
    char text[600];
    snprintf(text, sizeof text, "%s\n\nRole: %s. Answer: `%s`", m->text, roles_text(m->roles, roles), m->answer);
    json_t *responses = json_pack(
        "{s:{s:s, s:{s:{s:{s:s}}}}, s:{s:s}}", "200", "description", m->answer, "content", "application/json", "schema",
        "type", "object", "default", "$ref", "#/components/responses/error");
    json_t *post = json_pack("{s:s, s:s, s:s, s:o, s:o}", "operationId", m->name, "summary", m->text, "description", text,
                             "requestBody", body_of(m), "responses", responses);
    if ((m->roles & ROLE_ANYONE) != 0)
        json_object_set_new(post, "security", json_array());
    return json_pack("{s:o}", "post", post);
}

static json_t *components(void)
{
    json_t *codes = json_array();
    for (int i = 1; i < REFUSAL_COUNT; i++)
        json_array_append_new(codes, json_string(words_refusal.words[i].name));
    return json_pack(
        "{s:{s:{s:s, s:s}}, s:{s:{s:s, s:{s:{s:{s:s, s:{s:{s:s, s:[s,s], s:{s:{s:s,s:o}, s:{s:s}, s:{s:s}, s:{s:s}}}}}}}}}}",
        "securitySchemes", "token", "type", "http", "scheme", "bearer",
        "responses", "error", "description", "refused; with retry: true the same request may succeed later",
        "content", "application/json", "schema", "type", "object", "properties",
        "error", "type", "object", "required", "code", "message", "properties",
        "code", "type", "string", "enum", codes, "message", "type", "string", "field", "type", "string", "retry", "type", "boolean");
}

static char *build(void)
{
    json_t *paths = json_object();
    char path[80];
    for (int t = 0; t < method_table_count; t++) {
        for (int i = 0; i < method_count(t); i++) {
            const struct method *m = &method_tables[t][i];
            if (strcmp(m->name, "event.subscribe") == 0)
                continue; /* over HTTP this is /events */
            snprintf(path, sizeof path, "/rpc/%s", m->name);
            json_object_set_new(paths, path, path_of(m));
        }
    }
    json_object_set_new(paths, "/events", json_pack(
        "{s:{s:s, s:s, s:[{s:s,s:s,s:{s:s}}, {s:s,s:s,s:{s:s}}], s:{s:{s:s, s:{s:{}}}}}}",
        "get", "operationId", "events", "summary", "The change feed as server-sent events; resumes after Last-Event-ID.",
        "parameters", "name", "after", "in", "query", "schema", "type", "integer", "name", "region", "in", "query", "schema",
        "type", "integer", "responses", "200", "description", "events", "content", "text/event-stream"));
    json_t *document = json_pack("{s:s, s:{s:s, s:s}, s:[{s:[]}], s:o, s:o}", "openapi", "3.1.0", "info", "title", "paidan",
                                 "version", PAIDAN_VERSION, "security", "token", "paths", paths, "components", components());
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

const char *openapi_text(size_t *len)
{
    static char *text;
    if (text == NULL)
        text = build();
    must(text != NULL);
    *len = strlen(text);
    return text;
}
