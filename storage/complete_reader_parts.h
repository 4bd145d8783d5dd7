/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_reader_parts.h: what the files of the verifier share. Layer: storage, private to
 * complete_*.c.
 *
 *   complete_reader.c    chunks, order, events' places in the log, the end
 *   complete_anchor.c    what a log's part rests on: INDEX, CONTROL, state, manifest, keys, region
 *   complete_state.c     the opened leaves of a state tree
 *   complete_opening.c   one segment of one log: its keys, its histories
 *   complete_event.c     one event or entry: its commitments, and why a payload may be missing
 */
#ifndef STELE_STORAGE_COMPLETE_READER_PARTS_H
#define STELE_STORAGE_COMPLETE_READER_PARTS_H

#include "storage/answer_chunks.h"
#include "storage/complete_format.h"
#include "storage/complete_reader.h"
#include "storage/cursor.h"
#include "storage/history.h"
#include "storage/state.h"

/* The log whose state lists all logs of its region, itself too. */
#define STELE_COMPLETE_SYSTEM_LOG "system"
#define STELE_RETENTION_YEAR_US (UINT64_C(366) * 86400 * 1000000)

/* ------------------------------------------------------------------ state */

/* disposed/<lo>, erased/<seq>, gone/<era>: what makes a missing payload or segment a gap. */
struct complete_leaf {
    stele_gap_kind kind; /* DISPOSED, ERASED, or DISPOSED_SEGMENT for gone/ */
    bool used;
    uint8_t years; /* disposed/ */
    uint32_t n;    /* gone/: descriptors under root */
    uint64_t key;  /* lo, seq or era */
    uint64_t hi;   /* disposed/ */
    uint64_t time_us;
    uint8_t root[STELE_HASH_BYTES]; /* gone/ */
};
struct complete_epoch {
    uint32_t era;
    uint16_t tag_alg, map_version;
    uint64_t seq;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
    bool used; /* by a descriptor */
    bool has_key;
    bool key_used; /* by an opening */
    struct stele_tag_key key;
};
struct complete_listed {
    char origin[STELE_ORIGIN_MAX + 1];
    uint8_t years;
    uint8_t genesis[STELE_HASH_BYTES];
};
struct complete_state {
    bool has_class;
    uint8_t years;
    uint64_t next;                /* first leaf that may be opened next */
    stele_buf last_key;           /* of the leaf that was opened last */
    struct complete_epoch *epoch; /* ascending by era, once the state is whole */
    size_t n_epochs, epochs_room;
    struct complete_leaf *leaf; /* ascending by kind and key, once the state is whole */
    size_t n_leaves, leaves_room;
    struct complete_listed *listed; /* of the system log: STELE_ANSWER_LOGS_MAX of room */
    size_t n_listed;
};

/* ------------------------------------------------------------------ a log */

typedef enum complete_need {
    COMPLETE_UNMET,     /* no window meets it */
    COMPLETE_NEEDED,    /* it must be opened */
    COMPLETE_UNINDEXED, /* a gap */
} complete_need;
struct complete_segment {
    struct stele_descriptor descriptor;
    complete_need need;
    const struct stele_complete_map *map;
    struct complete_epoch *epoch;
};

/* A key leaf of the opening at hand. */
struct complete_key_leaf {
    uint8_t tag[STELE_TAG_BYTES];
    uint8_t value[STELE_HASH_BYTES];
    bool opened;
    bool counted;
    uint64_t count;
    size_t n_right;
    uint8_t right[STELE_COMPLETE_OPAQUE_MAX][8 + STELE_HASH_BYTES]; /* rep, hash */
    struct stele_history_check history;
};
struct complete_opening {
    bool is_open; /* histories are being filled */
    struct complete_segment *segment;
    uint64_t first_key;
    size_t n_leaves;
    struct complete_key_leaf leaf[2];
    struct complete_key_leaf *of[2]; /* the opened ones: on-time, late; NULL if not opened */
    size_t n_siblings;
    uint8_t sibling[STELE_COMPLETE_SIBLINGS_MAX][STELE_HASH_BYTES];
};

typedef enum complete_part {
    COMPLETE_AT_ANCHOR,
    COMPLETE_AT_STATE,
    COMPLETE_AT_KEYS
} complete_part;

struct complete_log {
    struct stele_checkpoint checkpoint;
    bool has_consistency;
    uint64_t witnessed_s; /* newest time of a counted cosignature */
    complete_part part;
    bool is_system; /* and its logs/ are to be opened */
    bool by_log;
    uint8_t condition;
    struct stele_complete_key key;
    struct stele_entry index, control;
    uint8_t genesis[STELE_HASH_BYTES];
    struct complete_state state;
    uint32_t first_segment;
    size_t n_segments;
    struct complete_segment *segment;
    size_t next_segment; /* first of `segment` that may be opened next */
    uint32_t last_key_era;
    struct complete_opening opening;
    uint64_t next_leaves;           /* the next event's seq must not be below */
    struct stele_frontier frontier; /* by log: of the leaves and subtrees so far */
    uint64_t n_events, n_gaps;
};

