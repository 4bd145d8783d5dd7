/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete_opening.c: one segment of one log. Its key leaves fix for the on-time and the
 * late tag whether they are there; a history that is there and whose window meets the segment is
 * filled by the entries of the stream, and closed against the segment's root when the next segment
 * begins.
 */
#include "storage/complete_reader_parts.h"

#include <inttypes.h>
#include <string.h>

#include "storage/tree_range.h"

#define OPAQUE_BYTES (8 + STELE_HASH_BYTES)

static stele_status refuse(const struct complete_log *log, const struct complete_segment *segment,
                           const char *why, stele_err *err) {
    return STELE_FAIL(
        err, UNVERIFIED, "answer: the segment of entries %" PRIu64 " to %" PRIu64 " of '%.80s': %s",
        segment->descriptor.info.lo, segment->descriptor.info.hi, log->checkpoint.origin, why);
}

stele_status stele_complete__gap(struct stele_complete_reader *r, uint8_t number,
                                 stele_gap_kind kind, uint64_t lo, uint64_t hi, stele_err *err) {
    const struct stele_complete_gap gap = {.log = number, .kind = kind, .lo = lo, .hi = hi};
    r->log[number]->n_gaps++;
    return r->sink.gap == NULL ? STELE_OK : r->sink.gap(r->sink.ctx, &gap, err);
}

/* ------------------------------------------------------------------ closing */

/* The shown key leaves, with the values that the histories made, under the segment's root. */
static stele_status check_leaves(const struct complete_log *log, stele_err *err) {
    const struct complete_opening *opening = &log->opening;
    const struct stele_descriptor *descriptor = &opening->segment->descriptor;
    uint8_t hashes[2][STELE_HASH_BYTES];
    for (size_t i = 0; i < opening->n_leaves; i++) {
        stele_hash_key_leaf(opening->leaf[i].tag, opening->leaf[i].value, hashes[i]);
    }
    struct stele_leaf_run run = {
        .first = opening->first_key, .n = opening->n_leaves, .size = descriptor->info.n_keys};
    stele_view siblings = stele_view_of(opening->sibling, opening->n_siblings * STELE_HASH_BYTES);
    if (stele_tree_range_check(stele_hash_key_inner, run, hashes[0], siblings, descriptor->key_root,
                               NULL) != STELE_OK) {
        return refuse(
            log, opening->segment,
            "the key leaves that are shown are not in it: an event was left out, added or "
            "changed, or a tag, a count or a hash",
            err);
    }
    return STELE_OK;
}

static stele_status close_history(const struct complete_log *log, struct complete_key_leaf *leaf,
                                  stele_err *err) {
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    if (!leaf->opened) {
        return STELE_OK;
    }
    for (size_t i = 0; i < leaf->n_right; i++) {
        STELE_TRY(stele_history_check_push(&leaf->history, STELE_HISTORY_OPAQUE,
                                           stele_get_u64(leaf->right[i]), leaf->right[i] + 8, err));
    }
    STELE_TRY(stele_history_check_end(&leaf->history, leaf->count, root, err));
    stele_hash_key_value(leaf->count, root, leaf->value);
cleanup:
    (void)log;
    return st;
}

static stele_status close_opening(struct complete_log *log, stele_err *err) {
    struct complete_opening *opening = &log->opening;
    stele_status st = STELE_OK;
    if (!opening->is_open) {
        return STELE_OK;
    }
    for (size_t i = 0; i < opening->n_leaves; i++) {
        STELE_TRY(close_history(log, &opening->leaf[i], err));
    }
    STELE_TRY(check_leaves(log, err));
    opening->is_open = false;
cleanup:
    return st;
}

