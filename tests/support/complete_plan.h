/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/complete_plan.h: an honest prover over the model's logs, and the complete answer it
 * makes as parts that a forger can change before they become a file. What can be computed anew for
 * the changed parts is: paths, gaps, the digest. Running out of memory ends the program.
 */
#ifndef STELE_TESTS_SUPPORT_COMPLETE_PLAN_H
#define STELE_TESTS_SUPPORT_COMPLETE_PLAN_H

#include "proto/event_filter.h"
#include "storage/complete_writer.h"
#include "tests/support/complete_model.h"

#define PLAN_LOGS_MAX 8
#define PLAN_STATES_MAX 512
#define PLAN_KEYS_MAX 64

struct plan_opening {
    uint32_t segment;
    uint64_t lo; /* where it stands in the stream: before entries from here on */
    struct stele_opening opening;
    struct stele_opaque opaque[2][2 * STELE_COMPLETE_OPAQUE_MAX];
    stele_buf siblings;
};
struct plan_run {
    size_t first, n;
};
struct plan_log {
    const struct cm_log *log;
    stele_buf note;
    uint8_t condition;
    bool by_log;
    bool counted;
    uint8_t index[STELE_ENTRY_INDEX_BYTES];
    uint8_t control[STELE_ENTRY_CONTROL_BYTES];
    uint64_t old_leaves; /* not 0: with a proof that the log grew out of so many */
    const struct stele_state *state;
    size_t n_states;
    struct plan_run states[PLAN_STATES_MAX];
    const struct stele_descriptor *all; /* n_all; siblings are made of them */
    size_t n_all;
    size_t first;
    stele_buf shown; /* the descriptors' bytes */
    size_t n_keys;
    uint32_t era[PLAN_KEYS_MAX];
    uint8_t key[PLAN_KEYS_MAX][32];
    size_t n_openings;
    struct plan_opening *openings;
};
/* One EVENT or ENTRY of the file. */
struct plan_item {
    uint8_t log;
    bool is_event;
    uint8_t entry[STELE_ENTRY_EVENT_BYTES];
    uint8_t salt[STELE_SALT_BYTES], ksalt[STELE_SALT_BYTES];
    stele_view payload; /* borrows the model */
};
struct plan {
    stele_buf question;
    size_t n_logs;
    struct plan_log log[PLAN_LOGS_MAX];
    size_t n_items;
    struct plan_item *item;
};

struct plan_options {
    uint8_t condition;       /* of all logs */
    bool by_index;           /* else by log */
    bool counted;            /* a number, by index */
    uint64_t index_seq;      /* not 0: of an older INDEX, of log 0 */
    uint64_t control_seq;    /* not 0: another CONTROL than the INDEX names, of log 0 */
    uint32_t fields_missing; /* map version whose eras lack the opened field; 0: none */
};
/* The answer to `question` over logs that ascend by origin. */
void plan_make(struct cm_log *const *logs, size_t n_logs, const struct stele_question *question,
               const struct plan_options *options, struct plan *ret);
void plan_done(struct plan *plan);
/* Appends the file, by this file's own bytes. */
void plan_encode(const struct plan *plan, stele_buf *out);
/* The same with storage/complete_writer.h. */
stele_status plan_write(const struct plan *plan, stele_buf *out, stele_err *err);

/* Item i leaves. */
void plan_drop(struct plan *plan, size_t i);
/* Adds a copy of an item before item i. */
void plan_add(struct plan *plan, size_t i, const struct plan_item *item);
/* The i-th item that is an event (or an entry), from 0. */
size_t plan_find(const struct plan *plan, bool is_event, size_t i);
uint64_t plan_seq(const struct plan_item *item);
/* The item for an entry of a log. */
void plan_item_of(const struct plan *plan, uint8_t log, uint64_t seq, bool is_event,
                  struct plan_item *ret);
/* Fills an opening with adjacent key leaves [first, first + n) of a segment, with their values. */
void plan_show_leaves(const struct cm_log *log, const struct stele_descriptor *descriptor,
                      size_t first, size_t n, struct plan_opening *ret);

/* The events that the question asks for, by a scan of the entries below `covered`: (log, seq) in
 * the file's order, at most `room`. */
struct plan_hit {
    uint8_t log;
    uint64_t seq;
    uint64_t time_us;
};
size_t plan_scan(struct cm_log *const *logs, size_t n_logs, const struct stele_question *question,
                 struct plan_hit *out, size_t room);

#endif
