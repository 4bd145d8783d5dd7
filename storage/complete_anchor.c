/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_anchor.c: what a log's part of a complete answer rests on. The INDEX entry is in
 * the signed tree and names the CONTROL entry; the CONTROL's state says what each era's key, map
 * and class are; the INDEX's manifest says which segments there are; the system log's state says
 * which logs.
 */
#include "storage/complete_reader_parts.h"

#include <inttypes.h>
#include <string.h>

#include "storage/tree_range.h"

/* Reads an inclusion path and checks it. */
static stele_status check_path(const struct complete_log *log, struct stele_reader *bytes,
                               uint64_t seq, const uint8_t *leaf, const char *what,
                               stele_err *err) {
    uint8_t n = 0;
    stele_view path = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(bytes, &n, err));
    STELE_TRY(stele_read_view(bytes, (size_t)n * STELE_HASH_BYTES, &path, err));
    struct stele_leaf_pos pos = {.index_leaves = seq, .size_leaves = log->checkpoint.size_leaves};
    if (stele_tree_check_inclusion(leaf, pos, path.data, n, log->checkpoint.root, NULL) !=
        STELE_OK) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "answer: %s, number %" PRIu64 ", is not in the tree of '%.80s', of %" PRIu64
                        " entries",
                        what, seq, log->checkpoint.origin, log->checkpoint.size_leaves);
    }
cleanup:
    return st;
}

static stele_status read_entry(const struct complete_log *log, struct stele_reader *bytes,
                               size_t size, const char *what, struct stele_entry *ret,
                               stele_err *err) {
    uint8_t leaf[STELE_HASH_BYTES];
    stele_view entry = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_view(bytes, size, &entry, err));
    STELE_TRY(stele_entry_decode(entry, ret, err));
    stele_hash_leaf(entry, leaf);
    STELE_TRY(check_path(log, bytes, ret->seq, leaf, what, err));
cleanup:
    return st;
}

static stele_status check_flags(struct stele_complete_reader *r, struct complete_log *log,
                                uint8_t flags, stele_err *err) {
    bool counted = (flags & STELE_COMPLETE_FLAG_COUNTED) != 0;
    if (flags > STELE_COMPLETE_FLAG_COUNTED) {
        return STELE_FAIL(err, INVALID, "answer: flags %02x of an anchor; 00, 01 and 02 are known",
                          flags);
    }
    log->by_log = (flags & STELE_COMPLETE_FLAG_BY_LOG) != 0;
    if (r->n_begun > 0 && counted != r->counted) {
        return STELE_FAIL(err, INVALID, "answer: one log is counted and another one is not");
    }
    r->counted = counted;
    if (counted && r->sink.counted == NULL) {
        return STELE_FAIL(err, INVALID, "answer: it proves a number, and shows no event");
    }
    return counted ? r->sink.counted(r->sink.ctx, log->condition, err) : STELE_OK;
}

stele_status stele_complete__read_anchor(struct stele_complete_reader *r, struct complete_log *log,
                                         struct stele_reader *bytes, stele_err *err) {
    uint8_t flags = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(bytes, &log->condition, err));
    STELE_TRY(stele_read_u8(bytes, &flags, err));
    STELE_TRY(check_flags(r, log, flags, err));
    if (log->condition == STELE_COMPLETE_WHOLE_TENANT) {
        log->key = (struct stele_complete_key){.field = 16, .value = {NULL, 0}};
    } else {
        STELE_TRY(r->sink.condition(r->sink.ctx, log->condition, &log->key, err));
    }
    STELE_TRY(read_entry(log, bytes, STELE_ENTRY_INDEX_BYTES, "the INDEX entry", &log->index, err));
    STELE_TRY(
        read_entry(log, bytes, STELE_ENTRY_CONTROL_BYTES, "the CONTROL entry", &log->control, err));
    STELE_TRY(stele_read_bytes(bytes, log->genesis, sizeof log->genesis, err));
    STELE_TRY(check_path(log, bytes, 0, log->genesis, "its first entry", err));
    const struct stele_entry *index = &log->index;
    const struct stele_entry *control = &log->control;
    if (index->type != STELE_ENTRY_INDEX || control->type != STELE_ENTRY_CONTROL) {
        return STELE_FAIL(err, INVALID,
                          "answer: the anchor of '%.80s' is no INDEX and CONTROL entry",
                          log->checkpoint.origin);
    }
    if (index->as.index.control != control->seq || control->time_us > index->time_us) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "answer: the INDEX entry %" PRIu64 " of '%.80s' names CONTROL entry %" PRIu64
            ", the answer shows %" PRIu64 ": an old state",
            index->seq, log->checkpoint.origin, index->as.index.control, control->seq);
    }
    /* 2^44 s are 557,000 years: no time of a log, and no overflow. */
    uint64_t seen_s = log->witnessed_s < UINT64_C(1) << 44 ? log->witnessed_s : UINT64_C(1) << 44;
    if (r->trust.quorum > 0 && index->time_us > seen_s * 1000000 + STELE_WITNESS_LAG_US) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the INDEX entry %" PRIu64
                          " of '%.80s' says it is over 300 s newer "
                          "than the newest time that a witness saw the log",
                          index->seq, log->checkpoint.origin);
    }
    if (control->as.control.n_state > STELE_STATE_LEAVES_MAX) {
        return STELE_FAIL(err, INVALID, "answer: a state of %" PRIu64 " leaves; at most %d can be",
                          control->as.control.n_state, STELE_STATE_LEAVES_MAX);
    }
