/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/group.c: stages the entries of one record and publishes them whole or not at all. The
 * committer fills a group from batches, recovery from stored records: the same rules, the same
 * result (I2).
 *
 * Everything that can fail happens before the record is appended. Publishing only moves pointers.
 */
#include <assert.h>
#include <string.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"

/* Grows an array of `size`-byte items to hold one more. */
static stele_status grow(void **array, size_t n, size_t *capacity, size_t size, stele_err *err) {
    if (n < *capacity) {
        return STELE_OK;
    }
    size_t grown = *capacity == 0 ? 64 : *capacity * 2;
    void *moved = stele_realloc(*array, grown, size);
    if (moved == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to stage %zu entries", grown);
    }
    *array = moved;
    *capacity = grown;
    return STELE_OK;
}

static stele_status add_part(struct stele_group *group, struct stele_unit *unit, stele_err *err) {
    stele_status st = grow((void **)&group->part, group->n_parts, &group->part_capacity,
                           sizeof *group->part, err);
    if (st == STELE_OK) {
        group->part[group->n_parts++] = (struct stele_group_part){
            .unit = unit, .first_entry = group->n_entries, .first_item = group->n_items};
    }
    return st;
}

stele_status stele_group__begin(struct stele_group *group, struct stele_log *log, stele_err *err) {
    stele_status st = STELE_OK;
    *group = (struct stele_group){
        .log = log, .next = log->head, .first_seq = log->head.frontier.size_leaves};
    STELE_TRY(stele_record_begin(&group->record, err));
    if (log->growing != NULL) {
        STELE_TRY(add_part(group, log->growing, err));
    }
cleanup:
    return st;
}

uint64_t stele_group__next_seq(const struct stele_group *group) {
    return group->first_seq + group->n_entries;
}

uint64_t stele_group__room(const struct stele_group *group) {
    return group->part[group->n_parts - 1].unit->end - stele_group__next_seq(group);
}

static stele_status push_leaves(struct stele_group *group, stele_err *err) {
    stele_status st = STELE_OK;
    while (st == STELE_OK && group->n_pushed < group->n_entries) {
        uint8_t leaves[256 * STELE_HASH_BYTES];
        size_t n = 0;
        while (n < 256 && group->n_pushed + n < group->n_entries) {
            memcpy(leaves + n * STELE_HASH_BYTES, group->entry[group->n_pushed + n].leaf,
                   STELE_HASH_BYTES);
            n++;
        }
        st = stele_frontier_push_many(&group->next.frontier, leaves, n, err);
        group->n_pushed += n;
    }
    return st;
}

stele_status stele_group__make_room(struct stele_group *group, uint32_t era, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_unit *unit = NULL;
    uint64_t seq = stele_group__next_seq(group);
    if (group->n_parts > 0) {
        struct stele_group_part *last = &group->part[group->n_parts - 1];
        if (seq == last->unit->lo) {
            last->unit->era =
                era; /* an empty unit, which no reader sees, takes its first entry's era */
        }
        if (seq < last->unit->end && last->unit->era == era) {
            return STELE_OK;
        }
        STELE_TRY(push_leaves(group, err));
        STELE_TRY(stele_head_encode(&group->next, &last->snapshot, err));
    }
    uint64_t end = (seq / group->log->pack_entries + 1) * group->log->pack_entries;
    STELE_TRY(stele_tail_new(seq, end, era, &unit, err));
    STELE_TRY(add_part(group, unit, err));
    unit = NULL;
cleanup:
    stele_unit_unref(unit);
    return st;
}

/* The staged head shares the log's state until a control entry changes it. */
static stele_status own_state(struct stele_group *group, stele_err *err) {
    struct stele_head copy;
    if (group->owns_state) {
        return STELE_OK;
    }
    stele_status st = stele_head_copy(&group->next, &copy, err);
    if (st == STELE_OK) {
        group->next = copy;
        group->owns_state = true;
    }
    return st;
}

