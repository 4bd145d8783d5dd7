/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_log.c: gives a stored log's entries to the auditor, and sums up what it says. */
#include "storage/audit_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROGRESS_EVERY 4096u

struct audit {
    struct stele_log *log;
    const struct stele_audit_options *options;
    struct stele_audit_report *report;
    struct stele_log_view *view;
    struct stele_log_reader *reader;
    struct stele_auditor *auditor;
    stele_buf note;
    uint64_t chance; /* the state of the choice */
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
static stele_status blame(struct audit *a, const struct stele_entry *index, stele_err *err) {
    struct stele_audit_report *report = a->report;
    struct stele_audit_blame blame = {a->view, a->auditor, index, stele_view_buf(&a->note),
                                      report->checkpoint.size_leaves};
    stele_err why = {.status = STELE_OK};
    if (report->proof.size > 0) {
        return STELE_OK;
    }
    stele_status st = stele_audit__blame(&blame, &report->proof, &why);
    if (st == STELE_NO_MEMORY || st == STELE_IO) {
        *err = why;
        return st;
    }
    if (st != STELE_OK) {
        (void)snprintf(report->no_proof, sizeof report->no_proof, "%s", why.text);
    }
    return STELE_OK;
}

static void check_root(struct audit *a) {
    struct stele_audit_report *report = a->report;
    uint8_t root[STELE_HASH_BYTES];
    if (report->has_checkpoint &&
        stele_auditor_size(a->auditor) == report->checkpoint.size_leaves) {
        stele_auditor_root(a->auditor, root);
        report->root_differs = memcmp(root, report->checkpoint.root, sizeof root) != 0;
    }
}

/* ret_go_on: false after an entry that ends the replay. */
static stele_status take(struct audit *a, uint64_t seq, bool *ret_go_on, stele_err *err) {
    struct stele_audit_report *report = a->report;
    struct stele_stored_entry stored;
    const struct stele_tag_set *tags = NULL;
    stele_audit_verdict verdict = STELE_AUDIT_HOLDS;
    stele_err why = {.status = STELE_OK};
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_read(a->reader, seq, &stored, err));
    struct stele_audit_entry given = {.entry = stele_view_of(stored.bytes, stored.n_bytes)};
    bool is_index = stored.entry.type == STELE_ENTRY_INDEX;
    if (stored.entry.type == STELE_ENTRY_EVENT) {
        STELE_TRY(stele_log_read_tags(a->reader, &tags, err));
        given.tags = stele_view_of(tags->tag[0], (size_t)tags->n * STELE_TAG_BYTES);
        memcpy(given.ksalt, stored.ksalt, sizeof given.ksalt);
        report->events++;
    } else {
        given.body = stored.payload;
    }
    bool chosen = is_index && is_chosen(a);
    STELE_TRY(stele_auditor_next(a->auditor, &given, chosen, &verdict, &why, err));
    report->entries = stele_auditor_size(a->auditor);
    report->n_checked += chosen && verdict != STELE_AUDIT_UNCHECKED;
    report->n_unchecked += verdict == STELE_AUDIT_UNCHECKED;
    report->n_wrong += verdict == STELE_AUDIT_WRONG_INDEX;
    if (verdict != STELE_AUDIT_HOLDS) {
        say(a, verdict, seq, why.text);
    }
    if (verdict == STELE_AUDIT_WRONG_INDEX) {
        STELE_TRY(blame(a, &stored.entry, err));
    }
    *ret_go_on = verdict != STELE_AUDIT_WRONG_ENTRY && verdict != STELE_AUDIT_WRONG_TAGS;
    check_root(a);
cleanup:
    return st;
}

static stele_status replay(struct audit *a, stele_err *err) {
    uint64_t size = stele_log_view_size(a->view);
    bool go_on = true;
    stele_status st = STELE_OK;
    for (uint64_t seq = 0; seq < size && go_on; seq++) {
        STELE_TRY(take(a, seq, &go_on, err));
        if (a->options->progress != NULL && (seq % PROGRESS_EVERY == 0 || seq + 1 == size)) {
            a->options->progress(a->options->ctx, stele_log_full_name(a->log), seq + 1, size);
        }
    }
    if (go_on && a->report->has_checkpoint && size < a->report->checkpoint.size_leaves) {
        a->report->root_differs = true;
    }
cleanup:
    return st;
}

stele_status stele_audit_log(struct stele_log *log, const struct stele_audit_options *options,
                             struct stele_audit_report *ret, stele_err *err) {
    struct audit a = {.log = log, .options = options, .report = ret, .chance = options->seed};
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_checkpoint(log, 0, &a.note, &ret->checkpoint, err));
    ret->has_checkpoint = a.note.size > 0;
    STELE_TRY(stele_log_view_open(log, &a.view, err));
    STELE_TRY(stele_log_reader_new(a.view, &a.reader, err));
    STELE_TRY(stele_auditor_new(&a.auditor, err));
    STELE_TRY(replay(&a, err));
cleanup:
    stele_auditor_free(a.auditor);
    stele_log_reader_free(a.reader);
    stele_log_view_close(a.view);
    stele_buf_done(&a.note);
    return st;
}

void stele_audit_report_done(struct stele_audit_report *report) {
    stele_buf_done(&report->proof);
}
