/* SPDX-License-Identifier: Apache-2.0 */
/* query/limits.h: every bound of the query layer, with the reason for its value. Layer: query. */
#ifndef STELE_QUERY_LIMITS_H
#define STELE_QUERY_LIMITS_H

/* One request: 24 conditions of 512 bytes, 64 log names and a cursor are under 32 KiB. */
#define STELE_QUERY_REQUEST_BYTES_MAX 65536u

/* Logs of one question: a region has no more (STELE_LOGS_MAX). */
#define STELE_QUERY_LOGS_MAX 64

/*
 * One message of an answer is sent when it holds this much. Large enough that a call per message
 * costs nothing beside its events (about 800 events of 320 bytes), small enough that 256 slow
 * readers hold 64 MiB of finished messages; with one event of 64 KiB on top it stays far below the
 * 4 MiB that gRPC clients accept by default.
 */
#define STELE_QUERY_MESSAGE_BYTES 262144u
#define STELE_QUERY_MESSAGE_HITS_MAX 512u
/* The first message: whoever asks sees the first event at once, and it costs one message. */
#define STELE_QUERY_FIRST_MESSAGE_HITS 1u

/* A complete answer's bytes go in pieces of this size at most: gRPC clients accept 4 MiB by
 * default. */
#define STELE_QUERY_PIECE_BYTES (1u << 20)

/* How long one turn on a worker lasts before the next call has its turn: a scan that finds nothing
 * must not hold one of two threads for its ten minutes. Short beside what a person notices. */
#define STELE_QUERY_SLICE_US 20000u
/* Rows between two looks at the clock: a row costs some microseconds, a look at the clock 0.03. */
#define STELE_QUERY_CLOCK_ROWS 16u

/* So many open searches may keep their index windows and open frames (about a megabyte a log) while
 * their readers take their time; with more, a search gives them up with every message it sends, and
 * opens them again for the next: some tenths of a millisecond a message. */
#define STELE_QUERY_WARM_SEARCHES 16u

/* Of one client, by the names of its certificate: a quarter, so that three like it have as much. */
#define STELE_QUERY_SEARCHES_CLIENT_MAX 64u
#define STELE_QUERY_UNARY_CLIENT_MAX 256u

/* How long a proof waits for each log's index to cover what was acknowledged: sealing a tail takes
 * some tenths of a second, more while the packer lags. */
#define STELE_QUERY_SEAL_WAIT_MS 10000u

/* Defaults of struct stele_query_config. */
#define STELE_QUERY_WORKERS 2u
#define STELE_QUERY_WORKERS_MAX 64u
#define STELE_QUERY_SEARCHES_MAX 256u
#define STELE_QUERY_ROWS_BUDGET UINT64_C(50000000)
#define STELE_QUERY_TIME_BUDGET_MS 600000u

/* Unary calls that wait for a worker: at 1 ms each the last one waits half a second. */
#define STELE_QUERY_UNARY_MAX 1024u
/* What a caller is told to wait when there is no room. */
#define STELE_QUERY_RETRY_AFTER_MS 1000u

/* How long a seal may wait for its INDEX entry, and how long one turn of it lasts: a worker has
 * others. */
#define STELE_QUERY_SEAL_MS_MAX 10000u
#define STELE_QUERY_SEAL_TURN_MS 20u

/* A cursor's text: 64 logs with names of 32 bytes are 2,900 bytes, 3,900 in base64. */
#define STELE_QUERY_CURSOR_BYTES_MAX 4096u

#endif
