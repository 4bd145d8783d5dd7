/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query/complete_opening.c: one segment opened for one key: the adjacent key leaves that settle
 * whether its two tags are there, and the histories of those that are asked.
 */
#include <string.h>

#include "query/complete_parts.h"

static stele_status leaf_of(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                            stele_err *err) {
    return stele_log_view_node(ctx, 0, seq, ret, err);
}

/* Which leaves are shown: FORMAT.md, "Opening": the tags that are there, and beside them what
 * leaves no room for the one that is not. */
struct shown {
    uint64_t first;
    uint8_t n;
    int late[2]; /* of each leaf: 0 or 1 if it is the asked tag of that kind, -1 if it is a
                    neighbour */
};

static stele_status find_shown(const struct stele_complete_log *log, size_t segment,
                               const struct stele_seal *seal, struct shown *ret, stele_err *err) {
    uint64_t n_keys = stele_seal_descriptor(seal)->info.n_keys;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t rank[2];
    bool present[2];
    stele_status st = STELE_OK;
    for (int late = 0; late < 2; late++) {
        stele_complete__tag(log, segment, late, tag);
        STELE_TRY(stele_seal_find(seal, tag, &rank[late], &present[late], err));
    }
    if (present[0]) {
        *ret = (struct shown){rank[0], rank[0] + 1 < n_keys ? 2 : 1, {0, present[1] ? 1 : -1}};
    } else if (present[1]) {
        *ret =
            rank[1] > 0 ? (struct shown){rank[1] - 1, 2, {-1, 1}} : (struct shown){0, 1, {1, -1}};
    } else {
        uint64_t first = rank[0] > 0 ? rank[0] - 1 : 0;
        *ret = (struct shown){first, rank[0] > 0 && rank[0] < n_keys ? 2 : 1, {-1, -1}};
    }
cleanup:
    return st;
}

static void put_opaque(const struct stele_opened_history *h, struct stele_opaque *opaque,
                       struct stele_opened_leaf *leaf) {
    for (size_t i = 0; i < h->n_before + h->n_after; i++) {
        const struct stele_history_node *node =
            i < h->n_before ? &h->before[i] : &h->after[i - h->n_before];
        opaque[i].rep = node->rep;
        memcpy(opaque[i].hash, node->hash, STELE_HASH_BYTES);
    }
    leaf->opened = true;
    leaf->count = h->count;
    leaf->n_left = (uint8_t)h->n_before;
    leaf->n_right = (uint8_t)h->n_after;
    leaf->opaque = opaque;
}

/* The histories of the windows that meet the segment, from their first entry to their last. */
static stele_status open_history(struct stele_complete_log *log, size_t segment, int late,
                                 struct stele_leaf_source leaves, stele_err *err) {
    const struct stele_manifest *manifest = log->scope->manifest;
    const struct stele_segment_info *info = &manifest->descriptor[segment].info;
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t from = log->from[late] > info->lo ? log->from[late] : info->lo;
    uint64_t to = log->to[late] < info->hi ? log->to[late] : info->hi;
    stele_complete__tag(log, segment, late, tag);
    return stele_opened_history_of(manifest->segment[segment]->segment, leaves, tag, from, to,
                                   &log->history[late], err);
}

stele_status stele_complete__open(struct stele_complete_log *log, size_t segment,
                                  struct stele_complete_writer *writer, stele_buf *out,
                                  stele_err *err) {
    const struct stele_seal *seal = log->scope->manifest->segment[segment]->seal;
    struct stele_leaf_source leaves = {leaf_of, log->scope->view};
    struct stele_opaque opaque[2][2 * STELE_HISTORY_DEPTH_MAX];
    struct stele_opening opening = {.kind = STELE_OPENING_EMPTY};
    struct shown shown = {.n = 0};
    stele_buf siblings = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_opened_history_done(&log->history[0]);
    stele_opened_history_done(&log->history[1]);
    if (log->scope->manifest->descriptor[segment].info.n_keys > 0) {
        opening.kind = STELE_OPENING_OPENED;
        STELE_TRY(find_shown(log, segment, seal, &shown, err));
        STELE_TRY(stele_seal_prove(seal, leaves, shown.first, shown.n, &siblings, err));
    }
    opening.first_key = shown.first;
    opening.n_leaves = shown.n;
    opening.siblings = stele_view_buf(&siblings);
    for (uint8_t i = 0; i < shown.n; i++) {
        struct stele_opened_leaf *leaf = &opening.leaf[i];
        struct stele_seal_key key;
        int late = shown.late[i];
        STELE_TRY(stele_seal_key_at(seal, leaves, shown.first + i, &key, err));
        memcpy(leaf->tag, key.tag, sizeof leaf->tag);
        memcpy(leaf->value, key.value, sizeof leaf->value);
        if (late < 0 || !stele_complete__meets(log, segment, late == 1)) {
            continue;
        }
        leaf->counted =
            log->counted && stele_windows_cover(&log->windows, late == 1,
                                                &log->scope->manifest->descriptor[segment].info);
        if (leaf->counted) {
            leaf->count = key.count;
            memcpy(leaf->root, key.root, sizeof leaf->root);
            log->n_counted += key.count;
        } else {
            STELE_TRY(open_history(log, segment, late, leaves, err));
            put_opaque(&log->history[late], opaque[late], leaf);
        }
    }
    STELE_TRY(
        stele_complete_write_opening(writer, log->number, (uint32_t)segment, &opening, out, err));
cleanup:
    stele_buf_done(&siblings);
    return st;
}
