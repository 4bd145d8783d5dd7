/* SPDX-License-Identifier: Apache-2.0 */
/* query/scope.c: from names to pinned views. */
#include "query/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "3y, 7y, system", cut to fit. */
static void names_of(struct stele_store *store, char *out, size_t out_bytes) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < stele_store_n_logs(store) && used < out_bytes; i++) {
        int n = snprintf(out + used, out_bytes - used, "%s%s", i == 0 ? "" : ", ",
                         stele_log_name(stele_store_log_at(store, i)));
        used += n < 0 ? out_bytes : (size_t)n;
    }
}

stele_status stele_scope_find(struct stele_store *store, stele_view name, struct stele_log **ret,
                              stele_err *err) {
    for (size_t i = 0; i < stele_store_n_logs(store); i++) {
        struct stele_log *log = stele_store_log_at(store, i);
        if (stele_view_is(name, stele_log_name(log))) {
            *ret = log;
            return STELE_OK;
        }
    }
    char names[128];
    names_of(store, names, sizeof names);
    return STELE_FAIL(err, NOT_FOUND, "region '%s' has no log '%.*s'; it has %s",
                      stele_store_region(store), (int)name.size, (const char *)name.data, names);
}

/* The note may be for more entries than were asked for, if others were appended meanwhile; a view
 * opened after it was signed sees them all. */
stele_status stele_scope_sign(struct stele_log *log, uint64_t min_size,
                              struct stele_log_view **ret_view, uint64_t *ret_size, stele_buf *note,
                              stele_err *err) {
    struct stele_checkpoint checkpoint;
    struct stele_log_view *view = NULL;
    size_t before = note->size;
    stele_status st = STELE_OK;
    STELE_TRY(stele_log_checkpoint(log, min_size, note, &checkpoint, err));
    STELE_TRY(stele_log_view_open(log, &view, err));
    if (stele_log_view_size(view) < checkpoint.size_leaves) {
        st = STELE_FAIL(
            err, BUG,
            "log %s: a checkpoint of %" PRIu64 " entries, but only %" PRIu64 " can be read",
            stele_log_full_name(log), checkpoint.size_leaves, stele_log_view_size(view));
        goto cleanup;
    }
    *ret_size = checkpoint.size_leaves;
    *ret_view = view;
    view = NULL;
cleanup:
    stele_log_view_close(view);
    if (st != STELE_OK) {
        note->size = before;
    }
    return st;
}

static stele_status pin(struct stele_scope_log *pinned, bool prove, stele_err *err) {
    stele_status st = stele_log_view_open(pinned->log, &pinned->view, err);
    if (st == STELE_OK) {
        pinned->size = stele_log_view_size(pinned->view);
    }
    if (st == STELE_OK && prove) {
        stele_log_view_close(pinned->view);
        pinned->view = NULL;
        st = stele_scope_sign(pinned->log, pinned->size, &pinned->view, &pinned->size,
                              &pinned->note, err);
    }
    return st;
}

/* A log that was idle for long is sealed anew, as of the newest entry of any log asked: a region's
 * answer is complete until the oldest of its INDEX entries. */
static stele_status pin_sealed(struct stele_scope_log *pinned, uint64_t as_of_us, stele_err *err) {
    stele_status st =
        stele_log_seal(pinned->log, as_of_us, STELE_QUERY_SEAL_WAIT_MS, &pinned->manifest, err);
    return st == STELE_OK ? stele_scope_sign(pinned->log, pinned->manifest->index_seq + 1,
                                             &pinned->view, &pinned->size, &pinned->note, err)
                          : st;
}

stele_status stele_scope_open(struct stele_store *store,
                              const struct stele_query_question *question, struct stele_scope *ret,
                              stele_err *err) {
    const struct stele_question *asked = &question->asked;
    struct stele_scope scope = {0};
    uint64_t as_of_us = 0;
    stele_status st = STELE_OK;
    bool system = question->complete || stele_query_question_wants_system(question);
    if (asked->n_logs > 0) {
        for (; scope.n < asked->n_logs; scope.n++) {
            STELE_TRY(stele_scope_find(store, stele_view_buf(&asked->log[scope.n]),
                                       &scope.log[scope.n].log, err));
        }
    } else {
        for (size_t i = 0; i < stele_store_n_logs(store) && scope.n < STELE_QUERY_LOGS_MAX; i++) {
            struct stele_log *log = stele_store_log_at(store, i);
            if (system || !stele_log_is_system(log)) {
                scope.log[scope.n++].log = log;
            }
        }
    }
    for (size_t i = 0; i < scope.n; i++) {
        uint64_t time_us = stele_log_data_time_us(scope.log[i].log);
        as_of_us = time_us > as_of_us ? time_us : as_of_us;
    }
    for (size_t i = 0; i < scope.n; i++) {
        STELE_TRY(question->complete ? pin_sealed(&scope.log[i], as_of_us, err)
                                     : pin(&scope.log[i], question->prove, err));
    }
    *ret = scope;
    memset(&scope, 0, sizeof scope);
cleanup:
    stele_scope_close(&scope);
    return st;
}

void stele_scope_close(struct stele_scope *scope) {
    for (size_t i = 0; i < scope->n; i++) {
        stele_log_view_close(scope->log[i].view);
        stele_buf_done(&scope->log[i].note);
        stele_manifest_unref(scope->log[i].manifest);
    }
    memset(scope, 0, sizeof *scope);
}
