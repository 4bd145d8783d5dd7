/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_writer_body.c: the second half of a complete answer: openings, events and
 * entries in the order of log time, and the end.
 */
#include "storage/complete_writer_parts.h"

#include <inttypes.h>
#include <string.h>

/* The parts of all logs are written, and the end is not. */
static stele_status check_body(const struct stele_complete_writer *w, uint8_t log, stele_err *err) {
    bool begun = w->part == STELE_ANSWER_AT_LOGS && w->n_logs > 0 && w->n_begun == w->n_logs &&
                 w->log[w->n_logs - 1].part == WRITER_AT_KEYS;
    if ((!begun && w->part != STELE_ANSWER_AT_EVENTS) || log >= w->n_logs) {
        return STELE_FAIL(
            err, INVALID,
            "answer: an opening, event or entry of log %u, of %zu, before the parts of all "
            "logs, or after the end",
            log, w->n_logs);
    }
    return STELE_OK;
}

static stele_status write_leaves(struct stele_writer *bytes, const struct stele_opening *opening,
                                 stele_err *err) {
    static const uint8_t zeros[STELE_HASH_BYTES] = {0};
    if (opening->n_leaves < 1 || opening->n_leaves > 2) {
        return STELE_FAIL(err, INVALID, "answer: an opening with %u key leaves; 1 or 2 are shown",
                          opening->n_leaves);
    }
    stele_write_u64(bytes, opening->first_key);
    stele_write_u8(bytes, opening->n_leaves);
    for (size_t i = 0; i < opening->n_leaves; i++) {
        const struct stele_opened_leaf *leaf = &opening->leaf[i];
        stele_write_view(bytes, stele_view_of(leaf->tag, sizeof leaf->tag));
        bool shown = leaf->opened || leaf->counted;
        stele_write_view(bytes, stele_view_of(shown ? zeros : leaf->value, sizeof zeros));
    }
    for (size_t i = 0; i < opening->n_leaves; i++) {
        const struct stele_opened_leaf *leaf = &opening->leaf[i];
        if (leaf->counted) {
            stele_write_u64(bytes, leaf->count);
            stele_write_view(bytes, stele_view_of(leaf->root, sizeof leaf->root));
        }
        if (!leaf->opened || leaf->counted) {
            continue;
        }
        if (leaf->n_left > STELE_COMPLETE_OPAQUE_MAX || leaf->n_right > STELE_COMPLETE_OPAQUE_MAX) {
            return STELE_FAIL(err, INVALID,
                              "answer: %u and %u opaque subtrees; at most %d on a side",
                              leaf->n_left, leaf->n_right, STELE_COMPLETE_OPAQUE_MAX);
        }
        stele_write_u64(bytes, leaf->count);
        stele_write_u8(bytes, leaf->n_left);
        stele_write_u8(bytes, leaf->n_right);
        for (size_t k = 0; k < (size_t)leaf->n_left + leaf->n_right; k++) {
            stele_write_u64(bytes, leaf->opaque[k].rep);
            stele_write_view(bytes, stele_view_of(leaf->opaque[k].hash, STELE_HASH_BYTES));
        }
    }
    return STELE_OK;
}

