/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_keys.c: questions to a seal: a tag's place, the key at a place, and range proofs.
 *
 * The seal holds no tags and no counts: they are read from the segment's blocks. What the seal does
 * not hold of the key tree, the leaves and the four levels above them, is computed from at most 32
 * keys.
 */
#include <assert.h>
#include <inttypes.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "storage/tree_range.h"

static uint64_t n_keys_of(const struct stele_seal *seal) {
    return seal->footer.descriptor.info.n_keys;
}

static stele_status bad_ranks(const struct stele_seal *seal, uint64_t block, stele_err *err) {
    return STELE_FAIL(
        err, CORRUPT,
        "entries %" PRIu64 " to %" PRIu64 ": block %" PRIu64
        " of the segment does not have the keys that the seal counts; remove the seal, "
        "and it is made again",
        seal->footer.descriptor.info.lo, seal->footer.descriptor.info.hi - 1, block);
}

static const uint8_t *first_tag(const struct stele_seal *seal, uint64_t block) {
    return seal->segment->index.data + block * STELE_SEGMENT__INDEX_ENTRY_BYTES;
}

/* The block's first record goes on with a key of the block before. */
static bool continues(const struct stele_seal *seal, uint64_t block) {
    return stele_get_u32(first_tag(seal, block) + 48) != 0;
}

/* ------------------------------------------------------------------ keys in order */
/* Stands on one key after the other. */
struct keys {
    const struct stele_seal *seal;
    uint64_t block;
    stele_buf buf;
    struct stele_segment__scan scan;
    uint64_t rank; /* of the key at the scan */
};

/* On the first key that begins in the block. END if none does. */
static stele_status enter_block(struct keys *k, uint64_t block, stele_err *err) {
    stele_status st = STELE_OK;
    k->block = block;
    k->rank = stele_seal__rank_of(k->seal, block);
    STELE_TRY(stele_segment__read_blocks(k->seal->segment, block, 1, &k->buf, err));
    STELE_TRY(
        stele_segment__scan_block(k->seal->segment, block, stele_view_buf(&k->buf), &k->scan, err));
    k->scan.any_order = k->seal->segment->any_order;
    if (continues(k->seal, block)) {
        STELE_TRY(stele_segment__scan_record(&k->scan, err));
    }
cleanup:
    return st;
}

/* On the next key. The caller knows that there is one. */
static stele_status next_key(struct keys *k, stele_err *err) {
    stele_status st = stele_segment__scan_record(&k->scan, err);
    uint64_t wanted = k->rank + 1;
    while (st == STELE_END && k->block + 1 < k->seal->footer.n_blocks) {
        st = enter_block(k, k->block + 1, err);
        if (k->rank != wanted) {
            return bad_ranks(k->seal, k->block, err);
        }
    }
    k->rank = wanted;
    return st == STELE_END ? bad_ranks(k->seal, k->block, err) : st;
}

