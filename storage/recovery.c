/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/recovery.c: brings a log back from its blobs and its record chain, by staging and publishing
 * groups exactly as the committer does (I2). A stored entry is never trusted: frames are opened, tags and
 * commitments computed again, and the tree's root compared with the record's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/hash_lanes.h"
#include "storage/leaf_window.h"
#include "storage/log_parts.h"
#include "storage/pack.h"

static stele_status replay_frame(struct stele_group *group, const struct stele_item *item, const uint8_t *kseed,
                                 stele_buf *raw, stele_err *err) {
    struct stele_log *log = group->log;
    struct stele_event_facts *facts = stele_facts_mine();
    struct stele_compressor *compressor = NULL;
    const struct stele_tag_key *key = NULL;
    struct stele_frame_content content;
    struct stele_tag_set set;
    uint64_t event_us[STELE_FRAME_EVENTS_MAX];
    size_t tags_bytes[STELE_FRAME_EVENTS_MAX];
    stele_view tags[STELE_FRAME_EVENTS_MAX];
    uint8_t payload_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    uint8_t keys_commit[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    stele_buf all_tags = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    if (facts == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for this thread's event facts");
    }
    STELE_TRY(stele_group__make_room(group, group->next.era, err));
    if (stele_group__room(group) < item->n) {
        return STELE_FAIL(err, CORRUPT, "a frame at entry %" PRIu64 " crosses the bound of its pack", item->first_seq);
    }
    STELE_TRY(stele_compressor_mine(&compressor, err));
    STELE_TRY(stele_frame_open(compressor, item->sealed, item->raw_bytes, item->n, raw, &content, err));
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, group->next.era, false, &key, err));
    for (uint8_t i = 0; i < item->n; i++) {
        STELE_TRY(log->map->map(log->map->ctx, content.payload[i], facts, err));
        event_us[i] = facts->event_us;
        STELE_TRY(stele_tag_set_of(key, facts, stele_entry_is_late(item->time_us, event_us[i]), &set, err));
        tags_bytes[i] = (size_t)set.n * STELE_TAG_BYTES;
        STELE_TRY(stele_buf_append(&all_tags, stele_view_of(set.tag, tags_bytes[i]), err));
    }
    for (size_t i = 0, at = 0; i < item->n; at += tags_bytes[i++]) {
        tags[i] = stele_view_slice(stele_view_buf(&all_tags), at, tags_bytes[i]);
    }
    stele_hash_frame(content.seed, kseed, content.payload, tags, item->n, payload_commit, keys_commit, NULL);
    for (uint8_t i = 0; i < item->n; i++) {
        uint8_t bytes[STELE_ENTRY_BYTES_MAX];
        uint8_t leaf[STELE_HASH_BYTES];
        struct stele_entry entry = {.type = STELE_ENTRY_EVENT,
                                    .era = group->next.era,
                                    .seq = item->first_seq + i,
                                    .time_us = item->time_us};
        entry.as.event.retention_years = log->years;
        entry.as.event.event_us = event_us[i];
        entry.as.event.late = stele_entry_is_late(item->time_us, event_us[i]);
        memcpy(entry.as.event.payload_commit, payload_commit + (size_t)i * STELE_HASH_BYTES, STELE_HASH_BYTES);
        memcpy(entry.as.event.keys_commit, keys_commit + (size_t)i * STELE_HASH_BYTES, STELE_HASH_BYTES);
        STELE_TRY(stele_entry_check(&entry, err));
        stele_hash_leaf(stele_view_of(bytes, stele_entry_encode(&entry, bytes)), leaf);
        STELE_TRY(stele_group__add_entry(group, &entry, leaf, stele_view_of(NULL, 0), tags[i], err));
    }
    STELE_TRY(stele_group__add_item(group, item, kseed, err));
cleanup:
    stele_buf_done(&all_tags);
    return stele_corrupt(st, err);
}

