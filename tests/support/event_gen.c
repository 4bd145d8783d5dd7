/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/event_gen.c: realistic events, one function per body. */
#include "tests/support/event_gen.h"

#include <math.h>
#include <string.h>

#include "proto/wire_out.h"

struct gen {
    struct rng *rng;
    struct stele_wire_out w;
    struct stele_gen_options o;
    uint32_t type;
    char model[64];
    char version[16];
};

static void text(struct gen *g, uint32_t number, const char *value) {
    stele_wire_out_element(&g->w, number, stele_view_str(value));
}

static void number(struct gen *g, uint32_t field, uint64_t value) {
    stele_wire_out_uint(&g->w, field, value);
}

static void random_bytes(struct gen *g, uint32_t field, size_t size) {
    uint8_t bytes[64];
    rng_bytes(g->rng, bytes, size);
    stele_wire_out_element(&g->w, field, stele_view_of(bytes, size));
}

/* A SHA-256 digest: incompressible. */
static void digest(struct gen *g, uint32_t field) {
    size_t mark = stele_wire_out_begin(&g->w, field);
    number(g, 1, 1);
    random_bytes(g, 2, 32);
    stele_wire_out_end(&g->w, mark);
}

static void id_text(struct gen *g, uint32_t field, const char *prefix) {
    char out[64];
    (void)snprintf(out, sizeof out, "%s%08x", prefix, (unsigned)rng_next(g->rng));
    text(g, field, out);
}

/* Rank r has weight about 1 / (r + 1): the logarithm of the rank is uniform. */
static uint32_t zipf(struct rng *rng, uint32_t n) {
    double u = (double)(rng_next(rng) >> 11) / 9007199254740992.0;
    double rank = exp(u * log((double)n + 1.0)) - 1.0;
    return rank >= (double)n ? n - 1 : (uint32_t)rank;
}

void stele_gen_actor_id(uint32_t rank, char out[STELE_AT_LEAST(64)]) {
    (void)snprintf(out, 64, "user-%06u", (unsigned)rank);
}

void stele_gen_model_id(uint32_t rank, char out[STELE_AT_LEAST(64)]) {
    (void)snprintf(out, 64, "model/m-%04u", (unsigned)rank);
}

void stele_gen_dataset_id(uint32_t rank, char out[STELE_AT_LEAST(64)]) {
    (void)snprintf(out, 64, "s3://training/dataset-%04u", (unsigned)rank);
}

static void event_id(struct gen *g) {
    uint64_t ms = g->o.time_unix_nano / 1000000;
    uint64_t a = rng_next(g->rng);
    uint64_t b = rng_next(g->rng);
    char out[40]; /* UUIDv7 */
    (void)snprintf(out, sizeof out, "%08x-%04x-7%03x-%04x-%012llx",
                   (unsigned)(ms >> 16 & 0xffffffff), (unsigned)(ms & 0xffff),
                   (unsigned)(a & 0xfff), (unsigned)(0x8000 | (a >> 12 & 0x3fff)),
                   (unsigned long long)(b & 0xffffffffffff));
    text(g, 1, out);
}

static void actor(struct gen *g) {
    uint32_t rank = zipf(g->rng, g->o.n_actors);
    char id[64];
    stele_gen_actor_id(rank, id);
    size_t mark = stele_wire_out_begin(&g->w, 6);
    text(g, 1, id);
    number(g, 2, rank % 4 == 0 ? 3 : 1);
    if (g->type != 1) {
        text(g, 3, "Ada Example");
        id_text(g, 4, "s-");
    }
    random_bytes(g, 5, 4);
    if (g->type != 1 && rng_below(g->rng, 2) == 0) {
        text(g, 6, "stele-sdk/1.4 (linux; x86_64) python/3.11");
    }
    (void)snprintf(id, sizeof id, "key_%04u", (unsigned)(rank % 10000));
    text(g, 7, id);
    if (rank % 16 == 5) {
        size_t delegation = stele_wire_out_begin(&g->w, 8);
        text(g, 1, "agent/triage");
        number(g, 2, 7);
        stele_wire_out_end(&g->w, delegation);
    }
    if (g->type != 1) {
        text(g, 9, "https://idp.example");
        number(g, 11, 2);
        number(g, 12, 1);
    }
    stele_wire_out_end(&g->w, mark);
}

