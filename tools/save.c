/* SPDX-License-Identifier: Apache-2.0 */
/* tools/save.c: a temporary name first, the real one last. */
#include "tools/save.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/file.h"

static stele_status failed(int os_errno, const char *path, stele_err *err) {
    return STELE_FAIL_ERRNO(err, os_errno, "cannot write '%.120s': %s", path, strerror(os_errno));
}

/* Pipes, terminals and devices have no content to replace. */
static bool is_in_place(const char *path) {
    struct stat info;
    return strcmp(path, "-") == 0 || (stat(path, &info) == 0 && !S_ISREG(info.st_mode));
}

stele_status stele_save_open(const char *path, struct stele_save *ret, stele_err *err) {
    struct stele_save save = {0};
    stele_buf part = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    save.path = stele_strdup(path);
    if (save.path == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to write a file");
    }
    if (strcmp(path, "-") == 0) {
        save.out = stdout;
    } else if (is_in_place(path)) {
        save.out = fopen(path, "wbe");
    } else {
        STELE_TRY(stele_buf_printf(&part, err, "%s.part%c", path, '\0'));
        save.part = (char *)part.data;
        part = STELE_BUF_EMPTY;
        save.out = fopen(save.part, "wbe");
    }
    if (save.out == NULL) {
        STELE_TRY(failed(errno, path, err));
    }
    *ret = save;
    return STELE_OK;
cleanup:
    stele_save_close(&save);
    return st;
}

stele_status stele_save_write(struct stele_save *save, stele_view bytes, stele_err *err) {
    if (bytes.size > 0 && fwrite(bytes.data, 1, bytes.size, save->out) != bytes.size) {
        return failed(errno, save->path, err);
    }
    return STELE_OK;
}

/* Makes the name durable too. A folder that cannot be synced (some network file systems) still
 * holds the file, so that failing here would only say that it does not. */
static void sync_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = stele_strdup(slash == NULL ? "." : path);
    if (folder != NULL && slash != NULL) {
        folder[slash == path ? 1 : slash - path] = '\0';
    }
    if (folder != NULL) {
        stele_status ignored = stele_file_sync_folder(folder, NULL);
        (void)ignored;
    }
    stele_free(folder);
}

stele_status stele_save_commit(struct stele_save *save, stele_err *err) {
    FILE *out = save->out;
    bool good = fflush(out) == 0 && (save->part == NULL || fsync(fileno(out)) == 0);
    int os_errno = errno;
    save->out = NULL;
    if (out != stdout) {
        good = fclose(out) == 0 && good;
    }
    if (!good) {
        return failed(os_errno, save->path, err);
    }
    if (save->part != NULL) {
        if (rename(save->part, save->path) != 0) {
            return failed(errno, save->path, err);
        }
        stele_free(save->part);
        save->part = NULL;
        sync_folder_of(save->path);
    }
    return STELE_OK;
}

void stele_save_close(struct stele_save *save) {
    if (save->out != NULL && save->out != stdout) {
        (void)fclose(save->out);
    }
    if (save->part != NULL) {
        (void)remove(save->part);
    }
    stele_free(save->part);
    stele_free(save->path);
    *save = (struct stele_save){0};
}

stele_status stele_save_file(const char *path, stele_view bytes, stele_err *err) {
    struct stele_save save = {0};
    stele_status st = STELE_OK;
    STELE_TRY(stele_save_open(path, &save, err));
    STELE_TRY(stele_save_write(&save, bytes, err));
    STELE_TRY(stele_save_commit(&save, err));
cleanup:
    stele_save_close(&save);
    return st;
}
