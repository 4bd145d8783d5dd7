/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fault/powercut_file.c: see the header. */
#include "tests/fault/powercut_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

#define SECTOR 512

void powercut_image_resize(struct powercut_image *image, size_t size) {
    if (size > image->capacity) {
        image->capacity = size * 2;
        image->bytes = realloc(image->bytes, image->capacity);
        assert_non_null(image->bytes);
    }
    if (size > image->size) {
        memset(image->bytes + image->size, 0, size - image->size);
    }
    image->size = size;
}

void powercut_image_load(struct powercut_image *image, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    powercut_image_resize(image, (size_t)info.st_size);
    size_t done = 0;
    ssize_t n = 1;
    while (done < image->size && n > 0) {
        n = read(fd, image->bytes + done, image->size - done);
        done += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(done, image->size);
    (void)close(fd);
}

void powercut_file_load(struct powercut_file *file, const char *path) {
    powercut_image_load(&file->memory, path);
    powercut_image_load(&file->disk, path);
}

static bool *sector_of(struct powercut_file *file, size_t offset) {
    size_t at = offset / SECTOR;
    if (at >= file->n_sectors) {
        file->frozen = realloc(file->frozen, 2 * at + 64);
        assert_non_null(file->frozen);
        memset(file->frozen + file->n_sectors, 0, 2 * at + 64 - file->n_sectors);
        file->n_sectors = 2 * at + 64;
    }
    return &file->frozen[at];
}

static void flush_sector(struct powercut_file *file, size_t offset) {
    size_t from = offset / SECTOR * SECTOR;
    size_t to = from + SECTOR < file->memory.size ? from + SECTOR : file->memory.size;
    if (to > file->disk.size) {
        powercut_image_resize(&file->disk, to);
    }
    memcpy(file->disk.bytes + from, file->memory.bytes + from, to - from);
}

bool powercut_file_write(struct powercut_file *file, size_t offset, const uint8_t *bytes,
                         size_t length, uint64_t odds, bool synced, struct rng *rng) {
    size_t end = offset + length;
    bool whole = true;
    if (end > file->memory.size) {
        powercut_image_resize(&file->memory, end);
    }
    memcpy(file->memory.bytes + offset, bytes, length);
    for (size_t at = offset; at < end; at = (at / SECTOR + 1) * SECTOR) {
        bool *frozen = sector_of(file, at);
        *frozen = !synced && (*frozen || rng_below(rng, POWERCUT_ODDS_ALL) >= odds);
        if (*frozen) {
            whole = false;
        } else {
            flush_sector(file, at);
        }
    }
    return whole;
}

void powercut_file_store(const struct powercut_file *file, const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t done = 0; done < file->disk.size;) {
        ssize_t n = write(fd, file->disk.bytes + done, file->disk.size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    (void)close(fd);
}

void powercut_file_done(struct powercut_file *file) {
    free(file->memory.bytes);
    free(file->disk.bytes);
    free(file->frozen);
}
