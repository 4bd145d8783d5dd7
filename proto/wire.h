/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/wire.h: protobuf's wire format, read in place. Layer: proto. Pure, no allocation.
 *
 * A record is a tag and its value. Every record is one a parser of any language reads the same way:
 * groups and reserved wire types, field number 0, numbers over 2^29 - 1, varints over 64 bits and
 * lengths past the end are refused. Varints need not be minimal: protobuf does not ask for it, and
 * the bytes are kept as they came.
 */
#ifndef STELE_PROTO_WIRE_H
#define STELE_PROTO_WIRE_H

#include <string.h>

#include "storage/bytes.h"

typedef enum stele_wire_type {
    STELE_WIRE_VARINT = 0,
    STELE_WIRE_FIXED64 = 1,
    STELE_WIRE_BYTES = 2,
    STELE_WIRE_FIXED32 = 5,
} stele_wire_type;

struct stele_wire {
    const uint8_t *at;
    const uint8_t *end;
    const char *problem; /* static; why the last stele_wire_next failed */
};

struct stele_wire_record {
    uint32_t number;
    uint32_t type;    /* a stele_wire_type */
    uint64_t value;   /* of VARINT, FIXED64, FIXED32 */
    stele_view bytes; /* of BYTES; borrows the input */
};

static inline struct stele_wire stele_wire_of(stele_view bytes) {
    static const uint8_t nothing[1];
    const uint8_t *start = bytes.data == NULL ? nothing : bytes.data;
    return (struct stele_wire){start, start + bytes.size, NULL};
}

static inline bool stele_wire_at_end(const struct stele_wire *w) {
    return w->at == w->end;
}

/* Varints of three and more bytes. */
STELE_MUST_USE stele_status stele_wire__varint_long(struct stele_wire *w, uint64_t *ret);

STELE_MUST_USE static inline stele_status stele_wire__problem(struct stele_wire *w,
                                                              const char *problem) {
    w->problem = problem;
    return STELE_INVALID;
}

/* Only copies have their address taken, so that the reader and its record stay in registers. Nor
 * may one copy of the function be shared: gcc does so across files, and an event costs more. */
#define STELE_WIRE__INLINE __attribute__((always_inline)) static inline

STELE_MUST_USE STELE_WIRE__INLINE stele_status stele_wire_varint(struct stele_wire *w,
                                                                 uint64_t *ret) {
    if (w->at != w->end && w->at[0] < 0x80) {
        /* `at` is never NULL (stele_wire_of); the analyser loses that in loops over records. */
        *ret = *w->at++; /* NOLINT(clang-analyzer-core.NullDereference) */
        return STELE_OK;
    }
    if (w->end - w->at >= 2 && w->at[1] < 0x80) {
        *ret = (uint64_t)(w->at[0] & 0x7f) | (uint64_t)w->at[1] << 7;
        w->at += 2;
        return STELE_OK;
    }
    struct stele_wire copy = *w;
    uint64_t value = 0;
    stele_status st = stele_wire__varint_long(&copy, &value);
    *w = copy;
    *ret = value;
    return st;
}

/* Little-endian on the wire. */
static inline uint64_t stele_wire__le32(const uint8_t *at) {
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
}

STELE_MUST_USE STELE_WIRE__INLINE stele_status stele_wire__fixed(struct stele_wire *w, size_t size,
                                                                 uint64_t *ret) {
    if ((size_t)(w->end - w->at) < size) {
        return stele_wire__problem(w, "cut off inside a fixed-size number");
    }
    *ret = size == 4 ? stele_wire__le32(w->at)
                     : stele_wire__le32(w->at) | stele_wire__le32(w->at + 4) << 32;
    w->at += size;
    return STELE_OK;
}

/*
 * The next record; the caller has checked that the input is not at its end. Errors: INVALID with
 * w->problem set and no text: the caller knows the path and writes the message.
 */
STELE_MUST_USE STELE_WIRE__INLINE stele_status stele_wire_next(struct stele_wire *w,
                                                               struct stele_wire_record *ret) {
    uint64_t tag = 0;
    stele_status st = stele_wire_varint(w, &tag);
    if (st != STELE_OK) {
        return st;
    }
    if (tag < 8 || tag > UINT32_MAX) {
        return stele_wire__problem(w, "a field number is 0 or over 536,870,911");
    }
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (uint32_t)(tag & 7);
    switch (ret->type) {
    case STELE_WIRE_VARINT:
        return stele_wire_varint(w, &ret->value);
    case STELE_WIRE_FIXED64:
        return stele_wire__fixed(w, 8, &ret->value);
    case STELE_WIRE_FIXED32:
        return stele_wire__fixed(w, 4, &ret->value);
    case STELE_WIRE_BYTES: {
        uint64_t size = 0;
        st = stele_wire_varint(w, &size);
        if (st != STELE_OK) {
            return st;
        }
        if (size > (uint64_t)(w->end - w->at)) {
            return stele_wire__problem(w, "a length reaches past the end");
        }
        ret->bytes = (stele_view){w->at, (size_t)size};
        w->at += size;
        return STELE_OK;
    }
    default:
        return stele_wire__problem(w, "wire type 3, 4, 6 or 7; groups are not part of the format");
    }
}

static inline int64_t stele_wire_unzigzag(uint64_t value) {
    uint64_t plain = (value >> 1) ^ (UINT64_C(0) - (value & 1));
    int64_t signed_value = 0;
    memcpy(&signed_value, &plain, sizeof signed_value);
    return signed_value;
}

static inline double stele_wire_double(uint64_t bits) {
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
