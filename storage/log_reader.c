/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/log_reader.c: reads entries and checks them (I4), so that a changed byte anywhere is an
 * error, never another answer. An entry is checked against its stored leaf hash: payload, times,
 * class and tags are all in that. An event alone is checked as part of its frame, by the frame's
 * digest: that is one place on the disk instead of three, and nothing to rebuild.
 */
#include <inttypes.h>
#include <string.h>

#include "storage/log_reader_parts.h"

/* Out of memory a read takes some 2 us, from a fast disk 70. */
#define SLOW_US 30u
/* So many reads wait for the disk at a time: that is what one does well. */
#define TOLD_MAX 64u
/* One slow read may be a thread that had to wait; a second within so many items is the disk. Then
 * what follows is told of in steps, before what was told runs out. */
#define SLOW_AGAIN_ITEMS 96u
#define COLD_ITEMS 512u
#define TELL_EVERY 16u

stele_status stele_log_reader_new(struct stele_log_view *view, struct stele_log_reader **ret,
                                  stele_err *err) {
    struct stele_log_reader *reader = stele_alloc(1, sizeof *reader);
    if (reader == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a reader of log %s", view->log->full_name);
    }
    reader->view = view;
    reader->slow_us = SLOW_US;
    reader->n_since_slow = SLOW_AGAIN_ITEMS;
    stele_unit_cursor_init(&reader->cursor);
    stele_unit_cursor_init(&reader->ahead);
    *ret = reader;
    return STELE_OK;
}

void stele_log_reader_free(struct stele_log_reader *reader) {
    if (reader != NULL) {
        stele_unit_cursor_done(&reader->cursor);
        stele_unit_cursor_done(&reader->ahead);
        stele_frames_ahead_free(reader->frames);
        stele_open_item_done(&reader->open);
        stele_buf_done(&reader->leaves);
        stele_free(reader);
    }
}

/* 32 KiB: the leaf hashes of some 60 frames in one read. */
#define LEAVES_AHEAD 1024u

/* Finds the open item's leaf hashes; reads ahead where items are read one after the other. */
static stele_status find_leaves(struct stele_log_reader *reader, const struct stele_unit *unit,
                                stele_err *err) {
    const struct stele_item *item = &reader->open.item;
    uint64_t have = reader->leaves_lo + reader->leaves.size / STELE_HASH_BYTES;
    if (item->first_seq < reader->leaves_lo || item->first_seq + item->n > have) {
        uint64_t left = atomic_load_explicit(&unit->hi, memory_order_acquire) - item->first_seq;
        bool ahead = unit->pack != NULL && item->first_seq == reader->leaves_next && left > item->n;
        size_t n = ahead ? (left < LEAVES_AHEAD ? (size_t)left : LEAVES_AHEAD) : item->n;
        stele_buf_clear(&reader->leaves);
        stele_status st = stele_unit_leaves(unit, item->first_seq, n, &reader->leaves, err);
        if (st != STELE_OK) {
            stele_buf_clear(&reader->leaves);
            return st;
        }
        reader->leaves_lo = item->first_seq;
    }
    reader->leaf = reader->leaves.data + (item->first_seq - reader->leaves_lo) * STELE_HASH_BYTES;
    reader->leaves_next = item->first_seq + item->n;
    return STELE_OK;
}

void stele_log_reader_follow(struct stele_log_reader *reader,
                             const struct stele_seq_stream *stream) {
    reader->stream = stream;
}

bool stele_log_reader_wants_help(struct stele_log_reader *reader) {
    if (reader->frames == NULL && reader->stream != NULL &&
        stele_frames_ahead_new(reader->view, &reader->frames, NULL) != STELE_OK) {
        return false; /* then it goes on alone */
    }
    return reader->frames != NULL && stele_frames_ahead_expect(reader->frames);
}

void stele_log_reader_help(struct stele_log_reader *reader, const _Atomic uint32_t *others) {
    stele_frames_ahead_help(reader->frames, others);
}

void stele_log_reader_no_help(struct stele_log_reader *reader) {
    stele_frames_ahead_expect_none(reader->frames);
}

/* What is read next is fetched: items of the open unit, and of the one after it as soon as what
 * that is entered with is there. */
static void tell_ahead(struct stele_log_reader *reader, bool leaves) {
    uint64_t seq[TOLD_MAX];
    const struct stele_unit *open = reader->open.unit;
    const struct stele_unit *next = open;
    size_t n = stele_seq_stream_ahead(reader->stream, seq, TOLD_MAX);
    size_t i = 0;
    if (stele_unit_cursor_enter(&reader->cursor, open, NULL) != STELE_OK) {
        return;
    }
    stele_unit_will_need(&reader->cursor, seq, n, leaves);
    for (; i < n && next == open; i += next == open) {
        next = stele_catalog_unit_of(reader->view->catalog, seq[i]);
    }
    if (next == open || next == NULL) {
        return;
    }
    if (reader->told != next) {
        reader->told = next;
        stele_unit_will_enter(next);
    } else if (stele_unit_cursor_enter(&reader->ahead, next, NULL) == STELE_OK) {
        stele_unit_will_need(&reader->ahead, seq + i, n - i, leaves);
    }
}

