/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/complete.h: what both sides of a complete answer name. Layer: storage, part of the
 * verifier. Format: FORMAT.md, "Answer file, version 2".
 */
#ifndef STELE_STORAGE_COMPLETE_H
#define STELE_STORAGE_COMPLETE_H

/* Instead of a condition's number: everything of the tenant, field 16. */
#define STELE_COMPLETE_WHOLE_TENANT 255
/* Up to so many events, a log shows them in the log itself: the index alone could name one that is
 * not there. */
#define STELE_ANSWER_BY_LOG_EVENTS 1000

typedef enum stele_opening_kind {
    STELE_OPENING_EMPTY = 0,
    STELE_OPENING_OPENED = 1,
    STELE_OPENING_DISPOSED = 2,
} stele_opening_kind;

#endif
