/* SPDX-License-Identifier: Apache-2.0 */
/* tools/verify_fraud.c: reads a fraud proof whole, judges it, and says what it means. */
#include "tools/verify_fraud.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* Two notes of 64 KiB, tags, paths: a proof cannot be larger. */
#define FRAUD_BYTES_MAX (1u << 18)

const char *stele_fraud_kind_name(stele_fraud_kind kind) {
    switch (kind) {
    case STELE_FRAUD_OMISSION:
        return "omission";
    case STELE_FRAUD_PHANTOM:
        return "phantom";
    case STELE_FRAUD_KEY_ORDER:
        return "key_order";
    case STELE_FRAUD_BOUNDS:
        return "bounds";
    case STELE_FRAUD_FORK:
        return "fork";
    case STELE_FRAUD_ORDER:
        return "order";
    case STELE_FRAUD_ENTRY:
        return "entry";
    }
    return "unknown";
}

static stele_status read_rest(FILE *file, stele_buf *out, stele_err *err) {
    size_t room = FRAUD_BYTES_MAX + 1;
    stele_status st = stele_buf_reserve(out, room, err);
    if (st != STELE_OK) {
        return st;
    }
    size_t n = fread(out->data + out->size, 1, room - out->size, file);
    if (ferror(file) != 0) {
        return STELE_FAIL_ERRNO(err, errno, "cannot be read: %s", strerror(errno));
    }
    out->size += n;
    return out->size < room ? STELE_OK
                            : STELE_FAIL(err, INVALID, "over %u bytes; no fraud proof is so long",
                                         FRAUD_BYTES_MAX);
}

static void print_text(const char *name, const struct stele_fraud_report *report) {
    const char *origin = report->checkpoint.origin;
    (void)printf(
        "FRAUD PROVEN: %s\n"
        "\n"
        "The log %s is DISHONEST.\n"
        "  kind      %s\n"
        "  what      %s\n"
        "  signed    a checkpoint of %" PRIu64 " entries, by the log's key\n"
        "\n"
        "Proved:\n"
        "  Whoever holds the key of this log signed facts that contradict each other. No "
        "honest log can be shown\n"
        "  to have done so. Do not rely on its answers being complete.\n"
        "Not proved:\n"
        "  Who did it, or that nothing else is wrong with the log. Events that are proven to "
        "be in it still are.\n",
        name, origin, stele_fraud_kind_name(report->kind), report->text,
        report->checkpoint.size_leaves);
}

static stele_status print_json(const char *name, const struct stele_fraud_report *report,
                               stele_err *err) {
    json_t *out = json_pack("{s:b, s:s?, s:s, s:s, s:b, s:s, s:I, s:s}", "verified", 1, "file",
                            strcmp(name, "standard input") == 0 ? NULL : name, "kind", "fraud",
                            "fraud", stele_fraud_kind_name(report->kind), "log_dishonest", 1, "log",
                            report->checkpoint.origin, "size",
                            (json_int_t)report->checkpoint.size_leaves, "what", report->text);
    if (out == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for the report");
    }
    (void)json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    (void)fputc('\n', stdout);
    json_decref(out);
    return STELE_OK;
}

stele_status stele_verify_fraud(FILE *file, stele_view head, const char *name,
                                const struct stele_vkey *keys, size_t n_keys, bool json,
                                stele_err *err) {
    static struct stele_fraud fraud; /* 6 KiB */
    struct stele_fraud_report report;
    stele_buf bytes = STELE_BUF_EMPTY;
    stele_status st = STELE_OK;
    STELE_TRY(stele_buf_append(&bytes, head, err));
    STELE_TRY(read_rest(file, &bytes, err));
    STELE_TRY(stele_fraud_decode(stele_view_buf(&bytes), &fraud, err));
    STELE_TRY(stele_fraud_verify(&fraud, keys, n_keys, &report, err));
    if (json) {
        STELE_TRY(print_json(name, &report, err));
    } else {
        print_text(name, &report);
    }
cleanup:
    stele_buf_done(&bytes);
    return st;
}
