/* SPDX-License-Identifier: Apache-2.0 */
/* storage/record.c: encoding and decoding records and items, both directions side by side. */
#include "storage/record.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "storage/engine.h"
#include "storage/hash_lanes.h"

static const uint8_t zeros[3];
static const char record_magic[] = "STLR";

/* The fixed part of a frame's item. */
#define FRAME_HEAD_BYTES 28

static void put_frame_head(const struct stele_item *frame, uint8_t out[FRAME_HEAD_BYTES]) {
    out[0] = STELE_ITEM_FRAME;
    out[1] = frame->codec;
    out[2] = frame->n;
    out[3] = 0;
    stele_put_u64(out + 4, frame->first_seq);
    stele_put_u64(out + 12, frame->time_us);
    stele_put_u32(out + 20, frame->raw_bytes);
    stele_put_u32(out + 24, (uint32_t)frame->sealed.size);
}

#define QUARTERS 4u

void stele_item_digest_sealed(stele_view sealed, uint8_t out[STELE_AT_LEAST(32)]) {
    struct stele_hash_message message[QUARTERS];
    uint8_t digest[QUARTERS * STELE_HASH_BYTES];
    size_t quarter = (sealed.size + QUARTERS - 1) / QUARTERS;
    size_t from = 0;
    for (size_t i = 0; i < QUARTERS; i++) {
        size_t left = sealed.size - from;
        size_t size = left < quarter ? left : quarter;
        message[i].head_bytes = 0;
        message[i].body = stele_view_slice(sealed, from, size);
        from += size;
    }
    stele_sha256_many(NULL, message, QUARTERS, digest);
    stele_sha256_of(stele_view_of(digest, sizeof digest), out);
}

void stele_item_digest(const struct stele_item *frame, const char *log_full_name,
                       const uint8_t sealed_digest[STELE_AT_LEAST(32)],
                       uint8_t out[STELE_AT_LEAST(16)]) {
    static const char what[] = "stele frame\n"; /* with its zero byte */
    uint8_t head[FRAME_HEAD_BYTES];
    uint8_t digest[STELE_HASH_BYTES];
    struct stele_sha256 sha;
    put_frame_head(frame, head);
    stele_sha256_init(&sha);
    stele_sha256_update(&sha, stele_view_of(what, sizeof what));
    stele_sha256_update(&sha, stele_view_of(log_full_name, strlen(log_full_name) + 1));
    stele_sha256_update(&sha, stele_view_of(head, sizeof head));
    stele_sha256_update(&sha, stele_view_of(sealed_digest, STELE_HASH_BYTES));
    stele_sha256_final(&sha, digest);
    memcpy(out, digest, STELE_ITEM_DIGEST_BYTES);
}

stele_status stele_item_check(const struct stele_item *frame, const char *log_full_name,
                              stele_err *err) {
    uint8_t sealed_digest[STELE_HASH_BYTES];
    uint8_t digest[STELE_ITEM_DIGEST_BYTES];
    if (frame->codec == STELE_FRAME_CODEC_WHOLE) {
        return STELE_OK;
    }
    stele_item_digest_sealed(frame->sealed, sealed_digest);
    stele_item_digest(frame, log_full_name, sealed_digest, digest);
    if (!stele_view_equal(frame->digest, stele_view_of(digest, sizeof digest))) {
        return STELE_FAIL(err, CORRUPT,
                          "log %s: what is stored for entries %" PRIu64 " to %" PRIu64
                          " does not match its digest; run stele fsck",
                          log_full_name, frame->first_seq, frame->first_seq + frame->n - 1);
    }
    return STELE_OK;
}

void stele_item_write(struct stele_writer *w, const struct stele_item *item) {
    if (item->kind == STELE_ITEM_FRAME) {
        uint8_t head[FRAME_HEAD_BYTES];
        put_frame_head(item, head);
        stele_write_view(w, stele_view_of(head, sizeof head));
        stele_write_view(w, item->sealed);
        stele_write_view(w, item->digest);
        return;
    }
    stele_write_u8(w, (uint8_t)item->kind);
    stele_write_view(w, stele_view_of(zeros, 3));
    stele_write_u32(w, (uint32_t)item->body.size);
    stele_write_view(w, item->entry);
    stele_write_view(w, item->body);
}

