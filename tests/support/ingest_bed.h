/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/ingest_bed.h: the ingest service over two real stores, "eu" and "us", with mutual
 * TLS, a fixed clock, and what was stored read back from the logs.
 */
#ifndef STELE_TESTS_SUPPORT_INGEST_BED_H
#define STELE_TESTS_SUPPORT_INGEST_BED_H

#include "storage/log.h"
#include "tests/support/ingest_rig.h"

struct ingest_bed {
    char folder[2][64];
    struct stele_store *store[2]; /* eu, us; logs 1y, 3y and system */
    struct ingest_rig rig;
    struct stele_rpc_client *client; /* as "client" */
};
extern struct ingest_bed bed;

/* cmocka's: a new bed for each test. */
int ingest_bed_setup(void **state);
int ingest_bed_teardown(void **state);
void ingest_bed_restart(void); /* the server and both stores */
/* A store of the same kind in a folder of the test's own. `engine` is taken over; NULL: RocksDB. */
struct stele_store *ingest_bed_open_store(const char *dir, const char *region,
                                          struct stele_engine *engine);

/* The events of a log, in order. */
#define BED_EVENTS_MAX 2000
struct bed_log {
    size_t n;
    stele_buf payload[BED_EVENTS_MAX];
    uint64_t seq[BED_EVENTS_MAX];
};
struct bed_log *bed_log_read(size_t region, const char *name);
void bed_log_free(struct bed_log *stored);
size_t bed_log_count(size_t region, const char *name);

/* Fails the test, showing the text, if `word` is not in it. */
void expect_word(stele_view text, const char *word);

#endif
