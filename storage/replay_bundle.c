/* SPDX-License-Identifier: Apache-2.0 */
/* storage/replay_bundle.c: see replay_bundle.h. */
#include "storage/replay_bundle.h"

#include <string.h>

#include "storage/cursor.h"
#include "storage/descriptor.h"

static const char magic[] = "stele/replay@v1\n";

static bool is_event(stele_view entry) {
    return entry.size > 0 && entry.data[0] == STELE_ENTRY_EVENT;
}

stele_status stele_replay_bundle_append(stele_buf *bundle, const struct stele_audit_entry *entry,
                                        stele_err *err) {
    struct stele_writer w = stele_writer_to(bundle);
    if (entry->tags.size / 16 > UINT16_MAX || entry->body.size > UINT32_MAX) {
        return STELE_FAIL(err, LIMIT, "an entry with %zu bytes of tags and %zu of body",
                          entry->tags.size, entry->body.size);
    }
    if (bundle->size == 0) {
        stele_write_view(&w, stele_view_str(magic));
    }
    if (is_event(entry->entry)) {
        stele_write_view(&w, stele_view_of(entry->ksalt, sizeof entry->ksalt));
        stele_write_u16(&w, (uint16_t)(entry->tags.size / 16));
        stele_write_view(&w, stele_view_slice(entry->tags, 0, entry->tags.size / 16 * 16));
    } else {
        stele_write_u32(&w, (uint32_t)entry->body.size);
        stele_write_view(&w, entry->body);
    }
    return stele_writer_end(&w, err);
}

static stele_status read_beside(struct stele_reader *r, struct stele_audit_entry *ret,
                                stele_err *err) {
    uint16_t n_tags = 0;
    uint32_t body_bytes = 0;
    stele_status st = STELE_OK;
    if (is_event(ret->entry)) {
        STELE_TRY(stele_read_bytes(r, ret->ksalt, sizeof ret->ksalt, err));
        STELE_TRY(stele_read_u16(r, &n_tags, err));
        STELE_TRY(stele_read_view(r, (size_t)n_tags * 16, &ret->tags, err));
    } else {
        STELE_TRY(stele_read_u32(r, &body_bytes, err));
        STELE_TRY(stele_read_view(r, body_bytes, &ret->body, err));
    }
cleanup:
    return st;
}

stele_status
stele_replay_bundle_read(stele_view entries, stele_view bundle,
                         struct stele_audit_entry ret[STELE_AT_LEAST(STELE_TILE_WIDTH)],
                         size_t *ret_n, stele_err *err) {
    struct stele_reader of_entries = stele_reader_of(entries, "entry bundle");
    struct stele_reader r = stele_reader_of(bundle, "replay bundle");
    stele_status st = STELE_OK;
    size_t n = 0;
    STELE_TRY(stele_read_expect(&r, stele_view_str(magic), err));
    for (; stele_reader_left(&of_entries) > 0; n++) {
        if (n == STELE_TILE_WIDTH) {
            return STELE_FAIL(err, INVALID, "an entry bundle of more than %u entries",
                              STELE_TILE_WIDTH);
        }
        ret[n] = (struct stele_audit_entry){.entry = {NULL, 0}};
        STELE_TRY(stele_read_lp(&of_entries, &ret[n].entry, err));
        STELE_TRY(read_beside(&r, &ret[n], err));
    }
    STELE_TRY(stele_reader_end(&r, err));
    *ret_n = n;
cleanup:
    return st;
}

static const char index_magic[] = "stele/index@v1\n";

stele_status stele_replay_index_write(uint64_t seq, stele_view descriptors, stele_buf *out,
                                      stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    stele_write_view(&w, stele_view_str(index_magic));
    stele_write_u64(&w, seq);
    stele_write_u32(&w, (uint32_t)(descriptors.size / STELE_DESCRIPTOR_BYTES));
    stele_write_view(&w, descriptors);
    return stele_writer_end(&w, err);
}

stele_status stele_replay_index_read(stele_view bytes, uint64_t *ret_seq,
                                     stele_view *ret_descriptors, stele_err *err) {
    struct stele_reader r = stele_reader_of(bytes, "newest index");
    uint32_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_expect(&r, stele_view_str(index_magic), err));
    STELE_TRY(stele_read_u64(&r, ret_seq, err));
    STELE_TRY(stele_read_u32(&r, &n, err));
    STELE_TRY(stele_read_view(&r, (size_t)n * STELE_DESCRIPTOR_BYTES, ret_descriptors, err));
    STELE_TRY(stele_reader_end(&r, err));
cleanup:
    return st;
}