struct stele_complete_reader {
    struct stele_complete_trust trust;
    struct stele_complete_sink sink;
    struct stele_answer_chunks chunks;
    stele_answer_part part;
    struct stele_complete_question question;
    struct stele_windows windows;
    size_t n_logs;
    size_t n_begun; /* logs with an anchor */
    size_t n_log_ends;
    struct complete_log *log[STELE_ANSWER_LOGS_MAX];
    bool whole_region;
    bool counted; /* as the first log's anchor says */
    uint64_t n_counted;
    uint64_t n_events;
    bool has_last;
    struct stele_answer_place last;
    struct stele_event_facts facts; /* of the event at hand */
    struct stele_tag_set tags;
};

/* ------------------------------------------------------------------ complete_state.c */

/* One STATE chunk, after its number of log. Errors: INVALID, UNVERIFIED, LIMIT, NO_MEMORY. */
STELE_MUST_USE stele_status stele_complete__read_state(struct complete_log *log,
                                                       struct stele_reader *bytes, stele_err *err);
/* After the last STATE: sorts what lookups need. */
void stele_complete__close_state(struct complete_state *state);
void stele_complete__state_done(struct complete_state *state);
/* NULL if it is not opened. */
struct complete_epoch *stele_complete__epoch(struct complete_state *state, uint32_t era);
/* The leaf of a kind with this key; of DISPOSED the range that holds it. NULL if it is not opened.
 */
struct complete_leaf *stele_complete__leaf(struct complete_state *state, stele_gap_kind kind,
                                           uint64_t key);
/* At the end of the log: a leaf or key that nothing needed is refused. */
STELE_MUST_USE stele_status stele_complete__check_used(const struct complete_log *log,
                                                       stele_err *err);
/* time_us + years of 366 days, saturating: what was logged then may be disposed of now. */
uint64_t stele_complete__disposable_us(uint64_t time_us, uint8_t years);

/* ------------------------------------------------------------------ complete_anchor.c */

STELE_MUST_USE stele_status stele_complete__read_anchor(struct stele_complete_reader *r,
                                                        struct complete_log *log,
                                                        struct stele_reader *bytes, stele_err *err);
STELE_MUST_USE stele_status stele_complete__read_manifest(struct stele_complete_reader *r,
                                                          uint8_t number,
                                                          struct stele_reader *bytes,
                                                          stele_err *err);
STELE_MUST_USE stele_status stele_complete__read_consistency(struct stele_complete_reader *r,
                                                             uint8_t number,
                                                             struct stele_reader *bytes,
                                                             stele_err *err);
STELE_MUST_USE stele_status stele_complete__read_key(struct complete_log *log,
                                                     struct stele_reader *bytes, stele_err *err);
/* Once the parts of all logs are read: that these are all logs of the region. */
STELE_MUST_USE stele_status stele_complete__check_region(struct stele_complete_reader *r,
                                                         stele_err *err);
/* FORMAT.md, "complete_until". */
uint64_t stele_complete__until_us(const struct stele_complete_reader *r,
                                  const struct complete_log *log);

/* ------------------------------------------------------------------ complete_opening.c */

STELE_MUST_USE stele_status stele_complete__read_opening(struct stele_complete_reader *r,
                                                         uint8_t number, struct stele_reader *bytes,
                                                         stele_err *err);
/* Closes the opening at hand, and requires that no segment below `upto` (an index of log->segment)
 * was to be opened and was not. */
STELE_MUST_USE stele_status stele_complete__pass_segments(struct complete_log *log, size_t upto,
                                                          stele_err *err);
/* Where an entry belongs. */
struct complete_slot {
    struct stele_history_check *history;
    stele_history_role role; /* INSIDE: it lies in its window */
};
/* The opened history of an entry, which is one of the segment that is opened. Errors: UNVERIFIED.
 */
STELE_MUST_USE stele_status stele_complete__slot_of(const struct stele_complete_reader *r,
                                                    struct complete_log *log,
                                                    const struct stele_entry *entry,
                                                    struct complete_slot *ret, stele_err *err);
STELE_MUST_USE stele_status stele_complete__gap(struct stele_complete_reader *r, uint8_t number,
                                                stele_gap_kind kind, uint64_t lo, uint64_t hi,
                                                stele_err *err);

/* ------------------------------------------------------------------ complete_event.c */

/* An EVENT's payload against the head of its entry and the question, and the two commitments that
 * its salts and payload make, put into the entry's bytes: whether it is the log's own, the hashes
 * over it tell. The entry has a slot. */
STELE_MUST_USE stele_status stele_complete__commit_event(
    struct stele_complete_reader *r, struct complete_log *log, const struct stele_entry *head,
    stele_view salts, stele_view payload, uint8_t ret_bytes[STELE_AT_LEAST(96)], stele_err *err);
/* True if the event's own time is in the asked range. */
bool stele_complete__is_asked(const struct stele_complete_reader *r,
                              const struct stele_entry *entry);
/* An ENTRY inside the window and the asked range: a gap, if the state says why. */
STELE_MUST_USE stele_status stele_complete__check_missing(struct stele_complete_reader *r,
                                                          uint8_t number,
                                                          const struct stele_entry *entry,
                                                          stele_err *err);

#endif
