/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_wire.h: walking over one repeated field, on top of proto/wire.h. Layer: proto. For the
 * foreign messages that are read by hand: google.rpc.Status, file descriptors, reflection. Threads:
 * any.
 */
#ifndef STELE_PROTO_RPC_WIRE_H
#define STELE_PROTO_RPC_WIRE_H

#include "proto/wire.h"

/* The next field `number` of wire type BYTES. False at the end, and where the bytes do not parse.
 */
static inline bool stele_wire_next_bytes(struct stele_wire *wire, uint32_t number,
                                         stele_view *ret) {
    struct stele_wire_record record = {0};
    while (!stele_wire_at_end(wire) && stele_wire_next(wire, &record) == STELE_OK) {
        if (record.number == number && record.type == STELE_WIRE_BYTES) {
            *ret = record.bytes;
            return true;
        }
    }
    return false;
}

#endif
