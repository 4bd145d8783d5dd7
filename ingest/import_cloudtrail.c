/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/import_cloudtrail.c: records one by one, and the envelope of each one's event. */
#include "ingest/import_cloudtrail.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ingest/cloudtrail_map.h"
#include "ingest/json_records.h"
#include "proto/event_json.h"
#include "storage/hash.h"

#define UNKNOWN "unknown"
#define EVENT_ID_BYTES_MAX 64

struct stele_cloudtrail {
    struct stele_json_records *records;
    struct stele_cloudtrail_target target;
};

/* ------------------------------------------------------------------ who */

/* The actor is whom AWS names: an ARN, else its own id, else the service that acted. */
static void put_actor_id(struct stele_cloudtrail_map *m, json_t *actor, const json_t *identity) {
    static const char *const names[] = {"arn", "principalId", "invokedBy"};
    const char *id = "";
    for (size_t i = 0; i < 3 && id[0] == '\0'; i++) {
        id = stele_cloudtrail_text(identity, names[i]);
    }
    if (id[0] == '\0') {
        id = UNKNOWN;
        stele_cloudtrail_lacks(m, "actor_id");
    }
    stele_cloudtrail_fit_id(id, m->actor_id, 256);
    stele_cloudtrail_put(m, actor, "id", json_string(m->actor_id));
}

static void put_actor_type(struct stele_cloudtrail_map *m, json_t *actor, const json_t *identity) {
    const char *type = stele_cloudtrail_text(identity, "type");
    const char *word = stele_cloudtrail_actor_type(type);
    if (type[0] == '\0' &&
        strcmp(stele_cloudtrail_text(m->record, "eventType"), "AwsServiceEvent") == 0) {
        word = "system"; /* AWS leaves the type out of its own services' events */
    } else if (type[0] == '\0') {
        stele_cloudtrail_lacks(m, "actor_type");
    }
    stele_cloudtrail_put(m, actor, "type", json_string(word));
}

static void put_address(struct stele_cloudtrail_map *m, json_t *actor) {
    unsigned char address[16];
    const char *text = stele_cloudtrail_text(m->record, "sourceIPAddress");
    if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1) {
        stele_cloudtrail_put(m, actor, "ip", json_string(text));
    } else { /* often the name of a service, or "AWS Internal" */
        stele_cloudtrail_put_text(m, m->attributes, "cloudtrail.source_address", text, 1024);
    }
}

static void put_actor(struct stele_cloudtrail_map *m) {
    const json_t *identity = stele_cloudtrail_value(m->record, "userIdentity");
    const json_t *session = stele_cloudtrail_value(identity, "sessionContext");
    json_t *actor = stele_cloudtrail_put_object(m, m->event, "actor");
    put_actor_id(m, actor, identity);
    put_actor_type(m, actor, identity);
    stele_cloudtrail_put_text(m, actor, "name", stele_cloudtrail_text(identity, "userName"), 256);
    put_address(m, actor);
    stele_cloudtrail_put_text(m, actor, "user_agent", stele_cloudtrail_text(m->record, "userAgent"),
                              512);
    stele_cloudtrail_put_id(m, actor, "credential_id",
                            stele_cloudtrail_text(identity, "accessKeyId"), 128);
    stele_cloudtrail_put_text(m, actor, "issuer", stele_cloudtrail_text(identity, "accountId"),
                              256);
    if (strcmp(stele_cloudtrail_text(session, "attributes.mfaAuthenticated"), "true") == 0) {
        stele_cloudtrail_put(m, actor, "mfa", json_true());
    }
    const char *issuer = stele_cloudtrail_text(session, "sessionIssuer.arn");
    if (issuer[0] != '\0') {
        json_t *list = stele_cloudtrail_put_array(m, actor, "on_behalf_of");
        json_t *delegation = stele_cloudtrail_push_object(m, list);
        stele_cloudtrail_put_id(m, delegation, "id", issuer, 256);
        stele_cloudtrail_put(m, delegation, "type",
                             json_string(stele_cloudtrail_actor_type(
                                 stele_cloudtrail_text(session, "sessionIssuer.type"))));
        stele_cloudtrail_put_text(m, delegation, "issuer",
                                  stele_cloudtrail_text(session, "sessionIssuer.accountId"), 256);
    }
    const char *invoked_by = stele_cloudtrail_text(identity, "invokedBy");
    if (strcmp(invoked_by, m->actor_id) != 0) {
        stele_cloudtrail_put_text(m, m->attributes, "cloudtrail.invoked_by", invoked_by, 1024);
    }
}

