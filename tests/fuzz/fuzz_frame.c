/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_frame.c: what lies behind a frame's compression: the seed, the lengths and the
 * payloads. The first byte is the count of events the item would name. What opens seals and opens
 * again as the same.
 */
#include <string.h>

#include "storage/compress.h"
#include "storage/frame.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_compressor *c = NULL;
    struct stele_frame_content content;
    struct stele_frame_content same;
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf raw = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    uint32_t raw_bytes = 0;
    if (size == 0 || size - 1 > STELE_FRAME_RAW_MAX ||
        stele_compressor_mine(&c, NULL) != STELE_OK) {
        return 0;
    }
    uint8_t n = (uint8_t)(1 + data[0] % STELE_FRAME_EVENTS_MAX);
    fuzz_require(stele_compress(c, stele_view_of(data + 1, size - 1), &sealed, NULL) == STELE_OK);
    if (stele_frame_open(c, stele_view_buf(&sealed), (uint32_t)(size - 1), n, &raw, &content,
                         NULL) == STELE_OK) {
        fuzz_require(content.n == n);
        stele_buf_clear(&sealed);
        fuzz_require(stele_frame_seal(c, content.seed, content.payload, n, &sealed, &raw_bytes,
                                      NULL) == STELE_OK);
        fuzz_require(raw_bytes == size - 1);
        fuzz_require(stele_frame_open(c, stele_view_buf(&sealed), raw_bytes, n, &again, &same,
                                      NULL) == STELE_OK);
        for (uint8_t i = 0; i < n; i++) {
            fuzz_require(stele_view_equal(content.payload[i], same.payload[i]));
        }
    }
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
    stele_buf_done(&again);
    return 0;
}
