/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/frame.h: up to 16 payloads sealed together, the unit in which events are compressed,
 * stored and read. Layer: storage. Format: FORMAT.md, "Frame". Sealed once, in the submitter's
 * thread; records and packs carry the same bytes.
 *
 * Inside: the seed from which the payloads' salts come, their lengths, the payloads. The seed is
 * nowhere else, so that disposing of a frame leaves commitments that nobody can guess payloads
 * against.
 */
#ifndef STELE_STORAGE_FRAME_H
#define STELE_STORAGE_FRAME_H

#include "storage/compress.h"
#include "storage/hash.h"
#include "storage/tag.h"

#define STELE_FRAME_EVENTS_MAX 16
/* Both: zstd with dictionary 1. Only the second is written. */
#define STELE_FRAME_CODEC_WHOLE 1
#define STELE_FRAME_CODEC_APART 2 /* opaque bytes are apart, and the item has a digest */
/* What is compressed, at the most: the seed, and 16 payloads of 64 KiB with 3-byte lengths, the
 * numbers of their opaque ranges, and two numbers for each of 256 of those. */
#define STELE_FRAME_RAW_MAX                                                                        \
    (STELE_SEED_BYTES + STELE_FRAME_EVENTS_MAX * (STELE_PAYLOAD_BYTES_MAX + 3 + 2) + 256 * (3 + 3))

struct stele_frame_event {
    stele_view payload;
    const stele_view *opaque; /* as in its facts: parts of the payload, in their order */
    size_t n_opaque;
};
struct stele_frame_content {
    uint8_t seed[STELE_SEED_BYTES];
    uint8_t n;
    stele_view payload[STELE_FRAME_EVENTS_MAX]; /* borrow the raw buffer */
};

/* Appends the sealed bytes, of codec APART. n is 1..16 (asserted). */
STELE_MUST_USE stele_status stele_frame_seal(struct stele_compressor *c,
                                             const uint8_t seed[STELE_AT_LEAST(32)],
                                             const struct stele_frame_event *event, uint8_t n,
                                             stele_buf *out, uint32_t *ret_raw_bytes,
                                             stele_err *err);
/* Replaces `raw`. Errors: CORRUPT. */
STELE_MUST_USE stele_status stele_frame_open(struct stele_compressor *c, uint8_t codec,
                                             stele_view sealed, uint32_t raw_bytes, uint8_t n,
                                             stele_buf *raw, struct stele_frame_content *ret,
                                             stele_err *err);

#endif
