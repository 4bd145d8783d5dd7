/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_reader.c: reads a complete answer in any pieces: the order of its chunks, the
 * places of its events in the signed trees, the end. Everything is checked by its meaning: the
 * digest at the end finds damage, and stops no forger.
 */
#include "storage/complete_reader_parts.h"

#include <inttypes.h>
#include <string.h>

#define SALTS_BYTES (2 * STELE_SALT_BYTES)

/* ------------------------------------------------------------------ head */

static stele_status read_question(struct stele_complete_reader *r, stele_view body,
                                  stele_err *err) {
    stele_status st = STELE_OK;
    if (r->part != STELE_ANSWER_AT_START) {
        return STELE_FAIL(err, INVALID, "answer: a second question");
    }
    STELE_TRY(r->sink.question(r->sink.ctx, body, &r->question, err));
    if (r->question.tenant.size == 0 || r->question.tenant.size > STELE_TENANT_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer: its question names no tenant; a complete answer is about one");
    }
    stele_windows_of(&r->question.range, &r->windows);
    r->part = STELE_ANSWER_AT_LOGS;
cleanup:
    return st;
}

static bool is_system_log(const char *origin) {
    const char *last = strrchr(origin, '/');
    return last != NULL && strcmp(last + 1, STELE_COMPLETE_SYSTEM_LOG) == 0;
}

static stele_status read_log(struct stele_complete_reader *r, stele_view body, stele_err *err) {
    struct stele_checkpoint checkpoint;
    stele_status st = STELE_OK;
    if (r->part != STELE_ANSWER_AT_LOGS || r->n_begun > 0 || r->n_logs == STELE_ANSWER_LOGS_MAX) {
        return STELE_FAIL(err, INVALID,
                          "answer: a log out of place; up to %d of them stand between question and "
                          "anchors",
                          STELE_ANSWER_LOGS_MAX);
    }
    STELE_TRY(stele_checkpoint_open(body, r->trust.keys, r->trust.n_keys, &checkpoint, err));
    if (r->n_logs > 0 && strcmp(r->log[r->n_logs - 1]->checkpoint.origin, checkpoint.origin) >= 0) {
        return STELE_FAIL(err, INVALID, "answer: log '%.80s' is declared twice or out of order",
                          checkpoint.origin);
    }
    struct stele_witnessed witnessed = {0, 0};
    if (r->trust.quorum > 0) {
        STELE_TRY(
            stele_witness_count(body, r->trust.witnesses, r->trust.n_witnesses, &witnessed, err));
        if (witnessed.n < r->trust.quorum) {
            return STELE_FAIL(
                err, UNVERIFIED,
                "answer: the checkpoint of '%.80s' bears the cosignatures of %zu of your "
                "witnesses, %zu are needed",
                checkpoint.origin, witnessed.n, r->trust.quorum);
        }
    }
    struct complete_log *log = stele_alloc(1, sizeof *log);
    if (log == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for log '%.80s' of an answer",
                          checkpoint.origin);
    }
    log->checkpoint = checkpoint;
    log->witnessed_s = witnessed.newest_s;
    log->is_system = !r->question.names_logs && is_system_log(checkpoint.origin);
    stele_frontier_init(&log->frontier);
    r->log[r->n_logs] = log;
    uint8_t number = (uint8_t)r->n_logs++;
    st = r->sink.log == NULL ? STELE_OK : r->sink.log(r->sink.ctx, number, &log->checkpoint, err);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ parts of a log */

static stele_status out_of_place(const struct stele_complete_reader *r, uint8_t type,
                                 stele_err *err) {
    return STELE_FAIL(err, INVALID,
                      "answer, byte %" PRIu64
                      ": a chunk of type %u is out of place, or of a log that is "
                      "not declared",
                      r->chunks.offset_bytes, type);
}

