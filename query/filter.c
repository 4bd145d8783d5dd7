/* SPDX-License-Identifier: Apache-2.0 */
/* query/filter.c: member by member, from the request to conditions on index keys. */
#include "query/filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"
#include "proto/text.h"
#include "query/limits.h"
#include "storage/checkpoint.h"
#include "storage/cursor.h"
#include "storage/engine.h"

#define EVENT_TYPE_AUDIT_CONTROL 11u
#define TRACE_PREFIX "trace:"
#define TRACE_BYTES 16u

/* The members that are texts of one key each, with the greatest length the schema lets such a text
 * have: a longer one could match nothing, so it is a mistake. */
struct text_member {
    const char *name;
    size_t offset;
    stele_key_field field;
    size_t bytes_max;
};
#define TEXT(member, field, bytes_max)                                                             \
    { #member, offsetof(struct stele_filter_message, member), (field), (bytes_max) }
static const struct text_member texts[] = {
    TEXT(actor, STELE_KEY_ACTOR, 256),
    TEXT(session, STELE_KEY_SESSION, 128),
    TEXT(correlation, STELE_KEY_CORRELATION, 256),
    TEXT(credential, STELE_KEY_CREDENTIAL, 128),
    TEXT(source, STELE_KEY_SOURCE, 128),
};

/* The pairs of an id and a version, which are one key. */
struct version_member {
    const char *id_name, *version_name;
    size_t id_offset, version_offset;
    stele_key_field id_field, version_field;
    size_t id_bytes_max, version_bytes_max;
};
static const struct version_member versions[] = {
    {"resource", "resource_version", offsetof(struct stele_filter_message, resource),
     offsetof(struct stele_filter_message, resource_version), STELE_KEY_RESOURCE,
     STELE_KEY_RESOURCE_VERSION, 512, 128},
    {"model_id", "model_version", offsetof(struct stele_filter_message, model_id),
     offsetof(struct stele_filter_message, model_version), STELE_KEY_MODEL, STELE_KEY_MODEL_VERSION,
     256, 128},
};

/* The members that are numbers of an enum. */
struct number_member {
    const char *name, *enum_name;
    size_t offset;
    stele_key_field field;
};
static const struct number_member numbers[] = {
    {"event_type", "EventType", offsetof(struct stele_filter_message, event_type),
     STELE_KEY_EVENT_TYPE},
    {"action", "Action", offsetof(struct stele_filter_message, action), STELE_KEY_ACTION},
    {"outcome", "Outcome", offsetof(struct stele_filter_message, outcome), STELE_KEY_OUTCOME},
};

static stele_view text_at(const struct stele_filter_message *message, size_t offset) {
    return *(const stele_view *)(const void *)((const uint8_t *)message + offset);
}

static uint64_t number_at(const struct stele_filter_message *message, size_t offset) {
    return *(const uint64_t *)(const void *)((const uint8_t *)message + offset);
}

static stele_status check_length(const char *name, stele_view text, size_t bytes_max,
                                 stele_err *err) {
    if (text.size > bytes_max) {
        return STELE_FAIL(err, INVALID, "filter: %s has %zu bytes; no event has one over %zu", name,
                          text.size, bytes_max);
    }
    return STELE_OK;
}

static stele_status check_name(const char *what, stele_view text, size_t bytes_max,
                               stele_err *err) {
    const char *problem = stele_text_problem(text, STELE_CHARSET_NAME);
    if (problem != NULL) {
        return STELE_FAIL(err, INVALID, "%s %s", what, problem);
    }
    if (text.size == 0 || text.size > bytes_max) {
        return STELE_FAIL(err, INVALID, "%s: %zu bytes; a name has 1 to %zu", what, text.size,
                          bytes_max);
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ conditions */

static stele_status add_trace(struct stele_event_filter *filter, stele_view text, stele_err *err) {
    uint8_t id[TRACE_BYTES];
    if (stele_hex_decode(text, id, sizeof id, NULL) != STELE_OK) {
        return STELE_FAIL(err, INVALID,
                          "filter: correlation: after \"" TRACE_PREFIX
                          "\" there must be the 32 hex digits of a W3C trace id");
    }
    return stele_event_filter_add(filter, STELE_KEY_CORRELATION, stele_view_of(id, sizeof id), err);
}

static stele_status add_text(struct stele_event_filter *filter, const struct text_member *m,
                             stele_view text, stele_err *err) {
    size_t prefix = strlen(TRACE_PREFIX);
    if (m->field == STELE_KEY_CORRELATION && text.size >= prefix &&
        stele_view_is(stele_view_slice(text, 0, prefix), TRACE_PREFIX)) {
        return add_trace(filter, stele_view_slice(text, prefix, text.size - prefix), err);
    }
    stele_status st = check_length(m->name, text, m->bytes_max, err);
    return st == STELE_OK ? stele_event_filter_add(filter, m->field, text, err) : st;
}

/* A version's key holds the id too, so it stands for both. */
static stele_status add_version(struct stele_event_filter *filter, const struct version_member *m,
                                stele_view id, stele_view version, stele_err *err) {
    stele_status st = STELE_OK;
    if (id.size == 0 && version.size == 0) {
        return STELE_OK;
    }
    if (id.size == 0) {
        return STELE_FAIL(err, INVALID,
                          "filter: %s is set without %s: a version is one of something",
                          m->version_name, m->id_name);
    }
    STELE_TRY(check_length(m->id_name, id, m->id_bytes_max, err));
    STELE_TRY(check_length(m->version_name, version, m->version_bytes_max, err));
    if (version.size == 0) {
        STELE_TRY(stele_event_filter_add(filter, m->id_field, id, err));
    } else {
        STELE_TRY(stele_event_filter_add_version(filter, m->version_field, id, version, err));
    }
cleanup:
    return st;
}

static stele_status add_number(struct stele_event_filter *filter, const struct number_member *m,
                               uint64_t number, stele_err *err) {
    if (number > UINT32_MAX || stele_event_enum_word(m->enum_name, (uint32_t)number) == NULL) {
        return STELE_FAIL(err, INVALID, "filter: %s %" PRIu64 " is no number of %s in event.proto",
                          m->name, number, m->enum_name);
    }
    return stele_event_filter_add_number(filter, m->field, (uint32_t)number, err);
}

static stele_status add_conditions(const struct stele_filter_message *message,
                                   struct stele_event_filter *filter, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        stele_view text = text_at(message, texts[i].offset);
        if (text.size > 0) {
            STELE_TRY(add_text(filter, &texts[i], text, err));
        }
    }
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        STELE_TRY(add_version(filter, &versions[i], text_at(message, versions[i].id_offset),
                              text_at(message, versions[i].version_offset), err));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t number = number_at(message, numbers[i].offset);
        if (number != 0) {
            STELE_TRY(add_number(filter, &numbers[i], number, err));
        }
    }
cleanup:
    return st;
}

/* ------------------------------------------------------------------ ranges */

static stele_status check_range(const char *since_name, uint64_t since, const char *until_name,
                                uint64_t until, stele_err *err) {
    if (until != 0 && since >= until) {
        return STELE_FAIL(err, INVALID,
                          "filter: %s %" PRIu64 " is not before %s %" PRIu64 ": the range is empty",
                          since_name, since, until_name, until);
    }
    return STELE_OK;
}

/* Log times are whole microseconds: t * 1000 >= ns and t * 1000 < ns are t >= and t < this. */
static uint64_t us_up(uint64_t ns) {
    return ns / 1000 + (ns % 1000 != 0 ? 1 : 0);
}

static stele_status set_ranges(const struct stele_filter_message *message,
                               struct stele_event_filter *filter, stele_err *err) {
    stele_status st = STELE_OK;
    STELE_TRY(check_range("since_unix_nano", message->since_unix_nano, "until_unix_nano",
                          message->until_unix_nano, err));
    STELE_TRY(check_range("logged_since_unix_nano", message->logged_since_unix_nano,
                          "logged_until_unix_nano", message->logged_until_unix_nano, err));
    filter->since_unix_nano = message->since_unix_nano;
    filter->until_unix_nano = message->until_unix_nano == 0 ? UINT64_MAX : message->until_unix_nano;
    filter->logged_since_us = us_up(message->logged_since_unix_nano);
    filter->logged_until_us =
        message->logged_until_unix_nano == 0 ? UINT64_MAX : us_up(message->logged_until_unix_nano);
cleanup:
    return st;
}

/* ------------------------------------------------------------------ the whole question */

static int by_bytes(const void *a, const void *b) {
    return stele_view_compare(*(const stele_view *)a, *(const stele_view *)b);
}

static stele_status set_logs(const struct stele_wire_list *list, struct stele_question *asked,
                             stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_wire_list sorted = *list;
    qsort(sorted.item, sorted.n, sizeof sorted.item[0], by_bytes);
    for (size_t i = 0; i < sorted.n; i++) {
        if (memchr(sorted.item[i].data, '/', sorted.item[i].size) != NULL) {
            return STELE_FAIL(err, INVALID, "question: log '%.*s': name it without its region",
                              (int)sorted.item[i].size, (const char *)sorted.item[i].data);
        }
        STELE_TRY(check_name("question: log", sorted.item[i], STELE_LOG_NAME_MAX, err));
        if (i == 0 || !stele_view_equal(sorted.item[i], sorted.item[i - 1])) {
            STELE_TRY(stele_buf_append(&asked->log[asked->n_logs], sorted.item[i], err));
            asked->n_logs++;
        }
    }
cleanup:
    return st;
}

static stele_status set_order(const struct stele_search_request *request,
                              struct stele_query_question *ret, stele_err *err) {
    if (request->order > STELE_ORDER_DESCENDING) {
        return STELE_FAIL(err, INVALID,
                          "question: order %" PRIu64 " is neither ascending (1) nor "
                          "descending (2)",
                          request->order);
    }
    ret->descending = request->order == STELE_ORDER_DESCENDING;
    ret->prove = request->prove;
    if (ret->prove && ret->descending) {
        return STELE_FAIL(err, INVALID,
                          "question: prove needs the ascending order: an answer file is "
                          "checked in the order of the log");
    }
    return STELE_OK;
}

static stele_status set_known(const struct stele_wire_sizes *known,
                              struct stele_query_question *ret, stele_err *err) {
    stele_status st = STELE_OK;
    if (known->n == 0) {
        return STELE_OK;
    }
    ret->known = stele_alloc(known->n, sizeof *ret->known);
    if (ret->known == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for what a question knows of %zu logs",
                          known->n);
    }
    for (; ret->n_known < known->n; ret->n_known++) {
        const struct stele_wire_size *item = &known->item[ret->n_known];
        if (item->name.size == 0 || item->name.size > STELE_ORIGIN_MAX) {
            return STELE_FAIL(err, INVALID, "known log: origin: %zu bytes; one has 1 to %d",
                              item->name.size, STELE_ORIGIN_MAX);
        }
        STELE_TRY(stele_buf_append(&ret->known[ret->n_known].origin, item->name, err));
        ret->known[ret->n_known].size_leaves = item->size;
    }
cleanup:
    return st;
}

