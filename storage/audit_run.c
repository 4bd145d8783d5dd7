/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_run.c: gives a log's entries to the auditor, and sums up what it says. */
#include "storage/audit_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/audit_run_parts.h"
#include "storage/monotonic.h"

#define PROGRESS_EVERY 4096u

void stele_audit__say(struct stele_audit__run *a, stele_audit_verdict verdict, uint64_t at,
                      const char *why) {
    struct stele_audit_report *report = a->report;
    if (report->verdict == STELE_AUDIT_HOLDS ||
        (report->verdict == STELE_AUDIT_UNCHECKED && verdict != STELE_AUDIT_UNCHECKED)) {
        report->verdict = verdict;
        report->at = at;
        (void)snprintf(report->why, sizeof report->why, "%s", why);
    }
}

/* Once there is one proof, no other is needed. */
static stele_status note_proof(struct stele_audit__run *a, stele_status st, const stele_err *why,
                               stele_err *err) {
    if (st == STELE_NO_MEMORY || st == STELE_IO) {
        *err = *why;
        return st;
    }
    if (st != STELE_OK) {
        (void)snprintf(a->report->no_proof, sizeof a->report->no_proof, "%s", why->text);
    }
    return STELE_OK;
}

static stele_status blame_entry(struct stele_audit__run *a, const struct stele_audit_entry *wrong,
                                stele_err *err) {
    const struct stele_audit_wrong_entry what = {stele_auditor_size(a->auditor), wrong->entry,
                                                 stele_view_of(a->last, a->last_bytes)};
    stele_err why = {.status = STELE_OK};
    stele_status st = stele_audit__blame_entry(a->source, &what, &a->report->proof, &why);
    return note_proof(a, st, &why, err);
}

stele_status stele_audit__blame_index(struct stele_audit__run *a, const struct stele_entry *index,
                                      stele_err *err) {
    struct stele_audit_report *report = a->report;
    stele_err why = {.status = STELE_OK};
    if (report->proof.size > 0) {
        return STELE_OK;
    }
    stele_status st = a->source->prove(a->source->ctx, a->auditor, index, &report->proof, &why);
    return note_proof(a, st, &why, err);
}

static void check_root(struct stele_audit__run *a) {
    struct stele_audit_report *report = a->report;
    uint8_t root[STELE_HASH_BYTES];
    if (report->has_checkpoint &&
        stele_auditor_size(a->auditor) == report->checkpoint.size_leaves) {
        stele_auditor_root(a->auditor, root);
        report->root_differs = memcmp(root, report->checkpoint.root, sizeof root) != 0;
    }
    if (report->has_against && stele_auditor_size(a->auditor) == report->against_leaves) {
        stele_auditor_root(a->auditor, root);
        report->against_compared = true;
        report->against_differs = memcmp(root, a->against.root, sizeof root) != 0;
    }
}

stele_status stele_audit__open_against(struct stele_audit__run *a, stele_err *err) {
    const struct stele_audit_source *source = a->source;
    struct stele_audit_report *report = a->report;
    stele_err why = {.status = STELE_OK};
    stele_status st = STELE_OK;
    if (a->options->against.size == 0) {
        return STELE_OK;
    }
    STELE_TRY(
        stele_checkpoint_open(a->options->against, source->keys, source->n_keys, &a->against, err));
    if (strcmp(a->against.origin, source->origin) != 0) {
        return STELE_FAIL(err, INVALID,
                          "the checkpoint to compare with is of '%.100s', not of '%.100s'",
                          a->against.origin, source->origin);
    }
    report->has_against = true;
    report->against_leaves = a->against.size_leaves;
    if (source->has_checkpoint && a->against.size_leaves == source->checkpoint.size_leaves &&
        memcmp(a->against.root, source->checkpoint.root, STELE_HASH_BYTES) != 0) {
        report->against_compared = report->against_differs = true;
        st = stele_audit__blame_fork(source, a->options->against, &report->proof, &why);
        st = note_proof(a, st, &why, err);
    }
cleanup:
    return st;
}

/* What the auditor said of the entries before `end`. ret_go_on: false after one that ends the
 * replay. */
