/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine.c: what every engine does the same way. */
#include "storage/engine.h"

stele_status stele_engine_put(struct stele_engine *e, const char *key, stele_view body, const struct stele_lock *lock,
                              stele_err *err) {
    struct stele_blob_writer *w = NULL;
    stele_status st = e->ops->blob_begin(e, key, &w, err);
    if (st != STELE_OK) {
        return st;
    }
    st = e->ops->blob_write(w, body, err);
    if (st != STELE_OK) {
        e->ops->blob_abort(w);
        return st;
    }
    return e->ops->blob_commit(w, lock, err);
}
