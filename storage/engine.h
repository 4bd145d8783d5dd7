/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine.h: what Stele needs of a place that keeps bytes, as one small function table.
 * Layer: storage. RocksDB and files are the embedded engine (engine_rocks.c); object storage with
 * Object Lock can be the second one without a change above this line.
 *
 * Three things: a fenced, totally ordered record chain per log (the only source of truth),
 * immutable named blobs (packs, hashes, index segments), and a rebuildable ordered view. An engine
 * is opened for one region and refuses to open for another: the region's name is written in it.
 */
#ifndef STELE_STORAGE_ENGINE_H
#define STELE_STORAGE_ENGINE_H

#include "storage/bytes.h"

#define STELE_LOG_NAME_MAX 32 /* [a-z0-9][a-z0-9-]*: safe in paths and origins */
#define STELE_REGION_NAME_MAX 32
#define STELE_BLOB_KEY_MAX 200
#define STELE_RECORD_BYTES_MAX (32u << 20) /* one group commit */

typedef enum stele_survives {
    STELE_SURVIVES_MACHINE_CRASH,
    STELE_SURVIVES_ZONE,
    STELE_SURVIVES_REGION
} stele_survives;
typedef enum stele_worm { STELE_WORM_NONE, STELE_WORM_OURS, STELE_WORM_STORE } stele_worm;

/* What this engine really gives: shown to operators, never assumed. */
struct stele_engine_caps {
    stele_survives
        survives; /* what an OK survives: a power cut, the loss of a zone, of a region's machines */
    stele_worm worm;        /* who refuses an early delete: only our code, or the store itself */
    bool cluster_exclusive; /* claim() fences other hosts, not only other processes */
};

/* A retention lock on a blob: extend only. */
struct stele_lock {
    uint64_t retain_until_us; /* 0: none */
    int hold;                 /* -1 keep as it is, 0 off, 1 on */
};

struct stele_engine;
struct stele_blob_writer;

struct stele_view_kv {
    stele_view key;
    stele_view value; /* data NULL: delete */
};

/* Called once, possibly before append returns. OK: this record and all before it survive per caps.
 */
typedef void (*stele_append_done_fn)(void *arg, stele_status st, const stele_err *err);
/* Return anything but OK to stop; that status is returned by the caller's call. Bytes are borrowed.
 * They may read through the engine, but not write or claim. */
typedef stele_status (*stele_record_fn)(void *ctx, uint64_t pos, stele_view record, stele_err *err);
typedef stele_status (*stele_key_fn)(void *ctx, const char *key, stele_err *err);
typedef stele_status (*stele_kv_fn)(void *ctx, stele_view key, stele_view value, stele_err *err);

struct stele_engine_ops {
    void (*close)(struct stele_engine *e);

    /* After OK nobody with a lower epoch can append to this log again. Creates an empty chain at
     * first. After a failed write it reads back what is on disk: the view may be that of an earlier
     * moment. */
    stele_status (*claim)(struct stele_engine *e, const char *log, uint64_t *ret_next_pos,
                          uint64_t *ret_epoch, stele_err *err);
    /* Durable and atomic: all of the record or nothing. After a failed sync the chain refuses every
     * later append (CLOSED) until claim() has read back what is really there. Errors: IO, NO_SPACE,
     * CLOSED. */
    void (*append)(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                   stele_view record, stele_append_done_fn done, void *arg);
    /* Records from `from` on, in order. ret_first: the lowest position kept. */
    stele_status (*read)(struct stele_engine *e, const char *log, uint64_t from, stele_record_fn fn,
                         void *ctx, uint64_t *ret_first, stele_err *err);
    /* Records below `floor` are no longer needed: what they hold is in synced blobs. */
    stele_status (*trim)(struct stele_engine *e, const char *log, uint64_t floor, stele_err *err);

    /* Blobs: immutable, durable at commit, put-if-absent: the same bytes again are OK, others
     * EXISTS. */
    stele_status (*blob_begin)(struct stele_engine *e, const char *key,
                               struct stele_blob_writer **ret, stele_err *err);
    stele_status (*blob_write)(struct stele_blob_writer *w, stele_view bytes, stele_err *err);
    /* Both free the writer. commit: synced, renamed into place, folder synced. */
    stele_status (*blob_commit)(struct stele_blob_writer *w, const struct stele_lock *lock,
                                stele_err *err);
    void (*blob_abort)(struct stele_blob_writer *w);
    /* Appends up to `size` bytes from `offset` to `out`; fewer only at the end. Errors: NOT_FOUND,
     * IO. */
    stele_status (*blob_get)(struct stele_engine *e, const char *key, uint64_t offset, size_t size,
                             stele_buf *out, stele_err *err);
    stele_status (*blob_size)(struct stele_engine *e, const char *key, uint64_t *ret_bytes,
                              stele_err *err);
    /* These bytes will be read soon: many such reads then wait for the disk together and not one
     * after the other. Nothing depends on it; NULL where it is of no use. */
    void (*blob_will_need)(struct stele_engine *e, const char *key, uint64_t offset, size_t size);
    /* Keys with `prefix`, bytewise ascending. */
    stele_status (*blob_list)(struct stele_engine *e, const char *prefix, stele_key_fn fn,
                              void *ctx, stele_err *err);
    stele_status (*blob_relock)(struct stele_engine *e, const char *key,
                                const struct stele_lock *lock,
                                stele_err *err); /* shortening: DENIED */
    stele_status (*blob_expire)(struct stele_engine *e, const char *key, uint64_t now_us,
                                stele_err *err); /* DENIED while locked or held */

    /* The view: atomic batches without a promise of durability; lost, it is rebuilt. */
    stele_status (*view_apply)(struct stele_engine *e, const char *log,
                               const struct stele_view_kv *kv, size_t n, stele_err *err);
    stele_status (*view_scan)(struct stele_engine *e, const char *log, stele_view from,
                              stele_view to, stele_kv_fn fn, void *ctx, stele_err *err);
    /* Small durable facts beside the chain (name -> bytes), synced before it returns. */
    stele_status (*meta_put)(struct stele_engine *e, const char *name, stele_view value,
                             stele_err *err);
    stele_status (*meta_get)(struct stele_engine *e, const char *name, stele_buf *ret,
                             stele_err *err);
};

struct stele_engine {
    const struct stele_engine_ops *ops;
    struct stele_engine_caps caps;
};

/*
 * engine_local.c: <dir>/db is RocksDB, <dir>/blobs the blob files, <dir>/LOCK holds a flock,
 * <dir>/REGION names the region, <dir>/ACKED how far chains were acknowledged. Creates the store if
 * `create` is set and the directory is empty. On a full disk it opens for reading, and claim() says
 * NO_SPACE. Errors: DENIED (another region's store, or the lock is held), NOT_FOUND (no store
 * there), IO, CORRUPT.
 */
STELE_MUST_USE stele_status stele_engine_rocks_open(const char *dir, const char *region,
                                                    bool create, struct stele_engine **ret,
                                                    stele_err *err);
/* blob_begin, blob_write, blob_commit in one. */
STELE_MUST_USE stele_status stele_engine_put(struct stele_engine *e, const char *key,
                                             stele_view body, const struct stele_lock *lock,
                                             stele_err *err);

#endif
