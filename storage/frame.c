/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/frame.c: sealing and opening frames. Digests and random ids are half of what is left of a
 * small event: the compressor can do nothing with them, and codes all else worse for having seen
 * them. So they stand apart, behind what is compressed; which bytes those are, the frame says.
 */
#include "storage/frame.h"

#include <assert.h>
#include <string.h>

#include "storage/cursor.h"

/* Shorter ones are not worth the two bytes that say where they were. */
#define APART_MIN 8u
/* Events of 314 bytes have 48 in a frame. The rest of what has more is compressed. */
#define APART_MAX 256u
#define SLOTS 512u

struct range {
    stele_view bytes;
    uint8_t event;
    bool repeated; /* the compressor does better with it */
};

/* What may stand apart, in the order of the payloads. */
struct apart {
    size_t n;
    struct range range[APART_MAX];
};

static uint64_t head_of(const uint8_t *data) {
    uint64_t head = 0;
    memcpy(&head, data, sizeof head);
    return head;
}

/* Marks what occurs more than once: by its first bytes, as these are random. */
static void mark_repeated(struct apart *apart) {
    uint16_t slot[SLOTS] = {0}; /* 1 + number of a range */
    for (size_t i = 0; i < apart->n; i++) {
        uint64_t head = head_of(apart->range[i].bytes.data);
        size_t at = (size_t)((head * UINT64_C(0x9e3779b97f4a7c15)) >> 55);
        while (slot[at] != 0 && head_of(apart->range[slot[at] - 1].bytes.data) != head) {
            at = (at + 1) % SLOTS;
        }
        if (slot[at] == 0) {
            slot[at] = (uint16_t)(i + 1);
        } else {
            apart->range[slot[at] - 1].repeated = true;
            apart->range[i].repeated = true;
        }
    }
}

static void find_apart(const struct stele_frame_event *event, uint8_t n, struct apart *apart) {
    apart->n = 0;
    for (uint8_t i = 0; i < n; i++) {
        for (size_t k = 0; k < event[i].n_opaque && apart->n < APART_MAX; k++) {
            stele_view opaque = event[i].opaque[k];
            if (opaque.size >= APART_MIN) {
                apart->range[apart->n++] = (struct range){opaque, i, false};
            }
        }
    }
    mark_repeated(apart);
    size_t kept = 0;
    for (size_t i = 0; i < apart->n; i++) {
        if (!apart->range[i].repeated) {
            apart->range[kept++] = apart->range[i];
        }
    }
    apart->n = kept;
}

/* How long each payload is, and which of its bytes stand apart. */
static void write_lengths(struct stele_writer *w, const struct stele_frame_event *event, uint8_t n,
                          const struct apart *apart) {
    size_t from = 0;
    for (uint8_t i = 0; i < n; i++) {
        size_t to = from;
        const uint8_t *at = event[i].payload.data;
        while (to < apart->n && apart->range[to].event == i) {
            to++;
        }
        stele_write_varint(w, event[i].payload.size);
        stele_write_varint(w, to - from);
        for (; from < to; from++) {
            stele_view bytes = apart->range[from].bytes;
            stele_write_varint(w, (uint64_t)(bytes.data - at));
            stele_write_varint(w, bytes.size);
            at = bytes.data + bytes.size;
        }
    }
}

static void write_rest(struct stele_writer *w, const struct stele_frame_event *event, uint8_t n,
                       const struct apart *apart) {
    size_t from = 0;
    for (uint8_t i = 0; i < n; i++) {
        const uint8_t *at = event[i].payload.data;
        for (; from < apart->n && apart->range[from].event == i; from++) {
            stele_view bytes = apart->range[from].bytes;
            stele_write_view(w, stele_view_of(at, (size_t)(bytes.data - at)));
            at = bytes.data + bytes.size;
        }
        const uint8_t *end = event[i].payload.data + event[i].payload.size;
        stele_write_view(w, stele_view_of(at, (size_t)(end - at)));
    }
}

stele_status stele_frame_seal(struct stele_compressor *c, const uint8_t seed[STELE_AT_LEAST(32)],
                              const struct stele_frame_event *event, uint8_t n, stele_buf *out,
                              uint32_t *ret_raw_bytes, stele_err *err) {
    assert(n >= 1 && n <= STELE_FRAME_EVENTS_MAX);
    stele_status st = STELE_OK;
    struct apart apart;
    stele_buf raw = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&raw);
    find_apart(event, n, &apart);
    stele_write_view(&w, stele_view_of(seed, STELE_SEED_BYTES));
    write_lengths(&w, event, n, &apart);
    write_rest(&w, event, n, &apart);
    STELE_TRY(stele_writer_end(&w, err));
    STELE_TRY(stele_compress(c, stele_view_buf(&raw), out, err));
    struct stele_writer behind = stele_writer_to(out);
    for (size_t i = 0; i < apart.n; i++) {
        stele_write_view(&behind, apart.range[i].bytes);
    }
    STELE_TRY(stele_writer_end(&behind, err));
    *ret_raw_bytes = (uint32_t)raw.size;
cleanup:
    stele_buf_done(&raw);
    return st;
}

static stele_status read_size(struct stele_reader *r, size_t max, size_t *ret, stele_err *err) {
    uint64_t size = 0;
    stele_status st = stele_read_varint(r, &size, err);
    if (st == STELE_OK && size > max) {
        st = STELE_FAIL(err, CORRUPT, "a frame says %llu bytes where %zu are the most",
                        (unsigned long long)size, max);
    }
    *ret = (size_t)size;
    return st;
}

