/* SPDX-License-Identifier: Apache-2.0 */
/* storage/dictionary/event_bodies.c: the body of each type, field by field as the event schema has
 * it. */
#include "storage/dictionary/event_parts.h"

void event_inference(struct event_generator *g, struct stele_writer *w, int origin) {
    static event_words operations = {
        "chat", "chat", "text_completion", "embeddings", "execute_tool", "generate_content", NULL};
    static event_words providers = {"openai",          "anthropic",     "aws.bedrock", "self",
                                    "azure.ai.openai", "gcp.vertex_ai", "mistral_ai",  NULL};
    static event_words bedrock = {"anthropic.claude-3-5-sonnet-20240620-v1:0",
                                  "amazon.titan-embed-text-v2:0", "meta.llama3-1-70b-instruct-v1:0",
                                  "mistral.mistral-large-2402-v1:0", NULL};
    const char *model = event_pick(g, origin == CLOUD ? bedrock : event_models);
    event_text(g, w, 1, model);
    if (event_habit(g, "model and version", 40)) {
        event_text(g, w, 2, model);
    } else {
        event_word_of(g, w, 2, event_versions, model);
    }
    event_digest(g, w, 3);
    event_digest(g, w, 4);
    event_word(g, w, 5, operations);
    event_word_of(g, w, 6, providers, model);
    if (event_habit(g, "endpoint", 20)) {
        event_text(g, w, 7, "https://api.{t}.internal/v1/chat/completions");
    }
    if (event_habit(g, "request id", 20)) {
        event_text(g, w, 8,
                   event_habit(g, "openai", 50) ? "chatcmpl-*****************************"
                                                : "msg_01**********************");
    }
    if (event_habit(g, "conversation", 20)) {
        event_text(g, w, 9, "conv_[~~~~~~~~~~~~~~~~]");
    }
    event_number(w, 10, 1 + event_below(g, 1 + event_below(g, 8000)));
    event_number(w, 11, 1 + event_below(g, 1 + event_below(g, 1500)));
    if (event_habit(g, "finish reason", 70)) {
        event_text(g, w, 14,
                   event_chance(g, 80) ? "stop" : (event_chance(g, 50) ? "length" : "tool_calls"));
    }
    if (event_habit(g, "guardrail", 10)) {
        event_text(g, w, 15, "gr-[************]");
        event_text(g, w, 16, event_chance(g, 80) ? "NONE" : "GUARDRAIL_INTERVENED");
    }
    event_number(w, 21, event_below(g, 2));
}

void event_deployment(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words strategies = {"canary", "blue_green", "all_at_once", "shadow", NULL};
    (void)unused;
    event_text(g, w, 1, "{m}");
    event_text(g, w, 2, "{v}");
    event_text(g, w, 3, "{e}");
    event_digest(g, w, 4);
    for (uint64_t n = 1 + event_below(g, 2); n > 0; n--) {
        event_message(g, w, 5, event_approval, 0);
    }
    event_text(g, w, 6, "{v}");
    event_text(g, w, 7,
               event_chance(g, 50) ? "github.com/{t}/models/actions/runs/10########"
                                   : "CHG00[#####]");
    event_number(w, 9, 1 + event_below(g, 5));
    event_word(g, w, 10, strategies);
    event_number(w, 11, 100 * (1 + event_below(g, 100)));
    if (event_chance(g, 50)) {
        event_text(g, w, 12, "eval-{u}");
        event_text(g, w, 14, "https://rekor.sigstore.dev/api/v1/log/entries/~~~~~~~~~~~~~~~~");
    }
}

void event_access(struct event_generator *g, struct stele_writer *w, int origin) {
    static event_words purposes = {"training",  "fraud-detection", "model-evaluation",
                                   "debugging", "analytics",       "support-case",
                                   NULL};
    static event_words permissions = {"s3:GetObject",
                                      "s3:ListBucket",
                                      "s3:PutObject",
                                      "ecr:BatchGetImage",
                                      "kms:Decrypt",
                                      "secretsmanager:GetSecretValue",
                                      "sagemaker:DescribeModelPackage",
                                      "bigquery.tables.getData",
                                      NULL};
    static event_words verbs = {"get",   "list",   "watch",  "create",
                                "patch", "update", "delete", NULL};
    if (event_chance(g, 60)) {
        event_word(g, w, 1, purposes);
    }
    event_word(g, w, 2, origin == CLUSTER ? verbs : permissions);
    if (event_chance(g, 30)) {
        event_text(g, w, 3, "grant-{n}");
    }
    event_number(w, 4, event_below(g, 1u << 24));
    event_number(w, 5, event_below(g, 2000));
    event_text(g, w, 7,
               origin == CLOUD || origin == CLUSTER ? "api"
                                                    : (event_chance(g, 50) ? "console" : "sql"));
}

