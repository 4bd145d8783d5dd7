/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a complete answer, whole and in pieces, through the verifier: the same verdict, in
 * bounded memory. Then the same with a digest at the end that holds. The corpus's checkpoints are
 * signed with the golden keys, so that what stands behind them is reached.
 */
#include <string.h>

#include "proto/verify.h"
#include "tests/fuzz/golden_keys.h"

static stele_status verify(stele_view file, size_t piece) {
    struct stele_verifier *v = NULL;
    static struct stele_verify_report report;
    stele_status st = STELE_OK;
    STELE_TRY(stele_verifier_new(golden_keys(), GOLDEN_KEYS, NULL, NULL, &v, NULL));
    for (size_t at = 0; at < file.size; at += piece) {
        size_t size = piece < file.size - at ? piece : file.size - at;
        STELE_TRY(stele_verifier_feed(v, stele_view_slice(file, at, size), NULL));
    }
    STELE_TRY(stele_verifier_end(v, &report, NULL));
    fuzz_require(report.n_logs <= STELE_ANSWER_LOGS_MAX);
    fuzz_require(report.kind != STELE_PROOF_COMPLETE ||
                 report.complete.proof.n_logs == report.n_logs);
    stele_verify_report_done(&report);
cleanup:
    stele_verifier_free(v);
    return st;
}

static void judge(stele_view file) {
    stele_status whole = verify(file, file.size + 1);
    fuzz_require(whole == STELE_OK || whole == STELE_INVALID || whole == STELE_UNVERIFIED ||
                 whole == STELE_LIMIT);
    fuzz_require(verify(file, 1 + file.size % 61) == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    judge(stele_view_of(data, size));
    if (size > STELE_HASH_BYTES) {
        uint8_t *forged = stele_alloc(size, 1);
        fuzz_require(forged != NULL);
        memcpy(forged, data, size);
        stele_sha256_of(stele_view_of(data, size - STELE_HASH_BYTES),
                        forged + size - STELE_HASH_BYTES);
        judge(stele_view_of(forged, size));
        stele_free(forged);
    }
    return 0;
}
