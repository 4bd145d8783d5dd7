/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cloudtrail_body.c: what an event was done to, and its body. */
#include <stdio.h>
#include <string.h>

#include "ingest/cloudtrail_map.h"

#define RESOURCES_MAX 16 /* of an event, by the schema */
#define ID_BYTES_MAX 512
#define UNKNOWN "unknown"

/* ------------------------------------------------------------------ resources */

struct resource {
    const char *id;
    const char *type;
    const char *owner; /* empty: not said */
};

static void put_resource(struct stele_cloudtrail_map *m, json_t *array, struct resource found) {
    json_t *resource = stele_cloudtrail_push_object(m, array);
    stele_cloudtrail_put_id(m, resource, "id", found.id, ID_BYTES_MAX);
    stele_cloudtrail_put(m, resource, "type", json_string(found.type));
    stele_cloudtrail_put(m, resource, "role",
                         json_string(json_array_size(array) == 1 ? "target" : "related"));
    stele_cloudtrail_put_text(m, resource, "region", stele_cloudtrail_text(m->record, "awsRegion"),
                              32);
    stele_cloudtrail_put_text(m, resource, "owner", found.owner, 128);
}

static void put_listed(struct stele_cloudtrail_map *m, json_t *array) {
    const json_t *listed = stele_cloudtrail_value(m->record, "resources");
    size_t left_out = 0;
    for (size_t i = 0; i < json_array_size(listed); i++) {
        const json_t *resource = json_array_get(listed, i);
        const char *id = stele_cloudtrail_text(resource, "ARN");
        id = id[0] == '\0' ? stele_cloudtrail_text(resource, "ARNPrefix") : id;
        if (id[0] == '\0') {
            continue;
        }
        if (json_array_size(array) == RESOURCES_MAX) {
            left_out++;
            continue;
        }
        put_resource(m, array,
                     (struct resource){id, stele_cloudtrail_arn_type(id),
                                       stele_cloudtrail_text(resource, "accountId")});
    }
    if (left_out > 0) {
        stele_cloudtrail_put(m, m->attributes, "stele.dropped", json_integer((json_int_t)left_out));
    }
}

/* An S3 object is its bucket and its key. */
static void put_object_of_bucket(struct stele_cloudtrail_map *m, json_t *array) {
    const char *bucket = stele_cloudtrail_text(m->record, "requestParameters.bucketName");
    const char *key = stele_cloudtrail_text(m->record, "requestParameters.key");
    char id[2048]; /* a bucket has 63 bytes, a key 1,024 */
    if (strcmp(m->service, "s3") != 0 || bucket[0] == '\0') {
        return;
    }
    int n = snprintf(id, sizeof id, "arn:aws:s3:::%s%s%s", bucket, key[0] == '\0' ? "" : "/", key);
    if (n > 0 && (size_t)n < sizeof id) {
        put_resource(m, array, (struct resource){id, "storage_object", ""});
    }
}

static void put_parameter(struct stele_cloudtrail_map *m, json_t *array,
                          const struct stele_cloudtrail_parameter *p) {
    char path[128];
    char id[2048];
    (void)snprintf(path, sizeof path, "requestParameters.%s", p->name);
    const char *value = stele_cloudtrail_text(m->record, path);
    if (strcmp(p->service, m->service) != 0 || value[0] == '\0') {
        return;
    }
    bool is_arn = strncmp(value, "arn:", 4) == 0;
    int n = is_arn ? snprintf(id, sizeof id, "%s", value)
                   : snprintf(id, sizeof id, "%s:%s/%s", p->service, p->kind, value);
    if (n > 0 && (size_t)n < sizeof id) {
        put_resource(m, array, (struct resource){id, p->type, ""});
    }
}

void stele_cloudtrail_put_resources(struct stele_cloudtrail_map *m) {
    json_t *array = stele_cloudtrail_put_array(m, m->event, "resource");
    put_listed(m, array);
    if (json_array_size(array) == 0) {
        put_object_of_bucket(m, array);
    }
    const struct stele_cloudtrail_parameter *p = NULL;
    bool named = json_array_size(array) > 0;
    for (unsigned i = 0; !named && (p = stele_cloudtrail_parameter_at(i)) != NULL; i++) {
        if (json_array_size(array) < RESOURCES_MAX) {
            put_parameter(m, array, p);
        }
    }
    m->has_resource = json_array_size(array) > 0;
    if (!m->has_resource) {
        (void)json_object_del(m->event, "resource");
        stele_cloudtrail_put_text(m, m->attributes, "cloudtrail.region",
                                  stele_cloudtrail_text(m->record, "awsRegion"), 1024);
    }
}

