/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/fraud.c: judges fraud proofs. Each kind first shows that the operator signed its facts,
 * then that they contradict each other; only then is it OK.
 */
#include "storage/fraud.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/tree_range.h"

#define PROVES_NOTHING(err, ...) STELE_FAIL(err, UNVERIFIED, "fraud proof: " __VA_ARGS__)

/* A proof being judged: its facts, once they are shown. */
struct judging {
    const struct stele_fraud *fraud;
    struct stele_checkpoint checkpoint, other;
    struct stele_entry_index index;
    struct stele_descriptor descriptor;
    struct stele_entry entry;          /* of leaf[0], where its kind needs one */
    bool has_tag;                      /* the tag in question is among leaf[0]'s */
    const struct stele_fraud_key *key; /* the leaf that has the tag; NULL if there is none */
    char *text;
    size_t text_bytes;
};

/* ------------------------------------------------------------------ facts */

static stele_status check_leaf(const struct stele_fraud_leaf *leaf,
                               const struct stele_checkpoint *checkpoint,
                               uint8_t ret_hash[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_leaf_pos pos = {leaf->index, checkpoint->size_leaves};
    stele_hash_leaf(leaf->entry, ret_hash);
    return stele_tree_check_inclusion(ret_hash, pos, leaf->path.data,
                                      leaf->path.size / STELE_HASH_BYTES, checkpoint->root, err);
}

/* The INDEX entry in the log, and the descriptor under it. */
static stele_status check_index(struct judging *j, stele_err *err) {
    const struct stele_fraud *fraud = j->fraud;
    struct stele_entry entry;
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(check_leaf(&fraud->index, &j->checkpoint, hash, err));
    STELE_TRY(stele_entry_decode(fraud->index.entry, &entry, err));
    if (entry.type != STELE_ENTRY_INDEX) {
        return PROVES_NOTHING(err, "entry %" PRIu64 " is no INDEX", fraud->index.index);
    }
    j->index = entry.as.index;
    STELE_TRY(stele_descriptor_decode(fraud->descriptor, &j->descriptor, err));
    stele_hash_descriptor(fraud->descriptor, hash);
    struct stele_leaf_run run = {fraud->segment, 1, entry.as.index.n_segments};
    STELE_TRY(stele_tree_range_check(stele_hash_manifest_inner, run, hash, fraud->siblings,
                                     entry.as.index.manifest_root, err));
cleanup:
    return st;
}

/* The event in the log and in the segment, and its tags. */
static stele_status check_event(struct judging *j, stele_err *err) {
    const struct stele_fraud *fraud = j->fraud;
    const struct stele_segment_info *info = &j->descriptor.info;
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(check_leaf(&fraud->leaf[0], &j->checkpoint, hash, err));
    STELE_TRY(stele_entry_decode(fraud->leaf[0].entry, &j->entry, err));
    if (j->entry.type != STELE_ENTRY_EVENT || j->entry.seq < info->lo || j->entry.seq >= info->hi ||
        j->entry.seq != fraud->leaf[0].index) {
        return PROVES_NOTHING(
            err, "entry %" PRIu64 " is no event of the segment, entries %" PRIu64 " to %" PRIu64,
            j->entry.seq, info->lo, info->hi);
    }
    size_t n = fraud->tags.size / STELE_TAG_BYTES;
    if (fraud->tags.size % STELE_TAG_BYTES != 0 || n > STELE_TAGS_MAX) {
        return PROVES_NOTHING(err, "%zu bytes of tags; an event has up to %d of %d",
                              fraud->tags.size, STELE_TAGS_MAX, STELE_TAG_BYTES);
    }
    stele_hash_keys(fraud->ksalt, fraud->tags.data, (uint16_t)n, hash);
    if (memcmp(hash, j->entry.as.event.keys_commit, sizeof hash) != 0) {
        return PROVES_NOTHING(err, "the tags are not the ones entry %" PRIu64 " commits to",
                              j->entry.seq);
    }
    for (size_t i = 0; i < n; i++) {
        j->has_tag |=
            memcmp(fraud->tags.data + i * STELE_TAG_BYTES, fraud->tag, STELE_TAG_BYTES) == 0;
    }
cleanup:
    return st;
}

static stele_status check_keys(struct judging *j, stele_err *err) {
    const struct stele_fraud *fraud = j->fraud;
    uint8_t hash[2 * STELE_HASH_BYTES];
    for (size_t i = 0; i < fraud->n_keys; i++) {
        stele_hash_key_leaf(fraud->key[i].tag, fraud->key[i].value, hash + i * STELE_HASH_BYTES);
        if (memcmp(fraud->key[i].tag, fraud->tag, STELE_TAG_BYTES) == 0) {
            j->key = &fraud->key[i];
        }
    }
    struct stele_leaf_run run = {fraud->first_key, fraud->n_keys, j->descriptor.info.n_keys};
    return stele_tree_range_check(stele_hash_key_inner, run, hash, fraud->key_siblings,
                                  j->descriptor.key_root, err);
}

/* The history of the tag around the event's seq, with or without a posting for it. */
static stele_status check_history(const struct judging *j, bool with_posting, stele_err *err) {
    const struct stele_fraud_history *h = &j->fraud->history;
    const struct stele_segment_info *info = &j->descriptor.info;
    struct stele_history_check check;
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if ((h->has_left && h->left.rep >= j->entry.seq) ||
        (h->has_right && h->right.rep <= j->entry.seq)) {
        return PROVES_NOTHING(err, "the neighbours do not enclose entry %" PRIu64, j->entry.seq);
    }
    stele_history_check_init(&check, info->lo, info->hi);
    for (size_t i = 0; i < h->n_before; i++) {
        STELE_TRY(stele_history_check_push(&check, STELE_HISTORY_OPAQUE, h->before[i].rep,
                                           h->before[i].hash, err));
    }
    STELE_TRY(h->has_left ? stele_history_check_push(&check, STELE_HISTORY_LEFT, h->left.rep,
                                                     h->left.hash, err)
                          : STELE_OK);
    if (with_posting) {
        stele_hash_leaf(j->fraud->leaf[0].entry, hash);
        STELE_TRY(stele_history_check_push(&check, STELE_HISTORY_INSIDE, j->entry.seq, hash, err));
    }
    STELE_TRY(h->has_right ? stele_history_check_push(&check, STELE_HISTORY_RIGHT, h->right.rep,
                                                      h->right.hash, err)
                           : STELE_OK);
    for (size_t i = 0; i < h->n_after; i++) {
        STELE_TRY(stele_history_check_push(&check, STELE_HISTORY_OPAQUE, h->after[i].rep,
                                           h->after[i].hash, err));
    }
    STELE_TRY(stele_history_check_end(&check, h->count, hash, err));
    stele_hash_key_value(h->count, hash, hash);
    if (memcmp(hash, j->key->value, sizeof hash) != 0) {
        return PROVES_NOTHING(err,
                              "the history shown is not the one the tag's key leaf commits to");
    }
cleanup:
    return st;
}

/* Adjacent key leaves that leave no room for the tag. */
static bool is_enclosed(const struct judging *j) {
    const struct stele_fraud *fraud = j->fraud;
    if (j->descriptor.info.n_keys == 0) {
        return true;
    }
    if (fraud->n_keys == 2) {
        return memcmp(fraud->key[0].tag, fraud->tag, STELE_TAG_BYTES) < 0 &&
               memcmp(fraud->key[1].tag, fraud->tag, STELE_TAG_BYTES) > 0;
    }
    int order = fraud->n_keys == 1 ? memcmp(fraud->key[0].tag, fraud->tag, STELE_TAG_BYTES) : 0;
    return (order > 0 && fraud->first_key == 0) ||
           (order < 0 && fraud->first_key + 1 == j->descriptor.info.n_keys);
}

/* ------------------------------------------------------------------ contradictions */

static stele_status judge_omission(struct judging *j, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_index(j, err));
    STELE_TRY(check_event(j, err));
    STELE_TRY(j->descriptor.info.n_keys > 0 ? check_keys(j, err) : STELE_OK);
    if (!j->has_tag) {
        return PROVES_NOTHING(err, "entry %" PRIu64 " does not have the tag", j->entry.seq);
    }
    if (j->key == NULL && !is_enclosed(j)) {
        return PROVES_NOTHING(err, "the key leaves shown leave room for the tag");
    }
    if (j->fraud->has_history != (j->key != NULL) ||
        (j->fraud->n_keys == 0) != (j->descriptor.info.n_keys == 0)) {
        return PROVES_NOTHING(err, "a history without its key leaf, or key leaves of none");
    }
    STELE_TRY(j->key != NULL ? check_history(j, false, err) : STELE_OK);
    (void)snprintf(
        j->text, j->text_bytes,
        "entry %" PRIu64 " has a tag for which the index of entry %" PRIu64
        " does not list it, though it covers it: an answer by this key leaves the event out",
        j->entry.seq, j->fraud->index.index);
cleanup:
    return st;
}

