/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_log.c: the Log service against what an auditor computes from its answers:
 * leaf hashes of the entries make the signed root, and every proof leads to it.
 */
#include <string.h>

#include "proto/replay_wire.h"
#include "proto/wire_out.h"
#include "stele/v1/log.pb-c.h"
#include "storage/audit.h"
#include "storage/checkpoint.h"
#include "storage/tree.h"
#include "tests/support/query_client.h"

static struct stele_vkey vkeys[3];

static void log_request(uint64_t a, uint64_t b, stele_buf *out) {
    stele_buf_clear(out);
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, stele_view_str(BED_REGION "/3y"));
    stele_wire_out_uint(&w, 2, a);
    stele_wire_out_uint(&w, 3, b);
    assert_ok(stele_wire_out_done(&w, 0, NULL));
}

/* All leaf hashes of log 3y, by GetEntries. */
static size_t read_leaves(struct query_client *client, uint64_t first, uint64_t count,
                          stele_buf *leaves) {
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    struct fake_end end;
    size_t n = 0;
    log_request(first, count, &request);
    struct stele_rpc_call *call =
        client_start(client, "GetEntries", &peer_auditor, stele_view_buf(&request));
    while (fake_call_take(call, &message)) {
        Stele__V1__GetEntriesResponse *got =
            stele__v1__get_entries_response__unpack(NULL, message.size, message.data);
        assert_non_null(got);
        assert_int_equal(got->first, first + n);
        for (size_t i = 0; i < got->n_entry; i++) {
            uint8_t leaf[32];
            stele_hash_leaf(stele_view_of(got->entry[i].data, got->entry[i].len), leaf);
            assert_ok(stele_buf_append(leaves, stele_view_of(leaf, sizeof leaf), NULL));
            n++;
        }
        stele__v1__get_entries_response__free_unpacked(got, NULL);
    }
    fake_call_end_of(call, &end);
    assert_int_equal(end.code, 0);
    fake_call_end(call);
    stele_buf_done(&request);
    stele_buf_done(&message);
    return n;
}

