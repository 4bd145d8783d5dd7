/* SPDX-License-Identifier: Apache-2.0 */
/* storage/open_item.c: read, check, decompress. */
#include "storage/open_item.h"

#include <inttypes.h>

#include "storage/monotonic.h"

void stele_open_item_done(struct stele_open_item *opened) {
    stele_buf_done(&opened->raw);
}

stele_status stele_open_item_read(struct stele_open_item *opened, const struct stele_log_view *view,
                                  struct stele_unit_cursor *cursor, uint64_t seq, stele_err *err) {
    const struct stele_unit *unit = stele_catalog_unit_of(view->catalog, seq);
    struct stele_item *item = &opened->item;
    struct stele_compressor *compressor = NULL;
    stele_status st = STELE_OK;
    if (unit == NULL) {
        return STELE_FAIL(err, CORRUPT, "log %s: entry %" PRIu64 " is in no unit",
                          view->log->full_name, seq);
    }
    STELE_TRY(stele_unit_cursor_enter(cursor, unit, err));
    uint64_t start_us = stele_monotonic_us();
    STELE_TRY(stele_unit_item(cursor, seq, item, err));
    opened->took_us = stele_monotonic_us() - start_us;
    opened->unit = unit;
    if (item->kind == STELE_ITEM_FRAME) {
        STELE_TRY(unit->pack != NULL ? stele_item_check(item, view->log->full_name, err)
                                     : STELE_OK);
        STELE_TRY(stele_compressor_mine(&compressor, err));
        STELE_TRY(stele_frame_open(compressor, item->codec, item->sealed, item->raw_bytes, item->n,
                                   &opened->raw, &opened->content, err));
    }
cleanup:
    return st;
}
