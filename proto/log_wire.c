/* SPDX-License-Identifier: Apache-2.0 */
/* proto/log_wire.c: the messages of log.proto as tables of their members. */
#include "proto/log_wire.h"

#include <assert.h>

#include "proto/wire_out.h"

typedef struct stele_log_request log_request;

#define MEMBER(number, kind, member)                                                               \
    { (number), STELE_WIRE_##kind, offsetof(log_request, member), #member, NULL }

static const struct stele_wire_member list_members[] = {MEMBER(1, TEXT, region)};
static const struct stele_wire_member checkpoint_members[] = {MEMBER(1, TEXT, log),
                                                              MEMBER(2, NUMBER, min_size)};
static const struct stele_wire_member inclusion_members[] = {MEMBER(1, TEXT, log),
                                                             MEMBER(2, NUMBER, seq)};
static const struct stele_wire_member consistency_members[] = {
    MEMBER(1, TEXT, log), MEMBER(2, NUMBER, old_size), MEMBER(3, NUMBER, new_size)};
static const struct stele_wire_member tile_members[] = {MEMBER(1, TEXT, log),
                                                        MEMBER(2, TEXT, path)};
static const struct stele_wire_member entries_members[] = {
    MEMBER(1, TEXT, log), MEMBER(2, NUMBER, first), MEMBER(3, NUMBER, count)};
static const struct stele_wire_member replay_members[] = {
    MEMBER(1, TEXT, log), MEMBER(2, NUMBER, first), MEMBER(3, NUMBER, count),
    MEMBER(4, FLAG, index)};

static const struct stele_wire_member seal_members[] = {MEMBER(1, TEXT, log),
                                                        MEMBER(2, NUMBER, wait_ms)};
static const struct stele_wire_member cut_members[] = {MEMBER(1, TEXT, log)};

/* By stele_log_request_kind. */
static const struct stele_wire_form forms[] = {
    {"list request", list_members, 1},
    {"checkpoint request", checkpoint_members, 2},
    {"inclusion proof request", inclusion_members, 2},
    {"consistency proof request", consistency_members, 3},
    {"tile request", tile_members, 2},
    {"entries request", entries_members, 3},
    {"status request", list_members, 1},
    {"seal request", seal_members, 2},
    {"era cut request", cut_members, 1},
    {"replay request", replay_members, 4},
};

stele_status stele_log_request_read(stele_log_request_kind kind, stele_view message,
                                    struct stele_log_request *ret, stele_err *err) {
    struct stele_log_request request = {0};
    assert((size_t)kind < sizeof forms / sizeof forms[0]);
    stele_status st = stele_wire_read(&forms[kind], message, &request, err);
    if (st == STELE_OK) {
        *ret = request;
    }
    return st;
}

stele_status stele_list_logs_response_put(stele_buf *out, const struct stele_log_info *info,
                                          stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    size_t mark = stele_wire_out_begin(&w, 1);
    stele_wire_out_bytes(&w, 1, info->log);
    stele_wire_out_bytes(&w, 2, info->origin);
    stele_wire_out_bytes(&w, 3, info->vkey);
    stele_wire_out_uint(&w, 4, info->retention_years);
    stele_wire_out_uint(&w, 5, info->size);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_status_response_put(stele_buf *out, const struct stele_log_status *status,
                                       stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    size_t mark = stele_wire_out_begin(&w, 1);
    stele_wire_out_bytes(&w, 1, status->log);
    stele_wire_out_uint(&w, 2, status->size);
    stele_wire_out_uint(&w, 3, status->checkpoint_size);
    stele_wire_out_uint(&w, 4, status->covered);
    stele_wire_out_uint(&w, 5, status->index_seq);
    stele_wire_out_uint(&w, 6, status->index_time_us);
    stele_wire_out_uint(&w, 7, status->lag_entries);
    stele_wire_out_uint(&w, 8, status->lag_us);
    stele_wire_out_uint(&w, 9, status->segments);
    stele_wire_out_uint(&w, 10, status->era);
    stele_wire_out_end(&w, mark);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_seal_response_write(const struct stele_sealed *sealed, stele_buf *out,
                                       stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, sealed->covered);
    stele_wire_out_uint(&w, 2, sealed->index_seq);
    stele_wire_out_uint(&w, 3, sealed->index_time_us);
    stele_wire_out_uint(&w, 4, sealed->segments);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_cut_era_response_write(uint32_t era, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, era);
    return stele_wire_out_done(&w, before, err);
}

/* A message that is one bytes member of number 1: a checkpoint, a tile. */
static stele_status write_one(stele_view bytes, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, bytes);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_checkpoint_response_write(stele_view note, stele_buf *out, stele_err *err) {
    return write_one(note, out, err);
}

stele_status stele_tile_response_write(stele_view tile, stele_buf *out, stele_err *err) {
    return write_one(tile, out, err);
}

static void write_path(struct stele_wire_out *w, uint32_t number, stele_view path) {
    assert(path.size % STELE_HASH_BYTES == 0);
    for (size_t at = 0; at < path.size; at += STELE_HASH_BYTES) {
        stele_wire_out_element(w, number, stele_view_slice(path, at, STELE_HASH_BYTES));
    }
}

stele_status stele_inclusion_response_write(const struct stele_proof_message *proof, stele_buf *out,
                                            stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_bytes(&w, 1, proof->entry);
    stele_wire_out_uint(&w, 2, proof->seq);
    stele_wire_out_uint(&w, 3, proof->size);
    write_path(&w, 4, proof->path);
    stele_wire_out_bytes(&w, 5, proof->note);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_consistency_response_write(const struct stele_proof_message *proof,
                                              stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, proof->seq);
    stele_wire_out_uint(&w, 2, proof->size);
    write_path(&w, 3, proof->path);
    stele_wire_out_bytes(&w, 4, proof->note);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_entries_response_begin(uint64_t first, stele_buf *out, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, first);
    return stele_wire_out_done(&w, before, err);
}

stele_status stele_entries_response_put(stele_buf *out, stele_view entry, stele_err *err) {
    size_t before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_element(&w, 2, entry);
    return stele_wire_out_done(&w, before, err);
}
