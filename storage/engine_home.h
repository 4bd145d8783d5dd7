/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_home.h: the folder of an embedded store: who has it open, and whose region it
 * holds. Layer: storage, for engine_local.c only.
 *
 * <dir>/LOCK is held with flock as long as the store is open: the lock goes with the process,
 * however it ends. <dir>/REGION names the region, in plain text for people; the same name stands in
 * the database.
 */
#ifndef STELE_STORAGE_ENGINE_HOME_H
#define STELE_STORAGE_ENGINE_HOME_H

#include "storage/engine.h"
#include "storage/file.h"

struct stele_home {
    int lock_fd;
    bool has_region; /* REGION is there and names the region asked for */
    char dir[STELE_FILE_PATH_MAX];
};

/*
 * Takes the lock and reads REGION. With `create` the folder is made if it is absent; a folder with
 * other things in it and no store is refused. Errors: NOT_FOUND, DENIED (another region's, or open
 * elsewhere: the message has the process), CORRUPT (a store without its REGION file), IO.
 */
STELE_MUST_USE stele_status stele_home_open(const char *dir, const char *region, bool create,
                                            struct stele_home *ret, stele_err *err);
/* Writes REGION, synced: the last step of making a store. */
STELE_MUST_USE stele_status stele_home_write_region(const struct stele_home *home,
                                                    const char *region, stele_err *err);
/* Gives the lock back. */
void stele_home_close(struct stele_home *home);

#endif