/* ------------------------------------------------------------------ bodies */

static const char *parameter(const struct stele_cloudtrail_map *m, const char *name) {
    char path[128];
    (void)snprintf(path, sizeof path, "requestParameters.%s", name);
    return stele_cloudtrail_text(m->record, path);
}

/* The first of the named parameters that is there; "" if none is. */
static const char *first_parameter(const struct stele_cloudtrail_map *m, const char *const *names) {
    for (; *names != NULL; names++) {
        const char *value = parameter(m, *names);
        if (value[0] != '\0') {
            return value;
        }
    }
    return "";
}

/* Required by the schema, and often not in the record. */
static void put_required(struct stele_cloudtrail_map *m, json_t *body, const char *key,
                         const char *value, size_t max) {
    if (value[0] == '\0') {
        stele_cloudtrail_lacks(m, key);
        value = UNKNOWN;
    }
    stele_cloudtrail_put_id(m, body, key, value, max);
}

/* Behind the last separator: "anthropic.claude-v2:1" -> "1", "...:model-package/name/3" -> "3". */
static const char *version_of(const char *id, char separator) {
    const char *last = strrchr(id, separator);
    bool digits =
        last != NULL && last[1] != '\0' && strspn(last + 1, "0123456789") == strlen(last + 1);
    return digits ? last + 1 : "";
}

static void put_inference(struct stele_cloudtrail_map *m) {
    json_t *body = stele_cloudtrail_put_object(m, m->event, "inference");
    const char *model = parameter(m, "modelId");
    put_required(m, body, "model_id", model, 256);
    put_required(m, body, "model_version", version_of(model, ':'), 128);
    stele_cloudtrail_lacks(m, "input_hash");
    if (strcmp(m->outcome, "success") == 0) {
        stele_cloudtrail_lacks(m, "output_hash");
    }
    stele_cloudtrail_put(m, body, "provider", json_string("aws.bedrock"));
    stele_cloudtrail_put_id(m, body, "request_id", stele_cloudtrail_text(m->record, "requestID"),
                            128);
    stele_cloudtrail_put_id(m, body, "guardrail_id", parameter(m, "guardrailIdentifier"), 128);
    if (strstr(m->name, "Stream") != NULL) {
        stele_cloudtrail_put(m, body, "streamed", json_true());
    }
}

static const char *stage_of(const struct stele_cloudtrail_map *m, bool approval) {
    if (strcmp(m->outcome, "success") != 0) {
        return "failed";
    }
    if (approval) {
        return "approved";
    }
    return strcmp(m->action, "retire") == 0 ? "retired" : "requested";
}

/* A model package's approval is a decision of the caller; an endpoint's change is the deployment.
 */
static void put_deployment(struct stele_cloudtrail_map *m) {
    static const char *const models[] = {"modelPackageArn",    "modelPackageName", "modelName",
                                         "endpointConfigName", "endpointName",     NULL};
    json_t *body = stele_cloudtrail_put_object(m, m->event, "deployment");
    const char *model = first_parameter(m, models);
    const char *status = parameter(m, "modelApprovalStatus");
    bool approved = strcmp(status, "Approved") == 0;
    bool decided = approved || strcmp(status, "Rejected") == 0;
    put_required(m, body, "model_id", model, 256);
    put_required(m, body, "model_version", version_of(model, '/'), 128);
    put_required(m, body, "environment", "", 64);
    stele_cloudtrail_put_id(m, body, "endpoint", parameter(m, "endpointName"), 256);
    stele_cloudtrail_put(m, body, "stage", json_string(stage_of(m, approved)));
    if (strcmp(m->action, "deploy") == 0) {
        stele_cloudtrail_lacks(m, "artifact_hash");
    }
    if (decided) {
        json_t *approval =
            stele_cloudtrail_push_object(m, stele_cloudtrail_put_array(m, body, "approval"));
        stele_cloudtrail_put_id(m, approval, "approver_id", m->actor_id, 256);
        stele_cloudtrail_put(m, approval, "decision",
                             json_string(approved ? "approved" : "rejected"));
        stele_cloudtrail_put_text(m, approval, "time",
                                  stele_cloudtrail_text(m->record, "eventTime"), 64);
        stele_cloudtrail_put_text(m, approval, "comment", parameter(m, "approvalDescription"), 512);
    }
}

static void put_access(struct stele_cloudtrail_map *m) {
    json_t *body = stele_cloudtrail_put_object(m, m->event, "access");
    stele_cloudtrail_put_text(m, body, "permission", m->verb, 128);
    stele_cloudtrail_put(m, body, "channel", json_string("api"));
}

