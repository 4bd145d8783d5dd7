/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit.c: the replay: each entry by the rules of the head, each INDEX against ranges made
 * anew. */
#include "storage/audit.h"

#include <inttypes.h>
#include <string.h>

#include "storage/boundaries.h"
#include "storage/control.h"
#include "storage/hash_lanes.h"

/* Events that are hashed side by side: far more than lanes, and 60 KiB. */
#define RUN_MAX 64u

struct run {
    size_t n;
    struct stele_entry entry[RUN_MAX];
    struct stele_hash_message message[2 * RUN_MAX]; /* entries, then tag lists */
    uint8_t hash[2 * RUN_MAX * STELE_HASH_BYTES];   /* leaves, then keys commitments */
};

struct stele_auditor {
    struct stele_head head;
    struct run run;
    struct stele_audit_ranges *ranges;
    uint64_t *hi; /* of the newest INDEX */
    size_t n_hi, hi_capacity;
    uint64_t lo; /* where it began; above 0: a part */
    const struct stele_descriptor *known;
    size_t n_known;
};

stele_status stele_auditor_new(struct stele_audit_work *work, unsigned block_shift,
                               struct stele_auditor **ret, stele_err *err) {
    struct stele_auditor *a = stele_alloc(1, sizeof *a);
    stele_status st = STELE_OK;
    if (a == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an audit");
    }
    stele_head_init(&a->head);
    STELE_TRY(stele_audit_ranges_new(work, block_shift, &a->ranges, err));
    *ret = a;
    a = NULL;
cleanup:
    stele_auditor_free(a);
    return st;
}

void stele_auditor_free(struct stele_auditor *a) {
    if (a != NULL) {
        stele_head_done(&a->head);
        stele_audit_ranges_free(a->ranges);
        stele_free(a->hi);
        stele_free(a);
    }
}

uint64_t stele_auditor_size(const struct stele_auditor *a) {
    return a->head.frontier.size_leaves;
}

void stele_auditor_root(const struct stele_auditor *a, uint8_t ret[STELE_AT_LEAST(32)]) {
    stele_frontier_root(&a->head.frontier, ret);
}

const struct stele_head *stele_auditor_head(const struct stele_auditor *a) {
    return &a->head;
}

bool stele_auditor_at_block(const struct stele_auditor *a) {
    uint64_t size = a->head.frontier.size_leaves;
    return size > 1 && stele_audit_ranges_is_block(a->ranges);
}

stele_status stele_auditor_save(struct stele_auditor *a, stele_buf *head, stele_buf *ranges,
                                stele_err *err) {
    stele_status st = stele_audit_ranges_save(a->ranges, ranges, err);
    return st == STELE_OK ? stele_head_encode(&a->head, head, err) : st;
}

stele_status stele_auditor_restore(struct stele_auditor *a, stele_view head, stele_view ranges,
                                   stele_err *err) {
    struct stele_head restored;
    stele_status st = stele_head_decode(head, &restored, err);
    if (st == STELE_OK) {
        stele_head_done(&a->head);
        a->head = restored;
        st = stele_audit_ranges_load(a->ranges, ranges, a->head.frontier.size_leaves, err);
    }
    return st;
}

/* ------------------------------------------------------------------ one entry */

/* Whether what the log has is wrong, as opposed to us: a verdict then, and no error. */
static bool is_finding(stele_status st) {
    return st == STELE_CORRUPT || st == STELE_INVALID || st == STELE_UNVERIFIED ||
           st == STELE_EXISTS || st == STELE_LIMIT || st == STELE_UNSUPPORTED ||
           st == STELE_NOT_FOUND;
}

/* Passes an error on that says nothing of the log. */
static stele_status ours(stele_status st, const stele_err *why, stele_err *err) {
    if (err != NULL && why != NULL) {
        *err = *why;
    }
    return st;
}

/* That the list can be one: whether it is the one the entry commits to is for its hash. */
static stele_status check_tags(const struct stele_entry *entry,
                               const struct stele_audit_entry *given, stele_err *why) {
    size_t n = given->tags.size / STELE_TAG_BYTES;
    if (given->tags.size % STELE_TAG_BYTES != 0 || n > STELE_TAGS_MAX) {
        return STELE_FAIL(why, UNVERIFIED, "entry %" PRIu64 ": %zu bytes of tags", entry->seq,
                          given->tags.size);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *tag = given->tags.data + i * STELE_TAG_BYTES;
        bool late = (tag[STELE_TAG_BYTES - 1] & 1) != 0;
        if (late != entry->as.event.late ||
            (i > 0 && stele_tag_order(tag - STELE_TAG_BYTES, tag) >= 0)) {
            return STELE_FAIL(why, UNVERIFIED,
                              "entry %" PRIu64
                              ": tag %zu is not above the one before, or has another late bit",
                              entry->seq, i);
        }
    }
    return STELE_OK;
}

