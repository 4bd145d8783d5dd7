/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_rocks.c: RocksDB as the ordered store of the embedded engine. The only file that
 * includes rocksdb/c.h. Invariant: nothing is written on top of a failed write; what a reader sees
 * after a reopening has been replayed from the log and flushed to synced files of its own.
 */
#include "storage/engine_rocks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rocksdb/c.h>

#include "storage/engine_gate.h"
#include "storage/engine_current.h"
#include "storage/engine_manifest.h"
#include "storage/engine_repeats.h"
#include "storage/engine_rocks_error.h"
#include "storage/engine_rocks_tuning.h"
#include "storage/file.h"

#define FAMILIES                                                                                   \
    (STELE_ROCKS_FAMILIES + 1) /* RocksDB's own "default" is opened too, and stays empty */
#define SCAN_READAHEAD_BYTES (2u << 20)
#define DURABILITIES 2
#define ROOM_BYTES (4u << 20)

struct stele_rocks {
    char *path;
    rocksdb_t *db; /* NULL: down, because reopening failed */
    rocksdb_column_family_handle_t *family[FAMILIES];
    rocksdb_options_t *options[FAMILIES]; /* [0] holds the store-wide ones */
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *scan;
    rocksdb_writeoptions_t *write[DURABILITIES]; /* by stele_durability */
    stele_rocks_check_fn check;
    void *check_ctx;
    char why[STELE_ERR_TEXT_BYTES]; /* the write that failed, for those refused after it */

    /* What is inside holds `db` open; a reopening empties it. Its mutex is over the two below. */
    struct stele_gate gate;
    bool failed;
    uint64_t generation;
};

static const char *const family_names[FAMILIES] = {"default", "chain", "view", "meta"};

static stele_status rocks_fail(const struct stele_rocks *r, const char *doing, char *text,
                               stele_err *err) {
    stele_status st = stele_rocks_error(r->path, doing, text, err);
    rocksdb_free(text);
    return st;
}

static stele_status make_options(struct stele_rocks *r, bool create, stele_err *err) {
    char *text = NULL;
    rocksdb_options_t *plain = rocksdb_options_create();
    for (size_t i = 0; i < FAMILIES && text == NULL; i++) {
        r->options[i] = rocksdb_options_create();
        rocksdb_get_options_from_string(plain, stele_rocks_tuning[i], r->options[i], &text);
    }
    rocksdb_options_destroy(plain);
    if (text != NULL) {
        return rocks_fail(r, "RocksDB refused its options for", text, err);
    }
    rocksdb_options_set_create_if_missing(r->options[0], create);
    rocksdb_options_set_create_missing_column_families(r->options[0], create);

    r->read = rocksdb_readoptions_create();
    r->scan = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(r->read, 1);
    rocksdb_readoptions_set_verify_checksums(r->scan, 1);
    rocksdb_readoptions_set_readahead_size(r->scan, SCAN_READAHEAD_BYTES);
    rocksdb_readoptions_set_fill_cache(r->scan, 0); /* recovery reads the chain once */
    for (size_t i = 0; i < DURABILITIES; i++) {
        r->write[i] = rocksdb_writeoptions_create();
    }
    rocksdb_writeoptions_set_sync(r->write[STELE_SYNCED], 1);
    rocksdb_writeoptions_disable_WAL(r->write[STELE_MEMORY], 1);
    return STELE_OK;
}

/* ---- opening and closing ---- */

