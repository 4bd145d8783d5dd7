/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/tiles_command.c: `stele tiles`: writes a log's public face as a static tlog-tiles folder:
 * the checkpoint, the entry bundles and the hash tiles. Tiles are computed from the entries
 * themselves and the root compared with the signed one, so the folder holds nothing the server
 * could have made up.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/log_client.h"
#include "proto/replay_client.h"
#include "storage/checkpoint.h"
#include "storage/cursor.h"
#include "storage/file.h"
#include "storage/hash_lanes.h"
#include "storage/replay_bundle.h"
#include "storage/tiles.h"
#include "storage/tree.h"
#include "tools/cli.h"
#include "tools/flags.h"
#include "tools/progress.h"
#include "tools/vkeys.h"

static const char usage[] =
    "usage: stele --config client.conf tiles --log REGION/LOG --out DIR [--replay DIR]\n"
    "\n"
    "Writes DIR/checkpoint, DIR/tile/... and DIR/tile/entries/...: a static tlog-tiles log (C2SP)\n"
    "that any web server can show to witnesses and monitors. Entries hold no event data, only\n"
    "commitments. DIR is made if it is not there; it may hold an older export of the same log.\n"
    "\n"
    "  --replay DIR  writes there what else `stele audit --tiles` needs: bodies and tag lists "
    "with\n"
    "                their salts. Tags link events that share a key: not for everybody. For a\n"
    "                certificate that may read_log and query for every tenant\n"
    "\n"
    "Exit codes: 0 written, 2 usage, 3 unreachable, 4 the entries are not those that were signed.\n"
    "\n"
    "example:\n"
    "  stele --config client.conf tiles --log eu-central-1/3y --out ./public/eu-3y\n";

#define TIMEOUT_MS 60000
#define LEVELS_MAX 8
#define PATH_BYTES 4200 /* of a folder and a name in it */

/* One growing tile a level: a full one is written and its root goes up. */
struct levels {
    const char *dir, *replay_dir;
    stele_buf bundle, replay;
    uint64_t n_bundles;
    stele_buf tile[LEVELS_MAX];
    uint64_t n_tiles[LEVELS_MAX];
    struct stele_frontier frontier;
    uint64_t size, size_wanted;
    struct stele_progress progress;
};

/* Makes the folders of `path`. */
static stele_status make_parents(const char *path, stele_err *err) {
    char part[PATH_BYTES];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return STELE_FAIL_ERRNO(err, errno, "cannot make the folder '%.120s': %s", part,
                                    strerror(errno));
        }
    }
    return STELE_OK;
}

/* A new file, with the folders it stands in; -1 and errno, EEXIST where there is one. */
static stele_status create(const char *path, int *ret_fd, stele_err *err) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    stele_status st = STELE_OK;
    *ret_fd = open(path, flags, 0644);
    if (*ret_fd < 0 && errno == ENOENT) {
        STELE_TRY(make_parents(path, err));
        *ret_fd = open(path, flags, 0644);
    }
cleanup:
    return st;
}

/* Public files: readable by all. What is there is replaced whole; what is not is written where it
 * will stand, because nothing under a checkpoint is missing, and the new one is written last. */
