/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/answer_writer.c: writes an answer file. Every call either appends whole chunks and moves
 * on, or fails and leaves the buffer and the writer as they were. What the reader would refuse for
 * its shape or order is refused here already; commitments and signatures are the caller's to have
 * right.
 */
#include <inttypes.h>
#include <string.h>

#include "storage/answer_format.h"
#include "storage/cursor.h"

struct writer_log {
    char origin[STELE_ORIGIN_MAX + 1];
    uint64_t size_leaves;
    uint64_t next_leaves; /* first leaf that is not yet in the file, alone or in a subtree */
    stele_tree_node_fn node;
    void *ctx;
};

struct stele_answer_writer {
    stele_answer_part part;
    struct stele_sha256 digest; /* of all bytes so far */
    size_t n_logs;
    struct writer_log log[STELE_ANSWER_LOGS_MAX];
    uint64_t n_events;
    struct stele_answer_place last; /* of n_events > 0 */
};

stele_status stele_answer_writer_new(struct stele_answer_writer **ret, stele_err *err) {
    struct stele_answer_writer *w = stele_alloc(1, sizeof *w);
    if (w == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for writing an answer file");
    }
    stele_sha256_init(&w->digest);
    *ret = w;
    return STELE_OK;
}

void stele_answer_writer_free(struct stele_answer_writer *w) {
    stele_free(w);
}

/* Ends a call: the bytes after `before` join the digest, or go. */
static stele_status settle(struct stele_answer_writer *w, stele_buf *out, size_t before,
                           stele_status st) {
    if (st == STELE_OK) {
        stele_sha256_update(&w->digest, stele_view_of(out->data + before, out->size - before));
    } else {
        out->size = before;
    }
    return st;
}

static void put_head(struct stele_writer *w, stele_answer_chunk type, size_t body_bytes) {
    stele_write_u8(w, (uint8_t)type);
    stele_write_u32(w, (uint32_t)body_bytes); /* at most STELE_ANSWER_EVENT_BYTES_MAX */
}

stele_status stele_answer_write_question(struct stele_answer_writer *w, stele_view question,
                                         stele_buf *out, stele_err *err) {
    size_t before = out->size;
    if (w->part != STELE_ANSWER_AT_START) {
        return STELE_FAIL(err, INVALID, "answer: it has a question already");
    }
    if (question.size > STELE_ANSWER_QUESTION_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "answer: a question of %zu bytes, at most %d fit",
                          question.size, STELE_ANSWER_QUESTION_BYTES_MAX);
    }
    struct stele_writer bytes = stele_writer_to(out);
    stele_write_view(&bytes, stele_view_str(STELE_ANSWER_MAGIC));
    put_head(&bytes, STELE_ANSWER_QUESTION, question.size);
    stele_write_view(&bytes, question);
    stele_status st = settle(w, out, before, stele_writer_end(&bytes, err));
    if (st == STELE_OK) {
        w->part = STELE_ANSWER_AT_LOGS;
    }
    return st;
}

stele_status stele_answer_write_log(struct stele_answer_writer *w, stele_view note,
                                    uint64_t size_leaves, stele_tree_node_fn node, void *ctx,
                                    uint8_t *ret_log, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_checkpoint checkpoint;
    if (w->part != STELE_ANSWER_AT_LOGS) {
        return STELE_FAIL(err, INVALID,
                          "answer: logs come after the question and before all events");
    }
    if (w->n_logs == STELE_ANSWER_LOGS_MAX) {
        return STELE_FAIL(err, INVALID, "answer: more than %d logs; ask for fewer at a time",
                          STELE_ANSWER_LOGS_MAX);
    }
    stele_status st = stele_checkpoint_peek(note, &checkpoint, err);
    if (st != STELE_OK) {
        return st;
    }
    if (checkpoint.size_leaves != size_leaves) {
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
    struct stele_writer bytes = stele_writer_to(out);
    put_head(&bytes, STELE_ANSWER_LOG, note.size);
    stele_write_view(&bytes, note);
    st = settle(w, out, before, stele_writer_end(&bytes, err));
    if (st == STELE_OK) {
        struct writer_log *log = &w->log[w->n_logs];
        memcpy(log->origin, checkpoint.origin, sizeof log->origin);
        log->size_leaves = size_leaves;
        log->next_leaves = 0;
        log->node = node;
        log->ctx = ctx;
        *ret_log = (uint8_t)w->n_logs++;
    }
    return st;
}

/* Decodes the entry and checks that it may come now. */
static stele_status check_event(const struct stele_answer_writer *w, uint8_t log,
                                stele_view entry_bytes, stele_view payload, struct stele_entry *ret,
                                stele_err *err) {
    if ((w->part != STELE_ANSWER_AT_LOGS && w->part != STELE_ANSWER_AT_EVENTS) ||
        log >= w->n_logs) {
        return STELE_FAIL(err, INVALID,
                          "answer: an event of log number %u, of %zu declared, or after the end",
                          log, w->n_logs);
    }
    if (payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "answer: a payload of %zu bytes; an event has at most %d",
                          payload.size, STELE_PAYLOAD_BYTES_MAX);
    }
    stele_status st = stele_entry_decode(entry_bytes, ret, err);
    if (st != STELE_OK) {
        return st;
    }
    const struct writer_log *of = &w->log[log];
    if (ret->type != STELE_ENTRY_EVENT || ret->seq < of->next_leaves ||
        ret->seq >= of->size_leaves) {
        return STELE_FAIL(err, INVALID,
                          "answer: entry %" PRIu64 " of '%.80s' is no event, or not in [%" PRIu64
                          ", %" PRIu64 ")",
                          ret->seq, of->origin, of->next_leaves, of->size_leaves);
    }
    struct stele_answer_place place = {ret->time_us, ret->seq, log};
    if (w->n_events > 0 && !stele_answer__is_after(place, w->last)) {
        return STELE_FAIL(err, INVALID,
                          "answer: event %" PRIu64 " of '%.80s' is not after the one before it in "
                          "log time, log and seq",
                          ret->seq, of->origin);
    }
    return STELE_OK;
}

