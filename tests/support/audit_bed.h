/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/audit_bed.h: a store whose log 3y is audited, honest until a test makes it lie. */
#ifndef STELE_TESTS_SUPPORT_AUDIT_BED_H
#define STELE_TESTS_SUPPORT_AUDIT_BED_H

#include "storage/audit_log.h"
#include "tests/support/malicious_store.h"
#include "tests/support/rng.h"
#include "tests/support/store_fixture.h"

#define DAY_US UINT64_C(86400000000)
/* Blocks so small that nearly all of a log leaves memory. */
#define SMALL_BLOCK_SHIFT 8u

struct audit_bed {
    struct fixture f;
    struct rng rng;
};

void audit_bed_start(struct audit_bed *bed, const char *test);
/* One segment of 256 entries in its index, and a tail. */
void audit_bed_start_small(struct audit_bed *bed, const char *test);
struct stele_log *audit_bed_log_of(struct audit_bed *bed);
void audit_bed_append(struct audit_bed *bed, size_t n);
/* Some events, and now and then a disturbance. */
void audit_bed_live(struct audit_bed *bed);
void audit_bed_seal(struct audit_bed *bed);
void audit_bed_sign(struct audit_bed *bed); /* a checkpoint of everything */
/* The k-th tag of the first event from `from` on. */
struct malicious_posting audit_bed_posting_of(struct audit_bed *bed, uint64_t from, size_t k);

/* The caller frees the report. */
void audit_bed_audit_as(struct audit_bed *bed, const struct stele_audit_options *options,
                        struct stele_audit_report *ret);
/* Of everything, signed first; small blocks say the same. */
void audit_bed_audit(struct audit_bed *bed, uint64_t sample, struct stele_audit_report *ret);
void audit_bed_assert_same(const struct stele_audit_report *a, const struct stele_audit_report *b);
/* The proof holds by this log's key, and proves nothing against another log of the operator. */
void audit_bed_check_proof(struct audit_bed *bed, const struct stele_audit_report *report,
                           stele_fraud_kind kind);
/* Seals, audits, and finds an INDEX that is wrong in that way; so does a sample of everything. */
void audit_bed_check_found(struct audit_bed *bed, stele_fraud_kind kind);

#endif