/* ANCHOR, CONSISTENCY, STATE, MANIFEST, KEY: log by log, in this order. */
static stele_status read_part(struct stele_complete_reader *r, uint8_t type, stele_view body,
                              stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer");
    uint8_t number = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(&bytes, &number, err));
    bool begins = type == STELE_COMPLETE_ANCHOR;
    bool between = r->n_begun == 0 || r->log[r->n_begun - 1]->part == COMPLETE_AT_KEYS;
    if (r->part != STELE_ANSWER_AT_LOGS || number >= r->n_logs ||
        (size_t)number + (begins ? 0 : 1) != r->n_begun || (begins && !between)) {
        return out_of_place(r, type, err);
    }
    struct complete_log *log = r->log[number];
    complete_part at = begins ? COMPLETE_AT_ANCHOR : COMPLETE_AT_STATE;
    at = type == STELE_COMPLETE_KEY ? COMPLETE_AT_KEYS : at;
    if (log->part != at) {
        return out_of_place(r, type, err);
    }
    if (begins) {
        STELE_TRY(stele_complete__read_anchor(r, log, &bytes, err));
        log->part = COMPLETE_AT_STATE;
        r->n_begun++;
    } else if (type == STELE_COMPLETE_STATE) {
        STELE_TRY(stele_complete__read_state(log, &bytes, err));
    } else if (type == STELE_COMPLETE_CONSISTENCY) {
        STELE_TRY(stele_complete__read_consistency(r, number, &bytes, err));
    } else if (type == STELE_COMPLETE_MANIFEST) {
        STELE_TRY(stele_complete__read_manifest(r, number, &bytes, err));
        log->part = COMPLETE_AT_KEYS;
    } else {
        STELE_TRY(stele_complete__read_key(log, &bytes, err));
    }
    STELE_TRY(stele_reader_end(&bytes, err));
cleanup:
    return st;
}

/* The parts of all logs are there: what follows is their body. */
static stele_status begin_body(struct stele_complete_reader *r, uint8_t type, stele_err *err) {
    if (r->part == STELE_ANSWER_AT_EVENTS) {
        return STELE_OK;
    }
    if (r->part != STELE_ANSWER_AT_LOGS || r->n_logs == 0 || r->n_begun != r->n_logs ||
        r->log[r->n_logs - 1]->part != COMPLETE_AT_KEYS) {
        return out_of_place(r, type, err);
    }
    r->part = STELE_ANSWER_AT_EVENTS;
    return stele_complete__check_region(r, err);
}

static stele_status read_opening(struct stele_complete_reader *r, stele_view body, stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, opening");
    uint8_t number = 0;
    stele_status st = STELE_OK;
    STELE_TRY(begin_body(r, STELE_COMPLETE_OPENING, err));
    STELE_TRY(stele_read_u8(&bytes, &number, err));
    if (number >= r->n_logs) {
        return out_of_place(r, STELE_COMPLETE_OPENING, err);
    }
    STELE_TRY(stele_complete__read_opening(r, number, &bytes, err));
    STELE_TRY(stele_reader_end(&bytes, err));
cleanup:
    return st;
}

/* ------------------------------------------------------------------ events and entries */

/* By log: the subtrees of leaves [frontier's size, to); else there are none. */
static stele_status fold_gap(struct complete_log *log, uint64_t to, struct stele_reader *bytes,
                             stele_err *err) {
    return log->by_log ? stele_answer_chunks_gap(bytes, to, &log->frontier, err) : STELE_OK;
}

/* An entry that may come now. */
static stele_status check_place(struct stele_complete_reader *r, uint8_t number,
                                const struct stele_entry *entry, stele_err *err) {
    struct complete_log *log = r->log[number];
    if (entry->type != STELE_ENTRY_EVENT || entry->seq < log->next_leaves ||
        entry->seq >= log->index.as.index.covered) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: entry %" PRIu64
                          " of '%.80s' is no event, repeated, out of order, or "
                          "not below the %" PRIu64 " entries that the index covers",
                          entry->seq, log->checkpoint.origin, log->index.as.index.covered);
    }
    struct stele_answer_place place = {entry->time_us, entry->seq, number};
    if (r->has_last && !stele_answer__is_after(place, r->last)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: entry %" PRIu64
                          " of '%.80s' is not after the one before it in log "
                          "time, log and seq",
                          entry->seq, log->checkpoint.origin);
    }
    r->last = place;
    r->has_last = true;
    log->next_leaves = entry->seq + 1;
    return STELE_OK;
}

