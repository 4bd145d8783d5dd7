/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/wire_read.h: a small request read into a plain struct by a table of its members. Layer:
 * proto. Pure, no allocation: texts borrow the message.
 *
 * Stricter than protobuf asks for, because a request is a question: a member this version does not
 * know is refused (left out, it would make the answer to another question), and so is a singular
 * member that stands twice. Texts are UTF-8 without control characters, and keep their length: a
 * NUL inside ends nothing.
 */
#ifndef STELE_PROTO_WIRE_READ_H
#define STELE_PROTO_WIRE_READ_H

#include "storage/bytes.h"

#define STELE_WIRE_LIST_MAX 64   /* texts of a repeated member: the logs of a region are no more */
#define STELE_WIRE_MEMBER_MAX 31 /* greatest member number of such a table */

struct stele_wire_list {
    size_t n;
    stele_view item[STELE_WIRE_LIST_MAX];
};
/* A name with a number: the sizes of logs that somebody remembers. */
struct stele_wire_size {
    stele_view name;
    uint64_t size;
};
struct stele_wire_sizes {
    size_t n;
    struct stele_wire_size item[STELE_WIRE_LIST_MAX];
};

typedef enum stele_wire_kind {
    STELE_WIRE_TEXT,    /* string into stele_view */
    STELE_WIRE_TEXTS,   /* repeated string into struct stele_wire_list */
    STELE_WIRE_NUMBER,  /* uint32, uint64 and enums into uint64_t */
    STELE_WIRE_TIME,    /* fixed64 into uint64_t */
    STELE_WIRE_FLAG,    /* bool into bool */
    STELE_WIRE_MESSAGE, /* into the struct that `sub` describes, which stands inside this one */
    STELE_WIRE_SIZES,   /* repeated message into struct stele_wire_sizes; `sub` describes one */
} stele_wire_kind;

struct stele_wire_member {
    uint32_t number;
    stele_wire_kind kind;
    size_t offset; /* of the target in the struct */
    const char *name;
    const struct stele_wire_form *sub; /* MESSAGE and SIZES only */
};
struct stele_wire_form {
    const char *name; /* how messages call it: "search request" */
    const struct stele_wire_member *member;
    size_t n_members;
};

/* Reads `message` into *ret, whose members were set to their defaults (zeros) by the caller.
 * Errors: INVALID (wire format, UTF-8, a member twice), LIMIT (over 64 of a repeated one),
 * UNSUPPORTED (unknown member). */
STELE_MUST_USE stele_status stele_wire_read(const struct stele_wire_form *form, stele_view message,
                                            void *ret, stele_err *err);

#endif
