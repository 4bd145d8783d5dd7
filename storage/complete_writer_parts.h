/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_writer_parts.h: what the two files of the writer share. Layer: storage, private
 * to complete_writer*.c.
 */
#ifndef STELE_STORAGE_COMPLETE_WRITER_PARTS_H
#define STELE_STORAGE_COMPLETE_WRITER_PARTS_H

#include "storage/complete_writer.h"
#include "storage/cursor.h"

/* How far a log's part is written. */
typedef enum writer_part { WRITER_AT_ANCHOR, WRITER_AT_STATES, WRITER_AT_KEYS } writer_part;

struct writer_log {
    char origin[STELE_ORIGIN_MAX + 1];
    uint64_t size_leaves;
    uint64_t next_leaves; /* first leaf that no event or entry has reached yet */
    stele_tree_node_fn node;
    void *ctx;
    writer_part part;
    bool by_log;
    bool counted;
    bool has_consistency;
    size_t next_state;     /* first state leaf that may be opened next */
    uint32_t last_era;     /* of the keys */
    uint64_t next_segment; /* first segment that may be opened next */
};

struct stele_complete_writer {
    stele_answer_part part;
    struct stele_sha256 digest; /* of all bytes so far */
    stele_buf body;             /* of the chunk that is being made */
    size_t n_logs;
    size_t n_begun; /* logs whose anchor is written */
    struct writer_log log[STELE_ANSWER_LOGS_MAX];
    uint64_t n_events;
    bool has_last;
    struct stele_answer_place last;
};

/* Clears the body; what is written is the body of the chunk that comes next. */
struct stele_writer stele_complete__begin(struct stele_complete_writer *w);
/* Appends the body as a chunk of `type` that has at most bytes_max. Errors: LIMIT, NO_MEMORY. */
STELE_MUST_USE stele_status stele_complete__put(struct stele_complete_writer *w, uint8_t type,
                                                size_t bytes_max, stele_buf *out, stele_err *err);

#endif
