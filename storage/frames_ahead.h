/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/frames_ahead.h: the frames a reader wants next, opened by whoever has the time: the
 * reader's own thread or one helper. Layer: storage, private to log_reader.c.
 *
 * To open a frame (read, check, decompress) is three quarters of what an event of a rare key costs.
 * Whoever comes first takes the next one that nobody has taken; the reader waits only for a frame
 * that the helper is in the middle of, and only if there is no other to open meanwhile. What cannot
 * be opened here is left to the reader, who then meets the same error by itself.
 */
#ifndef STELE_STORAGE_FRAMES_AHEAD_H
#define STELE_STORAGE_FRAMES_AHEAD_H

#include "storage/open_item.h"

struct stele_frames_ahead;
STELE_MUST_USE stele_status stele_frames_ahead_new(const struct stele_log_view *view,
                                                   struct stele_frames_ahead **ret, stele_err *err);
/* Waits for a helper that is expected. NULL is fine. */
void stele_frames_ahead_free(struct stele_frames_ahead *ahead);

/* The reader's. `stream` gives what is read after `seq`: the frames of those are wanted. */
void stele_frames_ahead_want(struct stele_frames_ahead *ahead,
                             const struct stele_seq_stream *stream, uint64_t seq);
/* True: *opened is exchanged for the frame that holds `seq`, without the views of its item. False:
 * it was not wanted, or is none. `cursor` is the reader's own. */
bool stele_frames_ahead_take(struct stele_frames_ahead *ahead, uint64_t seq,
                             struct stele_unit_cursor *cursor, struct stele_open_item *opened);

/* storage/log.h, stele_log_reader_wants_help and what follows it. */
bool stele_frames_ahead_expect(struct stele_frames_ahead *ahead);
void stele_frames_ahead_help(struct stele_frames_ahead *ahead, const _Atomic uint32_t *others);
void stele_frames_ahead_expect_none(struct stele_frames_ahead *ahead);

#endif