static void newest(struct query_client *client, stele_buf *note, struct stele_checkpoint *ret) {
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    log_request(0, 0, &request);
    assert_int_equal(
        client_unary(client, "GetCheckpoint", &peer_auditor, stele_view_buf(&request), &reply), 0);
    Stele__V1__GetCheckpointResponse *got =
        stele__v1__get_checkpoint_response__unpack(NULL, reply.size, reply.data);
    assert_ok(stele_buf_append(note, stele_view_of(got->note.data, got->note.len), NULL));
    assert_ok(stele_checkpoint_open(stele_view_buf(note), vkeys, 3, ret, NULL));
    stele__v1__get_checkpoint_response__free_unpacked(got, NULL);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static void test_log__entries_make_the_signed_root_and_proofs_lead_to_it(void **state) {
    struct query_client *client = *state;
    stele_buf leaves = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    struct stele_checkpoint checkpoint;
    uint8_t root[32];
    size_t n = read_leaves(client, 0, 0, &leaves);
    log_request(n, 0, &request); /* a checkpoint over everything there is */
    assert_int_equal(
        client_unary(client, "GetCheckpoint", &peer_auditor, stele_view_buf(&request), &reply), 0);
    newest(client, &note, &checkpoint);
    assert_int_equal(checkpoint.size_leaves, n);
    assert_ok(stele_tree_root(leaves.data, n, root, NULL));
    assert_memory_equal(root, checkpoint.root, 32);
    for (uint64_t seq = 0; seq < n; seq += 97) {
        stele_buf path = STELE_BUF_EMPTY;
        log_request(seq, 0, &request);
        assert_int_equal(client_unary(client, "GetInclusionProof", &peer_auditor,
                                      stele_view_buf(&request), &reply),
                         0);
        Stele__V1__GetInclusionProofResponse *got =
            stele__v1__get_inclusion_proof_response__unpack(NULL, reply.size, reply.data);
        for (size_t i = 0; i < got->n_path; i++) {
            assert_ok(
                stele_buf_append(&path, stele_view_of(got->path[i].data, got->path[i].len), NULL));
        }
        uint8_t leaf[32];
        stele_hash_leaf(stele_view_of(got->entry.data, got->entry.len), leaf);
        assert_memory_equal(leaf, leaves.data + 32 * seq, 32);
        assert_ok(stele_tree_check_inclusion(leaf, (struct stele_leaf_pos){seq, got->size},
                                             path.data, got->n_path, checkpoint.root, NULL));
        stele__v1__get_inclusion_proof_response__free_unpacked(got, NULL);
        stele_buf_clear(&path);
        log_request(seq + 1, seq % 2 == 0 ? 0 : n, &request);
        assert_int_equal(client_unary(client, "GetConsistencyProof", &peer_auditor,
                                      stele_view_buf(&request), &reply),
                         0);
        Stele__V1__GetConsistencyProofResponse *proof =
            stele__v1__get_consistency_proof_response__unpack(NULL, reply.size, reply.data);
        for (size_t i = 0; i < proof->n_path; i++) {
            assert_ok(stele_buf_append(
                &path, stele_view_of(proof->path[i].data, proof->path[i].len), NULL));
        }
        assert_int_equal(proof->new_size, n);
        assert_true((proof->note.len > 0) == (seq % 2 == 0));
        assert_ok(stele_tree_root(leaves.data, seq + 1, root, NULL));
        assert_ok(stele_tree_check_consistency(seq + 1, n, path.data, proof->n_path, root,
                                               checkpoint.root, NULL));
        stele__v1__get_consistency_proof_response__free_unpacked(proof, NULL);
        stele_buf_done(&path);
    }
    stele_buf_done(&leaves);
    stele_buf_done(&note);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static void test_log__entries_come_in_any_range(void **state) {
    struct query_client *client = *state;
    stele_buf all = STELE_BUF_EMPTY;
    size_t n = read_leaves(client, 0, 0, &all);
    static const struct {
        uint64_t first, count;
    } ranges[] = {{0, 1}, {255, 2}, {256, 256}, {100, 1000}, {511, 1}, {3, 0}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        stele_buf some = STELE_BUF_EMPTY;
        size_t got = read_leaves(client, ranges[i].first, ranges[i].count, &some);
        uint64_t left = n - ranges[i].first;
        assert_int_equal(got,
                         ranges[i].count == 0 || ranges[i].count > left ? left : ranges[i].count);
        assert_memory_equal(some.data, all.data + 32 * ranges[i].first, 32 * got);
        stele_buf_done(&some);
    }
    stele_buf_clear(&all);
    assert_int_equal(read_leaves(client, n, 0, &all), 0); /* at the end: nothing, and no error */
    stele_buf_done(&all);
}

static void test_log__tiles_hold_the_leaf_hashes(void **state) {
    struct query_client *client = *state;
    stele_buf leaves = STELE_BUF_EMPTY;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf reply = STELE_BUF_EMPTY;
    (void)read_leaves(client, 0, 600, &leaves);
    static const char *const paths[] = {"tile/0/000", "tile/0/001", "tile/0/002.p/88"};
    for (size_t i = 0; i < 3; i++) {
        stele_buf_clear(&request);
        struct stele_wire_out w = stele_wire_out_to(&request);
        stele_wire_out_bytes(&w, 1, stele_view_str(BED_REGION "/3y"));
        stele_wire_out_bytes(&w, 2, stele_view_str(paths[i]));
        assert_ok(stele_wire_out_done(&w, 0, NULL));
        assert_int_equal(
            client_unary(client, "GetTile", &peer_auditor, stele_view_buf(&request), &reply), 0);
        Stele__V1__GetTileResponse *got =
            stele__v1__get_tile_response__unpack(NULL, reply.size, reply.data);
        assert_int_equal(got->tile.len, i == 2 ? 88 * 32 : 256 * 32);
        assert_memory_equal(got->tile.data, leaves.data + i * 256 * 32, got->tile.len);
        stele__v1__get_tile_response__free_unpacked(got, NULL);
    }
    stele_buf_done(&leaves);
    stele_buf_done(&request);
    stele_buf_done(&reply);
}

static void test_log__the_list_has_every_log_with_its_key(void **state) {
    struct query_client *client = *state;
    stele_buf reply = STELE_BUF_EMPTY;
    assert_int_equal(
        client_unary(client, "ListLogs", &peer_auditor, stele_view_of(NULL, 0), &reply), 0);
    Stele__V1__ListLogsResponse *got =
        stele__v1__list_logs_response__unpack(NULL, reply.size, reply.data);
    assert_int_equal(got->n_log, 3);
    for (size_t i = 0; i < 3; i++) {
        struct stele_vkey key;
        assert_ok(stele_vkey_parse(stele_view_str(got->log[i]->vkey), &key, NULL));
        assert_string_equal(key.name, got->log[i]->origin);
        assert_memory_equal(key.public_key, vkeys[i].public_key, 32);
        assert_true(got->log[i]->size > 2);
    }
    assert_string_equal(got->log[1]->log, "eu-test/3y");
    assert_int_equal(got->log[1]->retention_years, 3);
    stele__v1__list_logs_response__free_unpacked(got, NULL);
    stele_buf_done(&reply);
}

static uint32_t unary_of_log(struct query_client *client, const char *method,
                             const struct stele_rpc_peer *peer, stele_buf *reply) {
    return client_unary(client, method, peer,
                        stele_view_str("\x0a\x0a"
                                       "eu-test/3y"),
                        reply);
}

static void test_log__is_sealed_and_says_so(void **state) {
    struct query_client *client = *state;
    stele_buf reply = STELE_BUF_EMPTY;
    assert_int_equal(unary_of_log(client, "Seal", &peer_auditor, &reply), 0);
    Stele__V1__SealResponse *sealed =
        stele__v1__seal_response__unpack(NULL, reply.size, reply.data);
    assert_non_null(sealed);
    stele_buf_clear(&reply);
    assert_int_equal(client_unary(client, "Status", &peer_auditor, stele_view_of(NULL, 0), &reply),
                     0);
    Stele__V1__StatusResponse *got =
        stele__v1__status_response__unpack(NULL, reply.size, reply.data);
    assert_non_null(got);
    assert_int_equal(got->n_log, 3);
    assert_string_equal(got->log[1]->log, "eu-test/3y");
    assert_int_equal(got->log[1]->covered, sealed->covered);
    assert_int_equal(got->log[1]->index_seq, sealed->index_seq);
    assert_int_equal(got->log[1]->segments, sealed->segments);
    assert_int_equal(got->log[1]->lag_entries, 0);
    assert_true(got->log[1]->size > sealed->index_seq);
    assert_true(got->log[0]->lag_entries > 0); /* nobody sealed it */
    stele__v1__seal_response__free_unpacked(sealed, NULL);
    stele__v1__status_response__free_unpacked(got, NULL);
    stele_buf_done(&reply);
}

/* It takes the right to append for every tenant: to query and to read the log is not enough. */
static void test_log__only_writers_of_all_tenants_seal_and_cut(void **state) {
    struct query_client *client = *state;
    stele_buf reply = STELE_BUF_EMPTY;
    assert_int_equal(unary_of_log(client, "Seal", &peer_acme, &reply), STELE_RPC_PERMISSION_DENIED);
    assert_int_equal(unary_of_log(client, "CutEra", &peer_acme, &reply),
                     STELE_RPC_PERMISSION_DENIED);
    assert_int_equal(unary_of_log(client, "CutEra", &peer_nobody, &reply),
                     STELE_RPC_PERMISSION_DENIED);
    stele_buf_clear(&reply);
    assert_int_equal(unary_of_log(client, "CutEra", &peer_auditor, &reply), 0);
    Stele__V1__CutEraResponse *cut =
        stele__v1__cut_era_response__unpack(NULL, reply.size, reply.data);
    assert_non_null(cut);
    assert_int_equal(cut->era % 100, 1);
    stele__v1__cut_era_response__free_unpacked(cut, NULL);
    stele_buf_done(&reply);
}

/* What Replay gives is all that an auditor needs, from any entry on. */
static void test_log__a_replay_holds(void **state) {
    struct query_client *client = *state;
    stele_buf request = STELE_BUF_EMPTY;
    stele_buf message = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    struct stele_checkpoint checkpoint;
    struct stele_audit_work *work = NULL;
    struct stele_auditor *auditor = NULL;
    uint8_t root[32];
    newest(client, &note, &checkpoint);
    assert_ok(stele_audit_work_open(NULL, &work, NULL));
    assert_ok(stele_auditor_new(work, 8, &auditor, NULL));
    size_t n_calls = 0;
    while (stele_auditor_size(auditor) < checkpoint.size_leaves) {
        uint64_t size = stele_auditor_size(auditor);
        uint64_t left = checkpoint.size_leaves - size;
        struct fake_end end;
        log_request(size, left < 900 ? left : 900, &request);
        struct stele_rpc_call *call =
            client_start(client, "Replay", &peer_auditor, stele_view_buf(&request));
        while (fake_call_take(call, &message)) {
            struct stele_replay_response response;
            struct stele_audit_entry given;
            assert_ok(stele_replay_response_read(stele_view_buf(&message), &response, NULL));
            assert_int_equal(response.first, stele_auditor_size(auditor));
            while (stele_replay_response_next(&response, &given, NULL) == STELE_OK) {
                stele_audit_verdict verdict = STELE_AUDIT_WRONG_ENTRY;
                stele_err why = {.text = ""};
                size_t taken = 0;
                assert_ok(stele_auditor_take(auditor, &given, 1, &taken, &verdict, &why, NULL));
                assert_int_equal(verdict, STELE_AUDIT_HOLDS);
            }
            assert_int_equal(response.left.size, 0);
        }
        fake_call_end_of(call, &end);
        assert_int_equal(end.code, 0);
        fake_call_end(call);
        assert_true(stele_auditor_size(auditor) == size + (left < 900 ? left : 900));
        n_calls++;
    }
    assert_true(n_calls > 1);
    stele_auditor_root(auditor, root);
    assert_memory_equal(root, checkpoint.root, 32);
    stele_auditor_free(auditor);
    stele_audit_work_close(work);
    stele_buf_done(&request);
    stele_buf_done(&message);
    stele_buf_done(&note);
}

static int set_up(void **state) {
    static struct bed bed;
    static struct query_client client;
    bed_new(&bed, "query_log", 2000);
    client_open(&client, &bed, &(struct stele_query_config){0});
    for (size_t i = 0; i < 3; i++) {
        stele_log_vkey(stele_store_log_at(bed.f.store, i), &vkeys[i]);
    }
    *state = &client;
    return 0;
}

static int tear_down(void **state) {
    struct query_client *client = *state;
    client_close(client);
    bed_done(client->bed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__entries_make_the_signed_root_and_proofs_lead_to_it),
        cmocka_unit_test(test_log__entries_come_in_any_range),
        cmocka_unit_test(test_log__a_replay_holds),
        cmocka_unit_test(test_log__tiles_hold_the_leaf_hashes),
        cmocka_unit_test(test_log__the_list_has_every_log_with_its_key),
        cmocka_unit_test(test_log__is_sealed_and_says_so),
        cmocka_unit_test(test_log__only_writers_of_all_tenants_seal_and_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