static stele_status write_public(const char *dir, const char *name, stele_view bytes,
                                 stele_err *err) {
    char path[PATH_BYTES];
    char temporary[PATH_BYTES + sizeof ".part"];
    const char *written = path;
    int fd = -1;
    stele_status st = STELE_OK;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    STELE_TRY(create(path, &fd, err));
    if (fd < 0 && errno == EEXIST) {
        (void)snprintf(temporary, sizeof temporary, "%s.part", path);
        written = temporary;
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    STELE_TRY(fd < 0 ? STELE_FAIL_ERRNO(err, errno, "cannot write '%.120s': %s", path,
                                        strerror(errno))
                     : STELE_OK);
    STELE_TRY(stele_file_write(fd, bytes, written, err));
    if (written == temporary && rename(temporary, path) != 0) {
        STELE_TRY(STELE_FAIL_ERRNO(err, errno, "cannot replace '%.120s': %s", path,
                                   strerror(errno)));
    }
cleanup:
    if (fd >= 0 && close(fd) != 0 && st == STELE_OK) {
        st = STELE_FAIL_ERRNO(err, errno, "cannot write '%.120s': %s", path, strerror(errno));
    }
    return st;
}

static stele_status write_tile(const struct levels *levels, struct stele_tile tile,
                               const stele_buf *bytes, stele_err *err) {
    char path[STELE_TILE_PATH_BYTES];
    stele_status st = stele_tile_path(&tile, path, err);
    return st == STELE_OK ? write_public(levels->dir, path, stele_view_buf(bytes), err) : st;
}

static stele_status add_hash(struct levels *levels, unsigned level, const uint8_t *hash,
                             stele_err *err) {
    stele_status st = STELE_OK;
    uint8_t root[STELE_HASH_BYTES];
    if (level == LEVELS_MAX) {
        return STELE_OK;
    }
    stele_buf *tile = &levels->tile[level];
    STELE_TRY(stele_buf_append(tile, stele_view_of(hash, STELE_HASH_BYTES), err));
    if (tile->size == STELE_TILE_WIDTH * STELE_HASH_BYTES) {
        STELE_TRY(write_tile(
            levels, (struct stele_tile){.level = (uint8_t)level, .index = levels->n_tiles[level]},
            tile, err));
        for (size_t n = STELE_TILE_WIDTH / 2; n > 0; n /= 2) {
            stele_hash_inner_many(tile->data, n, tile->data);
        }
        memcpy(root, tile->data, sizeof root);
        stele_buf_clear(tile);
        levels->n_tiles[level]++;
        STELE_TRY(add_hash(levels, level + 1, root, err));
    }
cleanup:
    return st;
}

/* What stands beside the bundle, under the same name in another folder. */
static stele_status write_replay(struct levels *levels, const struct stele_tile *tile,
                                 stele_err *err) {
    char path[STELE_TILE_PATH_BYTES];
    stele_status st = stele_tile_path(tile, path, err);
    st = st == STELE_OK
             ? write_public(levels->replay_dir, path, stele_view_buf(&levels->replay), err)
             : st;
    stele_buf_clear(&levels->replay);
    return st;
}

static stele_status take_replayed(struct levels *levels, uint64_t seq,
                                  const struct stele_audit_entry *entry, stele_err *err) {
    struct stele_tile tile = {.entries = true, .index = seq / STELE_TILE_WIDTH};
    stele_status st = stele_replay_bundle_append(&levels->replay, entry, err);
    return st == STELE_OK && (seq + 1) % STELE_TILE_WIDTH == 0 ? write_replay(levels, &tile, err)
                                                               : st;
}

/* The leaf hashes of the entries in the bundle, made several at a time. */
static stele_status hash_bundle(struct levels *levels, stele_err *err) {
    struct stele_hash_message message[STELE_TILE_WIDTH] = {0};
    uint8_t leaf[STELE_TILE_WIDTH * STELE_HASH_BYTES];
    size_t n = 0;
    stele_status st = STELE_OK;
    for (size_t at = 0; at < levels->bundle.size; n++) {
        size_t size = stele_get_u16(levels->bundle.data + at);
        message[n] = stele_hash_message_leaf(
            stele_view_slice(stele_view_buf(&levels->bundle), at + 2, size));
        at += 2 + size;
    }
    stele_sha256_many(NULL, message, n, leaf);
    STELE_TRY(stele_frontier_push_many(&levels->frontier, leaf, n, err));
    for (size_t i = 0; i < n; i++) {
        STELE_TRY(add_hash(levels, 0, leaf + i * STELE_HASH_BYTES, err));
    }
cleanup:
    return st;
}

static stele_status take_entry(void *ctx, uint64_t seq, stele_view entry, stele_err *err) {
    struct levels *levels = ctx;
    stele_status st = STELE_OK;
    STELE_TRY(stele_bundle_append(&levels->bundle, entry, err));
    levels->size = seq + 1;
    if (levels->size % STELE_TILE_WIDTH == 0) {
        STELE_TRY(write_tile(levels,
                             (struct stele_tile){.entries = true, .index = levels->n_bundles},
                             &levels->bundle, err));
        STELE_TRY(hash_bundle(levels, err));
        levels->n_bundles++;
        stele_buf_clear(&levels->bundle);
    }
    stele_progress_at(&levels->progress, levels->size, levels->size_wanted);
cleanup:
    return st;
}

static stele_status write_partial(struct levels *levels, stele_err *err) {
    stele_status st = STELE_OK;
    uint16_t left = (uint16_t)(levels->size % STELE_TILE_WIDTH);
    if (left > 0 && levels->replay_dir != NULL) {
        struct stele_tile tile = {.entries = true, .index = levels->n_bundles, .width = left};
        STELE_TRY(write_replay(levels, &tile, err));
    }
    if (left > 0) {
        STELE_TRY(write_tile(
            levels, (struct stele_tile){.entries = true, .index = levels->n_bundles, .width = left},
            &levels->bundle, err));
    }
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        uint16_t width = (uint16_t)(levels->tile[level].size / STELE_HASH_BYTES);
        if (width > 0) {
            STELE_TRY(write_tile(levels,
                                 (struct stele_tile){.level = (uint8_t)level,
                                                     .index = levels->n_tiles[level],
                                                     .width = width},
                                 &levels->tile[level], err));
        }
    }
cleanup:
    return st;
}

