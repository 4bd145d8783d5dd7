/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/limits.h: every bound of the ingest layer, each with the reason for its number. Layer:
 * ingest. What one client can make the server hold, wait for or write is bounded here and nowhere
 * else; the bounds of the schema are in proto/schema.c, those of a log's queue in storage/log.h.
 */
#ifndef STELE_INGEST_LIMITS_H
#define STELE_INGEST_LIMITS_H

#include "proto/append_wire.h"
#include "storage/log.h"

/* One request is at most one batch of one log, so that it is one durable record there. */
_Static_assert(STELE_APPEND_EVENTS_MAX <= STELE_BATCH_EVENTS_MAX, "a request must fit a batch");

/* ---- what is admitted */
/* Clocks of well-kept machines differ by milliseconds, of neglected ones by minutes; an event
 * further ahead is a wrong clock or a wrong unit, and would be found under no sensible time range.
 */
#define STELE_INGEST_FUTURE_MAX_NS (UINT64_C(300) * 1000000000)
#define STELE_INGEST_REGIONS_MAX 64 /* of one server; each is a RocksDB of its own */

/* ---- what is held in memory */
/* Received and not yet decided, over all calls: four times a log's queue, so that the queue's own
 * bound is met first and several logs can be full at once. Over it a call is refused with
 * RetryInfo. */
#define STELE_INGEST_HELD_BYTES_MAX ((size_t)128 << 20)
/* Of one client, by the names of its certificate: what is left is a full queue for the others. */
#define STELE_INGEST_HELD_BYTES_CLIENT_MAX (STELE_INGEST_HELD_BYTES_MAX - STELE_QUEUE_BYTES_MAX)
/* Above half of it a stream may only have one message under way. */
#define STELE_INGEST_HELD_BYTES_SOFT (STELE_INGEST_HELD_BYTES_MAX / 2)
#define STELE_INGEST_HELD_CALLS_MAX                                                                \
    16384 /* the same for calls of few bytes: each costs about 1 KiB */
/* Messages of one stream under way. Acks come back after a group commit, 1 ms of an idle disk and
 * 20 of one that packs are written to: 32 messages of 256 events in that time are what a server
 * takes of one stream. With 8, processors were idle while the disk was busy: two streams of such
 * messages were taken at 0.90 of the rate; with 16 at 0.94, with 64 at 1.00. */
#define STELE_INGEST_STREAM_MESSAGES_MAX 32
/* Over so many bytes of them the next message waits: 32 of 256 events of 2 KiB. */
#define STELE_INGEST_STREAM_BYTES_SOFT ((size_t)16 << 20)
/* One response may cover several messages. It stays well under the 4 MiB a client accepts: after
 * this much the next message's part (at most 1,000 refusals of 260 bytes) is the last one added. */
#define STELE_INGEST_RESPONSE_BYTES_SOFT (1u << 20)
/* Receipts grow with the log and the tags. What would pass this is left out; the client asks again.
 */
#define STELE_INGEST_RECEIPT_BYTES_MAX (3u << 20)

/* ---- what is waited for */
#define STELE_INGEST_RETRY_AFTER_MS                                                                \
    100 /* told with RESOURCE_EXHAUSTED: a queue empties in about 0.2 s */
/* A stream meets a full queue by waiting: that is its flow control. Its client hears of it only if
 * the queue stays full for so long; asked again so often. */
#define STELE_INGEST_STREAM_BUSY_MAX_US UINT64_C(5000000)
#define STELE_INGEST_STREAM_BUSY_STEP_US UINT64_C(5000)
/* Threads that admit, group and answer: one is enough below 300,000 events/s, two keep a slow
 * receipt or a read-back from holding others up, more than eight only contend for the logs. */
#define STELE_INGEST_WORKERS_MIN 2
#define STELE_INGEST_WORKERS_MAX 8

/* ---- duplicates */
#define STELE_DEDUP_WINDOW_DEFAULT                                                                 \
    1048576u /* 32 bytes each: 32 MiB a region; an hour at 300 events/s */
#define STELE_DEDUP_WINDOW_MAX (1u << 28) /* 8 GiB; a slot keeps 32 bits of a place */
/* Stored events with the same 64-bit hash as a new one and another key: with a secret hash the
 * second is a 2^-44 matter in a full window, so that a fifth is not looked for. */
#define STELE_DEDUP_COLLISIONS_MAX 4

/* ---- rejected input */
#define STELE_JOURNAL_EVENTS_PER_S                                                                 \
    100 /* a region; the rest is counted, so that bad input cannot fill a disk */
#define STELE_JOURNAL_OPEN_EVENTS_MAX 100 /* collected and not yet submitted; a second's worth */
#define STELE_JOURNAL_HELD_EVENTS_MAX                                                              \
    1000 /* submitted and not yet durable: ten seconds of a stopped disk */

#endif
