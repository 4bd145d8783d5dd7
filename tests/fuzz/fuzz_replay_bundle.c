/* SPDX-License-Identifier: Apache-2.0 */
/* A replay bundle that is read beside its entry bundle has one form, and so has the file of the
 * newest index. The input: u16 size of the entry bundle, it, the replay bundle or that file. */
#include "storage/cursor.h"
#include "storage/replay_bundle.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct stele_audit_entry entry[STELE_TILE_WIDTH];
    stele_buf again = STELE_BUF_EMPTY;
    size_t n = 0;
    if (size < 2 || stele_get_u16(data) > size - 2) {
        return 0;
    }
    stele_view entries = stele_view_of(data + 2, stele_get_u16(data));
    stele_view bundle = stele_view_of(data + 2 + entries.size, size - 2 - entries.size);
    if (stele_replay_bundle_read(entries, bundle, entry, &n, NULL) == STELE_OK && n > 0) {
        for (size_t i = 0; i < n; i++) {
            fuzz_require(stele_replay_bundle_append(&again, &entry[i], NULL) == STELE_OK);
        }
        fuzz_require(stele_view_equal(stele_view_buf(&again), bundle));
    }
    uint64_t seq = 0;
    stele_view descriptors;
    stele_buf_clear(&again);
    if (stele_replay_index_read(bundle, &seq, &descriptors, NULL) == STELE_OK) {
        fuzz_require(stele_replay_index_write(seq, descriptors, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), bundle));
    }
    stele_buf_done(&again);
    return 0;
}
