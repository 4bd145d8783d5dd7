/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_writer.c: keys in order to the bytes of a seal, as a stream.
 *
 * Invariant: the bytes depend on the segment, and on each key's count and root, and not on the
 * parts that root was made of. Hence a merge gives what building would give. Memory: a batch of
 * postings, a chunk, and the table.
 */
#include <assert.h>
#include <inttypes.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "storage/tree.h"

struct stele_seal__writer {
    struct stele_seal__target target;
    const struct stele_segment_info *info;
    struct stele_seal__batch batch;
    uint8_t *hashes; /* of a posting at each entry of the segment; NULL: hashed as they come */
    uint64_t n_keys, n_postings; /* written */
    uint64_t n_ranks;            /* blocks of the segment whose rank is known */
    uint64_t at;                 /* bytes written */
    stele_buf rows, ranks;
    size_t n; /* keys in the chunk */
    size_t n_roots;
    uint8_t bitmap[STELE_SEAL__BITMAP_BYTES];
    uint8_t roots[STELE_SEAL__CHUNK_KEYS * STELE_HASH_BYTES];
    uint8_t leaves[STELE_SEAL__CHUNK_KEYS * STELE_HASH_BYTES];
    uint8_t message[STELE_SEAL__CHUNK_KEYS * STELE_HASH_KEY_LEAF_MESSAGE];
    stele_buf chunk; /* its bytes, put together */
};

/* Segments of a pack and smaller: 2 MiB of hashes, each read for several keys, beside which a batch
 * is small. */
#define ENTRIES_AT_ONCE ((uint64_t)1 << 16)
#define RUN ((size_t)256) /* hashed in one call */

static stele_status hash_entries(struct stele_seal__writer *w, stele_err *err) {
    const struct stele_segment_info *info = w->info;
    const struct stele_leaf_source *leaves = &w->target.leaves;
    size_t n = (size_t)(info->hi - info->lo);
    w->hashes = stele_alloc(n, STELE_HASH_BYTES);
    if (w->hashes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the hashes of %zu entries", n);
    }
    for (size_t at = 0; at < n; at += RUN) {
        uint8_t message[RUN * STELE_HASH_POSTING_MESSAGE];
        size_t part = n - at < RUN ? n - at : RUN;
        for (size_t i = 0; i < part; i++) {
            uint64_t seq = info->lo + at + i;
            stele_put_u64(message + i * STELE_HASH_POSTING_MESSAGE, seq);
            stele_status st =
                leaves->leaf(leaves->ctx, seq, message + i * STELE_HASH_POSTING_MESSAGE + 8, err);
            if (st != STELE_OK) {
                return st;
            }
        }
        stele_hash_posting_many(message, part, w->hashes + at * STELE_HASH_BYTES);
    }
    return STELE_OK;
}

static size_t batch_capacity(const struct stele_seal__writer *w) {
    uint64_t most = w->hashes != NULL ? STELE_SEAL__BATCH_NEAR : STELE_SEAL__BATCH_MAX;
    return w->info->n_postings < most ? (size_t)w->info->n_postings : (size_t)most;
}

stele_status stele_seal__writer_new(const struct stele_seal__target *target,
                                    struct stele_seal__writer **ret, stele_err *err) {
    const struct stele_segment_info *info = stele_segment_info_of(target->segment);
    uint8_t header[STELE_SEAL__HEADER_BYTES];
    stele_status st = STELE_OK;
    if ((info->hi - info->lo) >> STELE_SEAL__SPAN_SHIFT_MAX != 0) {
        return STELE_FAIL(err, INVALID,
                          "segment [%" PRIu64 ", %" PRIu64 "): a seal covers at most 2^%u entries",
                          info->lo, info->hi, STELE_SEAL__SPAN_SHIFT_MAX);
    }
    struct stele_seal__writer *w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a seal writer of %zu bytes", sizeof *w);
    }
    w->target = *target;
    w->info = info;
    if (target->of_postings && info->hi - info->lo <= ENTRIES_AT_ONCE) {
        STELE_TRY(hash_entries(w, err));
    }
    STELE_TRY(stele_seal__batch_init(&w->batch, target->leaves, info->lo, batch_capacity(w), err));
    stele_seal__put_header(header);
    w->at = sizeof header;
    STELE_TRY(target->write(target->ctx, stele_view_of(header, sizeof header), err));
    *ret = w;
    w = NULL;
