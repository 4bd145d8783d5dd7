/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/rpc_wire.h: writing protobuf fields, beside proto/wire.h, which reads them. Layer: proto.
 *
 * For the few foreign messages that are made by hand (google.rpc.Status, health, reflection), so
 * that neither a copy of their schema nor a tree of allocated objects is needed. Threads: any.
 */
#ifndef STELE_PROTO_RPC_WIRE_H
#define STELE_PROTO_RPC_WIRE_H

#include "proto/wire.h"
#include "storage/cursor.h"

/* A zero is left out, as every proto3 encoder does. */
void stele_wire_put_integer(struct stele_writer *w, uint32_t number, uint64_t value);
void stele_wire_put_bytes(struct stele_writer *w, uint32_t number, stele_view bytes);

/* The next field `number` of wire type BYTES. False at the end, and where the bytes do not parse.
 */
bool stele_wire_next_bytes(struct stele_wire *wire, uint32_t number, stele_view *ret);

#endif