/* How it is proven. */
static stele_status set_proof(const struct stele_search_request *request,
                              struct stele_query_question *ret, stele_err *err) {
    const struct stele_event_filter *filter = &ret->asked.filter;
    uint64_t open = request->open_condition;
    if ((open > 0 || request->strict) && !request->prove) {
        return STELE_FAIL(err, INVALID,
                          "question: open_condition and strict are about a proof; "
                          "set prove");
    }
    if (open > filter->n_conditions ||
        (open > 0 && !stele_event_condition_is_indexed(&filter->condition[open - 1]))) {
        return STELE_FAIL(err, INVALID,
                          "question: open_condition %" PRIu64
                          ": there is no such condition, or it has no index key",
                          open);
    }
    if (request->count_only) {
        bool whole_us =
            filter->since_unix_nano % 1000 == 0 &&
            (filter->until_unix_nano == UINT64_MAX || filter->until_unix_nano % 1000 == 0);
        bool one_key =
            filter->n_conditions == 0 ||
            (filter->n_conditions == 1 && stele_event_condition_is_indexed(&filter->condition[0]));
        if (!request->prove || request->strict || !whole_us || !one_key) {
            return STELE_FAIL(
                err, INVALID,
                "question: count_only proves how many events have one key: set prove, "
                "one condition with an index key at most, no strict, times in whole "
                "microseconds");
        }
    }
    ret->count_only = request->count_only;
    ret->open_condition = (size_t)open;
    ret->strict = request->strict;
    return STELE_OK;
}

