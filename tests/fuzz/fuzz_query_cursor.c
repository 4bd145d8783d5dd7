/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_query_cursor.c: a cursor as a client sends it, and, because nobody guesses its
 * keyed hash, also any bytes under a right one. What is taken is exactly what would be given again.
 */
#include "query/cursor.h"
#include "storage/base64.h"
#include "tests/fuzz/fuzz.h"

static const struct stele_cursor_binding binding = {
    .secret = {1, 2, 3}, .question = {0x51}, .client = {0xc1}};

static void decode(stele_view text) {
    struct stele_places places;
    stele_buf again = STELE_BUF_EMPTY;
    if (stele_cursor_decode(&binding, text, &places, NULL) == STELE_OK) {
        fuzz_require(places.n <= STELE_QUERY_LOGS_MAX);
        fuzz_require(stele_cursor_encode(&binding, &places, &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), text));
    }
    stele_buf_done(&again);
}

/* The text of `body` under its right keyed hash. */
static void seal(stele_view body, stele_buf *text) {
    stele_buf bytes = STELE_BUF_EMPTY;
    uint8_t mac[32];
    stele_cursor__hmac(stele_view_of(binding.secret, sizeof binding.secret), body, mac);
    fuzz_require(stele_buf_append(&bytes, body, NULL) == STELE_OK);
    fuzz_require(stele_buf_append(&bytes, stele_view_of(mac, sizeof mac), NULL) == STELE_OK);
    fuzz_require(stele_base64_encode(stele_view_buf(&bytes), text, NULL) == STELE_OK);
    while (text->data[text->size - 1] == '=') {
        text->size--;
    }
    for (size_t i = 0; i < text->size; i++) {
        text->data[i] = text->data[i] == '+' ? '-' : (text->data[i] == '/' ? '_' : text->data[i]);
    }
    stele_buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_buf text = STELE_BUF_EMPTY;
    decode(stele_view_of(data, size));
    seal(stele_view_of(data, size), &text);
    decode(stele_view_buf(&text));
    stele_buf_done(&text);
    return 0;
}
