/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_writer.h: writes a complete answer, a file that also proves that no event was
 * left out. Layer: storage. Format: FORMAT.md, "Answer file, version 2". Pure.
 *
 * The calls come in the file's order, each appends one chunk (write_end several) to a buffer that
 * the caller drains between calls: question; log for each log; then for each log, in the same
 * order: anchor, state..., manifest, key...; then opening, event, entry, interleaved; end. What the
 * reader would refuse for its shape or order is refused here already. What is proven with it is the
 * caller's to have right: which leaves are opened, what is hidden, commitments, signatures. Errors
 * of all: INVALID, LIMIT, NO_MEMORY, and whatever `node` returns. After any, the buffer and the
 * writer are as before the call. Threads: one writer is one thread's.
 */
#ifndef STELE_STORAGE_COMPLETE_WRITER_H
#define STELE_STORAGE_COMPLETE_WRITER_H

#include "storage/answer.h"
#include "storage/complete_format.h"
#include "storage/descriptor.h"
#include "storage/state.h"

struct stele_complete_writer;
STELE_MUST_USE stele_status stele_complete_writer_new(struct stele_complete_writer **ret,
                                                      stele_err *err);
void stele_complete_writer_free(struct stele_complete_writer *w);

/* First line and question: the bytes of stele_question_encode. First call. */
STELE_MUST_USE stele_status stele_complete_write_question(struct stele_complete_writer *w,
                                                          stele_view question, stele_buf *out,
                                                          stele_err *err);

/* One log, bytewise ascending by origin. note: its signed checkpoint, of size_leaves entries. node,
 * ctx: the roots of complete subtrees of its tree below that size, used until write_end. ret_log:
 * its number, from 0. */
STELE_MUST_USE stele_status stele_complete_write_log(struct stele_complete_writer *w,
                                                     stele_view note, uint64_t size_leaves,
                                                     stele_tree_node_fn node, void *ctx,
                                                     uint8_t *ret_log, stele_buf *out,
                                                     stele_err *err);

/* What a log's part of the answer rests on. */
struct stele_complete_anchor {
    uint8_t condition; /* number of the question's condition whose history is opened in this log, or
                          STELE_COMPLETE_WHOLE_TENANT */
    bool by_log;      /* every event and entry is shown in the log itself too; must be set where the
                         log has up to STELE_ANSWER_BY_LOG_EVENTS events in the answer */
    bool counted;     /* the number of events is proven, by the index alone: no event is shown, and
                         by_log is false. The same in all logs */
    stele_view index; /* the INDEX entry, 72 bytes; its seq below the checkpoint's size */
    stele_view control; /* the CONTROL entry that it names, 112 bytes */
};
/* The two entries with their paths, and the path of the log's first entry. */
STELE_MUST_USE stele_status stele_complete_write_anchor(struct stele_complete_writer *w,
                                                        uint8_t log,
                                                        const struct stele_complete_anchor *anchor,
                                                        stele_buf *out, stele_err *err);

/* Optional, right after a log's anchor: that its first old_leaves entries are the whole log as it
 * was then, for a verifier that remembers it. old_leaves: 1 to the size less 1. */
STELE_MUST_USE stele_status stele_complete_write_consistency(struct stele_complete_writer *w,
                                                             uint8_t log, uint64_t old_leaves,
                                                             stele_buf *out, stele_err *err);

/* Opens leaves [first, first + n) of `state`, which is the whole state as the anchor's CONTROL
 * entry commits to it. A log's calls ascend and do not overlap; n is 1 to 65,535. */
STELE_MUST_USE stele_status stele_complete_write_state(struct stele_complete_writer *w, uint8_t log,
                                                       const struct stele_state *state,
                                                       size_t first, size_t n, stele_buf *out,
                                                       stele_err *err);

/* Opens descriptors [first, first + n) of the n_all descriptors that the anchor's INDEX entry
 * commits to. Once a log; n is at least 1. */
