/* SPDX-License-Identifier: Apache-2.0 */
/* storage/descriptor.c: the 144 bytes of a descriptor. */
#include "storage/descriptor.h"

#include <inttypes.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/tree.h"

void stele_descriptor_encode(const struct stele_descriptor *descriptor,
                             uint8_t out[STELE_AT_LEAST(STELE_DESCRIPTOR_BYTES)]) {
    const struct stele_segment_info *info = &descriptor->info;
    const uint64_t numbers[] = {info->lo,     info->hi,         info->t_first,
                                info->t_last, info->late_first, info->late_last,
                                info->n_keys, info->n_postings, 0};
    stele_put_u32(out, info->era);
    stele_put_u16(out + 4, info->map_version);
    stele_put_u16(out + 6, info->tag_alg);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        stele_put_u64(out + 8 + 8 * i, numbers[i]);
    }
    memcpy(out + 80, info->tag_key_commit, STELE_HASH_BYTES);
    memcpy(out + 112, descriptor->key_root, STELE_HASH_BYTES);
}

stele_status stele_descriptor_decode(stele_view bytes, struct stele_descriptor *ret,
                                     stele_err *err) {
    if (bytes.size != STELE_DESCRIPTOR_BYTES) {
        return STELE_FAIL(err, INVALID, "a descriptor of %zu bytes; it has %d", bytes.size,
                          STELE_DESCRIPTOR_BYTES);
    }
    uint64_t number[9];
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        number[i] = stele_get_u64(bytes.data + 8 + 8 * i);
    }
    struct stele_descriptor d = {.info = {.era = stele_get_u32(bytes.data),
                                          .map_version = stele_get_u16(bytes.data + 4),
                                          .tag_alg = stele_get_u16(bytes.data + 6),
                                          .lo = number[0],
                                          .hi = number[1],
                                          .t_first = number[2],
                                          .t_last = number[3],
                                          .late_first = number[4],
                                          .late_last = number[5],
                                          .n_keys = number[6],
                                          .n_postings = number[7]}};
    memcpy(d.info.tag_key_commit, bytes.data + 80, STELE_HASH_BYTES);
    memcpy(d.key_root, bytes.data + 112, STELE_HASH_BYTES);
    uint8_t empty[STELE_HASH_BYTES];
    stele_tree_empty_root(empty);
    bool rooted = d.info.n_keys > 0 || memcmp(empty, d.key_root, sizeof empty) == 0;
    if (number[8] != 0 || d.info.lo >= d.info.hi || d.info.t_first > d.info.t_last ||
        d.info.n_postings < d.info.n_keys || !rooted) {
        return STELE_FAIL(err, INVALID,
                          "a descriptor of entries %" PRIu64 " to %" PRIu64 ", times %" PRIu64
                          " to %" PRIu64 ", %" PRIu64 " keys and %" PRIu64
                          " postings, which cannot be, or with a reserved byte set",
                          d.info.lo, d.info.hi, d.info.t_first, d.info.t_last, d.info.n_keys,
                          d.info.n_postings);
    }
    *ret = d;
    return STELE_OK;
}

void stele_descriptor_hash(const struct stele_descriptor *descriptor,
                           uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t bytes[STELE_DESCRIPTOR_BYTES];
    stele_descriptor_encode(descriptor, bytes);
    stele_hash_descriptor(stele_view_of(bytes, sizeof bytes), out);
}
