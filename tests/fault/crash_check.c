/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/crash_check.c: a store against what was said of it. */
#include <stdlib.h>
#include <string.h>

#include "storage/fsck.h"
#include "storage/manifest.h"
#include "tests/fault/crash_rig.h"
#include "tests/support/index_model.h"

/* Consistency proofs tried a log: the pairs are drawn from all checkpoints ever given out. */
#define PROOFS 12
/* Above it a log is sealed only: the model is slow, and a store that lives on is checked again and
 * again. */
#define MODEL_ENTRIES_MAX 8000
#define SEAL_MS 60000 /* of what comes at once, but for a machine that is busy */

static char complaint[512];

#define COMPLAIN(...) ((void)snprintf(complaint, sizeof complaint, __VA_ARGS__), complaint)

static int by_seq(const void *a, const void *b) {
    const struct crash_ack *left = a;
    const struct crash_ack *right = b;
    return (left->seq > right->seq) - (left->seq < right->seq);
}

static int by_size(const void *a, const void *b) {
    const struct crash_note *left = a;
    const struct crash_note *right = b;
    return (left->size > right->size) - (left->size < right->size);
}

/* One pass over a log: the tree is built leaf by leaf. */
struct pass {
    const char *name;
    struct crash_log *log;
    size_t ack, note; /* the next ones */
    struct stele_frontier tree;
};

static const char *check_notes_at(struct pass *pass) {
    uint8_t root[STELE_HASH_BYTES];
    while (pass->note < pass->log->n_notes &&
           pass->log->note[pass->note].size == pass->tree.size_leaves) {
        stele_frontier_root(&pass->tree, root);
        if (memcmp(root, pass->log->note[pass->note].root, STELE_HASH_BYTES) != 0) {
            return COMPLAIN("%s: the first %" PRIu64 " entries contradict a checkpoint", pass->name,
                            pass->tree.size_leaves);
        }
        pass->note++;
    }
    return NULL;
}

static const char *check_entry(struct pass *pass, uint64_t seq,
                               const struct stele_stored_entry *stored) {
    uint8_t digest[STELE_HASH_BYTES];
    uint8_t leaf[STELE_HASH_BYTES];
    stele_hash_leaf(stele_view_of(stored->bytes, stored->n_bytes), leaf);
    stele_frontier_push(&pass->tree, leaf);
    if (pass->ack < pass->log->n_acks && pass->log->ack[pass->ack].seq == seq) {
        stele_sha256_of(stored->payload, digest);
        if (stored->entry.type != STELE_ENTRY_EVENT ||
            memcmp(digest, pass->log->ack[pass->ack].digest, STELE_HASH_BYTES) != 0) {
            return COMPLAIN("%s: entry %" PRIu64 " is not the event acknowledged there", pass->name,
                            seq);
        }
        pass->ack++;
    }
    return check_notes_at(pass);
}

static const char *check_end(const struct pass *pass, uint64_t size) {
    if (pass->ack != pass->log->n_acks) {
        return COMPLAIN("%s: event %" PRIu64 " was acknowledged, the log has %" PRIu64 " entries",
                        pass->name, pass->log->ack[pass->ack].seq, size);
    }
    if (pass->note != pass->log->n_notes) {
        return COMPLAIN("%s: a checkpoint of %" PRIu64
                        " entries was given out, the log has %" PRIu64,
                        pass->name, pass->log->note[pass->note].size, size);
    }
    return NULL;
}

/* The checkpoint that is signed now is of the tree that was walked. */
static const char *check_signed(struct pass *pass, struct stele_log *log,
                                struct stele_checkpoint *ret) {
    uint8_t root[STELE_HASH_BYTES];
    stele_buf note = STELE_BUF_EMPTY;
    stele_err err;
    stele_frontier_root(&pass->tree, root);
    stele_status st = stele_log_checkpoint(log, pass->tree.size_leaves, &note, ret, &err);
    stele_buf_done(&note);
    if (st != STELE_OK) {
        return COMPLAIN("%s: no checkpoint: %s (%s)", pass->name, err.text, err.where);
    }
    return ret->size_leaves == pass->tree.size_leaves && memcmp(ret->root, root, sizeof root) == 0
               ? NULL
               : COMPLAIN("%s: what is signed of %" PRIu64 " entries is not their root", pass->name,
                          ret->size_leaves);
}

/* What a witness does: the log itself proves that its newest checkpoint extends an older one. */
static const char *check_proofs(struct crash_rig *rig, struct pass *pass,
                                struct stele_log_view *view) {
    struct stele_tree_path path;
    struct stele_checkpoint now;
    stele_err err;
    const char *wrong = check_signed(pass, stele_log_view_log(view), &now);
    for (size_t i = 0; wrong == NULL && i < PROOFS && pass->log->n_notes > 0; i++) {
        const struct crash_note *note = &pass->log->note[rng_below(&rig->rng, pass->log->n_notes)];
        stele_status st = stele_tree_prove_consistency(note->size, now.size_leaves,
                                                       stele_log_view_node, view, &path, &err);
        if (st == STELE_OK) {
            st = stele_tree_check_consistency(note->size, now.size_leaves, path.node[0], path.n,
                                              note->root, now.root, &err);
        }
        if (st != STELE_OK) {
            wrong = COMPLAIN("%s: consistency with %" PRIu64 " entries: %s", pass->name, note->size,
                             err.text);
        }
    }
    return wrong;
}

