/* SPDX-License-Identifier: Apache-2.0 */
/* tools/acks.c: one acknowledgement, one line. */
#include "tools/acks.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proto/time.h"
#include "tools/cli.h"

static json_t *line_of(const struct stele_shipped *shipped) {
    char time_text[STELE_TIME_TEXT_BYTES];
    if (shipped->code != 0) {
        return json_pack("{s:I, s:s, s:s%}", "line", (json_int_t)shipped->line, "code",
                         stele_rpc_code_name(shipped->code), "error", shipped->error,
                         strlen(shipped->error));
    }
    stele_time_print(shipped->log_time_unix_nano, time_text);
    json_t *line = json_pack("{s:I, s:s, s:I, s:s}", "line", (json_int_t)shipped->line, "log",
                             shipped->log, "seq", (json_int_t)shipped->seq, "log_time", time_text);
    if (line != NULL && shipped->duplicate) {
        (void)json_object_set_new(line, "duplicate", json_true());
    }
    return line;
}

void stele_acks_print(void *ctx, const struct stele_shipped *shipped) {
    struct stele_acks *acks = ctx;
    if (acks->progress.command == NULL) {
        stele_progress_begin(&acks->progress, "stele", "events decided", true);
    }
    json_t *line = line_of(shipped);
    if (shipped->code == 0) {
        acks->stored++;
        acks->duplicates += shipped->duplicate ? 1 : 0;
    } else {
        acks->refused++;
    }
    errno = 0;
    /* A line is printed when its event is durable, not when a buffer is full. */
    if (line == NULL || json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0 ||
        fputc('\n', stdout) == EOF || fflush(stdout) != 0) {
        acks->stdout_errno = errno == 0 ? EIO : errno;
    }
    json_decref(line);
    stele_progress_at(&acks->progress, acks->stored + acks->refused, 0);
}

stele_status stele_acks_check(const struct stele_acks *acks, stele_err *err) {
    return acks->stdout_errno == 0
               ? STELE_OK
               : STELE_FAIL_ERRNO(err, acks->stdout_errno,
                                  "cannot print acknowledgements: %s; shipping stopped",
                                  strerror(acks->stdout_errno));
}

int stele_acks_exit(const char *command, struct stele_acks *acks, stele_status st,
                    const stele_err *err) {
    stele_progress_end(&acks->progress);
    if (acks->stored + acks->refused > 0 && acks->stdout_errno != EPIPE) {
        char known[64] = "";
        if (acks->duplicates > 0) {
            (void)snprintf(known, sizeof known, " (%" PRIu64 " of them known before)",
                           acks->duplicates);
        }
        (void)fprintf(stderr, "stele %s: %" PRIu64 " stored%s, %" PRIu64 " refused\n", command,
                      acks->stored, known, acks->refused);
    }
    if (st != STELE_OK) {
        return stele_cli_failed(command, st, err);
    }
    return acks->refused > 0 ? STELE_EXIT_INCOMPLETE : STELE_EXIT_FOUND;
}

void stele_acks_tell_undecided(const char *command, struct stele_shipper *shipper) {
    uint64_t line = 0;
    uint64_t n = shipper == NULL ? 0 : stele_shipper_undecided(shipper, &line);
    if (n > 0) {
        (void)fprintf(stderr,
                      "stele %s: nothing is known of line %" PRIu64
                      " and those behind it. Send the "
                      "same input again:\nwhat was stored all the same is recognised and keeps its "
                      "place.\n",
                      command, line);
    }
}