/* Codec 1: lengths, then the payloads. */
static stele_status open_whole(struct stele_reader *r, uint8_t n, struct stele_frame_content *ret,
                               stele_err *err) {
    stele_status st = STELE_OK;
    size_t size[STELE_FRAME_EVENTS_MAX];
    for (uint8_t i = 0; i < n; i++) {
        STELE_TRY(read_size(r, STELE_PAYLOAD_BYTES_MAX, &size[i], err));
    }
    for (uint8_t i = 0; i < n; i++) {
        STELE_TRY(stele_read_view(r, size[i], &ret->payload[i], err));
    }
    STELE_TRY(stele_reader_end(r, err));
cleanup:
    return st;
}

/* What the lengths of codec 2 say. Read without the calls a number costs elsewhere: a frame has a
 * hundred of them, most of one byte. */
struct plan {
    size_t size[STELE_FRAME_EVENTS_MAX];
    size_t n_ranges[STELE_FRAME_EVENTS_MAX];
    size_t total, apart; /* bytes of all payloads, and of those that stand apart */
    size_t n;
    struct {
        uint32_t gap, size;
    } range[APART_MAX];
};

static inline stele_status next_size(struct stele_reader *r, size_t max, size_t *ret,
                                     stele_err *err) {
    if (r->at < r->end && *r->at < 0x80 && *r->at <= max) {
        *ret = *r->at++;
        return STELE_OK;
    }
    return read_size(r, max, ret, err);
}

static stele_status read_plan(struct stele_reader *r, uint8_t n, struct plan *plan,
                              stele_err *err) {
    stele_status st = STELE_OK;
    plan->total = plan->apart = plan->n = 0;
    for (uint8_t i = 0; i < n; i++) {
        STELE_TRY(next_size(r, STELE_PAYLOAD_BYTES_MAX, &plan->size[i], err));
        STELE_TRY(next_size(r, APART_MAX - plan->n, &plan->n_ranges[i], err));
        size_t left = plan->size[i];
        for (size_t k = 0; k < plan->n_ranges[i]; k++) {
            size_t gap = 0;
            size_t size = 0;
            STELE_TRY(next_size(r, left, &gap, err));
            STELE_TRY(next_size(r, left - gap, &size, err));
            if (size < APART_MIN) {
                STELE_TRY(STELE_FAIL(err, CORRUPT, "a frame of which %zu bytes stand apart", size));
            }
            left -= gap + size;
            plan->range[plan->n].gap = (uint32_t)gap;
            plan->range[plan->n].size = (uint32_t)size;
            plan->n++;
            plan->apart += size;
        }
        plan->total += plan->size[i];
    }
cleanup:
    return st;
}

static uint8_t *put(uint8_t *to, const uint8_t **from, size_t size) {
    memcpy(to, *from, size);
    *from += size;
    return to + size;
}

/* Codec 2: puts the payloads together at `to`. What the plan needs is there, and room for it. */
static void join(const struct plan *plan, uint8_t n, const uint8_t *text, const uint8_t *apart,
                 uint8_t *to, struct stele_frame_content *ret) {
    size_t at = 0;
    for (uint8_t i = 0; i < n; i++) {
        const uint8_t *end = to + plan->size[i];
        ret->payload[i] = stele_view_of(to, plan->size[i]);
        for (size_t k = 0; k < plan->n_ranges[i]; k++, at++) {
            to = put(to, &text, plan->range[at].gap);
            to = put(to, &apart, plan->range[at].size);
        }
        to = put(to, &text, (size_t)(end - to));
    }
}

/* The payloads come to stand behind the text they are made of. */
static stele_status open_apart(struct stele_reader *r, stele_view behind, uint8_t n, stele_buf *raw,
                               struct stele_frame_content *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct plan plan;
    STELE_TRY(read_plan(r, n, &plan, err));
    size_t left = stele_reader_left(r);
    size_t before = raw->size;
    if (left != plan.total - plan.apart || behind.size != plan.apart) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "a frame of %zu and %zu bytes of payloads says they are %zu and %zu",
                             left, behind.size, plan.total - plan.apart, plan.apart));
    }
    STELE_TRY(stele_buf_reserve(raw, plan.total, err));
    raw->size += plan.total;
    join(&plan, n, raw->data + before - left, behind.data, raw->data + before, ret);
cleanup:
    return st;
}

stele_status stele_frame_open(struct stele_compressor *c, uint8_t codec, stele_view sealed,
                              uint32_t raw_bytes, uint8_t n, stele_buf *raw,
                              struct stele_frame_content *ret, stele_err *err) {
    stele_status st = STELE_OK;
    bool whole = codec == STELE_FRAME_CODEC_WHOLE; /* then nothing stands behind */
    size_t size = 0;
    if (n < 1 || n > STELE_FRAME_EVENTS_MAX) {
        return STELE_FAIL(err, CORRUPT, "a frame of %u events; a frame has 1 to 16", n);
    }
    stele_buf_clear(raw);
    STELE_TRY(stele_decompress(c, sealed, raw_bytes, STELE_FRAME_RAW_MAX, raw, whole ? NULL : &size,
                               err));
    struct stele_reader r = stele_reader_of(stele_view_buf(raw), "frame");
    STELE_TRY(stele_read_bytes(&r, ret->seed, STELE_SEED_BYTES, err));
    stele_view behind = stele_view_slice(sealed, size, sealed.size - size);
    STELE_TRY(whole ? open_whole(&r, n, ret, err) : open_apart(&r, behind, n, raw, ret, err));
    ret->n = n;
cleanup:
    return stele_corrupt(st, err);
}