/* Asked for only where reads are slow: of what is in memory it would cost as much as reading it. */
static void follow(struct stele_log_reader *reader, uint64_t took_us, bool leaves) {
    reader->n_since_slow++;
    if (took_us >= reader->slow_us) {
        reader->n_cold = reader->n_since_slow <= SLOW_AGAIN_ITEMS ? COLD_ITEMS : reader->n_cold;
        reader->n_since_slow = 0;
        tell_ahead(reader, leaves);
    } else if (reader->n_cold > 0 && --reader->n_cold % TELL_EVERY == 0) {
        tell_ahead(reader, leaves);
    }
}

static void turn_to(struct stele_log_reader *reader, const struct stele_unit *unit) {
    if (reader->cursor.unit != unit && reader->ahead.unit == unit) {
        struct stele_unit_cursor left = reader->cursor;
        reader->cursor = reader->ahead;
        reader->ahead = left;
    }
}

/* Leaves the item that holds seq in the reader: a frame's payloads as they were stored, by its
 * digest. leaves: its leaf hashes are read too. */
static stele_status enter_item(struct stele_log_reader *reader, uint64_t seq, bool leaves,
                               stele_err *err) {
    stele_status st = STELE_OK;
    reader->n_entered = reader->n_open = 0;
    turn_to(reader, stele_catalog_unit_of(reader->view->catalog, seq));
    reader->was_ahead =
        !leaves && reader->frames != NULL &&
        stele_frames_ahead_take(reader->frames, seq, &reader->cursor, &reader->open);
    if (!reader->was_ahead) {
        STELE_TRY(stele_open_item_read(&reader->open, reader->view, &reader->cursor, seq, err));
    }
    reader->n_entered = reader->open.item.n;
    if (reader->stream != NULL) {
        follow(reader, reader->open.took_us, leaves);
    }
    if (!leaves && reader->frames != NULL) {
        stele_frames_ahead_want(reader->frames, reader->stream, seq);
    }
cleanup:
    return st;
}

stele_status stele_log_reader__enter(struct stele_log_reader *reader, uint64_t seq,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__holds(reader, reader->n_entered, seq) && !reader->was_ahead
                  ? STELE_OK
                  : enter_item(reader, seq, true, err));
    if (reader->open.item.kind == STELE_ITEM_FRAME) {
        STELE_TRY(stele_unit_kseed(&reader->cursor, &reader->open.item, reader->kseed, err));
    }
    STELE_TRY(find_leaves(reader, reader->open.unit, err));
    reader->n_open = reader->open.item.n;
cleanup:
    return st;
}

stele_status stele_log_reader__describe(const struct stele_log_reader *reader, uint8_t i,
                                        struct stele_event_facts *ret_facts,
                                        struct stele_entry *ret, stele_err *err) {
    const struct stele_log *log = reader->view->log;
    stele_status st = log->map->map(log->map->ctx, reader->open.content.payload[i], ret_facts, err);
    *ret = (struct stele_entry){.type = STELE_ENTRY_EVENT,
                                .era = reader->open.unit->era,
                                .seq = reader->open.item.first_seq + i,
                                .time_us = reader->open.item.time_us};
    ret->as.event.retention_years = log->years;
    ret->as.event.event_us = ret_facts->event_us;
    ret->as.event.late = stele_entry_is_late(ret->time_us, ret_facts->event_us);
    return stele_corrupt(st, err);
}

/* What an event is without its commitments. */
static stele_status describe_event(struct stele_log_reader *reader, uint64_t seq,
                                   struct stele_stored_entry *ret, stele_err *err) {
    uint8_t i = (uint8_t)(seq - reader->open.item.first_seq);
    ret->payload = reader->open.content.payload[i];
    ret->facts = &reader->facts;
    return stele_log_reader__describe(reader, i, &reader->facts, &ret->entry, err);
}

static stele_status rebuild_event(struct stele_log_reader *reader, uint64_t seq,
                                  struct stele_stored_entry *ret, stele_err *err) {
    struct stele_log *log = reader->view->log;
    const struct stele_tag_key *key = NULL;
    struct stele_entry *entry = &ret->entry;
    stele_status st = STELE_OK;
    uint8_t i = (uint8_t)(seq - reader->open.item.first_seq);
    STELE_TRY(describe_event(reader, seq, ret, err));
    STELE_TRY(stele_keyring_tag_key(log->keyring, log->name, entry->era, false, &key, err));
    STELE_TRY(stele_tag_set_of(key, &reader->facts, entry->as.event.late, &reader->tags, err));
    stele_hash_salt(reader->open.content.seed, i, ret->salt);
    stele_hash_payload(ret->salt, ret->payload, entry->as.event.payload_commit);
    stele_hash_ksalt(reader->kseed, i, ret->ksalt);
    stele_hash_keys(ret->ksalt, reader->tags.tag[0], reader->tags.n, entry->as.event.keys_commit);
    STELE_TRY(stele_entry_check(entry, err));
    ret->n_bytes = stele_entry_encode(entry, ret->bytes);
cleanup:
    return stele_corrupt(st, err);
}