static stele_status open_db(struct stele_rocks *r, bool read_only, int recovery_mode,
                            stele_err *err) {
    const rocksdb_options_t *options[FAMILIES];
    char *text = NULL;
    /* RocksDB with asserts on, as Debian builds it, aborts the process at the second line it writes
     * to its LOG after one that met a full disk. It writes there at open only, so that is not tried
     * without some room. */
    stele_status st = read_only ? STELE_OK : stele_file_check_room(r->path, ROOM_BYTES, err);
    if (st != STELE_OK) {
        return st;
    }
    for (size_t i = 0; i < FAMILIES; i++) {
        options[i] = r->options[i];
    }
    rocksdb_options_set_wal_recovery_mode(r->options[0], recovery_mode);
    r->db = read_only ? rocksdb_open_for_read_only_column_families(r->options[0], r->path, FAMILIES,
                                                                   family_names, options, r->family,
                                                                   0, &text)
                      : rocksdb_open_column_families(r->options[0], r->path, FAMILIES, family_names,
                                                     options, r->family, &text);
    if (text != NULL) {
        r->db = NULL;
        return rocks_fail(r, "cannot open", text, err);
    }
    return STELE_OK;
}

/* Family handles first: RocksDB aborts when one outlives its store. */
static void close_db(struct stele_rocks *r) {
    for (size_t i = 0; i < FAMILIES && r->db != NULL; i++) {
        rocksdb_column_family_handle_destroy(r->family[i]);
        r->family[i] = NULL;
    }
    if (r->db != NULL) {
        rocksdb_close(r->db);
        r->db = NULL;
    }
}

/* So that the next start has nothing to replay, which takes a second after much was written. If it
 * fails, the log still has all of it. */
static void flush_db(struct stele_rocks *r) {
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    for (size_t i = 0; i < FAMILIES; i++) {
        char *text = NULL;
        rocksdb_flush_cf(r->db, options, r->family[i], &text);
        rocksdb_free(text);
    }
    rocksdb_flushoptions_destroy(options);
}

/* What a read-only replay in this mode finds: the last sequence number, and what the caller checks.
 */
static stele_status look_at(struct stele_rocks *r, int recovery_mode, bool check,
                            uint64_t *ret_sequence, stele_err *err) {
    stele_status st = open_db(r, true, recovery_mode, err);
    if (st == STELE_OK) {
        *ret_sequence = rocksdb_get_latest_sequence_number(r->db);
        st = check ? r->check(r->check_ctx, r, err) : STELE_OK;
        close_db(r);
    }
    return st;
}

/*
 * The log is damaged. Every write is synced before the next begins, so that a power cut damages the
 * last record only: then a replay that stops at the damage finds as much as one that skips it, and
 * all that was acknowledged. Pages of an unsynced record reach the disk in any order and as zeros,
 * which to RocksDB looks like any other damage. Looking changes nothing on disk.
 */
static bool is_torn_tail(struct stele_rocks *r) {
    uint64_t before_damage = 0;
    uint64_t around_damage = 0;
    stele_err ignored;
    return look_at(r, rocksdb_point_in_time_recovery, true, &before_damage, &ignored) == STELE_OK &&
           look_at(r, rocksdb_skip_any_corrupted_records_recovery, false, &around_damage,
                   &ignored) == STELE_OK &&
           before_damage == around_damage;
}

static stele_status open_past_torn_tail(struct stele_rocks *r, stele_err *err) {
    stele_status st = open_db(r, false, rocksdb_tolerate_corrupted_tail_records_recovery, err);
    if (st == STELE_CORRUPT && is_torn_tail(r)) {
        st = open_db(r, false, rocksdb_point_in_time_recovery, err);
    }
    return st;
}

/* The same after a power cut while RocksDB changed its set of files. `err` says already why the
 * store does not open, and keeps saying that if this is not why. */
static stele_status open_past_torn_change(struct stele_rocks *r, stele_err *err) {
    struct stele_manifest_end end;
    uint64_t sequence = 0;
    stele_err detail;
    stele_status st = STELE_CORRUPT;
    if (stele_manifest_cut(r->path, &end, &detail) != STELE_OK) {
        return st;
    }
    if (look_at(r, rocksdb_point_in_time_recovery, true, &sequence, &detail) == STELE_OK) {
        st = open_past_torn_tail(r, &detail);
    }
    if (st == STELE_CORRUPT) {
        stele_status put_back = stele_manifest_put_back(&end, &detail);
        (void)put_back; /* refused either way: what was cut off was not acknowledged */
    } else if (st != STELE_OK) {
        *err = detail;
    }
    stele_buf_done(&end.bytes);
    return st;
}