/* What a sample needs to know of the newest INDEX. ret_size: so many entries a checkpoint must have
 * to be one that has it. */
static stele_status write_index(struct stele_cli *cli, const char *log, const char *dir,
                                uint64_t *ret_size, stele_err *err) {
    stele_buf descriptors = STELE_BUF_EMPTY;
    stele_buf file = STELE_BUF_EMPTY;
    uint64_t seq = STELE_NO_SEQ;
    stele_status st = stele_client_newest_index(cli->client, log, &seq, &descriptors, err);
    STELE_TRY(st == STELE_NOT_FOUND ? STELE_OK : st);
    *ret_size = descriptors.size > 0 ? seq + 1 : 0;
    STELE_TRY(stele_replay_index_write(seq, stele_view_buf(&descriptors), &file, err));
    st = write_public(dir, STELE_REPLAY_INDEX_NAME, stele_view_buf(&file), err);
cleanup:
    stele_buf_done(&descriptors);
    stele_buf_done(&file);
    return st;
}

/* The entries with what an auditor needs beside them. */
static stele_status replay_entries(struct stele_cli *cli, const char *log, struct levels *levels,
                                   stele_err *err) {
    struct stele_replay_stream *stream = NULL;
    const struct stele_audit_entry *entry = NULL;
    uint64_t seq = 0;
    size_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_replay_stream_open(cli->client, log, 0, levels->size_wanted, &stream, err));
    while ((st = stele_replay_stream_next(stream, &entry, &n, err)) == STELE_OK) {
        for (size_t i = 0; i < n; i++, seq++) {
            STELE_TRY(take_replayed(levels, seq, &entry[i], err));
            STELE_TRY(take_entry(levels, seq, entry[i].entry, err));
        }
    }
    st = st == STELE_END ? STELE_OK : st;
cleanup:
    stele_replay_stream_close(stream);
    return st;
}

