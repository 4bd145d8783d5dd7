/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/answer_chunks.h: cuts an answer file, given in any pieces, into its first line and its
 * chunks, and keeps the digest. Layer: storage, private to the readers of answer files. Pure.
 *
 * After a failure it stays failed: nothing that follows can turn the file into an answer. No more
 * than one chunk is ever held.
 */
#ifndef STELE_STORAGE_ANSWER_CHUNKS_H
#define STELE_STORAGE_ANSWER_CHUNKS_H

#include "storage/answer_format.h"
#include "storage/cursor.h"

struct stele_answer_chunks {
    const char *magic;                      /* STELE_ANSWER_MAGIC_BYTES of them */
    size_t (*body_bytes_max)(uint8_t type); /* 0 for types the version does not have */
    /* One chunk, whole. */
    stele_status (*read)(void *ctx, uint8_t type, stele_view body, stele_err *err);
    void *ctx;

    uint64_t offset_bytes;      /* of the bytes that are consumed, for messages */
    struct stele_sha256 digest; /* of all bytes so far, but for the digest itself */
    bool done;                  /* set by the reader with the last chunk: nothing may follow */

    stele_err failure; /* of the first failed call; its status is OK before */
    stele_buf pending; /* a part of a magic, a head or a chunk's body */
    bool has_magic;
    bool in_body;
    uint8_t type; /* of the chunk whose body is next */
    uint32_t body_bytes;
};
/* Sets the digest up; the first four fields are the caller's, the rest zero. */
void stele_answer_chunks_init(struct stele_answer_chunks *c);
void stele_answer_chunks_done(struct stele_answer_chunks *c);
/* Errors: INVALID, and those of `read`. */
STELE_MUST_USE stele_status stele_answer_chunks_feed(struct stele_answer_chunks *c,
                                                     stele_view bytes, stele_err *err);
/* At the end of the file: that it was whole. Errors: the failure again, INVALID. */
STELE_MUST_USE stele_status stele_answer_chunks_end(const struct stele_answer_chunks *c,
                                                    stele_err *err);

/* What both versions read alike. Takes the subtrees of leaves [frontier's size, to) off the bytes
 * and folds them in. Errors: INVALID. */
STELE_MUST_USE stele_status stele_answer_chunks_gap(struct stele_reader *bytes, uint64_t to,
                                                    struct stele_frontier *f, stele_err *err);
/* What a file had when its last chunk comes. */
struct stele_answer_totals {
    size_t n_logs, n_log_ends;
    uint64_t n_events;
    uint8_t known_flags;
    const char *which_flags; /* are known, in words */
};
/* The last chunk: that the logs have ended, count and flags fit, and the digest is that of all
 * bytes before. Then the file is done. Errors: INVALID. */
STELE_MUST_USE stele_status stele_answer_chunks_last(struct stele_answer_chunks *c, stele_view body,
                                                     const struct stele_answer_totals *totals,
                                                     uint8_t *ret_flags, stele_err *err);

#endif
