/* SPDX-License-Identifier: Apache-2.0 */
/* storage/frame.c: sealing and opening frames. */
#include "storage/frame.h"

#include <assert.h>
#include <string.h>

#include "storage/cursor.h"

stele_status stele_frame_seal(struct stele_compressor *c, const uint8_t seed[STELE_AT_LEAST(32)],
                              const stele_view *payloads, uint8_t n, stele_buf *out,
                              uint32_t *ret_raw_bytes, stele_err *err) {
    assert(n >= 1 && n <= STELE_FRAME_EVENTS_MAX);
    stele_status st = STELE_OK;
    stele_buf raw = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&raw);
    stele_write_view(&w, stele_view_of(seed, STELE_SEED_BYTES));
    for (uint8_t i = 0; i < n; i++) {
        assert(payloads[i].size <= STELE_PAYLOAD_BYTES_MAX);
        stele_write_varint(&w, payloads[i].size);
    }
    for (uint8_t i = 0; i < n; i++) {
        stele_write_view(&w, payloads[i]);
    }
    STELE_TRY(stele_writer_end(&w, err));
    STELE_TRY(stele_compress(c, stele_view_buf(&raw), out, err));
    *ret_raw_bytes = (uint32_t)raw.size;
cleanup:
    stele_buf_done(&raw);
    return st;
}

stele_status stele_frame_open(struct stele_compressor *c, stele_view sealed, uint32_t raw_bytes,
                              uint8_t n, stele_buf *raw, struct stele_frame_content *ret,
                              stele_err *err) {
    stele_status st = STELE_OK;
    uint64_t size[STELE_FRAME_EVENTS_MAX];
    if (n < 1 || n > STELE_FRAME_EVENTS_MAX) {
        return STELE_FAIL(err, CORRUPT, "a frame of %u events; a frame has 1 to 16", n);
    }
    stele_buf_clear(raw);
    STELE_TRY(stele_decompress(c, sealed, raw_bytes, STELE_FRAME_RAW_MAX, raw, err));
    struct stele_reader r = stele_reader_of(stele_view_buf(raw), "frame");
    STELE_TRY(stele_read_bytes(&r, ret->seed, STELE_SEED_BYTES, err));
    for (uint8_t i = 0; i < n; i++) {
        STELE_TRY(stele_read_varint(&r, &size[i], err));
    }
    for (uint8_t i = 0; i < n; i++) {
        STELE_TRY(stele_read_view(&r,
                                  size[i] > STELE_PAYLOAD_BYTES_MAX ? SIZE_MAX : (size_t)size[i],
                                  &ret->payload[i], err));
    }
    STELE_TRY(stele_reader_end(&r, err));
    ret->n = n;
cleanup:
    return stele_corrupt(st, err);
}
