/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/shipper.h: ships events over AppendStream and keeps every one until the server has decided
 * it. Layer: tools. Used by append, import and bench.
 *
 * Events are decided in the order they were given. An event the server could not take now
 * (RESOURCE_EXHAUSTED, UNAVAILABLE) is sent again; a broken stream is opened again and what was not
 * decided is sent again: the server recognises what it has stored already. Events and bytes that
 * are kept are bounded, so memory is. No call waits longer than the timeout without an event being
 * decided, also when the server is stopped in its tracks. Threads: one caller; two inside.
 */
#ifndef STELE_TOOLS_SHIPPER_H
#define STELE_TOOLS_SHIPPER_H

#include "proto/rpc_client.h"
#include "storage/bytes.h"

struct stele_shipped {
    uint64_t line;     /* what the caller gave */
    uint32_t code;     /* gRPC code; 0: stored */
    const char *error; /* if refused */
    const char *log;   /* "<region>/<log>" if stored */
    uint64_t seq;
    uint64_t log_time_unix_nano;
    bool duplicate;
    uint64_t sent_us, decided_us; /* monotonic, of the last sending */
};
/* Called in order, from the caller's own thread inside the calls below. */
typedef void (*stele_shipped_fn)(void *ctx, const struct stele_shipped *shipped);

struct stele_shipper;
struct stele_shipper_options {
    uint32_t window;       /* undecided events kept; 0: 16,384 */
    size_t window_bytes;   /* of their payloads; 0: 64 MiB. One event is always taken. */
    uint32_t batch_events; /* of one message; 0: 256 */
    uint32_t timeout_ms;   /* no event decided for so long: CLOSED; 0: 10,000 */
};
STELE_MUST_USE stele_status stele_shipper_open(struct stele_rpc_client *client,
                                               const struct stele_shipper_options *options,
                                               stele_shipped_fn shipped, void *ctx,
                                               struct stele_shipper **ret, stele_err *err);
/* Takes one event (copied); sends when a batch is full; waits while the window is full.
 * Errors of this call and all below: CLOSED: nothing decided within the timeout, with the last
 * reason; what the server ended the stream with, if no repetition would change it. */
STELE_MUST_USE stele_status stele_shipper_put(struct stele_shipper *s, uint64_t line,
                                              stele_view payload, stele_err *err);
/* Takes a line that was refused before it could be sent, so that it is reported in its place. */
STELE_MUST_USE stele_status stele_shipper_put_refused(struct stele_shipper *s, uint64_t line,
                                                      uint32_t code, const char *error,
                                                      stele_err *err);
/* Sends what is gathered and waits at most max_ms for a decision, if one is outstanding; reports
 * what was decided. ret_idle: nothing is outstanding, so that the caller may wait for input. */
STELE_MUST_USE stele_status stele_shipper_wait(struct stele_shipper *s, uint32_t max_ms,
                                               bool *ret_idle, stele_err *err);
/* Sends everything and waits until all is decided. */
STELE_MUST_USE stele_status stele_shipper_finish(struct stele_shipper *s, stele_err *err);
/* How many events are not decided, and the line of the oldest of them (0: none). */
uint64_t stele_shipper_undecided(struct stele_shipper *s, uint64_t *ret_line);
void stele_shipper_close(struct stele_shipper *s);

#endif
