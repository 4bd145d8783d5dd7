/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/log_wire.h: the messages of log.proto, requests read and replies written without generated
 * code. Layer: proto. Pure. What is read borrows the message.
 */
#ifndef STELE_PROTO_LOG_WIRE_H
#define STELE_PROTO_LOG_WIRE_H

#include "proto/wire_read.h"

/* Each request has some of these members; what it does not have stays 0. */
struct stele_log_request {
    stele_view region; /* ListLogs, Status */
    stele_view log;    /* all others: "<region>/<log>" */
    uint64_t min_size; /* GetCheckpoint */
    uint64_t seq;      /* GetInclusionProof */
    uint64_t old_size; /* GetConsistencyProof */
    uint64_t new_size;
    stele_view path; /* GetTile */
    uint64_t first;  /* GetEntries, Replay */
    uint64_t count;
    bool index;       /* Replay */
    uint64_t wait_ms; /* Seal */
};
typedef enum stele_log_request_kind {
    STELE_LOG_LIST_LOGS,
    STELE_LOG_GET_CHECKPOINT,
    STELE_LOG_GET_INCLUSION_PROOF,
    STELE_LOG_GET_CONSISTENCY_PROOF,
    STELE_LOG_GET_TILE,
    STELE_LOG_GET_ENTRIES,
    STELE_LOG_STATUS,
    STELE_LOG_SEAL,
    STELE_LOG_CUT_ERA,
    STELE_LOG_REPLAY,
} stele_log_request_kind;

/* Errors: those of stele_wire_read. */
STELE_MUST_USE stele_status stele_log_request_read(stele_log_request_kind kind, stele_view message,
                                                   struct stele_log_request *ret, stele_err *err);

struct stele_log_info {
    stele_view log;
    stele_view origin;
    stele_view vkey;
    uint32_t retention_years;
    uint64_t size;
};
/* Each appends to a message. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_list_logs_response_put(stele_buf *out,
                                                         const struct stele_log_info *info,
                                                         stele_err *err);
STELE_MUST_USE stele_status stele_checkpoint_response_write(stele_view note, stele_buf *out,
                                                            stele_err *err);

struct stele_log_status {
    stele_view log;
    uint64_t size;
    uint64_t checkpoint_size;
    uint64_t covered; /* M of the newest INDEX entry */
    uint64_t index_seq;
    uint64_t index_time_us; /* 0: none since the server's start */
    uint64_t lag_entries, lag_us;
    uint64_t segments;
    uint32_t era;
};
STELE_MUST_USE stele_status stele_status_response_put(stele_buf *out,
                                                      const struct stele_log_status *status,
                                                      stele_err *err);
struct stele_sealed {
    uint64_t covered;
    uint64_t index_seq;
    uint64_t index_time_us;
    uint64_t segments;
};
STELE_MUST_USE stele_status stele_seal_response_write(const struct stele_sealed *sealed,
                                                      stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_cut_era_response_write(uint32_t era, stele_buf *out,
                                                         stele_err *err);

struct stele_proof_message {
    stele_view entry; /* inclusion only */
    uint64_t seq;     /* inclusion: of the entry; consistency: the old size */
    uint64_t size;    /* inclusion: of the tree; consistency: the new size */
    stele_view path;  /* 32 n bytes */
    stele_view note;  /* may be empty */
};
STELE_MUST_USE stele_status stele_inclusion_response_write(const struct stele_proof_message *proof,
                                                           stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_consistency_response_write(
    const struct stele_proof_message *proof, stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_tile_response_write(stele_view tile, stele_buf *out,
                                                      stele_err *err);
/* A GetEntriesResponse: first once, then its entries one by one. */
STELE_MUST_USE stele_status stele_entries_response_begin(uint64_t first, stele_buf *out,
                                                         stele_err *err);
STELE_MUST_USE stele_status stele_entries_response_put(stele_buf *out, stele_view entry,
                                                       stele_err *err);

#endif
