/* SPDX-License-Identifier: Apache-2.0 */
/* storage/boundaries.c: the ends of an INDEX entry's segments, each as its distance from the one
 * before. */
#include "storage/boundaries.h"

#include <assert.h>
#include <inttypes.h>

#include "storage/descriptor.h"

stele_status stele_boundaries_write(const uint64_t *hi, size_t n, stele_buf *out, stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        assert(hi[i] > before);
        stele_write_varint(&w, hi[i] - before);
        before = hi[i];
    }
    return stele_writer_end(&w, err);
}

stele_status stele_boundaries_read(stele_view body, const struct stele_entry_index *index,
                                   uint64_t *ret_hi, stele_err *err) {
    struct stele_reader r = stele_reader_of(body, "boundary list");
    stele_status st = STELE_OK;
    uint64_t end = 0;
    if (index->n_segments > STELE_DESCRIPTORS_MAX) {
        return STELE_FAIL(err, INVALID, "an INDEX of %" PRIu32 " segments; at most %d are read",
                          index->n_segments, STELE_DESCRIPTORS_MAX);
    }
    for (uint32_t i = 0; i < index->n_segments; i++) {
        uint64_t more = 0;
        STELE_TRY(stele_read_varint(&r, &more, err));
        if (more == 0 || more > index->covered - end) {
            return STELE_FAIL(err, INVALID,
                              "boundary list: segment %" PRIu32
                              " is empty or ends beyond entry %" PRIu64,
                              i, index->covered);
        }
        end += more;
        if (ret_hi != NULL) {
            ret_hi[i] = end;
        }
    }
    STELE_TRY(stele_reader_end(&r, err));
    if (end != index->covered) {
        STELE_TRY(STELE_FAIL(err, INVALID,
                             "boundary list: it ends at %" PRIu64 ", the INDEX covers %" PRIu64,
                             end, index->covered));
    }
cleanup:
    return st;
}
