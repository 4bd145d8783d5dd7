/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/replay.c: see replay.h. The events of a frame are hashed side by side: their salts, then
 * payloads and tag lists, then their leaves.
 */
#include "storage/replay.h"

#include <inttypes.h>
#include <string.h>

#include "storage/hash_lanes.h"
#include "storage/log_reader_parts.h"

#define EVENTS_MAX STELE_FRAME_EVENTS_MAX

struct stele_replay {
    struct stele_log_reader *reader;
    size_t n;                        /* of the open item; 0: it is not computed */
    size_t n_read;                   /* entries of the open item that _read was asked for */
    struct stele_event_facts *facts; /* of the open item's events, for _read; NULL: not kept */
    struct stele_audit_entry given[EVENTS_MAX];
    struct stele_entry entry[EVENTS_MAX];
    struct stele_tag_set tags[EVENTS_MAX];
    uint8_t bytes[EVENTS_MAX * STELE_ENTRY_EVENT_BYTES]; /* of events, adjacent */
    uint8_t ksalt[EVENTS_MAX * STELE_SALT_BYTES];
    uint8_t leaf[EVENTS_MAX * STELE_HASH_BYTES];
};

stele_status stele_replay_new(struct stele_log_view *view, struct stele_replay **ret,
                              stele_err *err) {
    struct stele_replay *replay = stele_alloc(1, sizeof *replay);
    stele_status st = STELE_OK;
    if (replay == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to replay log %s", view->log->full_name);
    }
    STELE_TRY(stele_log_reader_new(view, &replay->reader, err));
    *ret = replay;
    replay = NULL;
cleanup:
    stele_replay_free(replay);
    return st;
}

void stele_replay_free(struct stele_replay *replay) {
    if (replay != NULL) {
        stele_log_reader_free(replay->reader);
        stele_free(replay->facts);
        stele_free(replay);
    }
}

/* Times and tags of event i of the frame, as its payload and the log's keys say. */
static stele_status describe(struct stele_replay *replay, const struct stele_tag_key *key,
                             uint8_t i, stele_err *err) {
    struct stele_log_reader *reader = replay->reader;
    struct stele_event_facts *facts = replay->facts != NULL ? &replay->facts[i] : &reader->facts;
    struct stele_entry *entry = &replay->entry[i];
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__describe(reader, i, facts, entry, err));
    STELE_TRY(stele_tag_set_of(key, facts, entry->as.event.late, &replay->tags[i], err));
cleanup:
    return st;
}

/* The commitments of all events of the frame, and what opens those of their tags. */
static void commit(struct stele_replay *replay, size_t n) {
    const struct stele_log_reader *reader = replay->reader;
    stele_view tags[EVENTS_MAX] = {{NULL, 0}};
    uint8_t payload_commits[EVENTS_MAX * STELE_HASH_BYTES];
    uint8_t keys_commits[EVENTS_MAX * STELE_HASH_BYTES];
    for (size_t i = 0; i < n; i++) {
        tags[i] =
            stele_view_of(replay->tags[i].tag[0], (size_t)replay->tags[i].n * STELE_TAG_BYTES);
    }
    stele_hash_frame(reader->open.content.seed, reader->kseed, reader->open.content.payload, tags,
                     n, payload_commits, keys_commits, replay->ksalt);
    for (size_t i = 0; i < n; i++) {
        struct stele_entry_event *event = &replay->entry[i].as.event;
        memcpy(event->payload_commit, payload_commits + i * STELE_HASH_BYTES, STELE_HASH_BYTES);
        memcpy(event->keys_commit, keys_commits + i * STELE_HASH_BYTES, STELE_HASH_BYTES);
    }
}

static stele_status open_events(struct stele_replay *replay, stele_err *err) {
    const struct stele_log_reader *reader = replay->reader;
    const struct stele_log *log = reader->view->log;
    const struct stele_tag_key *key = NULL;
    size_t n = reader->open.item.n;
    stele_status st = STELE_OK;
    STELE_TRY(
        stele_keyring_tag_key(log->keyring, log->name, reader->open.unit->era, false, &key, err));
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(describe(replay, key, (uint8_t)i, err));
    }
    commit(replay, n);
    for (size_t i = 0; i < n; i++) {
        uint8_t *bytes = replay->bytes + i * STELE_ENTRY_EVENT_BYTES;
        struct stele_audit_entry *given = &replay->given[i];
        uint8_t encoded[STELE_ENTRY_BYTES_MAX];
        STELE_TRY(stele_entry_check(&replay->entry[i], err));
        (void)stele_entry_encode(&replay->entry[i], encoded);
        memcpy(bytes, encoded, STELE_ENTRY_EVENT_BYTES);
        *given = (struct stele_audit_entry){
            .entry = stele_view_of(bytes, STELE_ENTRY_EVENT_BYTES),
            .tags =
                stele_view_of(replay->tags[i].tag[0], (size_t)replay->tags[i].n * STELE_TAG_BYTES),
            .leaf = replay->leaf + i * STELE_HASH_BYTES};
        memcpy(given->ksalt, replay->ksalt + i * STELE_SALT_BYTES, sizeof given->ksalt);
    }
    stele_hash_leaf_many(replay->bytes, STELE_ENTRY_EVENT_BYTES, n, replay->leaf);
