/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/verify_report.c: one list of claims, printed as text or as JSON, so that both say the same.
 * What is not proved is always part of it: a reader must not have to know the format to know its
 * limits.
 */
#include "tools/verify_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/utc.h"

#define CLAIMS_MAX 8

struct claims {
    size_t n_proved;
    const char *proved[CLAIMS_MAX];
    size_t n_open;
    const char *open[CLAIMS_MAX];
};

static void prove(struct claims *claims, const char *text) {
    claims->proved[claims->n_proved++] = text;
}

static void leave_open(struct claims *claims, const char *text) {
    claims->open[claims->n_open++] = text;
}

static void claim_answer(const struct stele_verify_report *report, struct claims *claims) {
    prove(claims, "Each log's checkpoint is signed with a key you gave.");
    if (report->n_events > 0) {
        prove(claims,
              "Each event is in its log, byte for byte, at its place and with its log time.");
        prove(claims,
              "Each event is one the question asks for, none stands twice, and they are in order.");
    }
    prove(claims, "The file is whole and undamaged.");
    leave_open(claims,
               "That the answer is complete: this file does not prove that no event was left out.");
    if (report->cut) {
        leave_open(
            claims,
            "Events after the last one: a limit or the server's budget ended the answer early.");
    }
    leave_open(
        claims,
        "That the question is the one you asked: no log signs it. Compare it with the one above.");
}

static void claim_receipt(const struct stele_verify_report *report, struct claims *claims) {
    const struct stele_receipt_report *receipt = &report->receipt;
    bool is_event = receipt->entry.type == STELE_ENTRY_EVENT;
    prove(claims, "The log's checkpoint is signed with a key you gave.");
    prove(claims, "The entry is in that log, at its place and with its log time.");
    if (receipt->payload_checked) {
        prove(claims, "The event in the receipt is the one the entry commits to, byte for byte.");
    } else if (is_event) {
        leave_open(claims, "What the event says: the receipt does not carry it.");
    }
    if (receipt->tags_checked) {
        prove(claims, "The index keys in the receipt are the ones the entry commits to.");
    } else if (is_event) {
        leave_open(claims,
                   "Under which index keys the event is found: the receipt does not carry them.");
    }
}

static void make_claims(const struct stele_verify_report *report, struct claims *claims) {
    memset(claims, 0, sizeof *claims);
    if (report->kind == STELE_PROOF_ANSWER) {
        claim_answer(report, claims);
    } else {
        claim_receipt(report, claims);
    }
    leave_open(claims, "That the log's clock was right: log times are its operator's word.");
    leave_open(claims, "That everybody is shown the same log: compare sizes and roots with others, "
                       "or use witnesses.");
}

/* "event", "index" or "control" */
static const char *type_word(stele_entry_type type) {
    switch (type) {
    case STELE_ENTRY_EVENT:
        return "event";
    case STELE_ENTRY_INDEX:
        return "index";
    case STELE_ENTRY_CONTROL:
        return "control";
    }
    return "unknown";
}

/* ------------------------------------------------------------------ text */

static void print_claims(const struct claims *claims) {
    (void)printf("\nproved:\n");
    for (size_t i = 0; i < claims->n_proved; i++) {
        (void)printf("  + %s\n", claims->proved[i]);
    }
    (void)printf("not proved:\n");
    for (size_t i = 0; i < claims->n_open; i++) {
        (void)printf("  - %s\n", claims->open[i]);
    }
}

static stele_status print_question(const struct stele_question *question, stele_err *err) {
    stele_buf text = STELE_BUF_EMPTY;
    stele_status st = stele_question_print(question, &text, err);
    if (st == STELE_OK) {
        (void)printf("question:\n");
        const char *line = (const char *)text.data;
        const char *end = line + text.size;
        while (line < end) {
            const char *stop = memchr(line, '\n', (size_t)(end - line));
            size_t size = (size_t)((stop == NULL ? end : stop) - line);
            (void)printf("  %.*s\n", (int)size, line);
            line += size + 1;
        }
    }
    stele_buf_done(&text);
    return st;
}

