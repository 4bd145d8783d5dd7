/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/schema_enums.c: the enums of event.proto as words by number, and looking them up. Layer:
 * proto.
 *
 * Numbers run without gap from 0, "unspecified"; 99 is "other" in those that have it.
 */
#include "proto/event.h"
#include "proto/schema.h"

#include <string.h>

static const char *const event_type_words[] = {
    "unspecified",    "inference",     "deployment", "access",    "policy_change",
    "lineage",        "evaluation",    "incident",   "detection", "data_subject_request",
    "authentication", "audit_control", "generic",
};
static const char *const action_words[] = {
    "unspecified",  "create",   "read",     "list",     "update",  "delete",  "invoke",
    "deploy",       "rollback", "promote",  "retire",   "approve", "reject",  "grant",
    "revoke",       "escalate", "assume",   "download", "upload",  "copy",    "share",
    "train",        "derive",   "evaluate", "detect",   "block",   "report",  "resolve",
    "authenticate", "logout",   "export",   "erase",    "hold",    "release",
};
static const char *const outcome_words[] = {
    "unspecified", "success", "failure", "denied", "pending", "unknown",
};
static const char *const severity_words[] = {
    "unspecified", "informational", "low", "medium", "high", "critical", "fatal",
};
static const char *const classification_words[] = {
    "unspecified", "public",   "internal",         "confidential",
    "restricted",  "personal", "special_category",
};
static const char *const retention_class_words[] = {
    "unspecified", "1y", "2y", "3y", "4y", "5y", "6y", "7y",
};
static const char *const actor_type_words[] = {
    "unspecified",     "user",     "app_user", "service_account", "api_key", "system",
    "unauthenticated", "ai_agent", "admin",    "unknown",
};
static const char *const auth_method_words[] = {
    "unspecified", "password", "sso", "mtls", "api_key", "token", "workload_identity", "none",
};
static const char *const resource_type_words[] = {
    "unspecified", "model",           "model_artifact", "endpoint",
    "dataset",     "feature_store",   "vector_store",   "training_job",
    "pipeline",    "experiment",      "agent",          "tool",
    "prompt",      "guardrail",       "policy",         "role",
    "principal",   "credential",      "secret",         "storage_object",
    "database",    "container_image", "workload",       "project",
    "code",        "audit_log",       "data_subject",
};
static const char *const resource_role_words[] = {
    "unspecified", "target", "actor", "affected", "related", "input", "output",
};
static const char *const hash_alg_words[] = {
    "unspecified", "sha256",      "sha384",     "sha512",      "sha3_256",
    "blake3",      "hmac_sha256", "md5_legacy", "sha1_legacy",
};
static const char *const decision_words[] = {
    "unspecified", "approved", "rejected", "abstained", "revoked", "auto_policy", "emergency",
};
static const char *const deployment_stage_words[] = {
    "unspecified", "requested", "approved",    "started",
    "succeeded",   "failed",    "rolled_back", "retired",
};
static const char *const policy_change_kind_words[] = {
    "unspecified", "grant",      "revoke",   "role_assumed", "escalation",
    "policy_edit", "credential", "mfa",      "network",      "guardrail",
    "rate_limit",  "logging",    "identity",
};
static const char *const lineage_kind_words[] = {
    "unspecified",  "ingested_from",   "transformed",    "split",          "labeled",
    "trained_on",   "fine_tuned_from", "distilled_from", "quantized_from", "merged_from",
    "evaluated_on", "packaged",        "embedded",
};
static const char *const run_state_words[] = {
    "unspecified", "start", "running", "complete", "abort", "fail", "other",
};
static const char *const evaluation_kind_words[] = {
    "unspecified", "benchmark",  "red_team",   "bias",       "safety",
    "privacy",     "robustness", "conformity", "monitoring",
};
static const char *const verdict_words[] = {
    "unspecified", "pass", "fail", "conditional", "inconclusive",
};
static const char *const incident_kind_words[] = {
    "unspecified",           "model_compromise", "dataset_poisoning",
    "inference_data_breach", "prompt_injection", "model_theft",
    "training_data_leak",    "supply_chain",     "abuse",
    "denial_of_service",     "harmful_output",   "bias",
    "credential_compromise", "log_tampering",
};
static const char *const incident_phase_words[] = {
    "unspecified", "new", "in_progress", "on_hold", "resolved", "closed", "notified",
};
static const char *const detection_kind_words[] = {
    "unspecified",    "prompt_injection", "indirect_prompt_injection", "jailbreak",
    "sensitive_data", "toxicity",         "data_exfiltration",         "model_extraction",
    "poisoning",      "anomaly",          "unauthorized_tool",         "drift",
};
static const char *const guardrail_verdict_words[] = {
    "unspecified", "allow", "deny", "modify", "warn", "escalate",
};
static const char *const subject_right_words[] = {
    "unspecified",        "access",      "rectification", "erasure",
    "restriction",        "portability", "objection",     "automated_decision",
    "consent_withdrawal",
};
static const char *const request_phase_words[] = {
    "unspecified", "received",  "verified", "in_progress",
    "extended",    "fulfilled", "refused",  "closed",
};
static const char *const control_kind_words[] = {
    "unspecified",         "query",           "export",         "retention_purge", "legal_hold_set",
    "legal_hold_released", "config_change",   "segment_sealed", "key_rotated",     "crypto_shred",
    "integrity_check",     "ingest_rejected",
};