/* The head has admitted the EPOCH: its state has what the era is. */
static stele_status begin_era(struct stele_auditor *a, const struct stele_entry *entry,
                              stele_err *err) {
    struct stele_epoch epoch;
    stele_status st = stele_control_epoch_of(&a->head.state, entry->era, &epoch, err);
    if (st == STELE_OK) {
        struct stele_audit_epoch begins = {epoch.era, epoch.map_version, epoch.tag_alg, {0}};
        memcpy(begins.tag_key_commit, epoch.tag_key_commit, STELE_HASH_BYTES);
        st = stele_audit_ranges_era(a->ranges, &begins, err);
    }
    return st;
}

stele_status stele_auditor_begin(struct stele_auditor *a, const struct stele_audit_part *part,
                                 stele_err *err) {
    struct stele_entry epoch;
    stele_status st = stele_entry_decode(part->epoch.entry, &epoch, err);
    STELE_TRY(stele_corrupt(st, err));
    a->lo = part->lo;
    a->head.frontier = part->frontier;
    STELE_TRY(stele_head_begin_part(&a->head, &epoch, part->epoch.body, err));
    stele_audit_ranges_begin(a->ranges, part->lo);
    STELE_TRY(begin_era(a, &epoch, err));
cleanup:
    return st;
}

void stele_auditor_know(struct stele_auditor *a, const struct stele_descriptor *known, size_t n) {
    a->known = known;
    a->n_known = n;
}

/* Genesis stands before the first EPOCH, in its era: both wait for it. */
static bool opens_era(const struct stele_entry *entry) {
    return entry->type == STELE_ENTRY_CONTROL && entry->as.control.kind == STELE_CONTROL_EPOCH;
}

static stele_status read_boundaries(struct stele_auditor *a, const struct stele_entry_index *index,
                                    stele_view body, stele_err *why, stele_err *err) {
    if (index->n_segments > a->hi_capacity) { /* the head's rules bound it */
        uint64_t *hi = stele_realloc(a->hi, index->n_segments, sizeof *hi);
        if (hi == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu32 " segments",
                              index->n_segments);
        }
        a->hi = hi;
        a->hi_capacity = index->n_segments;
    }
    a->n_hi = index->n_segments;
    stele_status st = stele_boundaries_read(body, index, a->hi, why);
    for (size_t i = 0; i < a->n_hi && st == STELE_OK; i++) {
        stele_audit_ranges_named(a->ranges, i == 0 ? 0 : a->hi[i - 1], a->hi[i]);
    }
    return st;
}

size_t stele_auditor_n_segments(const struct stele_auditor *a) {
    return a->n_hi;
}

/* What others know of entries [lo, hi). */
static stele_status get_known(const struct stele_auditor *a, uint64_t lo, uint64_t hi,
                              struct stele_descriptor *ret, stele_err *err) {
    for (size_t i = 0; i < a->n_known; i++) {
        if (a->known[i].info.lo == lo && a->known[i].info.hi == hi) {
            *ret = a->known[i];
            return STELE_OK;
        }
    }
    return STELE_FAIL(err, NOT_FOUND,
                      "entries %" PRIu64 " to %" PRIu64
                      " are not in the sample, nor one segment of "
                      "the newest index",
                      lo, hi);
}

static uint64_t segment_lo(const struct stele_auditor *a, size_t segment) {
    return segment == 0 ? 0 : a->hi[segment - 1];
}

/* Its entries were not given to this auditor. */
static bool is_elsewhere(const struct stele_auditor *a, size_t segment) {
    return segment_lo(a, segment) < a->lo || a->hi[segment] > a->head.frontier.size_leaves;
}

