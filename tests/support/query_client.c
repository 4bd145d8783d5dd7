/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/query_client.c: see the header. */
#include "tests/support/query_client.h"

#include <string.h>

#include "storage/cursor.h"

const struct stele_rpc_peer peer_auditor = {
    .authenticated = true, .common_name = "auditor", .address = "test"};
const struct stele_rpc_peer peer_acme = {
    .authenticated = true, .common_name = "acme-reader", .address = "test"};
const struct stele_rpc_peer peer_mirror = {
    .authenticated = true, .common_name = "mirror", .address = "test"};
const struct stele_rpc_peer peer_nobody = {
    .authenticated = true, .common_name = "nobody", .address = "test"};

void client_open(struct query_client *client, struct bed *bed,
                 const struct stele_query_config *config) {
    static const char *const every[] = {"*"};
    static const char *const acme[] = {"acme"};
    static const char *const regions[] = {BED_REGION};
    static const struct stele_grant grants[] = {
        {"cn:auditor", every, 1, every, 1, STELE_MAY_APPEND | STELE_MAY_QUERY | STELE_MAY_READ_LOG},
        {"cn:acme-reader", regions, 1, acme, 1, STELE_MAY_QUERY},
        {"cn:mirror", regions, 1, every, 1, STELE_MAY_READ_LOG},
    };
    struct stele_query_config with = *config;
    stele_err err = {0};
    memset(client, 0, sizeof *client);
    client->bed = bed;
    assert_ok(stele_access_new(grants, 3, &client->access, &err));
    with.stores = &bed->f.store;
    with.n_stores = 1;
    with.access = client->access;
    assert_ok(stele_query_new(&with, &client->query, &err));
    client->method = stele_query_methods(client->query, &client->n_methods);
}

void client_close(struct query_client *client) {
    stele_query_free(client->query);
    stele_access_free(client->access);
}

struct stele_rpc_call *client_start(struct query_client *client, const char *method,
                                    const struct stele_rpc_peer *peer, stele_view request) {
    for (size_t i = 0; i < client->n_methods; i++) {
        if (strcmp(strrchr(client->method[i].path, '/') + 1, method) == 0) {
            return fake_call_start(&client->method[i], peer, request);
        }
    }
    fail_msg("no method %s", method);
    return NULL;
}

uint32_t client_unary(struct query_client *client, const char *method,
                      const struct stele_rpc_peer *peer, stele_view request, stele_buf *reply) {
    struct stele_rpc_call *call = client_start(client, method, peer, request);
    struct fake_end end;
    stele_buf_clear(reply);
    bool replied = fake_call_take(call, reply);
    fake_call_end_of(call, &end);
    assert_true(replied == (end.code == 0));
    if (!replied) {
        assert_ok(stele_buf_append(reply, stele_view_of(end.text, strlen(end.text) + 1), NULL));
    }
    fake_call_end(call);
    return end.code;
}

void client_answer_done(struct client_answer *answer) {
    stele_buf_done(&answer->hits);
    stele_buf_done(&answer->file);
    stele_buf_done(&answer->cursor);
    memset(answer, 0, sizeof *answer);
}

static void take_part(struct client_answer *answer, const struct stele_search_part *part) {
    assert_false(answer->has_end); /* nothing comes after the end */
    switch (part->kind) {
    case STELE_SEARCH_PART_HIT:
        answer->n_hits++;
        assert_ok(stele_search_response_put_hit(&answer->hits, &part->as.hit, NULL));
        break;
    case STELE_SEARCH_PART_ANSWER:
        assert_ok(stele_buf_append(&answer->file, part->as.answer, NULL));
        break;
    case STELE_SEARCH_PART_END:
        answer->has_end = true;
        answer->search_end = part->as.end;
        assert_ok(stele_buf_append(&answer->cursor, part->as.end.cursor, NULL));
        answer->search_end.cursor = stele_view_buf(&answer->cursor);
        break;
    }
}

void client_finish(struct stele_rpc_call *call, struct client_answer *ret) {
    stele_buf message = STELE_BUF_EMPTY;
    client_answer_done(ret);
    while (fake_call_take(call, &message)) {
        struct stele_search_part part;
        stele_view rest = stele_view_buf(&message);
        stele_err err;
        stele_status st;
        ret->n_messages++;
        ret->message_bytes_max =
            message.size > ret->message_bytes_max ? message.size : ret->message_bytes_max;
        while ((st = stele_search_response_next(&rest, &part, &err)) == STELE_OK) {
            take_part(ret, &part);
        }
        assert_status(st, END);
    }
    fake_call_end_of(call, &ret->end);
    fake_call_end(call);
    stele_buf_done(&message);
}

