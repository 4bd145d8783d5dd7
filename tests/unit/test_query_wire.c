/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_query_wire.c: the messages written and read by hand against protoc-c's code for
 * the same .proto files, byte for byte; and what generated code would let through is refused.
 */
#include <stdio.h>
#include <string.h>

#include "proto/hit_wire.h"
#include "proto/log_wire.h"
#include "proto/query_wire.h"
#include "proto/wire_out.h"
#include "stele/v1/log.pb-c.h"
#include "stele/v1/query.pb-c.h"
#include "tests/support/cmocka.h"
#include "tests/support/event_gen.h"
#include "tests/support/packs_to.h"

static stele_view text(const char *s) {
    return stele_view_str(s);
}

/* Numbers of all lengths, zero among them. */
static uint64_t any_number(struct rng *rng) {
    return rng_below(rng, 5) == 0 ? 0 : rng_next(rng) >> rng_below(rng, 64);
}

/* "" or up to 20 letters. */
static char *any_text(struct rng *rng, char out[STELE_AT_LEAST(24)]) {
    size_t n = (size_t)rng_below(rng, 4) == 0 ? 0 : (size_t)rng_below(rng, 20);
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)('a' + rng_below(rng, 26));
    }
    out[n] = '\0';
    return out;
}

/* ------------------------------------------------------------------ SearchResponse */

static void test_hit_wire__a_response_is_what_protobuf_c_writes(void **state) {
    (void)state;
    struct rng rng = rng_start("hit_wire");
    for (int round = 0; round < 300; round++) {
        Stele__V1__SearchResponse response;
        stele__v1__search_response__init(&response);
        Stele__V1__Hit hits[4];
        Stele__V1__Hit *pointers[4];
        Stele__V1__Event *events[4] = {NULL};
        Stele__V1__SearchEnd end;
        stele__v1__search_end__init(&end);
        char logs[4][24];
        char cursor[24];
        char why[24];
        uint8_t bytes[3] = {1, 2, 0};
        stele_buf ours = STELE_BUF_EMPTY;
        stele_buf payload = STELE_BUF_EMPTY;
        response.n_hit = (size_t)rng_below(&rng, 5);
        response.hit = pointers;
        for (size_t i = 0; i < response.n_hit; i++) {
            stele__v1__hit__init(&hits[i]);
            pointers[i] = &hits[i];
            hits[i].log = any_text(&rng, logs[i]);
            hits[i].seq = any_number(&rng);
            hits[i].log_time_unix_nano = any_number(&rng);
            stele_buf_clear(&payload);
            if (rng_below(&rng, 8) != 0) {
                stele_gen_event(&rng, &(struct stele_gen_options){0}, &payload);
                events[i] = stele__v1__event__unpack(NULL, payload.size, payload.data);
                assert_non_null(events[i]);
                hits[i].event = events[i];
            }
            struct stele_hit hit = {text(hits[i].log), hits[i].seq, hits[i].log_time_unix_nano,
                                    stele_view_buf(&payload)};
            assert_ok(stele_search_response_put_hit(&ours, &hit, NULL));
        }
        if (rng_below(&rng, 2) == 0) {
            response.answer.data = bytes;
            response.answer.len = (size_t)rng_below(&rng, 4);
            assert_ok(stele_search_response_put_answer(
                &ours, stele_view_of(bytes, response.answer.len), NULL));
        }
        if (rng_below(&rng, 2) == 0) {
            end.hits = any_number(&rng);
            end.cursor = any_text(&rng, cursor);
            end.budget_spent = rng_below(&rng, 2) == 0;
            end.rows_examined = any_number(&rng);
            response.end = &end;
            end.not_complete = any_text(&rng, why);
            struct stele_search_end made = {end.hits, text(cursor), end.budget_spent != 0,
                                            end.rows_examined, text(why)};
            assert_ok(stele_search_response_put_end(&ours, &made, NULL));
        }
        assert_packs_to(&response.base, &ours);
        for (size_t i = 0; i < response.n_hit; i++) {
            if (events[i] != NULL) {
                stele__v1__event__free_unpacked(events[i], NULL);
            }
        }
        stele_buf_done(&payload);
        stele_buf_done(&ours);
    }
}