/* An entry whose bytes are known: its place in the tree and in its history. */
static stele_status push(struct complete_log *log, const struct complete_slot *slot, uint64_t seq,
                         const uint8_t bytes[STELE_AT_LEAST(96)], stele_err *err) {
    uint8_t leaf[STELE_HASH_BYTES];
    stele_hash_leaf(stele_view_of(bytes, STELE_ENTRY_EVENT_BYTES), leaf);
    if (log->by_log) {
        stele_frontier_push(&log->frontier, leaf);
    }
    return stele_history_check_push(slot->history, slot->role, seq, leaf, err);
}

/* What an EVENT has after the head of its entry. */
static stele_status read_event(struct stele_complete_reader *r, uint8_t number,
                               const struct stele_entry *head, const struct complete_slot *slot,
                               uint8_t bytes_of[STELE_AT_LEAST(96)], struct stele_reader *bytes,
                               stele_err *err) {
    struct complete_log *log = r->log[number];
    stele_view salts = {NULL, 0};
    stele_view payload = {NULL, 0};
    struct stele_answer_event event = {.log = number, .checkpoint = &log->checkpoint};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_view(bytes, SALTS_BYTES, &salts, err));
    STELE_TRY(fold_gap(log, head->seq, bytes, err));
    STELE_TRY(stele_read_view(bytes, stele_reader_left(bytes), &payload, err));
    if (payload.size > STELE_PAYLOAD_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "answer: a payload of %zu bytes; an event has at most %d",
                          payload.size, STELE_PAYLOAD_BYTES_MAX);
    }
    if (slot->role != STELE_HISTORY_INSIDE || !stele_complete__is_asked(r, head)) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: event %" PRIu64 " of '%.80s' is outside of the asked times",
                          head->seq, log->checkpoint.origin);
    }
    STELE_TRY(stele_complete__commit_event(r, log, head, salts, payload, bytes_of, err));
    STELE_TRY(push(log, slot, head->seq, bytes_of, err));
    log->n_events++;
    r->n_events++;
    event.payload = payload;
    STELE_TRY(
        stele_entry_decode(stele_view_of(bytes_of, STELE_ENTRY_EVENT_BYTES), &event.entry, err));
    st = r->sink.event == NULL ? STELE_OK : r->sink.event(r->sink.ctx, &event, &r->facts, err);
cleanup:
    return st;
}

static stele_status accept_entry(struct stele_complete_reader *r, uint8_t number,
                                 const struct stele_entry *entry, const struct complete_slot *slot,
                                 const uint8_t bytes_of[STELE_AT_LEAST(96)],
                                 struct stele_reader *bytes, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(fold_gap(r->log[number], entry->seq, bytes, err));
    STELE_TRY(stele_reader_end(bytes, err));
    STELE_TRY(push(r->log[number], slot, entry->seq, bytes_of, err));
    if (slot->role == STELE_HISTORY_INSIDE && stele_complete__is_asked(r, entry)) {
        if (!r->counted) {
            return stele_complete__check_missing(r, number, entry, err);
        }
        r->log[number]->n_events++;
        r->n_counted++;
        return STELE_OK;
    }
    st = r->sink.entry == NULL ? STELE_OK : r->sink.entry(r->sink.ctx, number, entry, err);
cleanup:
    return st;
}