uint64_t stele_seal__block_of(const struct stele_seal *seal, uint64_t rank) {
    uint64_t low = 0; /* the last block with a rank that is not above */
    uint64_t high = seal->footer.n_blocks - 1;
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        if (stele_seal__rank_of(seal, middle) <= rank) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* On the key at `rank`, which is below the number of keys. */
static stele_status go_to(struct keys *k, const struct stele_seal *seal, uint64_t rank,
                          stele_err *err) {
    k->seal = seal;
    assert(rank < n_keys_of(seal) &&
           seal->footer.n_blocks > 0); /* no blocks, no keys: the segment's rule */
    stele_status st = enter_block(k, stele_seal__block_of(seal, rank), err);
    while (st == STELE_OK && k->rank < rank) {
        st = stele_segment__scan_record(&k->scan, err);
        k->rank++;
    }
    return st == STELE_END ? bad_ranks(seal, k->block, err) : st;
}

static uint64_t count_of(const struct keys *k) {
    return k->scan.n + stele_segment__count_beyond(k->seal->segment, k->block, k->scan.tag);
}

/* The key stands before those of the next block, so that a search would come here too. */
static bool is_in_order(const struct keys *k) {
    uint64_t next = k->block + 1;
    if (next == k->seal->footer.n_blocks || k->seal->segment->any_order) {
        return true;
    }
    int order = memcmp(k->scan.tag, first_tag(k->seal, next), STELE_TAG_BYTES);
    return order < 0 || (order == 0 && continues(k->seal, next));
}

/* The root of the key's history: from the chunk, or of the one posting. */
static stele_status root_of(const struct keys *k, struct stele_leaf_source leaves,
                            const struct stele_seal__chunk *chunk, uint8_t *ret, stele_err *err) {
    size_t at = (size_t)(k->rank & (STELE_SEAL__CHUNK_KEYS - 1));
    if (!is_in_order(k) || at >= chunk->n_keys ||
        stele_seal__has_root(chunk, at) != (count_of(k) >= 2)) {
        return bad_ranks(k->seal, k->block, err);
    }
    if (stele_seal__has_root(chunk, at)) {
        size_t before = 0;
        for (size_t i = 0; i < at; i++) {
            before += stele_seal__has_root(chunk, i);
        }
        memcpy(ret, chunk->roots + before * STELE_HASH_BYTES, STELE_HASH_BYTES);
        return STELE_OK;
    }
    struct stele_segment__scan peek = k->scan;
    uint64_t offset = 0;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = stele_segment__scan_posting(&peek, &offset, err);
    uint64_t seq = k->seal->footer.descriptor.info.lo + offset;
    st = st == STELE_OK ? leaves.leaf(leaves.ctx, seq, leaf, err) : st;
    if (st == STELE_OK) {
        stele_hash_posting(seq, leaf, ret);
    }
    return st;
}

/* ------------------------------------------------------------------ one key */
stele_status stele_seal_find(const struct stele_seal *seal, const uint8_t tag[STELE_AT_LEAST(16)],
                             uint64_t *ret_rank, bool *ret_present, stele_err *err) {
    struct keys k = {.seal = seal};
    uint64_t low = 0; /* the first block whose first tag is not below */
    uint64_t high = seal->footer.n_blocks;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        bool below = memcmp(first_tag(seal, middle), tag, STELE_TAG_BYTES) < 0;
        low = below ? middle + 1 : low;
        high = below ? high : middle;
    }
    bool begins =
        low < seal->footer.n_blocks && memcmp(first_tag(seal, low), tag, STELE_TAG_BYTES) == 0;
    if (low == 0 || (begins && !continues(seal, low))) {
        *ret_rank = stele_seal__rank_of(seal, low);
        *ret_present = begins;
        return STELE_OK;
    }
    stele_status st = enter_block(&k, low - 1, err);
    int order = 1;
    while (st == STELE_OK && (order = memcmp(tag, k.scan.tag, STELE_TAG_BYTES)) > 0) {
        k.rank++;
        st = stele_segment__scan_record(&k.scan, err);
    }
    /* Here `begins` says that the key goes on in the next block, so that it must have begun in this
     * one. */
    if ((st == STELE_OK && begins && order != 0) || k.rank > stele_seal__rank_of(seal, low) ||
        (st == STELE_END && (begins || k.rank != stele_seal__rank_of(seal, low)))) {
        st = bad_ranks(seal, low - 1, err);
    }
    if (st == STELE_OK || st == STELE_END) {
        *ret_rank = k.rank;
        *ret_present = st == STELE_OK && order == 0;
        st = STELE_OK;
    }
    stele_buf_done(&k.buf);
    return st;
}

