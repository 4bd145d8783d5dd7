/* SPDX-License-Identifier: Apache-2.0 */
/* query/search.c: one source a log, and a merge that takes the least candidate each time. */
#include "query/search.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "storage/monotonic.h"

typedef enum source_state {
    SOURCE_NEXT,   /* the stream's next seq is wanted */
    SOURCE_UNREAD, /* seq is known, the entry is not */
    SOURCE_READY,  /* entry is the next candidate */
    SOURCE_DONE,
} source_state;

struct source {
    const struct stele_scope_log *log;
    uint64_t lo, hi; /* of the plan, as the next three */
    bool scan;
    struct stele_index_key key, second; /* borrow the filter; not of a scan */
    bool narrows;                       /* by the second */
    struct stele_time_range range;
    uint64_t place; /* see stele_search_places */
    source_state state;
    bool any; /* seq is of an earlier candidate too */
    uint64_t seq;
    struct stele_seq_stream *stream; /* both NULL at first and after a rest */
    struct stele_log_reader *reader;
    struct stele_workers *helpers; /* NULL where nobody helps: in a scan, for proofs */
    struct stele_job help;         /* of a second thread, for the reader */
    struct stele_stored_entry entry;
};

struct stele_search {
    struct stele_search_options options;
    const struct stele_event_filter *filter;
    uint64_t worked_us, slice_start_us, slice_end_us;
    uint32_t rows_until_clock;
    uint64_t hits, rows;
    bool over, budget_spent;
    size_t n;
    struct source source[];
};

/* ------------------------------------------------------------------ opening */

static uint64_t place_of(const struct stele_search *search, const struct source *source) {
    const struct stele_places *from = search->options.from;
    for (size_t i = 0; from != NULL && i < from->n; i++) {
        if (stele_view_is(stele_view_str(stele_log_name(source->log->log)), from->at[i].log)) {
            return from->at[i].seq;
        }
    }
    /* A log made after the answer began holds only what is newer than all of it. */
    return search->options.descending && from == NULL ? UINT64_MAX : 0;
}

static uint64_t place_at_end(const struct stele_search *search, const struct source *source) {
    return search->options.descending ? 0 : source->log->size;
}

static void help(struct stele_job *job) {
    struct source *source = (struct source *)(void *)((char *)job - offsetof(struct source, help));
    stele_log_reader_help(source->reader, stele_workers_waiting(source->helpers));
}

/* Tried for a row in so many: where everybody is busy it is in vain. */
#define ROWS_BETWEEN_HELP 16u

static void ask_for_help(const struct stele_search *search, struct source *source) {
    if (source->helpers == NULL || search->rows % ROWS_BETWEEN_HELP != 0 ||
        !stele_log_reader_wants_help(source->reader)) {
        return;
    }
    if (!stele_workers_submit_idle(source->helpers, &source->help)) {
        stele_log_reader_no_help(source->reader);
    }
}

static void close_source(struct source *source) {
    if (source->helpers != NULL && stele_workers_withdraw(source->helpers, &source->help)) {
        stele_log_reader_no_help(source->reader);
    }
    stele_seq_stream_close(source->stream);
    stele_log_reader_free(source->reader);
    source->stream = NULL;
    source->reader = NULL;
}

static void finish_source(const struct stele_search *search, struct source *source) {
    source->state = SOURCE_DONE;
    source->place = place_at_end(search, source);
    close_source(source);
}

static stele_status plan_source(struct stele_search *search, struct source *source,
                                struct stele_plan *plan, stele_err *err) {
    bool descending = search->options.descending;
    stele_status st = stele_plan_of(source->log, search->filter, STELE_PLAN_TO_SEARCH, plan, err);
    if (st != STELE_OK) {
        return st;
    }
    source->lo = plan->lo;
    source->hi = plan->hi;
    source->range = plan->range;
    source->scan = plan->n_keys == 0;
    source->helpers = source->scan || search->options.for_proofs ? NULL : search->options.helpers;
    source->help.run = help;
    if (!source->scan) {
        source->key = plan->key[plan->chosen].key;
        source->narrows = plan->narrows;
        source->second = plan->key[plan->second].key;
    }
    source->place = place_of(search, source);
    if (descending ? source->place > plan->hi : source->place < plan->lo) {
        source->place = descending ? plan->hi : plan->lo;
    }
    if (plan->empty || (descending ? source->place <= plan->lo : source->place >= plan->hi)) {
        finish_source(search, source);
    }
    return STELE_OK;
}