/* EVENT and ENTRY: of the first, the entry's commitments are not there yet. */
static stele_status read_entry(struct stele_complete_reader *r, uint8_t type, stele_view body,
                               stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, entry");
    bool is_event = type == STELE_ANSWER_EVENT;
    uint8_t number = 0;
    uint8_t bytes_of[STELE_ENTRY_EVENT_BYTES] = {0};
    struct complete_slot slot;
    struct stele_entry entry;
    stele_status st = STELE_OK;
    STELE_TRY(begin_body(r, type, err));
    STELE_TRY(stele_read_u8(&bytes, &number, err));
    if (number >= r->n_logs || (is_event && r->counted)) {
        return out_of_place(r, type, err);
    }
    STELE_TRY(stele_read_bytes(&bytes, bytes_of,
                               is_event ? STELE_COMPLETE_EVENT_HEAD_BYTES : sizeof bytes_of, err));
    STELE_TRY(stele_entry_decode(stele_view_of(bytes_of, sizeof bytes_of), &entry, err));
    STELE_TRY(check_place(r, number, &entry, err));
    STELE_TRY(stele_complete__slot_of(r, r->log[number], &entry, &slot, err));
    st = is_event ? read_event(r, number, &entry, &slot, bytes_of, &bytes, err)
                  : accept_entry(r, number, &entry, &slot, bytes_of, &bytes, err);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ end */

static stele_status read_log_end(struct stele_complete_reader *r, stele_view body, stele_err *err) {
    struct stele_reader bytes = stele_reader_of(body, "answer, end of a log");
    uint8_t number = 0;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (r->part != STELE_ANSWER_AT_LOG_ENDS) {
        STELE_TRY(begin_body(r, STELE_ANSWER_LOG_END, err));
    }
    STELE_TRY(stele_read_u8(&bytes, &number, err));
    if (number != r->n_log_ends || number >= r->n_logs) {
        return out_of_place(r, STELE_ANSWER_LOG_END, err);
    }
    r->part = STELE_ANSWER_AT_LOG_ENDS;
    r->n_log_ends++;
    struct complete_log *log = r->log[number];
    STELE_TRY(fold_gap(log, log->checkpoint.size_leaves, &bytes, err));
    STELE_TRY(stele_reader_end(&bytes, err));
    STELE_TRY(stele_complete__pass_segments(log, log->n_segments, err));
    STELE_TRY(stele_complete__check_used(log, err));
    stele_frontier_root(&log->frontier, root);
    if (log->by_log && memcmp(root, log->checkpoint.root, sizeof root) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the events and hashes of '%.80s' do not make its signed root of "
                          "%" PRIu64 " entries: an event is not in the log, or a hash was changed",
                          log->checkpoint.origin, log->checkpoint.size_leaves);
    }
    if (!log->by_log && !r->counted && log->n_events <= STELE_ANSWER_BY_LOG_EVENTS) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: its %" PRIu64
                          " events of '%.80s' are proven by the index alone; up to "
                          "%d must be shown in the log itself",
                          log->n_events, log->checkpoint.origin, STELE_ANSWER_BY_LOG_EVENTS);
    }
cleanup:
    return st;
}

static stele_status read_end(struct stele_complete_reader *r, stele_view body, stele_err *err) {
    const struct stele_answer_totals totals = {r->n_logs, r->n_log_ends, r->n_events, 0,
                                               "a complete answer has no flags"};
    uint8_t flags = 0;
    return stele_answer_chunks_last(&r->chunks, body, &totals, &flags, err);
}

/* ------------------------------------------------------------------ framing */

static size_t body_bytes_max(uint8_t type) {
    static const size_t bytes_max[] = {
        [STELE_ANSWER_QUESTION] = STELE_ANSWER_QUESTION_BYTES_MAX,
        [STELE_ANSWER_LOG] = STELE_CHECKPOINT_BYTES_MAX,
        [STELE_ANSWER_EVENT] = STELE_COMPLETE_EVENT_BYTES_MAX,
        [STELE_ANSWER_LOG_END] = STELE_ANSWER_LOG_END_BYTES_MAX,
        [STELE_ANSWER_END] = STELE_ANSWER_END_BYTES,
        [STELE_COMPLETE_ANCHOR] = STELE_COMPLETE_ANCHOR_BYTES_MAX,
        [STELE_COMPLETE_STATE] = STELE_COMPLETE_STATE_BYTES_MAX,
        [STELE_COMPLETE_MANIFEST] = STELE_COMPLETE_MANIFEST_BYTES_MAX,
        [STELE_COMPLETE_KEY] = STELE_COMPLETE_KEY_BYTES,
        [STELE_COMPLETE_OPENING] = STELE_COMPLETE_OPENING_BYTES_MAX,
        [STELE_COMPLETE_ENTRY] = STELE_COMPLETE_ENTRY_BYTES_MAX,
        [STELE_COMPLETE_CONSISTENCY] = STELE_COMPLETE_CONSISTENCY_BYTES_MAX,
    };
    return type < sizeof bytes_max / sizeof bytes_max[0] ? bytes_max[type] : 0;
}