/* ------------------------------------------------------------------ what, where, how it ended */

static void name_event(struct stele_cloudtrail_map *m) {
    static const char suffix[] = ".amazonaws.com";
    const char *source = stele_cloudtrail_text(m->record, "eventSource");
    const char *name = stele_cloudtrail_text(m->record, "eventName");
    size_t length = strlen(source);
    bool is_aws =
        length > sizeof suffix - 1 && strcmp(source + length - (sizeof suffix - 1), suffix) == 0;
    size_t kept = is_aws ? length - (sizeof suffix - 1) : length;
    (void)snprintf(m->service, sizeof m->service, "%.*s", (int)(kept < 63 ? kept : 63),
                   kept == 0 ? UNKNOWN : source);
    (void)snprintf(m->name, sizeof m->name, "%.127s", name[0] == '\0' ? UNKNOWN : name);
    (void)snprintf(m->verb, sizeof m->verb, "%.48s:%.78s", kept == 0 ? UNKNOWN : m->service,
                   m->name);
    if (source[0] == '\0') {
        stele_cloudtrail_lacks(m, "source.service");
    }
    if (name[0] == '\0') {
        stele_cloudtrail_lacks(m, "action_detail");
    }
    const char *status = stele_cloudtrail_text(m->record, "requestParameters.modelApprovalStatus");
    m->kind = stele_cloudtrail_kind_of(m->service, m->name);
    m->action = stele_cloudtrail_action(
        m->service, m->name, json_is_true(stele_cloudtrail_value(m->record, "readOnly")));
    if (strcmp(m->name, "UpdateModelPackage") == 0 && status[0] != '\0') {
        m->action = strcmp(status, "Approved") == 0
                        ? "approve"
                        : (strcmp(status, "Rejected") == 0 ? "reject" : m->action);
    }
}

static void put_outcome(struct stele_cloudtrail_map *m) {
    const char *code = stele_cloudtrail_text(m->record, "errorCode");
    const char *reason = stele_cloudtrail_text(m->record, "errorMessage");
    const char *login = stele_cloudtrail_text(m->record, "responseElements.ConsoleLogin");
    m->outcome = "success";
    if (code[0] != '\0' && stele_cloudtrail_is_denied(code)) {
        m->outcome = "denied";
    } else if (code[0] != '\0' || reason[0] != '\0' || strcmp(login, "Failure") == 0) {
        m->outcome = "failure";
    }
    stele_cloudtrail_put(m, m->event, "outcome", json_string(m->outcome));
    if (code[0] != '\0' || reason[0] != '\0') {
        json_t *status = stele_cloudtrail_put_object(m, m->event, "status");
        stele_cloudtrail_put_text(m, status, "code", code, 64);
        stele_cloudtrail_put_text(m, status, "reason", reason, 512);
    }
}

static void put_source(struct stele_cloudtrail_map *m) {
    const char *service = stele_cloudtrail_text(m->record, "eventSource");
    const char *account = stele_cloudtrail_text(m->record, "recipientAccountId");
    if (account[0] == '\0') {
        account = stele_cloudtrail_text(m->record, "userIdentity.accountId");
    }
    json_t *source = stele_cloudtrail_put_object(m, m->event, "source");
    stele_cloudtrail_put_id(m, source, "service", service[0] == '\0' ? UNKNOWN : service, 128);
    stele_cloudtrail_put(m, source, "adapter", json_string("cloudtrail"));
    stele_cloudtrail_put_text(m, source, "account", account, 128);
}

