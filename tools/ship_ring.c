/* SPDX-License-Identifier: Apache-2.0 */
/* tools/ship_ring.c: undecided events and the ordinals they were sent under. */
#include "tools/ship_ring.h"

#include <assert.h>
#include <string.h>

#define NO_EVENT UINT64_MAX
/* A slot keeps its payload's memory for the next event if it is no more than this: usual events are
 * 300 bytes, and a window of the largest ones would be a gigabyte. */
#define KEPT_BYTES_MAX 4096u

static struct stele_ship_slot *slot_of(const struct stele_ship_ring *ring, uint64_t event) {
    return &ring->slot[event % ring->window];
}

stele_status stele_ship_ring_init(struct stele_ship_ring *ring, uint32_t window, size_t bytes_max,
                                  stele_err *err) {
    *ring = (struct stele_ship_ring){.window = window, .bytes_max = bytes_max};
    ring->slot = stele_alloc(window, sizeof *ring->slot);
    ring->ordinal = stele_alloc(window, sizeof *ring->ordinal);
    return ring->slot == NULL || ring->ordinal == NULL
               ? STELE_FAIL(err, NO_MEMORY, "no memory for a window of %u events", window)
               : STELE_OK;
}

void stele_ship_ring_done(struct stele_ship_ring *ring) {
    for (uint32_t i = 0; ring->slot != NULL && i < ring->window; i++) {
        stele_buf_done(&ring->slot[i].payload);
    }
    stele_free(ring->slot);
    stele_free(ring->ordinal);
    *ring = (struct stele_ship_ring){0};
}

bool stele_ship_ring_has_room(const struct stele_ship_ring *ring, size_t payload_bytes) {
    return ring->next == ring->first ||
           (ring->next - ring->first < ring->window && payload_bytes <= ring->bytes_max &&
            ring->bytes <= ring->bytes_max - payload_bytes);
}

static void keep_text(char *to, size_t room, stele_view text) {
    size_t n = text.size < room ? text.size : room - 1;
    memcpy(to, text.data, n);
    to[n] = '\0';
}

static struct stele_ship_slot *fresh_slot(struct stele_ship_ring *ring, uint64_t line) {
    assert(ring->next - ring->first < ring->window);
    struct stele_ship_slot *slot = slot_of(ring, ring->next);
    slot->state = STELE_SHIP_WAITING; /* its texts are written before they are pointed to */
    slot->shipped = (struct stele_shipped){.line = line};
    stele_buf_clear(&slot->payload);
    return slot;
}

stele_status stele_ship_ring_add(struct stele_ship_ring *ring, uint64_t line, stele_view payload,
                                 stele_err *err) {
    struct stele_ship_slot *slot = fresh_slot(ring, line);
    stele_status st = stele_buf_append(&slot->payload, payload, err);
    if (st == STELE_OK) {
        ring->lowest_waiting = ring->n_waiting == 0 ? ring->next : ring->lowest_waiting;
        ring->bytes += payload.size;
        ring->n_waiting++;
        ring->next++;
    }
    return st;
}

void stele_ship_ring_add_refused(struct stele_ship_ring *ring, uint64_t line, uint32_t code,
                                 const char *error) {
    struct stele_ship_slot *slot = fresh_slot(ring, line);
    keep_text(slot->error, sizeof slot->error, stele_view_str(error));
    slot->state = STELE_SHIP_DECIDED;
    slot->shipped.code = code;
    slot->shipped.error = slot->error;
    ring->next++;
}

stele_status stele_ship_ring_gather(struct stele_ship_ring *ring, uint32_t events_max,
                                    uint64_t now_us, stele_buf *request, stele_err *err) {
    uint32_t n = 0;
    uint64_t event = ring->lowest_waiting > ring->first ? ring->lowest_waiting : ring->first;
    for (; ring->n_waiting > 0 && n < events_max && event < ring->next; event++) {
        struct stele_ship_slot *slot = slot_of(ring, event);
        size_t more = stele_append_request_event_bytes(slot->payload.size);
        if (slot->state != STELE_SHIP_WAITING) {
            continue;
        }
        /* The first one goes whatever its size: only the server can say that it is too large. */
        if (n > 0 && request->size + more > STELE_APPEND_BYTES_MAX) {
            break;
        }
        stele_status st =
            stele_append_request_put_event(request, stele_view_buf(&slot->payload), err);
        if (st != STELE_OK) {
            return st;
        }
        slot->state = STELE_SHIP_SENT;
        slot->shipped.sent_us = now_us;
        ring->ordinal[ring->n_sent % ring->window] = event;
        ring->n_sent++;
        ring->n_waiting--;
        n++;
    }
    ring->lowest_waiting = event;
    return STELE_OK;
}

