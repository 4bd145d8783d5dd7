/* SPDX-License-Identifier: Apache-2.0 */
/* A question that decodes encodes to the same bytes, and prints without control characters. */
#include "proto/event_filter.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view bytes = stele_view_of(data, size);
    struct stele_question question;
    stele_buf out = STELE_BUF_EMPTY;
    if (stele_question_decode(bytes, &question, NULL) != STELE_OK) {
        return 0;
    }
    fuzz_require(stele_question_encode(&question, &out, NULL) == STELE_OK);
    fuzz_require(stele_view_equal(stele_view_buf(&out), bytes));
    stele_buf_clear(&out);
    fuzz_require(stele_question_print(&question, &out, NULL) == STELE_OK);
    for (size_t i = 0; i < out.size; i++) {
        fuzz_require(out.data[i] == '\n' || (out.data[i] >= 0x20 && out.data[i] != 0x7f));
    }
    stele_buf_done(&out);
    stele_question_done(&question);
    return 0;
}
