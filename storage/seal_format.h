/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal_format.h: the bytes of a seal, shared by its writer and its reader. Layer: storage,
 * private to seal_*.c and their tests. Format: FORMAT.md, "Seal".
 *
 * Invariant: as in a segment, everything hangs on the footer: it holds the checksum of the table,
 * the table that of each chunk. The footer also names the segment by the checksum in that one's
 * footer, so that a seal is never read beside another segment.
 */
#ifndef STELE_STORAGE_SEAL_FORMAT_H
#define STELE_STORAGE_SEAL_FORMAT_H

#include "storage/history.h"
#include "storage/seal.h"
#include "storage/segment_format.h"

#define STELE_SEAL__VERSION 1
#define STELE_SEAL__HEADER_BYTES 16
/* The unit of reading: at most 33 KiB, and half of it where every second key stands alone. */
#define STELE_SEAL__CHUNK_SHIFT 10u
#define STELE_SEAL__CHUNK_KEYS (1u << STELE_SEAL__CHUNK_SHIFT)
#define STELE_SEAL__BITMAP_BYTES (STELE_SEAL__CHUNK_KEYS / 8)
/* Of the key tree, nodes of levels 5, 10, 15, .. are kept: a byte a key, and at most 32 key leaves
 * are computed for a proof. */
#define STELE_SEAL__GROUP_SHIFT 5u
#define STELE_SEAL__GROUP_KEYS (1u << STELE_SEAL__GROUP_SHIFT)
#define STELE_SEAL__ROW_BYTES 56
#define STELE_SEAL__ROW_NODE_AT 24 /* in a row: the root of the chunk's key leaves */
#define STELE_SEAL__SUM_BYTES 16
#define STELE_SEAL__FOOTER_BYTES 272
/* A trie has a seq's 64 bits as depths, and a batch numbers nodes with 20 bits: 2^44 entries are
 * left. */
#define STELE_SEAL__SPAN_SHIFT_MAX 44u

enum stele_seal__sum_kind {
    STELE_SEAL__SUM_CHUNK = 'c',
    STELE_SEAL__SUM_TABLE = 't',
    STELE_SEAL__SUM_FOOTER = 'f',
};
void stele_seal__sum(enum stele_seal__sum_kind kind, uint64_t number, stele_view bytes,
                     uint8_t out[STELE_AT_LEAST(32)]);
void stele_seal__put_header(uint8_t out[STELE_AT_LEAST(STELE_SEAL__HEADER_BYTES)]);

struct stele_seal__footer {
    struct stele_descriptor descriptor;
    uint64_t n_blocks; /* of the segment */
    uint64_t table_at; /* bytes before the table: header and chunks */
    uint8_t segment_sum[STELE_HASH_BYTES];
    uint8_t table_sum[STELE_HASH_BYTES];
};
void stele_seal__put_footer(const struct stele_seal__footer *footer,
                            uint8_t out[STELE_AT_LEAST(STELE_SEAL__FOOTER_BYTES)]);
/* Checks the checksum, then that the table has just the size its counts give. Errors: CORRUPT,
 * UNSUPPORTED. */
STELE_MUST_USE stele_status
stele_seal__get_footer(const uint8_t in[STELE_AT_LEAST(STELE_SEAL__FOOTER_BYTES)],
                       uint64_t size_bytes, struct stele_seal__footer *ret, stele_err *err);

/* Counts that follow from the number of keys. */
uint64_t stele_seal__n_chunks(uint64_t n_keys);
/* Complete nodes of levels 15, 20, .. below `level`; level is one of them. */
uint64_t stele_seal__n_upper(uint64_t n_keys, unsigned level);
uint64_t stele_seal__table_bytes(uint64_t n_keys, uint64_t n_blocks);

struct stele_seal {
    stele_read_at_fn read;
    void *ctx;
    struct stele_segment *segment;
    struct stele_seal__footer footer;
    stele_buf table; /* rows, ranks, upper nodes, as stored */
};
/* Key at `rank` and those after it stand in this block or later ones; rank < n_keys. */
uint64_t stele_seal__block_of(const struct stele_seal *seal, uint64_t rank);
/* How many keys begin in blocks before this one. */
uint64_t stele_seal__rank_of(const struct stele_seal *seal, uint64_t block);

/* One chunk, read and checked: its views borrow the buffer. */
struct stele_seal__chunk {
    const uint8_t *bitmap;
    const uint8_t *roots; /* of the keys the bitmap names, in order */
    const uint8_t *nodes; /* level 5: of its complete groups */
    size_t n_roots;
    size_t n_keys;
};
STELE_MUST_USE stele_status stele_seal__read_chunk(const struct stele_seal *seal, uint64_t chunk,
                                                   stele_buf *buf, struct stele_seal__chunk *ret,
                                                   stele_err *err);
