/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/stage.c: puts what is queued into a group: gives every event its place, era and late bit,
 * begins eras, lists tenants. The committer's thread alone. Nothing here is durable, and a batch
 * may be staged again.
 */
#include <string.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"

/* The tenants of a batch that this log has not seen are listed in its state before their first
 * event. */
static stele_status stage_tenants(struct stele_group *group, const struct stele_batch *batch,
                                  uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    stele_buf body = STELE_BUF_EMPTY;
    stele_view last = {NULL, 0};
    for (size_t i = 0; i < batch->n_events; i++) {
        stele_view tenant = batch->event[i].tenant;
        if (stele_view_equal(tenant, last) ||
            stele_control_has_tenant(&group->next.state, tenant)) {
            last = tenant;
            continue;
        }
        stele_buf_clear(&body);
        STELE_TRY(stele_control_tenants_body(&tenant, 1, &body, err));
        STELE_TRY(stele_group__add_control(group, STELE_CONTROL_TENANTS, group->next.era, now,
                                           stele_view_buf(&body), err));
        last = tenant;
    }
cleanup:
    stele_buf_done(&body);
    return st;
}

static stele_status stage_frame(struct stele_group *group, struct stele_batch *batch,
                                const struct stele_batch_frame *frame,
                                const struct stele_tag_key *key, uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t bytes[STELE_FRAME_EVENTS_MAX * STELE_ENTRY_EVENT_BYTES + STELE_ENTRY_BYTES_MAX];
    uint8_t leaf[STELE_FRAME_EVENTS_MAX * STELE_HASH_BYTES];
    struct stele_entry entry[STELE_FRAME_EVENTS_MAX];
    uint64_t first_seq = stele_group__next_seq(group);
    for (uint8_t i = 0; i < frame->n; i++) {
        struct stele_batch_event *event = &batch->event[frame->first + i];
        bool late = stele_entry_is_late(now, event->event_us);
        if (batch->era != group->next.era || event->late != late) {
            uint8_t ksalt[STELE_SALT_BYTES];
            stele_hash_ksalt(frame->kseed, i, ksalt);
            STELE_TRY(stele_batch__retag(batch, (size_t)frame->first + i, key, late, ksalt, err));
        }
        entry[i] = (struct stele_entry){.type = STELE_ENTRY_EVENT,
                                        .era = group->next.era,
                                        .seq = first_seq + i,
                                        .time_us = now};
        entry[i].as.event.retention_years = group->log->years;
        entry[i].as.event.late = late;
        entry[i].as.event.event_us = event->event_us;
        memcpy(entry[i].as.event.payload_commit, event->payload_commit, STELE_HASH_BYTES);
        memcpy(entry[i].as.event.keys_commit, event->keys_commit, STELE_HASH_BYTES);
        (void)stele_entry_encode(&entry[i], bytes + (size_t)i * STELE_ENTRY_EVENT_BYTES);
    }
    stele_hash_leaf_many(bytes, STELE_ENTRY_EVENT_BYTES, frame->n, leaf);
    for (uint8_t i = 0; i < frame->n; i++) {
        const struct stele_batch_event *event = &batch->event[frame->first + i];
        stele_view tags = stele_view_of(batch->tags.data + (size_t)event->tags_at * STELE_TAG_BYTES,
                                        (size_t)event->n_tags * STELE_TAG_BYTES);
        STELE_TRY(stele_group__add_entry(group, &entry[i], leaf + (size_t)i * STELE_HASH_BYTES,
                                         stele_view_of(NULL, 0), tags, err));
    }
    uint8_t digest[STELE_ITEM_DIGEST_BYTES];
    struct stele_item item = {
        .kind = STELE_ITEM_FRAME,
        .codec = STELE_FRAME_CODEC_APART,
        .n = frame->n,
        .first_seq = first_seq,
        .time_us = now,
        .raw_bytes = frame->raw_bytes,
        .sealed = stele_view_of(batch->sealed.data + frame->sealed_at, frame->sealed_bytes),
        .digest = stele_view_of(digest, sizeof digest)};
    stele_item_digest(&item, group->log->full_name, frame->sealed_digest, digest);
    STELE_TRY(stele_group__add_item(group, &item, frame->kseed, err));
cleanup:
    return st;
}

/* A frame that does not fit the unit is sealed again in two, so that packs end exactly at their
 * bound. */
static stele_status stage_split(struct stele_group *group, struct stele_batch *batch,
                                struct stele_batch_frame *frame, const struct stele_tag_key *key,
                                uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t done = 0;
    while (done < frame->n) {
        STELE_TRY(stele_group__make_room(group, group->next.era, err));
        uint64_t room = stele_group__room(group);
        uint8_t left = (uint8_t)(frame->n - done);
        struct stele_batch_frame part = {.first = (uint16_t)(frame->first + done),
                                         .n = left > room ? (uint8_t)room : left};
        stele_random(part.seed, STELE_SEED_BYTES);
        stele_random(part.kseed, STELE_SEED_BYTES);
        STELE_TRY(stele_batch__seal(batch, &part, err));
        STELE_TRY(stage_frame(group, batch, &part, key, now, err));
        done = (uint8_t)(done + part.n);
    }
    /* Its events' commitments are the whole frame's again: the batch may be staged a second time.
     */
    STELE_TRY(stele_batch__seal(batch, frame, err));
cleanup:
    return st;
}

