/* SPDX-License-Identifier: Apache-2.0 */
/* An audit's progress that reads has one form, and an auditor takes it or refuses it. The digest is
 * made right: what a forger of it gets to is what is tried. */
#include "storage/audit.h"
#include "storage/audit_log.h"
#include "storage/audit_progress.h"
#include "tests/fuzz/fuzz.h"

static void take(stele_view bytes) {
    struct stele_audit_progress progress;
    struct stele_auditor *auditor = NULL;
    struct stele_audit_report report = {.verdict = STELE_AUDIT_HOLDS};
    stele_buf again = STELE_BUF_EMPTY;
    if (stele_audit_progress_read(bytes, &progress, NULL) == STELE_OK) {
        fuzz_require(stele_audit_progress_write(&progress, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), bytes));
        fuzz_require(stele_auditor_new(NULL, STELE_AUDIT_BLOCK_SHIFT, &auditor, NULL) == STELE_OK);
        if (stele_auditor_restore(auditor, progress.head, progress.ranges, NULL) == STELE_OK) {
            fuzz_require(stele_auditor_size(auditor) == progress.size_leaves);
        }
        stele_status st = stele_audit__read_report(progress.report, &report, NULL);
        fuzz_require(st == STELE_OK || st == STELE_INVALID);
    }
    stele_audit_report_done(&report);
    stele_auditor_free(auditor);
    stele_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t digest[STELE_HASH_BYTES];
    stele_view body = stele_view_of(data, size);
    stele_sha256_of(body, digest);
    if (stele_buf_append(&bytes, body, NULL) == STELE_OK &&
        stele_buf_append(&bytes, stele_view_of(digest, sizeof digest), NULL) == STELE_OK) {
        take(stele_view_buf(&bytes));
    }
    stele_buf_done(&bytes);
    return 0;
}