void stele_ship_ring_take_back(struct stele_ship_ring *ring) {
    for (uint64_t event = ring->first; event < ring->next; event++) {
        struct stele_ship_slot *slot = slot_of(ring, event);
        if (slot->state == STELE_SHIP_SENT) {
            slot->state = STELE_SHIP_WAITING;
            ring->n_waiting++;
        }
    }
    ring->lowest_waiting = ring->first;
    ring->n_sent = 0;
}

/* NULL if the server speaks of an event that is not under way. */
static struct stele_ship_slot *take_ordinal(struct stele_ship_ring *ring, uint64_t ordinal,
                                            uint64_t *ret_event) {
    if (ordinal >= ring->n_sent || ring->n_sent - ordinal > ring->window) {
        return NULL;
    }
    uint64_t event = ring->ordinal[ordinal % ring->window];
    if (event == NO_EVENT) {
        return NULL;
    }
    ring->ordinal[ordinal % ring->window] = NO_EVENT;
    *ret_event = event;
    return slot_of(ring, event);
}

uint32_t stele_ship_ring_stored(struct stele_ship_ring *ring,
                                const struct stele_append_range *range, uint64_t now_us) {
    uint32_t n = 0;
    for (uint32_t i = 0;
         i < range->events && i < ring->n_sent && range->first_event < ring->n_sent - i; i++) {
        uint64_t event = 0;
        struct stele_ship_slot *slot = take_ordinal(ring, range->first_event + i, &event);
        if (slot != NULL) {
            keep_text(slot->log, sizeof slot->log, range->log);
            slot->state = STELE_SHIP_DECIDED;
            slot->shipped.code = 0;
            slot->shipped.log = slot->log;
            slot->shipped.seq = range->first_seq + i;
            slot->shipped.log_time_unix_nano = range->log_time_unix_nano;
            slot->shipped.duplicate = range->duplicate;
            slot->shipped.decided_us = now_us;
            n++;
        }
    }
    return n;
}

uint32_t stele_ship_ring_refused(struct stele_ship_ring *ring,
                                 const struct stele_append_refusal *refused, bool again,
                                 uint64_t now_us) {
    uint64_t event = 0;
    struct stele_ship_slot *slot = take_ordinal(ring, refused->event, &event);
    if (slot == NULL) {
        return 0;
    }
    keep_text(slot->error, sizeof slot->error, refused->error);
    if (again) {
        slot->state = STELE_SHIP_WAITING;
        ring->n_waiting++;
        ring->lowest_waiting = event < ring->lowest_waiting ? event : ring->lowest_waiting;
        return 0;
    }
    slot->state = STELE_SHIP_DECIDED;
    slot->shipped.code = refused->code;
    slot->shipped.error = slot->error;
    slot->shipped.decided_us = now_us;
    return 1;
}

uint64_t stele_ship_ring_decided(const struct stele_ship_ring *ring) {
    uint64_t event = ring->first;
    while (event < ring->next && slot_of(ring, event)->state == STELE_SHIP_DECIDED) {
        event++;
    }
    return event - ring->first;
}

const struct stele_shipped *stele_ship_ring_at(const struct stele_ship_ring *ring, uint64_t event) {
    return &slot_of(ring, event)->shipped;
}

void stele_ship_ring_pop(struct stele_ship_ring *ring) {
    struct stele_ship_slot *slot = slot_of(ring, ring->first);
    assert(ring->first < ring->next && slot->state == STELE_SHIP_DECIDED);
    ring->bytes -= slot->payload.size;
    stele_buf_clear(&slot->payload);
    if (slot->payload.capacity > KEPT_BYTES_MAX) {
        stele_buf_done(&slot->payload);
    }
    ring->first++;
}
