/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/powercut_file.h: one file of the model in powercut_replay.c: its bytes in memory, as
 * the process sees them, and on disk, where they arrive sector by sector, each as it is in memory
 * then.
 */
#ifndef STELE_TESTS_FAULT_POWERCUT_FILE_H
#define STELE_TESTS_FAULT_POWERCUT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/rng.h"

#define POWERCUT_ODDS_ALL 5

struct powercut_image {
    uint8_t *bytes;
    size_t size, capacity;
};
struct powercut_file {
    struct powercut_image memory, disk;
    bool *frozen; /* sectors of which a write was lost: what follows in them is lost too, until a
                     sync */
    size_t n_sectors;
};

void powercut_image_resize(struct powercut_image *image, size_t size);
/* Reads a file; fails the test if it cannot. */
void powercut_image_load(struct powercut_image *image, const char *path);
/* Starts with what is in `path`, in memory and on disk. */
void powercut_file_load(struct powercut_file *file, const char *path);
/* A write of which each sector reaches the disk by chance: odds of 0 are none, of 5 all; if it was
 * synced, all. True if all did. */
bool powercut_file_write(struct powercut_file *file, size_t offset, const uint8_t *bytes,
                         size_t length, uint64_t odds, bool synced, struct rng *rng);
/* Makes `path` with the bytes on disk. */
void powercut_file_store(const struct powercut_file *file, const char *path);
void powercut_file_done(struct powercut_file *file);

#endif
