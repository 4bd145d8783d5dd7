/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_snapshot.c: a pack's snapshot of a log's head, and control bodies. What decodes
 * encodes to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/control.h"
#include "storage/head.h"
#include "tests/fuzz/fuzz.h"

static void snapshot(stele_view bytes) {
    struct stele_head head;
    stele_buf again = STELE_BUF_EMPTY;
    if (stele_head_decode(bytes, &head, NULL) != STELE_OK) {
        return;
    }
    if (stele_head_encode(&head, &again, NULL) != STELE_OK ||
        !stele_view_equal(stele_view_buf(&again), bytes)) {
        abort();
    }
    stele_buf_done(&again);
    stele_head_done(&head);
}

static void control(uint8_t kind, stele_view body) {
    struct stele_state state;
    struct stele_epoch epoch;
    stele_state_init(&state);
    stele_status st = stele_control_apply((stele_control_kind)(kind % (STELE_CONTROL_ERASURE + 1)),
                                          body, 7, &state, NULL);
    if (st == STELE_OK && body.size >= 4 &&
        kind % (STELE_CONTROL_ERASURE + 1) == STELE_CONTROL_EPOCH &&
        stele_control_epoch_of(&state, stele_get_u32(body.data), &epoch, NULL) != STELE_OK) {
        abort(); /* what an EPOCH sets can be read back */
    }
    stele_state_done(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        snapshot(stele_view_of(data + 2, size - 2));
    } else {
        control(data[1], stele_view_of(data + 2, size - 2));
    }
    return 0;
}
