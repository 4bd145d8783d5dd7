/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_texts.c: short texts of one rule each. The first byte says which. Those with one
 * form come back as the same text; times come back as the same instant.
 */
#include <string.h>

#include "proto/time.h"
#include "storage/base64.h"
#include "storage/control.h"
#include "storage/engine_names.h"
#include "storage/pack.h"
#include "tests/fuzz/fuzz.h"
#include "tools/cli_time.h"
#include "tools/print_hits.h"

#define TEXT_MAX 512
#define NOW_UNIX_NANO UINT64_C(1794000000000000000)

static void base64(stele_view text) {
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_buf again = STELE_BUF_EMPTY;
    if (stele_base64_decode(text, &bytes, NULL) == STELE_OK) {
        fuzz_require(stele_base64_encode(stele_view_buf(&bytes), &again, NULL) == STELE_OK);
        fuzz_require(stele_view_equal(stele_view_buf(&again), text));
    }
    stele_buf_done(&bytes);
    stele_buf_done(&again);
}

static void time_text(stele_view text) {
    char printed[STELE_TIME_TEXT_BYTES];
    uint64_t first = 0;
    uint64_t second = 0;
    if (stele_time_parse(text, &first, NULL) == STELE_OK) {
        stele_time_print(first, printed);
        fuzz_require(stele_time_parse(stele_view_str(printed), &second, NULL) == STELE_OK &&
                     first == second);
    }
}

static void blob_key(const char *text) {
    uint64_t lo = 0;
    uint64_t hi = 0;
    (void)!stele_blob_key_check(text, NULL);
    (void)!stele_name_check(text, STELE_LOG_NAME_MAX, "log", NULL);
    if (stele_pack_key_parse(text, &lo, &hi, NULL) == STELE_OK) {
        fuzz_require(lo < hi);
    }
}

static void command_line(const char *text) {
    stele_output output;
    uint64_t number = 0;
    uint32_t ms = 0;
    (void)!stele_cli_time(text, NOW_UNIX_NANO, &number, NULL);
    (void)!stele_output_parse(text, &output, NULL);
    if (stele_cli_duration(text, &ms, NULL) == STELE_OK) {
        fuzz_require(ms > 0);
    }
    if (stele_cli_number(text, &number, NULL) == STELE_OK) {
        char again[32];
        (void)snprintf(again, sizeof again, "%llu", (unsigned long long)number);
        fuzz_require(strcmp(text + strspn(text, "0"), number == 0 ? "" : again) == 0);
    }
}

static void control(stele_view body) {
    struct stele_genesis genesis;
    if (stele_control_genesis_of(body, &genesis, NULL) == STELE_OK) {
        fuzz_require(genesis.origin.size <= body.size && genesis.years >= 1 && genesis.years <= 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[TEXT_MAX];
    if (size == 0 || size > TEXT_MAX) {
        return 0;
    }
    stele_view rest = stele_view_of(data + 1, size - 1);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        base64(rest);
        break;
    case 1:
        time_text(rest);
        break;
    case 2:
        blob_key(text);
        break;
    case 3:
        command_line(text);
        break;
    default:
        control(rest);
        break;
    }
    return 0;
}
