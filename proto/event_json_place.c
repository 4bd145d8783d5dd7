/* SPDX-License-Identifier: Apache-2.0 */
/* proto/event_json_place.c: names and paths of the JSON form. */
#include "proto/event_json_place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 160
#define PLACES_MAX 16 /* five messages, each with an array or attribute at most */

void stele_json__name(const struct stele_field *field,
                      char out[STELE_AT_LEAST(STELE_JSON_NAME_BYTES)]) {
    static const char suffix[] = "_unix_nano";
    size_t size = strlen(field->name);
    if (field->kind == STELE_KIND_TIME && size > sizeof suffix - 1) {
        size -= sizeof suffix - 1;
    }
    (void)snprintf(out, STELE_JSON_NAME_BYTES, "%.*s", (int)size, field->name);
}

const char *stele_json__shown(stele_view text, char out[STELE_AT_LEAST(STELE_JSON_SHOWN_BYTES)]) {
    size_t n = 0;
    for (; n < text.size && n < STELE_JSON_SHOWN_BYTES - 1; n++) {
        out[n] = text.data[n] >= 0x20 && text.data[n] < 0x7f ? (char)text.data[n] : '?';
    }
    out[n] = '\0';
    return out;
}

static const char *path_of(const struct stele_json_place *place,
                           char out[STELE_AT_LEAST(PATH_BYTES)]) {
    const struct stele_json_place *chain[PLACES_MAX];
    size_t n = 0;
    for (; place != NULL && n < PLACES_MAX; place = place->up) {
        chain[n++] = place;
    }
    size_t used = 0;
    out[0] = '\0';
    while (n > 0 && used < PATH_BYTES) {
        char name[STELE_JSON_NAME_BYTES] = "";
        place = chain[--n];
        if (place->field != NULL) {
            stele_json__name(place->field, name);
        }
        int more = snprintf(out + used, PATH_BYTES - used, "%s%s", used == 0 ? "" : ".", name);
        used += (size_t)(more < 0 ? 0 : more);
        more = 0;
        if (place->index >= 0 && used < PATH_BYTES) {
            more = snprintf(out + used, PATH_BYTES - used, "[%d]", place->index);
        } else if (place->key != NULL && used < PATH_BYTES) {
            char shown[STELE_JSON_SHOWN_BYTES];
            more = snprintf(out + used, PATH_BYTES - used, "[\"%s\"]",
                            stele_json__shown(stele_view_str(place->key), shown));
        }
        used += (size_t)(more < 0 ? 0 : more);
    }
    return used == 0 ? "event" : out;
}

void stele_json__refuse(stele_err *err, const struct stele_json_place *place, const char *where,
                        const char *format, ...) {
    char path[PATH_BYTES];
    char text[STELE_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    stele_err__fill(err, STELE_INVALID, 0, where, "%s: %s", path_of(place, path), text);
}