/* A control or index entry is stored as it is; a control's body hangs on the entry by its digest.
 */
static stele_status take_single(const struct stele_log_reader *reader, uint64_t seq,
                                struct stele_stored_entry *ret, stele_err *err) {
    const struct stele_item *item = &reader->open.item;
    uint8_t digest[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_corrupt(stele_entry_decode(item->entry, &ret->entry, err), err));
    memcpy(ret->bytes, item->entry.data, item->entry.size);
    ret->n_bytes = item->entry.size;
    ret->payload = item->body;
    stele_hash_body(item->body, digest);
    if (ret->entry.type == STELE_ENTRY_CONTROL &&
        memcmp(digest, ret->entry.as.control.body_digest, STELE_HASH_BYTES) != 0) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "log %s: the body stored for control entry %" PRIu64
                             " is not the one it commits to; run stele fsck",
                             reader->view->log->full_name, seq));
    }
cleanup:
    return st;
}

stele_status stele_log_reader__check_seq(const struct stele_log_reader *reader, uint64_t seq,
                                         stele_err *err) {
    if (seq >= reader->view->size) {
        return STELE_FAIL(err, NOT_FOUND,
                          "log %s has %" PRIu64 " entries; there is no entry %" PRIu64,
                          reader->view->log->full_name, reader->view->size, seq);
    }
    return STELE_OK;
}

stele_status stele_log_read(struct stele_log_reader *reader, uint64_t seq,
                            struct stele_stored_entry *ret, stele_err *err) {
    const struct stele_item *item = &reader->open.item;
    stele_status st = STELE_OK;
    uint8_t leaf[STELE_HASH_BYTES];
    STELE_TRY(stele_log_reader__check_seq(reader, seq, err));
    STELE_TRY(stele_log_reader__holds(reader, reader->n_open, seq)
                  ? STELE_OK
                  : stele_log_reader__enter(reader, seq, err));
    *ret = (struct stele_stored_entry){0};
    if (item->kind == STELE_ITEM_FRAME) {
        STELE_TRY(rebuild_event(reader, seq, ret, err));
    } else {
        STELE_TRY(take_single(reader, seq, ret, err));
    }
    stele_hash_leaf(stele_view_of(ret->bytes, ret->n_bytes), leaf);
    if (memcmp(leaf, reader->leaf + (seq - item->first_seq) * STELE_HASH_BYTES, STELE_HASH_BYTES) !=
        0) {
        STELE_TRY(STELE_FAIL(err, CORRUPT,
                             "log %s: what is stored for entry %" PRIu64
                             " does not have the leaf hash stored for it; run stele fsck",
                             reader->view->log->full_name, seq));
    }
cleanup:
    return st;
}

stele_status stele_log_read_event(struct stele_log_reader *reader, uint64_t seq,
                                  struct stele_stored_entry *ret, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__check_seq(reader, seq, err));
    STELE_TRY(stele_log_reader__holds(reader, reader->n_entered, seq)
                  ? STELE_OK
                  : enter_item(reader, seq, false, err));
    if (reader->open.item.kind != STELE_ITEM_FRAME ||
        reader->open.item.codec == STELE_FRAME_CODEC_WHOLE) {
        return stele_log_read(reader, seq, ret, err);
    }
    *ret = (struct stele_stored_entry){0};
    STELE_TRY(describe_event(reader, seq, ret, err));
cleanup:
    return st;
}

stele_status stele_log_peek(struct stele_log_reader *reader, uint64_t seq,
                            struct stele_stored_frame *ret, stele_err *err) {
    const struct stele_item *item = &reader->open.item;
    struct stele_entry entry;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_reader__check_seq(reader, seq, err));
    STELE_TRY(stele_log_reader__holds(reader, reader->n_entered, seq)
                  ? STELE_OK
                  : enter_item(reader, seq, false, err));
    if (item->kind != STELE_ITEM_FRAME) {
        STELE_TRY(stele_corrupt(stele_entry_decode(item->entry, &entry, err), err));
        *ret = (struct stele_stored_frame){.first_seq = seq, .time_us = entry.time_us};
        return STELE_OK;
    }
    uint64_t left = reader->view->size - item->first_seq;
    *ret = (struct stele_stored_frame){.first_seq = item->first_seq,
                                       .time_us = item->time_us,
                                       .n = item->n < left ? item->n : (size_t)left,
                                       .payload = reader->open.content.payload};
cleanup:
    return st;
}

stele_status stele_log_read_tags(struct stele_log_reader *reader, const struct stele_tag_set **ret,
                                 stele_err *err) {
    if (reader->n_open == 0 || reader->open.item.kind != STELE_ITEM_FRAME) {
        return STELE_FAIL(err, INVALID,
                          "log %s: the entry that was read last is no event and has no tags",
                          reader->view->log->full_name);
    }
    *ret = &reader->tags;
    return STELE_OK;
}

stele_status stele_log_disclose_tag_key(struct stele_log *log, uint32_t era,
                                        uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    return stele_keyring_disclose(log->keyring, log->name, era, ret, err);
}