cleanup:
    return st;
}

stele_status stele_complete__read_consistency(struct stele_complete_reader *r, uint8_t number,
                                              struct stele_reader *bytes, stele_err *err) {
    struct complete_log *log = r->log[number];
    uint64_t old_leaves = 0;
    stele_view proof = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(bytes, &old_leaves, err));
    STELE_TRY(stele_read_view(bytes, stele_reader_left(bytes), &proof, err));
    if (log->has_consistency || log->state.next > 0 || old_leaves == 0 ||
        old_leaves >= log->checkpoint.size_leaves || proof.size % STELE_HASH_BYTES != 0) {
        return STELE_FAIL(err, INVALID,
                          "answer: a proof that '%.80s' grew out of %" PRIu64
                          " entries is a second one, "
                          "out of place, or cannot be",
                          log->checkpoint.origin, old_leaves);
    }
    log->has_consistency = true;
    st = r->sink.consistency == NULL
             ? STELE_OK
             : r->sink.consistency(r->sink.ctx, number, &log->checkpoint, old_leaves, proof, err);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ manifest */

static stele_status read_descriptors(struct complete_log *log, struct stele_reader *bytes,
                                     stele_err *err) {
    const struct stele_entry_index *index = &log->index.as.index;
    uint8_t *hashes = NULL;
    stele_view siblings = {NULL, 0};
    uint32_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u32(bytes, &log->first_segment, err));
    STELE_TRY(stele_read_u32(bytes, &n, err));
    if (n == 0 || n > STELE_DESCRIPTORS_MAX || n > index->n_segments ||
        log->first_segment > index->n_segments - n) {
        return STELE_FAIL(err, INVALID,
                          "answer: %" PRIu32 " descriptors from %" PRIu32 " of %" PRIu32
                          " of '%.80s'; 1 to %d are shown",
                          n, log->first_segment, index->n_segments, log->checkpoint.origin,
                          STELE_DESCRIPTORS_MAX);
    }
    hashes = stele_alloc(n, STELE_HASH_BYTES);
    log->segment = stele_alloc(n, sizeof *log->segment);
    if (hashes == NULL || log->segment == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for %" PRIu32 " descriptors of an answer", n);
        goto cleanup;
    }
    for (size_t i = 0; i < n; i++) {
        stele_view descriptor = {NULL, 0};
        STELE_TRY(stele_read_view(bytes, STELE_DESCRIPTOR_BYTES, &descriptor, err));
        STELE_TRY(stele_descriptor_decode(descriptor, &log->segment[i].descriptor, err));
        stele_hash_descriptor(descriptor, hashes + i * STELE_HASH_BYTES);
    }
    log->n_segments = n;
    STELE_TRY(stele_read_view(bytes, stele_reader_left(bytes), &siblings, err));
    struct stele_leaf_run run = {.first = log->first_segment, .n = n, .size = index->n_segments};
    st = stele_tree_range_check(stele_hash_manifest_inner, run, hashes, siblings,
                                index->manifest_root, NULL);
    if (st != STELE_OK) {
        st = STELE_FAIL(
            err, UNVERIFIED,
            "answer: the descriptors of '%.80s' are not those of the manifest that INDEX "
            "entry %" PRIu64 " commits to",
            log->checkpoint.origin, log->index.seq);
    }
cleanup:
    stele_free(hashes);
    return st;
}

static const struct stele_complete_map *map_of(const struct stele_complete_trust *trust,
                                               uint16_t version) {
    for (size_t i = 0; i < trust->n_maps; i++) {
        if (trust->maps[i].map.version == version) {
            return &trust->maps[i];
        }
    }
    return NULL;
}