static void resource(struct gen *g, uint32_t field, const char *id, uint32_t type,
                     const char *version, uint32_t role) {
    size_t mark = stele_wire_out_begin(&g->w, field);
    text(g, 1, id);
    number(g, 2, type);
    stele_wire_out_bytes(&g->w, 3, stele_view_str(version));
    number(g, 4, role);
    if (g->type != 1) {
        text(g, 6, "project/fraud");
    }
    text(g, 7, "production");
    stele_wire_out_end(&g->w, mark);
}

static void resources(struct gen *g) {
    char id[64];
    if (g->type == 3) {
        stele_gen_dataset_id(zipf(g->rng, g->o.n_resources), id);
        resource(g, 9, id, 4, "v7", 1);
    } else if (g->type <= 8) {
        resource(g, 9, g->model, 1, g->version, 1);
    }
}

static void source(struct gen *g) {
    size_t mark = stele_wire_out_begin(&g->w, 10);
    text(g, 1, g->type == 1 ? "gateway" : "platform-api");
    text(g, 4, "native");
    stele_wire_out_end(&g->w, mark);
}

/* What usually is done in an event of each type. */
static uint32_t usual_action(struct gen *g) {
    static const uint8_t actions[] = {0, 6, 7, 2, 13, 21, 23, 26, 24, 26, 28, 1, 99};
    if (g->type == 3 && rng_below(g->rng, 4) == 0) {
        return 17;
    }
    return actions[g->type];
}

static void envelope(struct gen *g, uint32_t outcome) {
    event_id(g);
    stele_wire_out_fixed64(&g->w, 2, g->o.time_unix_nano);
    text(g, 3, g->o.tenant);
    text(g, 4, g->o.region);
    number(g, 5, g->type);
    actor(g);
    number(g, 7, usual_action(g));
    number(g, 8, outcome);
    resources(g);
    source(g);
    number(g, 11, 1 + rng_below(g->rng, 6));
    number(g, 12, 3);
    random_bytes(g, 13, 16);
    random_bytes(g, 14, 8);
    if (g->type != 1 || rng_below(g->rng, 8) == 0) {
        id_text(g, 15, "req-");
    }
    if (outcome != 1) {
        size_t mark = stele_wire_out_begin(&g->w, 16);
        number(g, 1, outcome == 3 ? 403 : 500);
        text(g, 3, outcome == 3 ? "AccessDenied" : "UpstreamTimeout");
        stele_wire_out_end(&g->w, mark);
    }
    number(g, 17, 1000000 + rng_below(g->rng, 2000000000));
    if (g->type == 7 || g->type == 8) {
        number(g, 18, 1 + rng_below(g->rng, 6));
    }
    if (g->type != 1 && rng_below(g->rng, 3) == 0) {
        size_t mark = stele_wire_out_begin(&g->w, 21);
        text(g, 1, "k8s.cluster");
        text(g, 2, "prod-7");
        stele_wire_out_end(&g->w, mark);
    }
    if (g->type == 9 || rng_below(g->rng, 32) == 0) {
        id_text(g, 23, "hmac:");
    }
}

static void inference(struct gen *g, uint32_t outcome) {
    text(g, 1, g->model);
    text(g, 2, g->version);
    digest(g, 3);
    if (outcome == 1) {
        digest(g, 4);
    }
    text(g, 5, "chat");
    number(g, 10, 1 + rng_below(g->rng, 8000));
    number(g, 11, 1 + rng_below(g->rng, 1000));
}

