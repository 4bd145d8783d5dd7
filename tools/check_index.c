/* SPDX-License-Identifier: Apache-2.0 */
/* tools/check_index.c: one complete answer a key. */
#include "tools/check_index.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event_map.h"
#include "proto/verify.h"
#include "tools/answer_file.h"
#include "tools/key_question.h"
#include "tools/receive_proof.h"
#include "tools/vkeys.h"

#define TIMEOUT_MS 60000u /* a seal may take ten seconds of it */

typedef enum found {
    FOUND_LISTED,
    FOUND_MISSING,
    FOUND_UNSEALED,
    FOUND_GONE,
    FOUND_NOT_ASKED,
} found;

struct check {
    const struct stele_cli *cli;
    const struct stele_own_event *event;
    struct stele_vkey *keys;
    size_t n_keys;
    bool json;
    bool is_there; /* in the answer at hand */
    struct stele_verify_report report;
    struct stele_event_facts facts;
};

static stele_status on_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct check *check = ctx;
    (void)err;
    check->is_there = check->is_there || (event->entry.seq == check->event->seq &&
                                          stele_view_equal(event->payload, check->event->payload));
    return STELE_OK;
}

static stele_status feed(void *ctx, stele_view bytes, stele_err *err) {
    stele_status st = stele_verifier_feed(ctx, bytes, err);
    return stele_cli_judged(st);
}

/* What an answer that holds says of the event. */
static stele_status judge(const struct check *check, const struct stele_search_request *request,
                          bool is_tenant, found *ret, stele_err *err) {
    const struct stele_verify_report *report = &check->report;
    const struct stele_complete_log_report *log = &report->complete.proof.log[0];
    uint8_t condition = is_tenant ? STELE_COMPLETE_WHOLE_TENANT : 0;
    if (report->kind != STELE_PROOF_COMPLETE || report->n_logs != 1 ||
        report->complete.proof.counted || log->condition != condition) {
        return STELE_FAIL(err, UNVERIFIED,
                          "the server sent a proof of something else than this key's events");
    }
    stele_status st = stele_answer_is_to(request, &report->question, err);
    if (st != STELE_OK) {
        return st;
    }
    *ret = FOUND_MISSING;
    if (check->is_there) {
        *ret = FOUND_LISTED;
    } else if (log->covered_leaves <= check->event->seq) {
        *ret = FOUND_UNSEALED;
    } else if (log->n_gaps > 0) {
        *ret = FOUND_GONE;
    }
    return STELE_OK;
}

static stele_status ask(struct check *check, const struct stele_filter_message *key, bool is_tenant,
                        found *ret, stele_err *err) {
    struct stele_verifier *verifier = NULL;
    struct stele_search_request request = {
        .region = check->event->region, .filter = *key, .prove = true};
    stele_status st = STELE_OK;
    request.log.n = 1;
    request.log.item[0] = check->event->log;
    request.filter.tenant = check->facts.tenant;
    request.filter.logged_since_unix_nano = check->event->time_us * 1000;
    request.filter.logged_until_unix_nano = (check->event->time_us + 1) * 1000;
    check->is_there = false;
    STELE_TRY(stele_verifier_new(check->keys, check->n_keys, on_event, check, &verifier, err));
    STELE_TRY(stele_receive_proof(check->cli->client, &request, TIMEOUT_MS, feed, verifier, err));
    st = stele_verifier_end(verifier, &check->report, err);
    STELE_TRY(stele_cli_judged(st));
    st = judge(check, &request, is_tenant, ret, err);
    stele_verify_report_done(&check->report);
cleanup:
    stele_verifier_free(verifier);
    return st;
}

/* ------------------------------------------------------------------ one line a key */

/* "actor = alice". */
static stele_status name_of(const struct check *check, const struct stele_event_key *key,
                            stele_buf *out, stele_err *err) {
    struct stele_event_condition condition = {key->field, STELE_BUF_EMPTY};
    stele_status st = STELE_OK;
    if (key->field == STELE_KEY_TENANT) {
        return stele_buf_printf(out, err, "tenant = %.*s", (int)check->facts.tenant.size,
                                (const char *)check->facts.tenant.data);
    }
    STELE_TRY(stele_buf_append(&condition.value, key->value, err));
    STELE_TRY(stele_event_condition_print(&condition, out, err));
cleanup:
    stele_buf_done(&condition.value);
    return st;
}

