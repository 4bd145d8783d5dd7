/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/single.c: entries that are no events, appended one at a time through the queue that
 * events take, by callers who wait until they are durable.
 */
#include <inttypes.h>

#include "storage/log_parts.h"
#include "storage/manifest.h"

void stele_append__tell(void *arg, stele_status st, const stele_err *err) {
    struct stele_append_wait *wait = arg;
    (void)pthread_mutex_lock(&wait->lock);
    wait->st = st;
    if (st != STELE_OK && err != NULL) {
        wait->err = *err;
    }
    wait->done = true;
    (void)pthread_cond_signal(&wait->moved);
    (void)pthread_mutex_unlock(&wait->lock);
}

stele_status stele_append__await(struct stele_append_wait *wait, stele_err *err) {
    (void)pthread_mutex_lock(&wait->lock);
    while (!wait->done) {
        (void)pthread_cond_wait(&wait->moved, &wait->lock);
    }
    (void)pthread_mutex_unlock(&wait->lock);
    if (wait->st != STELE_OK && err != NULL) {
        *err = wait->err;
    }
    return wait->st;
}

struct single_wait {
    struct stele_append_wait append;
    struct stele_batch_place place;
};

static void single_done(void *arg, stele_status st, const stele_err *err,
                        const struct stele_batch_place *place) {
    struct single_wait *wait = arg;
    wait->place = *place;
    stele_append__tell(&wait->append, st, err);
}

/* Takes the batch over. */
static stele_status submit_and_wait(struct stele_batch *batch, struct stele_batch_place *ret_place,
                                    stele_err *err) {
    struct single_wait wait = {.append = STELE_APPEND_WAIT_INIT};
    stele_status st = stele_batch_submit(batch, single_done, &wait, err);
    if (st != STELE_OK) {
        stele_batch_free(batch);
        return st;
    }
    st = stele_append__await(&wait.append, err);
    if (st == STELE_OK && ret_place != NULL) {
        *ret_place = wait.place;
    }
    return st;
}

stele_status stele_log__append_control(struct stele_log *log, stele_control_kind kind,
                                       stele_view body, stele_err *err) {
    struct stele_batch *batch = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_batch_new(log, &batch, err));
    batch->kind = STELE_BATCH_CONTROL;
    batch->control_kind = kind;
    STELE_TRY(stele_buf_append(&batch->body, body, err));
    struct stele_batch *given = batch;
    batch = NULL;
    STELE_TRY(submit_and_wait(given, NULL, err));
cleanup:
    stele_batch_free(batch);
    return st;
}

stele_status stele_log__submit_index(struct stele_log *log, struct stele_manifest *manifest,
                                     stele_batch_done_fn done, void *arg, stele_err *err) {
    struct stele_batch *batch = NULL;
    stele_status st = STELE_OK;
    STELE_TRY(stele_batch_new(log, &batch, err));
    batch->kind = STELE_BATCH_INDEX;
    batch->manifest = manifest;
    STELE_TRY(stele_manifest__boundaries(manifest, &batch->body, err));
    STELE_TRY(stele_batch_submit(batch, done, arg, err));
    batch = NULL;
cleanup:
    stele_batch_free(batch);
    return st;
}

stele_status stele_log_cut_era(struct stele_log *log, uint32_t *ret_era, stele_err *err) {
    struct stele_batch *batch = NULL;
    struct stele_batch_place place;
    stele_status st = STELE_OK;
    if (stele_store__read_only(log->store)) {
        return STELE_FAIL(err, CLOSED, "log %s is open for reading only", log->full_name);
    }
    STELE_TRY(stele_batch_new(log, &batch, err));
    batch->kind = STELE_BATCH_CUT;
    STELE_TRY(submit_and_wait(batch, &place, err));
    *ret_era = place.era;
cleanup:
    return st;
}
