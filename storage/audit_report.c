/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_report.c: what an audit found, from one run to the next. Format: FORMAT.md, "Work
 * folder of an audit". */
#include <inttypes.h>
#include <string.h>

#include "storage/audit_run.h"
#include "storage/cursor.h"

#define NONE_BYTES 24u /* samples once went on, too: their size, seed and choice stood there */

stele_status stele_audit__write_report(const struct stele_audit_report *report, stele_buf *out,
                                       stele_err *err) {
    static const uint8_t none[NONE_BYTES];
    struct stele_writer w = stele_writer_to(out);
    stele_write_view(&w, stele_view_of(none, sizeof none));
    stele_write_u8(&w, (uint8_t)report->verdict);
    stele_write_u8(&w, report->root_differs ? 1 : 0);
    stele_write_u64(&w, report->at);
    stele_write_u64(&w, report->events);
    stele_write_u64(&w, report->n_indexes);
    stele_write_u64(&w, report->n_checked);
    stele_write_u64(&w, report->n_wrong);
    stele_write_u64(&w, report->n_unchecked);
    stele_write_lp(&w, stele_view_str(report->why));
    stele_write_lp(&w, stele_view_str(report->no_proof));
    stele_write_u32(&w, (uint32_t)report->proof.size);
    stele_write_view(&w, stele_view_buf(&report->proof));
    return stele_writer_end(&w, err);
}

static stele_status read_text(struct stele_reader *r, char *ret, size_t ret_bytes, stele_err *err) {
    stele_view text;
    stele_status st = stele_read_lp(r, &text, err);
    if (st == STELE_OK && (text.size >= ret_bytes || memchr(text.data, 0, text.size) != NULL)) {
        return STELE_FAIL(err, INVALID, "an audit's progress with a text of %zu bytes", text.size);
    }
    if (st == STELE_OK && text.size > 0) {
        memcpy(ret, text.data, text.size);
    }
    return st;
}

stele_status stele_audit__read_report(stele_view bytes, struct stele_audit_report *ret,
                                      stele_err *err) {
    struct stele_reader r = stele_reader_of(bytes, "what an audit found");
    uint8_t verdict = 0;
    uint8_t differs = 0;
    uint32_t proof_bytes = 0;
    stele_view proof;
    stele_view none;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_view(&r, NONE_BYTES, &none, err));
    for (size_t i = 0; i < none.size; i++) {
        if (none.data[i] != 0) {
            return STELE_FAIL(err, INVALID,
                              "the audit in the work folder is a sample of an earlier version: "
                              "give another folder");
        }
    }
    STELE_TRY(stele_read_u8(&r, &verdict, err));
    STELE_TRY(stele_read_u8(&r, &differs, err));
    STELE_TRY(stele_read_u64(&r, &ret->at, err));
    STELE_TRY(stele_read_u64(&r, &ret->events, err));
    STELE_TRY(stele_read_u64(&r, &ret->n_indexes, err));
    STELE_TRY(stele_read_u64(&r, &ret->n_checked, err));
    STELE_TRY(stele_read_u64(&r, &ret->n_wrong, err));
    STELE_TRY(stele_read_u64(&r, &ret->n_unchecked, err));
    STELE_TRY(read_text(&r, ret->why, sizeof ret->why, err));
    STELE_TRY(read_text(&r, ret->no_proof, sizeof ret->no_proof, err));
    STELE_TRY(stele_read_u32(&r, &proof_bytes, err));
    STELE_TRY(stele_read_view(&r, proof_bytes, &proof, err));
    STELE_TRY(stele_reader_end(&r, err));
    if (verdict > STELE_AUDIT_UNCHECKED || differs > 1) {
        return STELE_FAIL(err, INVALID, "an audit's progress with verdict %d", verdict);
    }
    ret->verdict = (stele_audit_verdict)verdict;
    ret->root_differs = differs == 1;
    STELE_TRY(stele_buf_append(&ret->proof, proof, err));
cleanup:
    return st;
}
