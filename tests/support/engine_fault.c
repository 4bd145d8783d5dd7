/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/engine_fault.c: an engine whose Nth call of a chosen operation fails. */
#include "tests/support/engine_fault.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/engine_step.h"

#define CLOSED_LOGS_MAX 64

struct fault_engine {
    struct stele_engine base;
    struct stele_engine *inner;
    pthread_mutex_t mutex;
    struct engine_fault fault;
    bool struck;
    engine_fault_watch_fn watch;
    void *watch_ctx;
    uint64_t calls[ENGINE_FAULT_OPS];
    size_t n_closed; /* chains whose last append failed */
    char closed[CLOSED_LOGS_MAX][STELE_LOG_NAME_MAX + 1];
};

struct stele_blob_writer {
    struct fault_engine *engine;
    struct stele_blob_writer *inner;
    char key[STELE_BLOB_KEY_MAX + 1];
};

static struct fault_engine *fault_of(struct stele_engine *e) {
    return (struct fault_engine *)e;
}

/* Counts one call; true if it is to fail. */
static bool strikes(struct fault_engine *f, engine_fault_op op) {
    (void)pthread_mutex_lock(&f->mutex);
    f->calls[ENGINE_FAULT_ANY]++;
    f->calls[op]++;
    bool counted = f->fault.op == op || f->fault.op == ENGINE_FAULT_ANY;
    uint64_t call = f->calls[f->fault.op];
    uint64_t n = f->fault.n == 0 ? 1 : f->fault.n;
    bool strike = counted && f->fault.nth != 0 && call >= f->fault.nth && call - f->fault.nth < n;
    f->struck = f->struck || strike;
    (void)pthread_mutex_unlock(&f->mutex);
    return strike;
}

static stele_status failed(const struct fault_engine *f, stele_err *err) {
    return stele_err__set(err, f->fault.status, 0, STELE_WHERE, "a fault that the test asked for");
}

static stele_status watched(const struct fault_engine *f, const char *step, bool after,
                            stele_err *err) {
    return f->watch == NULL || step == NULL ? STELE_OK : f->watch(f->watch_ctx, step, after, err);
}

/* Runs a call, or fails it before or after its effect. step NULL: it changes nothing. */
#define THROUGH(f, op, step, call)                                                                 \
    do {                                                                                           \
        const char *step_ = (step);                                                                \
        bool strike = strikes((f), (op));                                                          \
        stele_status st = watched((f), step_, false, err);                                         \
        if (st == STELE_OK && (!strike || (f)->fault.took_effect)) {                               \
            st = (call);                                                                           \
        }                                                                                          \
        if (st == STELE_OK) {                                                                      \
            st = strike ? failed((f), err) : watched((f), step_, true, err);                       \
        }                                                                                          \
        return st;                                                                                 \
    } while (0)

static size_t find_closed(const struct fault_engine *f, const char *log) {
    size_t i = 0;
    while (i < f->n_closed && strcmp(f->closed[i], log) != 0) {
        i++;
    }
    return i;
}

