/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/audit_run.h: the audit of one log wherever its entries come from: everything
 * storage/audit.h checks, the root against the newest signed checkpoint, and going on after a stop;
 * or a sample of it, which costs what it reads. Layer: storage. One thread.
 */
#ifndef STELE_STORAGE_AUDIT_RUN_H
#define STELE_STORAGE_AUDIT_RUN_H

#include "storage/audit.h"

/* Called now and then. */
typedef void (*stele_audit_progress_fn)(void *ctx, const char *log, uint64_t done, uint64_t total);

struct stele_audit_options {
    /* So many segments of the newest INDEX that is signed are made again, each as likely as
     * another; no entry outside them is read but single ones. 0: all of the log is replayed. */
    uint64_t sample;
    uint64_t seed;                    /* of the choice: nobody may know it before the log signed */
    stele_audit_progress_fn progress; /* may be NULL */
    uint64_t progress_every;          /* entries; 0: as often as an eye follows */
    bool (*stop)(void *ctx);          /* true: the audit ends with CLOSED; may be NULL */
    void *ctx;
    stele_view against; /* another checkpoint of this log, to compare with; empty: none */
    /* Of this log alone: it is kept, and an audit that was stopped, or killed, goes on there, also
     * with what the log has grown by. NULL: a temporary one. */
    const char *work;
    uint32_t save_ms;     /* progress is saved about so often; 0: wherever it can be, for tests */
    unsigned block_shift; /* see storage/audit_ranges.h; 0: as it should be */
};
#define STELE_AUDIT_SAVE_MS                                                                        \
    2000u /* what is lost of a killed audit, beside at most 2^16 entries                           \
           */

/* How far a sample went. */
struct stele_audit_sampled {
    uint64_t asked, seed;
    uint64_t index_seq;           /* the INDEX whose segments they are */
    uint64_t covered, n_segments; /* it covers so many entries; 0 segments: there is no INDEX */
    uint64_t n_made;              /* segments made again */
    uint64_t n_unknown;           /* of these, not by chance: the source has them no more */
    uint64_t n_single;            /* entries read for themselves, beside those replayed */
};
struct stele_audit_report {
    stele_audit_verdict
        verdict;              /* of the log's first entry that is wrong, or UNCHECKED, or HOLDS */
    uint64_t at;              /* that entry */
    char why[512];            /* what is wrong with it */
    uint64_t entries, events; /* replayed */
    uint64_t n_indexes, n_checked, n_wrong, n_unchecked; /* sample: of INDEX entries it met */
    bool is_sample;
    struct stele_audit_sampled sampled;
    uint64_t went_on_at; /* entries of an earlier audit that this one went on from; 0: none */
    bool has_checkpoint;
    struct stele_checkpoint checkpoint;     /* the newest one */
    bool root_differs;                      /* the entries do not have the root that it signs */
    bool has_against;                       /* another checkpoint was given: */
    uint64_t against_leaves;                /* of so many entries */
    bool against_compared, against_differs; /* its root with that of so many entries */
    stele_buf proof;    /* of one of the wrong INDEX entries, verified; empty if there is none */
    char no_proof[512]; /* why there is none, of the last one tried */
};
/* Where the entries come from. All borrowed. */
struct stele_audit_source {
    void *ctx;
    const char *log; /* for messages: "eu-central-1/3y" */
    const char *origin;
    uint64_t size_leaves; /* entries to replay */
    bool has_checkpoint;
    struct stele_checkpoint checkpoint; /* the newest one, checked with the log's key */
    const struct stele_vkey *keys;      /* the log's is among them */
    size_t n_keys;
    stele_view note; /* the newest checkpoint's; empty: there is none */
    /* The paths of its tree, for proofs; NULL: they are not at hand. */
    stele_tree_node_fn node;
    /* Entry seq and those that are at hand with it; they borrow the source until its next call. */
    stele_status (*read)(void *ctx, uint64_t seq, const struct stele_audit_entry **ret,
                         size_t *ret_n, stele_err *err);
    /* Whether the log still has the first entries that an earlier audit replayed, and whether the
     * checkpoint is of the same, where it is of fewer. Errors: UNVERIFIED, those of reading. */
    stele_status (*check)(void *ctx, uint64_t size_leaves, const uint8_t root[STELE_AT_LEAST(32)],
                          bool *ret_root_differs, stele_err *err);
    /* Appends the proof of what is wrong in the INDEX entry of the auditor's last call. Errors:
     * NOT_FOUND: none can be made from here; the text says why. */
    stele_status (*prove)(void *ctx, struct stele_auditor *auditor, const struct stele_entry *index,
                          stele_buf *out, stele_err *err);
    /* For a sample, which needs `node` too: as stele_replay_index, of entries below size_leaves and
     * the checkpoint's. */
    stele_status (*index)(void *ctx, uint64_t *ret_seq, stele_buf *descriptors, stele_err *err);
    /* What is read next is of entries [lo, hi); may be NULL. */
    void (*want)(void *ctx, uint64_t lo, uint64_t hi);
};
/* Fills in what a signed checkpoint says: itself, the log's origin and its size. `note` and `keys`
 * are borrowed. Errors: those of stele_checkpoint_open. */
STELE_MUST_USE stele_status stele_audit_source_sign(struct stele_audit_source *source,
                                                    stele_view note, const struct stele_vkey *keys,
                                                    size_t n_keys, stele_err *err);

/*
 * A wrong entry ends the replay: entries says how far it went. ret is the caller's, zeroed, and
 * wants _done also after a failure. Errors: those of the source, NO_MEMORY,
 * those of the work folder; CLOSED: it was stopped; INVALID: the work folder is not of this audit;
 * UNVERIFIED: the log is not the one whose beginning was replayed before. What the log has wrong is
 * in the report and no error.
 */
STELE_MUST_USE stele_status stele_audit_run(const struct stele_audit_source *source,
                                            const struct stele_audit_options *options,
                                            struct stele_audit_report *ret, stele_err *err);
void stele_audit_report_done(struct stele_audit_report *report);

/* ------------------------------------------------------------------ audit_blame_entry.c */
/* An entry that breaks the rules, and the one before it. */
struct stele_audit_wrong_entry {
    uint64_t seq;
    stele_view entry, before; /* before: empty for entry 0 */
};
/* Appends an ENTRY or ORDER proof, verified. Errors: NOT_FOUND: none can be made; the text says
 * why. */
STELE_MUST_USE stele_status stele_audit__blame_entry(const struct stele_audit_source *source,
                                                     const struct stele_audit_wrong_entry *wrong,
                                                     stele_buf *out, stele_err *err);
/* Appends a FORK proof of two checkpoints of one size, verified. Errors: NOT_FOUND. */
STELE_MUST_USE stele_status stele_audit__blame_fork(const struct stele_audit_source *source,
                                                    stele_view other, stele_buf *out,
                                                    stele_err *err);

/* ------------------------------------------------------------------ audit_report.c */
/* What a report of a full audit says so far, appended; and into a zeroed report. Errors: INVALID.
 */
STELE_MUST_USE stele_status stele_audit__write_report(const struct stele_audit_report *report,
                                                      stele_buf *out, stele_err *err);
STELE_MUST_USE stele_status stele_audit__read_report(stele_view bytes,
                                                     struct stele_audit_report *ret,
                                                     stele_err *err);

#endif
