/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/disordered_segment.h"

#include <string.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "tests/support/cmocka.h"
#include "tests/support/memory_segment.h"

#define BLOCK_BYTES 8000u  /* a block is cut before it is full: where, says the forger */
#define POSTINGS_MAX 4000u /* of a key, so that it has room in a block: the others are left out */

struct key {
    const struct stele_posting *posting;
    size_t n;
};
struct plan {
    struct key *key;
    size_t n_keys;
    size_t first; /* of the two that do not ascend */
};

static struct plan keys_of(const struct disorder_plan *how, const struct stele_posting *postings,
                           size_t n) {
    struct plan plan = {.key = stele_alloc(n + 1, sizeof *plan.key)};
    assert_non_null(plan.key);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || memcmp(postings[i].tag, postings[i - 1].tag, STELE_TAG_BYTES) != 0) {
            plan.key[plan.n_keys++].posting = &postings[i];
        }
        plan.key[plan.n_keys - 1].n += plan.key[plan.n_keys - 1].n < POSTINGS_MAX;
    }
    plan.first = plan.n_keys / 3;
    while (how->how == DISORDER_TWICE && plan.key[plan.first].n < 2) {
        plan.first++;
    }
    assert_true(plan.first + 1 < plan.n_keys);
    struct key *first = &plan.key[plan.first];
    if (how->how == DISORDER_EXCHANGED) {
        struct key moved = first[0];
        first[0] = first[1];
        first[1] = moved;
    } else {
        memmove(first + 1, first, (plan.n_keys++ - plan.first) * sizeof *first);
        first[0].n = 1;
        first[1].posting++;
        first[1].n--;
    }
    return plan;
}

static void put_record(const struct key *key, const uint8_t *before, stele_buf *out) {
    stele_buf postings = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&postings);
    size_t shared = 0;
    while (before != NULL && shared < STELE_TAG_BYTES - 1 &&
           before[shared] == key->posting->tag[shared]) {
        shared++;
    }
    for (size_t i = 0; i < key->n; i++) {
        uint64_t least = i == 0 ? 0 : key->posting[i - 1].offset + 1u;
        stele_write_varint(&w, key->posting[i].offset - least);
    }
    assert_ok(stele_writer_end(&w, NULL));
    w = stele_writer_to(out);
    stele_write_u8(&w, (uint8_t)(shared << 4 | (key->n < STELE_SEGMENT__COUNT_LONG ? key->n : 0)));
    stele_write_view(&w, stele_view_of(key->posting->tag + shared, STELE_TAG_BYTES - shared));
    if (key->n >= STELE_SEGMENT__COUNT_LONG) {
        stele_write_varint(&w, key->n - STELE_SEGMENT__COUNT_LONG);
        stele_write_varint(&w, postings.size);
    }
    stele_write_view(&w, stele_view_buf(&postings));
    assert_ok(stele_writer_end(&w, NULL));
    stele_buf_done(&postings);
}

void disordered_segment_write(const struct disorder_plan *how,
                              const struct stele_segment_info *info,
                              const struct stele_posting *postings, size_t n, stele_buf *out) {
    struct plan plan = keys_of(how, postings, n);
    struct stele_segment__footer footer = {.info = *info};
    uint8_t bytes[STELE_SEGMENT__FOOTER_BYTES];
    footer.info.n_postings = 0;
    stele_buf index = STELE_BUF_EMPTY;
    size_t block_at = 0;
    stele_segment__put_header(bytes);
    assert_ok(stele_buf_append(out, stele_view_of(bytes, STELE_SEGMENT__HEADER_BYTES), NULL));
    for (size_t i = 0; i < plan.n_keys; i++) {
        const struct key *key = &plan.key[i];
        bool begins = i == 0 || out->size - block_at > BLOCK_BYTES;
        if (i == plan.first || i == plan.first + 1) { /* one block, or each begins one */
            begins = how->across || (begins && i == plan.first);
        }
        if (begins) {
            struct stele_segment__index_entry entry = {.first = key->posting->offset};
            block_at = i == 0 ? 0 : out->size;
            entry.at = block_at;
            memcpy(entry.tag, key->posting->tag, sizeof entry.tag);
            stele_segment__put_index_entry(&entry, bytes);
            assert_ok(stele_buf_append(
                &index, stele_view_of(bytes, STELE_SEGMENT__INDEX_ENTRY_BYTES), NULL));
            footer.n_blocks++;
        }
        put_record(key, begins ? NULL : key[-1].posting->tag, out);
        footer.info.n_postings += key->n;
    }
    footer.info.n_keys = plan.n_keys;
    footer.index_at = out->size;
    stele_segment__put_footer(&footer, bytes);
    assert_ok(stele_buf_append(out, stele_view_buf(&index), NULL));
    assert_ok(stele_buf_append(out, stele_view_of(bytes, sizeof bytes), NULL));
    test_segment_reseal(out->data, out->size);
    stele_buf_done(&index);
    stele_free(plan.key);
}

/* The writer takes the first of two equal keys for the one that begins the block of the second. */
static void mend_ranks(const struct stele_segment *segment, uint64_t twice, stele_buf *seal) {
    uint8_t *foot = seal->data + seal->size - STELE_SEAL__FOOTER_BYTES;
    struct stele_seal__footer footer;
    assert_ok(stele_seal__get_footer(foot, seal->size, &footer, NULL));
    uint64_t n_chunks = stele_seal__n_chunks(footer.descriptor.info.n_keys);
    uint8_t *table = seal->data + footer.table_at;
    for (uint64_t block = 1; block < segment->footer.n_blocks; block++) {
        uint8_t *rank = table + n_chunks * STELE_SEAL__ROW_BYTES + block * 8;
        if (stele_get_u64(rank) == twice && stele_get_u64(rank - 8) == twice) {
            stele_put_u64(rank, twice + 1);
        }
    }
    stele_view whole = stele_view_of(table, (size_t)(foot - table));
    stele_seal__sum(STELE_SEAL__SUM_TABLE, 0, whole, footer.table_sum);
    stele_seal__put_footer(&footer, foot);
}

void disordered_segment_seal(const struct disorder_plan *how, const stele_buf *bytes,
                             struct stele_leaf_source leaves, const struct stele_posting *postings,
                             size_t n, stele_buf *out) {
    stele_buf read = *bytes;
    struct plan plan = keys_of(how, postings, n);
    struct stele_segment *segment = NULL;
    struct stele_seal__writer *writer = NULL;
    struct stele_descriptor descriptor;
    assert_ok(stele_segment_open_any_order(memory_read_at, &read, read.size, &segment, NULL));
    struct stele_seal__target target = {
        .segment = segment, .leaves = leaves, .write = memory_write, .ctx = out};
    assert_ok(stele_seal__writer_new(&target, &writer, NULL));
    for (size_t i = 0; i < plan.n_keys; i++) {
        assert_ok(stele_seal__begin_key(writer, plan.key[i].posting->tag, NULL));
        for (size_t k = 0; k < plan.key[i].n; k++) {
            uint64_t seq = stele_segment_info_of(segment)->lo + plan.key[i].posting[k].offset;
            assert_ok(stele_seal__add_posting(writer, seq, NULL));
        }
    }
    assert_ok(stele_seal__end(writer, &descriptor, NULL));
    if (how->how == DISORDER_TWICE && how->across) {
        mend_ranks(segment, plan.first, out);
    }
    stele_seal__writer_free(writer);
    stele_segment_close(segment);
    stele_free(plan.key);
}
