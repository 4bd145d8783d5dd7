/* SPDX-License-Identifier: Apache-2.0 */
/* tools/audit_tiles.h: a tiles folder and what `stele tiles --replay` wrote beside it, as the
 * source of an audit. Layer: tools. No server and no data folder is asked. */
#ifndef STELE_TOOLS_AUDIT_TILES_H
#define STELE_TOOLS_AUDIT_TILES_H

#include "storage/audit_run.h"
#include "storage/replay_bundle.h"
#include "tools/tile_nodes.h"

struct stele_audit_tiles_names {
    const char *folder, *replay_folder;
    const char *keys; /* a file of vkeys that has the log's */
};
struct stele_audit_tiles {
    const char *folder, *replay_folder; /* borrowed */
    stele_buf entries, replay, note;
    struct stele_tile_nodes nodes;
    struct stele_vkey *keys;
    size_t n_keys;
    uint64_t bundle; /* which one is open, if n > 0 */
    size_t n;
    struct stele_audit_entry given[STELE_TILE_WIDTH];
    struct stele_audit_source source; /* borrows this */
};
/* Errors: INVALID (no such files), UNVERIFIED. The caller closes it also after a failure. */
STELE_MUST_USE stele_status stele_audit_tiles_open(const struct stele_audit_tiles_names *names,
                                                   struct stele_audit_tiles *ret, stele_err *err);
void stele_audit_tiles_close(struct stele_audit_tiles *tiles);

#endif