stele_status stele_search_open(const struct stele_scope *scope,
                               const struct stele_event_filter *filter,
                               const struct stele_search_options *options,
                               struct stele_search **ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_search *search = stele_alloc(1, sizeof *search + scope->n * sizeof(struct source));
    struct stele_plan *plan = stele_alloc(1, sizeof *plan);
    if (search == NULL || plan == NULL) {
        st = STELE_FAIL(err, NO_MEMORY, "no memory for a search of %zu logs", scope->n);
        goto cleanup;
    }
    search->options = *options;
    search->filter = filter;
    if (search->options.now_us == NULL) {
        search->options.now_us = stele_monotonic_us;
    }
    for (; search->n < scope->n; search->n++) {
        search->source[search->n].log = &scope->log[search->n];
        STELE_TRY(plan_source(search, &search->source[search->n], plan, err));
    }
    search->options.from = NULL;
    *ret = search;
    search = NULL;
cleanup:
    stele_search_close(search);
    stele_free(plan);
    return st;
}

void stele_search_close(struct stele_search *search) {
    if (search == NULL) {
        return;
    }
    for (size_t i = 0; i < search->n; i++) {
        close_source(&search->source[i]);
    }
    stele_free(search);
}

/* ------------------------------------------------------------------ slices */

void stele_search_begin(struct stele_search *search, uint64_t slice_us) {
    search->slice_start_us = search->options.now_us();
    search->slice_end_us = search->slice_start_us + slice_us;
    search->rows_until_clock = STELE_QUERY_CLOCK_ROWS;
}

void stele_search_pause(struct stele_search *search) {
    uint64_t now = search->options.now_us();
    search->worked_us += now > search->slice_start_us ? now - search->slice_start_us : 0;
    search->slice_start_us = now;
}

void stele_search_rest(struct stele_search *search) {
    for (size_t i = 0; i < search->n; i++) {
        struct source *source = &search->source[i];
        close_source(source);
        if (source->state != SOURCE_DONE) {
            /* The stream begins again at the place, perhaps with the seq it gave last. */
            source->state = SOURCE_NEXT;
            source->any = false;
        }
    }
}

static bool slice_is_over(struct stele_search *search) {
    if (search->options.stop != NULL &&
        atomic_load_explicit(search->options.stop, memory_order_relaxed)) {
        return true;
    }
    if (--search->rows_until_clock > 0) {
        return false;
    }
    search->rows_until_clock = STELE_QUERY_CLOCK_ROWS;
    return search->options.now_us() >= search->slice_end_us;
}

/* ------------------------------------------------------------------ candidates */

/* Takes the stream's next seq: UNREAD, or DONE. */
static stele_status advance(struct stele_search *search, struct source *source, stele_err *err) {
    uint64_t seq = 0;
    bool descending = search->options.descending;
    stele_status st = STELE_OK;
    if (source->stream == NULL) {
        st = stele_seq_stream_open(source->log->view, source->scan ? NULL : &source->key,
                                   &source->range, descending, source->place, &source->stream, err);
        if (st == STELE_OK && source->narrows) {
            st = stele_seq_stream_narrow(source->stream, &source->second, err);
        }
        if (st != STELE_OK) {
            return st;
        }
    }
    st = stele_seq_stream_next(source->stream, &seq, err);
    if (st == STELE_END ||
        (st == STELE_OK && (descending ? seq < source->lo : seq >= source->hi))) {
        finish_source(search, source);
        return STELE_OK;
    }
    if (st != STELE_OK) {
        return st;
    }
    if (source->any && (descending ? seq >= source->seq : seq <= source->seq)) {
        return STELE_FAIL(err, BUG, "log %s: seq %" PRIu64 " came after %" PRIu64 " out of order",
                          stele_log_full_name(source->log->log), seq, source->seq);
    }
    source->any = true;
    source->seq = seq;
    source->state = SOURCE_UNREAD;
    return STELE_OK;
}

/* The candidate has been dealt with. */
static void pass(struct stele_search *search, struct source *source) {
    source->place = search->options.descending ? source->seq : source->seq + 1;
    source->state = SOURCE_NEXT;
    search->rows++;
}

/* A search that has examined something may end here for want of budget. */
static bool ended_by_budget(struct stele_search *search) {
    if (search->rows > 0 && (search->rows >= search->options.rows_budget ||
                             search->worked_us >= search->options.time_budget_us)) {
        search->over = true;
        search->budget_spent = true;
    }
    return search->over;
}

/* Makes the source READY or DONE; or stops before, and says false, when the slice or budget is used
 * up. Entries of the log's own (a scan meets them) are no candidates. */
