/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/byte_map.h: an ordered map of bytes to bytes, as a sorted array of owned pairs:
 * tests hold thousands, and mostly add at the end. Zeroed memory is an empty map.
 */
#ifndef STELE_TESTS_SUPPORT_BYTE_MAP_H
#define STELE_TESTS_SUPPORT_BYTE_MAP_H

#include "storage/bytes.h"

struct byte_pair {
    stele_buf key;
    stele_buf value;
    uint64_t until; /* the user's own, 0 at first */
    int hold;       /* the same */
};
struct byte_map {
    struct byte_pair **pair;
    size_t n, capacity;
};

/* The index of the first pair whose key is not below `key`. */
size_t byte_map_place(const struct byte_map *map, stele_view key);
/* NULL: not there. */
struct byte_pair *byte_map_find(const struct byte_map *map, stele_view key);
/* Sets the value of `key`. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status byte_map_put(struct byte_map *map, stele_view key, stele_view value,
                                         struct byte_pair **ret, stele_err *err);
/* Removes the pairs with indexes [from, to). */
void byte_map_remove(struct byte_map *map, size_t from, size_t to);
void byte_map_done(struct byte_map *map);

#endif
