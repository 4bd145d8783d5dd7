/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tiles.c: tile paths. The parser reads loosely and then compares with the path it would
 * write itself, so that a tile has exactly one path.
 */
#include "storage/tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"

#define LEVEL_MAX 63u
#define GROUPS_MAX 7 /* 2^64 - 1 has 20 digits */

stele_status stele_tile_path(const struct stele_tile *tile,
                             char out[STELE_AT_LEAST(STELE_TILE_PATH_BYTES)], stele_err *err) {
    if (tile->level > LEVEL_MAX || tile->width >= STELE_TILE_WIDTH ||
        (tile->entries && tile->level != 0)) {
        return STELE_FAIL(err, INVALID,
                          "there is no tile of level %u and width %u: levels end at 63, widths at "
                          "255, and entry bundles have level 0",
                          tile->level, tile->width);
    }
    char level[8] = "entries";
    if (!tile->entries) {
        (void)snprintf(level, sizeof level, "%u", tile->level);
    }
    char groups[5 * GROUPS_MAX + 1];
    size_t at = sizeof groups - 1;
    groups[at] = '\0';
    uint64_t rest = tile->index;
    const char *mark = "/"; /* all groups but the last have an x */
    do {
        char group[8];
        int size = snprintf(group, sizeof group, "%s%03u", mark, (unsigned)(rest % 1000));
        at -= (size_t)size;
        memcpy(groups + at, group, (size_t)size);
        rest /= 1000;
        mark = "/x";
    } while (rest > 0);
    int size = snprintf(out, STELE_TILE_PATH_BYTES, "tile/%s%s", level, groups + at);
    if (tile->width > 0) {
        (void)snprintf(out + size, STELE_TILE_PATH_BYTES - (size_t)size, ".p/%u", tile->width);
    }
    return STELE_OK;
}

/* Reads digits while the value stays at most `max`; false if there is none or it grows over. */
static bool take_number(const char **at, uint64_t max, uint64_t *ret) {
    uint64_t value = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return *at != start;
}

static bool take_text(const char **at, const char *text) {
    size_t size = strlen(text);
    if (strncmp(*at, text, size) != 0) {
        return false;
    }
    *at += size;
    return true;
}

static bool take_tile(const char *at, struct stele_tile *ret) {
    uint64_t level = 0;
    uint64_t width = 0;
    uint64_t group = 0;
    *ret = (struct stele_tile){.entries = false};
    if (!take_text(&at, "tile/")) {
        return false;
    }
    ret->entries = take_text(&at, "entries");
    if (!ret->entries && !take_number(&at, LEVEL_MAX, &level)) {
        return false;
    }
    ret->level = (uint8_t)level;
    do {
        if (!take_text(&at, "/")) {
            return false;
        }
        (void)take_text(&at, "x");
        if (!take_number(&at, 999, &group) ||
            __builtin_mul_overflow(ret->index, (uint64_t)1000, &ret->index) ||
            __builtin_add_overflow(ret->index, group, &ret->index)) {
            return false;
        }
    } while (*at == '/');
    if (take_text(&at, ".p/") && !take_number(&at, STELE_TILE_WIDTH - 1, &width)) {
        return false;
    }
    ret->width = (uint16_t)width;
    return *at == '\0';
}

stele_status stele_tile_parse(stele_view path, struct stele_tile *ret, stele_err *err) {
    char text[STELE_TILE_PATH_BYTES] = {0};
    char again[STELE_TILE_PATH_BYTES];
    struct stele_tile tile;
    if (path.size >= sizeof text) {
        return STELE_FAIL(err, INVALID, "a tile path of %zu bytes, the longest has %zu", path.size,
                          sizeof text - 1);
    }
    if (path.size > 0) {
        memcpy(text, path.data, path.size);
    }
    if (!take_tile(text, &tile) || stele_tile_path(&tile, again, NULL) != STELE_OK ||
        !stele_view_is(path, again)) {
        return STELE_FAIL(err, INVALID,
                          "'%s' is no tile path: tile/<0..63 or entries>/<groups of 3 digits, all "
                          "but the last with an x>, and .p/<1..255> if it is partial",
                          text);
    }
    *ret = tile;
    return STELE_OK;
}

stele_status stele_tile_of_entry(uint64_t index, uint64_t size, struct stele_tile *ret,
                                 stele_err *err) {
    if (index >= size) {
        return STELE_FAIL(err, INVALID, "entry %" PRIu64 " is not in a log of %" PRIu64 " entries",
                          index, size);
    }
    uint64_t tile = index / STELE_TILE_WIDTH;
    bool partial = tile == size / STELE_TILE_WIDTH;
    *ret = (struct stele_tile){true, 0, tile, (uint16_t)(partial ? size % STELE_TILE_WIDTH : 0)};
    return STELE_OK;
}

stele_status stele_bundle_append(stele_buf *bundle, stele_view entry, stele_err *err) {
    if (entry.size > UINT16_MAX) {
        return STELE_FAIL(err, LIMIT, "an entry of %zu bytes, a bundle holds entries up to 65,535",
                          entry.size);
    }
    uint8_t size[2];
    stele_put_u16(size, (uint16_t)entry.size);
    stele_status st = stele_buf_reserve(bundle, sizeof size + entry.size, err);
    if (st == STELE_OK) {
        st = stele_buf_append(bundle, stele_view_of(size, sizeof size), err);
    }
    if (st == STELE_OK) {
        st = stele_buf_append(bundle, entry, err);
    }
    return st;
}