stele_status stele_auditor_segment(struct stele_auditor *a, size_t segment,
                                   struct stele_descriptor *ret, struct stele_segment_ref **ret_ref,
                                   stele_err *err) {
    uint64_t lo = segment_lo(a, segment);
    uint64_t hi = a->hi[segment];
    if (is_elsewhere(a, segment)) {
        if (ret_ref != NULL) {
            *ret_ref = NULL;
        }
        return get_known(a, lo, hi, ret, err);
    }
    return stele_audit_ranges_get(a->ranges, lo, hi, ret, ret_ref, err);
}

stele_status stele_auditor_name(struct stele_auditor *a, const struct stele_entry_index *index,
                                stele_view boundaries, stele_err *err) {
    return stele_corrupt(read_boundaries(a, index, boundaries, err, err), err);
}

static stele_status check_index(struct stele_auditor *a, const struct stele_entry *entry,
                                stele_audit_verdict *ret_verdict, stele_err *why, stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    struct stele_descriptor descriptor;
    stele_status st = STELE_OK;
    uint8_t *hash = stele_alloc(a->n_hi, STELE_HASH_BYTES);
    if (hash == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu descriptors", a->n_hi);
    }
    for (size_t i = 0; i < a->n_hi; i++) {
        st = stele_auditor_segment(a, i, &descriptor, NULL, why);
        if (is_finding(st)) {
            *ret_verdict = st == STELE_NOT_FOUND ? STELE_AUDIT_UNCHECKED : STELE_AUDIT_WRONG_INDEX;
            st = STELE_OK;
            goto cleanup;
        }
        if (st != STELE_OK) {
            st = ours(st, why, err);
            goto cleanup;
        }
        stele_descriptor_hash(&descriptor, hash + i * STELE_HASH_BYTES);
    }
    STELE_TRY(stele_tree_shape_root(stele_hash_manifest_inner, hash, a->n_hi, root, err));
    if (memcmp(root, entry->as.index.manifest_root, sizeof root) != 0) {
        (void)STELE_FAIL(
            why, UNVERIFIED, "entry %" PRIu64 ": this INDEX %s, 0 to %" PRIu64 "%s", entry->seq,
            is_elsewhere(a, 0) ? "and the newest one contradict each other about entries"
                               : "does not commit to the index of the entries it covers",
            entry->as.index.covered,
            is_elsewhere(a, 0) ? ": one is wrong, and a full audit shows which" : "");
        *ret_verdict = STELE_AUDIT_WRONG_INDEX;
    }
cleanup:
    stele_free(hash);
    return st;
}

/* The rules of entry and head. */
static stele_status admit(struct stele_auditor *a, const struct stele_audit_entry *given,
                          uint64_t seq, struct stele_entry *ret, stele_err *why) {
    stele_status st = stele_entry_decode(given->entry, ret, why);
    if (st == STELE_OK && seq == 1 && !opens_era(ret)) {
        return STELE_FAIL(why, CORRUPT, "entry 1: it is not the EPOCH of the first era");
    }
    if (st == STELE_OK) {
        stele_view body = ret->type == STELE_ENTRY_EVENT ? stele_view_of(NULL, 0) : given->body;
        st = a->lo > 0 ? stele_head_admit_part(&a->head, ret, seq, body, why)
                       : stele_head_admit(&a->head, ret, seq, body, why);
    }
    return st;
}

/* ------------------------------------------------------------------ runs of events */

static bool is_event(const struct stele_audit_entry *given) {
    return given->entry.size == STELE_ENTRY_EVENT_BYTES &&
           given->entry.data[0] == STELE_ENTRY_EVENT;
}

/* As many of them as hold by themselves go into the run; the verdict is on the one after. */
static stele_status begin_run(struct stele_auditor *a, const struct stele_audit_entry *given,
                              size_t n, stele_audit_verdict *ret_verdict, stele_err *why,
                              stele_err *err) {
    struct run *run = &a->run;
    uint64_t seq = a->head.frontier.size_leaves;
    for (run->n = 0; run->n < n; run->n++) {
        struct stele_entry *entry = &run->entry[run->n];
        stele_status st = admit(a, &given[run->n], seq + run->n, entry, why);
        if (st != STELE_OK) {
            *ret_verdict = STELE_AUDIT_WRONG_ENTRY;
            return is_finding(st) ? STELE_OK : ours(st, why, err);
        }
        if (check_tags(entry, &given[run->n], why) != STELE_OK) {
            *ret_verdict = STELE_AUDIT_WRONG_TAGS;
            return STELE_OK;
        }
    }
    return STELE_OK;
}

