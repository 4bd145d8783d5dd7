/* SPDX-License-Identifier: Apache-2.0 */
/* tools/regions.h: opens the stores a steled.conf describes. Layer: tools. Used by steled, init and
 * fsck. */
#ifndef STELE_TOOLS_REGIONS_H
#define STELE_TOOLS_REGIONS_H

#include "storage/store.h"
#include "tools/config.h"

struct stele_regions {
    size_t n;
    struct stele_store **store; /* in the order of the configuration */
};
struct stele_regions_options {
    bool create;
    bool read_only;
    bool any_key_order;           /* of index segments, as stele_store_config has it: audit */
    const stele_view *not_before; /* as stele_not_before_read gives them */
    size_t n_not_before;
    stele_report_fn report;
    void *report_ctx;
    stele_clock_fn clock; /* NULL: the wall clock; only bench gives another */
    void *clock_ctx;
};
/* Opens every region's store at <data>/<region>. On failure none stays open. */
STELE_MUST_USE stele_status stele_regions_open(const struct stele_server_config *config,
                                               const struct stele_regions_options *options,
                                               struct stele_regions *ret, stele_err *err);
void stele_regions_close(struct stele_regions *regions);

#endif