stele_status stele_complete__pass_segments(struct complete_log *log, size_t upto, stele_err *err) {
    stele_status st = close_opening(log, err);
    if (st != STELE_OK) {
        return st;
    }
    for (; log->next_segment < upto; log->next_segment++) {
        if (log->segment[log->next_segment].need == COMPLETE_NEEDED) {
            return refuse(log, &log->segment[log->next_segment],
                          "it may hold events of the asked time, and is not opened", err);
        }
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ disposed segments */

/* That the state's `disposed/` ranges cover the segment, each old enough. */
static stele_status check_disposed_ranges(struct complete_log *log,
                                          const struct complete_segment *segment, stele_err *err) {
    const struct stele_segment_info *info = &segment->descriptor.info;
    uint8_t years = log->state.years;
    uint64_t at = info->lo;
    while (at < info->hi) { /* each range ends above its start */
        struct complete_leaf *range = stele_complete__leaf(&log->state, STELE_GAP_DISPOSED, at);
        if (range == NULL) {
            return refuse(log, segment,
                          "it is said to be disposed of, and the state does not say so of all its "
                          "entries",
                          err);
        }
        uint64_t newest_us = range->hi >= info->hi ? info->t_last : info->t_first;
        if (range->years != years ||
            range->time_us < stele_complete__disposable_us(newest_us, years)) {
            return refuse(
                log, segment,
                "it was disposed of before its retention was over, or under another class", err);
        }
        range->used = true;
        at = range->hi;
    }
    return STELE_OK;
}

static stele_status read_disposed(struct stele_complete_reader *r, uint8_t number,
                                  const struct complete_segment *segment,
                                  struct stele_reader *bytes, stele_err *err) {
    struct complete_log *log = r->log[number];
    const struct stele_segment_info *info = &segment->descriptor.info;
    struct complete_leaf *gone =
        stele_complete__leaf(&log->state, STELE_GAP_DISPOSED_SEGMENT, info->era);
    uint32_t place = 0;
    stele_view siblings = {NULL, 0};
    uint8_t hash[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u32(bytes, &place, err));
    STELE_TRY(stele_read_view(bytes, stele_reader_left(bytes), &siblings, err));
    if (gone == NULL) {
        return refuse(
            log, segment,
            "it is said to be disposed of, and the state does not say that its era is gone", err);
    }
    stele_descriptor_hash(&segment->descriptor, hash);
    struct stele_leaf_run run = {.first = place, .n = 1, .size = gone->n};
    if (stele_tree_range_check(stele_hash_manifest_inner, run, hash, siblings, gone->root, NULL) !=
        STELE_OK) {
        return refuse(log, segment,
                      "it is said to be disposed of, and is none of the segments its era had then",
                      err);
    }
    if (gone->time_us < stele_complete__disposable_us(info->t_last, log->state.years)) {
        return refuse(log, segment, "its era was disposed of before its retention was over", err);
    }
    gone->used = true;
    STELE_TRY(check_disposed_ranges(log, segment, err));
    STELE_TRY(stele_complete__gap(r, number, STELE_GAP_DISPOSED_SEGMENT, info->lo, info->hi, err));
cleanup:
    return st;
}

/* ------------------------------------------------------------------ key leaves */

static int compare_base(const uint8_t *tag, const uint8_t *on_time) {
    uint8_t base[STELE_TAG_BYTES];
    memcpy(base, tag, sizeof base);
    base[STELE_TAG_BYTES - 1] &= 0xfe;
    return memcmp(base, on_time, sizeof base);
}

/*
 * That the leaves are exactly those that settle whether t and t' are there: what stands between two
 * adjacent leaves, or beyond the last one, is not there.
 */
static bool are_right_leaves(const struct complete_opening *opening, const uint8_t *t) {
    uint64_t n_keys = opening->segment->descriptor.info.n_keys;
    bool at_start = opening->first_key == 0;
    bool at_end = opening->first_key + opening->n_leaves == n_keys;
    const uint8_t *a = opening->leaf[0].tag;
    bool a_late = (a[STELE_TAG_BYTES - 1] & 1) != 0;
    int a_side = compare_base(a, t);
    if (opening->n_leaves == 1) {
        if (a_side == 0) {
            return a_late ? at_start : at_end;
        }
        return a_side > 0 ? at_start : at_end;
    }
    const uint8_t *b = opening->leaf[1].tag;
    bool b_late = (b[STELE_TAG_BYTES - 1] & 1) != 0;
    int b_side = compare_base(b, t);
    if (a_side == 0 && b_side == 0) {
        return !a_late && b_late;
    }
    if (a_side == 0) { /* t alone: the next one is beyond t' */
        return !a_late && b_side > 0;
    }
    if (b_side == 0) { /* t' alone: the one before is below t */
        return b_late && a_side < 0;
    }
    return a_side < 0 && b_side > 0;
}

/* The histories of t and t', each if it is shown and its window meets the segment; where a number
 * is asked for and all of it counts, it is counted and not opened. */
static void choose_opened(const struct stele_complete_reader *r, struct complete_opening *opening,
                          const uint8_t *t) {
    const struct stele_segment_info *info = &opening->segment->descriptor.info;
    opening->of[0] = NULL;
    opening->of[1] = NULL;
    for (size_t i = 0; i < opening->n_leaves; i++) {
        struct complete_key_leaf *leaf = &opening->leaf[i];
        bool late = (leaf->tag[STELE_TAG_BYTES - 1] & 1) != 0;
        bool asked = compare_base(leaf->tag, t) == 0 && stele_windows_meet(&r->windows, late, info);
        leaf->counted = asked && r->counted && stele_windows_cover(&r->windows, late, info);
        leaf->opened = asked && !leaf->counted;
        if (leaf->opened) {
            opening->of[late ? 1 : 0] = leaf;
        }
    }
}

static stele_status read_history(const struct complete_opening *opening,
                                 struct complete_key_leaf *leaf, struct stele_reader *bytes,
                                 stele_err *err) {
    const struct stele_segment_info *info = &opening->segment->descriptor.info;
    uint8_t n_left = 0;
    uint8_t n_right = 0;
    stele_view opaque = {NULL, 0};
    stele_status st = STELE_OK;
    stele_history_check_init(&leaf->history, info->lo, info->hi);
    STELE_TRY(stele_read_u64(bytes, &leaf->count, err));
    STELE_TRY(stele_read_u8(bytes, &n_left, err));
    STELE_TRY(stele_read_u8(bytes, &n_right, err));
    if (n_left > STELE_COMPLETE_OPAQUE_MAX || n_right > STELE_COMPLETE_OPAQUE_MAX) {
        return STELE_FAIL(
            err, INVALID,
            "answer: %u and %u parts of a history are given as hashes; at most %d on a "
            "side can be",
            n_left, n_right, STELE_COMPLETE_OPAQUE_MAX);
    }
    for (size_t i = 0; i < n_left; i++) {
        STELE_TRY(stele_read_view(bytes, OPAQUE_BYTES, &opaque, err));
        STELE_TRY(stele_history_check_push(&leaf->history, STELE_HISTORY_OPAQUE,
                                           stele_get_u64(opaque.data), opaque.data + 8, err));
    }
    leaf->n_right = n_right;
    STELE_TRY(stele_read_bytes(bytes, leaf->right[0], n_right * OPAQUE_BYTES, err));
cleanup:
    return st;
}

/* A history that is counted as it is: the key leaf commits to its number of postings. */
static stele_status read_counted(struct stele_complete_reader *r, struct complete_log *log,
                                 struct complete_key_leaf *leaf, struct stele_reader *bytes,
                                 stele_err *err) {
    const struct stele_segment_info *info = &log->opening.segment->descriptor.info;
    stele_view root = {NULL, 0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(bytes, &leaf->count, err));
    STELE_TRY(stele_read_view(bytes, STELE_HASH_BYTES, &root, err));
    if (leaf->count == 0 || leaf->count > info->hi - info->lo) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: a history of %" PRIu64 " postings in a segment of %" PRIu64
                          " entries",
                          leaf->count, info->hi - info->lo);
    }
    stele_hash_key_value(leaf->count, root.data, leaf->value);
    log->n_events += leaf->count;
    r->n_counted += leaf->count;
cleanup:
    return st;
}

