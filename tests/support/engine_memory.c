/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/engine_memory.c: an engine in memory: three ordered maps and an array of chains. */
#include "tests/support/engine_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/engine_names.h"
#include "tests/support/byte_map.h"

#define CHAINS_MAX 64

struct memory_chain {
    char name[STELE_LOG_NAME_MAX + 1];
    bool claimed;
    uint64_t epoch, floor, next;
    struct byte_map record; /* key: u64 position */
};
struct memory {
    struct stele_engine base;
    pthread_mutex_t mutex; /* recursive: callbacks may read */
    size_t n_chains;
    struct memory_chain *chain[CHAINS_MAX];
    struct byte_map blobs, view, facts;
};
struct stele_blob_writer {
    struct memory *memory;
    stele_buf bytes;
    char key[STELE_BLOB_KEY_MAX + 1];
};

static struct memory *memory_of(struct stele_engine *e) {
    return (struct memory *)e;
}

static void enter(struct memory *m) {
    (void)pthread_mutex_lock(&m->mutex);
}

static stele_status leave(struct memory *m, stele_status st) {
    (void)pthread_mutex_unlock(&m->mutex);
    return st;
}

/* ---- chains ---- */

static struct memory_chain *find_chain(struct memory *m, const char *log) {
    for (size_t i = 0; i < m->n_chains; i++) {
        if (strcmp(m->chain[i]->name, log) == 0) {
            return m->chain[i];
        }
    }
    return NULL;
}

static stele_view pos_key(uint8_t out[STELE_AT_LEAST(8)], uint64_t pos) {
    stele_put_u64(out, pos);
    return stele_view_of(out, 8);
}

static stele_status memory_claim(struct stele_engine *e, const char *log, uint64_t *ret_next_pos,
                                 uint64_t *ret_epoch, stele_err *err) {
    struct memory *m = memory_of(e);
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    if (st != STELE_OK) {
        return st;
    }
    enter(m);
    struct memory_chain *c = find_chain(m, log);
    if (c == NULL && (m->n_chains == CHAINS_MAX || (c = stele_alloc(1, sizeof *c)) == NULL)) {
        return leave(
            m, STELE_FAIL(err, LIMIT, "the memory engine holds %d chains at most", CHAINS_MAX));
    }
    if (c->name[0] == '\0') {
        (void)snprintf(c->name, sizeof c->name, "%s", log);
        m->chain[m->n_chains++] = c;
    }
    c->claimed = true;
    *ret_next_pos = c->next;
    *ret_epoch = ++c->epoch;
    return leave(m, STELE_OK);
}

static stele_status append_one(struct memory *m, const char *log, uint64_t epoch, uint64_t pos,
                               stele_view record, stele_err *err) {
    uint8_t key[8];
    struct byte_pair *ignored = NULL;
    struct memory_chain *c = find_chain(m, log);
    if (c == NULL || !c->claimed || epoch != c->epoch) {
        return STELE_FAIL(err, CLOSED, "chain '%s' is not claimed, or fenced off: claim it", log);
    }
    if (pos != c->next) {
        return STELE_FAIL(err, BUG, "chain '%s' was given position %llu, its next is %llu", log,
                          (unsigned long long)pos, (unsigned long long)c->next);
    }
    if (record.size > STELE_RECORD_BYTES_MAX) {
        return STELE_FAIL(err, LIMIT, "a record of %zu bytes is over %u", record.size,
                          STELE_RECORD_BYTES_MAX);
    }
    stele_status st = byte_map_put(&c->record, pos_key(key, pos), record, &ignored, err);
    c->next += st == STELE_OK;
    return st;
}

static void memory_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                          stele_view record, stele_append_done_fn done, void *arg) {
    struct memory *m = memory_of(e);
    stele_err err = {.status = STELE_OK};
    enter(m);
    stele_status st = leave(m, append_one(m, log, epoch, pos, record, &err));
    done(arg, st, st == STELE_OK ? NULL : &err);
}

