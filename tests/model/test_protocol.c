/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/test_protocol.c: every state of the protocol with two crashes at any moment, in any step of a
 * start too; and the proof that the walk can fail: each way to get the protocol wrong is found.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/model.h"
#include "tests/support/cmocka.h"

#define STATES_MAX ((size_t)64 << 20) /* room for the longer form; memory is taken as it is used */

static const char *const names[MODEL_MUTATIONS] = {
    [MODEL_AS_IT_IS] = "as it is",
    [MODEL_ACK_BEFORE_SYNC] = "acknowledge before the sync",
    [MODEL_SHOW_BEFORE_SYNC] = "show entries before the sync",
    [MODEL_SIGN_BEFORE_SYNC] = "publish a checkpoint of entries that are not synced",
    [MODEL_PUBLISH_BEFORE_SYNC] = "publish a checkpoint before it is synced",
    [MODEL_MARK_BEFORE_SYNC] = "move the mark before the sync",
    [MODEL_NO_MARK] = "no ACKED mark",
    [MODEL_RETRY_SYNC] = "repeat a failed sync",
    [MODEL_NO_CLAIM] = "go on after a failed sync without claiming",
    [MODEL_FORGET_FAILED] = "claim, but do not adopt what landed",
    [MODEL_ADOPT_WITHOUT_SYNC] = "adopt without syncing",
    [MODEL_TRIM_WITHOUT_PACK] = "trim what is not packed",
    [MODEL_TRIM_BEFORE_PACK_SYNC] = "trim before the pack is synced",
    [MODEL_TRIM_CHECKPOINT] = "trim the newest checkpoint",
    [MODEL_TRIM_SHARED_RECORD] = "trim a record of two units",
    [MODEL_NO_FOLDER_SYNC] = "no sync of the packs' folders",
    [MODEL_ADOPT_NAMES] = "adopt the names of blobs without syncing their folders",
    [MODEL_NAME_BEFORE_BLOB_SYNC] = "name a blob before its bytes are synced",
    [MODEL_PACK_BEFORE_SIDES] = "write the pack before kseeds and hashes",
    [MODEL_REPLAY_PACKED] = "replay what packs hold",
};

static void explore(model_mutation mutation, uint8_t seqs, uint8_t positions, struct model_result *ret) {
    /* Where failures play no part they only add states. */
    bool fails = mutation == MODEL_AS_IT_IS || (mutation >= MODEL_RETRY_SYNC && mutation <= MODEL_ADOPT_WITHOUT_SYNC);
    const struct model_bounds bounds = {
        .seqs = seqs, .positions = positions, .crashes = 2, .failures = fails ? 1 : 0, .mutation = mutation};
    assert_true(model_explore(&bounds, STATES_MAX, ret));
    (void)printf("%s: %zu states, %zu steps: %s\n", names[mutation], ret->states, ret->steps,
                 ret->violation == NULL ? "all holds" : ret->violation);
    bool wanted = mutation == MODEL_AS_IT_IS || getenv("STELE_MODEL_TRACES") != NULL;
    for (size_t i = 0; wanted && i < ret->trace_steps; i++) {
        (void)printf("  %2zu  %s\n", i + 1, ret->trace[i]);
    }
}

static void test_protocol__holds_with_two_crashes(void **state) {
    struct model_result result;
    bool soak = getenv("STELE_SOAK") != NULL;
    (void)state;
    explore(MODEL_AS_IT_IS, soak ? 6 : 5, soak ? 6 : 5, &result);
    assert_null(result.violation);
}

static void test_protocol__every_mutation_is_found(void **state) {
    (void)state;
    for (model_mutation mutation = MODEL_AS_IT_IS + 1; mutation < MODEL_MUTATIONS; mutation++) {
        struct model_result result;
        explore(mutation, 5, 5, &result);
        assert_non_null(result.violation);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol__holds_with_two_crashes),
        cmocka_unit_test(test_protocol__every_mutation_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