static stele_status judge_phantom(struct judging *j, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_index(j, err));
    STELE_TRY(check_event(j, err));
    STELE_TRY(check_keys(j, err));
    if (j->has_tag || j->key == NULL || !j->fraud->has_history) {
        return PROVES_NOTHING(err, "entry %" PRIu64 " has the tag, or no posting of it is shown",
                              j->entry.seq);
    }
    STELE_TRY(check_history(j, true, err));
    (void)snprintf(j->text, j->text_bytes,
                   "the index of entry %" PRIu64 " lists entry %" PRIu64
                   " under a tag that it does not have",
                   j->fraud->index.index, j->entry.seq);
cleanup:
    return st;
}

static stele_status judge_key_order(struct judging *j, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_index(j, err));
    STELE_TRY(check_keys(j, err));
    if (j->fraud->n_keys != 2 ||
        memcmp(j->fraud->key[0].tag, j->fraud->key[1].tag, STELE_TAG_BYTES) < 0) {
        return PROVES_NOTHING(err, "the key leaves shown ascend");
    }
    (void)snprintf(j->text, j->text_bytes,
                   "key leaves %" PRIu64 " and the next of segment %" PRIu32 " of entry %" PRIu64
                   " do not ascend",
                   j->fraud->first_key, j->fraud->segment, j->fraud->index.index);
