/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_engine.c: records appended to the embedded engine, each synced before the next.
 */
#include "storage/engine.h"
#include "tests/bench/bench_parts.h"
#include "tests/support/temp_folder.h"

#define RECORD_MAX (1u << 20)

static void on_append(void *arg, stele_status st, const stele_err *err) {
    if (st != STELE_OK) {
        (void)fprintf(stderr, "append: %s\n", err->text);
        exit(1);
    }
    *(bool *)arg = true; /* the embedded engine answers before append returns */
}

static void append(struct stele_bench *b, int64_t record_bytes) {
    static uint8_t record[RECORD_MAX];
    char dir[TEMP_FOLDER_BYTES];
    struct stele_engine *engine = NULL;
    struct rng rng = {13};
    uint64_t pos = 0;
    uint64_t epoch = 0;
    rng_bytes(&rng, record, sizeof record); /* nothing below may gain from repetition */
    temp_folder_make(dir);
    BENCH_OK(stele_engine_rocks_open(dir, "bench", true, &engine, err));
    BENCH_OK(engine->ops->claim(engine, "log", &pos, &epoch, err));
    while (stele_bench_next(b)) {
        bool done = false;
        engine->ops->append(engine, "log", epoch, pos++,
                            stele_view_of(record, (size_t)record_bytes), on_append, &done);
        if (!done) {
            (void)fprintf(stderr, "append has not answered\n");
            exit(1);
        }
    }
    stele_bench_did(b, 1, (uint64_t)record_bytes);
    engine->ops->close(engine);
    temp_folder_remove(dir);
}

void bench_add_engine(void) {
    static const int64_t sizes[] = {4096, 65536, RECORD_MAX};
    stele_bench_add("engine/append_sync", append, sizes, BENCH_N(sizes));
}
