/* SPDX-License-Identifier: Apache-2.0 */
/* proto/rpc_wire.c: tags, varints and length-delimited fields. Source: protobuf's encoding
 * document. */
#include "proto/rpc_wire.h"

void stele_wire_put_integer(struct stele_writer *w, uint32_t number, uint64_t value) {
    if (value != 0) {
        stele_write_varint(w, (uint64_t)number << 3 | STELE_WIRE_VARINT);
        stele_write_varint(w, value);
    }
}

void stele_wire_put_bytes(struct stele_writer *w, uint32_t number, stele_view bytes) {
    stele_write_varint(w, (uint64_t)number << 3 | STELE_WIRE_BYTES);
    stele_write_varint(w, bytes.size);
    stele_write_view(w, bytes);
}

bool stele_wire_next_bytes(struct stele_wire *wire, uint32_t number, stele_view *ret) {
    struct stele_wire_record record;
    while (!stele_wire_at_end(wire) && stele_wire_next(wire, &record) == STELE_OK) {
        if (record.number == number && record.type == STELE_WIRE_BYTES) {
            *ret = record.bytes;
            return true;
        }
    }
    return false;
}
