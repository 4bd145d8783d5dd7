/* SPDX-License-Identifier: Apache-2.0 */
/* A replay that is read has entries within the message, and one written from it reads the same. */
#include <string.h>

#include "proto/replay_wire.h"
#include "tests/fuzz/fuzz.h"

static void require_inside(stele_view part, stele_view message) {
    fuzz_require(part.size == 0 || (part.data >= message.data &&
                                    part.data + part.size <= message.data + message.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view message = stele_view_of(data, size);
    struct stele_replay_response response;
    struct stele_audit_entry entry;
    stele_status st = stele_replay_response_read(message, &response, NULL);
    fuzz_require(st == STELE_OK || st == STELE_INVALID);
    while (st == STELE_OK) {
        st = stele_replay_response_next(&response, &entry, NULL);
        fuzz_require(st == STELE_OK || st == STELE_INVALID || st == STELE_END);
        if (st == STELE_OK) {
            stele_buf again = STELE_BUF_EMPTY;
            struct stele_replay_response response_again;
            struct stele_audit_entry entry_again;
            require_inside(entry.entry, message);
            require_inside(entry.body, message);
            require_inside(entry.tags, message);
            fuzz_require(stele_replay_response_put(&again, &entry, NULL) == STELE_OK);
            fuzz_require(stele_replay_response_read(stele_view_buf(&again), &response_again,
                                                    NULL) == STELE_OK);
            fuzz_require(stele_replay_response_next(&response_again, &entry_again, NULL) ==
                         STELE_OK);
            fuzz_require(stele_view_equal(entry.entry, entry_again.entry));
            fuzz_require(stele_view_equal(entry.body, entry_again.body));
            fuzz_require(stele_view_equal(entry.tags, entry_again.tags));
            stele_buf_done(&again);
        }
    }
    return 0;
}