static stele_status export(struct stele_cli *cli, const char *log, const char *dir,
                           struct levels *levels, stele_err *err) {
    struct stele_vkey *keys = NULL;
    size_t n_keys = 0;
    struct stele_checkpoint checkpoint;
    stele_buf note = STELE_BUF_EMPTY;
    uint8_t root[STELE_HASH_BYTES];
    uint64_t least = 0;
    stele_status st = STELE_OK;
    if (cli->config->vkeys == NULL) {
        return STELE_FAIL(
            err, INVALID,
            "tiles checks the checkpoint: name the logs' public keys in client.conf (vkeys: FILE)");
    }
    levels->dir = dir;
    stele_frontier_init(&levels->frontier);
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &keys, &n_keys, err));
    STELE_TRY(levels->replay_dir != NULL ? write_index(cli, log, levels->replay_dir, &least, err)
                                         : STELE_OK);
    STELE_TRY(stele_client_checkpoint(cli->client, log, least, TIMEOUT_MS, &note, err));
    st = stele_checkpoint_open(stele_view_buf(&note), keys, n_keys, &checkpoint, err);
    STELE_TRY(stele_cli_judged(st));
    levels->size_wanted = checkpoint.size_leaves;
    stele_progress_begin(&levels->progress, "stele tiles", "entries", false);
    st = levels->replay_dir != NULL
             ? replay_entries(cli, log, levels, err)
             : stele_client_entries(cli->client, log, 0, checkpoint.size_leaves, take_entry, levels,
                                    err);
    stele_progress_end(&levels->progress);
    STELE_TRY(st);
    STELE_TRY(hash_bundle(levels, err)); /* of what fills no bundle */
    stele_frontier_root(&levels->frontier, root);
    if (levels->size != checkpoint.size_leaves || memcmp(root, checkpoint.root, sizeof root) != 0) {
        STELE_TRY(STELE_FAIL(err, UNVERIFIED,
                             "the %" PRIu64
                             " entries the server gave do not have the root it signed",
                             levels->size));
    }
    STELE_TRY(write_partial(levels, err));
    /* Last, so that whoever sees the checkpoint finds every tile under it. */
    STELE_TRY(write_public(dir, "checkpoint", stele_view_buf(&note), err));
    (void)fprintf(stderr, "%s: %" PRIu64 " entries of %s\n", dir, levels->size, checkpoint.origin);
cleanup:
    stele_free(keys);
    stele_buf_done(&note);
    return st;
}

struct options {
    const char *log, *dir, *replay;
};

/* Returns an exit code, or STELE_GO_ON. */
static int parse(int argc, char **argv, struct options *ret) {
    static const struct option names[] = {{"log", required_argument, NULL, 'l'},
                                          {"out", required_argument, NULL, 'w'},
                                          {"replay", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    stele_flags_begin();
    for (int c = 0; (c = getopt_long(argc, argv, ":h", names, NULL)) != -1;) {
        if (c == 'l') {
            ret->log = optarg;
        } else if (c == 'w') {
            ret->dir = optarg;
        } else if (c == 'r') {
            ret->replay = optarg;
        } else {
            return stele_flag_other("tiles", usage, c, argv);
        }
    }
    if (optind != argc) {
        return stele_usage_error("tiles", "'%s' belongs to no flag", argv[optind]);
    }
    if (ret->log == NULL || strchr(ret->log, '/') == NULL) {
        return stele_usage_error("tiles", "name the log with --log REGION/LOG");
    }
    if (ret->dir == NULL || *ret->dir == '\0') {
        return stele_usage_error("tiles", "name the folder to write with --out DIR");
    }
    return STELE_GO_ON;
}

int stele_tiles_command(const char *config, int argc, char **argv) {
    struct stele_cli cli = {0};
    struct levels levels = {0};
    struct options options = {.log = NULL};
    stele_err err;
    stele_status st = STELE_OK;
    int code = parse(argc, argv, &options);
    if (code != STELE_GO_ON) {
        return code;
    }
    levels.replay_dir = options.replay;
    STELE_TRY(stele_cli_open("tiles", config, &cli, &err));
    STELE_TRY(stele_cli_named(export(&cli, options.log, options.dir, &levels, &err)));
cleanup:
    stele_buf_done(&levels.bundle);
    stele_buf_done(&levels.replay);
    for (int i = 0; i < LEVELS_MAX; i++) {
        stele_buf_done(&levels.tile[i]);
    }
    stele_cli_close(&cli);
    return st == STELE_OK ? STELE_EXIT_FOUND : stele_cli_failed("tiles", st, &err);
}
