/* SPDX-License-Identifier: Apache-2.0 */
/* storage/dictionary/event_writer.c: protobuf fields, and texts from templates. */
#include "storage/dictionary/event_writer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Every template expands to less; a longer one would be cut, which the trainer would not notice. */
#define TEXT_BYTES_MAX 1024
#define WORLD_WORDS 5 /* an organisation uses a few words of each list */
#define WORLD_IDS 30  /* and has this many users, keys, pods of each kind, the first ones busier */

const char *const event_tenants[] = {"acme",   "default",  "ml-platform", "research",
                                     "prod",   "payments", "support",     "data-science",
                                     "globex", "risk",     NULL};
const char *const event_regions[] = {"eu-central-1",   "us-east-1",  "eu-west-1",    "us-west-2",
                                     "ap-southeast-1", "westeurope", "europe-west4", NULL};
const char *const event_models[] = {"gpt-4o-2024-08-06",
                                    "gpt-4o-mini",
                                    "claude-3-5-sonnet-20241022",
                                    "fraud-scorer",
                                    "gpt-4.1",
                                    "claude-sonnet-4-20250514",
                                    "text-embedding-3-large",
                                    "meta-llama/Meta-Llama-3.1-70B-Instruct",
                                    "mistral-large-latest",
                                    "gemini-1.5-pro-002",
                                    "support-summarizer",
                                    "churn-predictor",
                                    "claude-3-haiku-20240307",
                                    "mistralai/Mixtral-8x7B-Instruct-v0.1",
                                    "credit-risk-xgb",
                                    "o3-mini",
                                    "gemini-2.0-flash",
                                    "Qwen/Qwen2.5-72B-Instruct",
                                    "bge-large-en-v1.5",
                                    "recsys-ranker",
                                    NULL};

const char *const event_versions[] = {
    "v1",     "1.0.0", "3.2.1",        "2024-08-06",    "2.4.0", "v2.1.0+sha.[~~~~~~~]",
    "1.14.3", "[##]",  "2025-[0#-1#]", "sha-[~~~~~~~]", NULL};
static const char *const environments[] = {"production", "staging", "development", "test", NULL};
static const char *const services[] = {"gateway",
                                       "model-gateway",
                                       "inference-router",
                                       "feature-store",
                                       "model-registry",
                                       "trainer",
                                       "bedrock.amazonaws.com",
                                       "sagemaker.amazonaws.com",
                                       "kube-apiserver",
                                       "mlflow",
                                       "vllm",
                                       "airflow",
                                       "guardrails",
                                       "rag-api",
                                       "argo-workflows",
                                       NULL};
static const char *const buckets[] = {"{t}-training-data",
                                      "{t}-ml-artifacts",
                                      "{t}-datasets",
                                      "sagemaker-{r}-{a}",
                                      "model-store-{e}",
                                      "{t}-feature-exports",
                                      NULL};

