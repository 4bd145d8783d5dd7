/* SPDX-License-Identifier: Apache-2.0 */
/* tools/audit_server.c: see audit_server.h. */
#include "tools/audit_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/log_client.h"
#include "proto/replay_client.h"
#include "tools/interrupt.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 60000u
/* A server that is restarted is back within seconds; who waits longer wants to be told. */
#define TRIES_MAX 30u
#define PAUSE_MS 1000u

static void close_stream(struct stele_audit_server *server) {
    stele_interrupt_watch(NULL);
    stele_replay_stream_close(server->stream);
    server->stream = NULL;
    server->n = 0;
}

static stele_status open_stream(struct stele_audit_server *server, uint64_t seq, stele_err *err) {
    close_stream(server);
    stele_status st = stele_replay_stream_open(
        server->cli->client, server->log, seq,
        (seq < server->end ? server->end : server->source.size_leaves) - seq, &server->stream, err);
    if (st == STELE_OK) {
        stele_interrupt_watch(stele_replay_stream_rpc(server->stream));
        server->first = seq;
    }
    return st;
}

/* The message that begins with entry seq. */
static stele_status next_message(struct stele_audit_server *server, uint64_t seq, stele_err *err) {
    stele_status st = STELE_OK;
    if (server->stream == NULL || server->first + server->n != seq) {
        STELE_TRY(open_stream(server, seq, err));
    }
    server->first += server->n;
    server->n = 0;
    st = stele_replay_stream_next(server->stream, &server->entry, &server->n, err);
    if (st == STELE_END) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "%s: the server ends its replay at entry %" PRIu64 "; it signed %" PRIu64
                        " entries",
                        server->log, seq, server->source.size_leaves);
    }
cleanup:
    return st;
}

static stele_status read_entries(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                                 size_t *ret_n, stele_err *err) {
    struct stele_audit_server *server = ctx;
    stele_status st = STELE_OK;
    bool has = server->n > 0 && seq >= server->first && seq - server->first < server->n;
    if (!has) {
        st = next_message(server, seq, err);
    }
    for (unsigned i = 0; i < TRIES_MAX && (st == STELE_CLOSED || st == STELE_BUSY); i++) {
        close_stream(server);
        if (stele_interrupt_pause(PAUSE_MS)) {
            return STELE_FAIL(err, CLOSED, "interrupted at entry %" PRIu64 " of %s", seq,
                              server->log);
        }
        (void)stele_rpc_client_wait(server->cli->client, PAUSE_MS);
        st = next_message(server, seq, err);
    }
    if (st == STELE_OK) {
        *ret = server->entry + (seq - server->first);
        *ret_n = server->n - (size_t)(seq - server->first);
    }
    return st;
}

/* A stream that was to go further, or less far, is of no use. */
static void want(void *ctx, uint64_t lo, uint64_t hi) {
    struct stele_audit_server *server = ctx;
    (void)lo;
    close_stream(server);
    server->end = hi;
}

static stele_status read_tile(void *ctx, const struct stele_tile *tile, stele_buf *out,
                              stele_err *err) {
    const struct stele_audit_server *server = ctx;
    char path[STELE_TILE_PATH_BYTES];
    stele_buf_clear(out);
    stele_status st = stele_tile_path(tile, path, err);
    return st == STELE_OK
               ? stele_client_tile(server->cli->client, server->log, path, TIMEOUT_MS, out, err)
               : st;
}

static stele_status node_of(void *ctx, unsigned level, uint64_t index,
                            uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_audit_server *server = ctx;
    return stele_tile_nodes_at(&server->nodes, level, index, ret, err);
}

static stele_status index_of(void *ctx, uint64_t *ret_seq, stele_buf *descriptors, stele_err *err) {
    const struct stele_audit_server *server = ctx;
    if (server->descriptors.size == 0) {
        return STELE_FAIL(err, NOT_FOUND, "%s has no INDEX entry yet", server->log);
    }
    *ret_seq = server->index_seq;
    return stele_buf_append(descriptors, stele_view_buf(&server->descriptors), err);
}

