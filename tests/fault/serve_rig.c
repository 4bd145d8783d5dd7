/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/serve_rig.c: see the header. */
#include "tests/fault/serve_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cmocka.h"

static uint64_t now_us(void *ctx) {
    (void)ctx;
    return RIG_NOW_US;
}

/* The paths below are of the rig that was started last: there is one a process. */
static char path[3][128];

static void start(struct serve_rig *rig) {
    static char any[] = "*";
    static char append[] = "append";
    static char query[] = "query";
    static char *every[] = {any};
    static char read_log[] = "read_log";
    static char *may[] = {append, query, read_log};
    static struct stele_config_log logs[] = {{.name = "system", .retention_years = 7},
                                             {.name = "3y", .retention_years = 3},
                                             {.name = "1y", .retention_years = 1}};
    static struct stele_config_region region = {.name = "eu", .logs = logs, .logs_count = 3};
    static struct stele_config_client client = {.peer = "san:spiffe://test/exporter",
                                                .regions = every,
                                                .regions_count = 1,
                                                .tenants = every,
                                                .tenants_count = 1,
                                                .may = may,
                                                .may_count = 3};
    static struct stele_config_tls tls = {path[0], path[1], path[2]};
    static struct stele_server_config config = {.listen = "127.0.0.1:0",
                                                .operator_domain = "example.org",
                                                .tls = &tls,
                                                .default_retention_years = 3,
                                                .checkpoint_interval_ms = 50,
                                                .regions = &region,
                                                .regions_count = 1,
                                                .clients = &client,
                                                .clients_count = 1};
    const struct stele_regions_options options = {
        .create = true, .clock = now_us, .report = rig->report};
    stele_err err;
    config.data = rig->data;
    if (stele_serve_start(&config, &options, &rig->serve, &err) != STELE_OK) {
        fail_msg("server: %s (%s)", err.text, err.where);
    }
    (void)snprintf(rig->ingest.target, sizeof rig->ingest.target, "%s",
                   stele_serve_address(rig->serve));
}

void serve_rig_start(struct serve_rig *rig, stele_report_fn report) {
    char command[256];
    char *folder = rig->ingest.folder;
    temp_folder_make(folder);
    rig->report = report;
    (void)snprintf(rig->data, sizeof rig->data, "%.50s/data", folder);
    (void)snprintf(path[0], sizeof path[0], "%s/server.pem", folder);
    (void)snprintf(path[1], sizeof path[1], "%s/server.key", folder);
    (void)snprintf(path[2], sizeof path[2], "%s/ca.pem", folder);
    (void)snprintf(command, sizeof command,
                   "mkdir '%s' && sh '%s/tests/support/certificates.sh' '%s'", rig->data,
                   STELE_SOURCE_DIR, folder);
    assert_int_equal(system(command), 0);
    start(rig);
}

void serve_rig_restart(struct serve_rig *rig) {
    stele_serve_stop(rig->serve);
    start(rig);
}

void serve_rig_stop(struct serve_rig *rig) {
    stele_serve_stop(rig->serve);
    temp_folder_remove(rig->ingest.folder);
}