static stele_status stage_events(struct stele_group *group, struct stele_batch *batch,
                                 const struct stele_tag_key *key, uint64_t now, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stage_tenants(group, batch, now, err));
    batch->place.first_seq = stele_group__next_seq(group);
    for (size_t f = 0; f < batch->n_frames; f++) {
        STELE_TRY(stele_group__make_room(group, group->next.era, err));
        if (batch->frame[f].n <= stele_group__room(group)) {
            STELE_TRY(stage_frame(group, batch, &batch->frame[f], key, now, err));
        } else {
            STELE_TRY(stage_split(group, batch, &batch->frame[f], key, now, err));
        }
    }
cleanup:
    return st;
}

/* An era's tag key is on disk before its EPOCH is. */
static stele_status begin_era(struct stele_group *group, uint32_t era, uint64_t now,
                              const struct stele_tag_key **ret_key, stele_err *err) {
    struct stele_log *log = group->log;
    stele_status st = STELE_OK;
    stele_buf body = STELE_BUF_EMPTY;
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, era, true, ret_key, err));
    STELE_TRY(stele_control_epoch_body(era, *ret_key, log->map, &body, err));
    STELE_TRY(
        stele_group__add_control(group, STELE_CONTROL_EPOCH, era, now, stele_view_buf(&body), err));
cleanup:
    stele_buf_done(&body);
    return st;
}

stele_status stele_group__stage_month(struct stele_group *group, uint64_t now,
                                      const struct stele_tag_key **ret_key, stele_err *err) {
    struct stele_log *log = group->log;
    uint32_t month = stele_entry_month(now);
    if (group->next.era / 100 == month) {
        return stele_keyring_tag_key(log->keyring, log->name, group->next.era, false, ret_key, err);
    }
    return begin_era(group, month * 100, now, ret_key, err);
}

stele_status stele_group__stage_batch(struct stele_group *group, struct stele_batch *batch,
                                      uint64_t now, const struct stele_tag_key **key,
                                      stele_err *err) {
    stele_status st = STELE_OK;
    batch->place = (struct stele_batch_place){
        .n = batch->kind == STELE_BATCH_EVENTS ? batch->n_events : 1, .time_us = now};
    switch (batch->kind) {
    case STELE_BATCH_EVENTS:
        STELE_TRY(stage_events(group, batch, *key, now, err));
        break;
    case STELE_BATCH_CONTROL:
        STELE_TRY(stele_group__add_control(group, batch->control_kind, group->next.era, now,
                                           stele_view_buf(&batch->body), err));
        break;
    case STELE_BATCH_CUT:
        STELE_TRY(begin_era(group, group->next.era + 1, now, key, err));
        break;
    case STELE_BATCH_INDEX:
        STELE_TRY(
            stele_group__add_index(group, batch->manifest, now, stele_view_buf(&batch->body), err));
        break;
    }
    batch->place.era = group->next.era;
    if (batch->kind != STELE_BATCH_EVENTS) {
        batch->place.first_seq = stele_group__next_seq(group) - 1;
    }
cleanup:
    return st;
}

/* What no submitter could know: an event more than a day ahead of the log's clock, or one tenant
 * too many for the log's state. Such a batch is answered alone; the others of its group are
 * committed. */
stele_status stele_group__check_batch(const struct stele_group *group,
                                      const struct stele_batch *batch, uint64_t now,
                                      stele_err *err) {
    if (batch->kind == STELE_BATCH_CUT && group->next.era % 100 == STELE_ERA_CUT_MAX) {
        return STELE_FAIL(err, LIMIT,
                          "log %s: era %u was cut %d times in one month, and no more are possible",
                          group->log->full_name, group->next.era, STELE_ERA_CUT_MAX);
    }
    if (batch->kind == STELE_BATCH_INDEX && batch->manifest->covered < group->next.covered) {
        return STELE_FAIL(
            err, BUSY,
            "log %s: an INDEX entry that covers more was found meanwhile; seal the log again",
            group->log->full_name);
    }
    for (size_t i = 0; i < batch->n_events; i++) {
        const struct stele_batch_event *event = &batch->event[i];
        if (event->event_us > now + STELE_LATE_AFTER_US) {
            return STELE_FAIL(err, INVALID,
                              "an event is more than a day ahead of the log's clock; check the "
                              "clock of its source");
        }
        if (group->next.state.n >= STELE_LOG_TENANTS_MAX &&
            !stele_control_has_tenant(&group->next.state, event->tenant)) {
            return STELE_FAIL(err, LIMIT,
                              "log %s has %zu tenants already; configure another log for new ones",
                              group->log->full_name, group->next.state.n);
        }
    }
    return STELE_OK;
}