cleanup:
    return stele_corrupt(st, err);
}

static void open_single(struct stele_replay *replay) {
    const struct stele_item *item = &replay->reader->open.item;
    replay->given[0] =
        (struct stele_audit_entry){.entry = item->entry, .body = item->body, .leaf = replay->leaf};
    stele_hash_leaf(item->entry, replay->leaf);
}

static stele_status open_item(struct stele_replay *replay, uint64_t seq, stele_err *err) {
    struct stele_log_reader *reader = replay->reader;
    stele_status st = STELE_OK;
    replay->n = 0;
    STELE_TRY(stele_log_reader__enter(reader, seq, err));
    if (reader->open.item.kind == STELE_ITEM_FRAME) {
        STELE_TRY(open_events(replay, err));
    } else {
        open_single(replay);
    }
    for (size_t i = 0; i < reader->open.item.n; i++) {
        if (memcmp(replay->leaf + i * STELE_HASH_BYTES, reader->leaf + i * STELE_HASH_BYTES,
                   STELE_HASH_BYTES) != 0) {
            return STELE_FAIL(err, CORRUPT,
                              "log %s: what is stored for entry %" PRIu64
                              " does not have the leaf hash stored for it; run stele fsck",
                              reader->view->log->full_name, reader->open.item.first_seq + i);
        }
    }
    replay->n = reader->open.item.n;
cleanup:
    return st;
}

stele_status stele_replay_at(struct stele_replay *replay, uint64_t seq,
                             const struct stele_audit_entry **ret, size_t *ret_n, stele_err *err) {
    const struct stele_log_reader *reader = replay->reader;
    const struct stele_item *item = &reader->open.item;
    uint64_t size = reader->view->size;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__check_seq(replay->reader, seq, err));
    if (!stele_log_reader__holds(reader, replay->n, seq)) {
        STELE_TRY(open_item(replay, seq, err));
    }
    size_t at = (size_t)(seq - item->first_seq);
    size_t n = replay->n - at;
    *ret = replay->given + at;
    *ret_n = size - seq < n ? (size_t)(size - seq) : n;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ one by one */

/* To another item than the last one, of which it is seen whether all of this one is worth
 * computing. */
static stele_status turn_to(struct stele_replay *replay, uint64_t seq, stele_err *err) {
    struct stele_log_reader *reader = replay->reader;
    bool whole = 2 * replay->n_read > reader->n_open;
    replay->n = replay->n_read = 0;
    if (whole && replay->facts == NULL) {
        replay->facts = stele_alloc(EVENTS_MAX, sizeof *replay->facts);
        whole = replay->facts != NULL; /* else it goes on one by one */
    }
    return whole ? open_item(replay, seq, err) : stele_log_reader__enter(reader, seq, err);
}

static void give_event(const struct stele_replay *replay, uint8_t i,
                       struct stele_stored_entry *ret) {
    const struct stele_frame_content *content = &replay->reader->open.content;
    *ret = (struct stele_stored_entry){.entry = replay->entry[i],
                                       .n_bytes = STELE_ENTRY_EVENT_BYTES,
                                       .payload = content->payload[i],
                                       .facts = &replay->facts[i]};
    memcpy(ret->bytes, replay->given[i].entry.data, STELE_ENTRY_EVENT_BYTES);
    memcpy(ret->ksalt, replay->given[i].ksalt, sizeof ret->ksalt);
    stele_hash_salt(content->seed, i, ret->salt);
}

stele_status stele_replay_read(struct stele_replay *replay, uint64_t seq,
                               struct stele_stored_entry *ret, stele_err *err) {
    const struct stele_item *item = &replay->reader->open.item;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__check_seq(replay->reader, seq, err));
    if (!stele_log_reader__holds(replay->reader, replay->reader->n_open, seq)) {
        STELE_TRY(turn_to(replay, seq, err));
    }
    if (replay->n > 0 && item->kind == STELE_ITEM_FRAME) {
        give_event(replay, (uint8_t)(seq - item->first_seq), ret);
    } else {
        STELE_TRY(stele_log_read(replay->reader, seq, ret, err));
    }
    replay->n_read++;
cleanup:
    return st;
}
