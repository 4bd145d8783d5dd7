/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_cloudtrail.c: any bytes as a file of CloudTrail records. Whatever becomes an
 * event passes the schema, belongs to the target, and is the same the second time; the reading
 * always ends.
 */
#include "ingest/import_cloudtrail.h"
#include "proto/event.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct stele_cloudtrail_target target = {"eu-central-1", "acme"};
    struct stele_cloudtrail *ct[2] = {NULL, NULL};
    stele_buf payload[2] = {STELE_BUF_EMPTY, STELE_BUF_EMPTY};
    stele_status st = STELE_OK;
    for (size_t i = 0; i < 2; i++) {
        fuzz_require(stele_cloudtrail_open_bytes(stele_view_of(data, size), &target, &ct[i],
                                                 NULL) == STELE_OK);
    }
    for (uint64_t n = 1; st != STELE_END && st != STELE_CORRUPT; n++) {
        stele_err err = {0};
        fuzz_require(n <= size + 1); /* every record takes a byte at least */
        st = stele_cloudtrail_next(ct[0], &payload[0], &err);
        fuzz_require(stele_cloudtrail_next(ct[1], &payload[1], NULL) == st);
        if (st == STELE_OK) {
            struct stele_event_head head;
            fuzz_require(stele_event_check(stele_view_buf(&payload[0]), &head, NULL) == STELE_OK);
            fuzz_require(stele_view_is(head.tenant, "acme"));
            fuzz_require(stele_view_is(head.region, "eu-central-1"));
            fuzz_require(stele_view_is(head.source_adapter, "cloudtrail"));
            fuzz_require(
                stele_view_equal(stele_view_buf(&payload[0]), stele_view_buf(&payload[1])));
            fuzz_require(stele_cloudtrail_record(ct[0]) == n);
        } else {
            fuzz_require(st == STELE_END || err.text[0] != '\0');
            fuzz_require(st == STELE_END || st == STELE_INVALID || st == STELE_LIMIT ||
                         st == STELE_CORRUPT);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        stele_cloudtrail_close(ct[i]);
        stele_buf_done(&payload[i]);
    }
    return 0;
}
