/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/frames_ahead.c: a ring of frames in the order they are read, one lock, and two threads
 * that open them outside of it.
 */
#include "storage/frames_ahead.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>

/* What the disk is told of ahead of time is as far (TOLD_MAX in log_reader.c), or further. */
#define RING 32u
/* A helper is woken for so many frames, 50 us of work: to wake it takes some 10. */
#define WORTH_A_HELPER 8u
/* Open frames that wait to be read: 32 of usual ones are 170 KB; a frame of large events may have a
 * megabyte. Buffers of such are not kept. */
#define OPEN_BYTES_MAX (512u << 10)
#define KEPT_BUFFER_BYTES (64u << 10)

typedef enum slot_state {
    SLOT_WANTED,
    SLOT_TAKEN, /* somebody opens it */
    SLOT_READY,
    SLOT_LEFT, /* to the reader */
} slot_state;

struct slot {
    uint64_t seq; /* an entry in the frame */
    slot_state state;
    struct stele_open_item opened;
};

struct stele_frames_ahead {
    const struct stele_log_view *view;
    struct stele_unit_cursor cursor; /* the helper's */
    pthread_mutex_t lock;            /* everything below */
    pthread_cond_t changed;
    bool expected; /* a helper */
    bool closing, waiting;
    bool descending;
    size_t open_bytes;
    size_t first, n;
    struct slot slot[RING];
};

stele_status stele_frames_ahead_new(const struct stele_log_view *view,
                                    struct stele_frames_ahead **ret, stele_err *err) {
    struct stele_frames_ahead *ahead = stele_alloc(1, sizeof *ahead);
    if (ahead == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to open frames of log %s ahead",
                          view->log->full_name);
    }
    ahead->view = view;
    stele_unit_cursor_init(&ahead->cursor);
    (void)pthread_mutex_init(&ahead->lock, NULL);
    (void)pthread_cond_init(&ahead->changed, NULL);
    *ret = ahead;
    return STELE_OK;
}

void stele_frames_ahead_free(struct stele_frames_ahead *ahead) {
    if (ahead == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&ahead->lock);
    ahead->closing = true;
    while (ahead->expected) {
        (void)pthread_cond_wait(&ahead->changed, &ahead->lock);
    }
    (void)pthread_mutex_unlock(&ahead->lock);
    (void)pthread_cond_destroy(&ahead->changed);
    (void)pthread_mutex_destroy(&ahead->lock);
    for (size_t i = 0; i < RING; i++) {
        stele_open_item_done(&ahead->slot[i].opened);
    }
    stele_unit_cursor_done(&ahead->cursor);
    stele_free(ahead);
}

/* ------------------------------------------------------------------ under the lock */

static struct slot *slot_at(struct stele_frames_ahead *ahead, size_t i) {
    return &ahead->slot[(ahead->first + i) % RING];
}

/* The next that nobody has taken; NULL also where enough is open. */
static struct slot *next_wanted(struct stele_frames_ahead *ahead) {
    for (size_t i = 0; i < ahead->n && ahead->open_bytes < OPEN_BYTES_MAX; i++) {
        struct slot *slot = slot_at(ahead, i);
        if (slot->state == SLOT_WANTED) {
            return slot;
        }
    }
    return NULL;
}

/* Gives up the lock meanwhile. */
static void open_slot(struct stele_frames_ahead *ahead, struct slot *slot,
                      struct stele_unit_cursor *cursor) {
    struct stele_open_item *opened = &slot->opened;
    slot->state = SLOT_TAKEN;
    (void)pthread_mutex_unlock(&ahead->lock);
    bool good = stele_open_item_read(opened, ahead->view, cursor, slot->seq, NULL) == STELE_OK &&
                opened->item.kind == STELE_ITEM_FRAME &&
                opened->item.codec != STELE_FRAME_CODEC_WHOLE;
    (void)pthread_mutex_lock(&ahead->lock);
    slot->state = good ? SLOT_READY : SLOT_LEFT;
    ahead->open_bytes += good ? opened->raw.size : 0;
    if (ahead->waiting) {
        (void)pthread_cond_signal(&ahead->changed);
    }
}

static void pop(struct stele_frames_ahead *ahead) {
    struct slot *slot = slot_at(ahead, 0);
    ahead->open_bytes -= slot->state == SLOT_READY ? slot->opened.raw.size : 0;
    if (slot->opened.raw.capacity > KEPT_BUFFER_BYTES) {
        stele_buf_done(&slot->opened.raw);
    }
    ahead->first = (ahead->first + 1) % RING;
    ahead->n--;
}

static bool holds(const struct slot *slot, uint64_t seq) {
    const struct stele_item *item = &slot->opened.item;
    return slot->state == SLOT_READY && seq >= item->first_seq && seq - item->first_seq < item->n;
}