stele_status stele_group__add_entry(struct stele_group *group, const struct stele_entry *entry,
                                    const uint8_t leaf[STELE_AT_LEAST(32)], stele_view body,
                                    stele_view tags, stele_err *err) {
    stele_status st = STELE_OK;
    if (entry->type == STELE_ENTRY_CONTROL) {
        STELE_TRY(own_state(group, err));
    }
    STELE_TRY(stele_head_admit(&group->next, entry, stele_group__next_seq(group), body, err));
    STELE_TRY(grow((void **)&group->entry, group->n_entries, &group->entry_capacity,
                   sizeof *group->entry, err));
    struct stele_group_entry *staged = &group->entry[group->n_entries];
    staged->entry = *entry;
    staged->tags_at = group->tags.size;
    staged->n_tags = (uint16_t)(tags.size / STELE_TAG_BYTES);
    memcpy(staged->leaf, leaf, STELE_HASH_BYTES);
    STELE_TRY(stele_buf_append(&group->tags, tags, err));
    group->part[group->n_parts - 1].n_postings += staged->n_tags;
    group->n_entries++;
cleanup:
    return st;
}

stele_status stele_group__add_item(struct stele_group *group, const struct stele_item *item,
                                   const uint8_t *kseed, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_writer w = stele_writer_to(&group->record);
    size_t at = group->record.size;
    STELE_TRY(grow((void **)&group->item, group->n_items, &group->item_capacity,
                   sizeof *group->item, err));
    stele_item_write(&w, item);
    size_t size = group->record.size - at;
    if (kseed != NULL) {
        stele_write_view(&w, stele_view_of(kseed, STELE_SEED_BYTES));
    }
    STELE_TRY(stele_writer_end(&w, err));
    group->item[group->n_items++] =
        (struct stele_group_item){item->first_seq, at, size, group->record.size - at};
cleanup:
    return st;
}

stele_status stele_group__add_control(struct stele_group *group, stele_control_kind kind,
                                      uint32_t era, uint64_t time_us, stele_view body,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_head after = {0};
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    uint8_t leaf[STELE_HASH_BYTES];
    struct stele_entry entry = {.type = STELE_ENTRY_CONTROL, .era = era, .time_us = time_us};
    STELE_TRY(stele_group__make_room(group, era, err));
    STELE_TRY(stele_head_copy(&group->next, &after, err));
    entry.seq = stele_group__next_seq(group);
    entry.as.control.kind = kind;
    entry.as.control.prev = group->next.control;
    stele_hash_body(body, entry.as.control.body_digest);
    STELE_TRY(stele_control_apply(kind, body, entry.seq, &after.state, err));
    STELE_TRY(stele_state_root(&after.state, entry.as.control.state_root, err));
    entry.as.control.n_state = after.state.n;
    size_t size = stele_entry_encode(&entry, bytes);
    stele_hash_leaf(stele_view_of(bytes, size), leaf);
    STELE_TRY(stele_group__add_entry(group, &entry, leaf, body, stele_view_of(NULL, 0), err));
    struct stele_item item = {.kind = STELE_ITEM_CONTROL,
                              .n = 1,
                              .first_seq = entry.seq,
                              .time_us = time_us,
                              .entry = stele_view_of(bytes, size),
                              .body = body};
    STELE_TRY(stele_group__add_item(group, &item, NULL, err));
cleanup:
    stele_head_done(&after);
    return st;
}

stele_status stele_group__add_index(struct stele_group *group, struct stele_manifest *manifest,
                                    uint64_t time_us, stele_view boundaries, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t bytes[STELE_ENTRY_BYTES_MAX];
    uint8_t leaf[STELE_HASH_BYTES];
    struct stele_head after = {0};
    struct stele_entry entry = {.type = STELE_ENTRY_INDEX, .time_us = time_us};
    STELE_TRY(stele_group__make_room(group, group->next.era, err));
    entry.seq = stele_group__next_seq(group);
    entry.as.index.n_segments = (uint32_t)manifest->n;
    entry.as.index.covered = manifest->covered;
    entry.as.index.control = group->next.control;
    STELE_TRY(stele_tree_shape_root(stele_hash_manifest_inner, manifest->hash, manifest->n,
                                    entry.as.index.manifest_root, err));
    stele_state_done(&manifest->state); /* it is there if this is staged a second time */
    stele_state_init(&manifest->state);
    STELE_TRY(stele_head_copy(&group->next, &after, err));
    manifest->state = after.state;
    manifest->index_seq = entry.seq;
    manifest->index_time_us = time_us;
    manifest->control_seq = entry.as.index.control;
    size_t size = stele_entry_encode(&entry, bytes);
    memcpy(manifest->index_entry, bytes, sizeof manifest->index_entry);
    stele_hash_leaf(stele_view_of(bytes, size), leaf);
    STELE_TRY(stele_group__add_entry(group, &entry, leaf, boundaries, stele_view_of(NULL, 0), err));
    struct stele_item item = {.kind = STELE_ITEM_INDEX,
                              .n = 1,
                              .first_seq = entry.seq,
                              .time_us = time_us,
                              .entry = stele_view_of(bytes, size),
                              .body = boundaries};
    STELE_TRY(stele_group__add_item(group, &item, NULL, err));
cleanup:
    return st;
}

