/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a received message, in slices, compressed or not: never more than the limit comes
 * out, and nothing on failure. The same bytes as google.rpc.Status and as a text.
 *
 * The first byte says the compression, the second how large a slice is.
 */
#include <string.h>

#include "proto/rpc_core.h"
#include "proto/rpc_details.h"
#include "tests/fuzz/fuzz.h"

enum { BYTES_MAX = 4096, SLICES_MAX = 256 };

static grpc_byte_buffer *buffer_of(const uint8_t *data, size_t size, uint8_t form, size_t piece) {
    static const grpc_compression_algorithm forms[] = {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP,
                                                       GRPC_COMPRESS_DEFLATE};
    grpc_slice slices[SLICES_MAX];
    size_t n = 0;
    while (size > 0 && n < SLICES_MAX) {
        size_t part = piece < size && n + 1 < SLICES_MAX ? piece : size;
        slices[n++] = grpc_slice_from_copied_buffer((const char *)data, part);
        data += part;
        size -= part;
    }
    grpc_byte_buffer *buffer = grpc_raw_compressed_byte_buffer_create(slices, n, forms[form % 3]);
    for (size_t i = 0; i < n; i++) {
        grpc_slice_unref(slices[i]);
    }
    return buffer;
}

static void read_message(const uint8_t *data, size_t size) {
    stele_buf out = STELE_BUF_EMPTY;
    grpc_byte_buffer *buffer = buffer_of(data + 2, size - 2, data[0], (size_t)data[1] + 1);
    stele_status st = stele_rpc_buffer_append(buffer, BYTES_MAX, &out, NULL);
    fuzz_require(st == STELE_OK || st == STELE_LIMIT || st == STELE_INVALID);
    fuzz_require(out.size <= (st == STELE_OK ? BYTES_MAX : 0));
    fuzz_require(out.capacity <= 4 * BYTES_MAX); /* growth doubles; one step beyond the limit */
    if (st == STELE_OK && data[0] % 3 == 0) {
        fuzz_require(stele_view_equal(stele_view_buf(&out), stele_view_of(data + 2, size - 2)));
    }
    stele_rpc_buffer_drop(&buffer);
    stele_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started = false;
    if (!started) {
        stele_rpc_core_start();
        started = true;
    }
    if (size >= 2) {
        read_message(data, size);
    }
    fuzz_require(stele_rpc_details_retry_ms(stele_view_of(data, size)) <= 86401000);
    char text[512] = "";
    char again[512] = "";
    memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
    stele_rpc_text_clean(text);
    memcpy(again, text, sizeof text);
    stele_rpc_text_clean(again);
    fuzz_require(strcmp(text, again) == 0); /* what is clean stays as it is */
    return 0;
}