/* A copy: the lock is not held while somebody looks at it. */
static stele_status copy_record(struct memory *m, const struct memory_chain *c, uint64_t pos,
                                stele_buf *out, stele_err *err) {
    uint8_t key[8];
    enter(m);
    const struct byte_pair *pair = byte_map_find(&c->record, pos_key(key, pos));
    return leave(m, pair != NULL ? stele_buf_append(out, stele_view_buf(&pair->value), err)
                                 : STELE_FAIL(err, CORRUPT, "chain '%s' lacks position %llu",
                                              c->name, (unsigned long long)pos));
}

static stele_status memory_read(struct stele_engine *e, const char *log, uint64_t from,
                                stele_record_fn fn, void *ctx, uint64_t *ret_first,
                                stele_err *err) {
    struct memory *m = memory_of(e);
    stele_buf record = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_name_check(log, STELE_LOG_NAME_MAX, "log", err));
    enter(m);
    const struct memory_chain *c = find_chain(m, log);
    uint64_t floor = c == NULL ? 0 : c->floor;
    uint64_t end = c == NULL ? 0 : c->next;
    STELE_TRY(leave(
        m, c != NULL
               ? STELE_OK
               : STELE_FAIL(err, NOT_FOUND, "there is no chain of log '%s': claim makes it", log)));
    for (uint64_t pos = from < floor ? floor : from; pos < end; pos++) {
        stele_buf_clear(&record);
        STELE_TRY(copy_record(m, c, pos, &record, err));
        STELE_TRY(fn(ctx, pos, stele_view_buf(&record), err));
    }
    if (ret_first != NULL) {
        *ret_first = floor;
    }
cleanup:
    stele_buf_done(&record);
    return st;
}

static stele_status memory_trim(struct stele_engine *e, const char *log, uint64_t floor,
                                stele_err *err) {
    struct memory *m = memory_of(e);
    uint8_t key[8];
    enter(m);
    struct memory_chain *c = find_chain(m, log);
    if (c == NULL || !c->claimed) {
        return leave(m, STELE_FAIL(err, CLOSED, "chain '%s' is not claimed: claim it first", log));
    }
    if (floor > c->next) {
        return leave(m, STELE_FAIL(err, BUG, "chain '%s' cannot be trimmed past its end", log));
    }
    if (floor > c->floor) {
        byte_map_remove(&c->record, 0, byte_map_place(&c->record, pos_key(key, floor)));
        c->floor = floor;
    }
    return leave(m, STELE_OK);
}

/* ---- blobs ---- */

