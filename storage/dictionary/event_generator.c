/* SPDX-License-Identifier: Apache-2.0 */
/* storage/dictionary/event_generator.c: which events there are, how often, and their envelope. */
#include "storage/dictionary/event_parts.h"

struct kind {
    unsigned weight; /* of 100 */
    enum event_origin origin;
    unsigned type, body_field;
    event_body_fn body, resource; /* resource may be NULL */
    const char *const *details;   /* the source's own verbs; may be NULL */
    unsigned action_first, n_actions;
};

static event_words inference_details = {"bedrock:InvokeModel", "bedrock:Converse",
                                        "bedrock:InvokeModelWithResponseStream", NULL};
static event_words cloud_details = {"s3:GetObject",
                                    "s3:PutObject",
                                    "s3:ListObjectsV2",
                                    "ecr:BatchGetImage",
                                    "sagemaker:DescribeEndpoint",
                                    "secretsmanager:GetSecretValue",
                                    "kms:Decrypt",
                                    NULL};
static event_words iam_details = {"iam:AttachRolePolicy",
                                  "iam:PutRolePolicy",
                                  "iam:CreateAccessKey",
                                  "sts:AssumeRole",
                                  "iam:UpdateAssumeRolePolicy",
                                  "bedrock:DeleteGuardrail",
                                  NULL};
static event_words cluster_details = {"get", "list", "create", "patch", "bind", "update", NULL};
static event_words saas_details = {"role.assignment.created", "api_key.created",
                                   "login.succeeded",         "project.updated",
                                   "service_account.created", NULL};

static const struct kind kinds[] = {
    {52, GATEWAY, 1, 40, event_inference, NULL, NULL, 6, 1},
    {8, CLOUD, 1, 40, event_inference, event_model_resource, inference_details, 6, 1},
    {6, CLOUD, 3, 42, event_access, event_data_resource, cloud_details, 2, 2},
    {4, CLUSTER, 3, 42, event_access, event_cluster_resource, cluster_details, 1, 5},
    {5, GATEWAY, 3, 42, event_access, event_data_resource, NULL, 2, 2},
    {3, GATEWAY, 2, 41, event_deployment, event_model_resource, NULL, 7, 4},
    {3, CLOUD, 4, 43, event_policy_change, NULL, iam_details, 13, 4},
    {2, SAAS, 4, 43, event_policy_change, NULL, saas_details, 13, 2},
    {3, GATEWAY, 5, 44, event_lineage, NULL, NULL, 21, 2},
    {2, GATEWAY, 6, 45, event_evaluation, event_model_resource, NULL, 23, 1},
    {1, GATEWAY, 7, 46, event_incident, event_model_resource, NULL, 26, 2},
    {4, GATEWAY, 8, 47, event_detection, event_model_resource, NULL, 24, 2},
    {1, GATEWAY, 9, 48, event_data_subject_request, NULL, NULL, 26, 2},
    {3, SAAS, 10, 49, event_authentication, NULL, saas_details, 28, 2},
    {2, GATEWAY, 11, 50, event_audit_control, NULL, NULL, 30, 4},
    {1, GATEWAY, 12, 51, event_generic, NULL, NULL, 99, 1},
};

void event_generator_init(struct event_generator *g, uint64_t seed) {
    *g = (struct event_generator){
        .random = seed, .tenant = event_tenants[0], .region = event_regions[0]};
    g->world = event_random(g);
    g->time_ns = UINT64_C(1735689600000000000) + event_below(g, UINT64_C(60000000000000000));
}

static void status(struct event_generator *g, struct stele_writer *w, int unused) {
    static event_words codes = {"AccessDenied",
                                "RESOURCE_EXHAUSTED",
                                "ThrottlingException",
                                "Forbidden",
                                "context_length_exceeded",
                                "rate_limit_exceeded",
                                NULL};
    (void)unused;
    event_number(w, 1, event_chance(g, 60) ? 403 : 429);
    event_word(g, w, 3, codes);
    if (event_chance(g, 30)) {
        event_text(g, w, 4,
                   "User: arn:aws:iam::{a}:user/ml-engineer-{n} is not authorized to perform: "
                   "bedrock:InvokeModel");
    }
}

