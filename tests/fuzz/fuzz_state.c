/* SPDX-License-Identifier: Apache-2.0 */
/* Stored states: what decodes encodes to the same bytes, and its leaves prove. */
#include "storage/state.h"
#include "tests/fuzz/fuzz.h"

static void check_leaf(const struct stele_state *state, size_t i) {
    struct stele_tree_path path;
    struct stele_leaf_pos pos = {0, state->n};
    uint8_t root[STELE_HASH_BYTES];
    stele_view key = stele_view_buf(&state->leaf[i].key);
    stele_view value = stele_view_buf(&state->leaf[i].value);
    fuzz_require(stele_state_root(state, root, NULL) == STELE_OK);
    fuzz_require(stele_state_prove(state, key, &pos.index_leaves, &path, NULL) == STELE_OK);
    fuzz_require(pos.index_leaves == i);
    fuzz_require(stele_state_check(key, value, pos, path.node[0], path.n, root, NULL) == STELE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stele_state state;
    struct stele_reader r = stele_reader_of(stele_view_of(data, size), "fuzzed state");
    if (stele_state_decode(&r, &state, NULL) == STELE_OK) {
        stele_buf again = STELE_BUF_EMPTY;
        fuzz_require(stele_state_encode(&state, &again, NULL) == STELE_OK);
        fuzz_require(again.size == stele_reader_offset(&r));
        fuzz_require(stele_view_equal(stele_view_buf(&again), stele_view_of(data, again.size)));
        if (state.n > 0) {
            check_leaf(&state, 0);
            check_leaf(&state, state.n - 1);
        }
        stele_buf_done(&again);
        stele_state_done(&state);
    } else {
        fuzz_require(stele_reader_offset(&r) == 0);
    }
    return 0;
}