static void test_hit_wire__what_is_written_is_read_back(void **state) {
    (void)state;
    static const uint8_t event[] = {1, 2, 3};
    const struct stele_hit hit = {text("eu/3y"), 7, 8, stele_view_of(event, sizeof event)};
    const struct stele_search_end end = {1, text("cursor"), true, 99, text("why")};
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_search_part part;
    assert_ok(stele_search_response_put_hit(&message, &hit, NULL));
    assert_ok(stele_search_response_put_answer(&message, text("bytes"), NULL));
    struct stele_wire_out w = stele_wire_out_to(&message);
    stele_wire_out_bytes(&w, 9, text("of a newer server"));
    assert_ok(stele_search_response_put_end(&message, &end, NULL));
    stele_view rest = stele_view_buf(&message);
    assert_ok(stele_search_response_next(&rest, &part, NULL));
    assert_int_equal(part.kind, STELE_SEARCH_PART_HIT);
    assert_true(stele_view_equal(part.as.hit.log, hit.log));
    assert_int_equal(part.as.hit.seq, 7);
    assert_int_equal(part.as.hit.log_time_unix_nano, 8);
    assert_true(stele_view_equal(part.as.hit.event, hit.event));
    assert_ok(stele_search_response_next(&rest, &part, NULL));
    assert_int_equal(part.kind, STELE_SEARCH_PART_ANSWER);
    assert_true(stele_view_is(part.as.answer, "bytes"));
    assert_ok(stele_search_response_next(&rest, &part, NULL));
    assert_int_equal(part.kind, STELE_SEARCH_PART_END);
    assert_int_equal(part.as.end.hits, 1);
    assert_true(stele_view_is(part.as.end.cursor, "cursor"));
    assert_true(part.as.end.budget_spent);
    assert_int_equal(part.as.end.rows_examined, 99);
    assert_true(stele_view_is(part.as.end.not_complete, "why"));
    assert_status(stele_search_response_next(&rest, &part, NULL), END);
    stele_buf_done(&message);
}

static void test_hit_wire__a_damaged_message_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x0a\x05\x10\x07", 4},         /* a hit that is cut off */
        {"\x08\x01", 2},                 /* a hit that is a number */
        {"\x0a\x04\x10\x07\x10\x08", 6}, /* a seq twice */
        {"\x0a\x02\x12\x00", 4},         /* a seq that is bytes */
        {"\x1a\x02\x0a\x00", 4},         /* an end whose count is bytes */
        {"\xff", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stele_view rest = stele_view_of(cases[i].bytes, cases[i].size);
        struct stele_search_part part;
        stele_err err;
        assert_status(stele_search_response_next(&rest, &part, &err), INVALID);
        assert_true(strlen(err.text) > 0);
    }
}

/* ------------------------------------------------------------------ requests */

struct request_texts {
    char region[24], cursor[24], log[3][24], filter[10][24], known[3][24];
};

static void fill_known(struct rng *rng, struct request_texts *texts,
                       Stele__V1__SearchRequest *theirs) {
    static Stele__V1__KnownLog known[3];
    static Stele__V1__KnownLog *list[3] = {&known[0], &known[1], &known[2]};
    theirs->n_known = (size_t)rng_below(rng, 4);
    theirs->known = list;
    for (size_t i = 0; i < theirs->n_known; i++) {
        stele__v1__known_log__init(&known[i]);
        known[i].origin = any_text(rng, texts->known[i]);
        known[i].size = any_number(rng);
    }
}

