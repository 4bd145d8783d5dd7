/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/dictionary/train.c: trains the compression dictionary on generated events, and compares a
 * fresh one with the one in use. Not part of the store: a program for whoever makes the next
 * dictionary.
 *
 *   train-dictionary NUMBER >storage/dictionary/events-NUMBER.dict.h
 *   train-dictionary --compare
 *
 * Its output is checked in and never made again in a build, because a stored frame opens only with
 * the very bytes it was compressed with, for as long as it is kept: another version of the zstd
 * library may choose other samples, and a dictionary trained anew on each machine would make every
 * store unreadable on the next. So a better dictionary is events-2 beside events-1, not another
 * events-1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>
#include <zstd.h>

#include "storage/dictionary/event_generator.h"
#include "storage/dictionary/events-1.dict.h"
#include "storage/hash.h"

#define DICTIONARY_BYTES 16384 /* measured: 112 KB is no better for 300-byte events */
#define LEVEL 1
#define WORLDS 24 /* organisations; what all of them share is what the dictionary should hold */
#define WORLD_EVENTS 500
#define EVENTS ((size_t)WORLDS * WORLD_EVENTS)
#define FRAME_EVENTS 16

struct samples {
    stele_buf bytes;
    size_t size[EVENTS];
};

static int fail(const char *what, const char *why) {
    (void)fprintf(stderr, "train-dictionary: %s: %s\n", what, why);
    return 1;
}

static stele_status generate(uint64_t seed, struct samples *samples, stele_err *err) {
    stele_status st = STELE_OK;
    for (size_t i = 0; st == STELE_OK && i < EVENTS; i++) {
        static struct event_generator g;
        if (i % WORLD_EVENTS == 0) {
            event_generator_init(&g, seed + i);
        }
        size_t before = samples->bytes.size;
        st = event_generate(&g, &samples->bytes, err);
        samples->size[i] = samples->bytes.size - before;
    }
    return st;
}

/* Returns 0 and a dictionary with this id in its header. */
static int train(const struct samples *samples, uint32_t id, uint8_t *out, size_t *ret_size) {
    uint8_t *raw = stele_alloc(1, DICTIONARY_BYTES);
    if (raw == NULL) {
        return fail("training", "no memory");
    }
    size_t size =
        ZDICT_trainFromBuffer(raw, DICTIONARY_BYTES, samples->bytes.data, samples->size, EVENTS);
    size_t head = ZDICT_isError(size) ? size : ZDICT_getDictHeaderSize(raw, size);
    int failed = ZDICT_isError(head) ? fail("training", ZDICT_getErrorName(head)) : 0;
    if (!failed) {
        /* The trainer makes an id of its own up; finalizing the content again sets ours. */
        ZDICT_params_t params = {.compressionLevel = LEVEL, .dictID = id};
        size = ZDICT_finalizeDictionary(out, DICTIONARY_BYTES, raw + head, size - head,
                                        samples->bytes.data, samples->size, EVENTS, params);
        failed = ZDICT_isError(size) ? fail("finalizing", ZDICT_getErrorName(size)) : 0;
        *ret_size = size;
    }
    stele_free(raw);
    return failed;
}