static stele_status fault_claim(struct stele_engine *e, const char *log, uint64_t *ret_next_pos,
                                uint64_t *ret_epoch, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    if (strikes(f, ENGINE_FAULT_CLAIM)) {
        return failed(f, err);
    }
    stele_status st = watched(f, "start: claim the chain", false, err);
    if (st == STELE_OK) {
        st = f->inner->ops->claim(f->inner, log, ret_next_pos, ret_epoch, err);
    }
    if (st == STELE_OK) {
        st = watched(f, "start: claim the chain", true, err);
    }
    (void)pthread_mutex_lock(&f->mutex);
    size_t i = find_closed(f, log);
    if (st == STELE_OK && i < f->n_closed) {
        memmove(f->closed[i], f->closed[f->n_closed - 1], sizeof f->closed[i]);
        f->n_closed--;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return st;
}

struct outcome {
    stele_status st;
    stele_err err;
};

/* The engines under this one answer before append returns. */
static void note_outcome(void *arg, stele_status st, const stele_err *err) {
    struct outcome *outcome = arg;
    outcome->st = st;
    if (st != STELE_OK && err != NULL) {
        outcome->err = *err;
    }
}

static void close_chain(struct fault_engine *f, const char *log) {
    (void)pthread_mutex_lock(&f->mutex);
    if (find_closed(f, log) == f->n_closed && f->n_closed < CLOSED_LOGS_MAX) {
        (void)snprintf(f->closed[f->n_closed++], sizeof f->closed[0], "%s", log);
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static void fault_append(struct stele_engine *e, const char *log, uint64_t epoch, uint64_t pos,
                         stele_view record, stele_append_done_fn done, void *arg) {
    struct fault_engine *f = fault_of(e);
    struct outcome outcome = {.st = STELE_BUG};
    const char *step = f->watch == NULL ? NULL : engine_step_of_record(record);
    bool strike = strikes(f, ENGINE_FAULT_APPEND);
    (void)pthread_mutex_lock(&f->mutex);
    bool closed = find_closed(f, log) < f->n_closed;
    (void)pthread_mutex_unlock(&f->mutex);
    if (closed) {
        outcome.st = STELE_FAIL(&outcome.err, CLOSED,
                                "chain '%s' is closed after a failed append: claim it", log);
        done(arg, outcome.st, &outcome.err);
        return;
    }
    stele_status st = watched(f, step, false, &outcome.err);
    bool made = st == STELE_OK && (!strike || f->fault.took_effect);
    if (made) {
        f->inner->ops->append(f->inner, log, epoch, pos, record, note_outcome, &outcome);
        st = outcome.st;
    }
    bool refused = made && st != STELE_OK; /* by the engine below, which knows what it closes */
    if (st == STELE_OK) {
        st = strike ? failed(f, &outcome.err) : watched(f, step, true, &outcome.err);
    }
    if (st != STELE_OK && !refused) {
        close_chain(f, log);
    }
    done(arg, st, st == STELE_OK ? NULL : &outcome.err);
}

static stele_status fault_read(struct stele_engine *e, const char *log, uint64_t from,
                               stele_record_fn fn, void *ctx, uint64_t *ret_first, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_READ, "start: replay the chain",
            f->inner->ops->read(f->inner, log, from, fn, ctx, ret_first, err));
}

static stele_status fault_trim(struct stele_engine *e, const char *log, uint64_t floor,
                               stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_TRIM, "pack: trim the chain",
            f->inner->ops->trim(f->inner, log, floor, err));
}

static stele_status fault_begin(struct stele_engine *e, const char *key,
                                struct stele_blob_writer **ret, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    struct stele_blob_writer *w = stele_alloc(1, sizeof *w);
    char text[ENGINE_STEP_BYTES];
    const char *step = engine_step_of_blob(key, "begin", text);
    stele_status st = w == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for a writer") : STELE_OK;
    if (st == STELE_OK) {
        st = watched(f, step, false, err);
    }
    if (st == STELE_OK) {
        st = strikes(f, ENGINE_FAULT_BLOB_BEGIN)
                 ? failed(f, err)
                 : f->inner->ops->blob_begin(f->inner, key, &w->inner, err);
    }
    if (st != STELE_OK) {
        stele_free(w);
        return st;
    }
    w->engine = f;
    (void)snprintf(w->key, sizeof w->key, "%s", key);
    st = watched(f, step, true, err);
    if (st != STELE_OK) {
        f->inner->ops->blob_abort(w->inner);
        stele_free(w);
        return st;
    }
    *ret = w;
    return STELE_OK;
}

static stele_status fault_write(struct stele_blob_writer *w, stele_view bytes, stele_err *err) {
    struct fault_engine *f = w->engine;
    char text[ENGINE_STEP_BYTES];
    THROUGH(f, ENGINE_FAULT_BLOB_WRITE, engine_step_of_blob(w->key, "write", text),
            f->inner->ops->blob_write(w->inner, bytes, err));
}

static void fault_abort(struct stele_blob_writer *w) {
    if (w != NULL) {
        w->engine->inner->ops->blob_abort(w->inner);
        stele_free(w);
    }
}

static stele_status fault_commit(struct stele_blob_writer *w, const struct stele_lock *lock,
                                 stele_err *err) {
    struct fault_engine *f = w->engine;
    bool strike = strikes(f, ENGINE_FAULT_BLOB_COMMIT);
    char text[ENGINE_STEP_BYTES];
    const char *step = engine_step_of_blob(w->key, "commit", text);
    stele_status st =
        strike && !f->fault.took_effect ? failed(f, err) : watched(f, step, false, err);
    if (st != STELE_OK) {
        fault_abort(w);
        return st;
    }
    st = f->inner->ops->blob_commit(w->inner, lock, err);
    stele_free(w);
    if (st == STELE_OK) {
        st = strike ? failed(f, err) : watched(f, step, true, err);
    }
    return st;
}

static stele_status fault_get(struct stele_engine *e, const char *key, uint64_t offset, size_t size,
                              stele_buf *out, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    return strikes(f, ENGINE_FAULT_BLOB_GET)
               ? failed(f, err)
               : f->inner->ops->blob_get(f->inner, key, offset, size, out, err);
}

static stele_status fault_size(struct stele_engine *e, const char *key, uint64_t *ret_bytes,
                               stele_err *err) {
    struct fault_engine *f = fault_of(e);
    return strikes(f, ENGINE_FAULT_BLOB_SIZE)
               ? failed(f, err)
               : f->inner->ops->blob_size(f->inner, key, ret_bytes, err);
}

static stele_status fault_list(struct stele_engine *e, const char *prefix, stele_key_fn fn,
                               void *ctx, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    const char *step = strstr(prefix, "/p/") != NULL   ? "start: list the packs"
                       : strstr(prefix, "/i/") != NULL ? "start: list the segments"
                       : strstr(prefix, "/s/") != NULL ? "start: list the seals"
                                                       : NULL;
    THROUGH(f, ENGINE_FAULT_BLOB_LIST, step,
            f->inner->ops->blob_list(f->inner, prefix, fn, ctx, err));
}

static stele_status fault_relock(struct stele_engine *e, const char *key,
                                 const struct stele_lock *lock, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_BLOB_RELOCK, NULL,
            f->inner->ops->blob_relock(f->inner, key, lock, err));
}