cleanup:
    stele_seal__writer_free(w);
    return st;
}

void stele_seal__writer_free(struct stele_seal__writer *w) {
    if (w != NULL) {
        stele_seal__batch_done(&w->batch);
        stele_free(w->hashes);
        stele_buf_done(&w->rows);
        stele_buf_done(&w->ranks);
        stele_buf_done(&w->chunk);
        stele_free(w);
    }
}

/* ------------------------------------------------------------------ chunks */
/* Folds n * 2^levels adjacent hashes to n, in place. */
static void fold(uint8_t *hashes, size_t n, unsigned levels) {
    for (unsigned level = levels; level-- > 0;) {
        stele_hash_key_inner_many(hashes, n << level, hashes);
    }
}

static stele_status close_chunk(struct stele_seal__writer *w, stele_err *err) {
    uint8_t row[STELE_SEAL__ROW_BYTES];
    uint8_t sum[STELE_HASH_BYTES];
    size_t n_groups = w->n >> STELE_SEAL__GROUP_SHIFT;
    size_t n_rest = w->n & (STELE_SEAL__GROUP_KEYS - 1);
    uint8_t rest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_tree_shape_root(
        stele_hash_key_inner, w->leaves + (w->n - n_rest) * STELE_HASH_BYTES, n_rest, rest, err));
    fold(w->leaves, n_groups, STELE_SEAL__GROUP_SHIFT);
    if (n_rest > 0) { /* an odd last node is promoted: it stands beside the groups' */
        memcpy(w->leaves + n_groups * STELE_HASH_BYTES, rest, sizeof rest);
    }
    STELE_TRY(stele_tree_shape_root(stele_hash_key_inner, w->leaves, n_groups + (n_rest > 0),
                                    row + STELE_SEAL__ROW_NODE_AT, err));
    stele_buf_clear(&w->chunk);
    STELE_TRY(stele_buf_append(&w->chunk, stele_view_of(w->bitmap, sizeof w->bitmap), err));
    STELE_TRY(
        stele_buf_append(&w->chunk, stele_view_of(w->roots, w->n_roots * STELE_HASH_BYTES), err));
    STELE_TRY(
        stele_buf_append(&w->chunk, stele_view_of(w->leaves, n_groups * STELE_HASH_BYTES), err));
    stele_seal__sum(STELE_SEAL__SUM_CHUNK, w->rows.size / STELE_SEAL__ROW_BYTES,
                    stele_view_buf(&w->chunk), sum);
    stele_put_u64(row, w->at);
    memcpy(row + 8, sum, STELE_SEAL__SUM_BYTES);
    STELE_TRY(stele_buf_append(&w->rows, stele_view_of(row, sizeof row), err));
    STELE_TRY(w->target.write(w->target.ctx, stele_view_buf(&w->chunk), err));
    w->at += w->chunk.size;
    w->n = 0;
    w->n_roots = 0;
    memset(w->bitmap, 0, sizeof w->bitmap);
cleanup:
    return st;
}

/* A block's rank is known once the key its first record is of is. */
static stele_status note_ranks(struct stele_seal__writer *w, const uint8_t *tag, stele_err *err) {
    const struct stele_segment *segment = w->target.segment;
    while (w->n_ranks < segment->footer.n_blocks) {
        struct stele_segment__index_entry entry;
        uint8_t rank[8];
        const uint8_t *at = segment->index.data + w->n_ranks * STELE_SEGMENT__INDEX_ENTRY_BYTES;
        if (memcmp(at, tag, STELE_TAG_BYTES) != 0) {
            break;
        }
        stele_segment__get_index_entry(at, &entry);
        stele_put_u64(rank, w->n_keys + (entry.continued != 0));
        stele_status st = stele_buf_append(&w->ranks, stele_view_of(rank, sizeof rank), err);
        if (st != STELE_OK) {
            return st;
        }
        w->n_ranks++;
    }
    return STELE_OK;
}