static stele_status read_frame(struct stele_reader *r, struct stele_item *ret, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t zero = 0;
    uint32_t sealed_bytes = 0;
    STELE_TRY(stele_read_u8(r, &ret->codec, err));
    STELE_TRY(stele_read_u8(r, &ret->n, err));
    STELE_TRY(stele_read_u8(r, &zero, err));
    STELE_TRY(stele_read_u64(r, &ret->first_seq, err));
    STELE_TRY(stele_read_u64(r, &ret->time_us, err));
    STELE_TRY(stele_read_u32(r, &ret->raw_bytes, err));
    STELE_TRY(stele_read_u32(r, &sealed_bytes, err));
    bool known = ret->codec == STELE_FRAME_CODEC_WHOLE || ret->codec == STELE_FRAME_CODEC_APART;
    if (!known || zero != 0 || ret->n < 1 || ret->n > STELE_FRAME_EVENTS_MAX ||
        ret->raw_bytes > STELE_FRAME_RAW_MAX || ret->first_seq > UINT64_MAX - ret->n) {
        return STELE_FAIL(err, INVALID,
                          "%s: a frame with codec %u, %u events, %u raw bytes is none of ours",
                          r->what, ret->codec, ret->n, ret->raw_bytes);
    }
    STELE_TRY(stele_read_view(r, sealed_bytes, &ret->sealed, err));
    STELE_TRY(stele_read_view(
        r, ret->codec == STELE_FRAME_CODEC_APART ? STELE_ITEM_DIGEST_BYTES : 0, &ret->digest, err));
cleanup:
    return st;
}

static stele_status read_entry(struct stele_reader *r, struct stele_item *ret, stele_err *err) {
    stele_status st = STELE_OK;
    uint32_t body_bytes = 0;
    struct stele_entry entry;
    stele_entry_type type =
        ret->kind == STELE_ITEM_CONTROL ? STELE_ENTRY_CONTROL : STELE_ENTRY_INDEX;
    STELE_TRY(stele_read_expect(r, stele_view_of(zeros, 3), err));
    STELE_TRY(stele_read_u32(r, &body_bytes, err));
    if (body_bytes > STELE_CONTROL_BODY_MAX) {
        return STELE_FAIL(err, INVALID, "%s: a body of %u bytes", r->what, body_bytes);
    }
    STELE_TRY(stele_read_view(
        r, type == STELE_ENTRY_CONTROL ? STELE_ENTRY_CONTROL_BYTES : STELE_ENTRY_INDEX_BYTES,
        &ret->entry, err));
    STELE_TRY(stele_entry_decode(ret->entry, &entry, err));
    if (entry.type != type) {
        return STELE_FAIL(err, INVALID, "%s: an item of kind %d holds an entry of type %d", r->what,
                          (int)ret->kind, (int)entry.type);
    }
    ret->n = 1;
    ret->first_seq = entry.seq;
    ret->time_us = entry.time_us;
    STELE_TRY(stele_read_view(r, body_bytes, &ret->body, err));
cleanup:
    return st;
}

stele_status stele_item_read(struct stele_reader *r, struct stele_item *ret, stele_err *err) {
    struct stele_item item = {0};
    uint8_t kind = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(r, &kind, err));
    if (kind == STELE_ITEM_FRAME) {
        item.kind = STELE_ITEM_FRAME;
        STELE_TRY(read_frame(r, &item, err));
    } else if (kind == STELE_ITEM_CONTROL || kind == STELE_ITEM_INDEX) {
        item.kind = kind == STELE_ITEM_CONTROL ? STELE_ITEM_CONTROL : STELE_ITEM_INDEX;
        STELE_TRY(read_entry(r, &item, err));
    } else {
        return STELE_FAIL(err, INVALID, "%s: an item of unknown kind %u", r->what, kind);
    }
    *ret = item;
cleanup:
    return st;
}