static stele_status note_verdict(struct stele_audit__run *a, stele_audit_verdict verdict,
                                 const stele_err *why, const struct stele_audit_entry *last,
                                 bool *ret_go_on, stele_err *err) {
    struct stele_audit_report *report = a->report;
    struct stele_entry index;
    stele_status st = STELE_OK;
    report->n_unchecked += verdict == STELE_AUDIT_UNCHECKED;
    report->n_wrong += verdict == STELE_AUDIT_WRONG_INDEX;
    *ret_go_on = verdict != STELE_AUDIT_WRONG_ENTRY && verdict != STELE_AUDIT_WRONG_TAGS;
    bool passed = verdict == STELE_AUDIT_UNCHECKED && a->options->sample > 0;
    if (verdict != STELE_AUDIT_HOLDS && !passed) {
        stele_audit__say(a, verdict, stele_auditor_size(a->auditor) - (*ret_go_on ? 1 : 0),
                         why->text);
    }
    if (verdict == STELE_AUDIT_WRONG_ENTRY && report->proof.size == 0) {
        STELE_TRY(blame_entry(a, last, err));
    }
    if (verdict == STELE_AUDIT_WRONG_INDEX) {
        STELE_TRY(stele_entry_decode(last->entry, &index, err));
        STELE_TRY(stele_audit__blame_index(a, &index, err));
    }
cleanup:
    return st;
}

static void keep_last(struct stele_audit__run *a, const struct stele_audit_entry *entry) {
    a->last_bytes = entry->entry.size <= sizeof a->last ? entry->entry.size : 0;
    if (a->last_bytes > 0) {
        memcpy(a->last, entry->entry.data, a->last_bytes);
    }
}

/* Not beyond `end`, nor beyond the checkpoint's entries, or the other's: its root is compared
 * there.
 */
static size_t most(const struct stele_audit__run *a, uint64_t seq, uint64_t end, size_t n) {
    const struct stele_audit_report *report = a->report;
    const uint64_t stops[] = {end, report->has_checkpoint ? report->checkpoint.size_leaves : 0,
                              report->has_against ? report->against_leaves : 0};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        n = stops[i] > seq && stops[i] - seq < n ? (size_t)(stops[i] - seq) : n;
    }
    return n;
}

static stele_status check_stop(const struct stele_audit__run *a, stele_err *err) {
    if (a->options->stop == NULL || !a->options->stop(a->options->ctx)) {
        return STELE_OK;
    }
    return STELE_FAIL(err, CLOSED, "interrupted after %" PRIu64 " entries of %s%s",
                      a->report->entries, a->source->log,
                      a->options->sample > 0     ? ""
                      : a->options->work == NULL ? "; --work DIR keeps what was done"
                                                 : "; the same command goes on");
}

stele_status stele_audit__take(struct stele_audit__run *a, uint64_t end, bool *ret_go_on,
                               stele_err *err) {
    struct stele_audit_report *report = a->report;
    const struct stele_audit_entry *given = NULL;
    stele_audit_verdict verdict = STELE_AUDIT_HOLDS;
    stele_err why = {.status = STELE_OK};
    uint64_t seq = stele_auditor_size(a->auditor);
    size_t n = 0;
    size_t taken = 0;
    stele_status st = STELE_OK;
    STELE_TRY(check_stop(a, err));
    STELE_TRY(a->source->read(a->source->ctx, seq, &given, &n, err));
    n = most(a, seq, end, n);
    bool is_index = given->entry.size > 0 && given->entry.data[0] == STELE_ENTRY_INDEX;
    report->n_indexes += is_index;
    STELE_TRY(stele_auditor_take(a->auditor, given, n, &taken, &verdict, &why, err));
    for (size_t i = 0; i < taken; i++) {
        report->events += given[i].entry.size > 0 && given[i].entry.data[0] == STELE_ENTRY_EVENT;
    }
    report->entries += stele_auditor_size(a->auditor) - seq;
    report->n_checked += is_index && verdict != STELE_AUDIT_UNCHECKED;
    if (verdict != STELE_AUDIT_HOLDS && taken > 1) {
        keep_last(a, &given[taken - 2]); /* the one before the wrong one */
    }
    STELE_TRY(note_verdict(a, verdict, &why, &given[taken - 1], ret_go_on, err));
    keep_last(a, &given[taken - 1]);
    check_root(a);
cleanup:
    return st;
}

