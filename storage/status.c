/* SPDX-License-Identifier: Apache-2.0 */
/* storage/status.c: names of the statuses, and filling in the detail of a failure. */
#include "storage/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const char *stele_status_name(stele_status status) {
    switch (status) {
#define STELE_STATUS_NAME(number, name, text)                                                      \
    case STELE_##name:                                                                             \
        return #name;
        STELE_STATUS_MAP(STELE_STATUS_NAME)
#undef STELE_STATUS_NAME
    }
    return "UNKNOWN_STATUS";
}

const char *stele_status_text(stele_status status) {
    switch (status) {
#define STELE_STATUS_TEXT(number, name, text)                                                      \
    case STELE_##name:                                                                             \
        return text;
        STELE_STATUS_MAP(STELE_STATUS_TEXT)
#undef STELE_STATUS_TEXT
    }
    return "unknown status";
}

static void fill(stele_err *err, stele_status status, int os_errno, const char *where,
                 const char *format, va_list args) STELE_PRINTF(5, 0);

static void fill(stele_err *err, stele_status status, int os_errno, const char *where,
                 const char *format, va_list args) {
    if (err != NULL) {
        err->status = status;
        err->os_errno = os_errno;
        err->where = where;
        (void)vsnprintf(err->text, sizeof err->text, format, args);
    }
}

void stele_err__fill(stele_err *err, stele_status status, int os_errno, const char *where,
                     const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, os_errno, where, format, args);
    va_end(args);
}

stele_status stele_err__set(stele_err *err, stele_status status, int os_errno, const char *where,
                            const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, os_errno, where, format, args);
    va_end(args);
    return status;
}

stele_status stele_status_of_errno(int os_errno) {
    if (os_errno == ENOSPC || os_errno == EDQUOT) {
        return STELE_NO_SPACE;
    }
    return os_errno == ENOMEM ? STELE_NO_MEMORY : STELE_IO;
}
