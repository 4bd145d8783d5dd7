/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/question.c: a question as bytes and as text. A question has one encoding but for the order
 * of its conditions; what decodes encodes to the same bytes again.
 */
#include <inttypes.h>
#include <string.h>

#include "proto/event.h"
#include "proto/event_filter.h"
#include "proto/question_format.h"
#include "proto/text.h"
#include "proto/utc.h"
#include "storage/cursor.h"

#define VERSION 1
#define LOGS_MAX                                                                                   \
    (sizeof((struct stele_question *)NULL)->log / sizeof((struct stele_question *)NULL)->log[0])

void stele_question_init(struct stele_question *question) {
    memset(question, 0, sizeof *question);
    stele_event_filter_init(&question->filter);
}

void stele_question_done(struct stele_question *question) {
    stele_buf_done(&question->region);
    for (size_t i = 0; i < question->n_logs; i++) {
        stele_buf_done(&question->log[i]);
    }
    stele_event_filter_done(&question->filter);
    stele_question_init(question);
}

static bool is_name(const stele_buf *name, size_t bytes_max) {
    return name->size > 0 && name->size <= bytes_max &&
           stele_text_problem(stele_view_buf(name), STELE_CHARSET_NAME) == NULL;
}

/* What holds of any question, made here or read. */
static stele_status check(const struct stele_question *question, stele_err *err) {
    const struct stele_event_filter *filter = &question->filter;
    if (!is_name(&question->region, STELE_QUESTION_NAME_BYTES_MAX)) {
        return STELE_FAIL(err, INVALID,
                          "question: a region of %zu bytes; 1 to %d of [a-z0-9._-] are needed",
                          question->region.size, STELE_QUESTION_NAME_BYTES_MAX);
    }
    for (size_t i = 0; i < question->n_logs; i++) {
        if (!is_name(&question->log[i], STELE_QUESTION_NAME_BYTES_MAX)) {
            return STELE_FAIL(
                err, INVALID,
                "question: log name %zu has %zu bytes; 1 to %d of [a-z0-9._-] are needed", i,
                question->log[i].size, STELE_QUESTION_NAME_BYTES_MAX);
        }
    }
    if (filter->tenant.size > 0 && !is_name(&filter->tenant, STELE_TENANT_MAX)) {
        return STELE_FAIL(err, INVALID,
                          "question: a tenant of %zu bytes; 1 to %d of [a-z0-9._-] are needed",
                          filter->tenant.size, STELE_TENANT_MAX);
    }
    if (filter->since_unix_nano > filter->until_unix_nano ||
        filter->logged_since_us > filter->logged_until_us) {
        return STELE_FAIL(err, INVALID, "question: a time range that ends before it begins");
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ bytes */

/* The names in ascending order, each once. */
static size_t sort_logs(const struct stele_question *question, stele_view names[]) {
    size_t n = 0;
    for (size_t i = 0; i < question->n_logs; i++) {
        stele_view name = stele_view_buf(&question->log[i]);
        size_t at = n;
        while (at > 0 && stele_view_compare(names[at - 1], name) > 0) {
            at--;
        }
        if (at > 0 && stele_view_equal(names[at - 1], name)) {
            continue;
        }
        memmove(&names[at + 1], &names[at], (n - at) * sizeof *names);
        names[at] = name;
        n++;
    }
    return n;
}

stele_status stele_question_encode(const struct stele_question *question, stele_buf *out,
                                   stele_err *err) {
    const struct stele_event_filter *filter = &question->filter;
    stele_view names[LOGS_MAX];
    size_t before = out->size;
    stele_status st = check(question, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t n_logs = sort_logs(question, names);
    struct stele_writer w = stele_writer_to(out);
    stele_write_u8(&w, VERSION);
    stele_write_u8(&w, 0);
    stele_write_lp(&w, stele_view_buf(&question->region));
    stele_write_u8(&w, (uint8_t)n_logs);
    for (size_t i = 0; i < n_logs; i++) {
        stele_write_lp(&w, names[i]);
    }
    stele_write_lp(&w, stele_view_buf(&filter->tenant));
    stele_write_u8(&w, (uint8_t)filter->n_conditions);
    for (size_t i = 0; i < filter->n_conditions; i++) {
        stele_write_u8(&w, filter->condition[i].field);
        stele_write_lp(&w, stele_view_buf(&filter->condition[i].value));
    }
    stele_write_u64(&w, filter->since_unix_nano);
    stele_write_u64(&w, filter->until_unix_nano);
    stele_write_u64(&w, filter->logged_since_us);
    stele_write_u64(&w, filter->logged_until_us);
    stele_write_u64(&w, question->limit);
    st = stele_writer_end(&w, err);
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}

static stele_status read_text(struct stele_reader *r, stele_buf *ret, stele_err *err) {
    stele_view text = {NULL, 0};
    stele_status st = stele_read_lp(r, &text, err);
    return st == STELE_OK ? stele_buf_append(ret, text, err) : st;
}

static stele_status read_logs(struct stele_reader *r, struct stele_question *made, stele_err *err) {
    uint8_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(r, &n, err));
    if (n > LOGS_MAX) {
        return STELE_FAIL(err, INVALID, "question: %u logs, at most %zu are read", n, LOGS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        stele_buf *name = &made->log[made->n_logs++];
        STELE_TRY(read_text(r, name, err));
        if (i > 0 && stele_view_compare(stele_view_buf(name - 1), stele_view_buf(name)) >= 0) {
            return STELE_FAIL(err, INVALID, "question: log name %zu is not above the one before it",
                              i);
        }
    }
cleanup:
    return st;
}

static stele_status read_conditions(struct stele_reader *r, struct stele_question *made,
                                    stele_err *err) {
    uint8_t n = 0;
    stele_status st = STELE_OK;
    STELE_TRY(stele_read_u8(r, &n, err));
    if (n > STELE_FILTER_CONDITIONS_MAX) {
        return STELE_FAIL(err, INVALID, "question: %u conditions, at most %d are read", n,
                          STELE_FILTER_CONDITIONS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t field = 0;
        stele_view value = {NULL, 0};
        STELE_TRY(stele_read_u8(r, &field, err));
        STELE_TRY(stele_read_lp(r, &value, err));
        STELE_TRY(stele_event_filter__add_raw(&made->filter, (stele_key_field)field, value, err));
    }
cleanup:
    return st;
}

stele_status stele_question_decode(stele_view bytes, struct stele_question *ret, stele_err *err) {
    static const uint8_t start[2] = {VERSION, 0};
    struct stele_reader r = stele_reader_of(bytes, "question");
    struct stele_question made;
    stele_status st = STELE_OK;
    stele_question_init(&made);
    STELE_TRY(stele_read_expect(&r, stele_view_of(start, sizeof start), err));
    STELE_TRY(read_text(&r, &made.region, err));
    STELE_TRY(read_logs(&r, &made, err));
    STELE_TRY(read_text(&r, &made.filter.tenant, err));
    STELE_TRY(read_conditions(&r, &made, err));
    STELE_TRY(stele_read_u64(&r, &made.filter.since_unix_nano, err));
    STELE_TRY(stele_read_u64(&r, &made.filter.until_unix_nano, err));
    STELE_TRY(stele_read_u64(&r, &made.filter.logged_since_us, err));
    STELE_TRY(stele_read_u64(&r, &made.filter.logged_until_us, err));
    STELE_TRY(stele_read_u64(&r, &made.limit, err));
    STELE_TRY(stele_reader_end(&r, err));
    STELE_TRY(check(&made, err));
    *ret = made;
    stele_question_init(&made); /* given away */
cleanup:
    stele_question_done(&made);
    return st;
}

/* ------------------------------------------------------------------ text */

/* The enum whose words stand for a field's numbers; NULL for other fields. */
static const char *enum_of(uint8_t field) {
    switch (field) {
    case STELE_KEY_EVENT_TYPE:
        return "EventType";
    case STELE_KEY_ACTION:
        return "Action";
    case STELE_KEY_OUTCOME:
        return "Outcome";
    default:
        return NULL;
    }
}

static stele_status print_condition(const struct stele_event_condition *condition, stele_buf *out,
                                    stele_err *err) {
    const char *of = enum_of(condition->field);
    const char *word =
        of == NULL ? NULL : stele_event_enum_word(of, stele_get_u32(condition->value.data));
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_printf(out, err, "condition: "));
    STELE_TRY(stele_event_condition_print(condition, out, err));
    STELE_TRY(stele_buf_printf(out, err, "%s%s%s\n", word == NULL ? "" : " (",
                               word == NULL ? "" : word, word == NULL ? "" : ")"));
cleanup:
    return st;
}

struct time_range {
    const char *name;
    uint64_t since;
    uint64_t until;
    void (*print)(uint64_t time, char out[STELE_AT_LEAST(STELE_UTC_TEXT_BYTES)]);
};

static stele_status print_range(const struct time_range *range, stele_buf *out, stele_err *err) {
    char text[STELE_UTC_TEXT_BYTES];
    stele_status st = STELE_OK;
    if (range->since == 0 && range->until == UINT64_MAX) {
        return stele_buf_printf(out, err, "%s: any\n", range->name);
    }
    STELE_TRY(stele_buf_printf(out, err, "%s:", range->name));
    if (range->since != 0) {
        range->print(range->since, text);
        STELE_TRY(stele_buf_printf(out, err, " from %s", text));
    }
    if (range->until != UINT64_MAX) {
        range->print(range->until, text);
        STELE_TRY(stele_buf_printf(out, err, " before %s", text));
    }
    STELE_TRY(stele_buf_printf(out, err, "\n"));
cleanup:
    return st;
}

stele_status stele_question_print(const struct stele_question *question, stele_buf *out,
                                  stele_err *err) {
    const struct stele_event_filter *filter = &question->filter;
    size_t before = out->size;
    stele_status st = STELE_OK;
    STELE_TRY(check(question, err)); /* names are printed as they are */
    STELE_TRY(stele_buf_printf(out, err, "region: "));
    STELE_TRY(stele_buf_append(out, stele_view_buf(&question->region), err));
    STELE_TRY(stele_buf_printf(out, err, "\nlogs:%s", question->n_logs == 0 ? " all" : ""));
    for (size_t i = 0; i < question->n_logs; i++) {
        STELE_TRY(
            stele_buf_printf(out, err, " %.*s", (int)question->log[i].size, question->log[i].data));
    }
    STELE_TRY(stele_buf_printf(out, err, "\ntenant: "));
    STELE_TRY(filter->tenant.size == 0
                  ? stele_buf_printf(out, err, "every tenant")
                  : stele_buf_append(out, stele_view_buf(&filter->tenant), err));
    STELE_TRY(stele_buf_printf(out, err, "\n"));
    for (size_t i = 0; i < filter->n_conditions; i++) {
        STELE_TRY(print_condition(&filter->condition[i], out, err));
    }
    struct time_range event_time = {"event time", filter->since_unix_nano, filter->until_unix_nano,
                                    stele_utc_of_ns};
    struct time_range log_time = {"log time", filter->logged_since_us, filter->logged_until_us,
                                  stele_utc_of_us};
    STELE_TRY(print_range(&event_time, out, err));
    STELE_TRY(print_range(&log_time, out, err));
    if (question->limit > 0) {
        STELE_TRY(stele_buf_printf(out, err, "limit: %" PRIu64 " events\n", question->limit));
    }
cleanup:
    if (st != STELE_OK) {
        out->size = before;
    }
    return st;
}
