/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_run.c: gives a log's entries to the auditor, and sums up what it says. */
#include "storage/audit_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/audit_resume.h"
#include "storage/monotonic.h"

#define PROGRESS_EVERY 4096u

struct audit {
    const struct stele_audit_source *source;
    const struct stele_audit_options *options;
    struct stele_audit_report *report;
    struct stele_audit_work *work;
    struct stele_auditor *auditor;
    struct stele_audit_resume resume;
    uint64_t chance; /* the state of the choice */
    uint64_t save_due_us;
    bool root_differed; /* already when it went on */
    struct stele_checkpoint against;
    uint8_t last[UINT8_MAX]; /* the newest entry that holds */
    size_t last_bytes;
};

/* splitmix64: whoever repeats an audit with its seed repeats its choice. */
static uint64_t draw(struct audit *a) {
    uint64_t z = (a->chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The k-th one is taken with a chance of sample / k: so at any end each was as likely as another to
 * be among `sample` of them. */
static bool is_chosen(struct audit *a) {
    uint64_t k = ++a->report->n_indexes;
    return a->options->sample == 0 || k <= a->options->sample || draw(a) % k < a->options->sample;
}

static void say(struct audit *a, stele_audit_verdict verdict, uint64_t at, const char *why) {
    struct stele_audit_report *report = a->report;
    if (report->verdict == STELE_AUDIT_HOLDS ||
        (report->verdict == STELE_AUDIT_UNCHECKED && verdict != STELE_AUDIT_UNCHECKED)) {
        report->verdict = verdict;
        report->at = at;
        (void)snprintf(report->why, sizeof report->why, "%s", why);
    }
}

/* Once there is one proof, no other is needed. */
static stele_status note_proof(struct audit *a, stele_status st, const stele_err *why,
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

static stele_status blame_entry(struct audit *a, const struct stele_audit_entry *wrong,
                                stele_err *err) {
    const struct stele_audit_wrong_entry what = {stele_auditor_size(a->auditor), wrong->entry,
                                                 stele_view_of(a->last, a->last_bytes)};
    stele_err why = {.status = STELE_OK};
    stele_status st = stele_audit__blame_entry(a->source, &what, &a->report->proof, &why);
    return note_proof(a, st, &why, err);
}

static stele_status blame(struct audit *a, const struct stele_entry *index, stele_err *err) {
    struct stele_audit_report *report = a->report;
    stele_err why = {.status = STELE_OK};
    if (report->proof.size > 0) {
        return STELE_OK;
    }
    stele_status st = a->source->prove(a->source->ctx, a->auditor, index, &report->proof, &why);
    return note_proof(a, st, &why, err);
}

static void check_root(struct audit *a) {
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

/* The other checkpoint, by the log's own key; of the same size it needs no replay. */
static stele_status open_against(struct audit *a, stele_err *err) {
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
static stele_status note_verdict(struct audit *a, stele_audit_verdict verdict, const stele_err *why,
                                 const struct stele_audit_entry *last, bool *ret_go_on,
                                 stele_err *err) {
    struct stele_audit_report *report = a->report;
    struct stele_entry index;
    stele_status st = STELE_OK;
    report->n_unchecked += verdict == STELE_AUDIT_UNCHECKED;
    report->n_wrong += verdict == STELE_AUDIT_WRONG_INDEX;
    *ret_go_on = verdict != STELE_AUDIT_WRONG_ENTRY && verdict != STELE_AUDIT_WRONG_TAGS;
    if (verdict != STELE_AUDIT_HOLDS) {
        say(a, verdict, report->entries - (*ret_go_on ? 1 : 0), why->text);
    }
    if (verdict == STELE_AUDIT_WRONG_ENTRY && report->proof.size == 0) {
        STELE_TRY(blame_entry(a, last, err));
    }
    if (verdict == STELE_AUDIT_WRONG_INDEX) {
        STELE_TRY(stele_entry_decode(last->entry, &index, err));
        STELE_TRY(blame(a, &index, err));
    }
cleanup:
    return st;
}

static void keep_last(struct audit *a, const struct stele_audit_entry *entry) {
    a->last_bytes = entry->entry.size <= sizeof a->last ? entry->entry.size : 0;
    if (a->last_bytes > 0) {
        memcpy(a->last, entry->entry.data, a->last_bytes);
    }
}

/* Some of the entries that come next: none beyond the checkpoint's, whose root is then compared. */
static stele_status take(struct audit *a, uint64_t seq, bool *ret_go_on, stele_err *err) {
    struct stele_audit_report *report = a->report;
    const struct stele_audit_entry *given = NULL;
    stele_audit_verdict verdict = STELE_AUDIT_HOLDS;
    stele_err why = {.status = STELE_OK};
    uint64_t signed_size = report->checkpoint.size_leaves;
    size_t n = 0;
    size_t taken = 0;
    stele_status st = STELE_OK;
    STELE_TRY(a->source->read(a->source->ctx, seq, &given, &n, err));
    if (report->has_checkpoint && seq < signed_size && signed_size - seq < n) {
        n = (size_t)(signed_size - seq);
    }
    if (a->source->size_leaves - seq < n) {
        n = (size_t)(a->source->size_leaves - seq);
    }
    if (report->has_against && seq < report->against_leaves && report->against_leaves - seq < n) {
        n = (size_t)(report->against_leaves - seq);
    }
    bool is_index = given->entry.size > 0 && given->entry.data[0] == STELE_ENTRY_INDEX;
    bool chosen = is_index && is_chosen(a);
    STELE_TRY(stele_auditor_take(a->auditor, given, n, chosen, &taken, &verdict, &why, err));
    for (size_t i = 0; i < taken; i++) {
        report->events += given[i].entry.size > 0 && given[i].entry.data[0] == STELE_ENTRY_EVENT;
    }
    report->entries = stele_auditor_size(a->auditor);
    report->n_checked += chosen && verdict != STELE_AUDIT_UNCHECKED;
    if (verdict != STELE_AUDIT_HOLDS && taken > 1) {
        keep_last(a, &given[taken - 2]); /* the one before the wrong one */
    }
    STELE_TRY(note_verdict(a, verdict, &why, &given[taken - 1], ret_go_on, err));
    keep_last(a, &given[taken - 1]);
    check_root(a);
cleanup:
    return st;
}

static stele_status save(struct audit *a, stele_err *err) {
    stele_buf report = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (!stele_auditor_at_block(a->auditor) || stele_monotonic_us() < a->save_due_us) {
        return STELE_OK;
    }
    STELE_TRY(stele_audit__write_report(a->report, a->options, a->chance, &report, err));
    STELE_TRY(stele_audit_suspend(&a->resume, stele_view_buf(&report), err));
    a->save_due_us = stele_monotonic_us() + (uint64_t)a->options->save_ms * 1000u;
cleanup:
    stele_buf_done(&report);
    return st;
}

static stele_status go_on(struct audit *a, stele_err *err) {
    stele_buf report = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit_resume(&a->resume, &report, err));
    if (report.size > 0) {
        STELE_TRY(stele_audit__read_report(stele_view_buf(&report), a->options, a->report,
                                           &a->chance, err));
        a->report->root_differs |= a->root_differed;
        a->report->went_on_at = stele_auditor_size(a->auditor);
    }
    a->report->entries = stele_auditor_size(a->auditor);
cleanup:
    stele_buf_done(&report);
    return st;
}

static stele_status check_stop(const struct audit *a, stele_err *err) {
    if (a->options->stop == NULL || !a->options->stop(a->options->ctx)) {
        return STELE_OK;
    }
    return STELE_FAIL(err, CLOSED, "interrupted after %" PRIu64 " entries of %s%s",
                      stele_auditor_size(a->auditor), a->source->log,
                      a->options->work == NULL ? "; --work DIR keeps what was done"
                                               : "; the same command goes on");
}

static stele_status replay(struct audit *a, stele_err *err) {
    uint64_t size = a->source->size_leaves;
    uint64_t every = a->options->progress_every == 0 ? PROGRESS_EVERY : a->options->progress_every;
    uint64_t told = 0;
    bool goes_on = true;
    stele_status st = STELE_OK;
    while (goes_on && stele_auditor_size(a->auditor) < size) {
        STELE_TRY(take(a, stele_auditor_size(a->auditor), &goes_on, err));
        STELE_TRY(goes_on ? save(a, err) : STELE_OK);
        STELE_TRY(check_stop(a, err));
        uint64_t done = stele_auditor_size(a->auditor);
        if (a->options->progress != NULL && (done - told >= every || done == size)) {
            a->options->progress(a->options->ctx, a->source->log, done, size);
            told = done;
        }
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

stele_status stele_audit_run(const struct stele_audit_source *source,
                             const struct stele_audit_options *options,
                             struct stele_audit_report *ret, stele_err *err) {
    struct audit a = {.source = source, .options = options, .report = ret, .chance = options->seed};
    unsigned block_shift =
        options->block_shift == 0 ? STELE_AUDIT_BLOCK_SHIFT : options->block_shift;
    stele_status st = STELE_OK;
    ret->has_checkpoint = source->has_checkpoint;
    ret->checkpoint = source->checkpoint;
    STELE_TRY(stele_audit_work_open(options->work, &a.work, err));
    STELE_TRY(stele_auditor_new(a.work, block_shift, &a.auditor, err));
    a.resume =
        (struct stele_audit_resume){a.work, block_shift, source, a.auditor, &a.root_differed};
    STELE_TRY(go_on(&a, err));
    STELE_TRY(open_against(&a, err));
    a.save_due_us = stele_monotonic_us() + (uint64_t)options->save_ms * 1000u;
    STELE_TRY(replay(&a, err));
cleanup:
    stele_auditor_free(a.auditor);
    stele_audit_work_close(a.work);
    return st;
}

void stele_audit_report_done(struct stele_audit_report *report) {
    stele_buf_done(&report->proof);
}