static stele_status read_opened(struct stele_complete_reader *r, struct complete_log *log,
                                struct stele_reader *bytes, stele_err *err) {
    static const uint8_t zeros[STELE_HASH_BYTES] = {0};
    struct complete_opening *opening = &log->opening;
    struct complete_segment *segment = opening->segment;
    uint8_t n = 0;
    uint8_t t[STELE_TAG_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u64(bytes, &opening->first_key, err));
    STELE_TRY(stele_read_u8(bytes, &n, err));
    uint64_t n_keys = segment->descriptor.info.n_keys;
    if (n < 1 || n > 2 || n > n_keys || opening->first_key > n_keys - n) {
        return STELE_FAIL(err, INVALID,
                          "answer: %u key leaves from %" PRIu64 " of %" PRIu64 "; 1 or 2 are shown",
                          n, opening->first_key, n_keys);
    }
    opening->n_leaves = n;
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(stele_read_bytes(bytes, opening->leaf[i].tag, STELE_TAG_BYTES, err));
        STELE_TRY(stele_read_bytes(bytes, opening->leaf[i].value, STELE_HASH_BYTES, err));
    }
    if (!segment->epoch->has_key) {
        return refuse(log, segment, "it is opened, and the tag key of its era is not disclosed",
                      err);
    }
    segment->epoch->key_used = true;
    stele_tag_of(&segment->epoch->key, r->question.tenant, log->key.field, log->key.value, false,
                 t);
    if (!are_right_leaves(opening, t)) {
        return refuse(log, segment,
                      "the key leaves that are shown do not settle whether the asked key is in it",
                      err);
    }
    choose_opened(r, opening, t);
    for (size_t i = 0; i < n; i++) {
        struct complete_key_leaf *leaf = &opening->leaf[i];
        if (!leaf->opened && !leaf->counted) {
            continue;
        }
        if (memcmp(opening->leaf[i].value, zeros, sizeof zeros) != 0) {
            return STELE_FAIL(err, INVALID, "answer: a key leaf that is opened has a value, too");
        }
        STELE_TRY(leaf->counted ? read_counted(r, log, leaf, bytes, err)
                                : read_history(opening, leaf, bytes, err));
    }
    size_t left = stele_reader_left(bytes);
    if (left % STELE_HASH_BYTES != 0 || left > sizeof opening->sibling) {
        return STELE_FAIL(err, INVALID, "answer: %zu bytes of hashes beside key leaves", left);
    }
    opening->n_siblings = left / STELE_HASH_BYTES;
    STELE_TRY(stele_read_bytes(bytes, opening->sibling[0], left, err));
    opening->is_open = opening->of[0] != NULL || opening->of[1] != NULL;
    st = opening->is_open ? STELE_OK : check_leaves(log, err);
