/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/cloudtrail_tables.h: which CloudTrail event is what, as tables that are searched in order.
 * Layer: ingest, and only for import_cloudtrail.c and cloudtrail_body.c. Constant data.
 *
 * A service is an eventSource without ".amazonaws.com". A name in a table is a whole eventName, or
 * the beginning of one if it ends in '*'. Words are those of the normalized JSON form.
 */
#ifndef STELE_INGEST_CLOUDTRAIL_TABLES_H
#define STELE_INGEST_CLOUDTRAIL_TABLES_H

#include <stdbool.h>

/* What the event becomes. GENERIC if no row matches. */
typedef enum stele_cloudtrail_class {
    STELE_CLOUDTRAIL_GENERIC,
    STELE_CLOUDTRAIL_INFERENCE,
    STELE_CLOUDTRAIL_DEPLOYMENT,
    STELE_CLOUDTRAIL_ACCESS,
    STELE_CLOUDTRAIL_POLICY,
    STELE_CLOUDTRAIL_AUTHENTICATION,
} stele_cloudtrail_class;

struct stele_cloudtrail_kind {
    const char *service;
    const char *name;
    stele_cloudtrail_class class;
    const char *policy_kind; /* PolicyChange.kind, for POLICY */
};
/* Never NULL. */
const struct stele_cloudtrail_kind *stele_cloudtrail_kind_of(const char *service, const char *name);

/* "read", "create", ...; `read_only` decides where no row matches. */
const char *stele_cloudtrail_action(const char *service, const char *name, bool read_only);

/* userIdentity.type -> ActorType; "unknown" for words not in the table. */
const char *stele_cloudtrail_actor_type(const char *type);

/* ResourceType of an ARN ("arn:aws:s3:::bucket/key"), by its service and the kind after it. */
const char *stele_cloudtrail_arn_type(const char *arn);

/* Members of requestParameters that name what a call was about. An id that is no ARN is written
 * "<service>:<kind>/<value>". */
struct stele_cloudtrail_parameter {
    const char *service;
    const char *name;
    const char *kind;
    const char *type; /* ResourceType */
};
/* Row i of the table; NULL behind its end. */
const struct stele_cloudtrail_parameter *stele_cloudtrail_parameter_at(unsigned i);

/* Whether an errorCode says that the caller was not allowed to. */
bool stele_cloudtrail_is_denied(const char *error_code);

#endif
