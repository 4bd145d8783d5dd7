/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split views: a log that shows two histories is stopped by witnesses, or by what a verifier
 * remembers from one run to the next.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/complete_one.h"

#define WITNESSES 2

static struct stele_signer *signer[WITNESSES];
static struct stele_witness witness[WITNESSES];
static const char *const names[WITNESSES] = {"witness.example/a", "witness.example/b"};

static int setup(void **state) {
    (void)state;
    for (uint8_t i = 0; i < WITNESSES; i++) {
        uint8_t seed[32];
        uint8_t public_key[STELE_ED25519_PUBLIC_BYTES];
        memset(seed, 100 + i, sizeof seed);
        assert_ok(stele_signer_sodium_of_seed(seed, &signer[i], NULL));
        signer[i]->ops->public_key(signer[i], public_key);
        assert_ok(stele_witness_of(names[i], public_key, &witness[i], NULL));
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (size_t i = 0; i < WITNESSES; i++) {
        stele_signer_free(signer[i]);
    }
    return 0;
}

/* ------------------------------------------------------------------ witnesses */

static size_t n_signing;       /* witnesses that sign */
static uint64_t signed_time_s; /* when they say they saw it */

static void cosign(struct plan *plan) {
    for (size_t i = 0; i < n_signing; i++) {
        stele_buf line = STELE_BUF_EMPTY;
        stele_buf *note = &plan->log[0].note;
        assert_ok(stele_witness_cosign(stele_view_buf(note), names[i], signed_time_s, signer[i],
                                       &line, NULL));
        assert_ok(stele_buf_append(note, stele_view_buf(&line), NULL));
        stele_buf_done(&line);
    }
}

/* The lines of another note of the log. */
static void cosign_another(struct plan *plan) {
    stele_buf other = STELE_BUF_EMPTY;
    stele_buf line = STELE_BUF_EMPTY;
    struct cm_log *fork = cm_log_new("stele.example/eu-1/1y", 5, 1, CM_START_US);
    cm_sign(fork, &other);
    assert_ok(stele_witness_cosign(stele_view_buf(&other), names[0], signed_time_s, signer[0],
                                   &line, NULL));
    assert_ok(stele_buf_append(&plan->log[0].note, stele_view_buf(&line), NULL));
    cm_log_free(fork);
    stele_buf_done(&other);
    stele_buf_done(&line);
}

static void expect(struct one *x, const char *reason) {
    stele_err err = {.text = ""};
    stele_status st = one_judge(x, &err);
    if (reason == NULL ? st != STELE_OK : st != STELE_UNVERIFIED) {
        fail_msg("%s (%s)", stele_status_name(st), err.text);
    }
    if (reason != NULL && strstr(err.text, reason) == NULL) {
        fail_msg("refused, but for: %s", err.text);
    }
}

static void test_witness__a_quorum_is_required(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 60);
    signed_time_s = one_now_us(&x) / 1000000 + 1;
    x.bed.witnesses = witness;
    x.bed.n_witnesses = WITNESSES;
    x.bed.quorum = 2;
    expect(&x, "bears the cosignatures of 0 of your witnesses, 2 are needed");
    x.change = cosign;
    n_signing = 1;
    expect(&x, "bears the cosignatures of 1 of your witnesses, 2 are needed");
    n_signing = 2;
    expect(&x, NULL);
    assert_int_equal(x.bed.report.complete.quorum, 2);
    x.bed.quorum = 1;
    n_signing = 1;
    expect(&x, NULL);
    x.change = cosign_another;
    expect(&x, "the cosignature of witness 'witness.example/a' does not hold");
    one_end(&x);
}

/* One witness that signs twice is one witness. */
static void cosign_twice(struct plan *plan) {
    cosign(plan);
    signed_time_s++;
    cosign(plan);
}

static void test_witness__signing_twice_counts_once(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 60);
    signed_time_s = one_now_us(&x) / 1000000 + 1;
    x.bed.witnesses = witness;
    x.bed.n_witnesses = WITNESSES;
    x.bed.quorum = 2;
    x.change = cosign_twice;
    n_signing = 1;
    expect(&x, "bears the cosignatures of 1 of your witnesses, 2 are needed");
    one_end(&x);
}

