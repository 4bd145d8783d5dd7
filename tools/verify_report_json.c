/* SPDX-License-Identifier: Apache-2.0 */
/* tools/verify_report_json.c: a report for programs, with the claims of verify_report.c. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "proto/utc.h"
#include "tools/verify_report_parts.h"

/* Takes `value`; a NULL one, or none to put it in, is memory that ran out. */
static bool set(json_t *object, const char *name, json_t *value) {
    return json_object_set_new(object, name, value) == 0;
}

static json_t *text_of(stele_view text) {
    return json_stringn((const char *)text.data, text.size);
}

/* Sizes and counts are below 2^63 in any log that fits this world; a greater one is given as text.
 */
static json_t *number_of(uint64_t number) {
    char text[24];
    if (number <= INT64_MAX) {
        return json_integer((json_int_t)number);
    }
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return json_string(text);
}

static json_t *time_of_us(uint64_t us) {
    char text[STELE_UTC_TEXT_BYTES];
    stele_utc_of_us(us, text);
    return json_string(text);
}

static json_t *time_of_ns(uint64_t ns) {
    char text[STELE_UTC_TEXT_BYTES];
    stele_utc_of_ns(ns, text);
    return json_string(text);
}

/* A path need not be UTF-8, JSON must be. */
static json_t *name_of(const char *name) {
    json_t *text = json_string(name);
    return text != NULL ? text : json_string("(its name is not UTF-8)");
}

