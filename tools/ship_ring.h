/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/ship_ring.h: the events a shipper keeps until the server has decided them, in the order
 * they were given. Layer: tools. No clock, no lock, no network: the shipper adds those.
 *
 * An event is WAITING to be sent, SENT under an ordinal of the current stream, or DECIDED. The
 * oldest event leaves the ring when it is decided, which keeps reports in order. An ordinal is good
 * for one decision: what a server says of it again is passed over, so that no event can take the
 * acknowledgement of another.
 */
#ifndef STELE_TOOLS_SHIP_RING_H
#define STELE_TOOLS_SHIP_RING_H

#include "proto/append_wire.h"
#include "tools/shipper.h"

#define STELE_SHIP_LOG_BYTES 80 /* "<region>/<log>": 63 + 1 + 15 and a NUL */

typedef enum stele_ship_state {
    STELE_SHIP_WAITING,
    STELE_SHIP_SENT,
    STELE_SHIP_DECIDED
} stele_ship_state;

struct stele_ship_slot {
    stele_ship_state state;
    stele_buf payload;
    char log[STELE_SHIP_LOG_BYTES];
    char error[STELE_ERR_TEXT_BYTES];
    struct stele_shipped shipped;
};

struct stele_ship_ring {
    struct stele_ship_slot *slot; /* `window` of them; event n is in slot n % window */
    uint64_t *ordinal;            /* `window`: the event sent under an ordinal, or none any more */
    uint32_t window;
    size_t bytes_max;
    uint64_t first, next;    /* the events in the ring: [first, next) */
    uint64_t n_waiting;      /* of them */
    uint64_t lowest_waiting; /* no waiting event is older than this one */
    uint64_t n_sent;         /* ordinals given in the current stream */
    size_t bytes;            /* of the payloads in the ring */
};

STELE_MUST_USE stele_status stele_ship_ring_init(struct stele_ship_ring *ring, uint32_t window,
                                                 size_t bytes_max, stele_err *err);
void stele_ship_ring_done(struct stele_ship_ring *ring);

/* True if an event of so many bytes may be added. An empty ring has room for any. */
bool stele_ship_ring_has_room(const struct stele_ship_ring *ring, size_t payload_bytes);
/* Adds a waiting event; there is room. The payload is copied. */
STELE_MUST_USE stele_status stele_ship_ring_add(struct stele_ship_ring *ring, uint64_t line,
                                                stele_view payload, stele_err *err);
/* Adds one that was refused before it could be sent. */
void stele_ship_ring_add_refused(struct stele_ship_ring *ring, uint64_t line, uint32_t code,
                                 const char *error);
/*
 * Appends waiting events to a request, the oldest first, until it holds `events_max` or the next
 * would make it too large for a message; they are SENT then.
 */
STELE_MUST_USE stele_status stele_ship_ring_gather(struct stele_ship_ring *ring,
                                                   uint32_t events_max, uint64_t now_us,
                                                   stele_buf *request, stele_err *err);
/* A new stream begins: everything that was sent and not decided waits again. */
void stele_ship_ring_take_back(struct stele_ship_ring *ring);

/* How many events a part of a response decided. */
uint32_t stele_ship_ring_stored(struct stele_ship_ring *ring,
                                const struct stele_append_range *range, uint64_t now_us);
/* `again`: the refusal is no decision, the event waits again. */
uint32_t stele_ship_ring_refused(struct stele_ship_ring *ring,
                                 const struct stele_append_refusal *refused, bool again,
                                 uint64_t now_us);

/* How many of the oldest events are decided, up to the first that is not. */
uint64_t stele_ship_ring_decided(const struct stele_ship_ring *ring);
/* One of [first, next); valid until it is popped. */
const struct stele_shipped *stele_ship_ring_at(const struct stele_ship_ring *ring, uint64_t event);
/* Drops the oldest, which is decided. */
void stele_ship_ring_pop(struct stele_ship_ring *ring);

#endif
