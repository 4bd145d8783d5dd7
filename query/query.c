/* SPDX-License-Identifier: Apache-2.0 */
/* query/query.c: puts the layer together: configuration, workers, and the table of methods. */
#include "query/query.h"

#include <string.h>

#include "query/call.h"
#include "query/cursor.h"
#include "query/limits.h"

static const struct stele_call_kind *const query_kinds[] = {
    &stele_search_kind, &stele_get_kind,  &stele_count_kind,   &stele_explain_kind,
    &stele_status_kind, &stele_seal_kind, &stele_cut_era_kind, &stele_replay_kind,
};
#define N_QUERY_KINDS (sizeof query_kinds / sizeof query_kinds[0])

static void fill_defaults(struct stele_query_config *config) {
    config->n_workers = config->n_workers == 0 ? STELE_QUERY_WORKERS : config->n_workers;
    config->searches_max =
        config->searches_max == 0 ? STELE_QUERY_SEARCHES_MAX : config->searches_max;
    config->rows_budget = config->rows_budget == 0 ? STELE_QUERY_ROWS_BUDGET : config->rows_budget;
    config->time_budget_ms =
        config->time_budget_ms == 0 ? STELE_QUERY_TIME_BUDGET_MS : config->time_budget_ms;
}

static stele_status make_table(struct stele_query *query, stele_err *err) {
    query->n_methods = N_QUERY_KINDS + stele_n_log_kinds;
    query->binding = stele_alloc(query->n_methods, sizeof *query->binding);
    query->method = stele_alloc(query->n_methods, sizeof *query->method);
    if (query->binding == NULL || query->method == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the query service");
    }
    for (size_t i = 0; i < query->n_methods; i++) {
        query->binding[i].query = query;
        query->binding[i].kind =
            i < N_QUERY_KINDS ? query_kinds[i] : &stele_log_kinds[i - N_QUERY_KINDS];
        query->method[i] = stele_call_method(&query->binding[i]);
    }
    return STELE_OK;
}

static stele_status copy_stores(struct stele_query *query, const struct stele_query_config *config,
                                stele_err *err) {
    struct stele_store **stores = stele_alloc(config->n_stores, sizeof(struct stele_store *));
    if (stores == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the query service");
    }
    for (size_t i = 0; i < config->n_stores; i++) {
        stores[i] = config->stores[i];
        /* Made now if it is new, so that an answer can be cut while the disk is full. If it cannot
         * be made, it is tried again by whoever needs it, and that call says why. */
        uint8_t secret[STELE_CURSOR_SECRET_BYTES];
        (void)!stele_store_secret(stores[i], STELE_CURSOR_SECRET, secret, NULL);
    }
    query->stores = stores;
    query->config.stores = stores;
    return STELE_OK;
}

stele_status stele_query_new(const struct stele_query_config *config, struct stele_query **ret,
                             stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_query *query = stele_alloc(1, sizeof *query);
    if (query == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the query service");
    }
    query->config = *config;
    fill_defaults(&query->config);
    STELE_TRY(copy_stores(query, config, err));
    STELE_TRY(make_table(query, err));
    STELE_TRY(stele_rpc_shares_new(STELE_QUERY_SEARCHES_CLIENT_MAX, &query->searches_of, err));
    STELE_TRY(stele_rpc_shares_new(STELE_QUERY_UNARY_CLIENT_MAX, &query->unary_of, err));
    /* Every call that is open has at most one job: the queue has room for all of them. */
    STELE_TRY(stele_workers_new(query->config.n_workers,
                                query->config.searches_max + STELE_QUERY_UNARY_MAX, &query->workers,
                                err));
    *ret = query;
    query = NULL;
cleanup:
    stele_query_free(query);
    return st;
}

void stele_query_free(struct stele_query *query) {
    if (query == NULL) {
        return;
    }
    stele_workers_free(query->workers);
    stele_rpc_shares_free(query->searches_of);
    stele_rpc_shares_free(query->unary_of);
    stele_free(query->binding);
    stele_free(query->method);
    stele_free(query->stores);
    stele_free(query);
}

const struct stele_rpc_method *stele_query_methods(struct stele_query *query, size_t *ret_n) {
    *ret_n = query->n_methods;
    return query->method;
}