static json_t *list_of(const char *const *texts, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *conditions_of(const struct stele_event_filter *filter) {
    json_t *list = json_array();
    stele_buf text = STELE_BUF_EMPTY;
    for (size_t i = 0; i < filter->n_conditions; i++) {
        stele_buf_clear(&text);
        if (stele_event_condition_print(&filter->condition[i], &text, NULL) != STELE_OK ||
            json_array_append_new(list, text_of(stele_view_buf(&text))) != 0) {
            json_decref(list);
            list = NULL;
            break;
        }
    }
    stele_buf_done(&text);
    return list;
}

static json_t *question_of(const struct stele_question *question) {
    const struct stele_event_filter *filter = &question->filter;
    json_t *out = json_object();
    json_t *logs = json_array();
    bool good = true;
    for (size_t i = 0; i < question->n_logs; i++) {
        good = json_array_append_new(logs, text_of(stele_view_buf(&question->log[i]))) == 0 && good;
    }
    good = set(out, "region", text_of(stele_view_buf(&question->region))) && good;
    good = set(out, "logs", logs) && good;
    if (filter->tenant.size > 0) {
        good = set(out, "tenant", text_of(stele_view_buf(&filter->tenant))) && good;
    }
    good = set(out, "conditions", conditions_of(filter)) && good;
    if (filter->since_unix_nano != 0) {
        good = set(out, "since", time_of_ns(filter->since_unix_nano)) && good;
    }
    if (filter->until_unix_nano != UINT64_MAX) {
        good = set(out, "until", time_of_ns(filter->until_unix_nano)) && good;
    }
    if (filter->logged_since_us != 0) {
        good = set(out, "logged_since", time_of_us(filter->logged_since_us)) && good;
    }
    if (filter->logged_until_us != UINT64_MAX) {
        good = set(out, "logged_until", time_of_us(filter->logged_until_us)) && good;
    }
    if (question->limit != 0) {
        good = set(out, "limit", number_of(question->limit)) && good;
    }
    if (!good) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *gaps_of(const struct stele_verify_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; i < report->complete.n_gaps; i++) {
        const struct stele_complete_gap *gap = &report->complete.gap[i];
        json_t *out = json_object();
        bool good = set(out, "log", json_string(report->log[gap->log].origin));
        good = set(out, "first_entry", number_of(gap->lo)) && good;
        good = set(out, "last_entry", number_of(gap->hi - 1)) && good;
        good = set(out, "why", json_string(stele_verify__gap_words(gap->kind))) && good;
        if (json_array_append_new(list, out) != 0 || !good) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool set_coverage(json_t *out, const struct stele_complete_log_report *log) {
    bool good = set(out, "index_covers", number_of(log->covered_leaves));
    good = set(out, "index_entry", number_of(log->index_seq)) && good;
    good = set(out, "index_time", time_of_us(log->index_time_us)) && good;
    good = set(out, "complete_until", time_of_us(log->complete_until_us)) && good;
    good = set(out, "inclusion", json_string(log->by_log ? "log" : "index")) && good;
    if (log->condition != STELE_COMPLETE_WHOLE_TENANT) {
        good = set(out, "opened_condition", number_of(log->condition)) && good;
    }
    return good;
}

static bool set_complete(json_t *out, const struct stele_verify_report *report) {
    const struct stele_complete_report *proof = &report->complete.proof;
    bool good =
        set(out, "complete", json_string(proof->n_gaps == 0 ? "proved" : "proved except for gaps"));
    good = set(out, "complete_until", time_of_us(proof->complete_until_us)) && good;
    good = set(out, "counted", json_boolean(proof->counted)) && good;
    good = set(out, "whole_region", json_boolean(proof->whole_region)) && good;
    good = set(out, "n_gaps", number_of(proof->n_gaps)) && good;
    return set(out, "gaps", gaps_of(report)) && good;
}

static json_t *logs_of(const struct stele_verify_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; i < report->n_logs; i++) {
        const struct stele_verify_log *log = &report->log[i];
        json_t *out = json_object();
        bool good = set(out, "origin", json_string(log->origin));
        good = set(out, "size", number_of(log->size_leaves)) && good;
        good = set(out, "events", number_of(log->n_events)) && good;
        if (log->n_events > 0 && !report->complete.proof.counted) {
            good = set(out, "first_log_time", time_of_us(log->first_time_us)) && good;
            good = set(out, "last_log_time", time_of_us(log->last_time_us)) && good;
        }
        if (report->kind == STELE_PROOF_COMPLETE) {
            good = set_coverage(out, &report->complete.proof.log[i]) && good;
        }
        if (json_array_append_new(list, out) != 0 || !good) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *entry_of(const struct stele_receipt_report *receipt,
                        const struct stele_verify_shown *shown) {
    const struct stele_entry *entry = &receipt->entry;
    char root[2 * STELE_HASH_BYTES + 1];
    json_t *out = json_object();
    stele_hex_encode(stele_view_of(receipt->checkpoint.root, STELE_HASH_BYTES), root);
    bool good = set(out, "type", json_string(stele_verify__type_word(entry->type)));
    good = set(out, "seq", number_of(entry->seq)) && good;
    good = set(out, "root", json_string(root)) && good;
    good = set(out, "log_time", time_of_us(entry->time_us)) && good;
    if (entry->type == STELE_ENTRY_EVENT) {
        good = set(out, "event_time", time_of_us(entry->as.event.event_us)) && good;
        good = set(out, "late", json_boolean(entry->as.event.late)) && good;
        good = set(out, "retention_years", number_of(entry->as.event.retention_years)) && good;
        good = set(out, "payload_checked", json_boolean(receipt->payload_checked)) && good;
        good = set(out, "tags_checked", json_boolean(receipt->tags_checked)) && good;
    }
    if (shown->any) {
        good = set(out, "event_id", json_string(shown->event_id)) && good;
        good = set(out, "tenant", json_string(shown->tenant)) && good;
        good = set(out, "event_type", json_string(shown->event_type)) && good;
        good = set(out, "action", json_string(shown->action)) && good;
        good = set(out, "outcome", json_string(shown->outcome)) && good;
    }
    if (!good) {
        json_decref(out);
        return NULL;
    }
    return out;
}

/* Prints and frees `out`; not `good`, or NULL, is memory that ran out on the way. */
static stele_status print_json(json_t *out, bool good, stele_err *err) {
    char *text = good ? json_dumps(out, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text != NULL) {
        (void)puts(text);
    }
    stele_free(text);
    json_decref(out);
    return text == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory for the report") : STELE_OK;
}

stele_status stele_verify_print_json(const char *name, const struct stele_verify_report *report,
                                     const struct stele_verify_shown *shown, stele_err *err) {
    struct stele_verify_claims claims;
    stele_verify__make_claims(report, &claims);
    static const char *const kinds[] = {[STELE_PROOF_RECEIPT] = "receipt",
                                        [STELE_PROOF_ANSWER] = "answer",
                                        [STELE_PROOF_COMPLETE] = "complete answer"};
    bool answer = report->kind != STELE_PROOF_RECEIPT;
    json_t *out = json_object();
    bool good = set(out, "verified", json_true());
    good = set(out, "file", name_of(name)) && good;
    good = set(out, "kind", json_string(kinds[report->kind])) && good;
    if (answer) {
        good = set(out, "question", question_of(&report->question)) && good;
        good = set(out, "events", number_of(report->n_events)) && good;
        good = set(out, "cut", json_boolean(report->cut)) && good;
        good = (report->kind == STELE_PROOF_COMPLETE
                    ? set_complete(out, report)
                    : set(out, "complete", json_string("not proved"))) &&
               good;
    } else {
        good = set(out, "entry", entry_of(&report->receipt, shown)) && good;
    }
    good = set(out, "logs", logs_of(report)) && good;
    good = set(out, "proved", list_of(claims.proved, claims.n_proved)) && good;
    good = set(out, "not_proved", list_of(claims.open, claims.n_open)) && good;
    return print_json(out, good, err);
}

stele_status stele_verify_print_refusal(const char *name, const stele_err *why, stele_err *err) {
    json_t *out = json_object();
    bool good = set(out, "verified", json_false());
    good = set(out, "file", name_of(name)) && good;
    good = set(out, "status", json_string(stele_status_name(why->status))) && good;
    good = set(out, "reason", json_string(why->text)) && good;
    return print_json(out, good, err);
}
