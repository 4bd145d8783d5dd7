/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_resume.h: stops and goes on with an audit. Layer: storage, private to audit_run.c.
 * What is written between two calls of _suspend is lost with the process; what _suspend wrote is
 * not.
 */
#ifndef STELE_STORAGE_AUDIT_RESUME_H
#define STELE_STORAGE_AUDIT_RESUME_H

#include "storage/audit_run.h"

/* All borrowed. */
struct stele_audit_resume {
    struct stele_audit_work *work;
    unsigned block_shift;
    const struct stele_audit_source *source;
    struct stele_auditor *auditor; /* _resume: a new one */
    bool *ret_root_differs; /* by _resume: the checkpoint is not of the entries replayed before */
};
/* Nothing happens where there is no progress. Appends the report of then. Errors: INVALID (the
 * folder is of something else, or damaged), UNVERIFIED (the log is another one than then), IO. */
STELE_MUST_USE stele_status stele_audit_resume(const struct stele_audit_resume *with,
                                               stele_buf *report, stele_err *err);
/* Where stele_auditor_at_block. Errors: those of the folder. */
STELE_MUST_USE stele_status stele_audit_suspend(const struct stele_audit_resume *with,
                                                stele_view report, stele_err *err);

#endif