static void test_witness__an_index_is_not_newer_than_they_saw(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 60);
    uint64_t index_us = x.log->entry[cm_index_newest(x.log)->seq]->entry.time_us;
    x.bed.witnesses = witness;
    x.bed.n_witnesses = WITNESSES;
    x.bed.quorum = 1;
    x.change = cosign;
    n_signing = 1;
    signed_time_s = index_us / 1000000 - 301;
    expect(&x, "over 300 s newer than the newest time that a witness saw");
    signed_time_s = index_us / 1000000 - 299;
    expect(&x, NULL);
    signed_time_s = UINT64_MAX;
    expect(&x, NULL);
    one_end(&x);
}

static void test_witness__keys_have_one_text(void **state) {
    (void)state;
    stele_buf text = STELE_BUF_EMPTY;
    struct stele_witness read;
    struct stele_vkey log_key;
    assert_ok(stele_witness_print(&witness[0], &text, NULL));
    assert_ok(stele_witness_parse(stele_view_buf(&text), &read, NULL));
    assert_memory_equal(&read, &witness[0], sizeof read);
    assert_status(stele_vkey_parse(stele_view_buf(&text), &log_key, NULL), INVALID);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        assert_status(stele_witness_parse(stele_view_buf(&text), &read, NULL), INVALID);
        text.data[i] ^= 1;
        assert_status(stele_witness_parse(stele_view_of(text.data, i), &read, NULL), INVALID);
    }
    stele_buf_clear(&text);
    assert_ok(stele_vkey_of(names[0], witness[0].public_key, &log_key, NULL));
    assert_ok(stele_vkey_print(&log_key, &text, NULL));
    assert_status(stele_witness_parse(stele_view_buf(&text), &read, NULL), INVALID);
    stele_buf_done(&text);
}

/* ------------------------------------------------------------------ memory */

static uint64_t old_leaves; /* of the consistency proof */

static void set_old(struct plan *plan) {
    plan->log[0].old_leaves = old_leaves;
}

static void grow(struct one *x) {
    (void)one_add(x, "u-1", "acme", false, CM_HONEST);
    (void)cm_index(x->log, one_now_us(x) + 1, x->log->n, 64);
}

static void test_state__growth_needs_a_proof_to_be_remembered(void **state) {
    (void)state;
    static struct one x;
    one_begin(&x, 60);
    assert_ok(stele_verify_state_new(&x.bed.state, NULL));
    expect(&x, NULL);
    uint64_t first_leaves = x.log->n;
    const struct stele_checkpoint *head = stele_verify_state_head(x.bed.state, x.log->origin);
    assert_non_null(head);
    assert_int_equal(head->size_leaves, first_leaves);
    expect(&x, NULL);
    assert_int_equal(x.bed.report.complete.n_unconnected, 0);
    grow(&x);
    expect(&x, NULL);
    assert_true(x.bed.report.complete.remembered && x.bed.report.complete.n_unconnected == 1);
    head = stele_verify_state_head(x.bed.state, x.log->origin);
    assert_int_equal(head->size_leaves, first_leaves);
    x.change = set_old;
    old_leaves = first_leaves;
    expect(&x, NULL);
    assert_int_equal(x.bed.report.complete.n_unconnected, 0);
    head = stele_verify_state_head(x.bed.state, x.log->origin);
    assert_int_equal(head->size_leaves, x.log->n);
    stele_verify_state_free(x.bed.state);
    one_end(&x);
}

