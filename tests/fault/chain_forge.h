/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/chain_forge.h: the record chain of a log, taken out of a closed store, changed by who
 * has no signing key but can compute every hash again, and put into a store in memory that has the
 * first one's keys.
 */
#ifndef STELE_TESTS_FAULT_CHAIN_FORGE_H
#define STELE_TESTS_FAULT_CHAIN_FORGE_H

#include "storage/record.h"
#include "tests/support/store_fixture.h"

#define FORGE_RECORDS_MAX 64

struct forge_chain {
    char log[STELE_LOG_NAME_MAX + 1];
    size_t n;
    struct forge_record {
        struct stele_record head; /* its body borrows `body` */
        stele_buf body;
        bool keeps_link, keeps_pos; /* as they are in head, instead of those that fit */
    } record[FORGE_RECORDS_MAX];
};

/* All chains of the fixture's closed store. Fails the test if one has packs or too many records. */
void forge_take(struct fixture *f, struct forge_chain chain[3]);
/* A store in memory with these chains, each record with its hash, and with the link and the
 * position that fit unless it keeps its own. The fixture's next opening uses it. */
void forge_put(struct fixture *f, const struct forge_chain chain[3]);
void forge_drop_record(struct forge_chain *chain, size_t i);
void forge_done(struct forge_chain chain[3]);

#endif