static const char *check_log(struct crash_rig *rig, struct stele_store *store, size_t l) {
    struct pass pass = {.name = crash_log_name[l], .log = &rig->log[l]};
    struct stele_log_view *view = NULL;
    struct stele_log_reader *reader = NULL;
    struct stele_stored_entry stored;
    const char *wrong = NULL;
    stele_err err;
    stele_frontier_init(&pass.tree);
    if (pass.log->n_acks > 0) {
        qsort(pass.log->ack, pass.log->n_acks, sizeof *pass.log->ack, by_seq);
    }
    if (pass.log->n_notes > 0) {
        qsort(pass.log->note, pass.log->n_notes, sizeof *pass.log->note, by_size);
    }
    assert_ok(stele_log_view_open(stele_store_log(store, pass.name), &view, &err));
    assert_ok(stele_log_reader_new(view, &reader, &err));
    uint64_t size = stele_log_view_size(view);
    for (uint64_t seq = 0; wrong == NULL && seq < size; seq++) {
        if (stele_log_read(reader, seq, &stored, &err) != STELE_OK) {
            wrong = COMPLAIN("%s: entry %" PRIu64 " of %" PRIu64 ": %s (%s)", pass.name, seq, size,
                             err.text, err.where);
        } else {
            wrong = check_entry(&pass, seq, &stored);
        }
    }
    wrong = wrong == NULL ? check_end(&pass, size) : wrong;
    wrong = wrong == NULL ? check_proofs(rig, &pass, view) : wrong;
    stele_log_reader_free(reader);
    stele_log_view_close(view);
    return wrong;
}

/* The store takes events again, and says so once it has them. */
static const char *check_goes_on(struct crash_rig *rig, struct fixture *f) {
    struct stele_gen_options options = {.region = "eu-test",
                                        .time_unix_nano = atomic_load(&f->now_us) * 1000};
    struct stele_batch_place place = {0};
    stele_buf payload = STELE_BUF_EMPTY;
    stele_err err;
    stele_gen_event(&rig->rng, &options, &payload);
    stele_view view = stele_view_buf(&payload);
    stele_status st = fixture_append(f, "3y", &view, 1, &place, &err);
    stele_buf_done(&payload);
    return st == STELE_OK ? NULL
                          : COMPLAIN("the store takes nothing more: %s (%s)", err.text, err.where);
}

/* A log that is recovered commits to just the index its entries have. */
static const char *check_index(struct stele_store *store, size_t l) {
    struct stele_log *log = stele_store_log(store, crash_log_name[l]);
    struct stele_manifest *manifest = NULL;
    stele_err err;
    if (stele_log_seal(log, 0, SEAL_MS, &manifest, &err) != STELE_OK) {
        return COMPLAIN("%s: it cannot be sealed: %s (%s)", crash_log_name[l], err.text, err.where);
    }
    if (manifest->covered <= MODEL_ENTRIES_MAX) {
        index_model_check(log, manifest);
    }
    stele_manifest_unref(manifest);
    return NULL;
}

static const char *check_fsck(struct fixture *f) {
    struct stele_fsck_report report;
    stele_err err;
    stele_status st = fixture_try_open(f, true, &err);
    if (st == STELE_OK) {
        st = stele_fsck(f->store, NULL, NULL, &report, &err);
    }
    fixture_close(f);
    return st == STELE_OK ? NULL : COMPLAIN("fsck: %s (%s)", err.text, err.where);
}

const char *crash_rig_check(struct crash_rig *rig, const char *folder) {
    struct fixture f = {.pack_entries = 256};
    const char *wrong = NULL;
    stele_err err;
    (void)snprintf(f.dir, sizeof f.dir, "%s", folder);
    atomic_store(&f.now_us, rig->now_us);
    stele_status st = fixture_try_open(&f, false, &err);
    if (st != STELE_OK) {
        return COMPLAIN("it does not open: %s: %s (%s)", stele_status_name(st), err.text,
                        err.where);
    }
    for (size_t l = 0; wrong == NULL && l < CRASH_LOGS; l++) {
        wrong = check_log(rig, f.store, l);
    }
    wrong = wrong == NULL ? check_goes_on(rig, &f) : wrong;
    for (size_t l = 0; wrong == NULL && l < CRASH_LOGS; l++) {
        wrong = check_index(f.store, l);
    }
    fixture_close(&f);
    return wrong == NULL ? check_fsck(&f) : wrong;
}