/* One descriptor by itself and with its era's EPOCH. */
static stele_status check_descriptor(struct stele_complete_reader *r, struct complete_log *log,
                                     size_t i, stele_err *err) {
    struct complete_segment *segment = &log->segment[i];
    const struct stele_segment_info *info = &segment->descriptor.info;
    segment->epoch = stele_complete__epoch(&log->state, info->era);
    if (segment->epoch == NULL) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: '%.80s' does not open the state leaf of era %" PRIu32
                          ", of which it has entries",
                          log->checkpoint.origin, info->era);
    }
    const struct complete_epoch *epoch = segment->epoch;
    segment->epoch->used = true;
    if (memcmp(info->tag_key_commit, epoch->tag_key_commit, STELE_HASH_BYTES) != 0 ||
        info->tag_alg != epoch->tag_alg || info->map_version != epoch->map_version) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "answer: the segment of entries %" PRIu64 " to %" PRIu64
            " of '%.80s' has another tag key or map than the EPOCH of its era %" PRIu32,
            info->lo, info->hi, log->checkpoint.origin, info->era);
    }
    segment->map = map_of(&r->trust, info->map_version);
    if (segment->map == NULL || info->tag_alg != STELE_TAG_ALG) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: era %" PRIu32
                          " of '%.80s' has event map %u and tags of kind %u, "
                          "which this verifier does not know: use a newer one",
                          info->era, log->checkpoint.origin, info->map_version, info->tag_alg);
    }
    if (stele_entry_month(info->t_first) != info->era / 100 ||
        stele_entry_month(info->t_last) != info->era / 100) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the segment of entries %" PRIu64 " to %" PRIu64
                          " of '%.80s' has times outside of the month of its era %" PRIu32,
                          info->lo, info->hi, log->checkpoint.origin, info->era);
    }
    return STELE_OK;
}

/* One descriptor with the one before it: they tile the log, in time too. */
static stele_status check_joint(const struct complete_log *log, size_t i, stele_err *err) {
    const struct stele_segment_info *info = &log->segment[i].descriptor.info;
    if (i == 0) {
        return STELE_OK;
    }
    const struct stele_segment_info *before = &log->segment[i - 1].descriptor.info;
    if (before->hi != info->lo || before->t_last > info->t_first || before->era > info->era) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: between the segments that end before entry %" PRIu64
                          " and begin with %" PRIu64 " of '%.80s' is a gap, or time or era falls",
                          before->hi, info->lo, log->checkpoint.origin);
    }
    if (before->era != info->era && info->lo != log->segment[i].epoch->seq) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: era %" PRIu32 " of '%.80s' begins with entry %" PRIu64
                          " in the index, its EPOCH is entry %" PRIu64,
                          info->era, log->checkpoint.origin, info->lo, log->segment[i].epoch->seq);
    }
    return STELE_OK;
}

/* That no segment left or right of the shown ones can hold what is asked for. */
static stele_status check_edges(const struct stele_complete_reader *r,
                                const struct complete_log *log, stele_err *err) {
    const struct stele_segment_info *first = &log->segment[0].descriptor.info;
    const struct stele_segment_info *last = &log->segment[log->n_segments - 1].descriptor.info;
    bool is_first = log->first_segment == 0;
    bool is_last = log->first_segment + log->n_segments == log->index.as.index.n_segments;
    uint64_t covered = log->index.as.index.covered;
    if (is_first ? first->lo != 0 : first->lo == 0 || first->t_last >= r->windows.least_us) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: segments of '%.80s' before entry %" PRIu64
                          " are not shown, and may hold events of the asked time",
                          log->checkpoint.origin, first->lo);
    }
    bool after = r->windows.greatest_us != UINT64_MAX && last->t_first >= r->windows.greatest_us;
    if (is_last ? last->hi != covered : last->hi >= covered || !after) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: segments of '%.80s' from entry %" PRIu64
                          " on are not shown, and may hold events of the asked time",
                          log->checkpoint.origin, last->hi);
    }
    if (log->index.time_us < last->t_last) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the INDEX entry %" PRIu64
                          " of '%.80s' is older than what it covers",
                          log->index.seq, log->checkpoint.origin);
    }
    return STELE_OK;
}

