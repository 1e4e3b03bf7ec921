#include "console.h"

#include <string.h>

#include "engine/base.h"

/* The bytes of a file, as the assembler puts them into the program; paths are from the top of the tree. */
#define BUNDLE(name, file)                                                                                   \
    __asm__(".section .rodata\n.balign 16\nconsole_" #name ":\n.incbin \"" file "\"\nconsole_" #name        \
            "_end:\n.byte 0\n.previous\n");                                                                  \
    extern const char console_##name[], console_##name##_end[];

BUNDLE(page, "proto/console/index.html")
BUNDLE(style, "proto/console/console.css")
BUNDLE(script, "proto/console/console.js")
BUNDLE(api, "proto/console/api.js")
BUNDLE(words, "proto/console/words.js")
BUNDLE(parts, "proto/console/parts.js")
BUNDLE(map, "proto/console/map.js")
BUNDLE(desk, "proto/console/desk.js")
BUNDLE(team, "proto/console/team.js")
BUNDLE(board, "proto/console/board.js")
BUNDLE(place, "proto/console/place.js")
BUNDLE(forms, "proto/console/forms.js")
BUNDLE(chart, "/usr/share/javascript/chart.js/chart.min.js")
BUNDLE(leaflet, "/usr/share/javascript/leaflet/leaflet.min.js")
BUNDLE(leaflet_style, "/usr/share/javascript/leaflet/leaflet.css")
BUNDLE(counties, "conf/huizhou/counties.geojson")

#define SCRIPT "text/javascript; charset=utf-8"
#define STYLE "text/css; charset=utf-8"

const struct console_file *console_file(const char *path)
{
    static struct console_file found;
    static const struct {
        const char *path, *type, *begin, *end;
    } files[] = {
        {"/", "text/html; charset=utf-8", console_page, console_page_end},
        {"/console.css", STYLE, console_style, console_style_end},
        {"/console.js", SCRIPT, console_script, console_script_end},
        {"/api.js", SCRIPT, console_api, console_api_end},
        {"/words.js", SCRIPT, console_words, console_words_end},
        {"/parts.js", SCRIPT, console_parts, console_parts_end},
        {"/map.js", SCRIPT, console_map, console_map_end},
        {"/desk.js", SCRIPT, console_desk, console_desk_end},
        {"/team.js", SCRIPT, console_team, console_team_end},
        {"/board.js", SCRIPT, console_board, console_board_end},
        {"/place.js", SCRIPT, console_place, console_place_end},
        {"/forms.js", SCRIPT, console_forms, console_forms_end},
        {"/chart.js", SCRIPT, console_chart, console_chart_end},
        {"/leaflet.js", SCRIPT, console_leaflet, console_leaflet_end},
        {"/leaflet.css", STYLE, console_leaflet_style, console_leaflet_style_end},
        {"/counties.geojson", "application/geo+json", console_counties, console_counties_end},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (strcmp(files[i].path, path) != 0)
            continue;
        found = (struct console_file){.path = files[i].path, .type = files[i].type, .bytes = files[i].begin,
                                      .len = (size_t)(files[i].end - files[i].begin)};
        return &found;
    }
    return NULL;
}
