/* SPDX-License-Identifier: Apache-2.0 */
/* query/log_call.c: names to logs, past the gate. */
#include "query/log_call.h"

#include "query/filter.h"
#include "query/scope.h"

stele_status stele_log_call_one(const struct stele_call *call, stele_verb verb, stele_view name,
                                struct stele_log **ret, stele_err *err) {
    struct stele_store *store = NULL;
    stele_view region;
    stele_view log;
    stele_status st = STELE_OK;
    STELE_TRY(stele_query_split_log(name, &region, &log, err));
    STELE_TRY(stele_call_gate(call, verb, region, stele_view_of(NULL, 0), NULL, err));
    STELE_TRY(stele_call_store(call, region, &store, err));
    STELE_TRY(stele_scope_find(store, log, ret, err));
cleanup:
    return st;
}

stele_status stele_log_call_region(const struct stele_call *call, stele_view region,
                                   const char *what, stele_err *err) {
    struct stele_store *store = NULL;
    stele_status st = STELE_OK;
    if (region.size > STELE_REGION_NAME_MAX) {
        return STELE_FAIL(err, INVALID, "%s: region: %zu bytes; a name has 1 to %d", what,
                          region.size, STELE_REGION_NAME_MAX);
    }
    if (region.size > 0) {
        STELE_TRY(
            stele_call_gate(call, STELE_MAY_READ_LOG, region, stele_view_of(NULL, 0), NULL, err));
        STELE_TRY(stele_call_store(call, region, &store, err));
    }
cleanup:
    return st;
}

/* Without a region: those the caller may read; who may read none is told so. */
stele_status stele_log_call_each(struct stele_call *call, stele_view wanted, stele_log_call_fn put,
                                 stele_call_step *ret, stele_err *err) {
    const struct stele_query_config *config = &call->query->config;
    stele_buf message = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    stele_status refused = STELE_OK;
    bool any = false;
    for (size_t i = 0; i < config->n_stores; i++) {
        struct stele_store *store = config->stores[i];
        stele_view region = stele_view_str(stele_store_region(store));
        if (wanted.size > 0 && !stele_view_equal(wanted, region)) {
            continue;
        }
        if (wanted.size == 0) { /* else begin has asked the gate */
            refused = stele_call_gate(call, STELE_MAY_READ_LOG, region, stele_view_of(NULL, 0),
                                      NULL, err);
        }
        any = any || refused == STELE_OK;
        for (size_t k = 0; refused == STELE_OK && k < stele_store_n_logs(store); k++) {
            STELE_TRY(put(stele_store_log_at(store, k), &message, err));
        }
    }
    if (!any) {
        STELE_TRY(refused);
    }
    stele_rpc_finish_ok(call->rpc, stele_view_buf(&message));
    *ret = STELE_CALL_FINISHED;
cleanup:
    stele_buf_done(&message);
    return st;
}
