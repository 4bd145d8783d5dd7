/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_frame.c: what lies behind a frame's compression: the seed, the lengths and the
 * payloads. The low four bits of the first byte are the count of events the item would name, less
 * one; bit 4 set says codec 2, and then the second byte says how many of the last bytes stand
 * apart. What opens seals and opens again as the same, with what stands apart chosen by the
 * payloads.
 */
#include <string.h>

#include "storage/compress.h"
#include "storage/frame.h"
#include "tests/fuzz/fuzz.h"

#define PARTS 4u

/* Every so many bytes some that stand apart. */
static void choose(stele_view payload, stele_view opaque[PARTS], struct stele_frame_event *event) {
    *event = (struct stele_frame_event){payload, opaque, 0};
    for (size_t at = 0; event->n_opaque < PARTS && at < payload.size;) {
        size_t size = payload.data[at] % 40u;
        if (at + 1 + size > payload.size) {
            break;
        }
        opaque[event->n_opaque++] = stele_view_slice(payload, at + 1, size);
        at += 1 + size + payload.data[at] / 40u;
    }
}

static void seal_again(struct stele_compressor *c, const struct stele_frame_content *content) {
    struct stele_frame_event event[STELE_FRAME_EVENTS_MAX];
    stele_view opaque[STELE_FRAME_EVENTS_MAX][PARTS];
    struct stele_frame_content same;
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    uint32_t raw_bytes = 0;
    for (uint8_t i = 0; i < content->n; i++) {
        choose(content->payload[i], opaque[i], &event[i]);
    }
    fuzz_require(stele_frame_seal(c, content->seed, event, content->n, &sealed, &raw_bytes, NULL) ==
                 STELE_OK);
    fuzz_require(stele_frame_open(c, STELE_FRAME_CODEC_APART, stele_view_buf(&sealed), raw_bytes,
                                  content->n, &again, &same, NULL) == STELE_OK);
    for (uint8_t i = 0; i < content->n; i++) {
        fuzz_require(stele_view_equal(content->payload[i], same.payload[i]));
    }
    stele_buf_done(&sealed);
    stele_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_compressor *c = NULL;
    struct stele_frame_content content;
    stele_buf sealed = STELE_BUF_EMPTY;
    stele_buf raw = STELE_BUF_EMPTY;
    if (size < 2 || size - 1 > STELE_FRAME_RAW_MAX || stele_compressor_mine(&c, NULL) != STELE_OK) {
        return 0;
    }
    uint8_t n = (uint8_t)(1 + data[0] % STELE_FRAME_EVENTS_MAX);
    bool apart = (data[0] & 0x10u) != 0;
    stele_view rest = stele_view_of(data + (apart ? 2 : 1), size - (apart ? 2 : 1));
    size_t behind = apart && data[1] < rest.size ? data[1] : 0;
    stele_view text = stele_view_slice(rest, 0, rest.size - behind);
    fuzz_require(stele_compress(c, text, &sealed, NULL) == STELE_OK);
    fuzz_require(stele_buf_append(&sealed, stele_view_slice(rest, text.size, behind), NULL) ==
                 STELE_OK);
    if (stele_frame_open(c, apart ? STELE_FRAME_CODEC_APART : STELE_FRAME_CODEC_WHOLE,
                         stele_view_buf(&sealed), (uint32_t)text.size, n, &raw, &content,
                         NULL) == STELE_OK) {
        fuzz_require(content.n == n);
        seal_again(c, &content);
    }
    stele_buf_done(&sealed);
    stele_buf_done(&raw);
    return 0;
}