stele_status stele_complete_write_opening(struct stele_complete_writer *w, uint8_t log,
                                          uint32_t segment, const struct stele_opening *opening,
                                          stele_buf *out, stele_err *err) {
    stele_status st = check_body(w, log, err);
    if (st != STELE_OK) {
        return st;
    }
    struct writer_log *of = &w->log[log];
    if (segment < of->next_segment) {
        return STELE_FAIL(err, INVALID,
                          "answer: segment %" PRIu32 " of '%.80s' is opened twice or late", segment,
                          of->origin);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_u32(&bytes, segment);
    stele_write_u8(&bytes, (uint8_t)opening->kind);
    if (opening->kind == STELE_OPENING_OPENED) {
        STELE_TRY(write_leaves(&bytes, opening, err));
    }
    if (opening->kind == STELE_OPENING_DISPOSED) {
        stele_write_u32(&bytes, opening->place);
    }
    if (opening->kind != STELE_OPENING_EMPTY) {
        stele_write_view(&bytes, opening->siblings);
    }
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(
        stele_complete__put(w, STELE_COMPLETE_OPENING, STELE_COMPLETE_OPENING_BYTES_MAX, out, err));
    w->part = STELE_ANSWER_AT_EVENTS;
    of->next_segment = (uint64_t)segment + 1;
cleanup:
    return st;
}

/* Begins the body of an event or entry and checks that it may come now; what is after the entry
 * follows. */
static stele_status check_place(const struct stele_complete_writer *w, uint8_t log,
                                stele_view entry_bytes, struct stele_answer_place *ret,
                                stele_err *err) {
    struct stele_entry entry;
    stele_status st = STELE_OK;
    STELE_TRY(check_body(w, log, err));
    STELE_TRY(stele_entry_decode(entry_bytes, &entry, err));
    const struct writer_log *of = &w->log[log];
    if (entry.type != STELE_ENTRY_EVENT || entry.seq < of->next_leaves ||
        entry.seq >= of->size_leaves) {
        return STELE_FAIL(err, INVALID,
                          "answer: entry %" PRIu64 " of '%.80s' is no event, or not in [%" PRIu64
                          ", %" PRIu64 ")",
                          entry.seq, of->origin, of->next_leaves, of->size_leaves);
    }
    *ret = (struct stele_answer_place){entry.time_us, entry.seq, log};
    if (w->has_last && !stele_answer__is_after(*ret, w->last)) {
        return STELE_FAIL(err, INVALID,
                          "answer: event %" PRIu64 " of '%.80s' is not after the one before it in "
                          "log time, log and seq",
                          entry.seq, of->origin);
    }
cleanup:
    return st;
}

static stele_status write_gap(struct stele_writer *bytes, const struct writer_log *log, uint64_t to,
                              stele_err *err) {
    struct stele_tree_path gap;
    if (!log->by_log) {
        return STELE_OK;
    }
    stele_status st = stele_tree_prove_gap(log->next_leaves, to, log->node, log->ctx, &gap, err);
    if (st == STELE_OK) {
        stele_write_view(bytes, stele_view_of(gap.node, gap.n * STELE_HASH_BYTES));
    }
    return st;
}

static void move_on(struct stele_complete_writer *w, struct stele_answer_place place) {
    w->part = STELE_ANSWER_AT_EVENTS;
    w->has_last = true;
    w->last = place;
    w->log[place.log].next_leaves = place.seq + 1;
}

stele_status stele_complete_write_event(struct stele_complete_writer *w, uint8_t log,
                                        stele_view entry, const uint8_t salt[STELE_AT_LEAST(16)],
                                        const uint8_t ksalt[STELE_AT_LEAST(16)], stele_view payload,
                                        stele_buf *out, stele_err *err) {
    struct stele_answer_place place;
    stele_status st = STELE_OK;
    STELE_TRY(check_place(w, log, entry, &place, err));
    if (w->log[log].counted) {
        return STELE_FAIL(err, INVALID, "answer: an event where only the number is proven");
    }
    if (payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "answer: a payload of %zu bytes; an event has at most %d",
                          payload.size, STELE_PAYLOAD_BYTES_MAX);
    }
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_view(&bytes, stele_view_slice(entry, 0, STELE_COMPLETE_EVENT_HEAD_BYTES));
    stele_write_view(&bytes, stele_view_of(salt, STELE_SALT_BYTES));
    stele_write_view(&bytes, stele_view_of(ksalt, STELE_SALT_BYTES));
    STELE_TRY(write_gap(&bytes, &w->log[log], place.seq, err));
    stele_write_view(&bytes, payload);
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_complete__put(w, STELE_ANSWER_EVENT, STELE_COMPLETE_EVENT_BYTES_MAX, out, err));
    move_on(w, place);
    w->n_events++;
cleanup:
    return st;
}

stele_status stele_complete_write_entry(struct stele_complete_writer *w, uint8_t log,
                                        stele_view entry, stele_buf *out, stele_err *err) {
    struct stele_answer_place place;
    stele_status st = STELE_OK;
    STELE_TRY(check_place(w, log, entry, &place, err));
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, log);
    stele_write_view(&bytes, entry);
    STELE_TRY(write_gap(&bytes, &w->log[log], place.seq, err));
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(
        stele_complete__put(w, STELE_COMPLETE_ENTRY, STELE_COMPLETE_ENTRY_BYTES_MAX, out, err));
    move_on(w, place);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ end */

static stele_status write_log_end(struct stele_complete_writer *w, size_t log, stele_buf *out,
                                  stele_err *err) {
    struct stele_writer bytes = stele_complete__begin(w);
    stele_write_u8(&bytes, (uint8_t)log);
    stele_status st = write_gap(&bytes, &w->log[log], w->log[log].size_leaves, err);
    st = st == STELE_OK ? stele_writer_end(&bytes, err) : st;
    return st == STELE_OK ? stele_complete__put(w, STELE_ANSWER_LOG_END,
                                                STELE_ANSWER_LOG_END_BYTES_MAX, out, err)
                          : st;
}

stele_status stele_complete_write_end(struct stele_complete_writer *w, stele_buf *out,
                                      stele_err *err) {
    size_t before = out->size;
    struct stele_sha256 started = w->digest;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(check_body(w, 0, err));
    for (size_t i = 0; i < w->n_logs; i++) {
        STELE_TRY(write_log_end(w, i, out, err));
    }
    struct stele_writer bytes = stele_writer_to(out);
    size_t end_at = out->size;
    stele_write_u8(&bytes, STELE_ANSWER_END);
    stele_write_u32(&bytes, STELE_ANSWER_END_BYTES);
    stele_write_u64(&bytes, w->n_events);
    stele_write_u8(&bytes, 0);
    STELE_TRY(stele_writer_end(&bytes, err));
    STELE_TRY(stele_buf_reserve(out, sizeof digest, err));
    stele_sha256_update(&w->digest, stele_view_of(out->data + end_at, out->size - end_at));
    stele_sha256_final(&w->digest, digest);
    STELE_TRY(stele_buf_append(out, stele_view_of(digest, sizeof digest), err));
    w->part = STELE_ANSWER_DONE;
cleanup:
    if (st != STELE_OK) {
        out->size = before;
        w->digest = started;
    }
    return st;
}
