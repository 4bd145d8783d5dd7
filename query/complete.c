/* SPDX-License-Identifier: Apache-2.0 */
/* query/complete.c: one part a log, and a merge that takes the least entry each time. */
#include "query/complete.h"

#include <inttypes.h>

#include "query/complete_log.h"
#include "storage/monotonic.h"

struct stele_complete {
    struct stele_complete_options options;
    struct stele_complete_writer *writer;
    const struct stele_event_filter *filter;
    uint64_t worked_us;
    uint64_t rows, hits;
    bool begun;
    size_t n;
    struct stele_complete_log log[];
};

const char *stele_complete_refusal(const struct stele_query_question *question,
                                   struct stele_store *store, bool may_read_all) {
    const struct stele_question *asked = &question->asked;
    if (asked->filter.tenant.size == 0) {
        return "the question names no tenant; keys are indexed by tenant, so ask for one at a time "
               "(--tenant)";
    }
    if (asked->limit > 0 || question->cursor.size > 0) {
        return "a page of an answer is not the whole of it; leave out limit and cursor";
    }
    if (asked->n_logs == 0 &&
        stele_view_is(stele_view_buf(&asked->filter.tenant), STELE_SYSTEM_TENANT) &&
        !stele_query_question_wants_system(question)) {
        return "the system's own events are in the system log, which is asked by name (--log "
               "system)";
    }
    if (may_read_all) {
        return NULL;
    }
    for (size_t i = 0; i < asked->n_logs; i++) {
        struct stele_log *log = NULL;
        if (stele_scope_find(store, stele_view_buf(&asked->log[i]), &log, NULL) == STELE_OK &&
            !stele_log_is_reserved_for(log, stele_view_buf(&asked->filter.tenant))) {
            return "a log of the question has other tenants too, whose keys the proof would "
                   "disclose, and this "
                   "certificate is for one tenant";
        }
    }
    return asked->n_logs > 0
               ? NULL
               : "this certificate is for one tenant, and the region's logs are shared; name logs "
                 "that are reserved for the tenant (--log)";
}

/* How many entries of a log the caller remembers; 0: none. */
static uint64_t known_of(const struct stele_complete_options *options,
                         const struct stele_log *log) {
    for (size_t i = 0; i < options->n_known; i++) {
        if (stele_view_is(stele_view_buf(&options->known[i].origin), stele_log_origin(log))) {
            return options->known[i].size_leaves;
        }
    }
    return 0;
}

stele_status stele_complete_new(const struct stele_scope *scope,
                                const struct stele_question *question,
                                const struct stele_complete_options *options,
                                struct stele_complete **ret, stele_buf *out, stele_err *err) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    struct stele_complete *complete =
        stele_alloc(1, sizeof *complete + scope->n * sizeof(struct stele_complete_log));
    if (complete == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for a proof of %zu logs", scope->n);
    }
    complete->options = *options;
    complete->filter = &question->filter;
    STELE_TRY(stele_complete_writer_new(&complete->writer, err));
    STELE_TRY(stele_question_encode(question, &bytes, err));
    STELE_TRY(stele_complete_write_question(complete->writer, stele_view_buf(&bytes), out, err));
    for (size_t i = 0; i < scope->n; i++) {
        const struct stele_scope_log *log = &scope->log[i];
        STELE_TRY(stele_complete_write_log(complete->writer, stele_view_buf(&log->note), log->size,
                                           stele_log_view_node, log->view, &complete->log[i].number,
                                           out, err));
    }
    complete->n = scope->n;
    for (size_t i = 0; i < scope->n; i++) {
        complete->log[i].lists_logs =
            question->n_logs == 0 && stele_log_is_system(scope->log[i].log);
        complete->log[i].known_leaves = known_of(options, scope->log[i].log);
        complete->log[i].open_condition = options->open_condition;
        complete->log[i].strict = options->strict;
        complete->log[i].counted = options->count_only;
        STELE_TRY(
            stele_complete_log_open(&scope->log[i], &question->filter, &complete->log[i], err));
        STELE_TRY(stele_complete_log_head(&complete->log[i], complete->writer, out, err));
    }
    *ret = complete;
    complete = NULL;
cleanup:
    stele_complete_free(complete);
    stele_buf_done(&bytes);
    return st;
}

void stele_complete_free(struct stele_complete *complete) {
    if (complete != NULL) {
        for (size_t i = 0; i < complete->n; i++) {
            stele_complete_log_done(&complete->log[i]);
        }
        stele_complete_writer_free(complete->writer);
        stele_free(complete);
    }
}

/* Ties go to the log that is named first, and logs stand in the order of their names. */
static struct stele_complete_log *first_of(struct stele_complete *complete) {
    struct stele_complete_log *first = NULL;
    for (size_t i = 0; i < complete->n; i++) {
        struct stele_complete_log *log = &complete->log[i];
        if (log->has_next &&
            (first == NULL || log->entry.entry.time_us < first->entry.entry.time_us)) {
            first = log;
        }
    }
    return first;
}

/* Every log's first entry, once. */
static stele_status begin(struct stele_complete *complete, stele_buf *out, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < complete->n && st == STELE_OK; i++) {
        st = stele_complete_log_advance(&complete->log[i], complete->writer, out, err);
    }
    complete->begun = true;
    return st;
}

static stele_status check_budget(const struct stele_complete *complete, stele_err *err) {
    if (complete->rows < complete->options.rows_budget &&
        complete->worked_us < complete->options.time_budget_us) {
        return STELE_OK;
    }
    return STELE_FAIL(err, LIMIT,
                      "the server's budget for one proof is spent after %" PRIu64
                      " entries; ask for a shorter time range, or by a rarer key",
                      complete->rows);
}

stele_status stele_complete_step(struct stele_complete *complete, size_t bytes_enough,
                                 uint64_t slice_us, stele_buf *out, bool *ret_done,
                                 stele_err *err) {
    uint64_t start = stele_monotonic_us();
    stele_status st = STELE_OK;
    *ret_done = false;
    STELE_TRY(check_budget(complete, err));
    STELE_TRY(complete->begun ? STELE_OK : begin(complete, out, err));
    while (out->size < bytes_enough && stele_monotonic_us() - start < slice_us &&
           !atomic_load_explicit(complete->options.stop, memory_order_relaxed)) {
        struct stele_complete_log *log = first_of(complete);
        if (log == NULL) {
            STELE_TRY(stele_complete_write_end(complete->writer, out, err));
            *ret_done = true;
            break;
        }
        STELE_TRY(stele_complete_log_put(log, complete->writer, out, err));
        complete->rows++;
        complete->hits +=
            log->inside && stele_event_filter_matches(complete->filter, log->entry.facts,
                                                      log->entry.entry.time_us);
        STELE_TRY(stele_complete_log_advance(log, complete->writer, out, err));
    }
cleanup:
    complete->worked_us += stele_monotonic_us() - start;
    return st;
}

void stele_complete_counts(const struct stele_complete *complete, uint64_t *ret_hits,
                           uint64_t *ret_rows) {
    *ret_hits = complete->hits;
    for (size_t i = 0; i < complete->n; i++) {
        *ret_hits += complete->log[i].n_counted;
    }
    *ret_rows = complete->rows;
}
