/* SPDX-License-Identifier: Apache-2.0 */
/* storage/pack_format.h: the fixed sizes of a pack's blobs, shared by its writer and reader alone.
 */
#ifndef STELE_STORAGE_PACK_FORMAT_H
#define STELE_STORAGE_PACK_FORMAT_H

#define PACK_HEAD_MAGIC "STELPACK"
#define PACK_FOOT_MAGIC "STELPEND"
#define HASH_FOOT_MAGIC "STELHASH"
#define KSEED_FOOT_MAGIC "STELKSED"
#define MAGIC_BYTES 8
#define PACK_HEAD_BYTES 64
#define PACK_DIR_ENTRY_BYTES 12 /* u32 first_seq - lo, u64 offset */
#define PACK_FOOT_FIELDS_BYTES 32
#define PACK_FOOT_BYTES (PACK_FOOT_FIELDS_BYTES + 32 + MAGIC_BYTES)
#define SIDE_FOOT_FIELDS_BYTES 24 /* u64 lo, u64 hi, u32 count, u32 0 */
#define SIDE_FOOT_BYTES (SIDE_FOOT_FIELDS_BYTES + 32 + MAGIC_BYTES)
#define KSEED_ENTRY_BYTES 36 /* u32 first_seq - lo, keys seed */

#endif
