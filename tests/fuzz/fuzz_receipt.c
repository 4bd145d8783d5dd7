/* SPDX-License-Identifier: Apache-2.0 */
/* A receipt that decodes has one text, and judging it ends in a verdict. */
#include "storage/receipt.h"
#include "tests/fuzz/golden_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view text = stele_view_of(data, size);
    stele_buf scratch = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    struct stele_receipt receipt;
    if (stele_receipt_decode(text, &scratch, &receipt, NULL) == STELE_OK) {
        fuzz_require(stele_receipt_encode(&receipt, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), text));
        struct stele_receipt_report report;
        stele_err err;
        stele_status st = stele_receipt_verify(&receipt, stele_view_of(NULL, 0), golden_keys(),
                                               GOLDEN_KEYS, &report, &err);
        fuzz_require(st == STELE_OK || st == STELE_INVALID || st == STELE_UNVERIFIED);
        fuzz_require(st != STELE_OK || report.entry.seq == receipt.index);
    }
    stele_buf_done(&scratch);
    stele_buf_done(&again);
    return 0;
}