static void print_logs(const struct stele_verify_report *report) {
    for (size_t i = 0; i < report->n_logs; i++) {
        const struct stele_verify_log *log = &report->log[i];
        (void)printf("  %s: %" PRIu64 " of %" PRIu64 " entries", log->origin, log->n_events,
                     log->size_leaves);
        if (log->n_events > 0) {
            char first[STELE_UTC_TEXT_BYTES];
            char last[STELE_UTC_TEXT_BYTES];
            stele_utc_of_us(log->first_time_us, first);
            stele_utc_of_us(log->last_time_us, last);
            (void)printf(", logged %s to %s", first, last);
        }
        (void)printf("\n");
    }
}

static stele_status print_answer(const struct stele_verify_report *report, stele_err *err) {
    stele_status st = print_question(&report->question, err);
    if (st == STELE_OK) {
        (void)printf("answer: %" PRIu64 " event%s%s\n", report->n_events,
                     report->n_events == 1 ? "" : "s",
                     report->cut ? ", cut short by a limit or the server's budget" : "");
        print_logs(report);
    }
    return st;
}

static void print_receipt(const struct stele_verify_report *report,
                          const struct stele_verify_shown *shown) {
    const struct stele_receipt_report *receipt = &report->receipt;
    const struct stele_entry *entry = &receipt->entry;
    char root[2 * STELE_HASH_BYTES + 1];
    char time[STELE_UTC_TEXT_BYTES];
    stele_hex_encode(stele_view_of(receipt->checkpoint.root, STELE_HASH_BYTES), root);
    stele_utc_of_us(entry->time_us, time);
    (void)printf("log: %s\n  size: %" PRIu64 "\n  root: %s\n", receipt->checkpoint.origin,
                 receipt->checkpoint.size_leaves, root);
    (void)printf("entry: %" PRIu64 ", %s, logged %s\n", entry->seq, type_word(entry->type), time);
    if (entry->type != STELE_ENTRY_EVENT) {
        return;
    }
    stele_utc_of_us(entry->as.event.event_us, time);
    (void)printf("  happened: %s%s\n  kept: %u year%s\n", time,
                 entry->as.event.late ? ", logged more than a day late" : "",
                 entry->as.event.retention_years, entry->as.event.retention_years == 1 ? "" : "s");
    if (shown->any) {
        (void)printf("event: %s of tenant %s: %s, %s, %s\n", shown->event_id, shown->tenant,
                     shown->event_type, shown->action, shown->outcome);
    }
}

stele_status stele_verify_print_text(const char *name, const struct stele_verify_report *report,
                                     const struct stele_verify_shown *shown, stele_err *err) {
    struct claims claims;
    stele_status st = STELE_OK;
    make_claims(report, &claims);
    bool answer = report->kind == STELE_PROOF_ANSWER;
    (void)printf("VERIFIED: %s (%s)\n\n", name, answer ? "answer file" : "receipt");
    if (answer) {
        st = print_answer(report, err);
    } else {
        print_receipt(report, shown);
    }
    if (st == STELE_OK) {
        print_claims(&claims);
    }
    return st;
}

/* ------------------------------------------------------------------ JSON */

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

static json_t *logs_of(const struct stele_verify_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; i < report->n_logs; i++) {
        const struct stele_verify_log *log = &report->log[i];
        json_t *out = json_object();
        bool good = set(out, "origin", json_string(log->origin));
        good = set(out, "size", number_of(log->size_leaves)) && good;
        good = set(out, "events", number_of(log->n_events)) && good;
        if (log->n_events > 0) {
            good = set(out, "first_log_time", time_of_us(log->first_time_us)) && good;
            good = set(out, "last_log_time", time_of_us(log->last_time_us)) && good;
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
    bool good = set(out, "type", json_string(type_word(entry->type)));
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
    struct claims claims;
    make_claims(report, &claims);
    bool answer = report->kind == STELE_PROOF_ANSWER;
    json_t *out = json_object();
    bool good = set(out, "verified", json_true());
    good = set(out, "file", name_of(name)) && good;
    good = set(out, "kind", json_string(answer ? "answer" : "receipt")) && good;
    if (answer) {
        good = set(out, "question", question_of(&report->question)) && good;
        good = set(out, "events", number_of(report->n_events)) && good;
        good = set(out, "cut", json_boolean(report->cut)) && good;
        good = set(out, "complete", json_string("not proved")) && good;
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
