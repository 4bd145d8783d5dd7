/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_cache.c: dirty pages cannot be dropped, so all is written first. */
#include "tools/bench_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int drop_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
    return 0;
}

stele_status stele_bench_cache_drop(const char *folder, const char **ret_how, stele_err *err) {
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        sync();
        bool dropped = write(fd, "3\n", 2) == 2;
        (void)close(fd);
        if (dropped) {
            *ret_how = "page cache dropped";
            return STELE_OK;
        }
    }
    if (nftw(folder, drop_one, 16, FTW_PHYS) != 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot read the folder '%.200s': %s", folder,
                                strerror(errno));
    }
    *ret_how = "its files dropped from the page cache";
    return STELE_OK;
}
