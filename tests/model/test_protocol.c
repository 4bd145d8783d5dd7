/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/test_protocol.c: every state of the two protocols, of a log's chain and of its index,
 * with two crashes at any moment, in any step of a start too; and the proof that the walk can fail:
 * each way to get a protocol wrong is found.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/index_model.h"
#include "tests/model/model.h"
#include "tests/support/cmocka.h"

#define STATES_MAX                                                                                 \
    ((size_t)64 << 20) /* room for the longer form; memory is taken as it is used                  \
                        */

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

static const char *const index_names[INDEX_MUTATIONS] = {
    [INDEX_AS_IT_IS] = "the index as it is",
    [INDEX_OFFER_BEFORE_SYNC] = "offer a manifest before its INDEX entry is synced",
    [INDEX_OFFER_FAILED] = "offer a manifest whose INDEX entry failed",
    [INDEX_COVER_STAGED] = "an INDEX of entries that are staged",
    [INDEX_MAY_FALL] = "no check that M does not fall",
    [INDEX_COVERED_FORGOTTEN] = "a start forgets M",
    [INDEX_EARLY_CONTROL] = "an INDEX names the CONTROL of when its manifest was made",
    [INDEX_SEAL_UNSYNCED] = "commit to a pack's segment before its seal is synced",
    [INDEX_MERGED_UNSYNCED] = "a merged segment takes its parts' place before its seal is synced",
    [INDEX_DROP_AT_MERGE] = "remove parts that manifests name",
    [INDEX_DROP_BEFORE_SEAL] = "remove parts before the merged seal is there",
    [INDEX_NAME_BEFORE_BYTES] = "name a merged segment before its bytes are synced",
    [INDEX_MERGE_ACROSS_ERAS] = "merge across eras",
    [INDEX_PACK_BEFORE_SEGMENT] = "write the pack before its segment and seal",
    [INDEX_ADOPT_NAMES] = "adopt the names of segments without syncing their folders",
    [INDEX_UNSEALED_COUNTS] = "take a merged segment without a seal",
    [INDEX_PARTS_COUNT] = "keep parts beside the merged segment",
    [INDEX_UNPACKED_COUNTS] = "take the segment of an unfinished pack",
    [INDEX_KEY_AFTER_EPOCH] = "write an EPOCH before its key is synced",
    [INDEX_ADOPT_KEYS] = "adopt tag keys without syncing their folder",
    [INDEX_FORGET_FAILED] = "go on without adopting an INDEX that landed",
};

static void explore(const char *name, const struct model_machine *machine, bool as_it_is,
                    struct model_result *ret) {
    assert_true(model_explore(machine, STATES_MAX, ret));
    (void)printf("%s: %zu states, %zu steps: %s\n", name, ret->states, ret->steps,
                 ret->violation == NULL ? "all holds" : ret->violation);
    bool wanted = as_it_is || getenv("STELE_MODEL_TRACES") != NULL;
    for (size_t i = 0; wanted && i < ret->trace_steps; i++) {
        (void)printf("  %2zu  %s\n", i + 1, ret->trace[i]);
    }
}

static void explore_chain(model_mutation mutation, uint8_t seqs, uint8_t positions,
                          struct model_result *ret) {
    /* Where failures play no part they only add states. */
    bool fails = mutation == MODEL_AS_IT_IS ||
                 (mutation >= MODEL_RETRY_SYNC && mutation <= MODEL_ADOPT_WITHOUT_SYNC);
    const struct model_bounds bounds = {.seqs = seqs,
                                        .positions = positions,
                                        .crashes = 2,
                                        .failures = fails ? 1 : 0,
                                        .mutation = mutation};
    struct model_state first;
    const struct model_machine machine = model_machine_of(&bounds, &first);
    explore(names[mutation], &machine, mutation == MODEL_AS_IT_IS, ret);
}

static void explore_index(const struct index_bounds *bounds, struct model_result *ret) {
    struct index_state first;
    const struct model_machine machine = index_machine_of(bounds, &first);
    explore(index_names[bounds->mutation], &machine, bounds->mutation == INDEX_AS_IT_IS, ret);
}

static void test_protocol__holds_with_two_crashes(void **state) {
    struct model_result result;
    bool soak = getenv("STELE_SOAK") != NULL;
    (void)state;
    explore_chain(MODEL_AS_IT_IS, soak ? 6 : 5, soak ? 6 : 5, &result);
    assert_null(result.violation);
}

static void test_protocol__every_mutation_is_found(void **state) {
    (void)state;
    for (model_mutation mutation = MODEL_AS_IT_IS + 1; mutation < MODEL_MUTATIONS; mutation++) {
        struct model_result result;
        explore_chain(mutation, 5, 5, &result);
        assert_non_null(result.violation);
    }
}

/* Each with what it can afford: everything at once; the second level of merging, and eras, with one
 * INDEX entry; and once more, deeper, with none. */
static const struct index_bounds index_bounds[] = {
    {.seqs = 4, .crashes = 2, .failures = 1, .indexes = 4, .reader = true},
    {.seqs = 5, .crashes = 2, .indexes = 1, .reader = true, .in_turns = true},
    {.seqs = 6, .crashes = 2, .in_turns = true},
};
static const struct index_bounds index_bounds_of_soak[] = {
    {.seqs = 5, .crashes = 2, .indexes = 5, .reader = true, .in_turns = true},
    {.seqs = 5, .crashes = 2, .failures = 1, .indexes = 1, .in_turns = true},
    {.seqs = 6, .crashes = 2, .failures = 1, .in_turns = true},
    {.seqs = 6, .crashes = 1, .indexes = 1, .in_turns = true},
};

static void test_protocol__the_index_holds_with_two_crashes(void **state) {
    struct model_result result;
    (void)state;
    for (size_t i = 0; i < sizeof index_bounds / sizeof index_bounds[0]; i++) {
        explore_index(&index_bounds[i], &result);
        assert_null(result.violation);
    }
    size_t n = getenv("STELE_SOAK") != NULL
                   ? sizeof index_bounds_of_soak / sizeof index_bounds_of_soak[0]
                   : 0;
    for (size_t i = 0; i < n; i++) {
        explore_index(&index_bounds_of_soak[i], &result);
        assert_null(result.violation);
    }
}

static void test_protocol__every_mutation_of_the_index_is_found(void **state) {
    (void)state;
    for (index_mutation mutation = INDEX_AS_IT_IS + 1; mutation < INDEX_MUTATIONS; mutation++) {
        const struct index_bounds bounds = {.seqs = 5,
                                            .crashes = 2,
                                            .failures = 1,
                                            .indexes = 2,
                                            .reader = true,
                                            .in_turns = true,
                                            .mutation = mutation};
        struct model_result result;
        explore_index(&bounds, &result);
        assert_non_null(result.violation);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol__holds_with_two_crashes),
        cmocka_unit_test(test_protocol__every_mutation_is_found),
        cmocka_unit_test(test_protocol__the_index_holds_with_two_crashes),
        cmocka_unit_test(test_protocol__every_mutation_of_the_index_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