static stele_status replay_single(struct stele_group *group, const struct stele_item *item, stele_err *err) {
    struct stele_entry entry;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_entry_decode(item->entry, &entry, err));
    STELE_TRY(stele_group__make_room(group, entry.type == STELE_ENTRY_CONTROL ? entry.era : group->next.era, err));
    stele_hash_leaf(item->entry, leaf);
    STELE_TRY(stele_group__add_entry(group, &entry, leaf, item->body, stele_view_of(NULL, 0), err));
    STELE_TRY(stele_group__add_item(group, item, NULL, err));
cleanup:
    return stele_corrupt(st, err);
}

/* Applies the items of a record that are not in packs already. */
static stele_status replay_entries(struct stele_log *log, const struct stele_record *record, stele_err *err) {
    struct stele_group group;
    stele_buf raw = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint8_t root[STELE_HASH_BYTES];
    uint64_t have = log->head.frontier.size_leaves;
    struct stele_reader r = stele_reader_of(record->body, "record");
    if (record->first_seq > have) {
        return STELE_FAIL(err, CORRUPT, "log %s: entries %" PRIu64 " to %" PRIu64 " are missing from its record chain",
                          log->full_name, have, record->first_seq);
    }
    if (record->n_entries <= have - record->first_seq) {
        return STELE_OK; /* all of it is in packs: the writer stopped before it trimmed the chain */
    }
    STELE_TRY(stele_group__begin(&group, log, err));
    for (uint32_t i = 0; i < record->n_items; i++) {
        struct stele_item item;
        stele_view kseed = {NULL, 0};
        STELE_TRY(stele_item_read(&r, &item, err));
        if (item.kind == STELE_ITEM_FRAME) {
            STELE_TRY(stele_read_view(&r, STELE_SEED_BYTES, &kseed, err));
        }
        if (item.first_seq < have) {
            continue; /* packed already; a pack ends where an item ends */
        }
        if (item.first_seq != stele_group__next_seq(&group)) {
            STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: entry %" PRIu64 " stands where %" PRIu64 " belongs",
                                 log->full_name, item.first_seq, stele_group__next_seq(&group)));
        }
        STELE_TRY(item.kind == STELE_ITEM_FRAME ? replay_frame(&group, &item, kseed.data, &raw, err)
                                                : replay_single(&group, &item, err));
    }
    STELE_TRY(stele_reader_end(&r, err));
    STELE_TRY(stele_group__finish(&group, err));
    stele_frontier_root(&group.next.frontier, root);
    if (memcmp(root, record->root_after, STELE_HASH_BYTES) != 0 ||
        record->first_seq + record->n_entries != group.next.frontier.size_leaves) {
        STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: the entries of record %" PRIu64 " do not give the tree root it names",
                             log->full_name, record->pos));
    }
    group.head.pos = record->pos;
    stele_group__publish(&group);
cleanup:
    stele_group__done(&group);
    stele_buf_done(&raw);
    return stele_corrupt(st, err);
}

static stele_status replay_checkpoint(struct stele_log *log, const struct stele_record *record, stele_err *err) {
    struct stele_vkey vkey;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_log_vkey(log, &vkey);
    STELE_TRY(stele_checkpoint_open(record->body, &vkey, 1, &checkpoint, err));
    STELE_TRY(stele_buf_append(&note, record->body, err));
    (void)pthread_mutex_lock(&log->lock);
    stele_buf_done(&log->note);
    log->note = note;
    log->checkpoint = checkpoint;
    log->checkpoint_pos = record->pos;
    (void)pthread_mutex_unlock(&log->lock);
cleanup:
    if (st == STELE_UNVERIFIED) {
        return STELE_FAIL(err, CORRUPT, "log %s: the checkpoint in record %" PRIu64 " is not signed by this log's key; was the key file replaced?",
                          log->full_name, record->pos);
    }
    return stele_corrupt(st, err);
}

struct replay {
    struct stele_log *log;
    bool first;
};

