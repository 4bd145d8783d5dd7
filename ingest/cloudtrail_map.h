/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/cloudtrail_map.h: one CloudTrail record on its way to the normalized JSON form. Layer:
 * ingest, and only for import_cloudtrail.c and cloudtrail_*.c.
 *
 * `event` grows by the put functions. They leave out what is empty, cut what is over a limit, and
 * replace control characters by spaces; running out of memory is noted in `failed` and told once,
 * at the end.
 */
#ifndef STELE_INGEST_CLOUDTRAIL_MAP_H
#define STELE_INGEST_CLOUDTRAIL_MAP_H

#include <jansson.h>

#include "ingest/cloudtrail_tables.h"
#include "ingest/import_cloudtrail.h"

struct stele_cloudtrail_map {
    const struct stele_cloudtrail_target *target;
    const json_t *record;
    json_t *event;      /* owned */
    json_t *attributes; /* owned by event */
    const struct stele_cloudtrail_kind *kind;
    const char *action; /* words of the normalized form */
    const char *outcome;
    char service[64]; /* eventSource without ".amazonaws.com"; "unknown" */
    char name[128];   /* eventName; "unknown" */
    char verb[128];   /* "bedrock:InvokeModel" */
    char actor_id[257];
    char incomplete[256]; /* words of stele.incomplete, with commas */
    bool has_resource;
    bool failed;
};

/* ---- cloudtrail_text.c: reading the record, writing the event */
/* A member by its path, "userIdentity.sessionContext.sessionIssuer.arn"; "" if it is no text. */
const char *stele_cloudtrail_text(const json_t *from, const char *path);
const json_t *stele_cloudtrail_value(const json_t *from, const char *path); /* NULL if absent */

/* Display text, at most `max` bytes, cut between characters. */
void stele_cloudtrail_put_text(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                               const char *text, size_t max);
/* An identifier: one over `max` bytes ends in "#sha256:" and its digest, so that it stays its own.
 */
void stele_cloudtrail_put_id(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                             const char *text, size_t max);
/* The same into a buffer of max + 1 bytes. */
void stele_cloudtrail_fit_id(const char *text, char *out, size_t max);
/* Takes `value` over, which may be NULL where there was no memory for it. */
void stele_cloudtrail_put(struct stele_cloudtrail_map *m, json_t *object, const char *key,
                          json_t *value);
/* A new object or array under `key`; never NULL: on failure one that is dropped with the event. */
json_t *stele_cloudtrail_put_object(struct stele_cloudtrail_map *m, json_t *object,
                                    const char *key);
json_t *stele_cloudtrail_put_array(struct stele_cloudtrail_map *m, json_t *object, const char *key);
json_t *stele_cloudtrail_push_object(struct stele_cloudtrail_map *m, json_t *array);
/* Adds a word to stele.incomplete. */
void stele_cloudtrail_lacks(struct stele_cloudtrail_map *m, const char *word);

/* ---- cloudtrail_body.c */
/* resource[]: what the record names, else what its parameters do. */
void stele_cloudtrail_put_resources(struct stele_cloudtrail_map *m);
/* event_type and the body. */
void stele_cloudtrail_put_body(struct stele_cloudtrail_map *m);

#endif
