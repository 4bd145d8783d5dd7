/* SPDX-License-Identifier: Apache-2.0 */
/* tools/audit_tiles.c: see audit_tiles.h. */
#include "tools/audit_tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/file.h"
#include "tools/cli.h"
#include "tools/vkeys.h"

/* 256 entries with 512 tags each are 2 MiB; so many bodies of 64 KiB are no log. */
#define BUNDLE_BYTES_MAX ((size_t)32 << 20)

/* Replaces `out`. */
static stele_status read_file(const char *folder, const struct stele_tile *tile, stele_buf *out,
                              stele_err *err) {
    char name[STELE_TILE_PATH_BYTES];
    char path[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    stele_buf_clear(out);
    STELE_TRY(stele_tile_path(tile, name, err));
    STELE_TRY(stele_file_path(folder, name, path, err));
    STELE_TRY(stele_file_read(path, BUNDLE_BYTES_MAX, out, err));
cleanup:
    return st;
}

static stele_status read_entries(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                                 size_t *ret_n, stele_err *err) {
    struct stele_audit_tiles *tiles = ctx;
    uint64_t at = seq % STELE_TILE_WIDTH;
    struct stele_tile tile;
    stele_status st = STELE_OK;
    if (tiles->n == 0 || tiles->bundle != seq / STELE_TILE_WIDTH) {
        tiles->n = 0;
        STELE_TRY(stele_tile_of_entry(seq, tiles->source.size_leaves, &tile, err));
        STELE_TRY(read_file(tiles->folder, &tile, &tiles->entries, err));
        STELE_TRY(read_file(tiles->replay_folder, &tile, &tiles->replay, err));
        st = stele_replay_bundle_read(stele_view_buf(&tiles->entries),
                                      stele_view_buf(&tiles->replay), tiles->given, &tiles->n, err);
        STELE_TRY(stele_corrupt(st, err));
        tiles->bundle = seq / STELE_TILE_WIDTH;
    }
    if (at >= tiles->n) {
        return STELE_FAIL(err, NOT_FOUND,
                          "the bundle of entry %" PRIu64 " in '%.120s' ends before it", seq,
                          tiles->folder);
    }
    *ret = tiles->given + at;
    *ret_n = tiles->n - (size_t)at;
cleanup:
    return st;
}

static stele_status read_tile(void *ctx, const struct stele_tile *tile, stele_buf *out,
                              stele_err *err) {
    const struct stele_audit_tiles *tiles = ctx;
    return read_file(tiles->folder, tile, out, err);
}

static stele_status node_of(void *ctx, unsigned level, uint64_t index,
                            uint8_t ret[STELE_AT_LEAST(32)], stele_err *err) {
    struct stele_audit_tiles *tiles = ctx;
    return stele_tile_nodes_at(&tiles->nodes, level, index, ret, err);
}

static stele_status index_of(void *ctx, uint64_t *ret_seq, stele_buf *descriptors, stele_err *err) {
    const struct stele_audit_tiles *tiles = ctx;
    char path[STELE_FILE_PATH_MAX];
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_view shown;
    stele_status st = STELE_OK;
    STELE_TRY(stele_file_path(tiles->replay_folder, STELE_REPLAY_INDEX_NAME, path, err));
    st = stele_file_read(path, STELE_REPLAY_INDEX_BYTES_MAX, &bytes, err);
    STELE_TRY(st == STELE_NOT_FOUND
                  ? STELE_FAIL(err, UNSUPPORTED,
                               "'%.160s' does not have what a sample needs: write it again with "
                               "`stele tiles --replay`, or audit it without --sample",
                               tiles->replay_folder)
                  : st);
    STELE_TRY(
        stele_corrupt(stele_replay_index_read(stele_view_buf(&bytes), ret_seq, &shown, err), err));
    if (shown.size == 0) {
        STELE_TRY(STELE_FAIL(err, NOT_FOUND, "%s has no INDEX entry yet", tiles->source.log));
    }
    STELE_TRY(stele_buf_append(descriptors, shown, err));
cleanup:
    stele_buf_done(&bytes);
    return st;
}

static stele_status check(void *ctx, uint64_t size_leaves, const uint8_t root[STELE_AT_LEAST(32)],
                          bool *ret_root_differs, stele_err *err) {
    struct stele_audit_tiles *tiles = ctx;
    const struct stele_checkpoint *checkpoint = &tiles->source.checkpoint;
    struct stele_tree_path path;
    (void)ret_root_differs; /* nothing is replayed that the checkpoint is not of */
    stele_status st = stele_tree_prove_consistency(size_leaves, checkpoint->size_leaves, node_of,
                                                   tiles, &path, err);
    if (st == STELE_OK &&
        stele_tree_check_consistency(size_leaves, checkpoint->size_leaves, path.node[0], path.n,
                                     root, checkpoint->root, NULL) != STELE_OK) {
        st = STELE_FAIL(err, UNVERIFIED,
                        "the tiles in '%.120s' do not extend the %" PRIu64
                        " entries that were replayed before: another history",
                        tiles->folder, size_leaves);
    }
    return st;
}

static stele_status prove(void *ctx, struct stele_auditor *auditor, const struct stele_entry *index,
                          stele_buf *out, stele_err *err) {
    (void)ctx;
    (void)auditor;
    (void)out;
    return STELE_FAIL(err, NOT_FOUND,
                      "entry %" PRIu64 " was found false from tiles, which do not hold the index "
                      "it committed to; audit the data folder, or a copy, with --data for a proof "
                      "that others can check",
                      index->seq);
}

static stele_status open_note(struct stele_audit_tiles *tiles, const char *keys, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    STELE_TRY(stele_vkeys_read(keys, &tiles->keys, &tiles->n_keys, err));
    STELE_TRY(stele_file_path(tiles->folder, "checkpoint", path, err));
    st = stele_file_read(path, STELE_CHECKPOINT_BYTES_MAX, &tiles->note, err);
    STELE_TRY(st == STELE_NOT_FOUND
                  ? STELE_FAIL(err, INVALID, "'%.160s' is no tiles folder: it has no checkpoint",
                               tiles->folder)
                  : st);
    st = stele_audit_source_sign(&tiles->source, stele_view_buf(&tiles->note), tiles->keys,
                                 tiles->n_keys, err);
    STELE_TRY(stele_cli_judged(st));
cleanup:
    return st;
}

stele_status stele_audit_tiles_open(const struct stele_audit_tiles_names *names,
                                    struct stele_audit_tiles *ret, stele_err *err) {
    memset(ret, 0, sizeof *ret);
    ret->folder = names->folder;
    ret->replay_folder = names->replay_folder;
    stele_status st = open_note(ret, names->keys, err);
    if (st == STELE_OK) {
        struct stele_audit_source *source = &ret->source;
        const char *slash = strchr(source->checkpoint.origin, '/');
        source->ctx = ret;
        source->log = slash == NULL ? source->origin : slash + 1;
        source->node = node_of;
        source->index = index_of;
        ret->nodes = (struct stele_tile_nodes){
            .size_leaves = source->size_leaves, .read = read_tile, .ctx = ret};
        source->read = read_entries;
        source->check = check;
        source->prove = prove;
    }
    return st;
}

void stele_audit_tiles_close(struct stele_audit_tiles *tiles) {
    stele_buf_done(&tiles->entries);
    stele_buf_done(&tiles->replay);
    stele_buf_done(&tiles->note);
    stele_tile_nodes_done(&tiles->nodes);
    stele_free(tiles->keys);
}