static stele_status print(const struct check *check, stele_view name, found what, stele_err *err) {
    static const char *const words[] = {
        [FOUND_LISTED] = "listed",
        [FOUND_MISSING] = "MISSING: the index does not list the event under this key",
        [FOUND_UNSEALED] = "not known: the index does not cover the event yet",
        [FOUND_GONE] = "not known: this part of the log is gone",
        [FOUND_NOT_ASKED] = "not checked: no question asks for such keys",
    };
    static const char *const results[] = {[FOUND_LISTED] = "listed",
                                          [FOUND_MISSING] = "missing",
                                          [FOUND_UNSEALED] = "unsealed",
                                          [FOUND_GONE] = "gone",
                                          [FOUND_NOT_ASKED] = "not_checked"};
    const struct stele_own_event *event = check->event;
    if (!check->json) {
        (void)printf("%.*s: %s\n", (int)name.size, (const char *)name.data, words[what]);
        return STELE_OK;
    }
    json_t *line = json_pack("{s:o, s:I, s:s%, s:s}", "log",
                             json_sprintf("%.*s/%.*s", (int)event->region.size,
                                          (const char *)event->region.data, (int)event->log.size,
                                          (const char *)event->log.data),
                             "seq", (json_int_t)event->seq, "key", (const char *)name.data,
                             name.size, "result", results[what]);
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL) {
        (void)puts(text);
    }
    stele_free(text);
    json_decref(line);
    return text == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for a line") : STELE_OK;
}

static int compare_keys(const void *a, const void *b) {
    const struct stele_event_key *x = a;
    const struct stele_event_key *y = b;
    return x->field != y->field ? (x->field < y->field ? -1 : 1)
                                : stele_view_compare(x->value, y->value);
}

static void count(found what, struct stele_index_check *ret) {
    ret->n_listed += what == FOUND_LISTED;
    ret->n_missing += what == FOUND_MISSING;
    ret->n_unknown += what == FOUND_UNSEALED || what == FOUND_GONE;
    ret->n_not_asked += what == FOUND_NOT_ASKED;
}

/* Every key once, field by field. */
static stele_status check_keys(struct check *check, struct stele_index_check *ret, stele_err *err) {
    stele_buf name = STELE_BUF_EMPTY;
    stele_buf scratch = STELE_BUF_EMPTY;
    struct stele_event_key *key = check->facts.key;
    stele_status st = STELE_OK;
    qsort(key, check->facts.n_keys, sizeof *key, compare_keys);
    for (size_t i = 0; i < check->facts.n_keys; i++) {
        struct stele_filter_message filter = {0};
        found what = FOUND_NOT_ASKED;
        bool askable = false;
        if (i > 0 && compare_keys(&key[i - 1], &key[i]) == 0) {
            continue;
        }
        stele_buf_clear(&name);
        STELE_TRY(name_of(check, &key[i], &name, err));
        STELE_TRY(stele_key_question(&key[i], &filter, &scratch, &askable, err));
        if (askable) {
            STELE_TRY(ask(check, &filter, key[i].field == STELE_KEY_TENANT, &what, err));
        }
        STELE_TRY(print(check, stele_view_buf(&name), what, err));
        count(what, ret);
    }
cleanup:
    stele_buf_done(&name);
    stele_buf_done(&scratch);
    return st;
}

stele_status stele_check_index(const struct stele_cli *cli, const struct stele_own_event *event,
                               bool json, struct stele_index_check *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct check *check = stele_alloc(1, sizeof *check);
    if (check == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to check an index");
    }
    memset(ret, 0, sizeof *ret);
    check->cli = cli;
    check->event = event;
    check->json = json;
    STELE_TRY(stele_vkeys_read(cli->config->vkeys, &check->keys, &check->n_keys, err));
    STELE_TRY(stele_event_map_v1(NULL, event->payload, &check->facts, err));
    STELE_TRY(check_keys(check, ret, err));
cleanup:
    stele_free(check->keys);
    stele_free(check);
    return st;
}
