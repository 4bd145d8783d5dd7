/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a question to server reflection: an answer that parses, or INVALID. The same bytes
 * as the descriptors themselves: refused, or every question has an answer.
 */
#include "proto/descriptors.h"
#include "proto/rpc_reflection.h"
#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"

static void ask(const struct stele_rpc_reflection *reflection, stele_view request) {
    stele_buf response = STELE_BUF_EMPTY;
    stele_status st = stele_rpc_reflection_answer(reflection, request, &response, NULL);
    fuzz_require(st == STELE_OK || (st == STELE_INVALID && response.size == 0));
    struct stele_wire wire = stele_wire_of(stele_view_buf(&response));
    while (!stele_wire_at_end(&wire)) {
        struct stele_wire_record record = {0};
        fuzz_require(stele_wire_next(&wire, &record) == STELE_OK);
        fuzz_require(record.type == STELE_WIRE_BYTES && record.number <= 7);
    }
    stele_buf_done(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const questions[] = {"\x1a\x01\x61", "\x22\x05\x61.b.c", "\x3a\x00"};
    static const stele_view names[] = {{(const uint8_t *)"a.B", 3}};
    struct stele_rpc_reflection *reflection = NULL;
    stele_view bytes = stele_view_of(data, size);
    fuzz_require(stele_rpc_reflection_new(stele_descriptor_set(), names, 1, &reflection, NULL) ==
                 STELE_OK);
    ask(reflection, bytes);
    stele_rpc_reflection_free(reflection);

    reflection = NULL;
    if (stele_rpc_reflection_new(bytes, names, 1, &reflection, NULL) == STELE_OK) {
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            ask(reflection, stele_view_str(questions[i]));
        }
    }
    stele_rpc_reflection_free(reflection);
    return 0;
}