static stele_status fault_expire(struct stele_engine *e, const char *key, uint64_t now_us,
                                 stele_err *err) {
    struct fault_engine *f = fault_of(e);
    char text[ENGINE_STEP_BYTES];
    THROUGH(f, ENGINE_FAULT_BLOB_EXPIRE, engine_step_of_blob(key, "remove", text),
            f->inner->ops->blob_expire(f->inner, key, now_us, err));
}

static stele_status fault_view_apply(struct stele_engine *e, const char *log,
                                     const struct stele_view_kv *kv, size_t n, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_VIEW_APPLY, NULL, f->inner->ops->view_apply(f->inner, log, kv, n, err));
}

static stele_status fault_view_scan(struct stele_engine *e, const char *log, stele_view from,
                                    stele_view to, stele_kv_fn fn, void *ctx, stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_VIEW_SCAN, NULL,
            f->inner->ops->view_scan(f->inner, log, from, to, fn, ctx, err));
}

static stele_status fault_meta_put(struct stele_engine *e, const char *name, stele_view value,
                                   stele_err *err) {
    struct fault_engine *f = fault_of(e);
    THROUGH(f, ENGINE_FAULT_META_PUT, "start: settle the pack size",
            f->inner->ops->meta_put(f->inner, name, value, err));
}

static stele_status fault_meta_get(struct stele_engine *e, const char *name, stele_buf *ret,
                                   stele_err *err) {
    struct fault_engine *f = fault_of(e);
    return strikes(f, ENGINE_FAULT_META_GET) ? failed(f, err)
                                             : f->inner->ops->meta_get(f->inner, name, ret, err);
}

static void fault_close(struct stele_engine *e) {
    if (e != NULL) {
        struct fault_engine *f = fault_of(e);
        f->inner->ops->close(f->inner);
        (void)pthread_mutex_destroy(&f->mutex);
        stele_free(f);
    }
}

static const struct stele_engine_ops fault_ops = {
    .close = fault_close,
    .claim = fault_claim,
    .append = fault_append,
    .read = fault_read,
    .trim = fault_trim,
    .blob_begin = fault_begin,
    .blob_write = fault_write,
    .blob_commit = fault_commit,
    .blob_abort = fault_abort,
    .blob_get = fault_get,
    .blob_size = fault_size,
    .blob_list = fault_list,
    .blob_relock = fault_relock,
    .blob_expire = fault_expire,
    .view_apply = fault_view_apply,
    .view_scan = fault_view_scan,
    .meta_put = fault_meta_put,
    .meta_get = fault_meta_get,
};

stele_status engine_fault_new(struct stele_engine *inner, struct stele_engine **ret,
                              stele_err *err) {
    struct fault_engine *f = stele_alloc(1, sizeof *f);
    if (f == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the fault engine");
    }
    (void)pthread_mutex_init(&f->mutex, NULL);
    f->base.ops = &fault_ops;
    f->base.caps = inner->caps;
    f->inner = inner;
    *ret = &f->base;
    return STELE_OK;
}

void engine_fault_set(struct stele_engine *e, const struct engine_fault *fault) {
    struct fault_engine *f = fault_of(e);
    (void)pthread_mutex_lock(&f->mutex);
    memset(f->calls, 0, sizeof f->calls);
    f->struck = false;
    f->fault = fault == NULL ? (struct engine_fault){.nth = 0} : *fault;
    (void)pthread_mutex_unlock(&f->mutex);
}

void engine_fault_watch(struct stele_engine *e, engine_fault_watch_fn fn, void *ctx) {
    struct fault_engine *f = fault_of(e);
    f->watch = fn;
    f->watch_ctx = ctx;
}

uint64_t engine_fault_calls(struct stele_engine *e, engine_fault_op op) {
    struct fault_engine *f = fault_of(e);
    (void)pthread_mutex_lock(&f->mutex);
    uint64_t calls = f->calls[op];
    (void)pthread_mutex_unlock(&f->mutex);
    return calls;
}

bool engine_fault_struck(struct stele_engine *e) {
    struct fault_engine *f = fault_of(e);
    (void)pthread_mutex_lock(&f->mutex);
    bool struck = f->struck;
    (void)pthread_mutex_unlock(&f->mutex);
    return struck;
}

struct stele_engine *engine_fault_inner(struct stele_engine *e) {
    return fault_of(e)->inner;
}
