/* SPDX-License-Identifier: Apache-2.0 */
/* proto/wire.c: the rarer parts of reading protobuf's wire format. */
#include "proto/wire.h"

stele_status stele_wire__varint_long(struct stele_wire *w, uint64_t *ret) {
    uint64_t value = 0;
    const uint8_t *at = w->at;
    for (unsigned shift = 0; shift < 70; shift += 7) { /* 64 bits need at most 10 bytes */
        if (at == w->end) {
            return stele_wire__problem(w, "cut off inside a varint");
        }
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            w->at = at;
            *ret = value;
            return STELE_OK;
        }
    }
    return stele_wire__problem(w, "a varint is over 64 bits");
}