static void approvals(struct gen *g, uint32_t field) {
    for (uint64_t n = 1 + rng_below(g->rng, 2); n > 0; n--) {
        char id[64];
        stele_gen_actor_id(zipf(g->rng, g->o.n_actors), id);
        size_t mark = stele_wire_out_begin(&g->w, field);
        text(g, 1, id);
        number(g, 2, 1);
        stele_wire_out_fixed64(&g->w, 3, g->o.time_unix_nano - 1000000000);
        id_text(g, 4, "CHG-");
        text(g, 5, "model-owner");
        stele_wire_out_end(&g->w, mark);
    }
}

static void deployment(struct gen *g) {
    text(g, 1, g->model);
    text(g, 2, g->version);
    text(g, 3, rng_below(g->rng, 2) == 0 ? "production" : "staging");
    digest(g, 4);
    approvals(g, 5);
    text(g, 6, "3.1.9");
    id_text(g, 7, "run-");
    number(g, 9, 1 + rng_below(g->rng, 7));
    text(g, 10, "canary");
    number(g, 11, 500);
    id_text(g, 12, "eval-");
}

static void access_body(struct gen *g) {
    text(g, 1, "training");
    text(g, 2, "dataset.read");
    number(g, 4, rng_below(g->rng, 100000000));
    number(g, 5, rng_below(g->rng, 100000));
    text(g, 7, "api");
    number(g, 8, rng_below(g->rng, 2));
}

static void policy_change(struct gen *g) {
    char id[64];
    stele_gen_actor_id(zipf(g->rng, g->o.n_actors), id);
    number(g, 1, 1 + rng_below(g->rng, 12));
    id_text(g, 2, "policy/");
    text(g, 3, id);
    text(g, 5, "models.deploy");
    text(g, 6, "models.view");
    digest(g, 7);
    digest(g, 8);
    approvals(g, 11);
}

static void lineage(struct gen *g) {
    id_text(g, 1, "run-");
    text(g, 2, "training/fraud-scorer");
    number(g, 3, 3);
    for (uint64_t n = 1 + rng_below(g->rng, 4); n > 0; n--) {
        char id[64];
        stele_gen_dataset_id(zipf(g->rng, g->o.n_resources), id);
        size_t mark = stele_wire_out_begin(&g->w, 4);
        resource(g, 1, id, 4, "v7", 5);
        resource(g, 2, g->model, 1, g->version, 6);
        number(g, 3, 5);
        stele_wire_out_end(&g->w, mark);
    }
    digest(g, 5);
}

static void evaluation(struct gen *g) {
    id_text(g, 1, "eval-");
    text(g, 2, g->model);
    text(g, 3, g->version);
    number(g, 4, 1 + rng_below(g->rng, 8));
    text(g, 5, "safety-suite");
    size_t mark = stele_wire_out_begin(&g->w, 7);
    text(g, 1, "accuracy");
    stele_wire_out_fixed64(&g->w, 2, UINT64_C(0x3fee666666666666)); /* 0.95 */
    stele_wire_out_end(&g->w, mark);
    number(g, 8, 1);
    digest(g, 9);
    number(g, 10, 1200);
}

static void incident(struct gen *g) {
    id_text(g, 1, "INC-");
    number(g, 2, 1 + rng_below(g->rng, 13));
    number(g, 3, 1 + rng_below(g->rng, 6));
    text(g, 4, "AML.T0051");
    id_text(g, 5, "ev-");
    stele_wire_out_fixed64(&g->w, 6, g->o.time_unix_nano);
    number(g, 9, rng_below(g->rng, 1000));
    text(g, 11, "user-000001");
}

static void detection(struct gen *g) {
    number(g, 1, 1 + rng_below(g->rng, 11));
    text(g, 2, "prompt-guard");
    text(g, 3, "rule-17");
    text(g, 4, "policy/guardrail-1");
    id_text(g, 5, "ev-");
    number(g, 6, 2);
    number(g, 7, 1);
    stele_wire_out_fixed64(&g->w, 8, UINT64_C(0x3feccccccccccccd)); /* 0.9 */
    digest(g, 9);
    text(g, 11, "input");
}

