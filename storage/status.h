/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/status.h: the closed set of outcomes every fallible call of Stele returns, and the detail
 * that travels beside it. Layer: storage (plain type, usable everywhere).
 *
 * A call returns stele_status and takes a nullable `stele_err *err` last. The detail is owned by
 * the caller, because a request hops between threads. It is set where the failure is first seen and
 * passed up untouched. On failure, outputs stay as they were.
 */
#ifndef STELE_STORAGE_STATUS_H
#define STELE_STORAGE_STATUS_H

#include <stddef.h>

/* The numbers are part of the interface: they never change and are pinned by a test. */
#define STELE_STATUS_MAP(X)                                                                        \
    X(0, OK, "ok")                                                                                 \
    X(1, END, "end of data")                                                                       \
    X(2, INVALID, "invalid input")                                                                 \
    X(3, LIMIT, "over a limit")                                                                    \
    X(4, DENIED, "denied")                                                                         \
    X(5, NOT_FOUND, "not found")                                                                   \
    X(6, EXISTS, "exists already, with other content")                                             \
    X(7, CORRUPT, "stored data does not hold")                                                     \
    X(8, UNVERIFIED, "verification failed")                                                        \
    X(9, UNSUPPORTED, "not supported")                                                             \
    X(10, IO, "input/output error")                                                                \
    X(11, NO_SPACE, "no space left")                                                               \
    X(12, NO_MEMORY, "out of memory")                                                              \
    X(13, BUSY, "busy, try again")                                                                 \
    X(14, CLOSED, "closed")                                                                        \
    X(15, BUG, "bug in stele")

typedef enum stele_status {
#define STELE_STATUS_ENUM(number, name, text) STELE_##name = (number),
    STELE_STATUS_MAP(STELE_STATUS_ENUM)
#undef STELE_STATUS_ENUM
} stele_status;

#define STELE_ERR_TEXT_BYTES 240

typedef struct stele_err {
    stele_status status;
    int os_errno;      /* 0 unless an operating system call failed */
    const char *where; /* "file:line", static */
    char text[STELE_ERR_TEXT_BYTES];
} stele_err;

#define STELE_MUST_USE __attribute__((warn_unused_result))
#define STELE_PRINTF(text_arg, first_arg) __attribute__((format(printf, text_arg, first_arg)))

/* The status's name ("INVALID") and its short text. Never NULL, also for numbers out of range. */
const char *stele_status_name(stele_status status);
const char *stele_status_text(stele_status status);

/* Fills *err (if not NULL). Called through STELE_FAIL. */
void stele_err__fill(stele_err *err, stele_status status, int os_errno, const char *where,
                     const char *format, ...) STELE_PRINTF(5, 6);
/* The same for a status known at run time only, which it returns. */
STELE_MUST_USE stele_status stele_err__set(stele_err *err, stele_status status, int os_errno,
                                           const char *where, const char *format, ...)
    STELE_PRINTF(5, 6);

#define STELE_STRINGIZE_(x) #x
#define STELE_STRINGIZE(x) STELE_STRINGIZE_(x)
#define STELE_WHERE __FILE__ ":" STELE_STRINGIZE(__LINE__)

/* return STELE_FAIL(err, INVALID, "tile path '%s': width 0", path);
 * The value is a constant, so that compilers see that no output is used after a failure. */
#define STELE_FAIL(err, name, ...)                                                                 \
    (stele_err__fill((err), STELE_##name, 0, STELE_WHERE, __VA_ARGS__), (stele_status)STELE_##name)
/* The same with an errno; ENOSPC and EDQUOT become NO_SPACE, ENOMEM NO_MEMORY, all others IO. */
#ifndef __clang_analyzer__
#define STELE_FAIL_ERRNO(err, os_errno, ...)                                                       \
    stele_err__set((err), stele_status_of_errno(os_errno), (os_errno), STELE_WHERE, __VA_ARGS__)
#else /* the analyser does not look into status.c, where it would see that this is never OK */
#define STELE_FAIL_ERRNO(err, os_errno, ...) ((void)(os_errno), STELE_FAIL((err), IO, __VA_ARGS__))
#endif

stele_status stele_status_of_errno(int os_errno);

/* Runs a call; on failure jumps to `cleanup` with the status in `st`. The only macro with hidden
 * flow. */
#define STELE_TRY(call)                                                                            \
    do {                                                                                           \
        st = (call);                                                                               \
        if (st != STELE_OK) {                                                                      \
            goto cleanup;                                                                          \
        }                                                                                          \
    } while (0)

#endif
