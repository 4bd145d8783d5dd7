/* SPDX-License-Identifier: Apache-2.0 */
/* tools/flags.c: help, and messages for flags that are wrong. */
#include "tools/flags.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

void stele_flags_begin(void) {
    optind = 1;
    opterr = 0;
}

int stele_usage_error(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "stele %s: ", command);
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\n(`stele %s --help` shows the flags and examples)\n", command);
    va_end(args);
    return STELE_EXIT_USAGE;
}

int stele_flag_other(const char *command, const char *usage, int c, char *const *argv) {
    if (c == 'h') {
        (void)fputs(usage, stdout);
        return STELE_EXIT_FOUND;
    }
    /* A long flag has just been passed over; a short one may stand inside a word: "-xyz". */
    const char *word = argv[optind - 1];
    if (c == ':') {
        return stele_usage_error(command, "%s needs a value", word);
    }
    if (word[0] == '-' && word[1] == '-' && optopt == 0) {
        return stele_usage_error(command, "there is no flag %s, or it could be several", word);
    }
    if (word[0] == '-' && word[1] == '-') {
        return stele_usage_error(command, "%s: this flag takes no value", word);
    }
    return stele_usage_error(command, "there is no flag -%c", optopt);
}