static stele_status save(struct stele_audit__run *a, stele_err *err) {
    stele_buf report = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (!stele_auditor_at_block(a->auditor) || stele_monotonic_us() < a->save_due_us) {
        return STELE_OK;
    }
    STELE_TRY(stele_audit__write_report(a->report, &report, err));
    STELE_TRY(stele_audit_suspend(&a->resume, stele_view_buf(&report), err));
    a->save_due_us = stele_monotonic_us() + (uint64_t)a->options->save_ms * 1000u;
cleanup:
    stele_buf_done(&report);
    return st;
}

static stele_status go_on(struct stele_audit__run *a, stele_err *err) {
    stele_buf report = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit_resume(&a->resume, &report, err));
    if (report.size > 0) {
        STELE_TRY(stele_audit__read_report(stele_view_buf(&report), a->report, err));
        a->report->root_differs |= a->root_differed;
        a->report->went_on_at = stele_auditor_size(a->auditor);
    }
    a->report->entries = stele_auditor_size(a->auditor);
cleanup:
    stele_buf_done(&report);
    return st;
}

void stele_audit__progress(struct stele_audit__run *a, uint64_t done, uint64_t total) {
    uint64_t every = a->options->progress_every == 0 ? PROGRESS_EVERY : a->options->progress_every;
    if (a->options->progress != NULL && (done - a->told >= every || done == total)) {
        a->options->progress(a->options->ctx, a->source->log, done, total);
        a->told = done;
    }
}

static stele_status replay(struct stele_audit__run *a, stele_err *err) {
    uint64_t size = a->source->size_leaves;
    bool goes_on = true;
    stele_status st = STELE_OK;
    while (goes_on && stele_auditor_size(a->auditor) < size) {
        STELE_TRY(stele_audit__take(a, size, &goes_on, err));
        STELE_TRY(goes_on ? save(a, err) : STELE_OK);
        stele_audit__progress(a, stele_auditor_size(a->auditor), size);
    }
    if (goes_on && a->report->has_checkpoint && size < a->report->checkpoint.size_leaves) {
        a->report->root_differs = true;
    }
cleanup:
    return st;
}

stele_status stele_audit_source_sign(struct stele_audit_source *source, stele_view note,
                                     const struct stele_vkey *keys, size_t n_keys, stele_err *err) {
    stele_status st = stele_checkpoint_open(note, keys, n_keys, &source->checkpoint, err);
    if (st == STELE_OK) {
        source->has_checkpoint = true;
        source->origin = source->checkpoint.origin;
        source->size_leaves = source->checkpoint.size_leaves;
        source->keys = keys;
        source->n_keys = n_keys;
        source->note = note;
    }
    return st;
}

static unsigned block_shift(const struct stele_audit__run *a) {
    unsigned given = a->options->block_shift;
    return given == 0 ? STELE_AUDIT_BLOCK_SHIFT : given;
}

stele_status stele_audit__open(struct stele_audit__run *a, const char *folder, stele_err *err) {
    stele_status st = stele_audit_work_open(folder, &a->work, err);
    return st == STELE_OK ? stele_auditor_new(a->work, block_shift(a), &a->auditor, err) : st;
}

void stele_audit__close(struct stele_audit__run *a) {
    stele_auditor_free(a->auditor);
    stele_audit_work_close(a->work);
    a->auditor = NULL;
    a->work = NULL;
}

static stele_status replay_all(struct stele_audit__run *a, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit__open(a, a->options->work, err));
    a->resume = (struct stele_audit_resume){a->work, block_shift(a), a->source, a->auditor,
                                            &a->root_differed};
    STELE_TRY(go_on(a, err));
    STELE_TRY(stele_audit__open_against(a, err));
    a->save_due_us = stele_monotonic_us() + (uint64_t)a->options->save_ms * 1000u;
    STELE_TRY(replay(a, err));
cleanup:
    stele_audit__close(a);
    return st;
}

stele_status stele_audit_run(const struct stele_audit_source *source,
                             const struct stele_audit_options *options,
                             struct stele_audit_report *ret, stele_err *err) {
    struct stele_audit__run a = {.source = source, .options = options, .report = ret};
    ret->has_checkpoint = source->has_checkpoint;
    ret->checkpoint = source->checkpoint;
    return options->sample > 0 ? stele_audit__sample(&a, err) : replay_all(&a, err);
}

void stele_audit_report_done(struct stele_audit_report *report) {
    stele_buf_done(&report->proof);
}
