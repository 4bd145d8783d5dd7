/* SPDX-License-Identifier: Apache-2.0 */
/* storage/dictionary/event_parties.c: who acts, on what, reported by whom. */
#include "storage/dictionary/event_parts.h"

event_words event_users = {"user:{n}",
                           "user:[#####]",
                           "u-[~~~~~~~~]",
                           "okta|00u[~~~~~~~~~~~~~~~~]",
                           "usr_[****************]",
                           NULL};
static event_words workloads = {"svc:{s}",
                                "spiffe://{t}.internal/ns/ml-serving/sa/{s}",
                                "agent:triage",
                                "svc:rag-api",
                                "agent:support-bot-{n}",
                                "svc:batch-scorer",
                                NULL};
event_words event_arns = {
    "arn:aws:sts::{a}:assumed-role/AmazonSageMaker-ExecutionRole/SageMaker",
    "arn:aws:iam::{a}:user/ml-engineer-{n}",
    "arn:aws:sts::{a}:assumed-role/AWSReservedSSO_DataScientist_[~~~~~~~~~~~~~~~~]/user{n}",
    "arn:aws:sts::{a}:assumed-role/eks-inference-role/i-0[~~~~~~~~~~~~~~~~]",
    "arn:aws:iam::{a}:root",
    NULL};
static event_words cluster_users = {"system:serviceaccount:ml-serving:default",
                                    "system:serviceaccount:kserve:kserve-controller-manager",
                                    "system:serviceaccount:argo:argo-workflow",
                                    "kubernetes-admin",
                                    "system:node:ip-10-0-[##-###].{r}.compute.internal",
                                    "system:serviceaccount:kubeflow:pipeline-runner",
                                    NULL};
static event_words agents = {
    "OpenAI/Python 1.40.[#]",
    "python-requests/2.32.3",
    "Boto3/1.34.[1## Python/3.11.# Linux/6.1.0-## Botocore/1.34.1##]",
    "kubectl/v1.29.[# (linux/amd64) kubernetes/~~~~~~~]",
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36"),
    "aws-cli/2.15.## Python/3.11.8 Linux/6.1.0 exe/x86_64 prompt/off command/s3.cp",
    "langchain/0.2.[#]",
    "grpc-c/39.0.0 (linux; chttp2)",
    "aws-sdk-go/1.50.[##]",
    NULL};
static event_words model_resources = {"model:{m}",
                                      "models:/{m}/{n}",
                                      "arn:aws:sagemaker:{r}:{a}:model/{m}",
                                      "hf://{m}",
                                      "projects/{t}/locations/{r}/endpoints/[###################]",
                                      NULL};
static event_words data_resources = {"s3://{b}/train/part-0####.parquet",
                                     "arn:aws:s3:::{b}",
                                     "arn:aws:s3:::{b}/datasets/{t}/{v}/data.parquet",
                                     "dataset:customers-{v}",
                                     "bigquery://{t}-analytics/ml/features_{n}",
                                     "delta://lake/{t}/gold/transactions",
                                     "s3://{b}/checkpoints/run-[~~~~~~~~]/model.safetensors",
                                     "feature-store://{t}/user_features/{v}",
                                     NULL};

static void delegation(struct event_generator *g, struct stele_writer *w, int origin) {
    event_word(g, w, 1, origin == CLOUD ? event_arns : event_users);
    event_number(w, 2, origin == CLOUD ? 3 : 1);
    if (origin == CLOUD) {
        event_text(g, w, 3, "{a}");
    }
}

/* One of the world's networks, and a host of it. */
static void address(struct event_generator *g, struct stele_writer *w) {
    struct event_generator known = {.random = g->world + event_below(g, 3)};
    uint8_t ip[4] = {10, (uint8_t)event_random(&known), (uint8_t)event_below(g, 4),
                     (uint8_t)event_random(g)};
    stele_write_u8(w, 5 << 3 | 2);
    stele_write_u8(w, sizeof ip);
    stele_write_view(w, stele_view_of(ip, sizeof ip));
}

static void gateway_actor(struct event_generator *g, struct stele_writer *w) {
    bool person = event_chance(g, 60);
    event_word(g, w, 1, person ? event_users : workloads);
    event_number(w, 2, person ? (event_chance(g, 50) ? 1 : 2) : (event_chance(g, 60) ? 3 : 7));
    if (event_habit(g, "session", 30)) {
        event_text(g, w, 4,
                   event_habit(g, "short session", 50) ? "s-[~~~~~~~~]"
                                                       : "sess_[****************]");
    }
    if (event_habit(g, "address", 30)) {
        address(g, w);
    }
    if (event_habit(g, "credential", 40)) {
        event_text(g, w, 7, event_habit(g, "numbered keys", 50) ? "key_{n}" : "sk-proj-...[****]");
    }
    if (!person && event_chance(g, 40)) {
        event_message(g, w, 8, delegation, GATEWAY);
    }
    if (event_habit(g, "method", 40)) {
        event_number(w, 11, event_chance(g, 50) ? 4 : 3);
    }
}