static stele_status replay_record(void *ctx, uint64_t pos, stele_view bytes, stele_err *err) {
    struct replay *replay = ctx;
    struct stele_log *log = replay->log;
    struct stele_record record;
    stele_status st = STELE_OK;
    STELE_TRY(stele_record_decode(bytes, &record, err));
    bool linked = replay->first || memcmp(record.prev, log->prev, STELE_HASH_BYTES) == 0;
    if (record.pos != pos || (!replay->first && pos != log->pos) || !linked) {
        return STELE_FAIL(err, CORRUPT, "log %s: record %" PRIu64 " does not follow the one before it", log->full_name,
                          pos);
    }
    STELE_TRY(record.kind == STELE_RECORD_ENTRIES ? replay_entries(log, &record, err)
                                                  : replay_checkpoint(log, &record, err));
    replay->first = false;
    log->pos = pos + 1;
    memcpy(log->prev, record.hash, STELE_HASH_BYTES);
cleanup:
    return st;
}

stele_status stele_log__replay(struct stele_log *log, uint64_t from, stele_err *err) {
    struct replay replay = {.log = log, .first = from == 0};
    uint64_t first = 0;
    return log->engine->ops->read(log->engine, log->name, from, replay_record, &replay, &first, err);
}

struct key_list {
    struct stele_log *log;
    uint64_t (*range)[2];
    size_t n, capacity;
};

static stele_status collect_key(void *ctx, const char *key, stele_err *err) {
    struct key_list *list = ctx;
    if (list->n == list->capacity) {
        size_t grown = list->capacity == 0 ? 64 : list->capacity * 2;
        uint64_t(*range)[2] = stele_realloc(list->range, grown, sizeof *range);
        if (range == NULL) {
            return STELE_FAIL(err, NO_MEMORY, "no memory for a list of %zu blobs", grown);
        }
        list->range = range;
        list->capacity = grown;
    }
    stele_status st = stele_pack_key_parse(key, &list->range[list->n][0], &list->range[list->n][1], err);
    list->n += st == STELE_OK ? 1 : 0;
    return st;
}

static stele_status list_blobs(struct stele_log *log, char kind, struct key_list *list, stele_err *err) {
    char prefix[STELE_BLOB_KEY_MAX];
    *list = (struct key_list){.log = log};
    (void)snprintf(prefix, sizeof prefix, "%s/%c/", log->name, kind);
    return log->engine->ops->blob_list(log->engine, prefix, collect_key, list, err);
}

static stele_status add_to_catalog(struct stele_log *log, struct stele_unit *unit, struct stele_segment_ref *segment,
                                   stele_err *err) {
    struct stele_catalog *edited = NULL;
    struct stele_catalog_edit edit = {.unit_at = log->catalog->n_units,
                                      .units_in = unit != NULL ? 1 : 0,
                                      .units = &unit,
                                      .segment_at = log->catalog->n_segments,
                                      .segments_in = segment != NULL ? 1 : 0,
                                      .segments = &segment};
    stele_status st = stele_catalog_edited(log->catalog, &edit, &edited, err);
    if (st == STELE_OK) {
        stele_catalog_unref(log->catalog);
        log->catalog = edited;
    }
    return st;
}

static stele_status recover_packs(struct stele_log *log, stele_err *err) {
    struct key_list list;
    struct stele_unit *unit = NULL;
    struct stele_head head;
    stele_status st = STELE_OK;
    uint64_t end = 0;
    STELE_TRY(list_blobs(log, 'p', &list, err));
    for (size_t i = 0; i < list.n; i++) {
        if (list.range[i][0] != end) {
            STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: the pack of entries from %" PRIu64 " is missing; restore it from a backup",
                                 log->full_name, end));
        }
        STELE_TRY(stele_pack_open(log->engine, log->name, list.range[i][0], list.range[i][1], &unit, err));
        STELE_TRY(add_to_catalog(log, unit, NULL, err));
        stele_unit_unref(unit);
        unit = NULL;
        end = list.range[i][1];
    }
    if (list.n > 0) {
        STELE_TRY(stele_pack_snapshot(log->catalog->unit[list.n - 1], &head, err));
        if (head.frontier.size_leaves != end) {
            stele_head_done(&head);
            STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: the snapshot of the pack up to %" PRIu64 " is of another size",
                                 log->full_name, end));
        }
        stele_head_done(&log->head);
        log->head = head;
        log->size = end;
        log->covered = head.covered;
        log->data_time_us = head.time_us;
        log->data_end = end; /* at most: which of them are INDEX entries does not matter, the next one covers all */
    }
