/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/schema.c: the messages of event.proto as a table, one row per field. Layer: proto.
 * Constant.
 *
 * A row's index is the field's number. The limits and their units are event.proto's; the reasons of
 * required fields are what a client is told when one is missing.
 */
#include "proto/schema.h"

/* clang-format off */
#define REQ STELE_FIELD_REQUIRED
#define REP STELE_FIELD_REPEATED
#define ONE STELE_FIELD_ONEOF
#define U(kind) (uint8_t) STELE_KIND_##kind

/* Optional fields. */
#define TEXT(name, max) {name, NULL, 0, max, 1, U(TEXT), 0, STELE_CHARSET_PLAIN}
#define TEXT_OF(name, max, charset) {name, NULL, 0, max, 1, U(TEXT), 0, STELE_CHARSET_##charset}
#define HEX(name, size) {name, NULL, 0, size, 1, U(BYTES), 0, STELE_BYTES_HEX}
#define BLOB(name, max) {name, NULL, 0, max, 1, U(BYTES), 0, STELE_BYTES_BASE64}
#define IP(name) {name, NULL, 0, 16, 1, U(BYTES), 0, STELE_BYTES_IP}
#define MSG(name, message) {name, NULL, 0, 0, 1, U(MESSAGE), 0, STELE_MESSAGE_##message}
#define ENUM(name, of) {name, NULL, 0, 0, 1, U(ENUM), 0, STELE_ENUM_##of}
#define BOOL(name) {name, NULL, 0, 0, 1, U(BOOL), 0, 0}
#define U32(name, max) {name, NULL, 0, max, 1, U(UINT32), 0, 0}
#define U64(name) {name, NULL, 0, 0, 1, U(UINT64), 0, 0}
#define TIME(name) {name, NULL, 0, 0, 1, U(TIME), 0, 0}
#define DOUBLE(name) {name, NULL, 0, 0, 1, U(DOUBLE), 0, 0}
/* Required ones. */
#define REQ_TEXT(name, max, why) {name, why, 1, max, 1, U(TEXT), REQ, STELE_CHARSET_PLAIN}
#define REQ_TEXT_OF(name, max, charset, why)                                                       \
    {name, why, 1, max, 1, U(TEXT), REQ, STELE_CHARSET_##charset}
#define REQ_BLOB(name, min, max, why) {name, why, min, max, 1, U(BYTES), REQ, STELE_BYTES_BASE64}
#define REQ_MSG(name, message, why) {name, why, 0, 0, 1, U(MESSAGE), REQ, STELE_MESSAGE_##message}
#define REQ_ENUM(name, of, why) {name, why, 0, 0, 1, U(ENUM), REQ, STELE_ENUM_##of}
#define REQ_TIME(name, why) {name, why, 0, 0, 1, U(TIME), REQ, 0}
/* Repeated ones, at most `count`. */
#define TEXTS(name, count, max) {name, NULL, 1, max, count, U(TEXT), REP, STELE_CHARSET_PLAIN}
#define TEXTS_OF(name, count, max, charset)                                                        \
    {name, NULL, 1, max, count, U(TEXT), REP, STELE_CHARSET_##charset}
#define MSGS(name, count, message)                                                                 \
    {name, NULL, 0, 0, count, U(MESSAGE), REP, STELE_MESSAGE_##message}
#define ATTRIBUTES(name)                                                                           \
    {name, NULL, 0, 0, 64, U(MESSAGE), REP | STELE_FIELD_ATTRIBUTES, STELE_MESSAGE_ATTRIBUTE}
/* Members of the oneof. */
#define BODY(name, message) {name, NULL, 0, 0, 1, U(MESSAGE), ONE, STELE_MESSAGE_##message}
#define ONE_OF(name, max, kind) {name, NULL, 0, max, 1, U(kind), ONE, 0}

static const struct stele_field event_fields[] = {
    [1] = REQ_TEXT_OF("event_id", 64, ID, "it is what duplicates are recognised by"),
    [2] = REQ_TIME("time_unix_nano", "every event says when it happened"),
    [3] = REQ_TEXT_OF("tenant", 64, NAME, "every event belongs to a tenant"),
    [4] = REQ_TEXT_OF("region", 32, NAME, "every event says where it may be kept"),
    [5] = REQ_ENUM("event_type", EVENT_TYPE, "every event says what kind it is"),
    [6] = REQ_MSG("actor", ACTOR, "every event names who acted"),
    [7] = REQ_ENUM("action", ACTION, "every event names what was done"),
    [8] = REQ_ENUM("outcome", OUTCOME, "every event says how it ended; unknown is an outcome"),
    [9] = MSGS("resource", 16, RESOURCE),
    [10] = REQ_MSG("source", SOURCE, "every event names the service that emitted it"),
    [11] = ENUM("classification", CLASSIFICATION),
    [12] = ENUM("retention_class", RETENTION_CLASS),
    [13] = HEX("trace_id", 16),
    [14] = HEX("span_id", 8),
    [15] = TEXT("correlation_id", 128),
    [16] = MSG("status", STATUS),
    [17] = U64("duration_ns"),
    [18] = ENUM("severity", SEVERITY),
    [19] = TEXT("action_detail", 128),
    [20] = TEXT_OF("message", 1024, LINES),
    [21] = ATTRIBUTES("attributes"),
    [22] = MSG("original", ORIGINAL),
    [23] = TEXTS_OF("data_subject_ref", 8, 128, PSEUDONYM),
    [24] = TEXT_OF("schema_version", 16, NAME),
    [40] = BODY("inference", INFERENCE),
    [41] = BODY("deployment", DEPLOYMENT),
    [42] = BODY("access", ACCESS),
    [43] = BODY("policy_change", POLICY_CHANGE),
    [44] = BODY("lineage", LINEAGE),
    [45] = BODY("evaluation", EVALUATION),
    [46] = BODY("incident", INCIDENT),
    [47] = BODY("detection", DETECTION),
    [48] = BODY("data_subject_request", DATA_SUBJECT_REQUEST),
    [49] = BODY("authentication", AUTHENTICATION),
    [50] = BODY("audit_control", AUDIT_CONTROL),
    [51] = BODY("generic", GENERIC),
};
static const struct stele_field actor_fields[] = {
    [1] = REQ_TEXT("id", 256, "every event names who acted"),
    [2] = REQ_ENUM("type", ACTOR_TYPE, "say what the actor is; unknown is a type"),
    [3] = TEXT("name", 256),
    [4] = TEXT("session_id", 128),
    [5] = IP("ip"),
    [6] = TEXT("user_agent", 512),
    [7] = TEXT("credential_id", 128),
    [8] = MSGS("on_behalf_of", 8, DELEGATION),
    [9] = TEXT("issuer", 256),
    [10] = TEXTS("group", 32, 128),
    [11] = ENUM("auth_method", AUTH_METHOD),
    [12] = BOOL("mfa"),
};
static const struct stele_field delegation_fields[] = {
    [1] = REQ_TEXT("id", 256, "a delegation names the principal"),
    [2] = ENUM("type", ACTOR_TYPE),
    [3] = TEXT("issuer", 256),
    [4] = TEXT("reason", 256),
};
static const struct stele_field resource_fields[] = {
    [1] = REQ_TEXT("id", 512, "a resource is found by its id"),
    [2] = REQ_ENUM("type", RESOURCE_TYPE, "say what the resource is; other is a type"),
    [3] = TEXT("version", 128),
    [4] = ENUM("role", RESOURCE_ROLE),
    [5] = TEXT("name", 256),
    [6] = TEXT("parent", 256),
    [7] = TEXT("environment", 64),
    [8] = MSG("digest", DIGEST),
    [9] = ENUM("classification", CLASSIFICATION),
    [10] = TEXT("region", 32),
    [11] = TEXT("owner", 128),
    [12] = U64("size_bytes"),
};
static const struct stele_field digest_fields[] = {
    [1] = REQ_ENUM("alg", HASH_ALG, "a digest says how it was made"),
    [2] = REQ_BLOB("value", 16, 64, "a digest without its value proves nothing"),
    [3] = U64("content_bytes"),
    [4] = TEXT_OF("canonical", 16, NAME),
    [5] = TEXT("key_id", 64),
};
static const struct stele_field source_fields[] = {
    [1] = REQ_TEXT("service", 128, "every event names the service that emitted it"),
    [2] = TEXT("instance", 128),
    [3] = TEXT("version", 64),
    [4] = TEXT_OF("adapter", 32, NAME),
    [5] = TEXT("account", 128),
};
static const struct stele_field status_fields[] = {
    [1] = U32("http_code", 999),
    [2] = U32("grpc_code", 16),
    [3] = TEXT("code", 64),
    [4] = TEXT("reason", 512),
};
static const struct stele_field attribute_fields[] = {
    [1] = REQ_TEXT_OF("key", 64, ID, "an attribute has a name"),
    [2] = ONE_OF("s", 1024, TEXT),
    [3] = ONE_OF("i", 0, SINT64),
    [4] = ONE_OF("d", 0, DOUBLE),
    [5] = ONE_OF("b", 0, BOOL),
    [6] = ONE_OF("bin", 256, BYTES),
};
static const struct stele_field original_fields[] = {
    [1] = TEXT("format", 32),
    [2] = MSG("digest", DIGEST),
    [3] = TEXT("uri", 512),
    [4] = BLOB("record", 32768),
    [5] = TEXT("id", 128),
};
static const struct stele_field inference_fields[] = {
    [1] = REQ_TEXT("model_id", 256, "an inference names the model that was asked for"),
    [2] = REQ_TEXT("model_version", 128, "an inference names the exact revision that answered"),
    [3] = MSG("input", DIGEST),
    [4] = MSG("output", DIGEST),
    [5] = TEXT("operation", 32),
    [6] = TEXT("provider", 64),
    [7] = TEXT("endpoint", 256),
    [8] = TEXT("request_id", 128),
    [9] = TEXT("conversation_id", 128),
    [10] = U64("input_tokens"),
    [11] = U64("output_tokens"),
    [12] = U64("cached_input_tokens"),
    [13] = U64("reasoning_tokens"),
    [14] = TEXTS("finish_reason", 4, 32),
    [15] = TEXT("guardrail_id", 128),
    [16] = TEXT("guardrail_action", 32),
    [17] = MSG("parameters", DIGEST),
    [18] = TEXTS("tool_call", 32, 128),
    [19] = TEXT("agent_id", 128),
    [20] = TEXT("agent_version", 64),
    [21] = BOOL("streamed"),
};
static const struct stele_field approval_fields[] = {
    [1] = REQ_TEXT("approver_id", 256, "an approval names who gave it"),
    [2] = ENUM("decision", DECISION),
    [3] = TIME("time_unix_nano"),
    [4] = TEXT("ticket", 128),
    [5] = TEXT("role", 64),
    [6] = TEXT("comment", 512),
    [7] = MSG("evidence", DIGEST),
};
static const struct stele_field deployment_fields[] = {
    [1] = REQ_TEXT("model_id", 256, "a deployment names the model"),
    [2] = REQ_TEXT("model_version", 128, "a deployment names the exact revision"),
    [3] = REQ_TEXT("environment", 64, "a deployment says where to, such as production"),
    [4] = MSG("artifact", DIGEST),
    [5] = MSGS("approval", 16, APPROVAL),
    [6] = TEXT("previous_version", 128),
    [7] = TEXT("change_id", 128),
    [8] = TEXT("endpoint", 256),
    [9] = ENUM("stage", DEPLOYMENT_STAGE),
    [10] = TEXT("strategy", 32),
    [11] = U32("traffic_percent_x100", 10000),
    [12] = TEXTS("evaluation_id", 16, 128),
    [13] = MSG("config", DIGEST),
    [14] = TEXT("attestation_uri", 512),
};
static const struct stele_field access_fields[] = {
    [1] = TEXT("purpose", 128),
    [2] = TEXT("permission", 128),
    [3] = TEXT("grant_id", 128),
    [4] = U64("bytes"),
    [5] = U64("items"),
    [6] = MSG("query", DIGEST),
    [7] = TEXT("channel", 32),
    [8] = BOOL("bulk"),
};
static const struct stele_field policy_change_fields[] = {
    [1] = REQ_ENUM("kind", POLICY_CHANGE_KIND, "say what was changed; other is a kind"),
    [2] = TEXT("policy_id", 512),
    [3] = TEXT("principal_id", 256),
    [4] = ENUM("principal_type", ACTOR_TYPE),
    [5] = TEXTS("added", 64, 128),
    [6] = TEXTS("removed", 64, 128),
    [7] = MSG("before", DIGEST),
    [8] = MSG("after", DIGEST),
    [9] = TEXT("scope", 512),
    [10] = TIME("expires_unix_nano"),
    [11] = MSGS("approval", 16, APPROVAL),
    [12] = TEXT("justification", 512),
    [13] = BOOL("break_glass"),
};
static const struct stele_field lineage_fields[] = {
    [1] = REQ_TEXT("run_id", 128, "lineage is joined by its run"),
    [2] = TEXT("job", 256),
    [3] = ENUM("state", RUN_STATE),
    [4] = MSGS("edge", 64, LINEAGE_EDGE),
    [5] = MSG("code", DIGEST),
    [6] = MSG("parameters", DIGEST),
    [7] = TEXT("parent_run_id", 128),
};
static const struct stele_field lineage_edge_fields[] = {
    [1] = MSG("input", RESOURCE),
    [2] = MSG("output", RESOURCE),
    [3] = REQ_ENUM("kind", LINEAGE_KIND, "say how the output came from the input; other is a kind"),
    [4] = U64("rows"),
};
static const struct stele_field evaluation_fields[] = {
    [1] = REQ_TEXT("evaluation_id", 128, "deployments refer to an evaluation by its id"),
    [2] = REQ_TEXT("model_id", 256, "an evaluation names the model"),
    [3] = REQ_TEXT("model_version", 128, "an evaluation names the exact revision"),
    [4] = REQ_ENUM("kind", EVALUATION_KIND, "say what was evaluated; other is a kind"),
    [5] = TEXT("suite", 128),
    [6] = TEXT("suite_version", 64),
    [7] = MSGS("score", 64, SCORE),
    [8] = ENUM("verdict", VERDICT),
    [9] = MSG("report", DIGEST),
    [10] = U64("cases"),
    [11] = U64("failed"),
    [12] = TEXT("evaluator", 128),
};
static const struct stele_field score_fields[] = {
    [1] = REQ_TEXT("name", 64, "a score says what it measures"),
    [2] = DOUBLE("value"),
    [3] = TEXT("label", 64),
    [4] = TEXT("unit", 16),
};
static const struct stele_field incident_fields[] = {
    [1] = REQ_TEXT("incident_id", 128, "the phases of an incident are joined by its id"),
    [2] = REQ_ENUM("kind", INCIDENT_KIND, "say what happened; other is a kind"),
    [3] = REQ_ENUM("phase", INCIDENT_PHASE, "each change of phase is an event of its own"),
    [4] = TEXTS("technique", 16, 32),
    [5] = TEXTS_OF("related_event_id", 64, 64, ID),
    [6] = TIME("detected_unix_nano"),
    [7] = TIME("occurred_unix_nano"),
    [8] = TIME("notify_deadline_unix_nano"),
    [9] = U64("affected_subjects"),
    [10] = U64("affected_records"),
    [11] = TEXT("reporter", 256),
    [12] = TEXT("assignee", 256),
    [13] = TEXT("resolution", 1024),
    [14] = TEXT("external_ref", 256),
    [15] = TEXTS("notified", 16, 64),
};
static const struct stele_field detection_fields[] = {
    [1] = REQ_ENUM("kind", DETECTION_KIND, "say what was found; other is a kind"),
    [2] = REQ_TEXT("detector", 128, "a finding names who found it"),
    [3] = TEXT("rule_id", 128),
    [4] = TEXT("policy_id", 512),
    [5] = TEXT_OF("inference_event_id", 64, ID),
    [6] = ENUM("verdict", GUARDRAIL_VERDICT),
    [7] = ENUM("enforced", GUARDRAIL_VERDICT),
    [8] = DOUBLE("score"),
    [9] = MSG("input", DIGEST),
    [10] = MSG("output", DIGEST),
    [11] = TEXT("target", 32),
    [12] = TEXTS("technique", 16, 32),
    [13] = TEXT("external_finding_id", 128),
};
static const struct stele_field data_subject_request_fields[] = {
    [1] = REQ_TEXT("request_id", 128, "the phases of a request are joined by its id"),
    [2] = REQ_ENUM("right", SUBJECT_RIGHT, "say which right is exercised; other is one"),
    [3] = REQ_ENUM("phase", REQUEST_PHASE, "each change of phase is an event of its own"),
    [4] = REQ_TEXT_OF("subject_ref", 128, PSEUDONYM, "a request names its subject, by pseudonym"),
    [5] = TIME("received_unix_nano"),
    [6] = TIME("due_unix_nano"),
    [7] = TEXTS("system", 64, 128),
    [8] = U64("records_found"),
    [9] = U64("records_acted"),
    [10] = TEXT("basis", 256),
    [11] = TEXTS("model_id", 32, 256),
    [12] = MSG("response", DIGEST),
};
static const struct stele_field authentication_fields[] = {
    [1] = REQ_ENUM("method", AUTH_METHOD, "say how the actor signed in; other is a method"),
    [2] = BOOL("mfa"),
    [3] = TEXT("idp", 256),
    [4] = TEXT("target_service", 128),
    [5] = TEXT("failure_reason", 256),
    [6] = BOOL("interactive"),
};
static const struct stele_field audit_control_fields[] = {
    [1] = REQ_ENUM("kind", CONTROL_KIND, "say what the log did; other is a kind"),
    [2] = TEXT("subject", 512),
    [3] = U64("first_seq"),
    [4] = U64("last_seq"),
    [5] = TEXT("hold_id", 128),
    [6] = MSG("filter", DIGEST),
    [7] = MSG("root", DIGEST),
    [8] = U64("events"),
    [9] = MSGS("approval", 16, APPROVAL),
};
static const struct stele_field generic_fields[] = {
    [1] = TEXT("schema", 128),
    [2] = REQ_TEXT("name", 128, "a generic event names its kind"),
    [3] = ATTRIBUTES("field"),
};

/* clang-format on */

#define BIT(n) (UINT64_C(1) << (n))
#define MESSAGE(name, fields, required, oneof)                                                     \
    { (name), (fields), sizeof(fields) / sizeof *(fields), (required), (oneof) }

/* The masks repeat what the rows' flags say; a test compares the two. */
const struct stele_message stele_message_table[STELE_MESSAGE_COUNT] = {
    [STELE_MESSAGE_EVENT] =
        MESSAGE("Event", event_fields,
                BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10),
                BIT(52) - BIT(40)),
    [STELE_MESSAGE_ACTOR] = MESSAGE("Actor", actor_fields, BIT(1) | BIT(2), 0),
    [STELE_MESSAGE_DELEGATION] = MESSAGE("Delegation", delegation_fields, BIT(1), 0),
    [STELE_MESSAGE_RESOURCE] = MESSAGE("Resource", resource_fields, BIT(1) | BIT(2), 0),
    [STELE_MESSAGE_DIGEST] = MESSAGE("Digest", digest_fields, BIT(1) | BIT(2), 0),
    [STELE_MESSAGE_SOURCE] = MESSAGE("Source", source_fields, BIT(1), 0),
    [STELE_MESSAGE_STATUS] = MESSAGE("Status", status_fields, 0, 0),
    [STELE_MESSAGE_ATTRIBUTE] = MESSAGE("Attribute", attribute_fields, BIT(1), BIT(7) - BIT(2)),
    [STELE_MESSAGE_ORIGINAL] = MESSAGE("Original", original_fields, 0, 0),
    [STELE_MESSAGE_INFERENCE] = MESSAGE("Inference", inference_fields, BIT(1) | BIT(2), 0),
    [STELE_MESSAGE_APPROVAL] = MESSAGE("Approval", approval_fields, BIT(1), 0),
    [STELE_MESSAGE_DEPLOYMENT] =
        MESSAGE("Deployment", deployment_fields, BIT(1) | BIT(2) | BIT(3), 0),
    [STELE_MESSAGE_ACCESS] = MESSAGE("Access", access_fields, 0, 0),
    [STELE_MESSAGE_POLICY_CHANGE] = MESSAGE("PolicyChange", policy_change_fields, BIT(1), 0),
    [STELE_MESSAGE_LINEAGE] = MESSAGE("Lineage", lineage_fields, BIT(1), 0),
    [STELE_MESSAGE_LINEAGE_EDGE] = MESSAGE("LineageEdge", lineage_edge_fields, BIT(3), 0),
    [STELE_MESSAGE_EVALUATION] =
        MESSAGE("Evaluation", evaluation_fields, BIT(1) | BIT(2) | BIT(3) | BIT(4), 0),
    [STELE_MESSAGE_SCORE] = MESSAGE("Score", score_fields, BIT(1), 0),
    [STELE_MESSAGE_INCIDENT] = MESSAGE("Incident", incident_fields, BIT(1) | BIT(2) | BIT(3), 0),
    [STELE_MESSAGE_DETECTION] = MESSAGE("Detection", detection_fields, BIT(1) | BIT(2), 0),
    [STELE_MESSAGE_DATA_SUBJECT_REQUEST] = MESSAGE(
        "DataSubjectRequest", data_subject_request_fields, BIT(1) | BIT(2) | BIT(3) | BIT(4), 0),
    [STELE_MESSAGE_AUTHENTICATION] = MESSAGE("Authentication", authentication_fields, BIT(1), 0),
    [STELE_MESSAGE_AUDIT_CONTROL] = MESSAGE("AuditControl", audit_control_fields, BIT(1), 0),
    [STELE_MESSAGE_GENERIC] = MESSAGE("Generic", generic_fields, BIT(2), 0),
};

uint32_t stele_digest_bytes(uint64_t alg) {
    /* SHA-256, SHA-384, SHA-512, SHA3-256, BLAKE3, HMAC-SHA-256, MD5, SHA-1. */
    static const uint8_t bytes[] = {0, 32, 48, 64, 32, 32, 32, 16, 20};
    return alg < sizeof bytes ? bytes[alg] : 0;
}
