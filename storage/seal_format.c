/* SPDX-License-Identifier: Apache-2.0 */
/* storage/seal_format.c: header, footer and checksums of a seal, and the sizes its counts give. */
#include "storage/seal_format.h"

#include <inttypes.h>

#include "storage/cursor.h"

#define FOOTER_SUM_AT (STELE_SEAL__FOOTER_BYTES - STELE_HASH_BYTES)
#define UPPER_LEVEL (STELE_SEAL__CHUNK_SHIFT + STELE_SEAL__GROUP_SHIFT)

static const uint8_t magic[8] = {'S', 'T', 'E', 'L', 'S', 'E', 'A', 'L'};

void stele_seal__sum(enum stele_seal__sum_kind kind, uint64_t number, stele_view bytes,
                     uint8_t out[STELE_AT_LEAST(32)]) {
    /* Begins as a segment's checksums do, and goes on otherwise: neither passes for the other. */
    uint8_t head[24] = "stele seal\n\0";
    head[15] = (uint8_t)kind;
    stele_put_u64(head + 16, number);
    struct stele_sha256 h;
    stele_sha256_init(&h);
    stele_sha256_update(&h, stele_view_of(head, sizeof head));
    stele_sha256_update(&h, bytes);
    stele_sha256_final(&h, out);
}

void stele_seal__put_header(uint8_t out[STELE_AT_LEAST(STELE_SEAL__HEADER_BYTES)]) {
    memcpy(out, magic, sizeof magic);
    stele_put_u16(out + 8, STELE_SEAL__VERSION);
    stele_put_u16(out + 10, 0); /* flags */
    stele_put_u32(out + 12, STELE_SEAL__CHUNK_KEYS);
}

uint64_t stele_seal__n_chunks(uint64_t n_keys) {
    return (n_keys >> STELE_SEAL__CHUNK_SHIFT) + ((n_keys & (STELE_SEAL__CHUNK_KEYS - 1)) != 0);
}

uint64_t stele_seal__n_upper(uint64_t n_keys, unsigned level) {
    uint64_t n = 0;
    for (unsigned l = UPPER_LEVEL; l < level && l < 64; l += STELE_SEAL__GROUP_SHIFT) {
        n += n_keys >> l;
    }
    return n;
}

uint64_t stele_seal__table_bytes(uint64_t n_keys, uint64_t n_blocks) {
    return stele_seal__n_chunks(n_keys) * STELE_SEAL__ROW_BYTES + n_blocks * 8 +
           stele_seal__n_upper(n_keys, 64) * STELE_HASH_BYTES;
}

void stele_seal__put_footer(const struct stele_seal__footer *footer,
                            uint8_t out[STELE_AT_LEAST(STELE_SEAL__FOOTER_BYTES)]) {
    stele_seal__put_header(out);
    stele_descriptor_encode(&footer->descriptor, out + 16);
    stele_put_u64(out + 160, footer->n_blocks);
    stele_put_u64(out + 168, footer->table_at);
    memcpy(out + 176, footer->segment_sum, STELE_HASH_BYTES);
    memcpy(out + 208, footer->table_sum, STELE_HASH_BYTES);
    stele_seal__sum(STELE_SEAL__SUM_FOOTER, 0, stele_view_of(out, FOOTER_SUM_AT),
                    out + FOOTER_SUM_AT);
}

stele_status stele_seal__get_footer(const uint8_t in[STELE_AT_LEAST(STELE_SEAL__FOOTER_BYTES)],
                                    uint64_t size_bytes, struct stele_seal__footer *ret,
                                    stele_err *err) {
    uint8_t sum[STELE_HASH_BYTES];
    uint8_t header[STELE_SEAL__HEADER_BYTES];
    struct stele_seal__footer f;
    stele_seal__sum(STELE_SEAL__SUM_FOOTER, 0, stele_view_of(in, FOOTER_SUM_AT), sum);
    if (memcmp(in, magic, sizeof magic) != 0 || memcmp(in + FOOTER_SUM_AT, sum, sizeof sum) != 0) {
        return STELE_FAIL(
            err, CORRUPT,
            "seal footer: magic or checksum does not hold in %" PRIu64
            " bytes; it is damaged, cut off or no seal: remove it, and it is made again",
            size_bytes);
    }
    stele_seal__put_header(header);
    if (memcmp(in, header, sizeof header) != 0) {
        return STELE_FAIL(
            err, UNSUPPORTED,
            "seal of version %u with flags %#x: only version %d without flags is known "
            "here; use a newer stele",
            stele_get_u16(in + 8), stele_get_u16(in + 10), STELE_SEAL__VERSION);
    }
    stele_status st =
        stele_descriptor_decode(stele_view_of(in + 16, STELE_DESCRIPTOR_BYTES), &f.descriptor, err);
    if (st != STELE_OK) {
        return stele_corrupt(st, err);
    }
    f.n_blocks = stele_get_u64(in + 160);
    f.table_at = stele_get_u64(in + 168);
    memcpy(f.segment_sum, in + 176, STELE_HASH_BYTES);
    memcpy(f.table_sum, in + 208, STELE_HASH_BYTES);
    uint64_t room =
        size_bytes - STELE_SEAL__FOOTER_BYTES; /* the caller has seen that it is larger */
    if (f.n_blocks > room / 8 || f.table_at < STELE_SEAL__HEADER_BYTES || f.table_at > room ||
        room - f.table_at != stele_seal__table_bytes(f.descriptor.info.n_keys, f.n_blocks)) {
        return STELE_FAIL(err, CORRUPT,
                          "seal footer: %" PRIu64 " keys, %" PRIu64
                          " blocks and a table at %" PRIu64 " do not add up to %" PRIu64
                          " bytes; remove the seal, and it is made again",
                          f.descriptor.info.n_keys, f.n_blocks, f.table_at, size_bytes);
    }
    *ret = f;
    return STELE_OK;
}