static void event_id(struct event_generator *g, struct stele_writer *w) {
    static const char hex[] = "0123456789abcdef";
    char text[] = "0190xxxx-xxxx-7~~~-8~~~-~~~~~~~~~~~~"; /* a UUIDv7: its head is the time in ms */
    uint64_t ms = g->time_ns / 1000000;
    for (unsigned i = 0; i < 12; i++) {
        text[i < 8 ? i : i + 1] = hex[ms >> (44 - 4 * i) & 15];
    }
    event_text(g, w, 1, text);
}

static void envelope(struct event_generator *g, struct stele_writer *w, const struct kind *kind) {
    bool fails = event_chance(g, 4);
    event_id(g, w);
    event_fixed64(w, 2, g->time_ns);
    event_text(g, w, 3, g->tenant);
    event_text(g, w, 4, g->region);
    event_number(w, 5, kind->type);
    event_message(g, w, 6, event_actor, (int)kind->origin);
    event_number(w, 7, kind->action_first + event_below(g, kind->n_actions));
    event_number(w, 8, fails ? 2 + event_below(g, 2) : 1);
    if (kind->resource != NULL) {
        event_message(g, w, 9, kind->resource, 1);
    }
    event_message(g, w, 10, event_source, (int)kind->origin);
    event_number(w, 11, event_habit(g, "classified", 50) ? 2 + event_below(g, 3) : 0);
    if (kind->origin == GATEWAY && event_habit(g, "traced", 30)) {
        event_noise(g, w, 13, 16);
        event_noise(g, w, 14, 8);
    } else if (kind->origin != GATEWAY || event_habit(g, "correlated", 40)) {
        event_text(g, w, 15, event_chance(g, 50) ? "req-~~~~~~~~" : "{u}");
    }
    if (fails) {
        event_message(g, w, 16, status, 0);
    }
    if (kind->type == 1) {
        event_number(w, 17, 20000000 + event_below(g, UINT64_C(8000000000)));
    }
    event_number(w, 18, kind->type == 7 || kind->type == 8 ? 1 + event_below(g, 5) : 0);
    if (kind->details != NULL) {
        event_word(g, w, 19, kind->details);
    }
    if (event_chance(g, 10)) {
        event_message(g, w, 21, event_attribute, 0);
    }
    if (kind->type == 9 || event_chance(g, 5)) {
        event_text(g, w, 23, "hmac:~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~");
    }
    if (event_habit(g, "schema version", 50)) {
        event_text(g, w, 24, "stele.v1");
    }
    event_message(g, w, kind->body_field, kind->body, (int)kind->origin);
}

static stele_status generate(struct event_generator *g, const struct kind *kind, stele_buf *out,
                             stele_err *err) {
    struct stele_writer w = stele_writer_to(out);
    g->time_ns += 1 + event_below(g, 20000000);
    /* An organisation has a few tenants and one or two regions. */
    g->tenant = event_tenants[(g->world + event_below(g, 1 + event_below(g, 4))) % 10];
    g->region = event_regions[(g->world >> 8) % 7];
    envelope(g, &w, kind);
    return stele_writer_end(&w, err);
}

stele_status event_generate(struct event_generator *g, stele_buf *out, stele_err *err) {
    uint64_t at = event_below(g, 100);
    const struct kind *kind = kinds;
    while (at >= kind->weight) {
        at -= kind->weight;
        kind++;
    }
    return generate(g, kind, out, err);
}

stele_status event_generate_inference(struct event_generator *g, stele_buf *out, stele_err *err) {
    return generate(g, &kinds[0], out, err);
}
