/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_resume.c: an audit goes on where an earlier one was stopped: with the log whose
 * beginning that one replayed, and with no other.
 */
#include "storage/audit_resume.h"

#include <inttypes.h>

#include "storage/audit_progress.h"

/* It is of this log, and the log has the entries that were replayed. */
static stele_status check_log(const struct stele_audit_resume *with,
                              const struct stele_audit_progress *progress, stele_err *err) {
    const struct stele_audit_source *source = with->source;
    if (!stele_view_is(progress->origin, source->origin)) {
        return STELE_FAIL(err, INVALID,
                          "the work folder is of an audit of '%.*s', and this is '%s': give each "
                          "log a folder of its own",
                          (int)(progress->origin.size < 100 ? progress->origin.size : 100),
                          (const char *)progress->origin.data, source->origin);
    }
    if (progress->block_shift != with->block_shift) {
        return STELE_FAIL(err, INVALID, "the work folder has blocks of 2^%u entries, not of 2^%u",
                          progress->block_shift, with->block_shift);
    }
    if (progress->size_leaves > source->size_leaves) {
        return STELE_FAIL(err, UNVERIFIED,
                          "%s has %" PRIu64 " entries, and %" PRIu64
                          " were replayed before: it is an older copy, or was cut back",
                          source->origin, source->size_leaves, progress->size_leaves);
    }
    return source->check(source->ctx, progress->size_leaves, progress->root, with->ret_root_differs,
                         err);
}

stele_status stele_audit_resume(const struct stele_audit_resume *with, stele_buf *report,
                                stele_err *err) {
    struct stele_audit_progress progress;
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = stele_audit_work_progress(with->work, &bytes, err);
    if (st != STELE_OK) {
        stele_buf_done(&bytes);
        return st == STELE_NOT_FOUND ? STELE_OK : st;
    }
    STELE_TRY(stele_audit_progress_read(stele_view_buf(&bytes), &progress, err));
    STELE_TRY(check_log(with, &progress, err));
    STELE_TRY(stele_buf_append(report, progress.report, err));
    STELE_TRY(stele_auditor_restore(with->auditor, progress.head, progress.ranges, err));
cleanup:
    stele_buf_done(&bytes);
    return st;
}

stele_status stele_audit_suspend(const struct stele_audit_resume *with, stele_view report,
                                 stele_err *err) {
    struct stele_audit_progress progress = {.block_shift = (uint8_t)with->block_shift,
                                            .origin = stele_view_str(with->source->origin),
                                            .size_leaves = stele_auditor_size(with->auditor),
                                            .report = report};
    stele_buf head = STELE_BUF_EMPTY;
    stele_buf ranges = STELE_BUF_EMPTY;
    stele_buf out = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_auditor_save(with->auditor, &head, &ranges, err));
    stele_auditor_root(with->auditor, progress.root);
    progress.head = stele_view_buf(&head);
    progress.ranges = stele_view_buf(&ranges);
    STELE_TRY(stele_audit_progress_write(&progress, &out, err));
    STELE_TRY(stele_audit_work_commit(with->work, stele_view_buf(&out), err));
cleanup:
    stele_buf_done(&head);
    stele_buf_done(&ranges);
    stele_buf_done(&out);
    return st;
}
