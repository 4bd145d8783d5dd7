/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_sample.c: a spot check: of the segments that the newest INDEX commits to, some are
 * made again from their entries. What is chosen is chosen after the log has signed, so that it
 * cannot be honest just there.
 *
 * Invariant: nothing is held against the log but entries that are in its signed tree, and no
 * descriptor but those that together have the manifest root of the INDEX entry.
 */
#include "storage/audit_sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/audit_run_parts.h"

struct sampling {
    struct stele_audit__run *run;
    struct stele_sample_index index;
    bool *wanted; /* of each segment; not yet made again */
    bool *made;
    uint64_t chance; /* the state of the choice */
    uint64_t total;  /* entries to replay; those of all segments wanted so far */
    bool goes_on;
};

/* splitmix64: whoever repeats a sample with its seed repeats its choice. */
static uint64_t draw(struct sampling *s) {
    uint64_t z = (s->chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void want(struct sampling *s, size_t i) {
    s->wanted[i] = true;
    s->total += s->index.hi[i] - stele_sample_index_lo(&s->index, i);
}

/* `sample` of those that are not made yet, each as likely as another, whatever its size. */
static void choose(struct sampling *s) {
    uint64_t left = 0;
    uint64_t needed = s->run->options->sample;
    for (size_t i = 0; i < s->index.n; i++) {
        left += !s->made[i];
    }
    for (size_t i = 0; i < s->index.n; i++) {
        if (s->made[i]) {
            continue;
        }
        if (needed >= left || draw(s) % left < needed) {
            want(s, i);
            needed--;
        }
        left--;
    }
}

/* ------------------------------------------------------------------ one part */

static stele_status wrong_index(struct sampling *s, const char *why, stele_err *err) {
    const struct stele_entry *index = &s->index.index.entry;
    s->run->report->n_wrong = s->run->report->n_wrong == 0 ? 1 : s->run->report->n_wrong;
    stele_audit__say(s->run, STELE_AUDIT_WRONG_INDEX, index->seq, why);
    return stele_audit__blame_index(s->run, index, err);
}

/* Segment i is made again; what is known of it was committed to, or is known from now on. */
static stele_status judge(struct sampling *s, size_t i, stele_err *err) {
    struct stele_auditor *auditor = s->run->auditor;
    struct stele_descriptor should;
    struct stele_descriptor *known = &s->index.known[i];
    uint8_t bytes[2][STELE_DESCRIPTOR_BYTES];
    char text[256];
    stele_err why = {.text = ""};
    stele_status st = STELE_OK;
    STELE_TRY(stele_auditor_name(auditor, &s->index.index.entry.as.index,
                                 stele_view_buf(&s->index.index.body), err));
    s->made[i] = true;
    s->run->report->sampled.n_made++;
    st = stele_auditor_segment(auditor, i, &should, NULL, &why);
    if (st == STELE_INVALID) {
        return wrong_index(s, why.text, err);
    }
    if (st != STELE_OK) {
        if (err != NULL) {
            *err = why;
        }
        return st;
    }
    if (known->info.hi == 0) {
        *known = should;
        goto cleanup;
    }
    stele_descriptor_encode(&should, bytes[0]);
    stele_descriptor_encode(known, bytes[1]);
    if (memcmp(bytes[0], bytes[1], sizeof bytes[0]) != 0) {
        (void)snprintf(text, sizeof text,
                       "entry %" PRIu64 ": segment %zu of this INDEX is not the index of the "
                       "entries it covers, %" PRIu64 " to %" PRIu64,
                       s->index.index.entry.seq, i, known->info.lo, known->info.hi);
        STELE_TRY(wrong_index(s, text, err));
    }
cleanup:
    return st;
}

/* What was replayed is what the log signed. */
static stele_status check_signed(struct sampling *s, stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    bool is = true;
    stele_auditor_root(s->run->auditor, root);
    stele_status st =
        stele_sample_is_prefix(s->run->source, stele_auditor_size(s->run->auditor), root, &is, err);
    s->run->report->root_differs |= st == STELE_OK && !is;
    return st;
}

/* An auditor that goes on from entry lo, which the log's nodes and newest EPOCH lead to. */
static stele_status open_part(struct sampling *s, uint64_t lo, uint64_t hi, stele_err *err) {
    const struct stele_audit_source *source = s->run->source;
    struct stele_audit_part part = {.lo = lo};
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit__open(s->run, NULL, err));
    stele_auditor_know(s->run->auditor, s->index.known, s->index.n);
    if (lo > 0) {
        STELE_TRY(stele_sample_frontier(source, lo, &part.frontier, err));
        STELE_TRY(stele_sample_index_epoch(&s->index, lo, &part.epoch, err));
        STELE_TRY(stele_auditor_begin(s->run->auditor, &part, err));
    }
    if (source->want != NULL) {
        source->want(source->ctx, lo, hi);
    }
cleanup:
    return st;
}

/* Segments [first, end), which are neighbours: so an INDEX among their entries is checked as far as
 * it names what they are made of. */
static stele_status replay_part(struct sampling *s, size_t first, size_t end, stele_err *err) {
    struct stele_audit__run *run = s->run;
    stele_status st = STELE_OK;
    /* One of entry 0 alone, which is genesis, has the EPOCH behind it. */
    first -= first == 1 && s->index.hi[0] == 1;
    STELE_TRY(open_part(s, stele_sample_index_lo(&s->index, first), s->index.hi[end - 1], err));
    for (size_t i = first; i < end && s->goes_on; i++) {
        while (s->goes_on && stele_auditor_size(run->auditor) < s->index.hi[i]) {
            STELE_TRY(stele_audit__take(run, s->index.hi[i], &s->goes_on, err));
            stele_audit__progress(run, run->report->entries, s->total);
        }
        STELE_TRY(s->goes_on && !s->made[i] ? judge(s, i, err) : STELE_OK);
    }
    STELE_TRY(s->goes_on ? check_signed(s, err) : STELE_OK);
cleanup:
    stele_audit__close(run);
    return st;
}

/* Everything wanted, from the end on: EPOCHs are followed back. */
static stele_status replay_wanted(struct sampling *s, stele_err *err) {
    for (size_t end = s->index.n; end > 0 && s->goes_on;) {
        size_t first = end;
        while (first > 0 && s->wanted[first - 1]) {
            first--;
        }
        stele_status st = first < end ? replay_part(s, first, end, err) : STELE_OK;
        if (st != STELE_OK) {
            return st;
        }
        memset(s->wanted + first, 0, (end - first) * sizeof *s->wanted);
        end = first < end ? first : end - 1;
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ all of it */

/* What honest neighbours are: else nothing need be replayed to see that the INDEX is wrong. */
static bool fits(const struct stele_segment_info *a, const struct stele_segment_info *b) {
    bool same_key = a->map_version == b->map_version && a->tag_alg == b->tag_alg &&
                    memcmp(a->tag_key_commit, b->tag_key_commit, sizeof a->tag_key_commit) == 0;
    return a->t_last <= b->t_first && a->era <= b->era && (a->era < b->era || same_key);
}

static void check_neighbours(struct sampling *s) {
    char why[256];
    for (size_t i = 1; i < s->index.n; i++) {
        if (!fits(&s->index.known[i - 1].info, &s->index.known[i].info)) {
            (void)snprintf(why, sizeof why,
                           "entry %" PRIu64 ": segments %zu and %zu of this INDEX say times, eras "
                           "or keys that do not follow each other",
                           s->index.index.entry.seq, i - 1, i);
            s->run->report->n_wrong = 1;
            stele_audit__say(s->run, STELE_AUDIT_WRONG_INDEX, s->index.index.entry.seq, why);
            (void)snprintf(s->run->report->no_proof, sizeof s->run->report->no_proof,
                           "audit the whole log for one");
            break;
        }
    }
}

/* Of segments that the source cannot say what they were committed to as: what they must be is
 * part of what the root then shows. ret_goes_on: false if nothing can be compared. */
static stele_status make_unknown(struct sampling *s, bool *ret_goes_on, stele_err *err) {
    struct stele_audit_report *report = s->run->report;
    const struct stele_entry *index = &s->index.index.entry;
    bool committed = false;
    char why[256];
    stele_status st = STELE_OK;
    bool whole = stele_sample_index_n_missing(&s->index) == s->index.n;
    for (size_t i = 0; i < s->index.n; i++) {
        if (s->index.known[i].info.hi == 0) {
            want(s, i);
        }
    }
    STELE_TRY(replay_wanted(s, err));
    report->sampled.n_unknown = report->sampled.n_made;
    *ret_goes_on = s->goes_on;
    if (!s->goes_on) {
        goto cleanup;
    }
    STELE_TRY(stele_sample_index_is_committed(&s->index, &committed, err));
    *ret_goes_on = committed;
    if (!committed) {
        (void)snprintf(why, sizeof why, "entry %" PRIu64 ": %s", index->seq,
                       whole ? "this INDEX does not commit to the index of the entries it covers"
                             : "nobody here has what this INDEX committed to: audit the whole log");
        report->n_wrong += whole;
        report->sampled.n_made = whole ? report->sampled.n_made : 0; /* compared with nothing */
        report->sampled.n_unknown = report->sampled.n_made;
        stele_audit__say(s->run, whole ? STELE_AUDIT_WRONG_INDEX : STELE_AUDIT_UNCHECKED,
                         index->seq, why);
        if (whole) {
            (void)snprintf(report->no_proof, sizeof report->no_proof,
                           "nobody here has the index that entry %" PRIu64 " committed to",
                           index->seq);
        }
    }
cleanup:
    return st;
}

static stele_status sample(struct sampling *s, stele_err *err) {
    struct stele_audit_report *report = s->run->report;
    bool committed = false;
    bool goes_on = true;
    stele_status st = STELE_OK;
    bool all = s->run->options->sample >= s->index.n;
    if (stele_sample_index_n_missing(&s->index) == 0) {
        STELE_TRY(stele_sample_index_is_committed(&s->index, &committed, err));
    }
    if (!committed && all) { /* nobody's word is needed */
        memset(s->index.known, 0, s->index.n * sizeof *s->index.known);
    }
    STELE_TRY(committed ? STELE_OK : make_unknown(s, &goes_on, err));
    if (goes_on) {
        check_neighbours(s);
        choose(s);
        STELE_TRY(replay_wanted(s, err));
    }
    report->n_checked += s->goes_on && report->sampled.n_made == s->index.n;
cleanup:
    return st;
}

/* Of a checkpoint that is not of the whole log, its tree's nodes say what a replay would. */
static stele_status check_against(struct stele_audit__run *run, stele_err *err) {
    struct stele_audit_report *report = run->report;
    bool is = false;
    stele_status st = STELE_OK;
    STELE_TRY(stele_audit__open_against(run, err));
    if (report->has_against && !report->against_compared && run->against.size_leaves > 0 &&
        run->against.size_leaves <= run->source->checkpoint.size_leaves) {
        STELE_TRY(stele_sample_is_prefix(run->source, run->against.size_leaves, run->against.root,
                                         &is, err));
        report->against_compared = true;
        report->against_differs = !is;
    }
cleanup:
    return st;
}

static stele_status check_source(const struct stele_audit__run *run, stele_err *err) {
    const struct stele_audit_source *source = run->source;
    if (run->options->work != NULL) {
        return STELE_FAIL(err, INVALID,
                          "a sample is small and keeps nothing to go on from: repeat it without "
                          "--work, or go on without --sample");
    }
    if (!source->has_checkpoint || source->node == NULL || source->index == NULL) {
        return STELE_FAIL(err, UNSUPPORTED,
                          "%s: a sample needs a signed checkpoint, the log's tree and its newest "
                          "index: audit the whole log",
                          source->log);
    }
    return STELE_OK;
}

stele_status stele_audit__sample(struct stele_audit__run *run, stele_err *err) {
    struct sampling s = {.run = run, .chance = run->options->seed, .goes_on = true};
    struct stele_audit_report *report = run->report;
    stele_status st = STELE_OK;
    STELE_TRY(check_source(run, err));
    report->is_sample = true;
    report->sampled.asked = run->options->sample;
    report->sampled.seed = run->options->seed;
    STELE_TRY(check_against(run, err));
    st = stele_sample_index_open(run->source, &s.index, err);
    if (st == STELE_NOT_FOUND) {
        st = STELE_OK; /* no INDEX commits to anything yet */
        goto cleanup;
    }
    STELE_TRY(st);
    s.wanted = stele_alloc(s.index.n, sizeof *s.wanted);
    s.made = stele_alloc(s.index.n, sizeof *s.made);
    if (s.wanted == NULL || s.made == NULL) {
        STELE_TRY(STELE_FAIL(err, NO_MEMORY, "no memory for %zu segments", s.index.n));
    }
    report->n_indexes++;
    report->sampled.index_seq = s.index.index.entry.seq;
    report->sampled.covered = s.index.index.entry.as.index.covered;
    report->sampled.n_segments = s.index.n;
    STELE_TRY(sample(&s, err));
cleanup:
    report->sampled.n_single = s.index.n_single;
    stele_sample_index_done(&s.index);
    stele_free(s.wanted);
    stele_free(s.made);
    return st;
}