void event_policy_change(struct event_generator *g, struct stele_writer *w, int origin) {
    static event_words policies = {"arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
                                   "arn:aws:iam::{a}:policy/ml-data-read",
                                   "arn:aws:iam::aws:policy/AdministratorAccess",
                                   "arn:aws:iam::aws:policy/AmazonBedrockFullAccess",
                                   "role:ml-admin",
                                   "guardrail:pii-filter-{n}",
                                   NULL};
    static event_words added = {"bedrock:InvokeModel",
                                "s3:GetObject",
                                "role/aiplatform.user",
                                "cluster-admin",
                                "model:deploy",
                                "dataset:read",
                                "sagemaker:CreateEndpoint",
                                "iam:PassRole",
                                NULL};
    event_number(w, 1, 1 + event_below(g, 9));
    event_word(g, w, 2, policies);
    event_word(g, w, 3, origin == CLOUD ? event_arns : event_users);
    event_number(w, 4, 1 + 2 * event_below(g, 2));
    event_word(g, w, 5, added);
    if (event_chance(g, 30)) {
        event_word(g, w, 6, added);
    }
    if (event_chance(g, 40)) {
        event_digest(g, w, 7);
        event_digest(g, w, 8);
    }
    event_text(g, w, 9, event_chance(g, 50) ? "arn:aws:s3:::{b}" : "project:{t}");
    if (event_chance(g, 40)) {
        event_fixed64(w, 10, g->time_ns + UINT64_C(86400000000000) * (1 + event_below(g, 90)));
        event_message(g, w, 11, event_approval, 0);
    }
    if (event_chance(g, 30)) {
        event_text(g, w, 12, "incident response, see INC-[####]");
    }
}

static void lineage_edge(struct event_generator *g, struct stele_writer *w, int kind) {
    event_message(g, w, 1, event_data_resource, 5);
    event_message(g, w, 2, kind >= 5 ? event_model_resource : event_data_resource, 6);
    event_number(w, 3, (uint64_t)kind);
    event_number(w, 4, event_below(g, 10000000));
}

void event_lineage(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words jobs = {
        "airflow/{t}.train_{m}", "spark/{t}_etl.daily_features", "dbt/{t}.models.gold.transactions",
        "kubeflow/finetune-{m}", "mlflow/{t}-experiments",       NULL};
    (void)unused;
    event_text(g, w, 1, "{u}");
    event_word(g, w, 2, jobs);
    event_number(w, 3, 1 + event_below(g, 5));
    for (uint64_t n = 1 + event_below(g, 3); n > 0; n--) {
        event_message(g, w, 4, lineage_edge, 1 + (int)event_below(g, 12));
    }
    event_digest(g, w, 5);
}

static void score(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words names = {"accuracy",     "f1",  "exact_match", "attack_success_rate",
                                "toxicity",     "auc", "latency_p99", "demographic_parity",
                                "faithfulness", NULL};
    (void)unused;
    event_word(g, w, 1, names);
    event_double(w, 2, (double)event_below(g, 10000) / 10000);
}

void event_evaluation(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words suites = {"mmlu",       "helm-lite", "garak",     "internal-redteam",
                                 "truthfulqa", "bbq",       "harmbench", "regression-suite",
                                 NULL};
    (void)unused;
    event_text(g, w, 1, "eval-{u}");
    event_text(g, w, 2, "{m}");
    event_text(g, w, 3, "{v}");
    event_number(w, 4, 1 + event_below(g, 8));
    event_word(g, w, 5, suites);
    event_text(g, w, 6, "{v}");
    for (uint64_t n = 1 + event_below(g, 4); n > 0; n--) {
        event_message(g, w, 7, score, 0);
    }
    event_number(w, 8, 1 + event_below(g, 4));
    event_digest(g, w, 9);
    event_number(w, 10, 1 + event_below(g, 20000));
    event_text(g, w, 12, event_chance(g, 50) ? "gpt-4o" : "ml-evaluation-team");
}

