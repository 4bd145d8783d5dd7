/* SPDX-License-Identifier: Apache-2.0 */
/* storage/record.c: encoding and decoding records and items, both directions side by side. */
#include "storage/record.h"

#include <assert.h>
#include <string.h>

#include "storage/engine.h"

static const uint8_t zeros[3];
static const char record_magic[] = "STLR";

void stele_item_write(struct stele_writer *w, const struct stele_item *item) {
    stele_write_u8(w, (uint8_t)item->kind);
    if (item->kind == STELE_ITEM_FRAME) {
        stele_write_u8(w, STELE_FRAME_CODEC_ZSTD_1);
        stele_write_u8(w, item->n);
        stele_write_u8(w, 0);
        stele_write_u64(w, item->first_seq);
        stele_write_u64(w, item->time_us);
        stele_write_u32(w, item->raw_bytes);
        stele_write_u32(w, (uint32_t)item->sealed.size);
        stele_write_view(w, item->sealed);
        return;
    }
    stele_write_view(w, stele_view_of(zeros, 3));
    stele_write_u32(w, (uint32_t)item->body.size);
    stele_write_view(w, item->entry);
    stele_write_view(w, item->body);
}

static stele_status read_frame(struct stele_reader *r, struct stele_item *ret, stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t codec = 0;
    uint8_t zero = 0;
    uint32_t sealed_bytes = 0;
    STELE_TRY(stele_read_u8(r, &codec, err));
    STELE_TRY(stele_read_u8(r, &ret->n, err));
    STELE_TRY(stele_read_u8(r, &zero, err));
    STELE_TRY(stele_read_u64(r, &ret->first_seq, err));
    STELE_TRY(stele_read_u64(r, &ret->time_us, err));
    STELE_TRY(stele_read_u32(r, &ret->raw_bytes, err));
    STELE_TRY(stele_read_u32(r, &sealed_bytes, err));
    if (codec != STELE_FRAME_CODEC_ZSTD_1 || zero != 0 || ret->n < 1 ||
        ret->n > STELE_FRAME_EVENTS_MAX || ret->raw_bytes > STELE_FRAME_RAW_MAX ||
        ret->first_seq > UINT64_MAX - ret->n) {
        return STELE_FAIL(err, INVALID,
                          "%s: a frame with codec %u, %u events, %u raw bytes is none of ours",
                          r->what, codec, ret->n, ret->raw_bytes);
    }
    STELE_TRY(stele_read_view(r, sealed_bytes, &ret->sealed, err));
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