/* The frame goes to the reader, whose last one's buffer is used again. */
static void hand_over(struct stele_frames_ahead *ahead, struct stele_open_item *opened) {
    struct slot *slot = slot_at(ahead, 0);
    struct stele_open_item last = *opened;
    ahead->open_bytes -= slot->opened.raw.size;
    *opened = slot->opened;
    opened->item.sealed = opened->item.digest = stele_view_of(NULL, 0); /* of a cursor gone on */
    slot->opened = last;
    slot->state = SLOT_LEFT;
    pop(ahead);
}

/* ------------------------------------------------------------------ the reader */

void stele_frames_ahead_want(struct stele_frames_ahead *ahead,
                             const struct stele_seq_stream *stream, uint64_t seq) {
    (void)pthread_mutex_lock(&ahead->lock);
    uint64_t next = 0;
    uint64_t last = ahead->n > 0 ? slot_at(ahead, ahead->n - 1)->seq : seq;
    bool more = ahead->n <= RING / 2;
    /* What may be in the same frame is not wanted twice. */
    while (more && ahead->n < RING &&
           stele_seq_stream_beyond(stream, last, STELE_FRAME_EVENTS_MAX, &next)) {
        struct slot *slot = slot_at(ahead, ahead->n++);
        ahead->descending = next < last;
        slot->seq = last = next;
        slot->state = SLOT_WANTED;
    }
    (void)pthread_mutex_unlock(&ahead->lock);
}

static bool is_later(const struct stele_frames_ahead *ahead, const struct slot *slot,
                     uint64_t seq) {
    return ahead->descending ? slot->seq < seq : slot->seq > seq;
}

/* Deals with the first of the ring, to which seq may belong. False: there is nothing more to do. */
static bool deal_with(struct stele_frames_ahead *ahead, struct slot *head, uint64_t seq,
                      struct stele_unit_cursor *cursor) {
    struct slot *next = NULL;
    switch (head->state) {
    case SLOT_WANTED:
        open_slot(ahead, head, cursor);
        return true;
    case SLOT_TAKEN:
        next = next_wanted(ahead);
        if (next != NULL) {
            open_slot(ahead, next, cursor);
        } else {
            ahead->waiting = true;
            (void)pthread_cond_wait(&ahead->changed, &ahead->lock);
            ahead->waiting = false;
        }
        return true;
    case SLOT_READY:
    case SLOT_LEFT:
        if (is_later(ahead, head, seq)) {
            return false;
        }
        pop(ahead);
        return head->seq != seq;
    }
    return false;
}

bool stele_frames_ahead_take(struct stele_frames_ahead *ahead, uint64_t seq,
                             struct stele_unit_cursor *cursor, struct stele_open_item *opened) {
    bool got = false;
    bool more = true;
    (void)pthread_mutex_lock(&ahead->lock);
    while (more && ahead->n > 0) {
        struct slot *head = slot_at(ahead, 0);
        uint64_t apart = head->seq > seq ? head->seq - seq : seq - head->seq;
        if (holds(head, seq)) {
            hand_over(ahead, opened);
            got = true;
            break;
        }
        more = !(is_later(ahead, head, seq) && apart >= STELE_FRAME_EVENTS_MAX) &&
               deal_with(ahead, head, seq, cursor);
    }
    (void)pthread_mutex_unlock(&ahead->lock);
    return got;
}

/* ------------------------------------------------------------------ the helper */

bool stele_frames_ahead_expect(struct stele_frames_ahead *ahead) {
    size_t n = 0;
    (void)pthread_mutex_lock(&ahead->lock);
    for (size_t i = 0; i < ahead->n && !ahead->expected; i++) {
        n += slot_at(ahead, i)->state == SLOT_WANTED;
    }
    bool expected = n >= WORTH_A_HELPER;
    ahead->expected = ahead->expected || expected;
    (void)pthread_mutex_unlock(&ahead->lock);
    return expected;
}

static void leave(struct stele_frames_ahead *ahead) {
    ahead->expected = false;
    (void)pthread_cond_signal(&ahead->changed);
    (void)pthread_mutex_unlock(&ahead->lock);
}

void stele_frames_ahead_help(struct stele_frames_ahead *ahead, const _Atomic uint32_t *others) {
    struct slot *slot = NULL;
    (void)pthread_mutex_lock(&ahead->lock);
    assert(ahead->expected);
    while (!ahead->closing && atomic_load_explicit(others, memory_order_relaxed) == 0 &&
           (slot = next_wanted(ahead)) != NULL) {
        open_slot(ahead, slot, &ahead->cursor);
    }
    leave(ahead);
}

void stele_frames_ahead_expect_none(struct stele_frames_ahead *ahead) {
    (void)pthread_mutex_lock(&ahead->lock);
    assert(ahead->expected);
    leave(ahead);
}
