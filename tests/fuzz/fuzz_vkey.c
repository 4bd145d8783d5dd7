/* SPDX-License-Identifier: Apache-2.0 */
/* Verifier keys: what parses prints as the same text. */
#include <string.h>

#include "storage/note.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_vkey key;
    if (stele_vkey_parse(stele_view_of(data, size), &key, NULL) == STELE_OK) {
        stele_buf again = STELE_BUF_EMPTY;
        fuzz_require(strlen(key.name) <= STELE_NOTE_NAME_MAX);
        fuzz_require(stele_vkey_print(&key, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), stele_view_of(data, size)));
        stele_buf_done(&again);
    }
    return 0;
}
