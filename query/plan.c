/* SPDX-License-Identifier: Apache-2.0 */
/* query/plan.c: the window of log time, then the rarest key in it. */
#include "query/plan.h"

#include <string.h>

static uint64_t max_of(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The event's clock in whole microseconds: T0 down, T1 up (FORMAT.md section 5). */
static struct stele_time_range range_of(const struct stele_event_filter *filter) {
    uint64_t until = filter->until_unix_nano;
    return (struct stele_time_range){
        .logged_since_us = filter->logged_since_us,
        .logged_until_us = filter->logged_until_us,
        .since_us = filter->since_unix_nano / 1000,
        .until_us = until == UINT64_MAX ? UINT64_MAX : until / 1000 + (until % 1000 != 0 ? 1 : 0),
    };
}

/* An event is logged at most a day before its own time, so what was logged a day before the asked
 * range is no candidate. There is no such bound on the other side: an event may come late by years.
 */
static stele_status find_window(const struct stele_scope_log *log, struct stele_plan *plan,
                                stele_err *err) {
    const struct stele_time_range *range = &plan->range;
    uint64_t earliest = range->since_us - min_of(range->since_us, STELE_LATE_AFTER_US);
    uint64_t from_us = max_of(range->logged_since_us, earliest);
    uint64_t lo = 0;
    uint64_t hi = log->size;
    stele_status st = STELE_OK;
    if (from_us > 0) {
        STELE_TRY(stele_log_view_seq_at(log->view, from_us, &lo, err));
    }
    if (range->logged_until_us != UINT64_MAX) {
        STELE_TRY(stele_log_view_seq_at(log->view, range->logged_until_us, &hi, err));
    }
    plan->lo = min_of(lo, log->size);
    plan->hi = min_of(hi, log->size);
    plan->empty = plan->lo >= plan->hi;
cleanup:
    return st;
}

/* More postings than these make a key neither the one that is read nor the one that narrows. */
static uint64_t most_that_matter(const struct stele_plan *plan, stele_plan_effort effort) {
    return effort == STELE_PLAN_TO_EXPLAIN || plan->n_keys == 0
               ? UINT64_MAX
               : plan->key[plan->chosen].stats.postings * STELE_PLAN_NARROWING;
}

static size_t n_indexed(const struct stele_event_filter *filter) {
    size_t n = 0;
    for (size_t i = 0; i < filter->n_conditions; i++) {
        n += stele_event_condition_is_indexed(&filter->condition[i]) ? 1 : 0;
    }
    return n;
}

/* A search with one key to choose from chooses it without counting. */
static stele_status consider(const struct stele_scope_log *log,
                             const struct stele_event_filter *filter,
                             const struct stele_plan_key *key, stele_plan_effort effort,
                             struct stele_plan *plan, stele_err *err) {
    struct stele_plan_key *added = &plan->key[plan->n_keys];
    stele_status st = STELE_OK;
    *added = *key;
    if (effort == STELE_PLAN_TO_SEARCH && n_indexed(filter) <= 1) {
        added->stats.postings = STELE_PLAN_UNCOUNTED;
    } else {
        st = stele_log_key_stats(log->view, &added->key, &plan->range,
                                 most_that_matter(plan, effort), &added->stats, err);
    }
    if (st == STELE_OK) {
        if (added->stats.postings < plan->key[plan->chosen].stats.postings) {
            plan->chosen = plan->n_keys;
        }
        plan->n_keys++;
    }
    return st;
}

/* The tenant's own key narrows nothing: events of the others have it, too. */
static void choose_second(struct stele_plan *plan) {
    uint64_t least = plan->n_keys == 0 ? 0 : plan->key[plan->chosen].stats.postings;
    if (least <= STELE_PLAN_RARE || least == STELE_PLAN_UNCOUNTED) {
        return;
    }
    uint64_t most = least * STELE_PLAN_NARROWING;
    for (size_t i = 0; i < plan->n_keys; i++) {
        const struct stele_plan_key *key = &plan->key[i];
        if (i != plan->chosen && key->condition != NULL && key->stats.postings <= most) {
            most = key->stats.postings;
            plan->narrows = true;
            plan->second = i;
        }
    }
}

static bool is_enough(const struct stele_plan *plan, stele_plan_effort effort) {
    return effort == STELE_PLAN_TO_SEARCH && plan->n_keys > 0 &&
           plan->key[plan->chosen].stats.postings <= STELE_PLAN_RARE;
}

/* Every event of a tenant has the tenant's own key, so no other key has more postings. */
static bool wants_tenant_key(const struct stele_plan *plan, stele_view tenant,
                             stele_plan_effort effort) {
    return tenant.size > 0 && (effort == STELE_PLAN_TO_EXPLAIN || plan->n_keys == 0);
}

stele_status stele_plan_of(const struct stele_scope_log *log,
                           const struct stele_event_filter *filter, stele_plan_effort effort,
                           struct stele_plan *ret, stele_err *err) {
    stele_status st = STELE_OK;
    stele_view tenant = stele_view_buf(&filter->tenant); /* empty: every tenant's keys together */
    memset(ret, 0, sizeof *ret);
    ret->range = range_of(filter);
    STELE_TRY(find_window(log, ret, err));
    if (ret->empty && effort == STELE_PLAN_TO_SEARCH) {
        goto cleanup;
    }
    for (size_t i = 0; i < filter->n_conditions && !is_enough(ret, effort); i++) {
        const struct stele_event_condition *condition = &filter->condition[i];
        if (stele_event_condition_is_indexed(condition)) {
            struct stele_plan_key key = {
                .key = {tenant, condition->field, stele_view_buf(&condition->value)},
                .condition = condition,
            };
            STELE_TRY(consider(log, filter, &key, effort, ret, err));
        }
    }
    if (wants_tenant_key(ret, tenant, effort)) {
        struct stele_plan_key whole = {.key = {tenant, STELE_KEY_TENANT, {NULL, 0}}};
        STELE_TRY(consider(log, filter, &whole, effort, ret, err));
    }
    choose_second(ret);
    ret->empty = ret->empty || (ret->n_keys > 0 && ret->key[ret->chosen].stats.postings == 0);
cleanup:
    return st;
}

stele_status stele_plan_key_print(const struct stele_plan_key *key, stele_buf *out,
                                  stele_err *err) {
    if (key->condition != NULL) {
        return stele_event_condition_print(key->condition, out, err);
    }
    return stele_buf_printf(out, err, "tenant = %.*s", (int)key->key.tenant.size,
                            (const char *)key->key.tenant.data);
}

stele_status stele_plan_print(const struct stele_plan *plan, stele_buf *out, stele_err *err) {
    return plan->n_keys == 0 ? stele_buf_printf(out, err, "scan")
                             : stele_plan_key_print(&plan->key[plan->chosen], out, err);
}
