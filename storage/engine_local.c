/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_local.c: the embedded engine: chains, view and facts in an ordered store, blobs in
 * files, one folder, one process. Invariant: a retention lock is on disk before the blob it
 * protects has its name, and never gets shorter.
 *
 * The meta family: "region", "format", "chain/<log>" (engine_chain.c), "lock/<key>", and the
 * caller's facts under "fact/<name>".
 */
#include "storage/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/engine_blobs.h"
#include "storage/engine_chain.h"
#include "storage/engine_home.h"
#include "storage/engine_names.h"
#include "storage/engine_rocks.h"

#define FORMAT_VERSION 1
#define FACT_BYTES_MAX ((size_t)16 << 20)        /* facts are small; this only stops mistakes */
#define VIEW_BATCH_BYTES_MAX ((size_t)256 << 20) /* a batch is held in memory three times over */
#define META_NAME_MAX (STELE_BLOB_KEY_MAX + 8)
#define LOCK_BYTES 10

struct local {
    struct stele_engine base;
    struct stele_home home;
    struct stele_rocks *rocks;
    struct stele_acked *acked;
    struct stele_chains *chains;
    struct stele_blobs *blobs;
    pthread_mutex_t placing; /* names of blobs and their locks change one at a time */
};

static struct local *local_of(struct stele_engine *e) {
    return (struct local *)e;
}

static stele_status meta_name(char out[STELE_AT_LEAST(META_NAME_MAX)], const char *family,
                              const char *name, stele_view *ret, stele_err *err) {
    int size = snprintf(out, META_NAME_MAX, "%s/%s", family, name);
    if (name[0] == '\0' || strlen(name) > STELE_BLOB_KEY_MAX || size < 0 || size >= META_NAME_MAX) {
        return STELE_FAIL(err, INVALID, "'%.100s' is no name of a fact: 1 to %d characters", name,
                          STELE_BLOB_KEY_MAX);
    }
    *ret = stele_view_of(out, (size_t)size);
    return STELE_OK;
}

/* ---- chains ---- */

static stele_status local_claim(struct stele_engine *e, const char *log, uint64_t *ret_next_pos,
                                uint64_t *ret_epoch, stele_err *err) {
    return stele_chains_claim(local_of(e)->chains, log, ret_next_pos, ret_epoch, err);
}

static void local_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                         stele_view record, stele_append_done_fn done, void *arg) {
    stele_err err = {.status = STELE_OK};
    stele_status st = stele_chains_append(local_of(e)->chains, log, epoch, pos, record, &err);
    /* With nothing held: it may append again. */
    done(arg, st, st == STELE_OK ? NULL : &err);
}

static stele_status local_read(struct stele_engine *e, const char *log, uint64_t from,
                               stele_record_fn fn, void *ctx, uint64_t *ret_first, stele_err *err) {
    return stele_chains_read(local_of(e)->chains, log, from, fn, ctx, ret_first, err);
}

static stele_status local_trim(struct stele_engine *e, const char *log, uint64_t floor,
                               stele_err *err) {
    return stele_chains_trim(local_of(e)->chains, log, floor, err);
}

/* ---- locks ---- */

/* Nothing stored: no retention, no hold. */
static stele_status load_lock(struct local *l, const char *key, struct stele_lock *ret,
                              stele_err *err) {
    char name[META_NAME_MAX];
    stele_view meta = {NULL, 0};
    stele_buf found = STELE_BUF_EMPTY;
    uint8_t version = 0;
    uint8_t hold = 0;
    stele_status st = STELE_OK;
    *ret = (struct stele_lock){0, 0};
    STELE_TRY(meta_name(name, "lock", key, &meta, err));
    st = stele_rocks_get(l->rocks, STELE_ROCKS_META, meta, &found, err);
    if (st == STELE_NOT_FOUND) {
        return STELE_OK;
    }
    if (st != STELE_OK) {
        goto cleanup;
    }
    struct stele_reader r = stele_reader_of(stele_view_buf(&found), "the lock of a blob");
    STELE_TRY(stele_read_u8(&r, &version, err));
    STELE_TRY(stele_read_u64(&r, &ret->retain_until_us, err));
    STELE_TRY(stele_read_u8(&r, &hold, err));
    STELE_TRY(stele_reader_end(&r, err));
    ret->hold = hold;
    if (version != FORMAT_VERSION || hold > 1) {
        st = STELE_FAIL(err, UNSUPPORTED,
                        "the lock of blob '%.100s' has version %u and hold %u: this program knows "
                        "version %d",
                        key, version, hold, FORMAT_VERSION);
    }
cleanup:
    stele_buf_done(&found);
    return stele_corrupt(st, err);
}