static void print_array(uint32_t id, stele_view dictionary) {
    uint8_t hash[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    stele_sha256_of(dictionary, hash);
    stele_hex_encode(stele_view_of(hash, sizeof hash), hex);
    (void)printf(
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/*\n"
        " * storage/dictionary/events-%" PRIu32 ".dict.h: zstd dictionary with id %" PRIu32
        ", printed by storage/dictionary/train.c\n"
        " * from generated events. Frozen: stored frames open with these bytes and no others.\n"
        " */\n"
        "#ifndef STELE_STORAGE_DICTIONARY_EVENTS_%" PRIu32 "_DICT_H\n"
        "#define STELE_STORAGE_DICTIONARY_EVENTS_%" PRIu32 "_DICT_H\n\n"
        "#include <stdint.h>\n\n"
        "#define STELE_DICTIONARY_EVENTS_%" PRIu32 "_SHA256 \\\n    \"%s\"\n\n"
        "static const uint8_t stele_dictionary_events_%" PRIu32 "[%zu] = {\n",
        id, id, id, id, id, hex, id, dictionary.size);
    for (size_t i = 0; i < dictionary.size; i++) {
        (void)printf("%s%u,%s", i % 24 == 0 ? "    " : "", dictionary.data[i],
                     i % 24 == 23 || i + 1 == dictionary.size ? "\n" : "");
    }
    (void)printf("};\n\n#endif\n");
}

/* Bytes of all samples in frames of 16 with this dictionary; 0 on failure. */
static size_t packed_bytes(const struct samples *samples, stele_view dictionary) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CDict *dict = ZSTD_createCDict(dictionary.data, dictionary.size, LEVEL);
    size_t capacity = ZSTD_compressBound(samples->bytes.size);
    uint8_t *out = stele_alloc(1, capacity);
    size_t total = 0;
    size_t at = 0;
    for (size_t i = 0; context != NULL && dict != NULL && out != NULL && i < EVENTS;
         i += FRAME_EVENTS) {
        size_t size = 0;
        for (size_t k = i; k < i + FRAME_EVENTS && k < EVENTS; k++) {
            size += samples->size[k];
        }
        size_t n =
            ZSTD_compress_usingCDict(context, out, capacity, samples->bytes.data + at, size, dict);
        if (ZSTD_isError(n)) {
            total = 0;
            break;
        }
        total += n;
        at += size;
    }
    stele_free(out);
    (void)ZSTD_freeCDict(dict);
    (void)ZSTD_freeCCtx(context);
    return total;
}

/* Another zstd may train other bytes; they must not be much better or worse than those in use. */
static int compare(const struct samples *samples, stele_view fresh) {
    stele_view used = stele_view_of(stele_dictionary_events_1, sizeof stele_dictionary_events_1);
    if (stele_view_equal(fresh, used)) {
        (void)printf("training reproduces dictionary 1 byte for byte (zstd %s)\n",
                     ZSTD_versionString());
        return 0;
    }
    size_t with_used = packed_bytes(samples, used);
    size_t with_fresh = packed_bytes(samples, fresh);
    (void)printf(
        "training with zstd %s gives other bytes than dictionary 1: %zu events pack to %zu bytes "
        "with it, %zu with dictionary 1\n",
        ZSTD_versionString(), EVENTS, with_fresh, with_used);
    size_t slack = with_used / 20;
    bool alike =
        with_used > 0 && with_fresh + slack >= with_used && with_fresh <= with_used + slack;
    return alike ? 0 : fail("comparison", "the two differ by more than 5 %");
}

/* 0 for what is no number below 1,000. */
static uint32_t number_of(const char *text) {
    uint32_t value = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i == 3 || text[i] < '0' || text[i] > '9') {
            return 0;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
}

int main(int argc, char **argv) {
    bool comparing = argc == 2 && strcmp(argv[1], "--compare") == 0;
    uint32_t id = argc == 2 && !comparing ? number_of(argv[1]) : 1;
    if (argc != 2 || id == 0 || id > 255) {
        return fail("usage", "train-dictionary NUMBER (1 to 255, one byte in a frame) | --compare");
    }
    static struct samples samples;
    static uint8_t dictionary[DICTIONARY_BYTES];
    size_t size = 0;
    stele_err err;
    if (generate(id, &samples, &err) != STELE_OK) {
        return fail("generating events", err.text);
    }
    int failed = train(&samples, id, dictionary, &size);
    if (!failed && comparing) {
        failed = compare(&samples, stele_view_of(dictionary, size));
    } else if (!failed) {
        print_array(id, stele_view_of(dictionary, size));
    }
    stele_buf_done(&samples.bytes);
    return failed;
}