void stele_query_question_init(struct stele_query_question *question) {
    memset(question, 0, sizeof *question);
    stele_question_init(&question->asked);
}

void stele_query_question_done(struct stele_query_question *question) {
    stele_question_done(&question->asked);
    stele_buf_done(&question->cursor);
    for (size_t i = 0; i < question->n_known; i++) {
        stele_buf_done(&question->known[i].origin);
    }
    stele_free(question->known);
}

stele_status stele_query_question_of(const struct stele_search_request *request,
                                     struct stele_query_question *ret, stele_err *err) {
    stele_status st = STELE_OK;
    struct stele_event_filter *filter = &ret->asked.filter;
    if (request->region.size == 0) {
        return STELE_FAIL(err, INVALID, "question: region: missing; name the region that is asked");
    }
    STELE_TRY(check_name("question: region", request->region, STELE_REGION_NAME_MAX, err));
    STELE_TRY(stele_buf_append(&ret->asked.region, request->region, err));
    STELE_TRY(set_logs(&request->log, &ret->asked, err));
    if (request->filter.tenant.size > 0) {
        STELE_TRY(check_name("filter: tenant", request->filter.tenant, STELE_TENANT_MAX, err));
        STELE_TRY(stele_buf_append(&filter->tenant, request->filter.tenant, err));
    }
    STELE_TRY(add_conditions(&request->filter, filter, err));
    STELE_TRY(set_ranges(&request->filter, filter, err));
    STELE_TRY(set_order(request, ret, err));
    ret->asked.limit = request->limit;
    if (request->cursor.size > STELE_QUERY_CURSOR_BYTES_MAX) {
        return STELE_FAIL(err, INVALID, "cursor: %zu bytes; none of this server has over %u",
                          request->cursor.size, STELE_QUERY_CURSOR_BYTES_MAX);
    }
    STELE_TRY(stele_buf_append(&ret->cursor, request->cursor, err));
    STELE_TRY(set_known(&request->known, ret, err));
    STELE_TRY(set_proof(request, ret, err));
cleanup:
    return st;
}