cleanup:
    stele_unit_unref(unit);
    stele_free(list.range);
    return st;
}

/* Makes the seal of a segment that has none: the store is of a version without seals, or the merge that
 * made the segment was cut short, or somebody removed it. */
static stele_status rebuild_seal(struct stele_log *log, const char *key, uint64_t lo, uint64_t hi, stele_err *err) {
    struct stele_leaf_window window;
    stele_err told;
    if (stele_store__read_only(log->store)) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the seal of the index segment of entries %" PRIu64 " to %" PRIu64
                          " is missing; a start of the server makes it again",
                          log->full_name, lo, hi - 1);
    }
    stele_leaf_window_init(&window, log->catalog);
    stele_status st = stele_segment_ref_seal(log->engine, key, NULL, 0, stele_leaf_window_source(&window), err);
    stele_leaf_window_done(&window);
    if (st == STELE_OK) {
        (void)STELE_FAIL(&told, NOT_FOUND,
                         "log %s: the seal of the index of entries %" PRIu64 " to %" PRIu64
                         " was missing and has been made again from it",
                         log->full_name, lo, hi - 1);
        stele_store__report(log->store, log->full_name, &told);
    }
    return st;
}

static stele_status add_segment(struct stele_log *log, uint64_t lo, uint64_t hi, stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    struct stele_segment_ref *ref = NULL;
    bool any_order = stele_store__any_key_order(log->store);
    stele_pack_key(log->name, 'i', lo, hi, key);
    stele_status st = any_order ? stele_segment_ref_open_any_order(log->engine, key, &ref, err)
                                : stele_segment_ref_open(log->engine, key, &ref, err);
    if (st == STELE_NOT_FOUND) {
        STELE_TRY(rebuild_seal(log, key, lo, hi, err));
        STELE_TRY(stele_segment_ref_open(log->engine, key, &ref, err));
    }
    if (st == STELE_OK) {
        st = add_to_catalog(log, NULL, ref, err);
    }
cleanup:
    stele_segment_ref_unref(ref);
    return st;
}

/* Makes the segments of packs in [from, to) again. */
static stele_status fill_hole(struct stele_log *log, uint64_t from, uint64_t to, stele_err *err) {
    stele_status st = STELE_OK;
    if (from < to && stele_store__read_only(log->store)) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the index segment of entries from %" PRIu64 " is missing; a start of the server makes it again",
                          log->full_name, from);
    }
    while (st == STELE_OK && from < to) {
        const struct stele_unit *unit = stele_catalog_unit_of(log->catalog, from);
        uint64_t hi = unit == NULL ? 0 : atomic_load_explicit(&unit->hi, memory_order_relaxed);
        if (unit == NULL || unit->lo != from || hi > to) {
            return STELE_FAIL(err, CORRUPT,
                              "log %s: its index segments do not fit its packs at entry %" PRIu64 "; remove the segment after it, and it is made again",
                              log->full_name, from);
        }
        st = stele_log__rebuild_segment(log, unit, err);
        if (st == STELE_OK) {
            st = add_segment(log, from, hi, err);
        }
        from = hi;
    }
    return st;
}

static const struct stele_segment_info *info_at(const struct stele_log *log, size_t segment) {
    return stele_segment_info_of(log->catalog->segment[segment]->segment);
}

static stele_status remove_blob(struct stele_log *log, char kind, uint64_t lo, uint64_t hi, stele_err *err) {
    char key[STELE_BLOB_KEY_MAX];
    stele_pack_key(log->name, kind, lo, hi, key);
    return stele_store__read_only(log->store) ? STELE_OK
                                              : log->engine->ops->blob_expire(log->engine, key, UINT64_MAX, err);
}

/* Removes the seals of segments that are gone; those of a pack that was not finished stay. */
static stele_status drop_seals(struct stele_log *log, const struct key_list *seals, stele_err *err) {
    stele_status st = STELE_OK;
    size_t at = 0;
    for (size_t i = 0; st == STELE_OK && i < seals->n && seals->range[i][0] < log->size; i++) {
        while (at < log->catalog->n_segments && info_at(log, at)->lo < seals->range[i][0]) {
            at++;
        }
        if (at == log->catalog->n_segments || info_at(log, at)->lo != seals->range[i][0] ||
            info_at(log, at)->hi != seals->range[i][1]) {
            st = remove_blob(log, 's', seals->range[i][0], seals->range[i][1], err);
        }
    }
    return st;
}