static stele_status store_lock(struct local *l, const char *key, const struct stele_lock *lock,
                               stele_err *err) {
    char name[META_NAME_MAX];
    uint8_t bytes[LOCK_BYTES];
    struct stele_rocks_op put = {
        STELE_ROCKS_META, STELE_ROCKS_PUT, {NULL, 0}, {bytes, sizeof bytes}};
    stele_status st = meta_name(name, "lock", key, &put.key, err);
    bytes[0] = FORMAT_VERSION;
    stele_put_u64(bytes + 1, lock->retain_until_us);
    bytes[9] = lock->hold == 1;
    return st == STELE_OK ? stele_rocks_write(l->rocks, &put, 1, STELE_SYNCED, err) : st;
}

/* Putting a blob again must not weaken its lock: the later date holds, and a hold stays on. */
static stele_status extend_lock(struct local *l, const char *key, const struct stele_lock *lock,
                                stele_err *err) {
    struct stele_lock now;
    stele_status st = load_lock(l, key, &now, err);
    if (st != STELE_OK) {
        return st;
    }
    struct stele_lock then = now;
    then.retain_until_us =
        lock->retain_until_us > now.retain_until_us ? lock->retain_until_us : now.retain_until_us;
    then.hold = lock->hold == 1 ? 1 : now.hold;
    bool same = then.retain_until_us == now.retain_until_us && then.hold == now.hold;
    return same ? STELE_OK : store_lock(l, key, &then, err);
}