stele_status stele_answer_write_event(struct stele_answer_writer *w, uint8_t log, stele_view entry,
                                      const uint8_t salt[STELE_AT_LEAST(16)], stele_view payload,
                                      stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_entry decoded;
    struct stele_tree_path gap;
    stele_status st = check_event(w, log, entry, payload, &decoded, err);
    if (st != STELE_OK) {
        return st;
    }
    struct writer_log *of = &w->log[log];
    st = stele_tree_prove_gap(of->next_leaves, decoded.seq, of->node, of->ctx, &gap, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t gap_bytes = gap.n * STELE_HASH_BYTES;
    struct stele_writer bytes = stele_writer_to(out);
    put_head(&bytes, STELE_ANSWER_EVENT, STELE_ANSWER_EVENT_FIXED_BYTES + gap_bytes + payload.size);
    stele_write_u8(&bytes, log);
    stele_write_view(&bytes, entry);
    stele_write_view(&bytes, stele_view_of(salt, STELE_SALT_BYTES));
    stele_write_view(&bytes, stele_view_of(gap.node, gap_bytes));
    stele_write_view(&bytes, payload);
    st = settle(w, out, before, stele_writer_end(&bytes, err));
    if (st == STELE_OK) {
        w->part = STELE_ANSWER_AT_EVENTS;
        w->n_events++;
        w->last = (struct stele_answer_place){decoded.time_us, decoded.seq, log};
        of->next_leaves = decoded.seq + 1;
    }
    return st;
}

static stele_status write_log_end(const struct writer_log *log, uint8_t number, stele_buf *out,
                                  stele_err *err) {
    struct stele_tree_path gap;
    stele_status st =
        stele_tree_prove_gap(log->next_leaves, log->size_leaves, log->node, log->ctx, &gap, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t gap_bytes = gap.n * STELE_HASH_BYTES;
    struct stele_writer bytes = stele_writer_to(out);
    put_head(&bytes, STELE_ANSWER_LOG_END, 1 + gap_bytes);
    stele_write_u8(&bytes, number);
    stele_write_view(&bytes, stele_view_of(gap.node, gap_bytes));
    return stele_writer_end(&bytes, err);
}

stele_status stele_answer_write_end(struct stele_answer_writer *w, bool cut, stele_buf *out,
                                    stele_err *err) {
    size_t before = out->size;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if ((w->part != STELE_ANSWER_AT_LOGS && w->part != STELE_ANSWER_AT_EVENTS) || w->n_logs == 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: its end needs a question and a log before it, and comes once");
    }
    for (size_t i = 0; i < w->n_logs && st == STELE_OK; i++) {
        st = write_log_end(&w->log[i], (uint8_t)i, out, err);
    }
    if (st == STELE_OK) {
        struct stele_writer bytes = stele_writer_to(out);
        put_head(&bytes, STELE_ANSWER_END, STELE_ANSWER_END_BYTES);
        stele_write_u64(&bytes, w->n_events);
        stele_write_u8(&bytes, cut ? STELE_ANSWER_FLAG_CUT : 0);
        st = stele_writer_end(&bytes, err);
    }
    if (st == STELE_OK) {
        st =
            stele_buf_reserve(out, sizeof digest, err); /* nothing fails once the digest moves on */
    }
    st = settle(w, out, before, st);
    if (st != STELE_OK) {
        return st;
    }
    stele_sha256_final(&w->digest, digest);
    w->part = STELE_ANSWER_DONE;
    return stele_buf_append(out, stele_view_of(digest, sizeof digest), err);
}
