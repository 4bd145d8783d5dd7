/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/log.h: one RFC 6962 log: appending to it, and reading a pinned view of it. Layer:
 * storage.
 *
 * Writing: a batch is filled in the caller's thread (tags, commitments, compression happen there),
 * then submitted to the log's bounded queue; the committer gives places, makes one durable record
 * for many batches, syncs, and calls `done`. Reading: a view pins the log's size at a moment;
 * everything that was acknowledged before is in it, and nothing about it changes. Threads: any,
 * unless said otherwise.
 */
#ifndef STELE_STORAGE_LOG_H
#define STELE_STORAGE_LOG_H

#include "storage/checkpoint.h"
#include "storage/entry.h"
#include "storage/store.h"
#include "storage/tiles.h"
#include "storage/tree.h"
#include "storage/window.h"

const char *stele_log_name(const struct stele_log *log);      /* "3y" */
const char *stele_log_full_name(const struct stele_log *log); /* "eu-central-1/3y" */
const char *stele_log_origin(const struct stele_log *log);
uint8_t stele_log_retention_years(const struct stele_log *log);
bool stele_log_is_system(const struct stele_log *log);
void stele_log_vkey(const struct stele_log *log, struct stele_vkey *ret);
bool stele_log_takes_tenant(const struct stele_log *log, stele_view tenant);
/* It takes events of this tenant and of no other. */
bool stele_log_is_reserved_for(const struct stele_log *log, stele_view tenant);

/* ------------------------------------------------------------------ appending */
#define STELE_BATCH_EVENTS_MAX 1000
#define STELE_QUEUE_EVENTS_MAX 65536 /* a log's queue: about 0.2 s at 300,000 events/s */
#define STELE_QUEUE_BYTES_MAX (32u << 20)

struct stele_batch;
/* Where a batch went: event i (in the order of adding) is at first_seq + i. */
struct stele_batch_place {
    uint64_t first_seq;
    uint64_t time_us;
    size_t n;
    uint32_t era;
};
/* Called once, from the committer's thread; must not block. Frees nothing: the batch is freed
 * after. */
typedef void (*stele_batch_done_fn)(void *arg, stele_status st, const stele_err *err,
                                    const struct stele_batch_place *place);

STELE_MUST_USE stele_status stele_batch_new(struct stele_log *log, struct stele_batch **ret,
                                            stele_err *err);
void stele_batch_free(struct stele_batch *batch); /* only if it was not submitted */
/*
 * Adds one checked event. `payload` is borrowed until `done` has run. Errors: LIMIT (over 512 tags,
 * 1,000 events or 64 KiB), INVALID (the map refuses the payload), DENIED (a tenant this log does
 * not take). A refused event leaves the batch as it was.
 */
STELE_MUST_USE stele_status stele_batch_add(struct stele_batch *batch, stele_view payload,
                                            stele_err *err);
size_t stele_batch_count(const struct stele_batch *batch);
/* How often the log, recovering, took up entries that no one was told of as stored: after a failed
 * commit that had reached the disk. A submitter that looks for duplicates first reads this before
 * it looks, and binds its batch to it: a batch of before the last such time is refused as CLOSED,
 * because what it holds may be there. */
uint64_t stele_log_adoptions(struct stele_log *log);
void stele_batch_bind(struct stele_batch *batch, uint64_t adoptions);
/* On OK the log owns the batch. Errors: BUSY (queue full), CLOSED (the log stopped; the text says
 * why; or the batch is bound to a time before a recovery): nothing was taken. Crash: an event is
 * durable iff `done` was called with OK. */
STELE_MUST_USE stele_status stele_batch_submit(struct stele_batch *batch, stele_batch_done_fn done,
                                               void *arg, stele_err *err);

/*
 * Ends the log's era before its month does: an EPOCH of the next cut, with a tag key of its own.
 * For a tag key that someone has who should not: what is appended from then on is under the new
 * one; what is there stays under the old. Waits until it is durable. Errors: LIMIT (99 cuts a
 * month), CLOSED, IO.
 */
