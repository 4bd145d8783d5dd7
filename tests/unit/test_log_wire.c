/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_log_wire.c: replies of the Log service, written by hand, against protoc-c's code.
 */
#include <string.h>

#include "proto/log_wire.h"
#include "stele/v1/log.pb-c.h"
#include "tests/support/packs_to.h"

static stele_view text(const char *s) {
    return stele_view_str(s);
}

static void test_log_wire__replies_are_what_protobuf_c_reads(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    const uint8_t hashes[64] = {1};
    struct stele_log_info info = {text("eu/3y"), text("d/eu/3y"), text("key"), 3, 77};
    assert_ok(stele_list_logs_response_put(&message, &info, NULL));
    Stele__V1__ListLogsResponse *list =
        stele__v1__list_logs_response__unpack(NULL, message.size, message.data);
    assert_non_null(list);
    assert_int_equal(list->n_log, 1);
    assert_int_equal(list->log[0]->size, 77);
    assert_packs_to(&list->base, &message);
    stele__v1__list_logs_response__free_unpacked(list, NULL);

    stele_buf_clear(&message);
    struct stele_log_status status = {text("eu/3y"), 77, 70, 60, 61, 5, 17, 9, 3, 20251101};
    assert_ok(stele_status_response_put(&message, &status, NULL));
    Stele__V1__StatusResponse *statuses =
        stele__v1__status_response__unpack(NULL, message.size, message.data);
    assert_non_null(statuses);
    assert_int_equal(statuses->n_log, 1);
    assert_int_equal(statuses->log[0]->era, 20251101);
    assert_packs_to(&statuses->base, &message);
    stele__v1__status_response__free_unpacked(statuses, NULL);

    stele_buf_clear(&message);
    struct stele_sealed sealed = {60, 61, 5, 3};
    assert_ok(stele_seal_response_write(&sealed, &message, NULL));
    Stele__V1__SealResponse *seal =
        stele__v1__seal_response__unpack(NULL, message.size, message.data);
    assert_non_null(seal);
    assert_int_equal(seal->covered, 60);
    assert_packs_to(&seal->base, &message);
    stele__v1__seal_response__free_unpacked(seal, NULL);

    stele_buf_clear(&message);
    assert_ok(stele_cut_era_response_write(20251101, &message, NULL));
    Stele__V1__CutEraResponse *cut =
        stele__v1__cut_era_response__unpack(NULL, message.size, message.data);
    assert_non_null(cut);
    assert_int_equal(cut->era, 20251101);
    assert_packs_to(&cut->base, &message);
    stele__v1__cut_era_response__free_unpacked(cut, NULL);

    stele_buf_clear(&message);
    struct stele_proof_message proof = {text("entry"), 5, 9, stele_view_of(hashes, sizeof hashes),
                                        text("note")};
    assert_ok(stele_inclusion_response_write(&proof, &message, NULL));
    Stele__V1__GetInclusionProofResponse *inclusion =
        stele__v1__get_inclusion_proof_response__unpack(NULL, message.size, message.data);
    assert_non_null(inclusion);
    assert_int_equal(inclusion->n_path, 2);
    assert_memory_equal(inclusion->path[0].data, hashes, 32);
    assert_packs_to(&inclusion->base, &message);
    stele__v1__get_inclusion_proof_response__free_unpacked(inclusion, NULL);

    stele_buf_clear(&message);
    assert_ok(stele_consistency_response_write(&proof, &message, NULL));
    Stele__V1__GetConsistencyProofResponse *consistency =
        stele__v1__get_consistency_proof_response__unpack(NULL, message.size, message.data);
    assert_non_null(consistency);
    assert_int_equal(consistency->old_size, 5);
    assert_int_equal(consistency->new_size, 9);
    assert_int_equal(consistency->n_path, 2);
    stele__v1__get_consistency_proof_response__free_unpacked(consistency, NULL);

    stele_buf_clear(&message);
    assert_ok(stele_entries_response_begin(300, &message, NULL));
    assert_ok(stele_entries_response_put(&message, text("e1"), NULL));
    assert_ok(stele_entries_response_put(&message, text("e2"), NULL));
    Stele__V1__GetEntriesResponse *entries =
        stele__v1__get_entries_response__unpack(NULL, message.size, message.data);
    assert_non_null(entries);
    assert_int_equal(entries->first, 300);
    assert_int_equal(entries->n_entry, 2);
    assert_packs_to(&entries->base, &message);
    stele__v1__get_entries_response__free_unpacked(entries, NULL);
    stele_buf_done(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_wire__replies_are_what_protobuf_c_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
