/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_run_parts.h: an audit under way, for audit_run.c, which replays all of a log, and
 * audit_sample.c, which replays parts of it. Layer: storage, private to these.
 */
#ifndef STELE_STORAGE_AUDIT_RUN_PARTS_H
#define STELE_STORAGE_AUDIT_RUN_PARTS_H

#include "storage/audit_resume.h"

struct stele_audit__run {
    const struct stele_audit_source *source;
    const struct stele_audit_options *options;
    struct stele_audit_report *report;
    struct stele_audit_work *work;
    struct stele_auditor *auditor;
    struct stele_audit_resume resume;
    uint64_t save_due_us;
    bool root_differed; /* already when it went on */
    struct stele_checkpoint against;
    uint8_t last[UINT8_MAX]; /* the newest entry that holds */
    size_t last_bytes;
    uint64_t told; /* entries, when progress was told last */
};

/* An empty folder, or the one of the options, and an auditor in it. */
STELE_MUST_USE stele_status stele_audit__open(struct stele_audit__run *run, const char *folder,
                                              stele_err *err);
void stele_audit__close(struct stele_audit__run *run);
/* Some of the entries that come next, none from `end` on. ret_go_on: false after one that ends the
 * replay. Errors: also CLOSED, when it is to stop. */
STELE_MUST_USE stele_status stele_audit__take(struct stele_audit__run *run, uint64_t end,
                                              bool *ret_go_on, stele_err *err);
void stele_audit__progress(struct stele_audit__run *run, uint64_t done, uint64_t total);
/* The log's first entry that is wrong goes into the report. */
void stele_audit__say(struct stele_audit__run *run, stele_audit_verdict verdict, uint64_t at,
                      const char *why);
/* Proves what is wrong in this INDEX, which the auditor took last, unless there is a proof. */
STELE_MUST_USE stele_status stele_audit__blame_index(struct stele_audit__run *run,
                                                     const struct stele_entry *index,
                                                     stele_err *err);
/* The other checkpoint, by the log's own key; of the same size it needs no replay. */
STELE_MUST_USE stele_status stele_audit__open_against(struct stele_audit__run *run, stele_err *err);

/* ------------------------------------------------------------------ audit_sample.c */
/* stele_audit_run with options->sample above 0. */
STELE_MUST_USE stele_status stele_audit__sample(struct stele_audit__run *run, stele_err *err);

#endif
