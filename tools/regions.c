/* SPDX-License-Identifier: Apache-2.0 */
/* tools/regions.c: from configuration to open stores. */
#include "tools/regions.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/event_map.h"
#include "storage/bytes.h"
#include "storage/checkpoint.h"

/* The notes whose origin is "<domain>/<region>/...". */
static stele_status notes_of(const struct stele_server_config *config, const char *region,
                             const struct stele_regions_options *options, stele_view *ret,
                             size_t *ret_n, stele_err *err) {
    stele_buf prefix = STELE_BUF_EMPTY;
    stele_status st = stele_buf_printf(&prefix, err, "%s/%s/", config->operator_domain, region);
    *ret_n = 0;
    for (size_t i = 0; st == STELE_OK && i < options->n_not_before; i++) {
        stele_view note = options->not_before[i];
        if (note.size > prefix.size && memcmp(note.data, prefix.data, prefix.size) == 0) {
            ret[(*ret_n)++] = note;
        }
    }
    stele_buf_done(&prefix);
    return st;
}

static stele_status open_region(const struct stele_server_config *config,
                                const struct stele_config_region *region,
                                const struct stele_regions_options *options,
                                struct stele_store **ret, stele_err *err) {
    struct stele_log_config logs[STELE_LOGS_MAX];
    stele_buf dir = STELE_BUF_EMPTY;
    stele_view *notes = NULL;
    size_t n_notes = 0;
    stele_status st = STELE_OK;
    for (unsigned i = 0; i < region->logs_count; i++) {
        const struct stele_config_log *log = &region->logs[i];
        logs[i] = (struct stele_log_config){.name = log->name,
                                            .retention_years = log->retention_years,
                                            .tenants = (const char *const *)log->tenants,
                                            .n_tenants = log->tenants_count};
    }
    notes = stele_alloc(options->n_not_before, sizeof *notes);
    if (notes == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %zu checkpoints", options->n_not_before);
    }
    STELE_TRY(notes_of(config, region->name, options, notes, &n_notes, err));
    STELE_TRY(stele_buf_printf(&dir, err, "%s/%s%c", config->data, region->name, '\0'));
    if (options->create && mkdir((const char *)dir.data, 0700) != 0 && errno != EEXIST) {
        STELE_TRY(
            STELE_FAIL_ERRNO(err, errno, "cannot make the folder '%s'", (const char *)dir.data));
    }
    struct stele_store_config store = {.dir = (const char *)dir.data,
                                       .region = region->name,
                                       .operator_domain = config->operator_domain,
                                       .logs = logs,
                                       .n_logs = region->logs_count,
                                       .map = stele_event_map_current(),
                                       .clock = options->clock,
                                       .clock_ctx = options->clock_ctx,
                                       .create = options->create,
                                       .read_only = options->read_only,
                                       .any_key_order = options->any_key_order,
                                       .not_before = notes,
                                       .n_not_before = n_notes,
                                       .checkpoint_interval_ms = config->checkpoint_interval_ms,
                                       .index_interval_ms = config->index_interval_ms,
                                       .report = options->report,
                                       .report_ctx = options->report_ctx};
    STELE_TRY(stele_store_open(&store, ret, err));
cleanup:
    stele_free(notes);
    stele_buf_done(&dir);
    return st;
}

stele_status stele_regions_open(const struct stele_server_config *config,
                                const struct stele_regions_options *options,
                                struct stele_regions *ret, stele_err *err) {
    struct stele_regions regions = {
        .store = stele_alloc(config->regions_count, sizeof(struct stele_store *))};
    stele_status st = STELE_OK;
    if (regions.store == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for %u regions", config->regions_count);
    }
    for (unsigned i = 0; i < config->regions_count; i++) {
        STELE_TRY(open_region(config, &config->regions[i], options, &regions.store[i], err));
        regions.n++;
    }
    *ret = regions;
    return STELE_OK;
cleanup:
    stele_regions_close(&regions);
    return st;
}

void stele_regions_close(struct stele_regions *regions) {
    for (size_t i = 0; i < regions->n; i++) {
        stele_store_close(regions->store[i]);
    }
    stele_free(regions->store);
    *regions = (struct stele_regions){0};
}