static void data_subject_request(struct gen *g) {
    id_text(g, 1, "dsr-");
    number(g, 2, 1 + rng_below(g->rng, 8));
    number(g, 3, 1 + rng_below(g->rng, 7));
    id_text(g, 4, "hmac:");
    stele_wire_out_fixed64(&g->w, 5, g->o.time_unix_nano);
    stele_wire_out_fixed64(&g->w, 6, g->o.time_unix_nano + UINT64_C(2592000000000000));
    text(g, 11, g->model);
}

static void audit_control(struct gen *g) {
    number(g, 1, 1 + rng_below(g->rng, 11));
    text(g, 2, "eu-central-1/3y");
    number(g, 3, 1 + rng_below(g->rng, 1000));
    number(g, 4, 1001 + rng_below(g->rng, 1000));
    digest(g, 7);
}

static void body(struct gen *g, uint32_t outcome) {
    size_t mark = stele_wire_out_begin(&g->w, 39 + g->type);
    switch (g->type) {
    case 1:
        inference(g, outcome);
        break;
    case 2:
        deployment(g);
        break;
    case 3:
        access_body(g);
        break;
    case 4:
        policy_change(g);
        break;
    case 5:
        lineage(g);
        break;
    case 6:
        evaluation(g);
        break;
    case 7:
        incident(g);
        break;
    case 8:
        detection(g);
        break;
    case 9:
        data_subject_request(g);
        break;
    case 10:
        number(g, 1, 2);
        number(g, 2, 1);
        text(g, 3, "https://idp.example");
        text(g, 4, "console");
        break;
    case 11:
        audit_control(g);
        break;
    default:
        text(g, 1, "https://example.com/schema/1");
        text(g, 2, "cache.flushed");
        break;
    }
    stele_wire_out_end(&g->w, mark);
}

/* Per mille of each type, as of a platform that serves models. */
static uint32_t mixed_type(struct rng *rng) {
    static const uint16_t share[] = {0, 860, 8, 60, 12, 10, 6, 1, 12, 1, 20, 5, 5};
    uint64_t at = rng_below(rng, 1000);
    for (uint32_t type = 1; type < sizeof share / sizeof *share; type++) {
        if (at < share[type]) {
            return type;
        }
        at -= share[type];
    }
    return 1;
}

static struct gen gen_of(struct rng *rng, const struct stele_gen_options *options,
                         stele_buf *payload) {
    struct gen g = {.rng = rng, .w = stele_wire_out_to(payload), .o = *options};
    g.o.tenant = g.o.tenant == NULL ? "acme" : g.o.tenant;
    g.o.region = g.o.region == NULL ? "eu-central-1" : g.o.region;
    g.o.n_actors = g.o.n_actors == 0 ? 1000 : g.o.n_actors;
    g.o.n_resources = g.o.n_resources == 0 ? 200 : g.o.n_resources;
    if (g.o.time_unix_nano == 0) {
        g.o.time_unix_nano = UINT64_C(1795313919123456789);
    }
    uint32_t rank = zipf(rng, g.o.n_resources);
    stele_gen_model_id(rank, g.model);
    (void)snprintf(g.version, sizeof g.version, "3.%u.%u", (unsigned)(rank % 7),
                   (unsigned)rng_below(rng, 3));
    return g;
}

static void finish(struct gen *g) {
    if (g->w.failed) {
        (void)fprintf(stderr, "no memory for a generated event\n");
        abort();
    }
}

void stele_gen_event(struct rng *rng, const struct stele_gen_options *options, stele_buf *payload) {
    struct gen g = gen_of(rng, options, payload);
    g.type = g.o.event_type == 0 ? mixed_type(rng) : g.o.event_type;
    uint64_t luck = rng_below(rng, 100);
    uint32_t outcome = luck < 94 ? 1 : (luck < 97 ? 3 : 2);
    envelope(&g, outcome);
    body(&g, outcome);
    finish(&g);
}

void stele_gen_inference(struct rng *rng, const struct stele_gen_options *options,
                         stele_buf *payload) {
    struct gen g = gen_of(rng, options, payload);
    g.type = 1;
    envelope(&g, 1);
    body(&g, 1);
    finish(&g);
}