bool stele_seal__has_root(const struct stele_seal__chunk *chunk, size_t key);

/* ------------------------------------------------------------------ seal_writer.c */
/* Takes keys in order, each with the parts of its history, and writes the seal. */
struct stele_seal__writer;
struct stele_seal__target {
    struct stele_segment *segment;
    struct stele_leaf_source leaves;
    stele_write_fn write;
    void *ctx;
    bool of_postings; /* every posting of the segment will be added: all its leaves may be read at
                         once */
};
STELE_MUST_USE stele_status stele_seal__writer_new(const struct stele_seal__target *target,
                                                   struct stele_seal__writer **ret, stele_err *err);
void stele_seal__writer_free(struct stele_seal__writer *w);
STELE_MUST_USE stele_status stele_seal__begin_key(struct stele_seal__writer *w,
                                                  const uint8_t tag[STELE_AT_LEAST(16)],
                                                  stele_err *err);
/* Postings of this seq will be added soon: what is known of it is fetched meanwhile. */
void stele_seal__expect(const struct stele_seal__writer *w, uint64_t seq);
/* Of the newest key; seqs and reps ascend. */
STELE_MUST_USE stele_status stele_seal__add_posting(struct stele_seal__writer *w, uint64_t seq,
                                                    stele_err *err);
STELE_MUST_USE stele_status stele_seal__add_root(struct stele_seal__writer *w, uint64_t rep,
                                                 uint64_t count,
                                                 const uint8_t root[STELE_AT_LEAST(32)],
                                                 stele_err *err);
/* Ends the newest key, which has an entry, and gives the root of its history. */
STELE_MUST_USE stele_status stele_seal__finish_key(struct stele_seal__writer *w,
                                                   uint8_t ret_root[STELE_AT_LEAST(32)],
                                                   stele_err *err);
STELE_MUST_USE stele_status stele_seal__end(struct stele_seal__writer *w,
                                            struct stele_descriptor *ret, stele_err *err);

/* ------------------------------------------------------------------ seal_batch.c */
/*
 * Histories of many keys at a time: postings are hashed in the order of their seqs, once for all
 * keys, and joins of one depth together, four at a time.
 */
struct stele_seal__key {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count;
    uint32_t node; /* its root */
};
struct stele_seal__node {
    uint64_t rep;
    uint8_t hash[STELE_HASH_BYTES];
    uint32_t depth; /* joins below it */
};
struct stele_seal__batch {
    struct stele_leaf_source leaves;
    uint64_t lo; /* of the segment */
    size_t capacity;
    struct stele_seal__node *node;
    size_t n_nodes;
    struct stele_seal__key *key;
    size_t n_keys;     /* the last one is open */
    uint64_t *posting; /* (seq - lo) << 20 | node, of those whose hash is not known */
    size_t n_postings;
    uint64_t *join; /* depth << 40 | left << 20 | right */
    size_t n_joins;
    uint64_t *scratch;
    uint32_t stack[STELE_HISTORY_DEPTH_MAX]; /* nodes of the open key */
    size_t n_stack;
    uint8_t *message; /* of a run of hashes, and the hashes */
};
/* Nodes in a batch whose postings come without hashes: the more, the more of them share one reading
 * of the leaves, front to back. 50 MiB in all. */
#define STELE_SEAL__BATCH_MAX ((size_t)1 << 19)
/* Where all hashes are known: more would not stay in a core's second-level cache. 400 KiB in all.
 */
#define STELE_SEAL__BATCH_NEAR ((size_t)1 << 12)
STELE_MUST_USE stele_status stele_seal__batch_init(struct stele_seal__batch *b,
                                                   struct stele_leaf_source leaves, uint64_t lo,
                                                   size_t capacity, stele_err *err);
void stele_seal__batch_done(struct stele_seal__batch *b);
bool stele_seal__batch_full(const struct stele_seal__batch *b);
/* Closes the open key, if there is one, and opens another. Not full. */
void stele_seal__batch_key(struct stele_seal__batch *b, const uint8_t tag[STELE_AT_LEAST(16)]);
/* hash NULL: a posting at rep. Not full. */
void stele_seal__batch_add(struct stele_seal__batch *b, uint64_t rep, uint64_t count,
                           const uint8_t *hash);
void stele_seal__batch_close(struct stele_seal__batch *b);
/* Computes every hash; the roots of closed keys are then there. Errors: those of the leaves. */
STELE_MUST_USE stele_status stele_seal__batch_run(struct stele_seal__batch *b, stele_err *err);
/* Drops the closed keys; an open one stays with its nodes. After _run. */
void stele_seal__batch_drop(struct stele_seal__batch *b);

#endif
