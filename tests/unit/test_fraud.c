/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_fraud.c: fraud proofs of logs that lie: each holds by that log's key, none holds
 * against an honest log, and no changed byte makes another claim of it.
 */
#include <string.h>

#include "tests/support/cmocka.h"
#include "tests/support/fraud_case.h"

static stele_status judge(stele_view file, const struct stele_vkey *key,
                          struct stele_fraud_report *ret, stele_err *err) {
    static struct stele_fraud fraud;
    stele_status st = stele_fraud_decode(file, &fraud, err);
    return st == STELE_OK ? stele_fraud_verify(&fraud, key, 1, ret, err) : st;
}

static void test_fraud__every_lie_is_proven_by_the_logs_key_alone(void **state) {
    static struct fraud_case c;
    (void)state;
    for (size_t i = 0; i < n_fraud_lies; i++) {
        struct stele_fraud_report report;
        stele_err err = {.text = ""};
        fraud_case_begin(&c, &fraud_lies[i]);
        stele_status st = judge(stele_view_buf(&c.proof), &c.x.log->key, &report, &err);
        if (st != STELE_OK || report.kind != fraud_lies[i].kind || strlen(report.text) == 0) {
            fail_msg("%s: %s (%s)", fraud_lies[i].name, stele_status_name(st), err.text);
        }
        assert_string_equal(report.checkpoint.origin, c.x.log->origin);
        fraud_case_end(&c);
    }
}

/* What is proven of the liar proves nothing of the honest log of the same name, size and key, nor
 * of another operator's. */
static void test_fraud__no_proof_holds_against_an_honest_log(void **state) {
    static struct fraud_case c;
    static struct stele_fraud fraud;
    (void)state;
    for (size_t i = 0; i < n_fraud_lies; i++) {
        struct stele_fraud_report report;
        stele_err err = {.text = ""};
        fraud_case_begin(&c, &fraud_lies[i]);
        struct cm_log *other = cm_log_new("stele.example/eu-1/1y", 6, 1, CM_START_US);
        assert_status(judge(stele_view_buf(&c.proof), &other->key, &report, &err), UNVERIFIED);
        assert_ok(stele_fraud_decode(stele_view_buf(&c.proof), &fraud, &err));
        fraud.note = stele_view_buf(&c.honest_note);
        stele_status st = stele_fraud_verify(&fraud, &c.x.log->key, 1, &report, &err);
        if (st == STELE_OK) {
            fail_msg("%s holds against the honest log", fraud_lies[i].name);
        }
        if (fraud.kind == STELE_FRAUD_FORK) {
            fraud.note = fraud.other_note;
            assert_true(stele_fraud_verify(&fraud, &c.x.log->key, 1, &report, &err) != STELE_OK);
        }
        cm_log_free(other);
        fraud_case_end(&c);
    }
}

static void test_fraud__a_changed_byte_makes_no_proof(void **state) {
    static struct fraud_case c;
    (void)state;
    for (size_t i = 0; i < n_fraud_lies; i++) {
        struct stele_fraud_report report;
        fraud_case_begin(&c, &fraud_lies[i]);
        assert_ok(judge(stele_view_buf(&c.proof), &c.x.log->key, &report, NULL));
        bool hides =
            fraud_lies[i].kind == STELE_FRAUD_OMISSION; /* each bit of a hidden part's name */
        for (size_t k = 0; k < 8 * c.proof.size; k += hides ? 1 : 9) {
            c.proof.data[k / 8] ^= (uint8_t)(1u << (k % 8));
            assert_true(judge(stele_view_buf(&c.proof), &c.x.log->key, &report, NULL) != STELE_OK);
            c.proof.data[k / 8] ^= (uint8_t)(1u << (k % 8));
        }
        for (size_t size = 0; size < c.proof.size; size += 7) {
            assert_true(judge(stele_view_of(c.proof.data, size), &c.x.log->key, &report, NULL) !=
                        STELE_OK);
        }
        fraud_case_end(&c);
    }
}

/* What the honest limits of README say: the verifier of an answer believes the index. */
static void test_fraud__a_query_believes_what_the_audit_finds(void **state) {
    static struct fraud_case c;
    (void)state;
    for (size_t i = 0; i < n_fraud_lies; i++) {
        if (fraud_lies[i].kind == STELE_FRAUD_OMISSION) {
            stele_err err = {.text = ""};
            fraud_case_begin(&c, &fraud_lies[i]);
            if (one_judge(&c.x, &err) != STELE_OK) {
                fail_msg("%s: %s", fraud_lies[i].name, err.text);
            }
            fraud_case_end(&c);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fraud__every_lie_is_proven_by_the_logs_key_alone),
        cmocka_unit_test(test_fraud__no_proof_holds_against_an_honest_log),
        cmocka_unit_test(test_fraud__a_changed_byte_makes_no_proof),
        cmocka_unit_test(test_fraud__a_query_believes_what_the_audit_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