/* What was replayed before is the beginning of what the server has signed since. */
static stele_status check(void *ctx, uint64_t size_leaves, const uint8_t root[STELE_AT_LEAST(32)],
                          bool *ret_root_differs, stele_err *err) {
    const struct stele_audit_server *server = ctx;
    struct stele_checkpoint newest = server->source.checkpoint;
    stele_buf path = STELE_BUF_EMPTY;
    stele_buf note = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    (void)ret_root_differs; /* nothing is replayed that the checkpoint is not of */
    if (size_leaves < newest.size_leaves) {
        STELE_TRY(stele_client_consistency(server->cli->client, server->log, size_leaves,
                                           TIMEOUT_MS, &path, &note, err));
        STELE_TRY(stele_checkpoint_open(stele_view_buf(&note), server->keys, server->n_keys,
                                        &newest, err));
    }
    if (stele_tree_check_consistency(size_leaves, newest.size_leaves, path.data,
                                     path.size / STELE_HASH_BYTES, root, newest.root,
                                     NULL) != STELE_OK) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "%s: the server cannot show that its log extends the %" PRIu64
                        " entries that were replayed before: a second history. Compare "
                        "checkpoints of then and now",
                        server->log, size_leaves);
    }
cleanup:
    stele_buf_done(&path);
    stele_buf_done(&note);
    return st;
}

static stele_status prove(void *ctx, struct stele_auditor *auditor, const struct stele_entry *index,
                          stele_buf *out, stele_err *err) {
    (void)ctx;
    (void)auditor;
    (void)out;
    return STELE_FAIL(err, NOT_FOUND,
                      "entry %" PRIu64 " was found false over a server, which does not show the "
                      "index it committed to; audit its data folder, or a copy, with --data for "
                      "a proof that others can check",
                      index->seq);
}

/* ret_size: what a checkpoint must have so that the INDEX is signed. */
static stele_status get_index(struct stele_audit_server *server, uint64_t *ret_size,
                              stele_err *err) {
    stele_status st = stele_client_newest_index(server->cli->client, server->log,
                                                &server->index_seq, &server->descriptors, err);
    *ret_size = st == STELE_OK ? server->index_seq + 1 : 0;
    return st == STELE_NOT_FOUND ? STELE_OK : st; /* or no such log, which the checkpoint tells */
}

stele_status stele_audit_server_open(struct stele_cli *cli, const char *log, bool sample,
                                     struct stele_audit_server *ret, stele_err *err) {
    uint64_t size = 0;
    stele_status st = STELE_OK;
    *ret = (struct stele_audit_server){.cli = cli, .log = log};
    if (cli->config->vkeys == NULL) {
        return STELE_FAIL(err, INVALID,
                          "audit checks the checkpoint: name the logs' public keys in client.conf "
                          "(vkeys: FILE)");
    }
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &ret->keys, &ret->n_keys, err));
    STELE_TRY(sample ? get_index(ret, &size, err) : STELE_OK);
    STELE_TRY(stele_client_checkpoint(cli->client, log, size, TIMEOUT_MS, &ret->note, err));
    struct stele_audit_source *source = &ret->source;
    st = stele_audit_source_sign(source, stele_view_buf(&ret->note), ret->keys, ret->n_keys, err);
    STELE_TRY(stele_cli_judged(st));
    source->ctx = ret;
    source->log = log;
    source->read = read_entries;
    source->node = node_of;
    source->index = index_of;
    source->want = want;
    ret->end = source->size_leaves;
    ret->nodes = (struct stele_tile_nodes){
        .size_leaves = source->size_leaves, .read = read_tile, .ctx = ret};
    source->check = check;
    source->prove = prove;
cleanup:
    return st;
}

void stele_audit_server_close(struct stele_audit_server *server) {
    close_stream(server);
    stele_buf_done(&server->note);
    stele_buf_done(&server->descriptors);
    stele_tile_nodes_done(&server->nodes);
    stele_free(server->keys);
    server->keys = NULL;
}
