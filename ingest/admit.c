/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/admit.c: the checks of admit.h, in their order. */
#include "ingest/admit.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/schema.h"
#include "proto/text.h"
#include "proto/wire.h"

#define REGIONS_TEXT_BYTES 128 /* of the list in a message; a longer one is cut with dots */

size_t stele_admit_region(const struct stele_admission *admission, stele_view region) {
    for (size_t i = 0; i < admission->n_stores; i++) {
        if (stele_view_is(region, stele_store_region(admission->stores[i]))) {
            return i;
        }
    }
    return STELE_INGEST_NO_REGION;
}

static stele_status refuse_region(const struct stele_admission *admission, stele_view region,
                                  stele_err *err) {
    char list[REGIONS_TEXT_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < admission->n_stores; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                         stele_store_region(admission->stores[i]));
        if (n < 0 || (size_t)n >= sizeof list - used) {
            (void)snprintf(list + sizeof list - 4, 4, "...");
            break;
        }
        used += (size_t)n;
    }
    return STELE_FAIL(err, INVALID, "region '%.*s' is not served here; this server serves: %s",
                      (int)region.size, (const char *)region.data, list);
}

static bool is_ahead(const struct stele_event_head *head, uint64_t now_ns) {
    return head->time_unix_nano > now_ns &&
           head->time_unix_nano - now_ns > STELE_INGEST_FUTURE_MAX_NS;
}

/* What is not too far ahead of the clock as it was is not too far ahead of it now: it is read again
 * for those only that seem to be. */
static stele_status check_time(const struct stele_admission *admission,
                               struct stele_admit_memo *memo, const struct stele_event_head *head,
                               stele_err *err) {
    if (!is_ahead(head, memo->clock_ns)) {
        return STELE_OK;
    }
    uint64_t now_ns = stele_store_now_us(admission->stores[memo->region]) * 1000;
    memo->clock_ns = now_ns;
    if (is_ahead(head, now_ns)) {
        return STELE_FAIL(err, INVALID,
                          "time: %" PRIu64 " s ahead of this server's clock, at most %" PRIu64
                          "; check the sender's clock and that the unit is nanoseconds",
                          (head->time_unix_nano - now_ns) / 1000000000,
                          STELE_INGEST_FUTURE_MAX_NS / 1000000000);
    }
    return STELE_OK;
}

static bool memo_holds(const struct stele_admit_memo *memo, const struct stele_event_head *head) {
    return memo->valid && memo->retention_class == head->retention_class &&
           stele_view_equal(memo->tenant, head->tenant) &&
           stele_view_equal(memo->region_name, head->region);
}

stele_status stele_admit(const struct stele_admission *admission, const struct stele_rpc_peer *peer,
                         stele_view payload, struct stele_admit_memo *memo,
                         struct stele_admitted *ret, size_t *ret_region, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_event_head head;
    *ret_region = STELE_INGEST_NO_REGION;
    st = stele_event_check(payload, &head, err);
    if (st != STELE_OK) {
        struct stele_claimed claimed;
        stele_admit_peek(payload, &claimed);
        *ret_region = stele_admit_region(admission, claimed.region);
        return st;
    }
    if (!memo_holds(memo, &head)) {
        struct stele_admit_memo next = {
            true,
            head.retention_class,
            head.region,
            head.tenant,
            stele_admit_region(admission, head.region),
            NULL,
            0,
        };
        if (next.region == STELE_INGEST_NO_REGION) {
            return refuse_region(admission, head.region, err);
        }
        *ret_region = next.region;
        struct stele_store *store = admission->stores[next.region];
        if (stele_view_is(head.tenant, STELE_SYSTEM_TENANT)) {
            return STELE_FAIL(err, DENIED,
                              "tenant '%s' is the server's own; no client may append for it",
                              STELE_SYSTEM_TENANT);
        }
        STELE_TRY(stele_access_check(admission->access, peer, STELE_MAY_APPEND,
                                     stele_store_region(store), head.tenant, err));
        STELE_TRY(check_time(admission, &next, &head, err));
        uint8_t years = head.retention_class == 0 ? admission->default_retention_years
                                                  : (uint8_t)head.retention_class;
        STELE_TRY(stele_store_route(store, head.tenant, years, &next.log, err));
        *memo = next;
    } else {
        *ret_region = memo->region;
        STELE_TRY(check_time(admission, memo, &head, err));
    }
    *ret = (struct stele_admitted){head, memo->region, memo->log};
cleanup:
    return st;
}

/* ------------------------------------------------------------------ what a refused event claims */

static bool keeps_to(stele_view text, size_t max, stele_charset charset) {
    return text.size > 0 && text.size <= max && stele_text_problem(text, charset) == NULL;
}

void stele_admit_peek(stele_view payload, struct stele_claimed *ret) {
    enum { EVENT_ID = 1, TENANT = 3, REGION = 4 }; /* of event.proto */
    struct stele_claimed claimed = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    unsigned n_regions = 0;
    struct stele_wire w = stele_wire_of(payload);
    while (!stele_wire_at_end(&w)) { /* each turn takes at least a byte */
        struct stele_wire_record record;
        if (stele_wire_next(&w, &record) != STELE_OK) {
            break;
        }
        if (record.type != STELE_WIRE_BYTES) {
            continue;
        }
        if (record.number == EVENT_ID && keeps_to(record.bytes, 64, STELE_CHARSET_ID)) {
            claimed.event_id = record.bytes;
        } else if (record.number == TENANT && keeps_to(record.bytes, 64, STELE_CHARSET_NAME)) {
            claimed.tenant = record.bytes;
        } else if (record.number == REGION) {
            n_regions++;
            if (keeps_to(record.bytes, 32, STELE_CHARSET_NAME)) {
                claimed.region = record.bytes;
            }
        }
    }
    if (n_regions != 1) { /* where it may be kept is not certain, so that it is kept nowhere */
        claimed.region = (stele_view){NULL, 0};
    }
    *ret = claimed;
}