static void fill_request(struct rng *rng, struct request_texts *texts,
                         Stele__V1__SearchRequest *theirs, Stele__V1__Filter *filter,
                         char *logs[3]) {
    char **members[] = {
        &filter->tenant,     &filter->actor,         &filter->resource, &filter->resource_version,
        &filter->model_id,   &filter->model_version, &filter->session,  &filter->correlation,
        &filter->credential, &filter->source};
    for (size_t i = 0; i < 10; i++) {
        *members[i] = any_text(rng, texts->filter[i]);
    }
    filter->event_type = (Stele__V1__EventType)rng_below(rng, 13);
    filter->action = (Stele__V1__Action)rng_below(rng, 34);
    filter->outcome = (Stele__V1__Outcome)rng_below(rng, 6);
    filter->since_unix_nano = any_number(rng);
    filter->until_unix_nano = any_number(rng);
    filter->logged_since_unix_nano = any_number(rng);
    filter->logged_until_unix_nano = any_number(rng);
    theirs->region = any_text(rng, texts->region);
    theirs->n_log = (size_t)rng_below(rng, 4);
    theirs->log = logs;
    for (size_t i = 0; i < theirs->n_log; i++) {
        logs[i] = any_text(rng, texts->log[i]);
    }
    theirs->filter = filter;
    theirs->order = (Stele__V1__Order)rng_below(rng, 3);
    theirs->limit = any_number(rng);
    theirs->cursor = any_text(rng, texts->cursor);
    theirs->prove = rng_below(rng, 2) == 0;
    fill_known(rng, texts, theirs);
    theirs->open_condition = (uint32_t)rng_below(rng, 3);
    theirs->strict = rng_below(rng, 2) == 0;
    theirs->count_only = rng_below(rng, 2) == 0;
}

static void assert_same_filter(const struct stele_filter_message *ours,
                               const Stele__V1__Filter *theirs) {
    assert_true(stele_view_is(ours->tenant, theirs->tenant));
    assert_true(stele_view_is(ours->actor, theirs->actor));
    assert_true(stele_view_is(ours->resource, theirs->resource));
    assert_true(stele_view_is(ours->resource_version, theirs->resource_version));
    assert_int_equal(ours->event_type, theirs->event_type);
    assert_int_equal(ours->action, theirs->action);
    assert_int_equal(ours->outcome, theirs->outcome);
    assert_true(stele_view_is(ours->model_id, theirs->model_id));
    assert_true(stele_view_is(ours->model_version, theirs->model_version));
    assert_true(stele_view_is(ours->session, theirs->session));
    assert_true(stele_view_is(ours->correlation, theirs->correlation));
    assert_true(stele_view_is(ours->credential, theirs->credential));
    assert_true(stele_view_is(ours->source, theirs->source));
    assert_int_equal(ours->since_unix_nano, theirs->since_unix_nano);
    assert_int_equal(ours->until_unix_nano, theirs->until_unix_nano);
    assert_int_equal(ours->logged_since_unix_nano, theirs->logged_since_unix_nano);
    assert_int_equal(ours->logged_until_unix_nano, theirs->logged_until_unix_nano);
}

static void test_query_wire__requests_are_read_as_protobuf_c_wrote_them(void **state) {
    (void)state;
    struct rng rng = rng_start("query_wire");
    for (int round = 0; round < 500; round++) {
        struct request_texts texts;
        Stele__V1__SearchRequest theirs;
        stele__v1__search_request__init(&theirs);
        Stele__V1__Filter filter;
        stele__v1__filter__init(&filter);
        char *logs[3];
        uint8_t packed[2048];
        struct stele_search_request ours;
        stele_buf again = STELE_BUF_EMPTY;
        fill_request(&rng, &texts, &theirs, &filter, logs);
        size_t size = stele__v1__search_request__pack(&theirs, packed);
        assert_ok(stele_search_request_read(stele_view_of(packed, size), &ours, NULL));
        assert_true(stele_view_is(ours.region, theirs.region));
        assert_int_equal(ours.log.n, theirs.n_log);
        for (size_t i = 0; i < ours.log.n; i++) {
            assert_true(stele_view_is(ours.log.item[i], logs[i]));
        }
        assert_same_filter(&ours.filter, &filter);
        assert_int_equal(ours.order, theirs.order);
        assert_int_equal(ours.limit, theirs.limit);
        assert_true(stele_view_is(ours.cursor, theirs.cursor));
        assert_int_equal(ours.prove, theirs.prove != 0);
        assert_int_equal(ours.open_condition, theirs.open_condition);
        assert_int_equal(ours.strict, theirs.strict != 0);
        assert_int_equal(ours.count_only, theirs.count_only != 0);
        assert_int_equal(ours.known.n, theirs.n_known);
        for (size_t i = 0; i < ours.known.n; i++) {
            assert_true(stele_view_is(ours.known.item[i].name, theirs.known[i]->origin));
            assert_int_equal(ours.known.item[i].size, theirs.known[i]->size);
        }
        assert_ok(stele_search_request_write(&ours, &again, NULL));
        assert_true(stele_view_equal(stele_view_buf(&again), stele_view_of(packed, size)));
        stele_buf_done(&again);
    }
}