static stele_status relock(struct local *l, const char *key, const struct stele_lock *lock,
                           stele_err *err) {
    uint64_t ignored = 0;
    struct stele_lock now;
    stele_status st = stele_blobs_size(l->blobs, key, &ignored, err);
    if (st == STELE_OK) {
        st = load_lock(l, key, &now, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    if (lock->retain_until_us != 0 && lock->retain_until_us < now.retain_until_us) {
        return STELE_FAIL(
            err, DENIED,
            "blob '%.80s' is locked until %llu us: its lock cannot be shortened to %llu", key,
            (unsigned long long)now.retain_until_us, (unsigned long long)lock->retain_until_us);
    }
    now.retain_until_us = lock->retain_until_us == 0 ? now.retain_until_us : lock->retain_until_us;
    now.hold = lock->hold == -1 ? now.hold : lock->hold != 0;
    return store_lock(l, key, &now, err);
}

static stele_status local_relock(struct stele_engine *e, const char *key,
                                 const struct stele_lock *lock, stele_err *err) {
    struct local *l = local_of(e);
    (void)pthread_mutex_lock(&l->placing);
    stele_status st = relock(l, key, lock, err);
    (void)pthread_mutex_unlock(&l->placing);
    return st;
}

/* ---- blobs ---- */

static stele_status local_begin(struct stele_engine *e, const char *key,
                                struct stele_blob_writer **ret, stele_err *err) {
    struct stele_blob_writer *w = NULL;
    stele_status st = stele_blob_writer_new(local_of(e)->blobs, key, &w, err);
    if (st == STELE_OK) {
        w->engine = e;
        *ret = w;
    }
    return st;
}

static stele_status local_commit(struct stele_blob_writer *w, const struct stele_lock *lock,
                                 stele_err *err) {
    struct local *l = local_of(w->engine);
    bool present = false;
    stele_status st = stele_blob_writer_sync(w, err);
    if (st == STELE_OK) {
        (void)pthread_mutex_lock(&l->placing);
        st = stele_blob_writer_compare(w, &present, err);
        if (st == STELE_OK && lock != NULL) {
            st = extend_lock(l, w->key, lock, err);
        }
        if (st == STELE_OK) {
            st = stele_blob_writer_place(w, present, err);
        }
        (void)pthread_mutex_unlock(&l->placing);
    }
    stele_blob_writer_free(w);
    return st;
}

static stele_status local_get(struct stele_engine *e, const char *key, uint64_t offset, size_t size,
                              stele_buf *out, stele_err *err) {
    return stele_blobs_get(local_of(e)->blobs, key, offset, size, out, err);
}

static void local_will_need(struct stele_engine *e, const char *key, uint64_t offset, size_t size) {
    stele_blobs_will_need(local_of(e)->blobs, key, offset, size);
}

static stele_status local_size(struct stele_engine *e, const char *key, uint64_t *ret_bytes,
                               stele_err *err) {
    return stele_blobs_size(local_of(e)->blobs, key, ret_bytes, err);
}

static stele_status local_list(struct stele_engine *e, const char *prefix, stele_key_fn fn,
                               void *ctx, stele_err *err) {
    return stele_blobs_list(local_of(e)->blobs, prefix, fn, ctx, err);
}

static stele_status expire(struct local *l, const char *key, uint64_t now_us, stele_err *err) {
    char name[META_NAME_MAX];
    struct stele_rocks_op drop = {STELE_ROCKS_META, STELE_ROCKS_DELETE, {NULL, 0}, {NULL, 0}};
    struct stele_lock lock;
    stele_status st = stele_blob_key_check(key, err);
    if (st == STELE_OK) {
        st = load_lock(l, key, &lock, err);
    }
    if (st != STELE_OK) {
        return st;
    }
    if (lock.hold != 0 || now_us < lock.retain_until_us) {
        return STELE_FAIL(err, DENIED,
                          "blob '%.80s' is %s until %llu us, now is %llu: it cannot be removed",
                          key, lock.hold != 0 ? "held, and locked" : "locked",
                          (unsigned long long)lock.retain_until_us, (unsigned long long)now_us);
    }
    /* The name first: a lock without its blob protects nothing, a blob without its lock is lost
     * early. */
    st = stele_blobs_remove(l->blobs, key, err);
    if (st != STELE_OK) {
        return st;
    }
    st = meta_name(name, "lock", key, &drop.key, err);
    return st == STELE_OK ? stele_rocks_write(l->rocks, &drop, 1, STELE_SYNCED, err) : st;
}

static stele_status local_expire(struct stele_engine *e, const char *key, uint64_t now_us,
                                 stele_err *err) {
    struct local *l = local_of(e);
    (void)pthread_mutex_lock(&l->placing);
    stele_status st = expire(l, key, now_us, err);
    (void)pthread_mutex_unlock(&l->placing);
    return st;
}

/* ---- the view and facts ---- */

/* Appends log, 0x00, key: one view per log in one family. */
static stele_status view_key(const char *log, stele_view key, stele_buf *out, stele_err *err) {
    stele_status st = stele_buf_append(out, stele_view_of(log, strlen(log) + 1), err);
    return st == STELE_OK ? stele_buf_append(out, key, err) : st;
}

static stele_status local_view_apply(struct stele_engine *e, const char *log,
                                     const struct stele_view_kv *kv, size_t n, stele_err *err) {
    stele_buf keys = STELE_BUF_EMPTY;
    struct stele_rocks_op *ops = NULL;
    size_t prefix = strnlen(log, STELE_LOG_NAME_MAX + 1) + 1;
    size_t key_bytes = 0;
    size_t value_bytes = 0;
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    for (size_t i = 0; st == STELE_OK && i < n; i++) {
        key_bytes += prefix + kv[i].key.size;
        value_bytes += kv[i].value.size;
        if (key_bytes + value_bytes > VIEW_BATCH_BYTES_MAX) {
            st = STELE_FAIL(err, LIMIT,
                            "a view batch of %zu keys for log '%s' is over %zu bytes: split it", n,
                            log, VIEW_BATCH_BYTES_MAX);
        }
    }
    STELE_TRY(st);
    /* Reserved at once: the keys of the operations point into it. */
    STELE_TRY(stele_buf_reserve(&keys, key_bytes, err));
    ops = stele_alloc(n, sizeof *ops);
    if (ops == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a view batch of %zu keys", n);
        goto cleanup;
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = keys.size;
        STELE_TRY(view_key(log, kv[i].key, &keys, err));
        ops[i].family = STELE_ROCKS_VIEW;
        ops[i].kind = kv[i].value.data == NULL ? STELE_ROCKS_DELETE : STELE_ROCKS_PUT;
        ops[i].key = stele_view_of(keys.data + at, keys.size - at);
        ops[i].value = kv[i].value;
    }
    st = stele_rocks_write(local_of(e)->rocks, ops, n, STELE_MEMORY, err);
cleanup:
    stele_free(ops);
    stele_buf_done(&keys);
    return st;
}

struct scan_ctx {
    size_t prefix;
    stele_kv_fn fn;
    void *ctx;
};

static stele_status scan_one(void *ctx, stele_view key, stele_view value, stele_err *err) {
    struct scan_ctx *s = ctx;
    return s->fn(s->ctx, stele_view_slice(key, s->prefix, key.size - s->prefix), value, err);
}

static stele_status local_view_scan(struct stele_engine *e, const char *log, stele_view from,
                                    stele_view to, stele_kv_fn fn, void *ctx, stele_err *err) {
    stele_buf first = STELE_BUF_EMPTY;
    stele_buf end = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_name_check(log, STELE_LOG_NAME_MAX, "log", err));
    STELE_TRY(view_key(log, from, &first, err));
    STELE_TRY(view_key(log, to, &end, err));
    if (to.size == 0) {
        end.data[end.size - 1] = 1; /* log, 0x01: after every key of the log */
    }
    struct scan_ctx s = {strlen(log) + 1, fn, ctx};
    st = stele_rocks_scan(local_of(e)->rocks, STELE_ROCKS_VIEW, stele_view_buf(&first),
                          stele_view_buf(&end), scan_one, &s, err);
cleanup:
    stele_buf_done(&first);
    stele_buf_done(&end);
    return st;
}

static stele_status local_meta_put(struct stele_engine *e, const char *name, stele_view value,
                                   stele_err *err) {
    char bytes[META_NAME_MAX];
    struct stele_rocks_op put = {STELE_ROCKS_META, STELE_ROCKS_PUT, {NULL, 0}, value};
    stele_status st = meta_name(bytes, "fact", name, &put.key, err);
    if (st == STELE_OK && value.size > FACT_BYTES_MAX) {
        st = STELE_FAIL(err, LIMIT, "fact '%.100s' has %zu bytes, over %zu: put a blob", name,
                        value.size, FACT_BYTES_MAX);
    }
    return st == STELE_OK ? stele_rocks_write(local_of(e)->rocks, &put, 1, STELE_SYNCED, err) : st;
}

static stele_status local_meta_get(struct stele_engine *e, const char *name, stele_buf *ret,
                                   stele_err *err) {
    char bytes[META_NAME_MAX];
    stele_view key = {NULL, 0};
    stele_status st = meta_name(bytes, "fact", name, &key, err);
    return st == STELE_OK ? stele_rocks_get(local_of(e)->rocks, STELE_ROCKS_META, key, ret, err)
                          : st;
}

/* ---- opening and closing ---- */

static void local_close(struct stele_engine *e) {
    if (e == NULL) {
        return;
    }
    struct local *l = local_of(e);
    stele_blobs_close(l->blobs);
    stele_chains_free(l->chains);
    stele_rocks_close(l->rocks);
    stele_acked_close(l->acked);
    stele_home_close(&l->home); /* last: nobody else may open what is still being closed */
    (void)pthread_mutex_destroy(&l->placing);
    stele_free(l);
}

static const struct stele_engine_ops local_ops = {
    .close = local_close,
    .claim = local_claim,
    .append = local_append,
    .read = local_read,
    .trim = local_trim,
    .blob_begin = local_begin,
    .blob_write = stele_blob_writer_add,
    .blob_commit = local_commit,
    .blob_abort = stele_blob_writer_free,
    .blob_get = local_get,
    .blob_size = local_size,
    .blob_will_need = local_will_need,
    .blob_list = local_list,
    .blob_relock = local_relock,
    .blob_expire = local_expire,
    .view_apply = local_view_apply,
    .view_scan = local_view_scan,
    .meta_put = local_meta_put,
    .meta_get = local_meta_get,
};

/* The database says the same region as the folder; one just made is told. */
static stele_status check_identity(struct local *l, const char *region, stele_err *err) {
    stele_buf found = STELE_BUF_EMPTY;
    const uint8_t version = FORMAT_VERSION;
    const struct stele_rocks_op identity[2] = {
        {STELE_ROCKS_META, STELE_ROCKS_PUT, stele_view_str("region"), stele_view_str(region)},
        {STELE_ROCKS_META, STELE_ROCKS_PUT, stele_view_str("format"), stele_view_of(&version, 1)},
    };
    stele_status st =
        stele_rocks_get(l->rocks, STELE_ROCKS_META, stele_view_str("region"), &found, err);
    if (st == STELE_NOT_FOUND) {
        st = l->home.has_region
                 ? STELE_FAIL(
                       err, CORRUPT,
                       "the database in '%.100s' names no region, its REGION file does: restore "
                       "the folder from backup",
                       l->home.dir)
                 : stele_rocks_write(l->rocks, identity, 2, STELE_SYNCED, err);
        goto cleanup;
    }
    STELE_TRY(st);
    if (!stele_view_is(stele_view_buf(&found), region)) {
        st = STELE_FAIL(
            err, DENIED,
            "the database in '%.100s' is of region '%.*s', not '%.32s': open it under its own "
            "name",
            l->home.dir, found.size < 32 ? (int)found.size : 32, (const char *)found.data, region);
        goto cleanup;
    }
    stele_buf_clear(&found);
    STELE_TRY(stele_rocks_get(l->rocks, STELE_ROCKS_META, stele_view_str("format"), &found, err));
    if (!stele_view_equal(stele_view_buf(&found), stele_view_of(&version, 1))) {
        st = STELE_FAIL(
            err, UNSUPPORTED,
            "the store in '%.100s' has format %u, this program writes %d: use the program "
            "that made it",
            l->home.dir, found.size == 1 ? found.data[0] : 0, FORMAT_VERSION);
    }
cleanup:
    stele_buf_done(&found);
    return st;
}

static stele_status nothing_is_missing(void *ctx, struct stele_rocks *rocks, stele_err *err) {
    struct local *l = ctx;
    return stele_chains_check(rocks, l->acked, err);
}

stele_status stele_engine_rocks_open(const char *dir, const char *region, bool create,
                                     struct stele_engine **ret, stele_err *err) {
    char path[STELE_FILE_PATH_MAX];
    stele_status st = STELE_OK;
    struct local *l = stele_alloc(1, sizeof *l);
    if (l == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to open the store in '%.120s'", dir);
    }
    l->home.lock_fd = -1;
    (void)pthread_mutex_init(&l->placing, NULL);
    l->base.ops = &local_ops;
    l->base.caps = (struct stele_engine_caps){STELE_SURVIVES_MACHINE_CRASH, STELE_WORM_OURS, false};
    STELE_TRY(stele_home_open(dir, region, create, &l->home, err));
    STELE_TRY(stele_file_path(dir, "db", path, err));
    /* With a REGION file it has been a whole store: a database that is gone is not made anew. */
    if (!l->home.has_region) {
        STELE_TRY(
            stele_file_make_folder(path, err)); /* RocksDB would make it readable for others */
    }
    STELE_TRY(stele_acked_open(dir, &l->acked, err));
    st = stele_rocks_open(path, !l->home.has_region, nothing_is_missing, l, &l->rocks, err);
    if (st == STELE_NOT_FOUND) {
        st = STELE_FAIL(
            err, CORRUPT,
            "'%.100s' has a REGION file and no database: restore the folder from backup", dir);
    }
    STELE_TRY(st);
    STELE_TRY(check_identity(l, region, err));
    STELE_TRY(stele_chains_check(l->rocks, l->acked, err));
    STELE_TRY(stele_chains_new(l->rocks, l->acked, &l->chains, err));
    STELE_TRY(stele_file_path(dir, "blobs", path, err));
    STELE_TRY(stele_blobs_open(path, &l->blobs, err));
    if (!l->home.has_region) {
        STELE_TRY(stele_home_write_region(&l->home, region, err));
    }
    *ret = &l->base;
    l = NULL;
cleanup:
    if (l != NULL) {
        local_close(&l->base);
    }
    return st;
}
