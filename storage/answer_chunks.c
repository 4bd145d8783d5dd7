/* SPDX-License-Identifier: Apache-2.0 */
/* storage/answer_chunks.c: whole chunks are read where they stand; only one that is cut is copied.
 */
#include "storage/answer_chunks.h"

#include <inttypes.h>
#include <string.h>

void stele_answer_chunks_init(struct stele_answer_chunks *c) {
    stele_sha256_init(&c->digest);
}

void stele_answer_chunks_done(struct stele_answer_chunks *c) {
    stele_buf_done(&c->pending);
}

static stele_status read_magic(struct stele_answer_chunks *c, stele_view bytes, stele_err *err) {
    if (!stele_view_is(bytes, c->magic)) {
        return STELE_FAIL(
            err, INVALID,
            "answer: its first line is not '%.15s'; it is no answer file, or one of a "
            "version this verifier does not know",
            c->magic);
    }
    c->has_magic = true;
    return STELE_OK;
}

static stele_status read_head(struct stele_answer_chunks *c, stele_view bytes, stele_err *err) {
    c->type = bytes.data[0];
    c->body_bytes = stele_get_u32(bytes.data + 1);
    size_t bytes_max = c->body_bytes_max(c->type);
    if (c->body_bytes > bytes_max) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": a chunk of type %u and %" PRIu32 " bytes; at "
                          "most %zu are read of this type",
                          c->offset_bytes, c->type, c->body_bytes, bytes_max);
    }
    c->in_body = true;
    return STELE_OK;
}

static size_t unit_bytes(const struct stele_answer_chunks *c) {
    if (!c->has_magic) {
        return STELE_ANSWER_MAGIC_BYTES;
    }
    return c->in_body ? c->body_bytes : STELE_ANSWER_HEAD_BYTES;
}

/* One magic, head or body, whole. The digest takes it first, except for the digest itself. */
static stele_status read_unit(struct stele_answer_chunks *c, stele_view bytes, stele_err *err) {
    bool ends = c->in_body && c->type == STELE_ANSWER_END && bytes.size == STELE_ANSWER_END_BYTES;
    stele_sha256_update(
        &c->digest, stele_view_slice(bytes, 0, ends ? STELE_ANSWER_END_FIXED_BYTES : bytes.size));
    stele_status st = STELE_OK;
    if (!c->has_magic) {
        st = read_magic(c, bytes, err);
    } else if (c->in_body) {
        c->in_body = false;
        st = c->read(c->ctx, c->type, bytes, err);
    } else {
        st = read_head(c, bytes, err);
    }
    c->offset_bytes += bytes.size;
    return st;
}

static stele_status feed(struct stele_answer_chunks *c, stele_view bytes, stele_err *err) {
    stele_status st = STELE_OK;
    while (st == STELE_OK && (bytes.size > 0 || (c->in_body && c->body_bytes == 0))) {
        if (c->done) {
            return STELE_FAIL(err, INVALID, "answer: %zu bytes or more after its end", bytes.size);
        }
        size_t needed = unit_bytes(c);
        size_t missing = needed - c->pending.size;
        size_t taken = missing < bytes.size ? missing : bytes.size;
        stele_view piece = stele_view_slice(bytes, 0, taken);
        bytes = stele_view_slice(bytes, taken, bytes.size - taken);
        if (c->pending.size == 0 && taken == needed) {
            st = read_unit(c, piece, err);
            continue;
        }
        st = stele_buf_append(&c->pending, piece, err);
        if (st == STELE_OK && c->pending.size == needed) {
            st = read_unit(c, stele_view_buf(&c->pending), err);
            stele_buf_clear(&c->pending);
        }
    }
    return st;
}

/* The failure again, for calls after it. */
static stele_status repeat(const struct stele_answer_chunks *c, stele_err *err) {
    if (err != NULL) {
        *err = c->failure;
    }
    return c->failure.status;
}

stele_status stele_answer_chunks_feed(struct stele_answer_chunks *c, stele_view bytes,
                                      stele_err *err) {
    if (c->failure.status != STELE_OK) {
        return repeat(c, err);
    }
    stele_err failure = {.status = STELE_OK};
    stele_status st = feed(c, bytes, &failure);
    if (st != STELE_OK) {
        c->failure = failure;
        c->failure.status = st; /* a sink may fail without a detail */
        return repeat(c, err);
    }
    return st;
}

stele_status stele_answer_chunks_end(const struct stele_answer_chunks *c, stele_err *err) {
    if (c->failure.status != STELE_OK) {
        return repeat(c, err);
    }
    if (!c->done) {
        return STELE_FAIL(err, INVALID,
                          "answer: the file stops after %" PRIu64
                          " bytes, before its end: it was cut "
                          "off, transfer it again",
                          c->offset_bytes + c->pending.size);
    }
    return STELE_OK;
}

stele_status stele_answer_chunks_gap(struct stele_reader *bytes, uint64_t to,
                                     struct stele_frontier *f, stele_err *err) {
    uint8_t heights[2 * STELE_TREE_PATH_MAX];
    size_t n = stele_tree_gap_heights(f->size_leaves, to, heights);
    stele_view hashes = {NULL, 0};
    stele_status st = stele_read_view(bytes, n * STELE_HASH_BYTES, &hashes, err);
    for (size_t i = 0; i < n && st == STELE_OK; i++) {
        stele_frontier_push_subtree(f, heights[i], hashes.data + i * STELE_HASH_BYTES);
    }
    return st;
}

stele_status stele_answer_chunks_last(struct stele_answer_chunks *c, stele_view body,
                                      const struct stele_answer_totals *totals, uint8_t *ret_flags,
                                      stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, end");
    uint64_t n_events = 0;
    uint8_t flags = 0;
    uint8_t digest[STELE_HASH_BYTES];
    stele_view written = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(&bytes, &n_events, err));
    STELE_TRY(stele_read_u8(&bytes, &flags, err));
    STELE_TRY(stele_read_view(&bytes, sizeof digest, &written, err));
    STELE_TRY(stele_reader_end(&bytes, err));
    if (totals->n_logs == 0 || totals->n_log_ends != totals->n_logs) {
        return STELE_FAIL(err, INVALID,
                          "answer: it ends with %zu of its %zu logs ended; at least one log is "
                          "needed, and the end of each",
                          totals->n_log_ends, totals->n_logs);
    }
    if (n_events != totals->n_events || (flags & ~totals->known_flags) != 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: its end says %" PRIu64 " events and flags %02x, it has %" PRIu64
                          " events; %s",
                          n_events, flags, totals->n_events, totals->which_flags);
    }
    stele_sha256_final(&c->digest, digest);
    if (memcmp(digest, written.data, sizeof digest) != 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: the digest at its end does not hold: the file is damaged, "
                          "transfer it again");
    }
    *ret_flags = flags;
    c->done = true;
cleanup:
    return st;
}