/* A full disk stops writing; it need not stop reading: opened for that, the store is as after a
 * failed write. */
static stele_status open_for_writing(struct stele_rocks *r, stele_err *err) {
    stele_err detail;
    stele_err ignored;
    stele_status st = open_past_torn_tail(r, &detail);
    if (st == STELE_CORRUPT) {
        st = open_past_torn_change(r, &detail);
    }
    if (st == STELE_NO_SPACE || st == STELE_IO) {
        (void)open_db(r, true, rocksdb_tolerate_corrupted_tail_records_recovery, &ignored);
    }
    (void)pthread_mutex_lock(&r->gate.mutex);
    r->failed = st != STELE_OK;
    r->generation++;
    if (st != STELE_OK) {
        (void)snprintf(r->why, sizeof r->why, "%s",
                       detail.os_errno == 0 ? detail.text : strerror(detail.os_errno));
    }
    (void)pthread_mutex_unlock(&r->gate.mutex);
    if (st != STELE_OK && err != NULL) {
        *err = detail;
    }
    return st;
}

stele_status stele_rocks_open(const char *path, bool create, stele_rocks_check_fn check, void *ctx,
                              struct stele_rocks **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_rocks *r = stele_alloc(1, sizeof *r);
    if (r == NULL || (r->path = stele_strdup(path)) == NULL) {
        stele_free(r);
        return STELE_FAIL(err, NO_MEMORY, "no memory to open '%.120s'", path);
    }
    r->check = check;
    r->check_ctx = ctx;
    stele_gate_init(&r->gate);
    STELE_TRY(make_options(r, create, err));
    STELE_TRY(stele_current_mend(path, create, err));
    STELE_TRY(stele_repeats_check(path, err));
    st = open_for_writing(r, err);
    if (r->db == NULL || (st != STELE_NO_SPACE && st != STELE_OK)) {
        goto cleanup;
    }
    st = STELE_OK;
    *ret = r;
    r = NULL;
cleanup:
    stele_rocks_close(r);
    return st;
}

void stele_rocks_close(struct stele_rocks *r) {
    if (r == NULL) {
        return;
    }
    if (r->db != NULL && !r->failed &&
        stele_file_check_room(r->path, ROOM_BYTES, NULL) == STELE_OK) {
        flush_db(r);
    }
    close_db(r);
    for (size_t i = 0; i < DURABILITIES; i++) {
        if (r->write[i] != NULL) {
            rocksdb_writeoptions_destroy(r->write[i]);
        }
    }
    if (r->read != NULL) {
        rocksdb_readoptions_destroy(r->read);
        rocksdb_readoptions_destroy(r->scan);
    }
    for (size_t i = 0; i < FAMILIES; i++) {
        if (r->options[i] != NULL) {
            rocksdb_options_destroy(r->options[i]);
        }
    }
    stele_gate_done(&r->gate);
    stele_free(r->path);
    stele_free(r);
}

/* ---- failing and reopening ---- */

/* Inside on OK. CLOSED if the store is down, or if `writing` after a failed write. */
static stele_status enter(struct stele_rocks *r, bool writing, const struct stele_gate **ret_before,
                          stele_err *err) {
    stele_status st = STELE_OK;
    const struct stele_gate *before = stele_gate_enter(&r->gate);
    (void)pthread_mutex_lock(&r->gate.mutex);
    if (r->db == NULL || (writing && r->failed)) {
        st = STELE_FAIL(
            err, CLOSED,
            "'%.50s' takes no %s after a failed write until the log is claimed again: %.90s",
            r->path, r->db == NULL ? "calls" : "writes", r->why);
    }
    (void)pthread_mutex_unlock(&r->gate.mutex);
    if (st != STELE_OK) {
        stele_gate_leave(&r->gate, before);
    } else {
        *ret_before = before;
    }
    return st;
}