static bool are_hashed(const struct stele_audit_entry *given, size_t n) {
    size_t i = 0;
    while (i < n && given[i].leaf != NULL) {
        i++;
    }
    return i == n;
}

/* Leaves and keys commitments; a commitment that differs ends the run before it. */
static void hash_run(struct run *run, const struct stele_audit_entry *given,
                     stele_audit_verdict *ret_verdict, stele_err *why) {
    const uint8_t *keys = run->hash + run->n * STELE_HASH_BYTES;
    if (are_hashed(given, run->n)) { /* in this process, of these bytes: storage/replay.h */
        for (size_t i = 0; i < run->n; i++) {
            memcpy(run->hash + i * STELE_HASH_BYTES, given[i].leaf, STELE_HASH_BYTES);
        }
        return;
    }
    for (size_t i = 0; i < run->n; i++) {
        run->message[i] = stele_hash_message_leaf(given[i].entry);
        run->message[run->n + i] = stele_hash_message_keys(given[i].ksalt, given[i].tags);
    }
    stele_sha256_many(NULL, run->message, 2 * run->n, run->hash);
    for (size_t i = 0; i < run->n; i++) {
        if (memcmp(keys + i * STELE_HASH_BYTES, run->entry[i].as.event.keys_commit,
                   STELE_HASH_BYTES) != 0) {
            (void)STELE_FAIL(why, UNVERIFIED,
                             "entry %" PRIu64 ": the %zu tags are not the ones it commits to",
                             run->entry[i].seq, given[i].tags.size / STELE_TAG_BYTES);
            *ret_verdict = STELE_AUDIT_WRONG_TAGS;
            run->n = i;
        }
    }
}

static stele_status take_events(struct stele_auditor *a, const struct stele_audit_entry *given,
                                size_t n, size_t *ret_taken, stele_audit_verdict *ret_verdict,
                                stele_err *why, stele_err *err) {
    struct run *run = &a->run;
    stele_status st = STELE_OK;
    STELE_TRY(begin_run(a, given, n, ret_verdict, why, err));
    hash_run(run, given, ret_verdict, why);
    STELE_TRY(stele_frontier_push_many(&a->head.frontier, run->hash, run->n, err));
    for (size_t i = 0; i < run->n; i++) {
        STELE_TRY(stele_audit_ranges_add(a->ranges, &run->entry[i],
                                         run->hash + i * STELE_HASH_BYTES, given[i].tags, err));
    }
    *ret_taken = run->n + (*ret_verdict != STELE_AUDIT_HOLDS);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ all others */

static stele_status take_other(struct stele_auditor *a, const struct stele_audit_entry *given,
                               stele_audit_verdict *ret_verdict, stele_err *why, stele_err *err) {
    struct stele_entry entry;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = admit(a, given, a->head.frontier.size_leaves, &entry, why);
    if (st != STELE_OK) {
        *ret_verdict = STELE_AUDIT_WRONG_ENTRY;
        return is_finding(st) ? STELE_OK : ours(st, why, err);
    }
    if (entry.type == STELE_ENTRY_INDEX) {
        STELE_TRY(read_boundaries(a, &entry.as.index, given->body, why, err));
        STELE_TRY(check_index(a, &entry, ret_verdict, why, err));
    }
    stele_hash_leaf(given->entry, leaf);
    stele_frontier_push(&a->head.frontier, leaf);
    STELE_TRY(opens_era(&entry) ? begin_era(a, &entry, err) : STELE_OK);
    STELE_TRY(stele_audit_ranges_add(a->ranges, &entry, leaf, stele_view_of(NULL, 0), err));
cleanup:
    return st;
}

stele_status stele_auditor_take(struct stele_auditor *a, const struct stele_audit_entry *given,
                                size_t n, size_t *ret_taken, stele_audit_verdict *ret_verdict,
                                stele_err *ret_why, stele_err *err) {
    uint64_t to_block = stele_audit_ranges_to_block(a->ranges);
    size_t most = to_block < RUN_MAX ? (size_t)to_block : RUN_MAX;
    size_t events = 0;
    while (events < n && events < most && is_event(&given[events])) {
        events++;
    }
    *ret_verdict = STELE_AUDIT_HOLDS;
    if (events > 0) {
        return take_events(a, given, events, ret_taken, ret_verdict, ret_why, err);
    }
    *ret_taken = 1;
    return take_other(a, given, ret_verdict, ret_why, err);
}