stele_status stele_complete__read_manifest(struct stele_complete_reader *r, uint8_t number,
                                           struct stele_reader *bytes, stele_err *err) {
    struct complete_log *log = r->log[number];
    stele_status st = STELE_OK;
    STELE_TRY(read_descriptors(log, bytes, err));
    stele_complete__close_state(&log->state);
    if (!log->state.has_class) {
        return STELE_FAIL(err, UNVERIFIED, "answer: '%.80s' does not open the state leaf 'class'",
                          log->checkpoint.origin);
    }
    for (size_t i = 0; i < log->n_segments; i++) {
        STELE_TRY(check_descriptor(r, log, i, err));
        STELE_TRY(check_joint(log, i, err));
    }
    STELE_TRY(check_edges(r, log, err));
    for (size_t i = 0; i < log->n_segments; i++) {
        struct complete_segment *segment = &log->segment[i];
        const struct stele_segment_info *info = &segment->descriptor.info;
        if (!stele_windows_meet(&r->windows, false, info) &&
            !stele_windows_meet(&r->windows, true, info)) {
            continue;
        }
        segment->need = COMPLETE_NEEDED;
        if ((segment->map->fields >> log->key.field & 1) == 0) {
            segment->need = COMPLETE_UNINDEXED;
            STELE_TRY(stele_complete__gap(r, number, STELE_GAP_UNINDEXED, info->lo, info->hi, err));
        }
    }
    for (size_t i = 0; i < log->state.n_epochs && r->sink.epoch != NULL; i++) {
        struct stele_complete_epoch epoch = {.log = number, .era = log->state.epoch[i].era};
        memcpy(epoch.tag_key_commit, log->state.epoch[i].tag_key_commit, STELE_HASH_BYTES);
        STELE_TRY(r->sink.epoch(r->sink.ctx, &epoch, err));
    }
cleanup:
    return st;
}

stele_status stele_complete__read_key(struct complete_log *log, struct stele_reader *bytes,
                                      stele_err *err) {
    uint32_t era = 0;
    stele_view key = {NULL, 0};
    uint8_t commit[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u32(bytes, &era, err));
    STELE_TRY(stele_read_view(bytes, 32, &key, err));
    struct complete_epoch *epoch = stele_complete__epoch(&log->state, era);
    if (epoch == NULL || era <= log->last_key_era) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the tag key of era %" PRIu32
                          " of '%.80s' is out of order, or of an era "
                          "that this answer does not need",
                          era, log->checkpoint.origin);
    }
    stele_hash_tag_key(key.data, commit);
    if (memcmp(commit, epoch->tag_key_commit, sizeof commit) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: the tag key of era %" PRIu32
                          " of '%.80s' is not the one its EPOCH "
                          "commits to",
                          era, log->checkpoint.origin);
    }
    stele_tag_key_init(&epoch->key, key.data);
    epoch->has_key = true;
    log->last_key_era = era;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ the region */

static const struct complete_listed *listed_as(const struct complete_log *system,
                                               const char *origin) {
    for (size_t i = 0; i < system->state.n_listed; i++) {
        if (strcmp(system->state.listed[i].origin, origin) == 0) {
            return &system->state.listed[i];
        }
    }
    return NULL;
}

stele_status stele_complete__check_region(struct stele_complete_reader *r, stele_err *err) {
    const struct complete_log *system = NULL;
    size_t n_found = 0;
    if (r->question.names_logs) {
        return STELE_OK;
    }
    for (size_t i = 0; i < r->n_logs; i++) {
        system = r->log[i]->is_system ? r->log[i] : system;
    }
    if (system == NULL || system->state.n_listed == 0) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "answer: it is about all logs of a region, and does not open the list of them in "
            "the state of its system log");
    }
    for (size_t i = 0; i < r->n_logs; i++) {
        const struct complete_log *log = r->log[i];
        const struct complete_listed *listed = listed_as(system, log->checkpoint.origin);
        if (listed == NULL || listed->years != log->state.years ||
            memcmp(listed->genesis, log->genesis, sizeof log->genesis) != 0) {
            return STELE_FAIL(
                err, UNVERIFIED,
                "answer: log '%.80s' is not listed in its region's system log, or with "
                "another class or another first entry",
                log->checkpoint.origin);
        }
        n_found++;
    }
    if (n_found != system->state.n_listed) {
        return STELE_FAIL(
            err, UNVERIFIED,
            "answer: the region's system log lists %zu logs, the answer has %zu: a log is "
            "left out",
            system->state.n_listed, n_found);
    }
    r->whole_region = true;
    return STELE_OK;
}

uint64_t stele_complete__until_us(const struct stele_complete_reader *r,
                                  const struct complete_log *log) {
    uint64_t logged_until_us = r->windows.range.logged_until_us;
    uint64_t last_us = log->segment[log->n_segments - 1].descriptor.info.t_last;
    if (logged_until_us != UINT64_MAX && last_us >= logged_until_us) {
        return logged_until_us;
    }
    return log->index.as.index.covered == log->index.seq ? log->index.time_us : last_us;
}