STELE_MUST_USE stele_status stele_complete_write_manifest(struct stele_complete_writer *w,
                                                          uint8_t log,
                                                          const struct stele_descriptor *all,
                                                          size_t n_all, size_t first, size_t n,
                                                          stele_buf *out, stele_err *err);

/* Discloses the tag key of one era; ascending eras within a log, those with a segment that is
 * OPENED and no others. */
STELE_MUST_USE stele_status stele_complete_write_key(struct stele_complete_writer *w, uint8_t log,
                                                     uint32_t era,
                                                     const uint8_t tag_key[STELE_AT_LEAST(32)],
                                                     stele_buf *out, stele_err *err);

/* A part of a history that is outside of the window and its neighbours. */
struct stele_opaque {
    uint64_t rep; /* stele_history_place */
    uint8_t hash[STELE_HASH_BYTES];
};
struct stele_opened_leaf {
    uint8_t tag[STELE_TAG_BYTES];
    bool opened;                     /* its history is opened below */
    bool counted;                    /* all its postings are asked for: count and root follow */
    uint8_t root[STELE_HASH_BYTES];  /* counted: of its history */
    uint8_t value[STELE_HASH_BYTES]; /* unless it is opened: its key value */
    uint64_t count;          /* opened or counted: all its postings; the rest only where opened */
    uint8_t n_left, n_right; /* parts left of the left neighbour, right of the right one */
    const struct stele_opaque *opaque; /* n_left + n_right, ascending by rep; borrowed */
};
struct stele_opening {
    stele_opening_kind kind;
    /* OPENED: */
    uint64_t first_key; /* number of leaf[0] in the key tree */
    uint8_t n_leaves;   /* 1 or 2, adjacent */
    struct stele_opened_leaf leaf[2];
    /* DISPOSED: the place of the segment's descriptor among those under the root of `gone/<era>` */
    uint32_t place;
    /* OPENED: the range proof of the leaves in the key tree (stele_tree_range_prove with
     * stele_hash_key_inner). DISPOSED: that of the one descriptor (with stele_hash_manifest_inner).
     * Borrowed. */
    stele_view siblings;
};
/* The opening of one segment: `segment` is its number in the whole manifest. Ascending within a
 * log, and before the log's first event or entry in that or a later segment. Every segment that a
 * window meets has one, unless its map version lacks the condition's field; no other has. */
STELE_MUST_USE stele_status stele_complete_write_opening(struct stele_complete_writer *w,
                                                         uint8_t log, uint32_t segment,
                                                         const struct stele_opening *opening,
                                                         stele_buf *out, stele_err *err);

/* An event inside the asked ranges, with its payload. Events and entries together ascend strictly
 * by log time, log and seq, and by seq within a log. entry: its 96 bytes, of which the file gets
 * all but the commitments; salt and payload open the first, ksalt the second. */
STELE_MUST_USE stele_status stele_complete_write_event(struct stele_complete_writer *w, uint8_t log,
                                                       stele_view entry,
                                                       const uint8_t salt[STELE_AT_LEAST(16)],
                                                       const uint8_t ksalt[STELE_AT_LEAST(16)],
                                                       stele_view payload, stele_buf *out,
                                                       stele_err *err);
/* An entry of the opened histories without payload: a neighbour of a window, one inside the window
 * of log time and outside of the asked event time, or one whose payload is gone. entry: its 96
 * bytes. */
STELE_MUST_USE stele_status stele_complete_write_entry(struct stele_complete_writer *w, uint8_t log,
                                                       stele_view entry, stele_buf *out,
                                                       stele_err *err);

/* The rest of every log's tree, where it is by log; the count of events; the digest. Last call. */
STELE_MUST_USE stele_status stele_complete_write_end(struct stele_complete_writer *w,
                                                     stele_buf *out, stele_err *err);

#endif
