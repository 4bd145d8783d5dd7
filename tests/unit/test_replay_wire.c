/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_replay_wire.c: ReplayResponse as protobuf-c reads and writes it. */
#include <string.h>

#include "proto/replay_wire.h"
#include "stele/v1/log.pb-c.h"
#include "tests/support/cmocka.h"

static const uint8_t event[96] = {STELE_ENTRY_EVENT, 1};
static const uint8_t index_entry[72] = {STELE_ENTRY_INDEX, 1};
static const uint8_t tags[48] = {1, 2, 3};

static void write_message(stele_buf *out) {
    struct stele_audit_entry entry = {.entry = stele_view_of(event, sizeof event),
                                      .tags = stele_view_of(tags, sizeof tags)};
    memset(entry.ksalt, 7, sizeof entry.ksalt);
    assert_ok(stele_replay_response_begin(300, out, NULL));
    assert_ok(stele_replay_response_put(out, &entry, NULL));
    entry = (struct stele_audit_entry){.entry = stele_view_of(index_entry, sizeof index_entry),
                                       .body = stele_view_str("ab"),
                                       .descriptors = stele_view_str("cde")};
    assert_ok(stele_replay_response_put(out, &entry, NULL));
}

static void test_replay_wire__is_what_protobuf_c_reads(void **state) {
    stele_buf message = STELE_BUF_EMPTY;
    uint8_t again[512];
    (void)state;
    write_message(&message);
    Stele__V1__ReplayResponse *got =
        stele__v1__replay_response__unpack(NULL, message.size, message.data);
    assert_non_null(got);
    assert_int_equal(got->first, 300);
    assert_int_equal(got->n_entry, 2);
    assert_int_equal(got->entry[0]->tags.len, sizeof tags);
    assert_int_equal(got->entry[0]->ksalt.len, 16);
    assert_int_equal(got->entry[0]->body.len, 0);
    assert_int_equal(got->entry[1]->ksalt.len, 0);
    assert_memory_equal(got->entry[1]->body.data, "ab", 2);
    assert_int_equal(got->entry[0]->descriptors.len, 0);
    assert_memory_equal(got->entry[1]->descriptors.data, "cde", 3);
    assert_int_equal(stele__v1__replay_response__pack(got, again), message.size);
    assert_memory_equal(again, message.data, message.size);
    stele__v1__replay_response__free_unpacked(got, NULL);
    stele_buf_done(&message);
}

static void test_replay_wire__is_read_back(void **state) {
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_replay_response response;
    struct stele_audit_entry entry;
    (void)state;
    write_message(&message);
    assert_ok(stele_replay_response_read(stele_view_buf(&message), &response, NULL));
    assert_int_equal(response.first, 300);
    assert_ok(stele_replay_response_next(&response, &entry, NULL));
    assert_true(stele_view_equal(entry.entry, stele_view_of(event, sizeof event)));
    assert_true(stele_view_equal(entry.tags, stele_view_of(tags, sizeof tags)));
    assert_int_equal(entry.ksalt[15], 7);
    assert_ok(stele_replay_response_next(&response, &entry, NULL));
    assert_true(stele_view_is(entry.body, "ab"));
    assert_true(stele_view_is(entry.descriptors, "cde"));
    assert_int_equal(entry.ksalt[15], 0);
    assert_status(stele_replay_response_next(&response, &entry, NULL), END);
    stele_buf_done(&message);
}

/* Cut anywhere, and with a salt of another size. */
static void test_replay_wire__damage_is_refused_or_another_message(void **state) {
    stele_buf message = STELE_BUF_EMPTY;
    (void)state;
    write_message(&message);
    for (size_t size = 0; size < message.size; size++) {
        struct stele_replay_response response;
        struct stele_audit_entry entry;
        stele_status st =
            stele_replay_response_read(stele_view_of(message.data, size), &response, NULL);
        while (st == STELE_OK) {
            st = stele_replay_response_next(&response, &entry, NULL);
        }
        assert_true(st == STELE_END || st == STELE_INVALID);
    }
    struct stele_replay_response response;
    struct stele_audit_entry entry;
    static const uint8_t short_salt[] = {0x12, 0x03, 0x22, 0x01, 0x00};
    assert_ok(
        stele_replay_response_read(stele_view_of(short_salt, sizeof short_salt), &response, NULL));
    assert_status(stele_replay_response_next(&response, &entry, NULL), INVALID);
    stele_buf_done(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_wire__is_what_protobuf_c_reads),
        cmocka_unit_test(test_replay_wire__is_read_back),
        cmocka_unit_test(test_replay_wire__damage_is_refused_or_another_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
