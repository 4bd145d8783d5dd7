/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/recovery.c: brings a log back from its record chain, by staging and publishing groups
 * exactly as the committer does (I2). A stored entry is never trusted: frames are opened, tags and
 * commitments computed again, and the tree's root compared with the record's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/hash_lanes.h"
#include "storage/log_parts.h"
#include "storage/pack.h"

static stele_status replay_frame(struct stele_group *group, const struct stele_item *item,
                                 const uint8_t *kseed, stele_buf *raw, stele_err *err) {
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
        return STELE_FAIL(err, CORRUPT,
                          "a frame at entry %" PRIu64 " crosses the bound of its pack",
                          item->first_seq);
    }
    STELE_TRY(stele_item_check(item, log->full_name, err));
    STELE_TRY(stele_compressor_mine(&compressor, err));
    STELE_TRY(stele_frame_open(compressor, item->codec, item->sealed, item->raw_bytes, item->n, raw,
                               &content, err));
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, group->next.era, false, &key, err));
    for (uint8_t i = 0; i < item->n; i++) {
        STELE_TRY(log->map->map(log->map->ctx, content.payload[i], facts, err));
        event_us[i] = facts->event_us;
        STELE_TRY(stele_tag_set_of(key, facts, stele_entry_is_late(item->time_us, event_us[i]),
                                   &set, err));
        tags_bytes[i] = (size_t)set.n * STELE_TAG_BYTES;
        STELE_TRY(stele_buf_append(&all_tags, stele_view_of(set.tag, tags_bytes[i]), err));
    }
    for (size_t i = 0, at = 0; i < item->n; at += tags_bytes[i++]) {
        tags[i] = stele_view_slice(stele_view_buf(&all_tags), at, tags_bytes[i]);
    }
    stele_hash_frame(content.seed, kseed, content.payload, tags, item->n, payload_commit,
                     keys_commit, NULL);
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
        memcpy(entry.as.event.payload_commit, payload_commit + (size_t)i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
        memcpy(entry.as.event.keys_commit, keys_commit + (size_t)i * STELE_HASH_BYTES,
               STELE_HASH_BYTES);
        STELE_TRY(stele_entry_check(&entry, err));
        stele_hash_leaf(stele_view_of(bytes, stele_entry_encode(&entry, bytes)), leaf);
        STELE_TRY(
            stele_group__add_entry(group, &entry, leaf, stele_view_of(NULL, 0), tags[i], err));
    }
    STELE_TRY(stele_group__add_item(group, item, kseed, err));
cleanup:
    stele_buf_done(&all_tags);
    return stele_corrupt(st, err);
}

static stele_status replay_single(struct stele_group *group, const struct stele_item *item,
                                  stele_err *err) {
    struct stele_entry entry;
    uint8_t leaf[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_entry_decode(item->entry, &entry, err));
    STELE_TRY(stele_group__make_room(
        group, entry.type == STELE_ENTRY_CONTROL ? entry.era : group->next.era, err));
    stele_hash_leaf(item->entry, leaf);
    STELE_TRY(stele_group__add_entry(group, &entry, leaf, item->body, stele_view_of(NULL, 0), err));
    STELE_TRY(stele_group__add_item(group, item, NULL, err));
cleanup:
    return stele_corrupt(st, err);
}

/* Applies the items of a record that are not in packs already. */
static stele_status replay_entries(struct stele_log *log, const struct stele_record *record,
                                   stele_err *err) {
    struct stele_group group;
    stele_buf raw = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    uint8_t root[STELE_HASH_BYTES];
    uint64_t have = log->head.frontier.size_leaves;
    struct stele_reader r = stele_reader_of(record->body, "record");
    if (record->first_seq > have) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: entries %" PRIu64 " to %" PRIu64
                          " are missing from its record chain",
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
            STELE_TRY(STELE_FAIL(err, CORRUPT,
                                 "log %s: entry %" PRIu64 " stands where %" PRIu64 " belongs",
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
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "log %s: the entries of record %" PRIu64
                             " do not give the tree root it names",
                             log->full_name, record->pos));
    }
    group.head.pos = record->pos;
    stele_group__publish(&group);
cleanup:
    stele_group__done(&group);
    stele_buf_done(&raw);
    return stele_corrupt(st, err);
}

static stele_status replay_checkpoint(struct stele_log *log, const struct stele_record *record,
                                      stele_err *err) {
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
        return STELE_FAIL(err, CORRUPT,
                          "log %s: the checkpoint in record %" PRIu64
                          " is not signed by this log's key; was the key file replaced?",
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
        return STELE_FAIL(err, CORRUPT,
                          "log %s: record %" PRIu64 " does not follow the one before it",
                          log->full_name, pos);
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
    return log->engine->ops->read(log->engine, log->name, from, replay_record, &replay, &first,
                                  err);
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
        STELE_TRY(STELE_FAIL(
            err, CORRUPT,
            "log %s: a checkpoint of %" PRIu64 " entries was signed, the store holds %" PRIu64
            "; this is an older copy: bring back the newest one, or it would sign a second history",
            log->full_name, checkpoint.size_leaves, view->size));
    }
    STELE_TRY(stele_tree_root_at(checkpoint.size_leaves, stele_log_view_node, view, root, err));
    if (memcmp(root, checkpoint.root, STELE_HASH_BYTES) != 0) {
        st = STELE_FAIL(err, CORRUPT,
                        "log %s: its first %" PRIu64
                        " entries do not give the root that was signed for them; run stele fsck",
                        log->full_name, checkpoint.size_leaves);
    }
cleanup:
    stele_log_view_close(view);
    return st;
}