static stele_status check_keys(const struct stele_seal *seal, uint64_t first, uint64_t n,
                               stele_err *err) {
    if (n == 0 || n > n_keys_of(seal) || first > n_keys_of(seal) - n) {
        return STELE_FAIL(err, INVALID,
                          "keys %" PRIu64 " and %" PRIu64 " more are not in a segment of %" PRIu64,
                          first, n, n_keys_of(seal));
    }
    return STELE_OK;
}

stele_status stele_seal_key_at(const struct stele_seal *seal, struct stele_leaf_source leaves,
                               uint64_t rank, struct stele_seal_key *ret, stele_err *err) {
    struct keys k = {.seal = seal};
    struct stele_seal__chunk chunk;
    struct stele_seal_key key;
    stele_buf buf = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(check_keys(seal, rank, 1, err));
    STELE_TRY(go_to(&k, seal, rank, err));
    STELE_TRY(stele_seal__read_chunk(seal, rank >> STELE_SEAL__CHUNK_SHIFT, &buf, &chunk, err));
    STELE_TRY(root_of(&k, leaves, &chunk, key.root, err));
    memcpy(key.tag, k.scan.tag, STELE_TAG_BYTES);
    key.count = count_of(&k);
    stele_hash_key_value(key.count, key.root, key.value);
    *ret = key;
cleanup:
    stele_buf_done(&k.buf);
    stele_buf_done(&buf);
    return st;
}

stele_status stele_seal_find_disorder(const struct stele_seal *seal, uint64_t *ret_rank,
                                      stele_err *err) {
    struct keys k = {.seal = seal};
    uint8_t before[STELE_TAG_BYTES];
    int order = 1;
    stele_status st = n_keys_of(seal) == 0 ? STELE_END : go_to(&k, seal, 0, err);
    while (st == STELE_OK && order > 0) {
        memcpy(before, k.scan.tag, sizeof before);
        st = k.rank + 1 < n_keys_of(seal) ? next_key(&k, err) : STELE_END;
        order = memcmp(k.scan.tag, before, sizeof before);
    }
    if (st == STELE_OK) {
        *ret_rank = k.rank - 1;
    }
    stele_buf_done(&k.buf);
    return st;
}

/* ------------------------------------------------------------------ proofs */
/* What a proof has read: the siblings of one run lie close to each other. */
struct proof {
    const struct stele_seal *seal;
    struct stele_leaf_source leaves;
    uint64_t chunk_number, group_number; /* UINT64_MAX: none yet */
    stele_buf buf;
    struct stele_seal__chunk chunk;
    uint8_t leaf[STELE_SEAL__GROUP_KEYS * STELE_HASH_BYTES]; /* of the group */
};

static stele_status load_chunk(struct proof *p, uint64_t number, stele_err *err) {
    if (p->chunk_number == number) {
        return STELE_OK;
    }
    p->chunk_number = UINT64_MAX;
    stele_status st = stele_seal__read_chunk(p->seal, number, &p->buf, &p->chunk, err);
    if (st == STELE_OK) {
        p->chunk_number = number;
    }
    return st;
}

/* Computes the key leaves of one group; the last one may be smaller. */
static stele_status load_group(struct proof *p, uint64_t number, stele_err *err) {
    struct keys k = {.seal = p->seal};
    uint64_t first = number << STELE_SEAL__GROUP_SHIFT;
    uint64_t left = n_keys_of(p->seal) - first;
    size_t n = left < STELE_SEAL__GROUP_KEYS ? (size_t)left : STELE_SEAL__GROUP_KEYS;
    stele_status st = STELE_OK;
    if (p->group_number == number) {
        return STELE_OK;
    }
    p->group_number = UINT64_MAX;
    STELE_TRY(load_chunk(p, first >> STELE_SEAL__CHUNK_SHIFT, err));
    STELE_TRY(go_to(&k, p->seal, first, err));
    for (size_t i = 0; i < n; i++) {
        uint8_t root[STELE_HASH_BYTES];
        if (i > 0) {
            STELE_TRY(next_key(&k, err));
        }
        STELE_TRY(root_of(&k, p->leaves, &p->chunk, root, err));
        stele_hash_key_value(count_of(&k), root, root);
        stele_hash_key_leaf(k.scan.tag, root, p->leaf + i * STELE_HASH_BYTES);
    }
    p->group_number = number;
cleanup:
    stele_buf_done(&k.buf);
    return st;
}