stele_status stele_record_begin(stele_buf *out, stele_err *err) {
    assert(out->size == 0);
    stele_status st = stele_buf_reserve(out, STELE_RECORD_HEAD_BYTES, err);
    if (st == STELE_OK) {
        memset(out->data, 0, STELE_RECORD_HEAD_BYTES);
        out->size = STELE_RECORD_HEAD_BYTES;
    }
    return st;
}

stele_status stele_record_end(stele_buf *out, struct stele_record *record, stele_err *err) {
    assert(out->size >= STELE_RECORD_HEAD_BYTES);
    uint8_t *head = out->data;
    memcpy(head, record_magic, 4);
    head[4] = 1;
    head[5] = (uint8_t)record->kind;
    stele_put_u64(head + 8, record->pos);
    stele_put_u64(head + 16, record->epoch);
    memcpy(head + 24, record->prev, STELE_HASH_BYTES);
    stele_put_u64(head + 56, record->first_seq);
    stele_put_u32(head + 64, record->n_entries);
    stele_put_u32(head + 68, record->n_items);
    memcpy(head + 72, record->root_after, STELE_HASH_BYTES);
    stele_sha256_of(stele_view_buf(out), record->hash);
    stele_status st = stele_buf_append(out, stele_view_of(record->hash, STELE_HASH_BYTES), err);
    if (st == STELE_OK && out->size > STELE_RECORD_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "a record of %zu bytes, at most %u", out->size,
                          STELE_RECORD_BYTES_MAX);
    }
    if (st == STELE_OK) {
        record->body = stele_view_of(out->data + STELE_RECORD_HEAD_BYTES,
                                     out->size - STELE_RECORD_HEAD_BYTES - STELE_HASH_BYTES);
    }
    return st;
}

stele_status stele_record_decode(stele_view bytes, struct stele_record *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_record record = {0};
    uint8_t version = 0;
    uint8_t kind = 0;
    uint8_t hash[STELE_HASH_BYTES];
    struct stele_reader r = stele_reader_of(bytes, "record");
    if (bytes.size < STELE_RECORD_HEAD_BYTES + STELE_HASH_BYTES ||
        bytes.size > STELE_RECORD_BYTES_MAX) {
        return STELE_FAIL(err, CORRUPT, "a record of %zu bytes", bytes.size);
    }
    STELE_TRY(stele_read_expect(&r, stele_view_of(record_magic, 4), err));
    STELE_TRY(stele_read_u8(&r, &version, err));
    STELE_TRY(stele_read_u8(&r, &kind, err));
    STELE_TRY(stele_read_expect(&r, stele_view_of(zeros, 2), err));
    STELE_TRY(stele_read_u64(&r, &record.pos, err));
    STELE_TRY(stele_read_u64(&r, &record.epoch, err));
    STELE_TRY(stele_read_bytes(&r, record.prev, STELE_HASH_BYTES, err));
    STELE_TRY(stele_read_u64(&r, &record.first_seq, err));
    STELE_TRY(stele_read_u32(&r, &record.n_entries, err));
    STELE_TRY(stele_read_u32(&r, &record.n_items, err));
    STELE_TRY(stele_read_bytes(&r, record.root_after, STELE_HASH_BYTES, err));
    STELE_TRY(stele_read_view(&r, stele_reader_left(&r) - STELE_HASH_BYTES, &record.body, err));
    STELE_TRY(stele_read_bytes(&r, record.hash, STELE_HASH_BYTES, err));
    if (version != 1 || (kind != STELE_RECORD_ENTRIES && kind != STELE_RECORD_CHECKPOINT)) {
        return STELE_FAIL(err, CORRUPT, "record %llu: version %u, kind %u are not known here",
                          (unsigned long long)record.pos, version, kind);
    }
    stele_sha256_of(stele_view_slice(bytes, 0, bytes.size - STELE_HASH_BYTES), hash);
    if (memcmp(hash, record.hash, STELE_HASH_BYTES) != 0) {
        return STELE_FAIL(err, CORRUPT, "record %llu: its bytes do not match its hash",
                          (unsigned long long)record.pos);
    }
    record.kind = kind == STELE_RECORD_ENTRIES ? STELE_RECORD_ENTRIES : STELE_RECORD_CHECKPOINT;
    *ret = record;
cleanup:
    return stele_corrupt(st, err);
}
