/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/serve_rig.h: the whole server of steled in this process, over mutual TLS, with one
 * region "eu" and one client that may everything there.
 */
#ifndef STELE_TESTS_FAULT_SERVE_RIG_H
#define STELE_TESTS_FAULT_SERVE_RIG_H

#include "tests/support/ingest_rig.h"
#include "tests/support/temp_folder.h"
#include "tools/serve.h"

struct serve_rig {
    struct ingest_rig ingest; /* its folder and target only: the server is the program's own */
    char data[TEMP_FOLDER_BYTES];
    struct stele_serve *serve;
    stele_report_fn report;
};

/* `report` is told what the program would log; NULL: nobody. ingest_rig_client(&rig->ingest,
 * "client") gives connections. */
void serve_rig_start(struct serve_rig *rig, stele_report_fn report);
/* Another server over the same data; connections of before are dead. */
void serve_rig_restart(struct serve_rig *rig);
void serve_rig_stop(struct serve_rig *rig);

#endif