void client_encode(const struct stele_search_request *request, stele_buf *out) {
    stele_buf_clear(out);
    assert_ok(stele_search_request_write(request, out, NULL));
}

void client_search(struct query_client *client, const struct stele_rpc_peer *peer,
                   const struct stele_search_request *request, struct client_answer *ret) {
    stele_buf bytes = STELE_BUF_EMPTY;
    client_encode(request, &bytes);
    client_finish(client_start(client, "Search", peer, stele_view_buf(&bytes)), ret);
    stele_buf_done(&bytes);
}

/* ------------------------------------------------------------------ questions as requests */

static bool set_text(stele_view *member, stele_view value) {
    bool free = member->size == 0;
    if (free) {
        *member = value;
    }
    return free;
}

static bool set_number(uint64_t *member, stele_view value) {
    bool free = *member == 0;
    if (free) {
        *member = stele_get_u32(value.data);
    }
    return free;
}

static bool set_version(stele_view *id, stele_view *version, stele_view value) {
    size_t size = stele_get_u16(value.data);
    bool free = id->size == 0 && version->size == 0;
    if (free) {
        *id = stele_view_slice(value, 2, size);
        *version = stele_view_slice(value, 2 + size, value.size - 2 - size);
    }
    return free;
}

/* False for keys that the filter message cannot ask for, or asks for already. */
static bool set_condition(struct stele_filter_message *filter,
                          const struct stele_event_condition *c) {
    stele_view value = stele_view_buf(&c->value);
    switch (c->field) {
    case STELE_KEY_ACTOR:
        return set_text(&filter->actor, value);
    case STELE_KEY_RESOURCE:
        return set_text(&filter->resource, value);
    case STELE_KEY_EVENT_TYPE:
        return set_number(&filter->event_type, value);
    case STELE_KEY_ACTION:
        return set_number(&filter->action, value);
    case STELE_KEY_OUTCOME:
        return set_number(&filter->outcome, value);
    case STELE_KEY_MODEL:
        return set_text(&filter->model_id, value);
    case STELE_KEY_SESSION:
        return set_text(&filter->session, value);
    case STELE_KEY_CREDENTIAL:
        return set_text(&filter->credential, value);
    case STELE_KEY_SOURCE:
        return set_text(&filter->source, value);
    case STELE_KEY_RESOURCE_VERSION:
        return set_version(&filter->resource, &filter->resource_version, value);
    case STELE_KEY_MODEL_VERSION:
        return set_version(&filter->model_id, &filter->model_version, value);
    default:
        return false;
    }
}

struct stele_search_request client_request_of(const struct stele_query_question *question,
                                              bool *ret_exact) {
    const struct stele_event_filter *filter = &question->asked.filter;
    struct stele_search_request request = {
        .region = stele_view_buf(&question->asked.region),
        .order = question->descending ? STELE_ORDER_DESCENDING : STELE_ORDER_ASCENDING,
        .limit = question->asked.limit,
    };
    bool exact = true;
    for (size_t i = 0; i < question->asked.n_logs; i++) {
        request.log.item[request.log.n++] = stele_view_buf(&question->asked.log[i]);
    }
    request.filter.tenant = stele_view_buf(&filter->tenant);
    for (size_t i = 0; i < filter->n_conditions; i++) {
        exact = set_condition(&request.filter, &filter->condition[i]) && exact;
    }
    request.filter.since_unix_nano = filter->since_unix_nano;
    request.filter.until_unix_nano =
        filter->until_unix_nano == UINT64_MAX ? 0 : filter->until_unix_nano;
    request.filter.logged_since_unix_nano = filter->logged_since_us * 1000;
    request.filter.logged_until_unix_nano =
        filter->logged_until_us == UINT64_MAX ? 0 : filter->logged_until_us * 1000;
    *ret_exact = exact && filter->since_unix_nano < filter->until_unix_nano &&
                 filter->logged_since_us < filter->logged_until_us;
    return request;
}