/* The first failure is the one that explains the others. */
static void mark_failed(struct stele_rocks *r, const char *text) {
    (void)pthread_mutex_lock(&r->gate.mutex);
    if (!r->failed) {
        r->failed = true;
        r->generation++;
        int os_errno = stele_rocks_errno(text);
        (void)snprintf(r->why, sizeof r->why, "%s", os_errno == 0 ? text : strerror(os_errno));
    }
    (void)pthread_mutex_unlock(&r->gate.mutex);
}

uint64_t stele_rocks_generation(struct stele_rocks *r) {
    (void)pthread_mutex_lock(&r->gate.mutex);
    uint64_t generation = r->generation;
    (void)pthread_mutex_unlock(&r->gate.mutex);
    return generation;
}

static bool has_failed(struct stele_rocks *r) {
    (void)pthread_mutex_lock(&r->gate.mutex);
    bool failed = r->failed;
    (void)pthread_mutex_unlock(&r->gate.mutex);
    return failed;
}

stele_status stele_rocks_reopen(struct stele_rocks *r, stele_err *err) {
    stele_status st = STELE_OK;
    if (!has_failed(r)) {
        return STELE_OK;
    }
    /* While the disk is full, what is open can be read, and trying costs no replay. */
    st = stele_file_check_room(r->path, ROOM_BYTES, err);
    if (st != STELE_OK) {
        return st;
    }
    const struct stele_gate *before = stele_gate_empty(&r->gate);
    if (r->failed) { /* else another thread has reopened it meanwhile */
        /* Replay puts what it finds into new, synced table files: what claim() then reads is on
         * disk, also where the kernel dropped a dirty page of the log after its sync failed. */
        close_db(r);
        rocksdb_options_set_create_if_missing(r->options[0], 0);
        st = open_for_writing(r, err);
    }
    stele_gate_fill(&r->gate, before);
    return st;
}

/* ---- reading and writing ---- */

static rocksdb_column_family_handle_t *handle_of(const struct stele_rocks *r,
                                                 stele_rocks_family family) {
    return r->family[(size_t)family + 1];
}

stele_status stele_rocks_write(struct stele_rocks *r, const struct stele_rocks_op *ops, size_t n,
                               stele_durability durability, stele_err *err) {
    const struct stele_gate *before = NULL;
    char *text = NULL;
    stele_status st = enter(r, true, &before, err);
    if (st != STELE_OK) {
        return st;
    }
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    for (size_t i = 0; i < n; i++) {
        const char *key = (const char *)ops[i].key.data;
        const char *value = ops[i].value.size == 0 ? "" : (const char *)ops[i].value.data;
        rocksdb_column_family_handle_t *family = handle_of(r, ops[i].family);
        switch (ops[i].kind) {
        case STELE_ROCKS_PUT:
            rocksdb_writebatch_put_cf(batch, family, key, ops[i].key.size, value,
                                      ops[i].value.size);
            break;
        case STELE_ROCKS_DELETE:
            rocksdb_writebatch_delete_cf(batch, family, key, ops[i].key.size);
            break;
        case STELE_ROCKS_DELETE_RANGE:
            rocksdb_writebatch_delete_range_cf(batch, family, key, ops[i].key.size, value,
                                               ops[i].value.size);
            break;
        }
    }
    rocksdb_write(r->db, r->write[durability], batch, &text);
    rocksdb_writebatch_destroy(batch);
    if (text != NULL) {
        mark_failed(r, text);
        st = rocks_fail(r, "cannot write to", text, err);
    }
    stele_gate_leave(&r->gate, before);
    return st;
}