bool stele_query_question_wants_system(const struct stele_query_question *question) {
    const struct stele_event_filter *filter = &question->asked.filter;
    uint8_t audit_control[4];
    stele_put_u32(audit_control, EVENT_TYPE_AUDIT_CONTROL);
    for (size_t i = 0; i < filter->n_conditions; i++) {
        if (filter->condition[i].field == STELE_KEY_EVENT_TYPE &&
            stele_view_equal(stele_view_buf(&filter->condition[i].value),
                             stele_view_of(audit_control, sizeof audit_control))) {
            return true;
        }
    }
    return false;
}

stele_status stele_query_split_log(stele_view name, stele_view *ret_region, stele_view *ret_log,
                                   stele_err *err) {
    const uint8_t *slash = name.size == 0 ? NULL : memchr(name.data, '/', name.size);
    size_t at = slash == NULL ? 0 : (size_t)(slash - name.data);
    stele_status st = STELE_OK;
    if (at == 0) {
        return STELE_FAIL(err, INVALID,
                          "log: must be \"<region>/<log>\", such as \"eu-central-1/3y\"");
    }
    stele_view region = stele_view_slice(name, 0, at);
    stele_view log = stele_view_slice(name, at + 1, name.size - at - 1);
    STELE_TRY(check_name("log: region", region, STELE_REGION_NAME_MAX, err));
    STELE_TRY(check_name("log: name", log, STELE_LOG_NAME_MAX, err));
    *ret_region = region;
    *ret_log = log;
cleanup:
    return st;
}