static size_t part_end_item(const struct stele_group *group, size_t p) {
    return p + 1 < group->n_parts ? group->part[p + 1].first_item : group->n_items;
}

/* Gives every part's unit a copy of the bytes its items lie in: units are freed one by one. */
static stele_status hand_out_bytes(struct stele_group *group, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf copy = STELE_BUF_EMPTY;
    for (; group->n_blocks_taken < group->n_parts; group->n_blocks_taken++) {
        struct stele_group_part *part = &group->part[group->n_blocks_taken];
        size_t end_item = part_end_item(group, group->n_blocks_taken);
        STELE_TRY(stele_tail_reserve(part->unit, part->n_postings, err));
        if (part->first_item < end_item) {
            size_t from = group->item[part->first_item].at;
            size_t to = group->item[end_item - 1].at + group->item[end_item - 1].with_kseed;
            STELE_TRY(
                stele_buf_append(&copy, stele_view_of(group->record.data + from, to - from), err));
        }
        STELE_TRY(stele_tail_take_block(part->unit, &copy, err));
    }
cleanup:
    stele_buf_done(&copy);
    return st;
}

/* The catalog with the new units in it. Holds catalog_lock until the group is published or dropped,
 * so that nobody changes the catalog in between. */
static stele_status prepare_catalog(struct stele_group *group, stele_err *err) {
    struct stele_log *log = group->log;
    stele_status st = STELE_OK;
    size_t n_new = group->n_parts - (log->growing != NULL ? 1 : 0);
    if (n_new == 0) {
        return STELE_OK;
    }
    struct stele_unit **unit = stele_alloc(n_new, sizeof(struct stele_unit *));
    if (unit == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu new units", n_new);
    }
    for (size_t i = 0; i < n_new; i++) {
        unit[i] = group->part[group->n_parts - n_new + i].unit;
    }
    (void)pthread_mutex_lock(&log->catalog_lock);
    struct stele_catalog_edit edit = {.unit_at = log->catalog->n_units,
                                      .units_in = n_new,
                                      .units = unit,
                                      .segment_at = log->catalog->n_segments};
    st = stele_catalog_edited(log->catalog, &edit, &group->catalog, err);
    if (st != STELE_OK) {
        (void)pthread_mutex_unlock(&log->catalog_lock);
    }
    stele_free(unit);
    return st;
}

stele_status stele_group__finish(struct stele_group *group, stele_err *err) {
    struct stele_log *log = group->log;
    stele_status st = STELE_OK;
    STELE_TRY(push_leaves(group, err));
    group->head = (struct stele_record){.kind = STELE_RECORD_ENTRIES,
                                        .pos = log->pos,
                                        .epoch = log->epoch,
                                        .first_seq = group->first_seq,
                                        .n_entries = (uint32_t)group->n_entries,
                                        .n_items = (uint32_t)group->n_items};
    memcpy(group->head.prev, log->prev, STELE_HASH_BYTES);
    stele_frontier_root(&group->next.frontier, group->head.root_after);
    STELE_TRY(stele_record_end(&group->record, &group->head, err));
    STELE_TRY(hand_out_bytes(group, err));
    STELE_TRY(prepare_catalog(group, err));
cleanup:
    return st;
}

