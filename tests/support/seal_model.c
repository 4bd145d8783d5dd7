/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/seal_model.c: see seal_model.h. */
#include "tests/support/seal_model.h"

#include <stdlib.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"

stele_status model_leaf(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    uint8_t bytes[8];
    (void)err;
    stele_put_u64(bytes, seq);
    stele_hash_leaf(stele_view_of(bytes, sizeof bytes), ret);
    if (ctx != NULL) {
        *(uint64_t *)ctx += 1;
    }
    return STELE_OK;
}

struct stele_leaf_source model_leaves(void) {
    return (struct stele_leaf_source){model_leaf, NULL};
}

void model_history(const uint64_t *seqs, size_t n, uint8_t ret[STELE_AT_LEAST(32)]) {
    uint8_t left[STELE_HASH_BYTES];
    uint8_t right[STELE_HASH_BYTES];
    if (n == 1) {
        (void)model_leaf(NULL, seqs[0], left, NULL);
        stele_hash_posting(seqs[0], left, ret);
        return;
    }
    unsigned bit = 63;
    while ((seqs[0] >> bit & 1) == (seqs[n - 1] >> bit & 1)) {
        bit--;
    }
    size_t n_left = 0;
    while ((seqs[n_left] >> bit & 1) == 0) {
        n_left++;
    }
    model_history(seqs, n_left, left);
    model_history(seqs + n_left, n - n_left, right);
    stele_hash_history((uint8_t)bit, left, right, ret);
}

void model_key_root(const uint8_t *leaves, size_t n, uint8_t ret[STELE_AT_LEAST(32)]) {
    uint8_t left[STELE_HASH_BYTES];
    uint8_t right[STELE_HASH_BYTES];
    if (n == 0) {
        stele_sha256_of(stele_view_of(NULL, 0), ret);
    } else if (n == 1) {
        memcpy(ret, leaves, STELE_HASH_BYTES);
    } else {
        size_t k = 1;
        while (2 * k < n) {
            k *= 2;
        }
        model_key_root(leaves, k, left);
        model_key_root(leaves + k * STELE_HASH_BYTES, n - k, right);
        stele_hash_key_inner(left, right, ret);
    }
}

void model_seal_of(uint64_t lo, const struct stele_posting *postings, size_t n,
                   struct model_seal *ret) {
    uint64_t *seqs = calloc(n + 1, sizeof *seqs);
    ret->key = calloc(n + 1, sizeof *ret->key);
    ret->leaves = calloc(n + 1, STELE_HASH_BYTES);
    ret->n_keys = 0;
    assert_non_null(seqs);
    assert_non_null(ret->key);
    assert_non_null(ret->leaves);
    for (size_t i = 0; i < n;) {
        struct model_key *key = &ret->key[ret->n_keys];
        size_t count = 0;
        memcpy(key->tag, postings[i].tag, STELE_TAG_BYTES);
        while (i < n && memcmp(postings[i].tag, key->tag, STELE_TAG_BYTES) == 0) {
            seqs[count++] = lo + postings[i++].offset;
        }
        key->count = count;
        model_history(seqs, count, key->root);
        stele_hash_key_value(count, key->root, key->value);
        stele_hash_key_leaf(key->tag, key->value, ret->leaves + ret->n_keys++ * STELE_HASH_BYTES);
    }
    model_key_root(ret->leaves, ret->n_keys, ret->key_root);
    free(seqs);
}

void model_seal_done(struct model_seal *model) {
    free(model->key);
    free(model->leaves);
    model->key = NULL;
    model->leaves = NULL;
}

void sealed_segment_open(struct sealed_segment *s) {
    assert_ok(stele_seal_open(memory_read_at, &s->seal_bytes, s->seal_bytes.size, s->segment,
                              &s->seal, NULL));
}

void sealed_segment_build(struct sealed_segment *s, uint64_t base, uint64_t lo, uint64_t hi,
                          const struct stele_posting *postings, size_t n) {
    struct stele_segment_info info = test_segment_info(lo, hi);
    struct stele_posting *part = calloc(n + 1, sizeof *part);
    size_t n_part = 0;
    assert_non_null(part);
    for (size_t i = 0; i < n; i++) {
        uint64_t seq = base + postings[i].offset;
        if (seq >= lo && seq < hi) {
            part[n_part] = postings[i];
            part[n_part++].offset = (uint32_t)(seq - lo);
        }
    }
    assert_ok(test_segment_write(&info, part, n_part, &s->segment_bytes, NULL));
    free(part);
    assert_ok(stele_segment_open(memory_read_at, &s->segment_bytes, s->segment_bytes.size,
                                 &s->segment, NULL));
    assert_ok(stele_seal_build(s->segment, model_leaves(), memory_write, &s->seal_bytes,
                               &s->descriptor, NULL));
    sealed_segment_open(s);
}

void sealed_segment_done(struct sealed_segment *s) {
    stele_seal_close(s->seal);
    stele_segment_close(s->segment);
    stele_buf_done(&s->seal_bytes);
    stele_buf_done(&s->segment_bytes);
    *s = (struct sealed_segment){.segment = NULL};
}

void test_seal_reseal(uint8_t *data, size_t size, const struct stele_segment *segment) {
    uint8_t foot[STELE_SEGMENT__FOOTER_BYTES];
    uint8_t sum[STELE_HASH_BYTES];
    struct stele_descriptor descriptor = {.info = segment->footer.info};
    uint64_t n_keys = segment->footer.info.n_keys;
    uint64_t table_bytes = stele_seal__table_bytes(n_keys, segment->footer.n_blocks);
    if (size < STELE_SEAL__HEADER_BYTES + STELE_SEAL__FOOTER_BYTES + table_bytes) {
        return;
    }
    uint8_t *footer = data + size - STELE_SEAL__FOOTER_BYTES;
    uint8_t *table = footer - table_bytes;
    uint64_t table_at = (uint64_t)(table - data);
    memcpy(descriptor.key_root, footer + 16 + 112, STELE_HASH_BYTES);
    if (n_keys == 0) {
        stele_sha256_of(stele_view_of(NULL, 0), descriptor.key_root);
    }
    stele_segment__put_footer(&segment->footer, foot);
    for (uint64_t chunk = 0; chunk < stele_seal__n_chunks(n_keys); chunk++) {
        uint8_t *row = table + chunk * STELE_SEAL__ROW_BYTES;
        uint64_t at = stele_get_u64(row);
        uint64_t end = chunk + 1 == stele_seal__n_chunks(n_keys)
                           ? table_at
                           : stele_get_u64(row + STELE_SEAL__ROW_BYTES);
        if (at < end && end <= table_at) {
            stele_seal__sum(STELE_SEAL__SUM_CHUNK, chunk, stele_view_of(data + at, end - at), sum);
            memcpy(row + 8, sum, STELE_SEAL__SUM_BYTES);
        }
    }
    struct stele_seal__footer f = {
        .descriptor = descriptor, .n_blocks = segment->footer.n_blocks, .table_at = table_at};
    memcpy(f.segment_sum, foot + sizeof foot - STELE_HASH_BYTES, STELE_HASH_BYTES);
    stele_seal__sum(STELE_SEAL__SUM_TABLE, 0, stele_view_of(table, table_bytes), f.table_sum);
    stele_seal__put_footer(&f, footer);
    stele_seal__put_header(data);
}