void event_actor(struct event_generator *g, struct stele_writer *w, int origin) {
    if (origin == GATEWAY) {
        gateway_actor(g, w);
        return;
    }
    event_word(g, w, 1,
               origin == CLOUD ? event_arns : (origin == CLUSTER ? cluster_users : event_users));
    event_number(w, 2, origin == SAAS ? 1 : 3);
    address(g, w);
    event_word(g, w, 6, agents);
    if (origin == CLOUD) {
        event_text(g, w, 7,
                   event_chance(g, 70) ? "ASIA[^^^^^^^^^^^^^^^^]" : "AKIA[^^^^^^^^^^^^^^^^]");
        if (event_chance(g, 60)) {
            event_message(g, w, 8, delegation, CLOUD);
        }
        event_text(g, w, 9, "{a}");
    } else if (origin == CLUSTER) {
        event_text(g, w, 10, "system:serviceaccounts");
        event_text(g, w, 10, "system:authenticated");
    } else {
        event_text(g, w, 9,
                   "https://login.microsoftonline.com/[~~~~~~~~-~~~~-4~~~-8~~~-~~~~~~~~~~~~]/v2.0");
        event_number(w, 12, 1);
    }
}

void event_source(struct event_generator *g, struct stele_writer *w, int origin) {
    static event_words cloud = {"bedrock.amazonaws.com",
                                "sagemaker.amazonaws.com",
                                "s3.amazonaws.com",
                                "iam.amazonaws.com",
                                "sts.amazonaws.com",
                                "ecr.amazonaws.com",
                                "kms.amazonaws.com",
                                "secretsmanager.amazonaws.com",
                                NULL};
    static event_words own = {
        "gateway", "model-gateway", "inference-router", "model-registry", "rag-api", "guardrails",
        NULL};
    if (origin == CLOUD) {
        event_word(g, w, 1, cloud);
        event_text(g, w, 4, "cloudtrail");
        event_text(g, w, 5, "{a}");
    } else if (origin == CLUSTER) {
        event_text(g, w, 1, "kube-apiserver");
        event_text(g, w, 4, "kubernetes");
    } else if (origin == SAAS) {
        event_text(g, w, 1, event_chance(g, 50) ? "openai" : "github");
        event_text(g, w, 4, event_chance(g, 50) ? "openai" : "ocsf");
    } else {
        event_word(g, w, 1, own);
        if (event_habit(g, "instance", 30)) {
            event_text(g, w, 2, "gateway-[~~~~~~~~~~-*****]");
        }
        if (event_habit(g, "service version", 40)) {
            event_word_of(g, w, 3, event_versions, "service");
        }
        event_text(g, w, 4, event_habit(g, "native", 60) ? "native" : "otlp");
    }
}

void event_model_resource(struct event_generator *g, struct stele_writer *w, int role) {
    event_word(g, w, 1, model_resources);
    event_number(w, 2, event_chance(g, 70) ? 1 : 3);
    event_text(g, w, 3, "{v}");
    event_number(w, 4, (uint64_t)role);
    if (event_chance(g, 60)) {
        event_text(g, w, 7, "{e}");
    }
}

void event_data_resource(struct event_generator *g, struct stele_writer *w, int role) {
    event_word(g, w, 1, data_resources);
    event_number(w, 2, event_chance(g, 60) ? 4 : 19);
    event_number(w, 4, (uint64_t)role);
    if (event_chance(g, 40)) {
        event_text(g, w, 6, "{b}");
        event_number(w, 9, 3 + event_below(g, 3));
        event_number(w, 12, event_below(g, 1u << 30));
    }
    if (event_chance(g, 20)) {
        event_digest(g, w, 8);
    }
}

void event_cluster_resource(struct event_generator *g, struct stele_writer *w, int role) {
    static event_words objects = {
        "k8s://prod/serving.kserve.io/inferenceservices/ml-serving/{m}",
        "k8s://prod/core/pods/ml-serving/predictor-[~~~~~~~~~~-*****]",
        "k8s://prod/core/secrets/ml-serving/hf-token",
        "k8s://prod/rbac.authorization.k8s.io/rolebindings/kubeflow/admin",
        "k8s://staging/apps/deployments/ml-serving/{m}",
        NULL};
    event_word(g, w, 1, objects);
    event_number(w, 2, 22);
    event_text(g, w, 3, "[########]");
    event_number(w, 4, (uint64_t)role);
    event_text(g, w, 6, "ml-serving");
}

void event_approval(struct event_generator *g, struct stele_writer *w, int unused) {
    (void)unused;
    event_word(g, w, 1, event_users);
    event_number(w, 2, 1);
    event_fixed64(w, 3, g->time_ns - event_below(g, UINT64_C(86400000000000)));
    event_text(g, w, 4, event_chance(g, 50) ? "CHG00[#####]" : "JIRA-[####]");
    event_text(g, w, 5, event_chance(g, 50) ? "ml-release-approver" : "model-risk-officer");
    if (event_chance(g, 30)) {
        event_digest(g, w, 7);
    }
}