/* Hashes n keys to their leaves, which go into the chunk. */
static void hash_leaves(struct stele_seal__writer *w, const struct stele_seal__key *key, size_t n) {
    uint8_t *leaves = w->leaves + w->n * STELE_HASH_BYTES;
    for (size_t i = 0; i < n; i++) {
        uint8_t *message = w->message + i * STELE_HASH_KEY_VALUE_MESSAGE;
        stele_put_u64(message, key[i].count);
        memcpy(message + 8, w->batch.node[key[i].node].hash, STELE_HASH_BYTES);
    }
    stele_hash_key_value_many(w->message, n, leaves);
    for (size_t i = 0; i < n; i++) {
        uint8_t *message = w->message + i * STELE_HASH_KEY_LEAF_MESSAGE;
        memcpy(message, key[i].tag, STELE_TAG_BYTES);
        memcpy(message + STELE_TAG_BYTES, leaves + i * STELE_HASH_BYTES, STELE_HASH_BYTES);
    }
    stele_hash_key_leaf_many(w->message, n, leaves);
}

static stele_status write_keys(struct stele_seal__writer *w, const struct stele_seal__key *key,
                               size_t n, stele_err *err) {
    stele_status st = STELE_OK;
    while (n > 0) {
        size_t room = STELE_SEAL__CHUNK_KEYS - w->n;
        size_t part = n < room ? n : room;
        hash_leaves(w, key, part);
        for (size_t i = 0; i < part; i++) {
            STELE_TRY(note_ranks(w, key[i].tag, err));
            if (key[i].count >= 2) {
                w->bitmap[(w->n + i) / 8] |= (uint8_t)(1u << ((w->n + i) % 8));
                memcpy(w->roots + w->n_roots++ * STELE_HASH_BYTES, w->batch.node[key[i].node].hash,
                       STELE_HASH_BYTES);
            }
            w->n_postings += key[i].count;
            w->n_keys++;
        }
        w->n += part;
        if (w->n == STELE_SEAL__CHUNK_KEYS) {
            STELE_TRY(close_chunk(w, err));
        }
        key += part;
        n -= part;
    }
cleanup:
    return st;
}

/* Everything but the open key. */
static stele_status write_batch(struct stele_seal__writer *w, bool open, stele_err *err) {
    stele_status st = stele_seal__batch_run(&w->batch, err);
    if (st == STELE_OK) {
        st = write_keys(w, w->batch.key, w->batch.n_keys - (open ? 1 : 0), err);
    }
    stele_seal__batch_drop(&w->batch);
    return st;
}

stele_status stele_seal__finish_key(struct stele_seal__writer *w,
                                    uint8_t ret_root[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_seal__batch *b = &w->batch;
    stele_seal__batch_close(b);
    stele_status st = stele_seal__batch_run(b, err);
    if (st == STELE_OK) {
        memcpy(ret_root, b->node[b->key[b->n_keys - 1].node].hash, STELE_HASH_BYTES);
        st = write_keys(w, b->key, b->n_keys, err);
    }
    stele_seal__batch_drop(b);
    return st;
}

stele_status stele_seal__begin_key(struct stele_seal__writer *w,
                                   const uint8_t tag[STELE_AT_LEAST(16)], stele_err *err) {
    stele_seal__batch_close(&w->batch);
    stele_status st = stele_seal__batch_full(&w->batch) ? write_batch(w, false, err) : STELE_OK;
    if (st == STELE_OK) {
        stele_seal__batch_key(&w->batch, tag);
    }
    return st;
}

static stele_status add(struct stele_seal__writer *w, uint64_t rep, uint64_t count,
                        const uint8_t *hash, stele_err *err) {
    stele_status st = stele_seal__batch_full(&w->batch) ? write_batch(w, true, err) : STELE_OK;
    if (st == STELE_OK) {
        stele_seal__batch_add(&w->batch, rep, count, hash);
    }
    return st;
}

void stele_seal__expect(const struct stele_seal__writer *w, uint64_t seq) {
    if (w->hashes != NULL && seq >= w->info->lo && seq < w->info->hi) {
        __builtin_prefetch(w->hashes + (size_t)(seq - w->info->lo) * STELE_HASH_BYTES);
    }
}

stele_status stele_seal__add_posting(struct stele_seal__writer *w, uint64_t seq, stele_err *err) {
    assert(seq >= w->info->lo && seq < w->info->hi); /* the segment's rule */
    return add(
        w, seq, 1,
        w->hashes == NULL ? NULL : w->hashes + (size_t)(seq - w->info->lo) * STELE_HASH_BYTES, err);
}

stele_status stele_seal__add_root(struct stele_seal__writer *w, uint64_t rep, uint64_t count,
                                  const uint8_t root[STELE_AT_LEAST(32)], stele_err *err) {
    return add(w, rep, count, root, err);
}

/* ------------------------------------------------------------------ the end */
/* Appends the complete nodes of levels 15, 20, .. to `out`; `nodes` are those of level 10. */
static stele_status put_upper(uint8_t *nodes, size_t n, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    while (st == STELE_OK && n >= STELE_SEAL__GROUP_KEYS) {
        n >>= STELE_SEAL__GROUP_SHIFT;
        fold(nodes, n, STELE_SEAL__GROUP_SHIFT);
        st = stele_buf_append(out, stele_view_of(nodes, n * STELE_HASH_BYTES), err);
    }
    return st;
}

/* The table: rows, ranks and upper nodes; and the root of the key tree. */
static stele_status make_table(struct stele_seal__writer *w, uint8_t *ret_root, stele_err *err) {
    size_t n = w->rows.size / STELE_SEAL__ROW_BYTES;
    stele_status st = STELE_OK;
    uint8_t *nodes = stele_alloc(n + 1, STELE_HASH_BYTES);
    if (nodes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu nodes of a key tree", n);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(nodes + i * STELE_HASH_BYTES,
               w->rows.data + i * STELE_SEAL__ROW_BYTES + STELE_SEAL__ROW_NODE_AT,
               STELE_HASH_BYTES);
    }
    STELE_TRY(stele_tree_shape_root(stele_hash_key_inner, nodes, n, ret_root, err));
    STELE_TRY(stele_buf_append(&w->rows, stele_view_buf(&w->ranks), err));
    STELE_TRY(put_upper(nodes, (size_t)(w->n_keys >> STELE_SEAL__CHUNK_SHIFT), &w->rows, err));
cleanup:
    stele_free(nodes);
    return st;
}

