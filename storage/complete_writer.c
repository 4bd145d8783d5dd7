/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_writer.c: writes a complete answer. Every call makes its chunk's body aside, so
 * that it either appends whole chunks and moves on, or fails and leaves the buffer and the writer
 * as they were.
 */
#include "storage/complete_writer_parts.h"

#include <inttypes.h>
#include <string.h>

#include "storage/tree_range.h"

stele_status stele_complete_writer_new(struct stele_complete_writer **ret, stele_err *err) {
    struct stele_complete_writer *w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for writing a complete answer");
    }
    stele_sha256_init(&w->digest);
    *ret = w;
    return STELE_OK;
}

void stele_complete_writer_free(struct stele_complete_writer *w) {
    if (w != NULL) {
        stele_buf_done(&w->body);
        stele_free(w);
    }
}

/* ------------------------------------------------------------------ chunks */

struct stele_writer stele_complete__begin(struct stele_complete_writer *w) {
    stele_buf_clear(&w->body);
    return stele_writer_to(&w->body);
}

stele_status stele_complete__put(struct stele_complete_writer *w, uint8_t type, size_t bytes_max,
                                 stele_buf *out, stele_err *err) {
    size_t before = out->size;
    if (w->body.size > bytes_max) {
        return STELE_FAIL(err, LIMIT,
                          "answer: a chunk of type %u would have %zu bytes, at most %zu "
                          "are read; ask for less at a time",
                          type, w->body.size, bytes_max);
    }
    struct stele_writer bytes = stele_writer_to(out);
    stele_write_u8(&bytes, type);
    stele_write_u32(&bytes, (uint32_t)w->body.size);
    stele_write_view(&bytes, stele_view_buf(&w->body));
    stele_status st = stele_writer_end(&bytes, err);
    if (st == STELE_OK) {
        stele_sha256_update(&w->digest, stele_view_of(out->data + before, out->size - before));
    } else {
        out->size = before;
    }
    return st;
}

/* u8 n, n hashes */
static void write_path(struct stele_writer *bytes, const struct stele_tree_path *path) {
    stele_write_u8(bytes, (uint8_t)path->n); /* of an inclusion proof: at most 64 */
    stele_write_view(bytes, stele_view_of(path->node, path->n * STELE_HASH_BYTES));
}

/* ------------------------------------------------------------------ head */

stele_status stele_complete_write_question(struct stele_complete_writer *w, stele_view question,
                                           stele_buf *out, stele_err *err) {
    size_t before = out->size;
    if (w->part != STELE_ANSWER_AT_START) {
        return STELE_FAIL(err, INVALID, "answer: it has a question already");
    }
    stele_view magic = stele_view_str(STELE_COMPLETE_MAGIC);
    struct stele_sha256 digest = w->digest;
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_view(&bytes, question);
    stele_status st = STELE_OK;
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_buf_append(out, magic, err));
    stele_sha256_update(&w->digest, magic);
    STELE_TRY(
        stele_complete__put(w, STELE_ANSWER_QUESTION, STELE_ANSWER_QUESTION_BYTES_MAX, out, err));
    w->part = STELE_ANSWER_AT_LOGS;
cleanup:
    if (st != STELE_OK) {
        out->size = before;
        w->digest = digest;
    }
    return st;
}

stele_status stele_complete_write_log(struct stele_complete_writer *w, stele_view note,
                                      uint64_t size_leaves, stele_tree_node_fn node, void *ctx,
                                      uint8_t *ret_log, stele_buf *out, stele_err *err) {
    struct stele_checkpoint checkpoint;
    stele_status st = STELE_OK;
    if (w->part != STELE_ANSWER_AT_LOGS || w->n_begun > 0 || w->n_logs == STELE_ANSWER_LOGS_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer: up to %d logs come after the question and before all anchors",
                          STELE_ANSWER_LOGS_MAX);
    }
    STELE_TRY(stele_checkpoint_peek(note, &checkpoint, err));
    if (checkpoint.size_leaves != size_leaves || size_leaves == 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: log '%.80s' has %" PRIu64
                          " leaves, its checkpoint says %" PRIu64,
                          checkpoint.origin, size_leaves, checkpoint.size_leaves);
    }
    if (w->n_logs > 0 && strcmp(w->log[w->n_logs - 1].origin, checkpoint.origin) >= 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: log '%.80s' after '%.80s'; logs are declared once each, in "
                          "bytewise ascending order",
                          checkpoint.origin, w->log[w->n_logs - 1].origin);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_view(&bytes, note);
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_complete__put(w, STELE_ANSWER_LOG, STELE_CHECKPOINT_BYTES_MAX, out, err));
    struct writer_log *log = &w->log[w->n_logs];
    memset(log, 0, sizeof *log);
    memcpy(log->origin, checkpoint.origin, sizeof log->origin);
    log->size_leaves = size_leaves;
    log->node = node;
    log->ctx = ctx;
    *ret_log = (uint8_t)w->n_logs++;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ parts of a log */