cleanup:
    return st;
}

stele_status stele_complete__read_opening(struct stele_complete_reader *r, uint8_t number,
                                          struct stele_reader *bytes, stele_err *err) {
    struct complete_log *log = r->log[number];
    uint32_t segment_number = 0;
    uint8_t kind = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u32(bytes, &segment_number, err));
    STELE_TRY(stele_read_u8(bytes, &kind, err));
    size_t i = segment_number - log->first_segment; /* huge if it is below */
    if (segment_number < log->first_segment || i >= log->n_segments || i < log->next_segment) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: segment %" PRIu32
                          " of '%.80s' is opened twice, out of order, or not "
                          "in the manifest that is shown",
                          segment_number, log->checkpoint.origin);
    }
    STELE_TRY(stele_complete__pass_segments(log, i, err));
    struct complete_segment *segment = &log->segment[i];
    if (segment->need != COMPLETE_NEEDED) {
        return refuse(log, segment, "it is opened, and this answer does not need it", err);
    }
    log->next_segment = i + 1;
    log->opening.segment = segment;
    switch (kind) {
    case STELE_OPENING_EMPTY:
        if (segment->descriptor.info.n_keys != 0) {
            return refuse(log, segment, "it is said to be empty, and has keys", err);
        }
        return stele_reader_end(bytes, err);
    case STELE_OPENING_OPENED:
        return read_opened(r, log, bytes, err);
    case STELE_OPENING_DISPOSED:
        return read_disposed(r, number, segment, bytes, err);
    default:
        return STELE_FAIL(err, INVALID, "answer: an opening of unknown kind %u", kind);
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ entries */

stele_status stele_complete__slot_of(const struct stele_complete_reader *r,
                                     struct complete_log *log, const struct stele_entry *entry,
                                     struct complete_slot *ret, stele_err *err) {
    struct complete_opening *opening = &log->opening;
    bool late = entry->as.event.late;
    struct complete_key_leaf *of = opening->is_open ? opening->of[late ? 1 : 0] : NULL;
    if (of == NULL || entry->seq < opening->segment->descriptor.info.lo ||
        entry->seq >= opening->segment->descriptor.info.hi) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: entry %" PRIu64 " of '%.80s' is not of a history that is opened",
                          entry->seq, log->checkpoint.origin);
    }
    const struct stele_segment_info *info = &opening->segment->descriptor.info;
    if (entry->time_us < info->t_first || entry->time_us > info->t_last ||
        entry->era != info->era || entry->as.event.retention_years != log->state.years) {
        return STELE_FAIL(err, UNVERIFIED,
                          "answer: entry %" PRIu64 " of '%.80s' has another era or class than its "
                          "segment, or a time outside of it",
                          entry->seq, log->checkpoint.origin);
    }
    const struct stele_window *window = &r->windows.of[late ? 1 : 0];
    ret->history = &of->history;
    ret->role = STELE_HISTORY_INSIDE;
    if (entry->time_us < window->start_us) {
        ret->role = STELE_HISTORY_LEFT;
    } else if (entry->time_us >= window->end_us) {
        ret->role = STELE_HISTORY_RIGHT;
    }
    return STELE_OK;
}