static stele_status fill(struct stele_search *search, struct source *source, bool *ret_go_on,
                         stele_err *err) {
    stele_status st = STELE_OK;
    while (source->state == SOURCE_NEXT || source->state == SOURCE_UNREAD) {
        if (source->state == SOURCE_NEXT) {
            STELE_TRY(advance(search, source, err));
            continue;
        }
        if (source->reader == NULL) {
            STELE_TRY(stele_log_reader_new(source->log->view, &source->reader, err));
            if (!source->scan) {
                stele_log_reader_follow(source->reader, source->stream);
            }
        }
        ask_for_help(search, source);
        STELE_TRY(search->options.for_proofs
                      ? stele_log_read(source->reader, source->seq, &source->entry, err)
                      : stele_log_read_event(source->reader, source->seq, &source->entry, err));
        if (source->entry.entry.type == STELE_ENTRY_EVENT) {
            source->state = SOURCE_READY;
            break;
        }
        if (ended_by_budget(search) || slice_is_over(search)) {
            *ret_go_on = false;
            break;
        }
        pass(search, source);
    }
cleanup:
    return st;
}

static bool comes_before(const struct source *a, const struct source *b) {
    return a->entry.entry.time_us < b->entry.entry.time_us; /* ties: the order of names */
}

/* Ties go by name in the direction of the order; sources stand in the order of names. */
static struct source *first_of(struct stele_search *search) {
    struct source *best = NULL;
    for (size_t i = 0; i < search->n; i++) {
        struct source *source = &search->source[i];
        if (source->state == SOURCE_DONE) {
            continue;
        }
        assert(source->state == SOURCE_READY);
        if (best == NULL || (search->options.descending ? !comes_before(source, best)
                                                        : comes_before(source, best))) {
            best = source;
        }
    }
    return best;
}

/* The limit is reached: whether anything is left takes only the streams, no entry is read for it.
 */
static stele_status end_at_limit(struct stele_search *search, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < search->n; i++) {
        if (search->source[i].state == SOURCE_NEXT) {
            STELE_TRY(advance(search, &search->source[i], err));
        }
    }
    search->over = true;
cleanup:
    return st;
}

/* Takes the least candidate of all logs; NULL when the search is over or the slice is. */
static stele_status take(struct stele_search *search, struct source **ret, stele_err *err) {
    stele_status st = STELE_OK;
    bool go_on = !slice_is_over(search);
    *ret = NULL;
    for (size_t i = 0; i < search->n && go_on; i++) {
        STELE_TRY(fill(search, &search->source[i], &go_on, err));
    }
    if (!go_on) {
        goto cleanup;
    }
    struct source *source = first_of(search);
    if (source == NULL) {
        search->over = true;
    } else if (!ended_by_budget(search)) {
        pass(search, source);
        *ret = source;
    }
cleanup:
    return st;
}

stele_status stele_search_next(struct stele_search *search, stele_search_got *ret_got,
                               struct stele_search_hit *ret_hit, stele_err *err) {
    stele_status st = STELE_OK;
    struct source *source = NULL;
    if (!search->over && search->options.limit != 0 && search->hits >= search->options.limit) {
        STELE_TRY(end_at_limit(search, err));
    }
    while (!search->over) {
        STELE_TRY(take(search, &source, err));
        if (source == NULL) {
            break;
        }
        if (stele_event_filter_matches(search->filter, source->entry.facts,
                                       source->entry.entry.time_us)) {
            search->hits++;
            *ret_hit = (struct stele_search_hit){(size_t)(source - search->source), &source->entry};
            *ret_got = STELE_SEARCH_HIT;
            return STELE_OK;
        }
    }
    *ret_got = search->over ? STELE_SEARCH_END : STELE_SEARCH_PAUSE;
cleanup:
    return st;
}

/* ------------------------------------------------------------------ the end */

void stele_search_outcome(const struct stele_search *search, struct stele_search_outcome *ret) {
    bool whole = true;
    for (size_t i = 0; i < search->n; i++) {
        whole = whole && search->source[i].state == SOURCE_DONE;
    }
    *ret = (struct stele_search_outcome){search->hits, search->rows, whole, search->budget_spent};
}

void stele_search_places(const struct stele_search *search, struct stele_places *ret) {
    ret->n = search->n;
    for (size_t i = 0; i < search->n; i++) {
        (void)snprintf(ret->at[i].log, sizeof ret->at[i].log, "%s",
                       stele_log_name(search->source[i].log->log));
        ret->at[i].seq = search->source[i].place;
    }
}
