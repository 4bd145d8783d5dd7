/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_query_request.c: requests of the Query and Log services as they come from the
 * network. A question that is accepted has one encoding, which decodes to itself; a request that
 * was read is written again to the same question.
 */
#include "proto/log_wire.h"
#include "query/filter.h"
#include "tests/fuzz/fuzz.h"

static void encode_question(const struct stele_search_request *request, stele_buf *out) {
    struct stele_query_question question;
    stele_query_question_init(&question);
    if (stele_query_question_of(request, &question, NULL) == STELE_OK) {
        fuzz_require(stele_question_encode(&question.asked, out, NULL) == STELE_OK);
        fuzz_require(out->size > 0);
    }
    stele_query_question_done(&question);
}

static void try_search(stele_view message) {
    struct stele_search_request request;
    struct stele_search_request again;
    struct stele_question decoded;
    stele_buf question = STELE_BUF_EMPTY;
    stele_buf written = STELE_BUF_EMPTY;
    stele_buf same = STELE_BUF_EMPTY;
    if (stele_search_request_read(message, &request, NULL) != STELE_OK) {
        return;
    }
    encode_question(&request, &question);
    if (question.size > 0) {
        stele_question_init(&decoded);
        fuzz_require(stele_question_decode(stele_view_buf(&question), &decoded, NULL) == STELE_OK);
        stele_question_done(&decoded);
        fuzz_require(stele_search_request_write(&request, &written, NULL) == STELE_OK);
        fuzz_require(stele_search_request_read(stele_view_buf(&written), &again, NULL) == STELE_OK);
        encode_question(&again, &same);
        fuzz_require(stele_view_equal(stele_view_buf(&question), stele_view_buf(&same)));
    }
    stele_buf_done(&question);
    stele_buf_done(&written);
    stele_buf_done(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_view message = stele_view_of(data, size);
    struct stele_get_request get;
    struct stele_log_request log;
    stele_view region;
    stele_view name;
    try_search(message);
    (void)!stele_get_request_read(message, &get, NULL);
    for (int kind = STELE_LOG_LIST_LOGS; kind <= STELE_LOG_REPLAY; kind++) {
        if (stele_log_request_read((stele_log_request_kind)kind, message, &log, NULL) == STELE_OK &&
            stele_query_split_log(log.log, &region, &name, NULL) == STELE_OK) {
            fuzz_require(region.size + 1 + name.size == log.log.size);
        }
    }
    return 0;
}
