/* SPDX-License-Identifier: Apache-2.0 */
/* tools/acks.c: one acknowledgement, one line. */
#include "tools/acks.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "proto/time.h"
#include "tools/cli.h"

void stele_acks_print(void *ctx, const struct stele_shipped *shipped) {
    struct stele_acks *acks = ctx;
    json_t *line = NULL;
    if (shipped->code == 0) {
        char time_text[STELE_TIME_TEXT_BYTES];
        stele_time_print(shipped->log_time_unix_nano, time_text);
        line = json_pack("{s:I, s:s, s:I, s:s}", acks->line_name, (json_int_t)shipped->line, "log", shipped->log, "seq",
                         (json_int_t)shipped->seq, "log_time", time_text);
        if (shipped->duplicate) {
            (void)json_object_set_new(line, "duplicate", json_true());
            acks->duplicates++;
        }
        acks->stored++;
    } else {
        line = json_pack("{s:I, s:s, s:s%}", acks->line_name, (json_int_t)shipped->line, "code",
                         stele_rpc_code_name(shipped->code), "error", shipped->error, stele_view_str(shipped->error).size);
        acks->refused++;
    }
    if (line != NULL && json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0) {
        (void)fputc('\n', stdout);
        (void)fflush(stdout); /* a line is printed when its event is durable, not when a buffer is full */
    }
    json_decref(line);
}

int stele_acks_exit(const char *command, const struct stele_acks *acks, stele_status st, const stele_err *err) {
    if (acks->stored + acks->refused > 0) {
        (void)fprintf(stderr, "stele %s: %" PRIu64 " stored (%" PRIu64 " of them before), %" PRIu64 " refused\n", command,
                      acks->stored, acks->duplicates, acks->refused);
    }
    if (st != STELE_OK) {
        return stele_cli_failed(command, st, err);
    }
    return acks->refused > 0 ? STELE_EXIT_INCOMPLETE : STELE_EXIT_FOUND;
}
