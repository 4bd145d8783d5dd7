/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/wire_out.h: protobuf's wire format, written straight down. Layer: proto. Pure.
 *
 * The counterpart of proto/wire.h for messages written by hand. A proto3 field at its default
 * (zero, empty) is left out, as every encoder does; lengths and numbers take their minimal form.
 * The writer is sticky: after a failed write it does nothing, and stele_wire_out_done says so, so
 * that a message is written without a check per field. Field numbers are the caller's own, below
 * 2^29.
 */
#ifndef STELE_PROTO_WIRE_OUT_H
#define STELE_PROTO_WIRE_OUT_H

#include "storage/bytes.h"

struct stele_wire_out {
    stele_buf *buf; /* appended to; borrowed */
    bool failed;
};

struct stele_wire_out stele_wire_out_to(stele_buf *buf);
void stele_wire_out_uint(struct stele_wire_out *w, uint32_t number, uint64_t value);
/* A sint64 of a oneof: written also when it is 0, because a oneof's member that is left out is not
 * set.
 */
void stele_wire_out_sint_member(struct stele_wire_out *w, uint32_t number, int64_t value);
void stele_wire_out_fixed64(struct stele_wire_out *w, uint32_t number, uint64_t value);
void stele_wire_out_bytes(struct stele_wire_out *w, uint32_t number, stele_view bytes);
/* Bytes that are written also when they are empty: elements of repeated fields, members of a oneof.
 */
void stele_wire_out_element(struct stele_wire_out *w, uint32_t number, stele_view bytes);
/* A message: begin, its fields, end with what begin gave. Messages nest. */
size_t stele_wire_out_begin(struct stele_wire_out *w, uint32_t number);
void stele_wire_out_end(struct stele_wire_out *w, size_t mark);
/* Errors: NO_MEMORY: a write failed; the buffer is cut back to `size_before`. */
STELE_MUST_USE stele_status stele_wire_out_done(struct stele_wire_out *w, size_t size_before,
                                                stele_err *err);

/* Bytes a varint takes. */
static inline size_t stele_wire_out_varint_bytes(uint64_t value) {
    size_t n = 1;
    while (value >= 0x80) {
        value >>= 7;
        n++;
    }
    return n;
}

#endif
