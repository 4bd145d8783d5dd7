/* SPDX-License-Identifier: Apache-2.0 */
/* tools/answer_file.c: a proof file under a temporary name until it is known to hold. */
#include "tools/answer_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/verify.h"
#include "tools/vkeys.h"

struct stele_answer_file {
    struct stele_vkey *keys;
    size_t n_keys;
    struct stele_verifier *verifier;
    struct stele_hit_printer *printer;
    FILE *out;
    char *path;
    stele_buf part; /* its temporary name */
};

/* "<domain>/<region>/<log>" -> "<region>/<log>". */
static stele_view log_of_origin(const char *origin) {
    const char *at = strrchr(origin, '/');
    while (at != NULL && at > origin && at[-1] != '/') {
        at--;
    }
    return stele_view_str(at == NULL ? origin : at);
}

static stele_status print_event(void *ctx, const struct stele_answer_event *event, stele_err *err) {
    struct stele_answer_file *file = ctx;
    struct stele_hit hit = {.log = log_of_origin(event->checkpoint->origin),
                            .seq = event->entry.seq,
                            .log_time_unix_nano = event->entry.time_us * 1000u,
                            .event = event->payload};
    return stele_hit_print(file->printer, &hit, err);
}

stele_status stele_answer_file_open(const char *vkeys_path, const char *path, struct stele_hit_printer *printer,
                                    struct stele_answer_file **ret, stele_err *err) {
    stele_status st = STELE_OK;
    if (vkeys_path == NULL) {
        return STELE_FAIL(err, INVALID, "--prove checks what it saves: name the logs' public keys in client.conf (vkeys: FILE)");
    }
    struct stele_answer_file *file = stele_alloc(1, sizeof *file);
    if (file == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to save an answer");
    }
    file->printer = printer;
    STELE_TRY(stele_vkeys_read(vkeys_path, &file->keys, &file->n_keys, err));
    STELE_TRY(stele_verifier_new(file->keys, file->n_keys, print_event, file, &file->verifier, err));
    file->path = stele_strdup(path);
    STELE_TRY(file->path == NULL ? STELE_FAIL(err, NO_MEMORY, "no memory to save an answer") : STELE_OK);
    STELE_TRY(stele_buf_printf(&file->part, err, "%s.part%c", path, '\0'));
    file->out = fopen((const char *)file->part.data, "wbe");
    if (file->out == NULL) {
        STELE_TRY(STELE_FAIL_ERRNO(err, errno, "cannot write '%s'", path));
    }
    *ret = file;
    return STELE_OK;
cleanup:
    stele_answer_file_close(file);
    return st;
}

stele_status stele_answer_file_take(struct stele_answer_file *file, stele_view bytes, stele_err *err) {
    if (bytes.size > 0 && fwrite(bytes.data, 1, bytes.size, file->out) != bytes.size) {
        return STELE_FAIL_ERRNO(err, errno, "cannot write '%s'", file->path);
    }
    return stele_verifier_feed(file->verifier, bytes, err);
}

stele_status stele_answer_file_finish(struct stele_answer_file *file, stele_err *err) {
    struct stele_verify_report *report = stele_alloc(1, sizeof *report);
    stele_status st = STELE_OK;
    if (report == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory to check an answer");
    }
    STELE_TRY(stele_verifier_end(file->verifier, report, err));
    bool good = fflush(file->out) == 0 && fsync(fileno(file->out)) == 0;
    int failed = errno;
    good = fclose(file->out) == 0 && good;
    file->out = NULL;
    if (!good || rename((const char *)file->part.data, file->path) != 0) {
        STELE_TRY(STELE_FAIL_ERRNO(err, good ? errno : failed, "cannot write '%s'", file->path));
    }
    stele_buf_done(&file->part);
    (void)fprintf(stderr, "%s: %" PRIu64 " events of %zu logs, checked; `stele verify %s --key VKEYS` checks it again anywhere.\n",
                  file->path, report->n_events, report->n_logs, file->path);
cleanup:
    stele_verify_report_done(report);
    stele_free(report);
    return st;
}

void stele_answer_file_close(struct stele_answer_file *file) {
    if (file == NULL) {
        return;
    }
    if (file->out != NULL) {
        (void)fclose(file->out);
    }
    if (file->part.data != NULL) {
        (void)remove((const char *)file->part.data);
    }
    stele_buf_done(&file->part);
    stele_verifier_free(file->verifier);
    stele_free(file->keys);
    stele_free(file->path);
    stele_free(file);
}
