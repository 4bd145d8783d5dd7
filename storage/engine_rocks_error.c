/* SPDX-License-Identifier: Apache-2.0 */
/* storage/engine_rocks_error.c: from RocksDB's words to a status, and what to do about it. */
#include "storage/engine_rocks_error.h"

#include <errno.h>
#include <string.h>

int stele_rocks_errno(const char *text) {
    static const int known[] = {ENOSPC, EDQUOT, EIO,    EROFS, EFBIG,
                                EMFILE, ENFILE, EACCES, EPERM, ENOMEM};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(text, strerror(known[i])) != NULL) {
            return known[i];
        }
    }
    return 0;
}

stele_status stele_rocks_error(const char *path, const char *doing, const char *text,
                               stele_err *err) {
    int os_errno = stele_rocks_errno(text);
    stele_status st = STELE_IO;
    const char *advice = "check the disk, then claim the log or open the store again";
    if (strncmp(text, "Corruption", 10) == 0) {
        st = STELE_CORRUPT;
        advice = "keep a copy of the folder, then restore from backup";
    } else if (strstr(text, "lock ") != NULL && strstr(text, "LOCK") != NULL) {
        st = STELE_DENIED;
        advice = "another process has it open: stop that one";
    } else if (strstr(text, "does not exist (create_if_missing") != NULL) {
        st = STELE_NOT_FOUND;
        advice = "there is no store here";
    } else if (os_errno != 0) {
        st = stele_status_of_errno(os_errno);
        advice = st == STELE_NO_SPACE ? "free space, then claim the log again" : advice;
    }
    /* The reason stands at the end of the text, behind a path that may be long. */
    const char *reason = os_errno == 0 ? "RocksDB" : strerror(os_errno);
    return stele_err__set(err, st, os_errno, STELE_WHERE, "%s '%.60s': %s (%.90s); %s", doing, path,
                          reason, text, advice);
}
