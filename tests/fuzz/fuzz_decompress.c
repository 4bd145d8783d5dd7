/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_decompress.c: any bytes as a frame. Input: the size the caller expects as three
 * bytes, then the frame. What opens has exactly that size, and goes through a frame of our own
 * unchanged.
 */
#include "storage/compress.h"
#include "tests/fuzz/fuzz.h"

#define RAW_BYTES_MAX 262144u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_compressor *c = NULL;
    stele_buf opened = STELE_BUF_EMPTY;
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    if (size < 3 || stele_compressor_mine(&c, NULL) != STELE_OK) {
        return 0;
    }
    size_t raw_bytes = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
    stele_status st = stele_decompress(c, stele_view_of(data + 3, size - 3), raw_bytes,
                                       RAW_BYTES_MAX, &opened, NULL, NULL);
    if (st == STELE_OK) {
        fuzz_require(opened.size == raw_bytes && raw_bytes <= RAW_BYTES_MAX);
        fuzz_require(stele_compress(c, stele_view_buf(&opened), &sealed, NULL) == STELE_OK);
        fuzz_require(stele_decompress(c, stele_view_buf(&sealed), raw_bytes, RAW_BYTES_MAX, &again,
                                      NULL, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&opened), stele_view_buf(&again)));
    } else {
        fuzz_require(st == STELE_CORRUPT && opened.size == 0);
    }
    stele_buf_done(&again);
    stele_buf_done(&sealed);
    stele_buf_done(&opened);
    return 0;
}