static void put_attributes(struct stele_cloudtrail_map *m) {
    static const char *const texts[][2] = {
        {"cloudtrail.event_type", "eventType"},
        {"cloudtrail.event_category", "eventCategory"},
        {"cloudtrail.shared_event_id", "sharedEventID"},
        {"cloudtrail.vpc_endpoint_id", "vpcEndpointId"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        stele_cloudtrail_put_text(m, m->attributes, texts[i][0],
                                  stele_cloudtrail_text(m->record, texts[i][1]), 1024);
    }
    const json_t *read_only = stele_cloudtrail_value(m->record, "readOnly");
    if (json_is_boolean(read_only)) {
        stele_cloudtrail_put(m, m->attributes, "cloudtrail.read_only",
                             json_boolean(json_is_true(read_only)));
    }
    stele_cloudtrail_put_text(m, m->attributes, "stele.incomplete", m->incomplete, 1024);
}

/* ------------------------------------------------------------------ which record it was */

static bool is_event_id(const char *text) {
    size_t length = strlen(text);
    return length > 0 && length <= EVENT_ID_BYTES_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-") ==
               length;
}

/* The id, and the digest of the record as it came: the same record always makes the same event. */
static void put_identity(struct stele_cloudtrail_map *m, stele_view bytes) {
    uint8_t digest[STELE_HASH_BYTES];
    char hex[2 * STELE_HASH_BYTES + 1];
    char text[2 * STELE_HASH_BYTES + 16];
    const char *id = stele_cloudtrail_text(m->record, "eventID");
    stele_sha256_of(bytes, digest);
    stele_hex_encode(stele_view_of(digest, sizeof digest), hex);
    if (is_event_id(id)) {
        stele_cloudtrail_put(m, m->event, "event_id", json_string(id));
    } else {
        (void)snprintf(text, sizeof text, "ct-%.32s", hex);
        stele_cloudtrail_put(m, m->event, "event_id", json_string(text));
        stele_cloudtrail_lacks(m, "event_id");
    }
    json_t *original = stele_cloudtrail_put_object(m, m->event, "original");
    (void)snprintf(text, sizeof text, "cloudtrail-%.16s",
                   stele_cloudtrail_text(m->record, "eventVersion"));
    stele_cloudtrail_put_text(m, original, "format", text, 32);
    stele_cloudtrail_put_id(m, original, "id", id, 128);
    json_t *object = stele_cloudtrail_put_object(m, original, "digest");
    (void)snprintf(text, sizeof text, "sha256:%s", hex);
    stele_cloudtrail_put(m, object, "value", json_string(text));
    stele_cloudtrail_put(m, object, "content_bytes", json_integer((json_int_t)bytes.size));
    stele_cloudtrail_put(m, object, "canonical", json_string("raw"));
    const char *correlation = stele_cloudtrail_text(m->record, "requestID");
    if (correlation[0] == '\0') {
        correlation = stele_cloudtrail_text(m->record, "sharedEventID");
    }
    stele_cloudtrail_put_id(m, m->event, "correlation_id", correlation, 128);
}

static stele_status map_record(struct stele_cloudtrail_map *m, stele_view bytes, stele_err *err) {
    const char *time = stele_cloudtrail_text(m->record, "eventTime");
    if (time[0] == '\0') {
        return STELE_FAIL(err, INVALID,
                          "no eventTime; this is no CloudTrail record, or a part of one");
    }
    m->event = json_object();
    if (m->event == NULL) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an event");
    }
    m->attributes = stele_cloudtrail_put_object(m, m->event, "attributes");
    stele_cloudtrail_put(m, m->event, "schema_version", json_string("stele.v1"));
    stele_cloudtrail_put(m, m->event, "tenant", json_string(m->target->tenant));
    stele_cloudtrail_put(m, m->event, "region", json_string(m->target->region));
    stele_cloudtrail_put_text(m, m->event, "time", time, 64);
    name_event(m);
    put_outcome(m);
    put_identity(m, bytes);
    put_actor(m);
    put_source(m);
    stele_cloudtrail_put_text(m, m->event, "action", m->action, 32);
    stele_cloudtrail_put_text(m, m->event, "action_detail", m->verb, 128);
    stele_cloudtrail_put_resources(m);
    stele_cloudtrail_put_body(m);
    put_attributes(m);
    if (m->failed) {
        return STELE_FAIL(err, NO_MEMORY, "no memory for an event");
    }
    return STELE_OK;
}

