/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit.c: the replay: each entry by the rules of the head, each INDEX against ranges made
 * anew. */
#include "storage/audit.h"

#include <inttypes.h>
#include <string.h>

#include "storage/boundaries.h"
#include "storage/control.h"

struct stele_auditor {
    struct stele_head head;
    struct stele_audit_ranges *ranges;
    uint64_t *hi; /* of the newest INDEX */
    size_t n_hi, hi_capacity;
};

stele_status stele_auditor_new(struct stele_auditor **ret, stele_err *err) {
    struct stele_auditor *a = stele_alloc(1, sizeof *a);
    stele_status st = STELE_OK;
    if (a == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an audit");
    }
    stele_head_init(&a->head);
    STELE_TRY(stele_audit_ranges_new(&a->ranges, err));
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

static stele_status check_tags(const struct stele_entry *entry,
                               const struct stele_audit_entry *given, stele_err *why) {
    size_t n = given->tags.size / STELE_TAG_BYTES;
    uint8_t commit[STELE_HASH_BYTES];
    if (given->tags.size % STELE_TAG_BYTES != 0 || n > STELE_TAGS_MAX) {
        return STELE_FAIL(why, UNVERIFIED, "entry %" PRIu64 ": %zu bytes of tags", entry->seq,
                          given->tags.size);
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *tag = given->tags.data + i * STELE_TAG_BYTES;
        bool late = (tag[STELE_TAG_BYTES - 1] & 1) != 0;
        if (late != entry->as.event.late ||
            (i > 0 && memcmp(tag - STELE_TAG_BYTES, tag, STELE_TAG_BYTES) >= 0)) {
            return STELE_FAIL(why, UNVERIFIED,
                              "entry %" PRIu64
                              ": tag %zu is not above the one before, or has another late bit",
                              entry->seq, i);
        }
    }
    stele_hash_keys(given->ksalt, given->tags.data, (uint16_t)n, commit);
    if (memcmp(commit, entry->as.event.keys_commit, sizeof commit) != 0) {
        return STELE_FAIL(why, UNVERIFIED,
                          "entry %" PRIu64 ": the %zu tags are not the ones it commits to",
                          entry->seq, n);
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

stele_status stele_auditor_segment(struct stele_auditor *a, size_t segment,
                                   struct stele_descriptor *ret, struct stele_segment_ref **ret_ref,
                                   stele_err *err) {
    uint64_t lo = segment == 0 ? 0 : a->hi[segment - 1];
    return stele_audit_ranges_get(a->ranges, lo, a->hi[segment], ret, ret_ref, err);
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
        (void)STELE_FAIL(why, UNVERIFIED,
                         "entry %" PRIu64 ": this INDEX does not commit to the index of the "
                         "entries it covers, 0 to %" PRIu64,
                         entry->seq, entry->as.index.covered);
        *ret_verdict = STELE_AUDIT_WRONG_INDEX;
    }
cleanup:
    stele_free(hash);
    return st;
}

/* The rules of entry and head. */
static stele_status admit(struct stele_auditor *a, const struct stele_audit_entry *given,
                          struct stele_entry *ret, stele_err *why) {
    uint64_t seq = a->head.frontier.size_leaves;
    stele_status st = stele_entry_decode(given->entry, ret, why);
    if (st == STELE_OK && seq == 1 && !opens_era(ret)) {
        return STELE_FAIL(why, CORRUPT, "entry 1: it is not the EPOCH of the first era");
    }
    if (st == STELE_OK) {
        stele_view body = ret->type == STELE_ENTRY_EVENT ? stele_view_of(NULL, 0) : given->body;
        st = stele_head_admit(&a->head, ret, seq, body, why);
    }
    return st;
}

stele_status stele_auditor_next(struct stele_auditor *a, const struct stele_audit_entry *given,
                                bool with_index, stele_audit_verdict *ret_verdict,
                                stele_err *ret_why, stele_err *err) {
    struct stele_entry entry;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = admit(a, given, &entry, ret_why);
    *ret_verdict = STELE_AUDIT_HOLDS;
    if (st != STELE_OK) {
        *ret_verdict = STELE_AUDIT_WRONG_ENTRY;
        return is_finding(st) ? STELE_OK : ours(st, ret_why, err);
    }
    if (entry.type == STELE_ENTRY_EVENT && check_tags(&entry, given, ret_why) != STELE_OK) {
        *ret_verdict = STELE_AUDIT_WRONG_TAGS;
        return STELE_OK;
    }
    if (entry.type == STELE_ENTRY_INDEX) {
        STELE_TRY(read_boundaries(a, &entry.as.index, given->body, ret_why, err));
        STELE_TRY(with_index ? check_index(a, &entry, ret_verdict, ret_why, err) : STELE_OK);
    }
    stele_hash_leaf(given->entry, leaf);
    stele_frontier_push(&a->head.frontier, leaf);
    STELE_TRY(opens_era(&entry) ? begin_era(a, &entry, err) : STELE_OK);
    STELE_TRY(stele_audit_ranges_add(
        a->ranges, &entry, leaf,
        entry.type == STELE_ENTRY_EVENT ? given->tags : stele_view_of(NULL, 0), err));
cleanup:
    return st;
}
