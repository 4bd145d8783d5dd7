/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: a text that parses is the one the parsed checkpoint prints. */
#include "storage/checkpoint.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_checkpoint checkpoint;
    stele_view text = stele_view_of(data, size);
    if (stele_checkpoint_parse(text, &checkpoint, NULL) == STELE_OK) {
        stele_buf again = STELE_BUF_EMPTY;
        fuzz_require(stele_checkpoint_print(&checkpoint, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), text));
        stele_buf_done(&again);
    }
    /* The same bytes as a signed note, which nobody signed. */
    fuzz_require(stele_checkpoint_open(text, NULL, 0, &checkpoint, NULL) != STELE_OK);
    return 0;
}
