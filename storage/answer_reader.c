/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/answer_reader.c: reads an answer file in any pieces and folds it into one frontier a log.
 *
 * Everything is checked by its meaning, not by the digest at the end: whoever forges a file makes a
 * new digest. The digest finds damage in what no signature covers (question, salts, count, flags).
 */
#include <inttypes.h>
#include <string.h>

#include "storage/answer_chunks.h"
#include "storage/cursor.h"

struct reader_log {
    struct stele_checkpoint checkpoint;
    /* Of the leaves and subtrees so far; its size is the next seq. */
    struct stele_frontier frontier;
};

struct stele_answer_reader {
    const struct stele_vkey *keys;
    size_t n_keys;
    struct stele_answer_sink sink;
    struct stele_answer_chunks chunks;
    stele_answer_part part;
    size_t n_logs;
    size_t n_log_ends;
    /* One by one in memory: the sink keeps pointers to their checkpoints. */
    struct reader_log *log[STELE_ANSWER_LOGS_MAX];
    uint64_t n_events;
    bool cut;
    struct stele_answer_place last; /* of n_events > 0 */
};

/* ------------------------------------------------------------------ chunks */

static stele_status read_question(struct stele_answer_reader *r, stele_view body, stele_err *err) {
    if (r->part != STELE_ANSWER_AT_START) {
        return STELE_FAIL(err, INVALID, "answer, byte %" PRIu64 ": a second question",
                          r->chunks.offset_bytes);
    }
    r->part = STELE_ANSWER_AT_LOGS;
    return r->sink.question == NULL ? STELE_OK : r->sink.question(r->sink.ctx, body, err);
}

static stele_status read_log(struct stele_answer_reader *r, stele_view body, stele_err *err) {
    struct stele_checkpoint checkpoint;
    if (r->part != STELE_ANSWER_AT_LOGS || r->n_logs == STELE_ANSWER_LOGS_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": a log out of place; up to %d of them stand "
                          "between question and events",
                          r->chunks.offset_bytes, STELE_ANSWER_LOGS_MAX);
    }
    stele_status st = stele_checkpoint_open(body, r->keys, r->n_keys, &checkpoint, err);
    if (st != STELE_OK) {
        return st;
    }
    if (r->n_logs > 0 && strcmp(r->log[r->n_logs - 1]->checkpoint.origin, checkpoint.origin) >= 0) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": log '%.80s' is declared twice or out of order",
                          r->chunks.offset_bytes, checkpoint.origin);
    }
    struct reader_log *log = stele_alloc(1, sizeof *log);
    if (log == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for log '%.80s' of an answer",
                          checkpoint.origin);
    }
    log->checkpoint = checkpoint;
    stele_frontier_init(&log->frontier);
    r->log[r->n_logs] = log;
    uint8_t number = (uint8_t)r->n_logs++;
    return r->sink.log == NULL ? STELE_OK : r->sink.log(r->sink.ctx, number, &log->checkpoint, err);
}

/* Reads the event's number of log and entry, and checks that they may come now. */
static stele_status read_place(struct stele_answer_reader *r, struct stele_reader *bytes,
                               stele_view *ret_entry, struct stele_answer_event *ret,
                               stele_err *err) {
    uint8_t log = 0;
    stele_status st = stele_read_u8(bytes, &log, err);
    if (st == STELE_OK) {
        st = stele_read_view(bytes, STELE_ENTRY_EVENT_BYTES, ret_entry, err);
    }
    if (st == STELE_OK) {
        st = stele_entry_decode(*ret_entry, &ret->entry, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    if (log >= r->n_logs || ret->entry.type != STELE_ENTRY_EVENT) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": an entry that is no event, or of log number "
                          "%u, of %zu declared",
                          r->chunks.offset_bytes, log, r->n_logs);
    }
    const struct reader_log *of = r->log[log];
    ret->log = log;
    ret->checkpoint = &of->checkpoint;
    if (ret->entry.seq < of->frontier.size_leaves || ret->entry.seq >= of->checkpoint.size_leaves) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": entry %" PRIu64 " of '%.80s' is repeated, out "
                          "of order, or not below the log's size %" PRIu64,
                          r->chunks.offset_bytes, ret->entry.seq, of->checkpoint.origin,
                          of->checkpoint.size_leaves);
    }
    struct stele_answer_place place = {ret->entry.time_us, ret->entry.seq, log};
    if (r->n_events > 0 && !stele_answer__is_after(place, r->last)) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": entry %" PRIu64 " of '%.80s' is not after the "
                          "event before it in log time, log and seq",
                          r->chunks.offset_bytes, ret->entry.seq, of->checkpoint.origin);
    }
    r->last = place;
    return STELE_OK;
}

static stele_status read_event(struct stele_answer_reader *r, stele_view body, stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, event");
    struct stele_answer_event event;
    memset(&event, 0, sizeof event);
    stele_view entry = {NULL, 0};
    uint8_t salt[STELE_SALT_BYTES];
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (r->part != STELE_ANSWER_AT_LOGS && r->part != STELE_ANSWER_AT_EVENTS) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": an event before the question or after the end "
                          "of a log",
                          r->chunks.offset_bytes);
    }
    r->part = STELE_ANSWER_AT_EVENTS;
    STELE_TRY(read_place(r, &bytes, &entry, &event, err));
    STELE_TRY(stele_read_bytes(&bytes, salt, sizeof salt, err));
    struct stele_frontier *frontier = &r->log[event.log]->frontier;
    STELE_TRY(stele_answer_chunks_gap(&bytes, event.entry.seq, frontier, err));
    stele_hash_leaf(entry, hash);
    stele_frontier_push(frontier, hash);
    size_t payload_bytes = stele_reader_left(&bytes);
    if (payload_bytes > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64
                          ": a payload of %zu bytes; an event has at most %d",
                          r->chunks.offset_bytes, payload_bytes, STELE_PAYLOAD_BYTES_MAX);
    }
    STELE_TRY(stele_read_view(&bytes, payload_bytes, &event.payload, err));
    stele_hash_payload(salt, event.payload, hash);
    if (memcmp(hash, event.entry.as.event.payload_commit, sizeof hash) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer, byte %" PRIu64 ": the payload of %zu bytes is not the one "
                          "entry %" PRIu64 " of '%.80s' commits to",
                          r->chunks.offset_bytes, payload_bytes, event.entry.seq,
                          event.checkpoint->origin);
    }
    r->n_events++;
    if (r->sink.event != NULL) {
        STELE_TRY(r->sink.event(r->sink.ctx, &event, err));
    }