/* A merge was cut short before it wrote the seal: the parts are still there, and count. */
static bool is_interrupted(const struct key_list *segments, const struct key_list *seals, size_t i) {
    const uint64_t *range = segments->range[i];
    if (i == 0 || segments->range[i - 1][0] != range[0]) {
        return false;
    }
    for (size_t at = 0; at < seals->n; at++) {
        if (seals->range[at][0] == range[0] && seals->range[at][1] == range[1]) {
            return false;
        }
    }
    return true;
}

/* Of segments that overlap, the widest with a seal is the merged one; the others are left-overs of a merge
 * that was cut short, and are removed. */
static bool counts(const struct key_list *segments, const struct key_list *seals, size_t i) {
    if (is_interrupted(segments, seals, i)) {
        return false;
    }
    for (size_t wider = i + 1; wider < segments->n && segments->range[wider][0] == segments->range[i][0]; wider++) {
        if (!is_interrupted(segments, seals, wider)) {
            return false;
        }
    }
    return true;
}

static stele_status recover_segments(struct stele_log *log, stele_err *err) {
    struct key_list list = {.n = 0};
    struct key_list seals = {.n = 0};
    stele_status st = STELE_OK;
    uint64_t end = 0;
    STELE_TRY(list_blobs(log, 'i', &list, err));
    STELE_TRY(list_blobs(log, 's', &seals, err));
    for (size_t i = 0; i < list.n; i++) {
        uint64_t lo = list.range[i][0];
        uint64_t hi = list.range[i][1];
        if (hi <= end || !counts(&list, &seals, i)) {
            STELE_TRY(remove_blob(log, 'i', lo, hi, err));
            continue;
        }
        if (lo >= log->size) {
            break; /* of a pack that was not finished: it will be written again */
        }
        STELE_TRY(fill_hole(log, end, lo, err));
        if (lo < end || hi > log->size) {
            STELE_TRY(STELE_FAIL(err, CORRUPT, "log %s: the index segment of entries %" PRIu64 " to %" PRIu64 " overlaps another or ends beyond the packs; remove it, and it is made again",
                                 log->full_name, lo, hi - 1));
        }
        STELE_TRY(add_segment(log, lo, hi, err));
        end = hi;
    }
    STELE_TRY(fill_hole(log, end, log->size, err));
    STELE_TRY(drop_seals(log, &seals, err));
cleanup:
    stele_free(list.range);
    stele_free(seals.range);
    return st;
}

stele_status stele_log__recover_blobs(struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(recover_packs(log, err));
    STELE_TRY(recover_segments(log, err));
cleanup:
    return st;
}

stele_status stele_log__check_note(struct stele_log *log, stele_view note, stele_err *err) {
    struct stele_vkey vkey;
    struct stele_checkpoint checkpoint;
    struct stele_log_view *view = NULL;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    stele_log_vkey(log, &vkey);
    STELE_TRY(stele_checkpoint_open(note, &vkey, 1, &checkpoint, err));
    STELE_TRY(stele_log_view_open(log, &view, err));
    if (checkpoint.size_leaves > view->size) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "log %s: a checkpoint of %" PRIu64 " entries was signed, the store holds %" PRIu64
                             "; this is an older copy: bring back the newest one, or it would sign a second history",
                             log->full_name, checkpoint.size_leaves, view->size));
    }
    STELE_TRY(stele_tree_root_at(checkpoint.size_leaves, stele_log_view_node, view, root, err));
    if (memcmp(root, checkpoint.root, STELE_HASH_BYTES) != 0) {
        st = STELE_FAIL(err, CORRUPT, "log %s: its first %" PRIu64 " entries do not give the root that was signed for them; run stele fsck",
                        log->full_name, checkpoint.size_leaves);
    }
cleanup:
    stele_log_view_close(view);
    return st;
}
