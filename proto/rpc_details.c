/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_details.c: encoding and reading google.rpc.Status, and cleaning its message. */
#include "proto/rpc_details.h"

#include "proto/rpc_wire.h"
#include "proto/wire_out.h"

static const char retry_info_url[] = "type.googleapis.com/google.rpc.RetryInfo";

stele_status stele_rpc_details_encode(uint32_t code, const char *text, uint32_t retry_after_ms,
                                      stele_buf *out, stele_err *err) {
    size_t size_before = out->size;
    struct stele_wire_out w = stele_wire_out_to(out);
    stele_wire_out_uint(&w, 1, code);
    stele_wire_out_bytes(&w, 2, stele_view_str(text));
    if (retry_after_ms > 0) {
        size_t any = stele_wire_out_begin(&w, 3);
        stele_wire_out_bytes(&w, 1, stele_view_str(retry_info_url));
        size_t info = stele_wire_out_begin(&w, 2);
        size_t duration = stele_wire_out_begin(&w, 1);
        stele_wire_out_uint(&w, 1, retry_after_ms / 1000);
        stele_wire_out_uint(&w, 2, (uint64_t)(retry_after_ms % 1000) * 1000000);
        stele_wire_out_end(&w, duration);
        stele_wire_out_end(&w, info);
        stele_wire_out_end(&w, any);
    }
    return stele_wire_out_done(&w, size_before, err);
}

/* The integer field `number`, 0 if it is not there. */
static uint64_t integer_of(stele_view message, uint32_t number) {
    struct stele_wire wire = stele_wire_of(message);
    struct stele_wire_record record;
    uint64_t value = 0;
    while (!stele_wire_at_end(&wire) && stele_wire_next(&wire, &record) == STELE_OK) {
        if (record.number == number && record.type == STELE_WIRE_VARINT) {
            value = record.value;
        }
    }
    return value;
}

static bool bytes_of(stele_view message, uint32_t number, stele_view *ret) {
    struct stele_wire wire = stele_wire_of(message);
    return stele_wire_next_bytes(&wire, number, ret);
}

static uint32_t delay_ms_of(stele_view duration) {
    uint64_t seconds = integer_of(duration, 1);
    uint64_t nanos = integer_of(duration, 2);
    /* Negative values are huge here, and no delay. A day is longer than any client should wait. */
    const uint64_t seconds_max = 86400;
    if (seconds > INT64_MAX || nanos > 999999999) {
        return 0;
    }
    seconds = seconds > seconds_max ? seconds_max : seconds;
    return (uint32_t)(seconds * 1000 + (nanos + 999999) / 1000000);
}

uint32_t stele_rpc_details_retry_ms(stele_view details) {
    struct stele_wire wire = stele_wire_of(details);
    stele_view any;
    while (stele_wire_next_bytes(&wire, 3, &any)) {
        stele_view url;
        stele_view info;
        stele_view duration;
        if (bytes_of(any, 1, &url) && stele_view_is(url, retry_info_url) &&
            bytes_of(any, 2, &info) && bytes_of(info, 1, &duration)) {
            return delay_ms_of(duration);
        }
    }
    return 0;
}

/* Bytes of the well-formed UTF-8 sequence at `s`, 0 if there is none. Source: RFC 3629 section 4.
 */
static size_t sequence_bytes(const unsigned char *s) {
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t bytes;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (s[0] >= 0x20 && s[0] < 0x7f) {
        return 1;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (s[0] < forms[i].first_min || s[0] > forms[i].first_max) {
            continue;
        }
        if (s[1] < forms[i].second_min || s[1] > forms[i].second_max) {
            return 0;
        }
        for (size_t at = 2; at < forms[i].bytes; at++) {
            if (s[at] < 0x80 || s[at] > 0xbf) { /* also stops at the NUL */
                return 0;
            }
        }
        return forms[i].bytes;
    }
    return 0;
}

void stele_rpc_text_clean(char *text) {
    for (unsigned char *at = (unsigned char *)text; *at != '\0';) {
        size_t bytes = sequence_bytes(at);
        if (bytes == 0) {
            *at = '?';
            bytes = 1;
        }
        at += bytes;
    }
}
