/* SPDX-License-Identifier: Apache-2.0 */
/* tools/key_question.c: the inverse of the question's members for one key. */
#include "tools/key_question.h"

#include <string.h>

#include "proto/event_map.h"
#include "storage/cursor.h"

#define TRACE_PREFIX "trace:"
#define TRACE_BYTES 16u

/* A value of 16 bytes may be a trace id, which is no text: as one it can always be asked for. */
static stele_status correlation(stele_view value, struct stele_filter_message *ret,
                                stele_buf *scratch, bool *ret_askable, stele_err *err) {
    char hex[2 * TRACE_BYTES + 1];
    size_t prefix = strlen(TRACE_PREFIX);
    if (value.size == TRACE_BYTES) {
        stele_hex_encode(value, hex);
        stele_status st = stele_buf_printf(scratch, err, TRACE_PREFIX "%s", hex);
        ret->correlation = stele_view_buf(scratch);
        return st;
    }
    *ret_askable =
        value.size < prefix || !stele_view_is(stele_view_slice(value, 0, prefix), TRACE_PREFIX);
    ret->correlation = value;
    return STELE_OK;
}

/* lp(id) || version. */
static void version(stele_view value, stele_view *ret_id, stele_view *ret_version,
                    bool *ret_askable) {
    size_t size = value.size < 2 ? 0 : stele_get_u16(value.data);
    *ret_askable = size > 0 && value.size > 2 + size;
    if (*ret_askable) {
        *ret_id = stele_view_slice(value, 2, size);
        *ret_version = stele_view_slice(value, 2 + size, value.size - 2 - size);
    }
}

static stele_view *text_member(stele_key_field field, struct stele_filter_message *filter) {
    switch ((int)field) {
    case STELE_KEY_ACTOR:
        return &filter->actor;
    case STELE_KEY_RESOURCE:
        return &filter->resource;
    case STELE_KEY_MODEL:
        return &filter->model_id;
    case STELE_KEY_SESSION:
        return &filter->session;
    case STELE_KEY_CREDENTIAL:
        return &filter->credential;
    case STELE_KEY_SOURCE:
        return &filter->source;
    default:
        return NULL;
    }
}

static uint64_t *number_member(stele_key_field field, struct stele_filter_message *filter) {
    switch ((int)field) {
    case STELE_KEY_EVENT_TYPE:
        return &filter->event_type;
    case STELE_KEY_ACTION:
        return &filter->action;
    case STELE_KEY_OUTCOME:
        return &filter->outcome;
    default:
        return NULL;
    }
}

stele_status stele_key_question(const struct stele_event_key *key, struct stele_filter_message *ret,
                                stele_buf *scratch, bool *ret_askable, stele_err *err) {
    stele_key_field field = (stele_key_field)key->field;
    stele_view *text = text_member(field, ret);
    uint64_t *number = number_member(field, ret);
    stele_buf_clear(scratch);
    *ret_askable = true;
    if (text != NULL) {
        *text = key->value;
    } else if (number != NULL && key->value.size == 4) {
        *number = stele_get_u32(key->value.data);
    } else if (field == STELE_KEY_CORRELATION) {
        return correlation(key->value, ret, scratch, ret_askable, err);
    } else if (field == STELE_KEY_RESOURCE_VERSION) {
        version(key->value, &ret->resource, &ret->resource_version, ret_askable);
    } else if (field == STELE_KEY_MODEL_VERSION) {
        version(key->value, &ret->model_id, &ret->model_version, ret_askable);
    } else {
        *ret_askable = field == STELE_KEY_TENANT;
    }
    return STELE_OK;
}
