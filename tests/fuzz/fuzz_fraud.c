/* SPDX-License-Identifier: Apache-2.0 */
/* A fraud proof that decodes has one form, and judging it ends in a verdict. */

#include "storage/fraud.h"
#include "tests/fuzz/fuzz.h"

/* Of the model log that signed the corpus (tests/support/fraud_case.c). */
static const struct stele_vkey *key(void) {
    static const char text[] =
        "stele.example/eu-1/1y+f3082e7c+AW56HN0psLeP0Tr0xVmP7/TvKpcWbjym8uT7/M2AUFvx";
    static struct stele_vkey parsed;
    if (parsed.name[0] == '\0') {
        fuzz_require(stele_vkey_parse(stele_view_str(text), &parsed, NULL) == STELE_OK);
    }
    return &parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct stele_fraud fraud;
    stele_view file = stele_view_of(data, size);
    stele_buf again = STELE_BUF_EMPTY;
    if (stele_fraud_decode(file, &fraud, NULL) == STELE_OK) {
        struct stele_fraud_report report;
        fuzz_require(stele_fraud_is(file));
        stele_status st = stele_fraud_encode(&fraud, &again, NULL);
        fuzz_require(st != STELE_OK || stele_view_equal(stele_view_buf(&again), file));
        st = stele_fraud_verify(&fraud, key(), 1, &report, NULL);
        fuzz_require(st == STELE_OK || st == STELE_INVALID || st == STELE_UNVERIFIED);
        fuzz_require(st != STELE_OK || (report.kind == fraud.kind && report.text[0] != '\0'));
    }
    stele_buf_done(&again);
    return 0;
}