static void publish_part(struct stele_group *group, size_t p) {
    struct stele_group_part *part = &group->part[p];
    struct stele_tail *tail = part->unit->tail;
    size_t end_item = part_end_item(group, p);
    size_t end_entry = p + 1 < group->n_parts ? group->part[p + 1].first_entry : group->n_entries;
    if (p > 0 || part->unit->lo == group->first_seq) {
        tail->first_record_pos = group->head.pos;
    }
    for (size_t i = part->first_entry; i < end_entry; i++) {
        const struct stele_group_entry *staged = &group->entry[i];
        stele_tail_add_entry(part->unit, &staged->entry, staged->leaf);
        stele_tail_add_tags(part->unit, staged->entry.seq,
                            staged->n_tags == 0 ? NULL : group->tags.data + staged->tags_at,
                            staged->n_tags);
    }
    for (size_t i = part->first_item; i < end_item; i++) {
        const struct stele_group_item *item = &group->item[i];
        const uint8_t *block = tail->block[tail->n_blocks - 1].data;
        stele_tail_add_item(
            part->unit, item->first_seq,
            stele_view_of(block + (item->at - group->item[part->first_item].at), item->size));
    }
    stele_tail_publish(part->unit, group->first_seq + end_entry);
    tail->snapshot = part->snapshot;
    part->snapshot = STELE_BUF_EMPTY;
}

void stele_group__publish(struct stele_group *group) {
    struct stele_log *log = group->log;
    struct stele_head old = log->head;
    struct stele_catalog *old_catalog = NULL;
    size_t n_closed = 0;
    uint64_t data_end = 0;
    uint64_t data_time_us = 0;
    assert(group->n_blocks_taken == group->n_parts);
    for (size_t i = group->n_entries; i > 0 && data_end == 0; i--) {
        data_end = group->entry[i - 1].entry.type != STELE_ENTRY_INDEX ? group->first_seq + i : 0;
        data_time_us = group->entry[i - 1].entry.time_us;
    }
    for (size_t p = 0; p < group->n_parts; p++) {
        n_closed += group->part[p].snapshot.size > 0 ? 1 : 0;
        publish_part(group, p);
    }
    (void)pthread_mutex_lock(&log->lock);
    log->head = group->next;
    if (group->catalog != NULL) {
        old_catalog = log->catalog;
        log->catalog = group->catalog;
    }
    log->size = log->head.frontier.size_leaves;
    log->covered = log->head.covered;
    log->data_end = data_end > 0 ? data_end : log->data_end;
    log->data_time_us = data_end > 0 ? data_time_us : log->data_time_us;
    log->n_unpacked += n_closed;
    (void)pthread_mutex_unlock(&log->lock);
    if (group->owns_state) {
        stele_head_done(&old);
        group->owns_state = false;
    }
    if (group->catalog != NULL) {
        (void)pthread_mutex_unlock(&log->catalog_lock);
        group->catalog = NULL;
        stele_catalog_unref(old_catalog);
    }
    for (size_t p = 0; p < group->n_parts; p++) {
        if (group->part[p].unit != log->growing) {
            stele_unit_unref(group->part[p].unit); /* the catalog has a reference of its own */
        }
    }
    log->growing = group->n_parts > 0 ? group->part[group->n_parts - 1].unit : log->growing;
    group->n_parts = 0;
    if (n_closed > 0) {
        stele_store__wake_packer(log->store);
    }
}

static void drop_parts(struct stele_group *group) {
    for (size_t p = 0; p < group->n_parts; p++) {
        if (p < group->n_blocks_taken) {
            stele_tail_drop_block(group->part[p].unit);
        }
        stele_buf_done(&group->part[p].snapshot);
        if (group->part[p].unit != group->log->growing) {
            stele_unit_unref(group->part[p].unit);
        }
    }
}

void stele_group__done(struct stele_group *group) {
    drop_parts(group);
    if (group->catalog != NULL) {
        stele_catalog_unref(group->catalog);
        (void)pthread_mutex_unlock(&group->log->catalog_lock);
    }
    if (group->owns_state) {
        stele_head_done(&group->next);
    }
    stele_buf_done(&group->record);
    stele_buf_done(&group->tags);
    stele_free(group->entry);
    stele_free(group->item);
    stele_free(group->part);
}