#define ENUM(name, prefix, words, other)                                                           \
    { (name), (prefix), (words), sizeof(words) / sizeof *(words), (other) }

const struct stele_enum stele_enum_table[STELE_ENUM_COUNT] = {
    [STELE_ENUM_EVENT_TYPE] = ENUM("EventType", "EVENT_TYPE", event_type_words, false),
    [STELE_ENUM_ACTION] = ENUM("Action", "ACTION", action_words, true),
    [STELE_ENUM_OUTCOME] = ENUM("Outcome", "OUTCOME", outcome_words, false),
    [STELE_ENUM_SEVERITY] = ENUM("Severity", "SEVERITY", severity_words, false),
    [STELE_ENUM_CLASSIFICATION] =
        ENUM("Classification", "CLASSIFICATION", classification_words, false),
    [STELE_ENUM_RETENTION_CLASS] =
        ENUM("RetentionClass", "RETENTION_CLASS", retention_class_words, false),
    [STELE_ENUM_ACTOR_TYPE] = ENUM("ActorType", "ACTOR_TYPE", actor_type_words, false),
    [STELE_ENUM_AUTH_METHOD] = ENUM("AuthMethod", "AUTH_METHOD", auth_method_words, true),
    [STELE_ENUM_RESOURCE_TYPE] = ENUM("ResourceType", "RESOURCE_TYPE", resource_type_words, true),
    [STELE_ENUM_RESOURCE_ROLE] = ENUM("ResourceRole", "RESOURCE_ROLE", resource_role_words, false),
    [STELE_ENUM_HASH_ALG] = ENUM("HashAlg", "HASH_ALG", hash_alg_words, false),
    [STELE_ENUM_DECISION] = ENUM("Decision", "DECISION", decision_words, false),
    [STELE_ENUM_DEPLOYMENT_STAGE] =
        ENUM("DeploymentStage", "DEPLOYMENT_STAGE", deployment_stage_words, false),
    [STELE_ENUM_POLICY_CHANGE_KIND] =
        ENUM("PolicyChangeKind", "POLICY_CHANGE_KIND", policy_change_kind_words, true),
    [STELE_ENUM_LINEAGE_KIND] = ENUM("LineageKind", "LINEAGE_KIND", lineage_kind_words, true),
    [STELE_ENUM_RUN_STATE] = ENUM("RunState", "RUN_STATE", run_state_words, false),
    [STELE_ENUM_EVALUATION_KIND] =
        ENUM("EvaluationKind", "EVALUATION_KIND", evaluation_kind_words, true),
    [STELE_ENUM_VERDICT] = ENUM("Verdict", "VERDICT", verdict_words, false),
    [STELE_ENUM_INCIDENT_KIND] = ENUM("IncidentKind", "INCIDENT_KIND", incident_kind_words, true),
    [STELE_ENUM_INCIDENT_PHASE] =
        ENUM("IncidentPhase", "INCIDENT_PHASE", incident_phase_words, false),
    [STELE_ENUM_DETECTION_KIND] =
        ENUM("DetectionKind", "DETECTION_KIND", detection_kind_words, true),
    [STELE_ENUM_GUARDRAIL_VERDICT] =
        ENUM("GuardrailVerdict", "GUARDRAIL_VERDICT", guardrail_verdict_words, false),
    [STELE_ENUM_SUBJECT_RIGHT] = ENUM("SubjectRight", "SUBJECT_RIGHT", subject_right_words, true),
    [STELE_ENUM_REQUEST_PHASE] = ENUM("RequestPhase", "REQUEST_PHASE", request_phase_words, false),
    [STELE_ENUM_CONTROL_KIND] = ENUM("ControlKind", "CONTROL_KIND", control_kind_words, true),
};

static const struct stele_enum *enum_named(const char *what) {
    for (size_t i = 0; i < STELE_ENUM_COUNT; i++) {
        if (strcmp(stele_enum_table[i].name, what) == 0) {
            return &stele_enum_table[i];
        }
    }
    return NULL;
}

const char *stele_event_enum_word(const char *what, uint32_t number) {
    const struct stele_enum *e = enum_named(what);
    if (e == NULL || !stele_enum_knows(e, number)) {
        return NULL;
    }
    return number < e->n_word ? e->word[number] : "other";
}

stele_status stele_event_enum_number(const char *what, stele_view word, uint32_t *ret,
                                     stele_err *err) {
    const struct stele_enum *e = enum_named(what);
    if (e == NULL) {
        return STELE_FAIL(err, BUG, "the schema has no enum '%s'", what);
    }
    for (uint32_t number = 0; number < e->n_word; number++) {
        if (stele_view_is(word, e->word[number])) {
            *ret = number;
            return STELE_OK;
        }
    }
    if (e->other && stele_view_is(word, "other")) {
        *ret = STELE_ENUM_OTHER;
        return STELE_OK;
    }
    /* 40 bytes are enough to recognise the word: ours have at most 25. It comes from outside. */
    char shown[41] = "";
    for (size_t i = 0; i < word.size && i < sizeof shown - 1; i++) {
        shown[i] = word.data[i] >= 0x20 && word.data[i] < 0x7f ? (char)word.data[i] : '?';
    }
    return STELE_FAIL(err, INVALID, "'%s' is no %s; words are lower case, such as '%s'", shown,
                      e->name, e->word[1]);
}
