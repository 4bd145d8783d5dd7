/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/byte_map.c: an ordered map as a sorted array of pairs. */
#include "tests/support/byte_map.h"

#include <string.h>

size_t byte_map_place(const struct byte_map *map, stele_view key) {
    size_t low = 0;
    size_t high = map->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stele_view_compare(stele_view_buf(&map->pair[middle]->key), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct byte_pair *byte_map_find(const struct byte_map *map, stele_view key) {
    size_t i = byte_map_place(map, key);
    return i < map->n && stele_view_equal(stele_view_buf(&map->pair[i]->key), key) ? map->pair[i]
                                                                                   : NULL;
}

static void pair_free(struct byte_pair *pair) {
    if (pair != NULL) {
        stele_buf_done(&pair->key);
        stele_buf_done(&pair->value);
        stele_free(pair);
    }
}

void byte_map_remove(struct byte_map *map, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        pair_free(map->pair[i]);
    }
    if (from < to) {
        memmove(map->pair + from, map->pair + to, (map->n - to) * sizeof *map->pair);
        map->n -= to - from;
    }
}

void byte_map_done(struct byte_map *map) {
    byte_map_remove(map, 0, map->n);
    stele_free(map->pair);
    *map = (struct byte_map){NULL, 0, 0};
}

stele_status byte_map_put(struct byte_map *map, stele_view key, stele_view value,
                          struct byte_pair **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct byte_pair *pair = byte_map_find(map, key);
    if (pair != NULL) {
        stele_buf_clear(&pair->value);
        st = stele_buf_append(&pair->value, value, err);
        *ret = pair;
        return st;
    }
    if (map->n == map->capacity) {
        size_t capacity = map->capacity == 0 ? 16 : map->capacity * 2;
        struct byte_pair **grown = stele_realloc(map->pair, capacity, sizeof *grown);
        if (grown == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for %zu pairs", capacity);
        }
        map->pair = grown;
        map->capacity = capacity;
    }
    pair = stele_alloc(1, sizeof *pair);
    if (pair == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a pair");
    }
    STELE_TRY(stele_buf_append(&pair->key, key, err));
    STELE_TRY(stele_buf_append(&pair->value, value, err));
    size_t at = byte_map_place(map, key);
    memmove(map->pair + at + 1, map->pair + at, (map->n - at) * sizeof *map->pair);
    map->pair[at] = pair;
    map->n++;
    *ret = pair;
    pair = NULL;
cleanup:
    pair_free(pair);
    return st;
}
