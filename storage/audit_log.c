/* SPDX-License-Identifier: Apache-2.0 */
/* storage/audit_log.c: a stored log as the source of an audit. */
#include "storage/audit_log.h"

#include <inttypes.h>
#include <string.h>

struct stele_audit_stored {
    struct stele_log_view *view;
    struct stele_replay *replay;
    stele_buf note;
    struct stele_vkey key;
    struct stele_audit_source source;
};

static stele_status read_stored(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                                size_t *ret_n, stele_err *err) {
    const struct stele_audit_stored *stored = ctx;
    return stele_replay_at(stored->replay, seq, ret, ret_n, err);
}

/* The newest checkpoint is of fewer entries than were replayed: it must be of the same ones. */
static stele_status check_signed(const struct stele_audit_stored *stored, uint64_t size_leaves,
                                 const uint8_t *root, bool *ret_root_differs, stele_err *err) {
    const struct stele_checkpoint *checkpoint = &stored->source.checkpoint;
    struct stele_tree_path path;
    stele_status st = stele_tree_prove_consistency(checkpoint->size_leaves, size_leaves,
                                                   stele_log_view_node, stored->view, &path, err);
    if (st == STELE_OK) {
        *ret_root_differs =
            stele_tree_check_consistency(checkpoint->size_leaves, size_leaves, path.node[0], path.n,
                                         checkpoint->root, root, NULL) != STELE_OK;
    }
    return st;
}

static stele_status check_stored(void *ctx, uint64_t size_leaves,
                                 const uint8_t root[STELE_AT_LEAST(32)], bool *ret_root_differs,
                                 stele_err *err) {
    const struct stele_audit_stored *stored = ctx;
    const struct stele_checkpoint *checkpoint = &stored->source.checkpoint;
    uint8_t now[STELE_HASH_BYTES];
    stele_status st = STELE_OK;
    STELE_TRY(stele_tree_root_at(size_leaves, stele_log_view_node, stored->view, now, err));
    if (memcmp(root, now, sizeof now) != 0) {
        return STELE_FAIL(err, UNVERIFIED,
                          "%s has other entries than the %" PRIu64
                          " that were replayed before: a second history. Compare checkpoints of "
                          "then and now; to audit this one give another work folder",
                          stored->source.origin, size_leaves);
    }
    if (stored->source.has_checkpoint && checkpoint->size_leaves < size_leaves) {
        STELE_TRY(check_signed(stored, size_leaves, root, ret_root_differs, err));
    }
cleanup:
    return st;
}

static stele_status node_stored(void *ctx, unsigned level, uint64_t index,
                                uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    const struct stele_audit_stored *stored = ctx;
    return stele_log_view_node(stored->view, level, index, ret, err);
}

static stele_status prove_stored(void *ctx, struct stele_auditor *auditor,
                                 const struct stele_entry *index, stele_buf *out, stele_err *err) {
    const struct stele_audit_stored *stored = ctx;
    struct stele_audit_blame blame = {stored->view, auditor, index, stele_view_buf(&stored->note),
                                      stored->source.checkpoint.size_leaves};
    return stele_audit__blame(&blame, out, err);
}

static stele_status index_stored(void *ctx, uint64_t *ret_seq, stele_buf *descriptors,
                                 stele_err *err) {
    const struct stele_audit_stored *stored = ctx;
    return stele_replay_index(stored->view, stored->source.checkpoint.size_leaves, ret_seq,
                              descriptors, err);
}

stele_status stele_audit_stored_open(struct stele_log *log, struct stele_audit_stored **ret,
                                     stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_audit_stored *stored = stele_alloc(1, sizeof *stored);
    if (stored == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to audit log %s", stele_log_full_name(log));
    }
    stored->source = (struct stele_audit_source){.ctx = stored,
                                                 .log = stele_log_full_name(log),
                                                 .origin = stele_log_origin(log),
                                                 .keys = &stored->key,
                                                 .n_keys = 1,
                                                 .node = node_stored,
                                                 .read = read_stored,
                                                 .check = check_stored,
                                                 .prove = prove_stored,
                                                 .index = index_stored};
    STELE_TRY(stele_log_checkpoint(log, 0, &stored->note, &stored->source.checkpoint, err));
    stored->source.has_checkpoint = stored->note.size > 0;
    stored->source.note = stele_view_buf(&stored->note);
    stele_log_vkey(log, &stored->key);
    STELE_TRY(stele_log_view_open(log, &stored->view, err));
    STELE_TRY(stele_replay_new(stored->view, &stored->replay, err));
    stored->source.size_leaves = stele_log_view_size(stored->view);
    *ret = stored;
    stored = NULL;
cleanup:
    stele_audit_stored_close(stored);
    return st;
}

const struct stele_audit_source *
stele_audit_stored_source(const struct stele_audit_stored *stored) {
    return &stored->source;
}

void stele_audit_stored_close(struct stele_audit_stored *stored) {
    if (stored != NULL) {
        stele_replay_free(stored->replay);
        stele_log_view_close(stored->view);
        stele_buf_done(&stored->note);
        stele_free(stored);
    }
}

stele_status stele_audit_log(struct stele_log *log, const struct stele_audit_options *options,
                             struct stele_audit_report *ret, stele_err *err) {
    struct stele_audit_stored *stored = NULL;
    stele_status st = stele_audit_stored_open(log, &stored, err);
    if (st == STELE_OK) {
        st = stele_audit_run(&stored->source, options, ret, err);
    }
    stele_audit_stored_close(stored);
    return st;
}