static void test_query_wire__what_would_change_the_question_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *status, *says;
    } cases[] = {
        {"\x0a\x02"
         "eu\x0a\x02us",
         8, "INVALID", "question: region stands twice"},
        {"\x7a\x01x", 3, "UNSUPPORTED", "question: member 15 is not known"},
        {"\x42\x01x", 3, "INVALID", "known log: "},
        {"\x42\x04\x10\x01\x10\x01", 6, "INVALID", "known log: size stands twice"},
        {"\x1a\x03\x72\x01x", 5, "UNSUPPORTED", "filter: member 14 is not known"},
        {"\x1a\x02\x12\x7f", 4, "INVALID", "filter: a length reaches past the end"},
        {"\x1a\x04\x12\x02\xc3\x28", 6, "INVALID", "filter: actor is not UTF-8"},
        {"\x1a\x05\x12\x03"
         "a\x00"
         "b",
         7, "INVALID", "filter: actor"}, /* not the actor "a" */
        {"\x1a\x02\x10\x01", 4, "INVALID", "filter: actor has wire type 0, not 2"},
        {"\x1a\x00\x1a\x00", 4, "INVALID", "question: filter stands twice"},
        {"\x0b", 1, "INVALID", "question: wire type 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stele_search_request request;
        stele_err err;
        stele_status st =
            stele_search_request_read(stele_view_of(cases[i].bytes, cases[i].size), &request, &err);
        assert_string_equal(stele_status_name(st), cases[i].status);
        if (strstr(err.text, cases[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
        }
    }
    stele_buf many = STELE_BUF_EMPTY;
    for (int i = 0; i <= STELE_WIRE_LIST_MAX; i++) {
        assert_ok(stele_buf_append(&many,
                                   stele_view_of("\x12\x01"
                                                 "a",
                                                 3),
                                   NULL));
    }
    struct stele_search_request request;
    assert_status(stele_search_request_read(stele_view_buf(&many), &request, NULL), LIMIT);
    stele_buf_clear(&many);
    for (int i = 0; i <= STELE_WIRE_LIST_MAX; i++) { /* known logs that say nothing */
        assert_ok(stele_buf_append(&many, stele_view_of("\x42\x00", 2), NULL));
    }
    assert_status(stele_search_request_read(stele_view_buf(&many), &request, NULL), LIMIT);
    stele_buf_done(&many);
}

static void test_query_wire__small_requests_are_read(void **state) {
    (void)state;
    uint8_t packed[256];
    Stele__V1__GetRequest get;
    stele__v1__get_request__init(&get);
    struct stele_get_request ours;
    char log_name[] = "eu/3y";
    char path[] = "tile/0/000";
    get.log = log_name;
    get.seq = 12;
    get.want_receipt = 1;
    assert_ok(stele_get_request_read(
        stele_view_of(packed, stele__v1__get_request__pack(&get, packed)), &ours, NULL));
    assert_true(stele_view_is(ours.log, log_name) && ours.seq == 12 && ours.want_receipt);

    Stele__V1__GetConsistencyProofRequest proof;
    stele__v1__get_consistency_proof_request__init(&proof);
    Stele__V1__GetTileRequest tile;
    stele__v1__get_tile_request__init(&tile);
    Stele__V1__GetEntriesRequest entries;
    stele__v1__get_entries_request__init(&entries);
    struct stele_log_request log;
    proof.log = tile.log = entries.log = log_name;
    proof.old_size = 5;
    proof.new_size = 6;
    tile.path = path;
    entries.first = 7;
    entries.count = 8;
    size_t size = stele__v1__get_consistency_proof_request__pack(&proof, packed);
    assert_ok(stele_log_request_read(STELE_LOG_GET_CONSISTENCY_PROOF, stele_view_of(packed, size),
                                     &log, NULL));
    assert_true(stele_view_is(log.log, log_name) && log.old_size == 5 && log.new_size == 6);
    size = stele__v1__get_tile_request__pack(&tile, packed);
    assert_ok(stele_log_request_read(STELE_LOG_GET_TILE, stele_view_of(packed, size), &log, NULL));
    assert_true(stele_view_is(log.path, path) && log.old_size == 0);
    size = stele__v1__get_entries_request__pack(&entries, packed);
    assert_ok(
        stele_log_request_read(STELE_LOG_GET_ENTRIES, stele_view_of(packed, size), &log, NULL));
    assert_true(log.first == 7 && log.count == 8);
    assert_status(
        stele_log_request_read(STELE_LOG_LIST_LOGS, stele_view_of(packed, size), &log, NULL),
        UNSUPPORTED);
}

/* ------------------------------------------------------------------ unary replies */

static void test_query_wire__replies_are_what_protobuf_c_reads(void **state) {
    (void)state;
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_hit hit = {text("eu/3y"), 3, 4, {NULL, 0}};
    assert_ok(stele_get_response_write(&hit, text("leaf"), text("receipt"), &message, NULL));
    Stele__V1__GetResponse *get = stele__v1__get_response__unpack(NULL, message.size, message.data);
    assert_non_null(get);
    assert_string_equal(get->hit->log, "eu/3y");
    assert_null(get->hit->event);
    assert_int_equal(get->entry.len, 4);
    assert_int_equal(get->receipt.len, 7);
    assert_packs_to(&get->base, &message);
    stele__v1__get_response__free_unpacked(get, NULL);

    stele_buf_clear(&message);
    assert_ok(stele_count_response_put_total(&message, 9, text("c"), NULL));
    assert_ok(stele_count_response_put_log(&message, text("eu/1y"), 0, NULL));
    assert_ok(stele_count_response_put_log(&message, text("eu/3y"), 9, NULL));
    Stele__V1__CountResponse *count =
        stele__v1__count_response__unpack(NULL, message.size, message.data);
    assert_non_null(count);
    assert_int_equal(count->count, 9);
    assert_string_equal(count->cursor, "c");
    assert_int_equal(count->n_log, 2);
    assert_string_equal(count->log[0]->log, "eu/1y");
    assert_int_equal(count->log[1]->count, 9);
    stele__v1__count_response__free_unpacked(count, NULL);

    stele_buf_clear(&message);
    const struct stele_key_count keys[] = {{text("actor = a"), 5}, {text("tenant = t"), 500}};
    struct stele_log_plan plan = {text("eu/3y"),   1000, text("actor = a"), 5, 2, 1, 2, keys,
                                  text("type = 1")};
    assert_ok(stele_explain_response_put_plan(&message, &plan, NULL));
    Stele__V1__ExplainResponse *explain =
        stele__v1__explain_response__unpack(NULL, message.size, message.data);
    assert_non_null(explain);
    assert_int_equal(explain->n_plan, 1);
    assert_string_equal(explain->plan[0]->key, "actor = a");
    assert_int_equal(explain->plan[0]->segments_skipped, 1);
    assert_int_equal(explain->plan[0]->n_considered, 2);
    assert_int_equal(explain->plan[0]->considered[1]->postings, 500);
    assert_string_equal(explain->plan[0]->narrowed_by, "type = 1");
    assert_packs_to(&explain->base, &message);
    stele__v1__explain_response__free_unpacked(explain, NULL);
    stele_buf_done(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hit_wire__a_response_is_what_protobuf_c_writes),
        cmocka_unit_test(test_hit_wire__what_is_written_is_read_back),
        cmocka_unit_test(test_hit_wire__a_damaged_message_is_refused),
        cmocka_unit_test(test_query_wire__requests_are_read_as_protobuf_c_wrote_them),
        cmocka_unit_test(test_query_wire__what_would_change_the_question_is_refused),
        cmocka_unit_test(test_query_wire__small_requests_are_read),
        cmocka_unit_test(test_query_wire__replies_are_what_protobuf_c_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
