/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_engine_files.c: the small files of a region's folder. The first byte says which:
 * ACKED, as it is and with the sums of its marks made to fit; the database's MANIFEST, whose end
 * may be cut and put back; logs of the database that may say the same twice; a key file; REGION.
 */
#include <stdlib.h>

#include "storage/engine_acked.h"
#include "storage/engine_home.h"
#include "storage/engine_manifest.h"
#include "storage/engine_names.h"
#include "storage/engine_repeats.h"
#include "storage/hash.h"
#include "storage/signer.h"
#include "tests/fuzz/file_input.h"

#define MARK_BYTES 64
#define SUMMED_BYTES 56

static char folder[64];

static void remove_folder(void) {
    static const char *const names[] = {"ACKED",   "REGION",          "LOCK",      "key",
                                        "CURRENT", "MANIFEST-000001", "000001.log"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void make_folder(void) {
    if (folder[0] == '\0') {
        (void)strcpy(folder, "/tmp/stele-fuzz-XXXXXX");
        fuzz_require(mkdtemp(folder) != NULL);
        (void)atexit(remove_folder);
    }
}

static stele_status one_mark(void *ctx, const char *log, uint64_t next, stele_err *err) {
    (void)ctx;
    (void)next;
    fuzz_require(stele_name_check(log, STELE_LOG_NAME_MAX, "log", err) == STELE_OK);
    return STELE_OK;
}

static void acked(uint8_t *data, size_t size, bool sum) {
    struct stele_acked *a = NULL;
    for (size_t at = 0; sum && at + MARK_BYTES <= size; at += MARK_BYTES) {
        uint8_t digest[STELE_HASH_BYTES];
        memcpy(data + at, "stelack1", 8);
        stele_sha256_of(stele_view_of(data + at, SUMMED_BYTES), digest);
        memcpy(data + at + SUMMED_BYTES, digest, MARK_BYTES - SUMMED_BYTES);
    }
    fuzz_file_in(folder, "ACKED", data, size);
    if (stele_acked_open(folder, &a, NULL) == STELE_OK) {
        fuzz_require(stele_acked_each(a, one_mark, NULL, NULL) == STELE_OK);
        (void)stele_acked_next(a, "3y");
        stele_acked_close(a);
    }
}

static void manifest(const uint8_t *data, size_t size) {
    struct stele_manifest_end end = {.bytes = STELE_BUF_EMPTY};
    stele_buf after = STELE_BUF_EMPTY;
    char path[128];
    fuzz_file_in(folder, "CURRENT", (const uint8_t *)"MANIFEST-000001\n", 16);
    fuzz_file_in(folder, "MANIFEST-000001", data, size);
    stele_status st = stele_manifest_cut(folder, &end, NULL);
    if (st == STELE_OK) {
        fuzz_require(end.offset <= size && stele_manifest_put_back(&end, NULL) == STELE_OK);
    }
    (void)snprintf(path, sizeof path, "%s/MANIFEST-000001", folder);
    fuzz_require(stele_file_read(path, SIZE_MAX / 2, &after, NULL) == STELE_OK);
    fuzz_require(stele_view_equal(stele_view_buf(&after), stele_view_of(data, size)));
    stele_buf_done(&after);
    stele_buf_done(&end.bytes);
}

static void repeats(const uint8_t *data, size_t size) {
    static const char *const names[] = {"MANIFEST-000001", "000001.log"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        fuzz_file_in(folder, names[i], data, size);
        stele_status st = stele_repeats_check(folder, NULL);
        fuzz_require(st == STELE_OK || st == STELE_CORRUPT);
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static void current(const uint8_t *data, size_t size) {
    struct stele_manifest_end end = {.bytes = STELE_BUF_EMPTY};
    fuzz_file_in(folder, "CURRENT", data, size);
    (void)!stele_manifest_cut(folder, &end, NULL);
    stele_buf_done(&end.bytes);
}

static void key(const uint8_t *data, size_t size) {
    struct stele_signer *signer = NULL;
    if (stele_signer_sodium_open(fuzz_file(data, size), &signer, NULL) == STELE_OK) {
        fuzz_require(size == 65 && data[64] == '\n');
        stele_signer_free(signer);
    }
}

static void region(const uint8_t *data, size_t size) {
    struct stele_home home;
    fuzz_file_in(folder, "REGION", data, size);
    if (stele_home_open(folder, "eu-1", false, &home, NULL) == STELE_OK) {
        fuzz_require(size >= 4 && size <= 5 && memcmp(data, "eu-1", 4) == 0);
        stele_home_close(&home);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 70000) {
        return 0;
    }
    uint8_t *copy = malloc(size);
    make_folder();
    fuzz_require(copy != NULL);
    memcpy(copy, data, size);
    switch (data[0] % 7) {
    case 0:
    case 1:
        acked(copy + 1, size - 1, data[0] % 7 == 1);
        break;
    case 2:
        manifest(data + 1, size - 1);
        break;
    case 3:
        current(data + 1, size - 1);
        break;
    case 5:
        repeats(data + 1, size - 1);
        break;
    case 4:
        key(data + 1, size - 1);
        break;
    default:
        region(data + 1, size - 1);
        break;
    }
    free(copy);
    return 0;
}
