/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_hit_wire.c: an answer message as a client receives it. Its members put together
 * again are read back as the same members.
 */
#include "proto/hit_wire.h"
#include "tests/fuzz/fuzz.h"

static void put(stele_buf *out, const struct stele_search_part *part) {
    stele_status st = STELE_OK;
    switch (part->kind) {
    case STELE_SEARCH_PART_HIT:
        st = stele_search_response_put_hit(out, &part->as.hit, NULL);
        break;
    case STELE_SEARCH_PART_ANSWER:
        st = stele_search_response_put_answer(out, part->as.answer, NULL);
        break;
    case STELE_SEARCH_PART_END:
        st = stele_search_response_put_end(out, &part->as.end, NULL);
        break;
    }
    fuzz_require(st == STELE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view rest = stele_view_of(data, size);
    struct stele_search_part part;
    stele_buf once = STELE_BUF_EMPTY;
    stele_buf twice = STELE_BUF_EMPTY;
    while (stele_search_response_next(&rest, &part, NULL) == STELE_OK) {
        put(&once, &part);
    }
    rest = stele_view_buf(&once);
    while (stele_search_response_next(&rest, &part, NULL) == STELE_OK) {
        put(&twice, &part);
    }
    fuzz_require(stele_view_equal(stele_view_buf(&once), stele_view_buf(&twice)));
    stele_buf_done(&once);
    stele_buf_done(&twice);
    return 0;
}