cleanup:
    return st;
}

static stele_status read_log_end(struct stele_answer_reader *r, stele_view body, stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, end of a log");
    uint8_t number = 0;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(&bytes, &number, err));
    if (number != r->n_log_ends || number >= r->n_logs) {
        return STELE_FAIL(err, INVALID,
                          "answer, byte %" PRIu64 ": the end of log number %u is out of place; %zu "
                          "logs are declared and %zu have ended",
                          r->chunks.offset_bytes, number, r->n_logs, r->n_log_ends);
    }
    r->part = STELE_ANSWER_AT_LOG_ENDS;
    r->n_log_ends++;
    struct reader_log *log = r->log[number];
    STELE_TRY(stele_answer_chunks_gap(&bytes, log->checkpoint.size_leaves, &log->frontier, err));
    STELE_TRY(stele_reader_end(&bytes, err));
    stele_frontier_root(&log->frontier, root);
    if (memcmp(root, log->checkpoint.root, sizeof root) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the events and hashes of '%.80s' do not make its signed root "
                          "of %" PRIu64 " leaves: an event or a hash was changed",
                          log->checkpoint.origin, log->checkpoint.size_leaves);
    }
cleanup:
    return st;
}

static stele_status read_end(struct stele_answer_reader *r, stele_view body, stele_err *err) {
    const struct stele_answer_totals totals = {r->n_logs, r->n_log_ends, r->n_events,
                                               STELE_ANSWER_FLAG_CUT, "flags 00 and 01 are known"};
    uint8_t flags = 0;
    stele_status st = stele_answer_chunks_last(&r->chunks, body, &totals, &flags, err);
    r->cut = (flags & STELE_ANSWER_FLAG_CUT) != 0;
    return st;
}

/* ------------------------------------------------------------------ framing */

/* The greatest body of a type; 0 for types the format does not have. */
static size_t body_bytes_max(uint8_t type) {
    switch (type) {
    case STELE_ANSWER_QUESTION:
        return STELE_ANSWER_QUESTION_BYTES_MAX;
    case STELE_ANSWER_LOG:
        return STELE_CHECKPOINT_BYTES_MAX;
    case STELE_ANSWER_EVENT:
        return STELE_ANSWER_EVENT_BYTES_MAX;
    case STELE_ANSWER_LOG_END:
        return STELE_ANSWER_LOG_END_BYTES_MAX;
    case STELE_ANSWER_END:
        return STELE_ANSWER_END_BYTES;
    default:
        return 0;
    }
}

static stele_status read_chunk(void *ctx, uint8_t type, stele_view body, stele_err *err) {
    struct stele_answer_reader *r = ctx;
    switch (type) {
    case STELE_ANSWER_QUESTION:
        return read_question(r, body, err);
    case STELE_ANSWER_LOG:
        return read_log(r, body, err);
    case STELE_ANSWER_EVENT:
        return read_event(r, body, err);
    case STELE_ANSWER_LOG_END:
        return read_log_end(r, body, err);
    case STELE_ANSWER_END:
        return read_end(r, body, err);
    default:
        return STELE_FAIL(err, INVALID, "answer, byte %" PRIu64 ": a chunk of unknown type %u",
                          r->chunks.offset_bytes, type);
    }
}

stele_status stele_answer_reader_new(const struct stele_vkey *keys, size_t n_keys,
                                     const struct stele_answer_sink *sink,
                                     struct stele_answer_reader **ret, stele_err *err) {
    struct stele_answer_reader *r = stele_alloc(1, sizeof *r);
    if (r == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for reading an answer file");
    }
    r->keys = keys;
    r->n_keys = n_keys;
    r->sink = *sink;
    r->chunks.magic = STELE_ANSWER_MAGIC;
    r->chunks.body_bytes_max = body_bytes_max;
    r->chunks.read = read_chunk;
    r->chunks.ctx = r;
    stele_answer_chunks_init(&r->chunks);
    *ret = r;
    return STELE_OK;
}

void stele_answer_reader_free(struct stele_answer_reader *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n_logs; i++) {
        stele_free(r->log[i]);
    }
    stele_answer_chunks_done(&r->chunks);
    stele_free(r);
}

stele_status stele_answer_reader_feed(struct stele_answer_reader *r, stele_view bytes,
                                      stele_err *err) {
    return stele_answer_chunks_feed(&r->chunks, bytes, err);
}

stele_status stele_answer_reader_end(struct stele_answer_reader *r, struct stele_answer_report *ret,
                                     stele_err *err) {
    stele_status st = stele_answer_chunks_end(&r->chunks, err);
    if (st == STELE_OK) {
        *ret = (struct stele_answer_report){r->n_events, r->n_logs, r->cut};
    }
    return st;
}
