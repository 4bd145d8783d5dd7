/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/complete_log.h: one log's part of a complete answer: what it rests on, which segments are
 * opened and how, and the entries they hold, one at a time in ascending order. Layer: query,
 * private to complete*.c.
 *
 * The key whose histories are opened is the rarest of the question's in this log, if none is asked
 * for; the verifier drops what meets it and not the rest. Memory: one segment's opening and one
 * frame with its events' facts.
 */
#ifndef STELE_QUERY_COMPLETE_LOG_H
#define STELE_QUERY_COMPLETE_LOG_H

#include "query/scope.h"
#include "storage/complete_writer.h"
#include "storage/manifest.h"
#include "storage/opened_history.h"
#include "storage/replay.h"

/* What of a history comes next. */
typedef enum stele_history_stage {
    STELE_STAGE_LEFT,
    STELE_STAGE_INSIDE,
    STELE_STAGE_RIGHT,
    STELE_STAGE_OVER,
} stele_history_stage;

struct stele_complete_era {
    uint32_t era;
    uint8_t disclosed[32]; /* the file carries it: there is nothing to wipe it for */
    struct stele_tag_key key;
};
struct stele_complete_log {
    const struct stele_scope_log *scope; /* its view is of the manifest's log and holds its INDEX */
    uint8_t number;                      /* in the file */
    bool lists_logs;                     /* it is to show which logs the region has */
    uint64_t known_leaves; /* it is to show that it grew out of so many entries; 0: out of none */
    size_t open_condition; /* number, from 1, of the condition that is opened; 0: the rarest */
    bool strict;           /* by log, however many events there are */
    bool counted;          /* the number alone is proven */
    uint64_t n_counted;    /* in histories that are counted and not opened */
    struct stele_replay *replay;
    struct stele_index_key key; /* borrows the question */
    uint8_t condition;
    struct stele_windows windows;
    uint64_t from[2], to[2];        /* the windows as ranges of entries */
    size_t first, end;              /* descriptors shown */
    size_t at;                      /* the next one that may be opened */
    struct stele_complete_era *era; /* those with an opened segment, ascending */
    size_t n_eras;
    struct stele_opened_history history[2];
    stele_history_stage stage[2];
    bool has_next; /* entry is set, and inside its window */
    bool inside;
    struct stele_stored_entry entry;
};
/* ret is all zeros but for what stele_complete_options say and number and lists_logs, before, and
 * wants _done also after a failure. */
STELE_MUST_USE stele_status stele_complete_log_open(const struct stele_scope_log *scope,
                                                    const struct stele_event_filter *filter,
                                                    struct stele_complete_log *ret, stele_err *err);
void stele_complete_log_done(struct stele_complete_log *log);
/* Anchor, states, manifest and keys. */
STELE_MUST_USE stele_status stele_complete_log_head(struct stele_complete_log *log,
                                                    struct stele_complete_writer *writer,
                                                    stele_buf *out, stele_err *err);
/* Moves to the next entry, writing the openings on the way; has_next is false after the last one.
 */
STELE_MUST_USE stele_status stele_complete_log_advance(struct stele_complete_log *log,
                                                       struct stele_complete_writer *writer,
                                                       stele_buf *out, stele_err *err);
/* Writes the entry: with its payload if it is inside of window and range. */
STELE_MUST_USE stele_status stele_complete_log_put(struct stele_complete_log *log,
                                                   struct stele_complete_writer *writer,
                                                   stele_buf *out, stele_err *err);

#endif