/* Kept nodes of the level `kept`, at most 16 from `first` on, copied to `out`. */
static stele_status kept_nodes(struct proof *p, unsigned kept, uint64_t first, size_t n,
                               uint8_t *out, stele_err *err) {
    const struct stele_seal *seal = p->seal;
    uint64_t n_chunks = stele_seal__n_chunks(n_keys_of(seal));
    if (kept == STELE_SEAL__GROUP_SHIFT) {
        stele_status st = load_chunk(p, first >> (STELE_SEAL__CHUNK_SHIFT - kept), err);
        if (st == STELE_OK) {
            size_t at = (size_t)first & ((STELE_SEAL__CHUNK_KEYS >> kept) - 1);
            memcpy(out, p->chunk.nodes + at * STELE_HASH_BYTES, n * STELE_HASH_BYTES);
        }
        return st;
    }
    if (kept == STELE_SEAL__CHUNK_SHIFT) {
        for (size_t i = 0; i < n; i++) {
            memcpy(out + i * STELE_HASH_BYTES,
                   seal->table.data + (first + i) * STELE_SEAL__ROW_BYTES + STELE_SEAL__ROW_NODE_AT,
                   STELE_HASH_BYTES);
        }
        return STELE_OK;
    }
    uint64_t at = n_chunks * STELE_SEAL__ROW_BYTES + seal->footer.n_blocks * 8 +
                  (stele_seal__n_upper(n_keys_of(seal), kept) + first) * STELE_HASH_BYTES;
    memcpy(out, seal->table.data + at, n * STELE_HASH_BYTES);
    return STELE_OK;
}

/* A stele_tree_node_fn. */
static stele_status node_of(void *ctx, unsigned level, uint64_t index,
                            uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct proof *p = ctx;
    uint8_t hashes[STELE_SEAL__GROUP_KEYS * STELE_HASH_BYTES];
    unsigned kept = level / STELE_SEAL__GROUP_SHIFT * STELE_SEAL__GROUP_SHIFT;
    size_t n = (size_t)1 << (level - kept);
    stele_status st = STELE_OK;
    assert(level < 64 && index < n_keys_of(p->seal) >> level);
    if (kept == 0) {
        uint64_t first = index << level;
        STELE_TRY(load_group(p, first >> STELE_SEAL__GROUP_SHIFT, err));
        memcpy(hashes, p->leaf + (first & (STELE_SEAL__GROUP_KEYS - 1)) * STELE_HASH_BYTES,
               n * STELE_HASH_BYTES);
    } else {
        STELE_TRY(kept_nodes(p, kept, index << (level - kept), n, hashes, err));
    }
    for (n /= 2; n > 0; n /= 2) {
        stele_hash_key_inner_many(hashes, n, hashes);
    }
    memcpy(ret, hashes, STELE_HASH_BYTES);
cleanup:
    return st;
}

stele_status stele_seal_prove(const struct stele_seal *seal, struct stele_leaf_source leaves,
                              uint64_t first, uint64_t n, stele_buf *siblings, stele_err *err) {
    struct proof p = {
        .seal = seal, .leaves = leaves, .chunk_number = UINT64_MAX, .group_number = UINT64_MAX};
    struct stele_leaf_run run = {.first = first, .n = n, .size = n_keys_of(seal)};
    stele_status st = check_keys(seal, first, n, err);
    if (st == STELE_OK) {
        st = stele_tree_range_prove(stele_hash_key_inner, run, node_of, &p, siblings, err);
    }
    stele_buf_done(&p.buf);
    return st;
}