uint64_t event_random(struct event_generator *g) {
    uint64_t z = (g->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t event_below(struct event_generator *g, uint64_t n) {
    assert(n > 0);
    return event_random(g) % n;
}

bool event_chance(struct event_generator *g, unsigned percent) {
    return event_below(g, 100) < percent;
}

/* The least of two draws: the first words twice as likely as a plain draw has them. */
static size_t low(struct event_generator *g, size_t n) {
    size_t a = (size_t)event_below(g, n);
    size_t b = (size_t)event_below(g, n);
    return a < b ? a : b;
}

/* Which of the world's own things a list or template means: the same in each event, another
 * elsewhere. */
static uint64_t world_choice(const struct event_generator *g, const char *text) {
    uint64_t hash = g->world;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
    return hash >> 16;
}

bool event_habit(const struct event_generator *g, const char *what, unsigned percent) {
    return world_choice(g, what) % 100 < percent;
}

const char *event_pick(struct event_generator *g, const char *const *words) {
    size_t n = 0;
    while (words[n] != NULL) {
        n++;
    }
    assert(n > 0);
    size_t known = n < WORLD_WORDS ? n : WORLD_WORDS;
    return words[(world_choice(g, words[0]) + low(g, known)) % n];
}

static void uuid(struct event_generator *g, char *out) {
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        out[i] = dash ? '-'
                      : (i == 14 ? '4' : hex[event_below(g, i == 19 ? 4 : 16) + (i == 19 ? 8 : 0)]);
    }
    out[36] = '\0';
}

/* What {letter} stands for; a template again, or plain text in `scratch`. */
static const char *named(struct event_generator *g, char letter, char scratch[STELE_AT_LEAST(64)]) {
    uint64_t account = 100000000000u + g->world % 899999999999u;
    switch (letter) {
    case 'a':
        (void)snprintf(scratch, 64, "%llu", (unsigned long long)account);
        return scratch;
    case 'n':
        (void)snprintf(scratch, 64, "%zu", low(g, 1 + low(g, 60)));
        return scratch;
    case 'u':
        uuid(g, scratch);
        return scratch;
    case 't':
        return g->tenant;
    case 'r':
        return g->region;
    case 'm':
        return event_pick(g, event_models);
    case 'v':
        return event_pick(g, event_versions);
    case 'e':
        return event_pick(g, environments);
    case 's':
        return event_pick(g, services);
    default:
        return event_pick(g, buckets);
    }
}

static char made_up(struct event_generator *g, char c) {
    static const char many[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz0189";
    switch (c) {
    case '#':
        return (char)('0' + event_below(g, 10));
    case '~':
        return "0123456789abcdef"[event_below(g, 16)];
    case '*':
        return many[event_below(g, 62)];
    case '^':
        return many[event_below(g, 32)];
    default:
        return c;
    }
}

static size_t expand(struct event_generator *g, const char *text, char *out, size_t used,
                     unsigned depth) {
    char scratch[64];
    struct event_generator known = *g;
    bool inside = false; /* of brackets: made up once for the world, not for each event */
    known.random = world_choice(g, text) + low(g, 1 + low(g, WORLD_IDS));
    for (; *text != '\0' && used < TEXT_BYTES_MAX; text++) {
        if (text[0] == '{' && text[1] != '\0' && text[2] == '}' && depth < 3) {
            used = expand(g, named(g, text[1], scratch), out, used, depth + 1);
            text += 2;
        } else if (*text == '[' || *text == ']') {
            inside = *text == '[';
        } else {
            out[used++] = made_up(inside ? &known : g, *text);
        }
    }
    return used;
}

static void key(struct stele_writer *w, unsigned field, unsigned wire) {
    stele_write_varint(w, field << 3 | wire);
}

void event_text(struct event_generator *g, struct stele_writer *w, unsigned field,
                const char *text) {
    char out[TEXT_BYTES_MAX];
    size_t size = expand(g, text, out, 0, 0);
    key(w, field, 2);
    stele_write_varint(w, size);
    stele_write_view(w, stele_view_of(out, size));
}

void event_word(struct event_generator *g, struct stele_writer *w, unsigned field,
                const char *const *words) {
    event_text(g, w, field, event_pick(g, words));
}

void event_word_of(struct event_generator *g, struct stele_writer *w, unsigned field,
                   const char *const *words, const char *about) {
    struct event_generator known = *g;
    known.random = world_choice(g, about);
    event_word(&known, w, field, words);
}

void event_number(struct stele_writer *w, unsigned field, uint64_t value) {
    if (value != 0) {
        key(w, field, 0);
        stele_write_varint(w, value);
    }
}

void event_fixed64(struct stele_writer *w, unsigned field, uint64_t value) {
    key(w, field, 1);
    for (unsigned i = 0; i < 8; i++) { /* protobuf is little-endian */
        stele_write_u8(w, (uint8_t)(value >> (8 * i)));
    }
}

void event_double(struct stele_writer *w, unsigned field, double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    event_fixed64(w, field, bits);
}

void event_noise(struct event_generator *g, struct stele_writer *w, unsigned field, size_t size) {
    key(w, field, 2);
    stele_write_varint(w, size);
    for (size_t i = 0; i < size; i++) {
        stele_write_u8(w, (uint8_t)event_random(g));
    }
}

static void digest_body(struct event_generator *g, struct stele_writer *w, int alg) {
    event_number(w, 1, (uint64_t)alg);
    event_noise(g, w, 2, 32);
}

void event_digest(struct event_generator *g, struct stele_writer *w, unsigned field) {
    event_message(g, w, field, digest_body, event_chance(g, 85) ? 1 : 6);
}

void event_message(struct event_generator *g, struct stele_writer *w, unsigned field,
                   event_body_fn body, int arg) {
    stele_buf inner = STELE_BUF_EMPTY;
    struct stele_writer inner_writer = stele_writer_to(&inner);
    body(g, &inner_writer, arg);
    w->failed = w->failed || inner_writer.failed;
    key(w, field, 2);
    stele_write_varint(w, inner.size);
    stele_write_view(w, stele_view_buf(&inner));
    stele_buf_done(&inner);
}