cleanup:
    return st;
}

static stele_status judge_bounds(struct judging *j, stele_err *err) {
    const struct stele_segment_info *info = &j->descriptor.info;
    const struct stele_entry *entry = &j->entry;
    uint64_t at = j->fraud->leaf[0].index;
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(check_index(j, err));
    STELE_TRY(check_leaf(&j->fraud->leaf[0], &j->checkpoint, hash, err));
    STELE_TRY(stele_entry_decode(j->fraud->leaf[0].entry, &j->entry, err));
    bool covered = at >= info->lo && at < info->hi;
    bool time = (at == info->lo && entry->time_us != info->t_first) ||
                (at == info->hi - 1 && entry->time_us != info->t_last) ||
                entry->time_us < info->t_first || entry->time_us > info->t_last;
    bool late =
        entry->type == STELE_ENTRY_EVENT && entry->as.event.late &&
        (entry->as.event.event_us < info->late_first || entry->as.event.event_us > info->late_last);
    bool era = entry->type != STELE_ENTRY_INDEX && entry->era != info->era;
    if (!covered || !(time || late || era)) {
        return PROVES_NOTHING(err, "the descriptor's era and times fit entry %" PRIu64, at);
    }
    (void)snprintf(j->text, j->text_bytes,
                   "segment %" PRIu32 " of the index of entry %" PRIu64
                   " says another %s than entry %" PRIu64 " has: an answer may pass over it",
                   j->fraud->segment, j->fraud->index.index,
                   time ? "log time" : (late ? "range of late events" : "era"), at);
cleanup:
    return st;
}