#define STELE_ERA_CUT_MAX 99
STELE_MUST_USE stele_status stele_log_cut_era(struct stele_log *log, uint32_t *ret_era,
                                              stele_err *err);

/* ------------------------------------------------------------------ reading */
struct stele_log_view;
STELE_MUST_USE stele_status stele_log_view_open(struct stele_log *log, struct stele_log_view **ret,
                                                stele_err *err);
void stele_log_view_close(struct stele_log_view *view);
struct stele_log *stele_log_view_log(const struct stele_log_view *view);
uint64_t stele_log_view_size(const struct stele_log_view *view);
/* A stele_tree_node_fn; ctx is the view. */
STELE_MUST_USE stele_status stele_log_view_node(void *view, unsigned level, uint64_t index,
                                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
/* The first seq whose log time is >= time_us; the view's size if there is none. */
STELE_MUST_USE stele_status stele_log_view_seq_at(struct stele_log_view *view, uint64_t time_us,
                                                  uint64_t *ret_seq, stele_err *err);
/* Appends a tile or bundle as tlog-tiles serves it. Errors: NOT_FOUND (beyond the view). */
STELE_MUST_USE stele_status stele_log_view_tile(struct stele_log_view *view,
                                                const struct stele_tile *tile, stele_buf *out,
                                                stele_err *err);

/* Reads entries of a view; keeps the last frame, so ascending reads are cheap. One thread at a
 * time. */
struct stele_log_reader;
struct stele_stored_entry {
    struct stele_entry entry;
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    size_t n_bytes;
    stele_view payload;             /* EVENT: the exact bytes received; CONTROL: its body */
    uint8_t salt[STELE_SALT_BYTES]; /* EVENT only */
    uint8_t ksalt[STELE_SALT_BYTES];
    const struct stele_event_facts *facts; /* EVENT only: what the map says of the payload */
};
STELE_MUST_USE stele_status stele_log_reader_new(struct stele_log_view *view,
                                                 struct stele_log_reader **ret, stele_err *err);
void stele_log_reader_free(struct stele_log_reader *reader);
/*
 * Reads entry `seq` and checks it against the stored leaf hash: what comes back is what was
 * committed. The result borrows the reader until its next call. Errors: NOT_FOUND (seq >= size),
 * CORRUPT.
 */
STELE_MUST_USE stele_status stele_log_read(struct stele_log_reader *reader, uint64_t seq,
                                           struct stele_stored_entry *ret, stele_err *err);
/*
 * The same without what only proofs need: of an event, `bytes` and salts are left empty, and so are
 * the commitments of `entry`. It is checked by the digest of the frame it is stored in: its bytes
 * are those that this log stored in this place. Several times as fast where events lie apart.
 */
STELE_MUST_USE stele_status stele_log_read_event(struct stele_log_reader *reader, uint64_t seq,
                                                 struct stele_stored_entry *ret, stele_err *err);
/*
 * The events stored together with entry `seq`, in one frame: n from first_seq on, all below the
 * view's size; checked like _read_event, but those of codec 1 not at all: for hints, never for
 * answers. n 0: the entry is no event. Borrows the reader. Errors: those of _read.
 */
struct stele_stored_frame {
    uint64_t first_seq, time_us;
    size_t n;
    const stele_view *payload;
};
STELE_MUST_USE stele_status stele_log_peek(struct stele_log_reader *reader, uint64_t seq,
                                           struct stele_stored_frame *ret, stele_err *err);
struct stele_seq_stream;
/* The entries read are those the stream gives, which lives as long: where they come from a disk,
 * the reader has those that follow fetched too. */
void stele_log_reader_follow(struct stele_log_reader *reader,
                             const struct stele_seq_stream *stream);
/*
 * A reader that follows can have a second thread open what _read_event will want. _wants_help:
 * whether there is enough for one, and none is expected; true: from now on one is, and somebody has
 * to call _help, on any thread, or _no_help. _help opens what it can and returns, at once where
 * `others` that wait for its thread are more than 0. The reader is used meanwhile as before; _free
 * waits for who is expected. All but _help: the reader's thread.
 */
STELE_MUST_USE bool stele_log_reader_wants_help(struct stele_log_reader *reader);
void stele_log_reader_help(struct stele_log_reader *reader, const _Atomic uint32_t *others);
void stele_log_reader_no_help(struct stele_log_reader *reader);
/* The tags of the event that _read gave last, as committed (recomputed): for receipts. Borrows the
 * reader. */
STELE_MUST_USE stele_status stele_log_read_tags(struct stele_log_reader *reader,
                                                const struct stele_tag_set **ret, stele_err *err);

/* ------------------------------------------------------------------ the index */
/* Segments that cannot hold an entry of the asked time range (storage/window.h) are skipped. */
struct stele_index_key {
    stele_view tenant; /* empty: every tenant the log has seen */
    uint8_t field;
    stele_view value;
};
struct stele_index_stats {
    uint64_t postings;
    uint32_t segments;
    uint32_t segments_skipped;
};
/* How many postings the key has in the segments the range meets: an upper bound of the answer. Ends
 * where they are over `enough`, so that nobody counts what is too many. */
STELE_MUST_USE stele_status stele_log_key_stats(struct stele_log_view *view,
                                                const struct stele_index_key *key,
                                                const struct stele_time_range *range,
                                                uint64_t enough, struct stele_index_stats *ret,
                                                stele_err *err);
/* The seqs of a key's postings, on-time and late ones merged, from `from` on in the given
 * direction: ascending from the first seq >= from, or descending from the last seq < from. A key of
 * NULL gives every entry (a scan). Bounded memory. One thread at a time. */
struct stele_seq_stream;
STELE_MUST_USE stele_status stele_seq_stream_open(struct stele_log_view *view,
                                                  const struct stele_index_key *key,
                                                  const struct stele_time_range *range,
                                                  bool descending, uint64_t from,
                                                  struct stele_seq_stream **ret, stele_err *err);
/* Of these seqs only those that have that key, too; before the first is taken. Errors: NO_MEMORY.
 */
STELE_MUST_USE stele_status stele_seq_stream_narrow(struct stele_seq_stream *stream,
                                                    const struct stele_index_key *key,
                                                    stele_err *err);
/* OK and the next seq, or END. */
STELE_MUST_USE stele_status stele_seq_stream_next(struct stele_seq_stream *stream,
                                                  uint64_t *ret_seq, stele_err *err);
void stele_seq_stream_close(struct stele_seq_stream *stream);
/* Seqs that next will give, as far as they are known without reading, at most `max`. Returns how
 * many. */
size_t stele_seq_stream_ahead(const struct stele_seq_stream *stream, uint64_t *out, size_t max);
/* The first of those that is `apart` entries or more behind `seq`, in the stream's direction.
 * False: none is known. */
bool stele_seq_stream_beyond(const struct stele_seq_stream *stream, uint64_t seq, uint64_t apart,
                             uint64_t *ret);

/* The tag key of an era, for a proof to those entitled to the whole log: who has it can tell every
 * tag of the era. Errors: NOT_FOUND (no such era), those of the keyring. */
STELE_MUST_USE stele_status stele_log_disclose_tag_key(struct stele_log *log, uint32_t era,
                                                       uint8_t ret[STELE_AT_LEAST(32)],
                                                       stele_err *err);

/* ------------------------------------------------------------------ checkpoints */
/*
 * Appends the newest signed note whose size is at least min_size, signing one for the whole log if
 * the newest is smaller. A note is synced before it is given out (I5). ret_checkpoint is nullable.
 * Errors: INVALID (min_size beyond the log), CLOSED, IO.
 */
STELE_MUST_USE stele_status stele_log_checkpoint(struct stele_log *log, uint64_t min_size,
                                                 stele_buf *note,
                                                 struct stele_checkpoint *ret_checkpoint,
                                                 stele_err *err);

#endif