static stele_status write_proven(struct stele_writer *bytes, const struct writer_log *log,
                                 stele_view entry, uint64_t seq, stele_err *err) {
    struct stele_tree_path path;
    struct stele_leaf_pos pos = {.index_leaves = seq, .size_leaves = log->size_leaves};
    stele_status st = stele_tree_prove_inclusion(pos, log->node, log->ctx, &path, err);
    if (st == STELE_OK) {
        stele_write_view(bytes, entry);
        write_path(bytes, &path);
    }
    return st;
}

stele_status stele_complete_write_anchor(struct stele_complete_writer *w, uint8_t log,
                                         const struct stele_complete_anchor *anchor, stele_buf *out,
                                         stele_err *err) {
    struct stele_entry index;
    struct stele_entry control;
    uint8_t genesis[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (w->part != STELE_ANSWER_AT_LOGS || log != w->n_begun || log >= w->n_logs ||
        (log > 0 && w->log[log - 1].part != WRITER_AT_KEYS)) {
        return STELE_FAIL(
            err, INVALID,
            "answer: the anchor of log %u, of %zu; anchors come once a log, in the order "
            "of the logs, after the manifest of the log before",
            log, w->n_logs);
    }
    struct writer_log *of = &w->log[log];
    STELE_TRY(stele_entry_decode(anchor->index, &index, err));
    STELE_TRY(stele_entry_decode(anchor->control, &control, err));
    if (index.type != STELE_ENTRY_INDEX || control.type != STELE_ENTRY_CONTROL ||
        index.as.index.control != control.seq || index.seq >= of->size_leaves) {
        return STELE_FAIL(err, INVALID,
                          "answer: the anchor of '%.80s' needs an INDEX entry below %" PRIu64
                          " and the CONTROL entry that it names",
                          of->origin, of->size_leaves);
    }
    if (anchor->counted && (anchor->by_log || (log > 0 && !w->log[0].counted))) {
        return STELE_FAIL(err, INVALID,
                          "answer: '%.80s' is counted by its index alone, and so are all logs",
                          of->origin);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u8(&bytes, anchor->condition);
    stele_write_u8(&bytes, (uint8_t)((anchor->by_log ? STELE_COMPLETE_FLAG_BY_LOG : 0) |
                                     (anchor->counted ? STELE_COMPLETE_FLAG_COUNTED : 0)));
    STELE_TRY(write_proven(&bytes, of, anchor->index, index.seq, err));
    STELE_TRY(write_proven(&bytes, of, anchor->control, control.seq, err));
    STELE_TRY(of->node(of->ctx, 0, 0, genesis, err));
    STELE_TRY(write_proven(&bytes, of, stele_view_of(genesis, sizeof genesis), 0, err));
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(
        stele_complete__put(w, STELE_COMPLETE_ANCHOR, STELE_COMPLETE_ANCHOR_BYTES_MAX, out, err));
    of->part = WRITER_AT_STATES;
    of->by_log = anchor->by_log;
    of->counted = anchor->counted;
    w->n_begun++;
cleanup:
    return st;
}

/* The log whose part is being written, if it is at `part`. */
static stele_status part_of(struct stele_complete_writer *w, uint8_t log, writer_part part,
                            const char *what, struct writer_log **ret, stele_err *err) {
    if (w->part != STELE_ANSWER_AT_LOGS || w->n_begun == 0 || log != w->n_begun - 1 ||
        w->log[log].part != part) {
        return STELE_FAIL(
            err, INVALID,
            "answer: %s of log %u is out of place: anchor, states, manifest, keys, log "
            "by log",
            what, log);
    }
    *ret = &w->log[log];
    return STELE_OK;
}

stele_status stele_complete_write_consistency(struct stele_complete_writer *w, uint8_t log,
                                              uint64_t old_leaves, stele_buf *out, stele_err *err) {
    struct writer_log *of = NULL;
    struct stele_tree_path proof;
    stele_status st = STELE_OK;
    STELE_TRY(part_of(w, log, WRITER_AT_STATES, "a consistency proof", &of, err));
    if (of->has_consistency || of->next_state > 0 || old_leaves == 0 ||
        old_leaves >= of->size_leaves) {
        return STELE_FAIL(err, INVALID,
                          "answer: one proof that '%.80s' grew out of %" PRIu64
                          " entries, after its anchor; it has %" PRIu64,
                          of->origin, old_leaves, of->size_leaves);
    }
    STELE_TRY(
        stele_tree_prove_consistency(old_leaves, of->size_leaves, of->node, of->ctx, &proof, err));
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u64(&bytes, old_leaves);
    stele_write_view(&bytes, stele_view_of(proof.node, proof.n * STELE_HASH_BYTES));
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_complete__put(w, STELE_COMPLETE_CONSISTENCY,
                                  STELE_COMPLETE_CONSISTENCY_BYTES_MAX, out, err));
    of->has_consistency = true;
cleanup:
    return st;
}

/* Leaf hashes of one tree; a stele_tree_node_fn over them. */
struct leaves {
    stele_tree_inner_fn inner;
    const uint8_t *hash;
};

static stele_status leaves_node(void *ctx, unsigned level, uint64_t index,
                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    const struct leaves *leaves = ctx;
    size_t n = (size_t)1 << level; /* of a tree whose leaves stand in memory */
    return stele_tree_shape_root(
        leaves->inner, leaves->hash + ((size_t)index << level) * STELE_HASH_BYTES, n, ret, err);
}

stele_status stele_complete_write_state(struct stele_complete_writer *w, uint8_t log,
                                        const struct stele_state *state, size_t first, size_t n,
                                        stele_buf *out, stele_err *err) {
    struct writer_log *of = NULL;
    uint8_t *hashes = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(part_of(w, log, WRITER_AT_STATES, "a state", &of, err));
    if (n == 0 || n > UINT16_MAX || first < of->next_state || n > state->n ||
        first > state->n - n) {
        return STELE_FAIL(
            err, INVALID,
            "answer: %zu state leaves from %zu of %zu; they ascend, 1 to 65535 at a time", n, first,
            state->n);
    }
    hashes = stele_alloc(state->n, STELE_HASH_BYTES);
    if (hashes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the hashes of %zu state leaves", state->n);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u64(&bytes, first);
    stele_write_u16(&bytes, (uint16_t)n);
    for (size_t i = 0; i < state->n; i++) {
        stele_view key = stele_view_buf(&state->leaf[i].key);
        stele_view value = stele_view_buf(&state->leaf[i].value);
        stele_hash_state_leaf(key, value, hashes + i * STELE_HASH_BYTES);
        if (i >= first && i - first < n) {
            stele_write_lp(&bytes, key);
            stele_write_lp(&bytes, value);
        }
    }
    STELE_TRY(stele_writer_end(&bytes, err));
    struct leaves leaves = {stele_hash_state_inner, hashes};
    struct stele_leaf_run run = {.first = first, .n = n, .size = state->n};
    STELE_TRY(stele_tree_range_prove(leaves.inner, run, leaves_node, &leaves, &w->body, err));
    STELE_TRY(
        stele_complete__put(w, STELE_COMPLETE_STATE, STELE_COMPLETE_STATE_BYTES_MAX, out, err));
    of->next_state = first + n;
cleanup:
    stele_free(hashes);
    return st;
}

stele_status stele_complete_write_manifest(struct stele_complete_writer *w, uint8_t log,
                                           const struct stele_descriptor *all, size_t n_all,
                                           size_t first, size_t n, stele_buf *out, stele_err *err) {
    struct writer_log *of = NULL;
    uint8_t *hashes = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(part_of(w, log, WRITER_AT_STATES, "the manifest", &of, err));
    if (n == 0 || n > STELE_DESCRIPTORS_MAX || n > n_all || first > n_all - n ||
        n_all > UINT32_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer: %zu descriptors from %zu of %zu; 1 to %d are shown", n, first,
                          n_all, STELE_DESCRIPTORS_MAX);
    }
    hashes = stele_alloc(n_all, STELE_HASH_BYTES);
    if (hashes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the hashes of %zu descriptors", n_all);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u32(&bytes, (uint32_t)first);
    stele_write_u32(&bytes, (uint32_t)n);
    for (size_t i = 0; i < n_all; i++) {
        uint8_t descriptor[STELE_DESCRIPTOR_BYTES];
        stele_descriptor_encode(&all[i], descriptor);
        stele_hash_descriptor(stele_view_of(descriptor, sizeof descriptor),
                              hashes + i * STELE_HASH_BYTES);
        if (i >= first && i - first < n) {
            stele_write_view(&bytes, stele_view_of(descriptor, sizeof descriptor));
        }
    }
    STELE_TRY(stele_writer_end(&bytes, err));
    struct leaves leaves = {stele_hash_manifest_inner, hashes};
    struct stele_leaf_run run = {.first = first, .n = n, .size = n_all};
    STELE_TRY(stele_tree_range_prove(leaves.inner, run, leaves_node, &leaves, &w->body, err));
    STELE_TRY(stele_complete__put(w, STELE_COMPLETE_MANIFEST, STELE_COMPLETE_MANIFEST_BYTES_MAX,
                                  out, err));
    of->part = WRITER_AT_KEYS;
cleanup:
    stele_free(hashes);
    return st;
}

stele_status stele_complete_write_key(struct stele_complete_writer *w, uint8_t log, uint32_t era,
                                      const uint8_t tag_key[STELE_AT_LEAST(32)], stele_buf *out,
                                      stele_err *err) {
    struct writer_log *of = NULL;
    stele_status st = part_of(w, log, WRITER_AT_KEYS, "a key", &of, err);
    if (st != STELE_OK) {
        return st;
    }
    if (era <= of->last_era) {
        return STELE_FAIL(err, INVALID, "answer: the key of era %" PRIu32 " after that of %" PRIu32,
                          era, of->last_era);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u32(&bytes, era);
    stele_write_view(&bytes, stele_view_of(tag_key, 32));
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_complete__put(w, STELE_COMPLETE_KEY, STELE_COMPLETE_KEY_BYTES, out, err));
    of->last_era = era;
cleanup:
    return st;
}