static stele_status write_foot(struct stele_seal__writer *w, struct stele_descriptor *ret,
                               stele_err *err) {
    struct stele_seal__footer footer = {.n_blocks = w->n_ranks, .table_at = w->at};
    uint8_t bytes[STELE_SEAL__FOOTER_BYTES];
    uint8_t segment_foot[STELE_SEGMENT__FOOTER_BYTES];
    stele_status st = STELE_OK;
    footer.descriptor.info = *w->info;
    STELE_TRY(make_table(w, footer.descriptor.key_root, err));
    stele_segment__put_footer(&w->target.segment->footer, segment_foot);
    memcpy(footer.segment_sum, segment_foot + sizeof segment_foot - STELE_HASH_BYTES,
           STELE_HASH_BYTES);
    stele_seal__sum(STELE_SEAL__SUM_TABLE, 0, stele_view_buf(&w->rows), footer.table_sum);
    if (w->rows.size > 0) {
        STELE_TRY(w->target.write(w->target.ctx, stele_view_buf(&w->rows), err));
    }
    stele_seal__put_footer(&footer, bytes);
    STELE_TRY(w->target.write(w->target.ctx, stele_view_of(bytes, sizeof bytes), err));
    *ret = footer.descriptor;
cleanup:
    return st;
}

stele_status stele_seal__end(struct stele_seal__writer *w, struct stele_descriptor *ret,
                             stele_err *err) {
    stele_status st = STELE_OK;
    stele_seal__batch_close(&w->batch);
    STELE_TRY(write_batch(w, false, err));
    if (w->n > 0) {
        STELE_TRY(close_chunk(w, err));
    }
    if (w->n_keys != w->info->n_keys || w->n_postings != w->info->n_postings ||
        w->n_ranks != w->target.segment->footer.n_blocks) {
        return STELE_FAIL(err, CORRUPT,
                          "segment [%" PRIu64 ", %" PRIu64 "): %" PRIu64 " keys with %" PRIu64
                          " postings were found for its seal, it counts %" PRIu64 " with %" PRIu64
                          "; restore or rebuild the segment",
                          w->info->lo, w->info->hi, w->n_keys, w->n_postings, w->info->n_keys,
                          w->info->n_postings);
    }
    STELE_TRY(write_foot(w, ret, err));
cleanup:
    return st;
}