/* Two logs under one key: the second one is refused wherever it contradicts the first. */
static void test_state__another_history_is_refused(void **state) {
    (void)state;
    static struct one x;
    static struct one y;
    one_begin(&x, 60);
    one_begin(&y, 60);
    (void)one_add(&x, "u-1", "acme", false, CM_HONEST);
    (void)one_add(&y, "u-1", "acme", true, CM_HONEST);
    (void)cm_index(x.log, one_now_us(&x), x.log->n, 64);
    (void)cm_index(y.log, one_now_us(&y), y.log->n, 64);
    assert_ok(stele_verify_state_new(&x.bed.state, NULL));
    expect(&x, NULL);
    y.bed.state = x.bed.state;
    expect(&y, "have another root than your state file knows");
    grow(&y);
    y.change = set_old;
    old_leaves = x.log->n;
    expect(&y, "did not grow out of");
    grow(&x);
    x.change = set_old;
    expect(&x, NULL);
    stele_verify_state_free(x.bed.state);
    one_end(&x);
    one_end(&y);
}

static void test_state__an_older_log_is_refused(void **state) {
    (void)state;
    static struct one x;
    static struct one y;
    one_begin(&x, 60);
    one_begin(&y, 60);
    grow(&x);
    assert_ok(stele_verify_state_new(&x.bed.state, NULL));
    expect(&x, NULL);
    y.bed.state = x.bed.state;
    expect(&y, "ask for an answer over a newer checkpoint");
    stele_verify_state_free(x.bed.state);
    one_end(&x);
    one_end(&y);
}

static void test_state__another_tag_key_is_refused(void **state) {
    (void)state;
    static struct one x;
    uint8_t commit[STELE_HASH_BYTES] = {1};
    one_begin(&x, 60);
    assert_ok(stele_verify_state_new(&x.bed.state, NULL));
    assert_ok(stele_verify_state_put_epoch(x.bed.state, x.log->origin,
                                           stele_entry_month(CM_START_US) * 100, commit, NULL));
    expect(&x, "has another tag key than your state file knows");
    /* What is refused leaves nothing behind. */
    assert_null(stele_verify_state_head(x.bed.state, x.log->origin));
    stele_verify_state_free(x.bed.state);
    one_end(&x);
}

static void test_state__reads_back_and_refuses_the_rest(void **state) {
    (void)state;
    static struct one x;
    struct stele_verify_state *read = NULL;
    stele_buf text = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    one_begin(&x, 60);
    assert_ok(stele_verify_state_new(&x.bed.state, NULL));
    expect(&x, NULL);
    assert_ok(stele_verify_state_encode(x.bed.state, &text, NULL));
    assert_ok(stele_verify_state_new(&read, NULL));
    assert_ok(stele_verify_state_decode(stele_view_buf(&text), read, NULL));
    assert_ok(stele_verify_state_encode(read, &again, NULL));
    assert_true(stele_view_equal(stele_view_buf(&text), stele_view_buf(&again)));
    stele_verify_state_free(read);
    static const char era_too_large[] =
        "stele/verifier-state@v1\nepoch a 99999999999 "
        "0000000000000000000000000000000000000000000000000000000000000000\n";
    const char *const bad[] = {"",
                               "stele/verifier-state@v2\n",
                               "stele/verifier-state@v1\nlog a 1\n",
                               "stele/verifier-state@v1\nlog a 1 AAAA\n",
                               "stele/verifier-state@v1\nepoch a 1 00\n",
                               "stele/verifier-state@v1\nother a\n",
                               "stele/verifier-state@v1\nlog",
                               era_too_large,
                               "stele/verifier-state@v1\n\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_ok(stele_verify_state_new(&read, NULL));
        assert_status(stele_verify_state_decode(stele_view_str(bad[i]), read, NULL), INVALID);
        stele_verify_state_free(read);
    }
    stele_buf_done(&text);
    stele_buf_done(&again);
    stele_verify_state_free(x.bed.state);
    one_end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness__a_quorum_is_required),
        cmocka_unit_test(test_witness__signing_twice_counts_once),
        cmocka_unit_test(test_witness__an_index_is_not_newer_than_they_saw),
        cmocka_unit_test(test_witness__keys_have_one_text),
        cmocka_unit_test(test_state__growth_needs_a_proof_to_be_remembered),
        cmocka_unit_test(test_state__another_history_is_refused),
        cmocka_unit_test(test_state__an_older_log_is_refused),
        cmocka_unit_test(test_state__another_tag_key_is_refused),
        cmocka_unit_test(test_state__reads_back_and_refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