/* A blob's key is no folder of another's: files could not hold both. */
static stele_status check_nesting(const struct memory *m, const char *key, stele_err *err) {
    char below[STELE_BLOB_KEY_MAX + 2];
    (void)snprintf(below, sizeof below, "%s/", key);
    size_t i = byte_map_place(&m->blobs, stele_view_str(below));
    if (i < m->blobs.n && m->blobs.pair[i]->key.size > strlen(below) &&
        memcmp(m->blobs.pair[i]->key.data, below, strlen(below)) == 0) {
        return STELE_FAIL(err, INVALID, "'%s' cannot be a blob key: there are blobs below it", key);
    }
    for (const char *slash = strchr(key, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (byte_map_find(&m->blobs, stele_view_of(key, (size_t)(slash - key))) != NULL) {
            return STELE_FAIL(err, INVALID, "'%s' cannot be a blob key: a part of it is a blob",
                              key);
        }
    }
    return STELE_OK;
}

static void memory_abort(struct stele_blob_writer *w) {
    if (w != NULL) {
        stele_buf_done(&w->bytes);
        stele_free(w);
    }
}

static stele_status memory_begin(struct stele_engine *e, const char *key,
                                 struct stele_blob_writer **ret, stele_err *err) {
    struct stele_blob_writer *w = NULL;
    stele_status st = stele_blob_key_check(key, err);
    if (st == STELE_OK && (w = stele_alloc(1, sizeof *w)) == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory to write blob '%s'", key);
    }
    if (st == STELE_OK) {
        w->memory = memory_of(e);
        (void)snprintf(w->key, sizeof w->key, "%s", key);
        *ret = w;
    }
    return st;
}

static stele_status memory_write(struct stele_blob_writer *w, stele_view bytes, stele_err *err) {
    return stele_buf_append(&w->bytes, bytes, err);
}

static stele_status memory_commit(struct stele_blob_writer *w, const struct stele_lock *lock,
                                  stele_err *err) {
    struct memory *m = w->memory;
    stele_view key = stele_view_str(w->key);
    enter(m);
    struct byte_pair *pair = byte_map_find(&m->blobs, key);
    stele_status st = STELE_OK;
    if (pair == NULL) {
        st = check_nesting(m, w->key, err);
        if (st == STELE_OK) {
            st = byte_map_put(&m->blobs, key, stele_view_buf(&w->bytes), &pair, err);
        }
    } else if (!stele_view_equal(stele_view_buf(&pair->value), stele_view_buf(&w->bytes))) {
        st = STELE_FAIL(err, EXISTS, "blob '%s' exists with other bytes", w->key);
    }
    if (st == STELE_OK && lock != NULL) {
        uint64_t until = pair->until;
        pair->until = lock->retain_until_us > until ? lock->retain_until_us : until;
        pair->hold = lock->hold == 1 ? 1 : pair->hold;
    }
    memory_abort(w);
    return leave(m, st);
}

/* With the mutex held if OK. */
static stele_status enter_blob(struct memory *m, const char *key, struct byte_pair **ret,
                               stele_err *err) {
    stele_status st = stele_blob_key_check(key, err);
    if (st != STELE_OK) {
        return st;
    }
    enter(m);
    *ret = byte_map_find(&m->blobs, stele_view_str(key));
    return *ret != NULL ? STELE_OK
                        : leave(m, STELE_FAIL(err, NOT_FOUND, "there is no blob '%s'", key));
}

static stele_status memory_get(struct stele_engine *e, const char *key, uint64_t offset,
                               size_t size, stele_buf *out, stele_err *err) {
    struct memory *m = memory_of(e);
    struct byte_pair *pair = NULL;
    stele_status st = enter_blob(m, key, &pair, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t at = offset < pair->value.size ? (size_t)offset : pair->value.size;
    size_t left = pair->value.size - at;
    stele_view part = stele_view_slice(stele_view_buf(&pair->value), at, left < size ? left : size);
    return leave(m, stele_buf_append(out, part, err));
}

static stele_status memory_size(struct stele_engine *e, const char *key, uint64_t *ret_bytes,
                                stele_err *err) {
    struct memory *m = memory_of(e);
    struct byte_pair *pair = NULL;
    stele_status st = enter_blob(m, key, &pair, err);
    if (st == STELE_OK) {
        *ret_bytes = pair->value.size;
        st = leave(m, STELE_OK);
    }
    return st;
}

static stele_status memory_list(struct stele_engine *e, const char *prefix, stele_key_fn fn,
                                void *ctx, stele_err *err) {
    struct memory *m = memory_of(e);
    char key[STELE_BLOB_KEY_MAX + 1];
    stele_status st = STELE_OK;
    size_t chars = strlen(prefix);
    enter(m);
    for (size_t i = byte_map_place(&m->blobs, stele_view_str(prefix));
         st == STELE_OK && i < m->blobs.n; i++) {
        const stele_buf *found = &m->blobs.pair[i]->key;
        if (found->size < chars || memcmp(found->data, prefix, chars) != 0) {
            break;
        }
        (void)snprintf(key, sizeof key, "%.*s", (int)found->size, (const char *)found->data);
        st = fn(ctx, key, err);
    }
    return leave(m, st);
}

static stele_status memory_relock(struct stele_engine *e, const char *key,
                                  const struct stele_lock *lock, stele_err *err) {
    struct memory *m = memory_of(e);
    struct byte_pair *pair = NULL;
    stele_status st = enter_blob(m, key, &pair, err);
    if (st != STELE_OK) {
        return st;
    }
    if (lock->retain_until_us != 0 && lock->retain_until_us < pair->until) {
        return leave(m, STELE_FAIL(err, DENIED, "the lock of blob '%s' cannot be shortened", key));
    }
    pair->until = lock->retain_until_us == 0 ? pair->until : lock->retain_until_us;
    pair->hold = lock->hold == -1 ? pair->hold : lock->hold != 0;
    return leave(m, STELE_OK);
}

static stele_status memory_expire(struct stele_engine *e, const char *key, uint64_t now_us,
                                  stele_err *err) {
    struct memory *m = memory_of(e);
    struct byte_pair *pair = NULL;
    stele_status st = enter_blob(m, key, &pair, err);
    if (st != STELE_OK) {
        return st;
    }
    if (pair->hold != 0 || now_us < pair->until) {
        return leave(m, STELE_FAIL(err, DENIED, "blob '%s' is locked or held", key));
    }
    size_t i = byte_map_place(&m->blobs, stele_view_str(key));
    byte_map_remove(&m->blobs, i, i + 1);
    return leave(m, STELE_OK);
}

/* ---- the view and facts ---- */

static stele_status view_key(stele_buf *out, const char *log, stele_view key, stele_err *err) {
    stele_status st = stele_buf_append(out, stele_view_of(log, strlen(log) + 1), err);
    return st == STELE_OK ? stele_buf_append(out, key, err) : st;
}

static stele_status memory_view_apply(struct stele_engine *e, const char *log,
                                      const struct stele_view_kv *kv, size_t n, stele_err *err) {
    struct memory *m = memory_of(e);
    stele_status st = stele_name_check(log, STELE_LOG_NAME_MAX, "log", err);
    enter(m);
    for (size_t i = 0; st == STELE_OK && i < n; i++) {
        stele_buf key = STELE_BUF_EMPTY;
        struct byte_pair *ignored = NULL;
        st = view_key(&key, log, kv[i].key, err);
        if (st == STELE_OK && kv[i].value.data != NULL) {
            st = byte_map_put(&m->view, stele_view_buf(&key), kv[i].value, &ignored, err);
        } else if (st == STELE_OK && byte_map_find(&m->view, stele_view_buf(&key)) != NULL) {
            size_t at = byte_map_place(&m->view, stele_view_buf(&key));
            byte_map_remove(&m->view, at, at + 1);
        }
        stele_buf_done(&key);
    }
    return leave(m, st);
}

static stele_status memory_view_scan(struct stele_engine *e, const char *log, stele_view from,
                                     stele_view to, stele_kv_fn fn, void *ctx, stele_err *err) {
    struct memory *m = memory_of(e);
    stele_buf first = STELE_BUF_EMPTY;
    stele_buf end = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    size_t prefix = strlen(log) + 1;
    enter(m);
    STELE_TRY(stele_name_check(log, STELE_LOG_NAME_MAX, "log", err));
    STELE_TRY(view_key(&first, log, from, err));
    STELE_TRY(view_key(&end, log, to, err));
    end.data[end.size - 1] |= to.size == 0;
    for (size_t i = byte_map_place(&m->view, stele_view_buf(&first));
         st == STELE_OK && i < m->view.n; i++) {
        const struct byte_pair *pair = m->view.pair[i];
        stele_view key = stele_view_buf(&pair->key);
        if (stele_view_compare(key, stele_view_buf(&end)) >= 0) {
            break;
        }
        st = fn(ctx, stele_view_slice(key, prefix, key.size - prefix), stele_view_buf(&pair->value),
                err);
    }
cleanup:
    stele_buf_done(&first);
    stele_buf_done(&end);
    return leave(m, st);
}

static stele_status check_fact(const char *name, stele_err *err) {
    size_t size = strnlen(name, STELE_BLOB_KEY_MAX + 1);
    return size >= 1 && size <= STELE_BLOB_KEY_MAX
               ? STELE_OK
               : STELE_FAIL(err, INVALID, "'%.40s' is no name of a fact", name);
}

static stele_status memory_meta_put(struct stele_engine *e, const char *name, stele_view value,
                                    stele_err *err) {
    struct memory *m = memory_of(e);
    struct byte_pair *fact = NULL;
    stele_status st = check_fact(name, err);
    enter(m);
    st = st == STELE_OK ? byte_map_put(&m->facts, stele_view_str(name), value, &fact, err) : st;
    return leave(m, st);
}

static stele_status memory_meta_get(struct stele_engine *e, const char *name, stele_buf *ret,
                                    stele_err *err) {
    struct memory *m = memory_of(e);
    stele_status st = check_fact(name, err);
    if (st != STELE_OK) {
        return st;
    }
    enter(m);
    const struct byte_pair *pair = byte_map_find(&m->facts, stele_view_str(name));
    return leave(m, pair == NULL ? STELE_FAIL(err, NOT_FOUND, "there is no fact '%s'", name)
                                 : stele_buf_append(ret, stele_view_buf(&pair->value), err));
}

static void memory_close(struct stele_engine *e) {
    if (e == NULL) {
        return;
    }
    struct memory *m = memory_of(e);
    for (size_t i = 0; i < m->n_chains; i++) {
        byte_map_done(&m->chain[i]->record);
        stele_free(m->chain[i]);
    }
    byte_map_done(&m->blobs);
    byte_map_done(&m->view);
    byte_map_done(&m->facts);
    (void)pthread_mutex_destroy(&m->mutex);
    stele_free(m);
}

static const struct stele_engine_ops memory_ops = {
    .close = memory_close,
    .claim = memory_claim,
    .append = memory_append,
    .read = memory_read,
    .trim = memory_trim,
    .blob_begin = memory_begin,
    .blob_write = memory_write,
    .blob_commit = memory_commit,
    .blob_abort = memory_abort,
    .blob_get = memory_get,
    .blob_size = memory_size,
    .blob_list = memory_list,
    .blob_relock = memory_relock,
    .blob_expire = memory_expire,
    .view_apply = memory_view_apply,
    .view_scan = memory_view_scan,
    .meta_put = memory_meta_put,
    .meta_get = memory_meta_get,
};

stele_status engine_memory_new(struct stele_engine **ret, stele_err *err) {
    pthread_mutexattr_t recursive;
    struct memory *m = stele_alloc(1, sizeof *m);
    if (m == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the memory engine");
    }
    (void)pthread_mutexattr_init(&recursive);
    (void)pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&m->mutex, &recursive);
    (void)pthread_mutexattr_destroy(&recursive);
    m->base.ops = &memory_ops;
    m->base.caps = (struct stele_engine_caps){STELE_SURVIVES_MACHINE_CRASH, STELE_WORM_NONE, false};
    *ret = &m->base;
    return STELE_OK;
}

void engine_memory_restart(struct stele_engine *e, bool lose_view) {
    struct memory *m = memory_of(e);
    enter(m);
    for (size_t i = 0; i < m->n_chains; i++) {
        m->chain[i]->claimed = false;
    }
    if (lose_view) {
        byte_map_done(&m->view);
    }
    (void)leave(m, STELE_OK);
}

void engine_memory_cut_chain(struct stele_engine *e, const char *log, uint64_t pos) {
    struct memory *m = memory_of(e);
    uint8_t key[8];
    enter(m);
    struct memory_chain *c = find_chain(m, log);
    if (c != NULL && pos >= c->floor && pos < c->next) {
        byte_map_remove(&c->record, byte_map_place(&c->record, pos_key(key, pos)), c->record.n);
        c->next = pos;
    }
    (void)leave(m, STELE_OK);
}

stele_buf *engine_memory_blob(struct stele_engine *e, const char *key) {
    struct byte_pair *pair = byte_map_find(&memory_of(e)->blobs, stele_view_str(key));
    return pair == NULL ? NULL : &pair->value;
}