/* A policy change is of a policy or for a principal. A call that was refused often comes without
 * its parameters: that it was tried is worth finding all the same. */
static void put_policy_change(struct stele_cloudtrail_map *m) {
    static const char *const policies[] = {"policyArn",
                                           "policyName",
                                           "bucketName",
                                           "groupId",
                                           "keyId",
                                           "trailName",
                                           "name",
                                           "secretId",
                                           "imageId",
                                           "snapshotId",
                                           "modelId",
                                           "functionName",
                                           "logGroupName",
                                           "guardrailIdentifier",
                                           "dBSnapshotIdentifier",
                                           "repositoryName",
                                           NULL};
    static const char *const roles[] = {"roleArn", NULL};
    static const char *const principals[] = {
        "userName", "roleArn", "roleName", "groupName", "principal", "granteePrincipal", NULL};
    static const char *const granted[] = {"policyArn", "policyName", "action", NULL};
    bool assumes = strcmp(m->kind->policy_kind, "role_assumed") == 0;
    const char *policy = first_parameter(m, assumes ? roles : policies);
    const char *principal = assumes ? m->actor_id : first_parameter(m, principals);
    if (policy[0] == '\0' && principal[0] == '\0') {
        principal = UNKNOWN;
        stele_cloudtrail_lacks(m, "principal_id");
    }
    json_t *body = stele_cloudtrail_put_object(m, m->event, "policy_change");
    stele_cloudtrail_put(m, body, "kind", json_string(m->kind->policy_kind));
    stele_cloudtrail_put_id(m, body, "policy_id", policy, 512);
    stele_cloudtrail_put_id(m, body, "principal_id", principal, 256);
    const char *what = first_parameter(m, granted);
    bool grant = strcmp(m->action, "grant") == 0;
    if (what[0] != '\0' && (grant || strcmp(m->action, "revoke") == 0)) {
        char fitted[129];
        json_t *list = stele_cloudtrail_put_array(m, body, grant ? "added" : "removed");
        stele_cloudtrail_fit_id(what, fitted, 128);
        m->failed = m->failed || json_array_append_new(list, json_string(fitted)) != 0;
    }
}

static void put_authentication(struct stele_cloudtrail_map *m) {
    json_t *body = stele_cloudtrail_put_object(m, m->event, "authentication");
    const char *type = stele_cloudtrail_text(m->record, "userIdentity.type");
    bool password = strcmp(type, "IAMUser") == 0 || strcmp(type, "Root") == 0;
    bool mfa = strcmp(stele_cloudtrail_text(m->record, "additionalEventData.MFAUsed"), "Yes") == 0;
    stele_cloudtrail_put(m, body, "method", json_string(password ? "password" : "sso"));
    if (mfa) {
        stele_cloudtrail_put(m, body, "mfa", json_true());
    }
    stele_cloudtrail_put(m, body, "target_service", json_string("aws-console"));
    stele_cloudtrail_put(m, body, "interactive", json_true());
    if (strcmp(m->outcome, "success") != 0) {
        stele_cloudtrail_put_text(m, body, "failure_reason",
                                  stele_cloudtrail_text(m->record, "errorMessage"), 256);
    }
}

static void put_generic(struct stele_cloudtrail_map *m) {
    json_t *body = stele_cloudtrail_put_object(m, m->event, "generic");
    stele_cloudtrail_put_text(m, body, "name", m->verb, 128);
}

void stele_cloudtrail_put_body(struct stele_cloudtrail_map *m) {
    const char *type = "generic";
    switch (m->kind->class) {
    case STELE_CLOUDTRAIL_INFERENCE:
        put_inference(m);
        type = "inference";
        break;
    case STELE_CLOUDTRAIL_DEPLOYMENT:
        put_deployment(m);
        type = "deployment";
        break;
    case STELE_CLOUDTRAIL_ACCESS:
        if (m->has_resource) { /* an access is to something; a list of everything is not */
            put_access(m);
            type = "access";
        } else {
            put_generic(m);
        }
        break;
    case STELE_CLOUDTRAIL_POLICY:
        put_policy_change(m);
        type = "policy_change";
        break;
    case STELE_CLOUDTRAIL_AUTHENTICATION:
        put_authentication(m);
        type = "authentication";
        break;
    case STELE_CLOUDTRAIL_GENERIC:
        put_generic(m);
        break;
    }
    stele_cloudtrail_put(m, m->event, "event_type", json_string(type));
}
