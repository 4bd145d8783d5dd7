/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/store_answers.c: everything a store says, hashed. */
#include "tests/support/store_answers.h"

#include <string.h>

#include "storage/bytes.h"
#include "storage/checkpoint.h"
#include "storage/cursor.h"
#include "storage/window.h"

static void add_number(struct stele_sha256 *sha, uint64_t number) {
    uint8_t bytes[8];
    stele_put_u64(bytes, number);
    stele_sha256_update(sha, stele_view_of(bytes, sizeof bytes));
}

static void add_bytes(struct stele_sha256 *sha, const void *data, size_t size) {
    add_number(sha, size);
    stele_sha256_update(sha, stele_view_of(data, size));
}

static stele_status add_seqs(struct stele_log_view *view, const struct stele_index_key *key,
                             bool descending, struct stele_sha256 *sha, stele_err *err) {
    static const struct stele_time_range always = {0, UINT64_MAX, 0, UINT64_MAX};
    struct stele_seq_stream *stream = NULL;
    uint64_t seq = 0;
    stele_status st = stele_seq_stream_open(view, key, &always, descending,
                                            descending ? UINT64_MAX : 0, &stream, err);
    while (st == STELE_OK && (st = stele_seq_stream_next(stream, &seq, err)) == STELE_OK) {
        add_number(sha, seq);
    }
    stele_seq_stream_close(stream);
    add_number(sha, UINT64_MAX);
    return st == STELE_END ? STELE_OK : st;
}

static stele_status add_keys(struct stele_log_view *view, const struct stele_event_facts *facts,
                             struct stele_sha256 *sha, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < facts->n_keys; i++) {
        struct stele_index_key key = {
            .tenant = facts->tenant, .field = facts->key[i].field, .value = facts->key[i].value};
        STELE_TRY(add_seqs(view, &key, i % 2 == 1, sha, err));
    }
cleanup:
    return st;
}

static stele_status add_entries(struct stele_log_view *view, uint64_t every,
                                struct stele_sha256 *sha, stele_err *err) {
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    stele_status st = stele_log_reader_new(view, &reader, err);
    for (uint64_t seq = 0; st == STELE_OK && seq < stele_log_view_size(view); seq++) {
        st = stele_log_read(reader, seq, &stored, err);
        if (st != STELE_OK) {
            break;
        }
        add_bytes(sha, stored.bytes, stored.n_bytes);
        add_bytes(sha, stored.payload.data, stored.payload.size);
        if (stored.entry.type == STELE_ENTRY_EVENT) {
            add_bytes(sha, stored.salt, sizeof stored.salt);
            add_bytes(sha, stored.ksalt, sizeof stored.ksalt);
        }
        if (stored.entry.type == STELE_ENTRY_EVENT && seq % every == 0) {
            st = add_keys(view, stored.facts, sha, err);
        }
    }
    stele_log_reader_free(reader);
    return st;
}

static stele_status add_log(struct stele_log *log, uint64_t every, struct stele_sha256 *sha,
                            stele_err *err) {
    struct stele_log_view *view = NULL;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    uint8_t root[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_view_open(log, &view, err));
    add_number(sha, stele_log_view_size(view));
    STELE_TRY(add_entries(view, every, sha, err));
    STELE_TRY(stele_tree_root_at(stele_log_view_size(view), stele_log_view_node, view, root, err));
    add_bytes(sha, root, sizeof root);
    STELE_TRY(stele_log_checkpoint(log, 0, &note, &checkpoint, err));
    add_bytes(sha, note.data, note.size);
    STELE_TRY(add_seqs(view, NULL, true, sha, err));
cleanup:
    stele_log_view_close(view);
    stele_buf_done(&note);
    return st;
}

stele_status store_answers(struct stele_store *store, uint64_t every,
                           uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_sha256 sha;
    stele_status st = STELE_OK;
    stele_sha256_init(&sha);
    for (size_t i = 0; i < stele_store_n_logs(store); i++) {
        STELE_TRY(add_log(stele_store_log_at(store, i), every, &sha, err));
    }
    stele_sha256_final(&sha, ret);
cleanup:
    return st;
}