static stele_status judge_fork(struct judging *j, stele_err *err) {
    const struct stele_fraud *fraud = j->fraud;
    uint8_t hash[2][STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    bool forked = fraud->n_leaves == 0 && j->checkpoint.size_leaves == j->other.size_leaves &&
                  memcmp(j->checkpoint.root, j->other.root, STELE_HASH_BYTES) != 0;
    if (fraud->n_leaves == 2) {
        STELE_TRY(check_leaf(&fraud->leaf[0], &j->checkpoint, hash[0], err));
        STELE_TRY(check_leaf(&fraud->leaf[1], &j->other, hash[1], err));
        forked = fraud->leaf[0].index == fraud->leaf[1].index &&
                 memcmp(hash[0], hash[1], STELE_HASH_BYTES) != 0;
    }
    if (!forked) {
        return PROVES_NOTHING(err, "nothing shown of the two checkpoints contradicts the other");
    }
    (void)snprintf(j->text, j->text_bytes,
                   "two checkpoints, of %" PRIu64 " and %" PRIu64
                   " entries, are of different logs under one name",
                   j->checkpoint.size_leaves, j->other.size_leaves);
cleanup:
    return st;
}

static stele_status judge_order(struct judging *j, stele_err *err) {
    const struct stele_fraud *fraud = j->fraud;
    struct stele_entry entry[2];
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    bool falls = false;
    for (size_t i = 0; i < fraud->n_leaves; i++) {
        STELE_TRY(check_leaf(&fraud->leaf[i], &j->checkpoint, hash, err));
        STELE_TRY(stele_entry_decode(fraud->leaf[i].entry, &entry[i], err));
        falls |= entry[i].seq != fraud->leaf[i].index;
    }
    falls |= fraud->n_leaves == 2 && fraud->leaf[0].index < fraud->leaf[1].index &&
             entry[0].time_us > entry[1].time_us;
    if (!falls) {
        return PROVES_NOTHING(err, "the entries shown are in order");
    }
    (void)snprintf(j->text, j->text_bytes,
                   "log time falls after entry %" PRIu64 ", or an entry is not in its place",
                   fraud->leaf[0].index);
cleanup:
    return st;
}

static stele_status judge_entry(struct judging *j, stele_err *err) {
    stele_err why = {.status = STELE_OK};
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = check_leaf(&j->fraud->leaf[0], &j->checkpoint, hash, err);
    if (st != STELE_OK) {
        return st;
    }
    if (stele_entry_decode(j->fraud->leaf[0].entry, &j->entry, &why) == STELE_OK) {
        return PROVES_NOTHING(err, "the entry shown is as entries must be");
    }
    (void)snprintf(j->text, j->text_bytes, "entry %" PRIu64 " breaks its own rules: %.160s",
                   j->fraud->leaf[0].index, why.text);
    return STELE_OK;
}

/* ------------------------------------------------------------------ kinds */

struct kind {
    stele_fraud_kind kind;
    size_t leaves_least, leaves_most;
    bool index, tags, keys, other;
    stele_status (*judge)(struct judging *j, stele_err *err);
};
static const struct kind kinds[] = {
    {STELE_FRAUD_OMISSION, 1, 1, true, true, true, false, judge_omission},
    {STELE_FRAUD_PHANTOM, 1, 1, true, true, true, false, judge_phantom},
    {STELE_FRAUD_KEY_ORDER, 0, 0, true, false, true, false, judge_key_order},
    {STELE_FRAUD_BOUNDS, 1, 1, true, false, false, false, judge_bounds},
    {STELE_FRAUD_FORK, 0, 2, false, false, false, true, judge_fork},
    {STELE_FRAUD_ORDER, 1, 2, false, false, false, false, judge_order},
    {STELE_FRAUD_ENTRY, 1, 1, false, false, false, false, judge_entry},
};

/* Parts that a kind has no use for are refused: a proof has one form. */
static bool has_its_parts(const struct stele_fraud *fraud, const struct kind *kind) {
    bool keys = fraud->n_keys > 0;
    return fraud->n_leaves >= kind->leaves_least && fraud->n_leaves <= kind->leaves_most &&
           fraud->has_index == kind->index && fraud->has_tags == kind->tags &&
           (!keys || kind->keys) && (!fraud->has_history || (kind->tags && keys)) &&
           (fraud->other_note.size > 0) == kind->other;
}

stele_status stele_fraud_verify(const struct stele_fraud *fraud, const struct stele_vkey *keys,
                                size_t n_keys, struct stele_fraud_report *ret, stele_err *err) {
    struct stele_fraud_report report = {.kind = fraud->kind};
    struct judging j = {.fraud = fraud, .text = report.text, .text_bytes = sizeof report.text};
    stele_status st = STELE_OK;
    const struct kind *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        kind = kinds[i].kind == fraud->kind ? &kinds[i] : kind;
    }
    if (kind == NULL || !has_its_parts(fraud, kind)) {
        return STELE_FAIL(
            err, INVALID,
            "fraud proof: kind %d is unknown, or not all of its parts and no others are there",
            (int)fraud->kind);
    }
    STELE_TRY(stele_checkpoint_open(fraud->note, keys, n_keys, &j.checkpoint, err));
    if (kind->other) {
        STELE_TRY(stele_checkpoint_open(fraud->other_note, keys, n_keys, &j.other, err));
        if (strcmp(j.checkpoint.origin, j.other.origin) != 0) {
            return PROVES_NOTHING(err, "its checkpoints are of two logs");
        }
    }
    STELE_TRY(kind->judge(&j, err));
    report.checkpoint = j.checkpoint;
    *ret = report;
cleanup:
    return st;
}