static stele_status read_chunk(void *ctx, uint8_t type, stele_view body, stele_err *err) {
    struct stele_complete_reader *r = ctx;
    switch (type) {
    case STELE_ANSWER_QUESTION:
        return read_question(r, body, err);
    case STELE_ANSWER_LOG:
        return read_log(r, body, err);
    case STELE_COMPLETE_ANCHOR:
    case STELE_COMPLETE_CONSISTENCY:
    case STELE_COMPLETE_STATE:
    case STELE_COMPLETE_MANIFEST:
    case STELE_COMPLETE_KEY:
        return read_part(r, type, body, err);
    case STELE_COMPLETE_OPENING:
        return read_opening(r, body, err);
    case STELE_ANSWER_EVENT:
    case STELE_COMPLETE_ENTRY:
        return read_entry(r, type, body, err);
    case STELE_ANSWER_LOG_END:
        return read_log_end(r, body, err);
    case STELE_ANSWER_END:
        return read_end(r, body, err);
    default:
        return STELE_FAIL(err, INVALID, "answer, byte %" PRIu64 ": a chunk of unknown type %u",
                          r->chunks.offset_bytes, type);
    }
}

stele_status stele_complete_reader_new(const struct stele_complete_trust *trust,
                                       const struct stele_complete_sink *sink,
                                       struct stele_complete_reader **ret, stele_err *err) {
    struct stele_complete_reader *r = stele_alloc(1, sizeof *r);
    if (r == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for reading a complete answer");
    }
    r->trust = *trust;
    r->sink = *sink;
    r->chunks.magic = STELE_COMPLETE_MAGIC;
    r->chunks.body_bytes_max = body_bytes_max;
    r->chunks.read = read_chunk;
    r->chunks.ctx = r;
    stele_answer_chunks_init(&r->chunks);
    *ret = r;
    return STELE_OK;
}

void stele_complete_reader_free(struct stele_complete_reader *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n_logs; i++) {
        stele_complete__state_done(&r->log[i]->state);
        stele_free(r->log[i]->segment);
        stele_free(r->log[i]);
    }
    stele_answer_chunks_done(&r->chunks);
    stele_free(r);
}

stele_status stele_complete_reader_feed(struct stele_complete_reader *r, stele_view bytes,
                                        stele_err *err) {
    return stele_answer_chunks_feed(&r->chunks, bytes, err);
}

stele_status stele_complete_reader_end(struct stele_complete_reader *r,
                                       struct stele_complete_report *ret, stele_err *err) {
    stele_status st = stele_answer_chunks_end(&r->chunks, err);
    if (st != STELE_OK) {
        return st;
    }
    memset(ret, 0, sizeof *ret);
    ret->n_logs = r->n_logs;
    ret->n_events = r->counted ? r->n_counted : r->n_events;
    ret->counted = r->counted;
    ret->whole_region = r->whole_region;
    ret->complete_until_us = UINT64_MAX;
    for (size_t i = 0; i < r->n_logs; i++) {
        const struct complete_log *log = r->log[i];
        struct stele_complete_log_report *of = &ret->log[i];
        of->n_events = log->n_events;
        of->n_gaps = log->n_gaps;
        of->covered_leaves = log->index.as.index.covered;
        of->index_seq = log->index.seq;
        of->index_time_us = log->index.time_us;
        of->complete_until_us = stele_complete__until_us(r, log);
        of->condition = log->condition;
        of->by_log = log->by_log;
        ret->n_gaps += log->n_gaps;
        if (of->complete_until_us < ret->complete_until_us) {
            ret->complete_until_us = of->complete_until_us;
        }
    }
    return STELE_OK;
}