/* ------------------------------------------------------------------ the reader */

/* Puts the record's number before the text. */
static stele_status number_error(const struct stele_cloudtrail *ct, stele_status st,
                                 const stele_err *detail, stele_err *err) {
    if (err != NULL) {
        *err = *detail;
        (void)snprintf(err->text, sizeof err->text, "record %llu: %.200s",
                       (unsigned long long)stele_cloudtrail_record(ct), detail->text);
    }
    return st;
}

stele_status stele_cloudtrail_next(struct stele_cloudtrail *cloudtrail, stele_buf *payload,
                                   stele_err *err) {
    stele_view bytes = {NULL, 0};
    stele_err detail = {0};
    json_error_t json_error;
    struct stele_cloudtrail_map map = {.target = &cloudtrail->target};
    stele_buf_clear(payload);
    stele_status st = stele_json_records_next(cloudtrail->records, &bytes, err);
    if (st != STELE_OK) {
        return st;
    }
    json_t *record =
        json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &json_error);
    if (record == NULL) {
        st = STELE_FAIL(&detail, INVALID, "not JSON: %.150s at column %d", json_error.text,
                        json_error.column);
        return number_error(cloudtrail, st, &detail, err);
    }
    map.record = record;
    st = map_record(&map, bytes, &detail);
    if (st == STELE_OK) {
        st = stele_event_json_decode_value(map.event, payload, &detail);
    }
    json_decref(map.event);
    json_decref(record);
    return st == STELE_OK ? STELE_OK : number_error(cloudtrail, st, &detail, err);
}

uint64_t stele_cloudtrail_record(const struct stele_cloudtrail *cloudtrail) {
    return stele_json_records_number(cloudtrail->records);
}

static stele_status finish_open(struct stele_json_records *records,
                                const struct stele_cloudtrail_target *target,
                                struct stele_cloudtrail **ret, stele_err *err) {
    struct stele_cloudtrail *cloudtrail = stele_alloc(1, sizeof *cloudtrail);
    if (cloudtrail == NULL) {
        stele_json_records_close(records);
        return STELE_FAIL(err, NO_MEMORY, "no memory to import records");
    }
    cloudtrail->records = records;
    cloudtrail->target = *target;
    *ret = cloudtrail;
    return STELE_OK;
}

stele_status stele_cloudtrail_open(const char *path, const struct stele_cloudtrail_target *target,
                                   struct stele_cloudtrail **ret, stele_err *err) {
    struct stele_json_records *records = NULL;
    stele_status st = stele_json_records_open(path, &records, err);
    return st == STELE_OK ? finish_open(records, target, ret, err) : st;
}

stele_status stele_cloudtrail_open_bytes(stele_view bytes,
                                         const struct stele_cloudtrail_target *target,
                                         struct stele_cloudtrail **ret, stele_err *err) {
    struct stele_json_records *records = NULL;
    stele_status st = stele_json_records_open_bytes(bytes, &records, err);
    return st == STELE_OK ? finish_open(records, target, ret, err) : st;
}

void stele_cloudtrail_close(struct stele_cloudtrail *cloudtrail) {
    if (cloudtrail != NULL) {
        stele_json_records_close(cloudtrail->records);
        stele_free(cloudtrail);
    }
}
