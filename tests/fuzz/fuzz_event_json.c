/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that decodes is a valid event, and goes there and back without a change; a payload that
 * encodes makes text any JSON parser reads.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/event.h"
#include "proto/event_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view input = stele_view_of(data, size);
    struct stele_event_head head;
    stele_buf payload = STELE_BUF_EMPTY;
    stele_buf text = STELE_BUF_EMPTY;
    stele_buf back = STELE_BUF_EMPTY;
    if (stele_event_json_decode(input, &payload, NULL) == STELE_OK) {
        fuzz_require(stele_event_check(stele_view_buf(&payload), &head, NULL) == STELE_OK);
        fuzz_require(stele_event_json_encode(stele_view_buf(&payload), &text, NULL) == STELE_OK);
        fuzz_require(stele_event_json_decode(stele_view_buf(&text), &back, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&payload), stele_view_buf(&back)));
    }
    stele_buf_clear(&text);
    if (stele_event_json_encode(input, &text, NULL) == STELE_OK) {
        json_error_t error;
        json_t *parsed =
            json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
        fuzz_require(json_is_object(parsed));
        json_decref(parsed);
    }
    stele_buf_done(&payload);
    stele_buf_done(&text);
    stele_buf_done(&back);
    return 0;
}
