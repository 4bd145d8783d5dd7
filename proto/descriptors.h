/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/descriptors.h: every .proto file this server speaks, compiled in. Layer: proto.
 *
 * The bytes are a serialized google.protobuf.FileDescriptorSet made by protoc from proto/ at build
 * time (proto/embed.cmake), imports first. Reflection serves them; nothing else depends on them.
 */
#ifndef STELE_PROTO_DESCRIPTORS_H
#define STELE_PROTO_DESCRIPTORS_H

#include "storage/bytes.h"

stele_view stele_descriptor_set(void); /* static */

#endif