stele_status stele_rocks_get(struct stele_rocks *r, stele_rocks_family family, stele_view key,
                             stele_buf *ret, stele_err *err) {
    const struct stele_gate *before = NULL;
    char *text = NULL;
    stele_status st = enter(r, false, &before, err);
    if (st != STELE_OK) {
        return st;
    }
    rocksdb_pinnableslice_t *found = rocksdb_get_pinned_cf(r->db, r->read, handle_of(r, family),
                                                           (const char *)key.data, key.size, &text);
    if (text != NULL) {
        st = rocks_fail(r, "cannot read from", text, err);
    } else if (found == NULL) {
        st = STELE_FAIL(err, NOT_FOUND, "'%.60s' has no '%.*s'", r->path,
                        key.size < 100 ? (int)key.size : 100, (const char *)key.data);
    } else {
        size_t size = 0;
        const char *value = rocksdb_pinnableslice_value(found, &size);
        st = stele_buf_append(ret, stele_view_of(value, size), err);
    }
    if (found != NULL) {
        rocksdb_pinnableslice_destroy(found);
    }
    stele_gate_leave(&r->gate, before);
    return st;
}

/* Iterator errors end the walk like the last key does: asked for once, after it. */
static stele_status iterator_status(const struct stele_rocks *r, const rocksdb_iterator_t *it,
                                    stele_err *err) {
    char *text = NULL;
    rocksdb_iter_get_error(it, &text);
    return text == NULL ? STELE_OK : rocks_fail(r, "cannot read on in", text, err);
}

stele_status stele_rocks_scan(struct stele_rocks *r, stele_rocks_family family, stele_view from,
                              stele_view to, stele_kv_fn fn, void *ctx, stele_err *err) {
    const struct stele_gate *before = NULL;
    stele_status st = enter(r, false, &before, err);
    if (st != STELE_OK) {
        return st;
    }
    rocksdb_readoptions_t *read = family == STELE_ROCKS_CHAIN ? r->scan : r->read;
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, read, handle_of(r, family));
    for (rocksdb_iter_seek(it, (const char *)from.data, from.size);
         st == STELE_OK && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        stele_view key;
        stele_view value;
        key.data = (const uint8_t *)rocksdb_iter_key(it, &key.size);
        if (stele_view_compare(key, to) >= 0) {
            break;
        }
        value.data = (const uint8_t *)rocksdb_iter_value(it, &value.size);
        st = fn(ctx, key, value, err);
    }
    if (st == STELE_OK) {
        st = iterator_status(r, it, err);
    }
    rocksdb_iter_destroy(it);
    stele_gate_leave(&r->gate, before);
    return st;
}

stele_status stele_rocks_last(struct stele_rocks *r, stele_rocks_family family, stele_view from,
                              stele_view to, stele_buf *ret_key, stele_err *err) {
    const struct stele_gate *before = NULL;
    stele_view key = {NULL, 0};
    stele_status st = enter(r, false, &before, err);
    if (st != STELE_OK) {
        return st;
    }
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, r->read, handle_of(r, family));
    rocksdb_iter_seek_for_prev(it, (const char *)to.data, to.size);
    if (rocksdb_iter_valid(it)) {
        key.data = (const uint8_t *)rocksdb_iter_key(it, &key.size);
        if (stele_view_compare(key, to) >= 0) {
            rocksdb_iter_prev(it);
        }
    }
    st = iterator_status(r, it, err);
    if (st == STELE_OK && rocksdb_iter_valid(it)) {
        key.data = (const uint8_t *)rocksdb_iter_key(it, &key.size);
    } else {
        key = (stele_view){NULL, 0};
    }
    if (st == STELE_OK && (key.size == 0 || stele_view_compare(key, from) < 0)) {
        st = STELE_FAIL(err, NOT_FOUND, "'%.60s' has no key in that range", r->path);
    }
    if (st == STELE_OK) {
        st = stele_buf_append(ret_key, key, err);
    }
    rocksdb_iter_destroy(it);
    stele_gate_leave(&r->gate, before);
    return st;
}
