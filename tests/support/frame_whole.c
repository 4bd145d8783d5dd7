/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/frame_whole.c: the seed, the lengths, the payloads, and all of it compressed. */
#include "tests/support/frame_whole.h"

#include "storage/cursor.h"
#include "tests/support/cmocka.h"

void frame_whole_seal(const struct stele_frame_content *content, stele_buf *out,
                      uint32_t *ret_raw_bytes) {
    struct stele_compressor *c = NULL;
    stele_buf raw = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&raw);
    stele_write_view(&w, stele_view_of(content->seed, STELE_SEED_BYTES));
    for (uint8_t i = 0; i < content->n; i++) {
        stele_write_varint(&w, content->payload[i].size);
    }
    for (uint8_t i = 0; i < content->n; i++) {
        stele_write_view(&w, content->payload[i]);
    }
    assert_ok(stele_writer_end(&w, NULL));
    assert_ok(stele_compressor_mine(&c, NULL));
    assert_ok(stele_compress(c, stele_view_buf(&raw), out, NULL));
    *ret_raw_bytes = (uint32_t)raw.size;
    stele_buf_done(&raw);
}