void event_incident(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words techniques = {"AML.T0051", "AML.T0051.000", "AML.T0054", "AML.T0024",
                                     "AML.T0020", "T1078.004",     NULL};
    (void)unused;
    event_text(g, w, 1, "INC-2025-0####");
    event_number(w, 2, 1 + event_below(g, 13));
    event_number(w, 3, 1 + event_below(g, 6));
    event_word(g, w, 4, techniques);
    event_text(g, w, 5, "{u}");
    event_fixed64(w, 6, g->time_ns);
    event_fixed64(w, 8, g->time_ns + UINT64_C(259200000000000));
    event_number(w, 9, event_below(g, 5000));
    event_word(g, w, 11, event_users);
    event_text(g, w, 15, "EU-AI-Office");
}

void event_detection(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words detectors = {"llama-guard-3-8b",
                                    "bedrock-guardrails",
                                    "prompt-shield",
                                    "nemo-guardrails",
                                    "presidio",
                                    "lakera-guard",
                                    NULL};
    static event_words rules = {
        "prompt-attack-high", "pii-email", "pii-credit-card", "jailbreak-dan", "toxicity-0.8",
        "indirect-injection", NULL};
    (void)unused;
    event_number(w, 1, 1 + event_below(g, 11));
    event_word(g, w, 2, detectors);
    event_word(g, w, 3, rules);
    event_text(g, w, 4, "guardrail:{t}-{e}");
    event_text(g, w, 5, "0199~~~~-~~~~-7~~~-8~~~-~~~~~~~~~~~~");
    event_number(w, 6, 1 + event_below(g, 4));
    event_number(w, 7, 1 + event_below(g, 4));
    event_double(w, 8, (double)event_below(g, 1000) / 1000);
    event_digest(g, w, 9);
    event_text(g, w, 11, event_chance(g, 70) ? "input" : "output");
    event_text(g, w, 12, "AML.T0051");
}

void event_data_subject_request(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words systems = {
        "feature-store", "crm", "training-data-lake", "vector-store", "backups",
        "chat-history",  NULL};
    (void)unused;
    event_text(g, w, 1, "DSR-2025-0####");
    event_number(w, 2, 1 + event_below(g, 8));
    event_number(w, 3, 1 + event_below(g, 7));
    event_text(g, w, 4, "hmac:~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    event_fixed64(w, 5, g->time_ns);
    event_fixed64(w, 6, g->time_ns + UINT64_C(2592000000000000));
    event_word(g, w, 7, systems);
    event_word(g, w, 7, systems);
    event_number(w, 8, event_below(g, 200));
}

void event_authentication(struct event_generator *g, struct stele_writer *w, int unused) {
    (void)unused;
    event_number(w, 1, 1 + event_below(g, 6));
    event_number(w, 2, event_below(g, 2));
    event_text(g, w, 3,
               event_chance(g, 50) ? "https://{t}.okta.com" : "https://sts.windows.net/{u}/");
    event_text(g, w, 4, event_chance(g, 50) ? "signin.amazonaws.com" : "mlflow.{t}.internal");
    if (event_chance(g, 20)) {
        event_text(g, w, 5, "invalid_credentials");
    }
    event_number(w, 6, event_below(g, 2));
}

void event_audit_control(struct event_generator *g, struct stele_writer *w, int unused) {
    (void)unused;
    event_number(w, 1, 1 + event_below(g, 11));
    event_text(g, w, 2, event_chance(g, 60) ? "actor=user:{n}" : "hold:case-[####]");
    event_number(w, 3, event_below(g, 100000000));
    event_number(w, 4, event_below(g, 100000000));
    event_digest(g, w, 6);
    event_number(w, 8, event_below(g, 10000));
}

void event_attribute(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words keys = {"gen_ai.request.temperature",
                               "http.route",
                               "k8s.pod.name",
                               "deployment.environment.name",
                               "stele.incomplete",
                               "server.address",
                               "cloudtrail.event_version",
                               NULL};
    static event_words values = {"/v1/chat/completions",
                                 "{s}-[~~~~~~~~~~-*****]",
                                 "{e}",
                                 "input_hash,output_hash",
                                 "api.openai.com",
                                 "0.7",
                                 "1.09",
                                 "secretsmanager.amazonaws.com",
                                 NULL};
    (void)unused;
    event_word(g, w, 1, keys);
    event_word(g, w, 2, values);
}

void event_generic(struct event_generator *g, struct stele_writer *w, int unused) {
    (void)unused;
    event_text(g, w, 1, "https://schemas.{t}.internal/ml-event/v1");
    event_text(g, w, 2, "job.heartbeat");
    event_message(g, w, 3, event_attribute, 0);
    event_message(g, w, 3, event_attribute, 0);
}
