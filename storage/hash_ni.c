/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash_ni.c: see hash_ni.h. The registers hold a state as two vectors, (a, b, e, f) and
 * (c, d, g, h), because that is the order in which the instructions want it. Nothing here depends
 * on the compiler's flags: the functions name the instructions they need, and hash.c asks first.
 */
#include "storage/hash_ni.h"

#include <assert.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define NI_TARGET __attribute__((target("sha,sse4.1")))
#define NI_INLINE __attribute__((target("sha,sse4.1"), always_inline)) static inline

bool stele_hash__ni_available(void) {
    /* 0 not asked, 1 no, 2 yes. Asking is slow under a hypervisor; asking twice does no harm. */
    static atomic_int known;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        unsigned a = 0;
        unsigned b = 0;
        unsigned c = 0;
        unsigned d = 0;
        bool sse =
            __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0 && (c & bit_SSSE3) != 0;
        bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
        answer = sse && sha ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

/* FIPS 180-4 section 4.2.2. */
static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

struct lane {
    __m128i abef;
    __m128i cdgh;
    __m128i w[4]; /* the sixteen message words in use */
};

/* Four rounds, and the four message words that come sixteen later (not wanted in
 * the last sixteen). */
NI_INLINE void step(struct lane *x, unsigned i, __m128i k, bool more) {
    __m128i wk = _mm_add_epi32(x->w[i], k);
    x->cdgh = _mm_sha256rnds2_epu32(x->cdgh, x->abef, wk);
    x->abef = _mm_sha256rnds2_epu32(x->abef, x->cdgh, _mm_shuffle_epi32(wk, 0x0e));
    if (more) {
        __m128i last = x->w[(i + 3) & 3];
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(x->w[i], x->w[(i + 1) & 3]),
                                    _mm_alignr_epi8(last, x->w[(i + 2) & 3], 4));
        x->w[i] = _mm_sha256msg2_epu32(sum, last);
    }
}

#define STEP_ONE(g)                                                                                \
    step(x, (g) % 4, _mm_load_si128((const __m128i *)(const void *)(round_constants + 4 * (g))),   \
         (g) < 12)

#define STEP_FOUR(g)                                                                               \
    do {                                                                                           \
        const __m128i k =                                                                          \
            _mm_load_si128((const __m128i *)(const void *)(round_constants + 4 * (g)));            \
        step(a, (g) % 4, k, (g) < 12);                                                             \
        step(b, (g) % 4, k, (g) < 12);                                                             \
        step(c, (g) % 4, k, (g) < 12);                                                             \
        step(d, (g) % 4, k, (g) < 12);                                                             \
    } while (0)

NI_INLINE void add_state(struct lane *x, __m128i abef, __m128i cdgh) {
    x->abef = _mm_add_epi32(x->abef, abef);
    x->cdgh = _mm_add_epi32(x->cdgh, cdgh);
}

#define ALL_STEPS(STEP)                                                                            \
    do {                                                                                           \
        STEP(0);                                                                                   \
        STEP(1);                                                                                   \
        STEP(2);                                                                                   \
        STEP(3);                                                                                   \
        STEP(4);                                                                                   \
        STEP(5);                                                                                   \
        STEP(6);                                                                                   \
        STEP(7);                                                                                   \
        STEP(8);                                                                                   \
        STEP(9);                                                                                   \
        STEP(10);                                                                                  \
        STEP(11);                                                                                  \
        STEP(12);                                                                                  \
        STEP(13);                                                                                  \
        STEP(14);                                                                                  \
        STEP(15);                                                                                  \
    } while (0)

/* One block of each of four lanes. */
NI_INLINE void compress(struct lane *a, struct lane *b, struct lane *c, struct lane *d) {
    const __m128i before[8] = {a->abef, a->cdgh, b->abef, b->cdgh,
                               c->abef, c->cdgh, d->abef, d->cdgh};
    ALL_STEPS(STEP_FOUR);
    add_state(a, before[0], before[1]);
    add_state(b, before[2], before[3]);
    add_state(c, before[4], before[5]);
    add_state(d, before[6], before[7]);
}

NI_INLINE void compress_one(struct lane *x) {
    const __m128i abef = x->abef;
    const __m128i cdgh = x->cdgh;
    ALL_STEPS(STEP_ONE);
    add_state(x, abef, cdgh);
}

NI_INLINE __m128i load(const uint8_t *at) {
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

NI_INLINE __m128i words_of(__m128i bytes) {
    return _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

NI_INLINE void start(struct lane *x) {
    x->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    x->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
}

NI_INLINE void load_block(struct lane *x, const uint8_t *block) {
    x->w[0] = words_of(load(block));
    x->w[1] = words_of(load(block + 16));
    x->w[2] = words_of(load(block + 32));
    x->w[3] = words_of(load(block + 48));
}

/* The only block: prefix, data, a bit 1, zeros and the length in bits, put together in `block`. A
 * block is zeroed by itself: of four at a time compilers make one slow instruction that waits for
 * the one before. */
NI_INLINE void only_block(struct lane *x, uint8_t prefix, const uint8_t *data, size_t data_bytes,
                          uint8_t *block) {
    size_t bits = 8 * (1 + data_bytes);
    memset(block, 0, 64);
    block[0] = prefix;
    memcpy(block + 1, data, data_bytes);
    block[1 + data_bytes] = 0x80;
    block[62] = (uint8_t)(bits >> 8);
    block[63] = (uint8_t)bits;
    start(x);
    load_block(x, block);
}

/* The first block: the prefix and 63 bytes of data, straight from where they are. */
NI_INLINE void first_block(struct lane *x, uint8_t prefix, const uint8_t *data) {
    start(x);
    x->w[0] = words_of(_mm_or_si128(_mm_slli_si128(load(data), 1), _mm_cvtsi32_si128(prefix)));
    x->w[1] = words_of(load(data + 15));
    x->w[2] = words_of(load(data + 31));
    x->w[3] = words_of(load(data + 47));
}

/* The second block: the rest of the data, a bit 1, zeros and the length in bits, in `tail`. */
NI_INLINE void second_block(struct lane *x, const uint8_t *data, size_t data_bytes, uint8_t *tail) {
    size_t rest = data_bytes - STELE_HASH_NI_TWO_MIN;
    size_t bits = 8 * (1 + data_bytes);
    memset(tail, 0, 64);
    memcpy(tail, data + STELE_HASH_NI_TWO_MIN, rest);
    tail[rest] = 0x80;
    tail[62] = (uint8_t)(bits >> 8);
    tail[63] = (uint8_t)bits;
    load_block(x, tail);
}

NI_INLINE void store_hash(const struct lane *x, uint8_t *out) {
    const __m128i reverse = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    __m128i abcd = _mm_shuffle_epi8(_mm_unpackhi_epi64(x->cdgh, x->abef), reverse);
    __m128i efgh = _mm_shuffle_epi8(_mm_unpacklo_epi64(x->cdgh, x->abef), reverse);
    _mm_storeu_si128((__m128i *)(void *)out, abcd);
    _mm_storeu_si128((__m128i *)(void *)(out + 16), efgh);
}

NI_TARGET void stele_hash__ni_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                                 size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]) {
    assert(data_bytes >= STELE_HASH_NI_TWO_MIN && data_bytes <= STELE_HASH_NI_TWO_MAX);
    struct lane a;
    struct lane b;
    struct lane c;
    struct lane d;
    uint8_t tail[STELE_HASH_NI_LANES][64];
    first_block(&a, prefix, data[0]);
    first_block(&b, prefix, data[1]);
    first_block(&c, prefix, data[2]);
    first_block(&d, prefix, data[3]);
    compress(&a, &b, &c, &d);
    second_block(&a, data[0], data_bytes, tail[0]);
    second_block(&b, data[1], data_bytes, tail[1]);
    second_block(&c, data[2], data_bytes, tail[2]);
    second_block(&d, data[3], data_bytes, tail[3]);
    compress(&a, &b, &c, &d);
    store_hash(&a, out);
    store_hash(&b, out + 32);
    store_hash(&c, out + 64);
    store_hash(&d, out + 96);
}

NI_TARGET void stele_hash__ni_one_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                                     size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]) {
    assert(data_bytes <= STELE_HASH_NI_ONE_MAX);
    struct lane a;
    struct lane b;
    struct lane c;
    struct lane d;
    uint8_t block[STELE_HASH_NI_LANES][64];
    only_block(&a, prefix, data[0], data_bytes, block[0]);
    only_block(&b, prefix, data[1], data_bytes, block[1]);
    only_block(&c, prefix, data[2], data_bytes, block[2]);
    only_block(&d, prefix, data[3], data_bytes, block[3]);
    compress(&a, &b, &c, &d);
    store_hash(&a, out);
    store_hash(&b, out + 32);
    store_hash(&c, out + 64);
    store_hash(&d, out + 96);
}

void stele_hash__ni_load(struct stele_hash_ni_state *state,
                         const uint32_t words[STELE_AT_LEAST(8)]) {
    *state = (struct stele_hash_ni_state){{words[5], words[4], words[1], words[0]},
                                          {words[7], words[6], words[3], words[2]}};
}

NI_INLINE void load_state(struct lane *x, const struct stele_hash_ni_state *state) {
    x->abef = _mm_loadu_si128((const __m128i *)(const void *)state->abef);
    x->cdgh = _mm_loadu_si128((const __m128i *)(const void *)state->cdgh);
}

NI_INLINE void store_state(const struct lane *x, struct stele_hash_ni_state *state) {
    _mm_storeu_si128((__m128i *)(void *)state->abef, x->abef);
    _mm_storeu_si128((__m128i *)(void *)state->cdgh, x->cdgh);
}

NI_TARGET void stele_hash__ni_digest(const struct stele_hash_ni_state *state,
                                     uint8_t out[STELE_AT_LEAST(32)]) {
    struct lane x;
    load_state(&x, state);
    store_hash(&x, out);
}

NI_TARGET void stele_hash__ni_block(struct stele_hash_ni_state *state, const uint8_t *block) {
    struct lane x;
    load_state(&x, state);
    load_block(&x, block);
    compress_one(&x);
    store_state(&x, state);
}

NI_TARGET void stele_hash__ni_block_x4(struct stele_hash_ni_state state[STELE_HASH_NI_LANES],
                                       const uint8_t *const block[STELE_HASH_NI_LANES]) {
    struct lane a;
    struct lane b;
    struct lane c;
    struct lane d;
    load_state(&a, &state[0]);
    load_state(&b, &state[1]);
    load_state(&c, &state[2]);
    load_state(&d, &state[3]);
    load_block(&a, block[0]);
    load_block(&b, block[1]);
    load_block(&c, block[2]);
    load_block(&d, block[3]);
    compress(&a, &b, &c, &d);
    store_state(&a, &state[0]);
    store_state(&b, &state[1]);
    store_state(&c, &state[2]);
    store_state(&d, &state[3]);
}

#else

bool stele_hash__ni_available(void) {
    return false;
}

static void called_anyway(void) {
    assert(!"called although stele_hash__ni_available is false");
}

void stele_hash__ni_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                       size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]) {
    (void)prefix;
    (void)data;
    (void)data_bytes;
    (void)out;
    called_anyway();
}

void stele_hash__ni_one_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                           size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]) {
    stele_hash__ni_x4(prefix, data, data_bytes, out);
}

void stele_hash__ni_load(struct stele_hash_ni_state *state,
                         const uint32_t words[STELE_AT_LEAST(8)]) {
    (void)state;
    (void)words;
    called_anyway();
}

void stele_hash__ni_digest(const struct stele_hash_ni_state *state,
                           uint8_t out[STELE_AT_LEAST(32)]) {
    (void)state;
    (void)out;
    called_anyway();
}

void stele_hash__ni_block(struct stele_hash_ni_state *state, const uint8_t *block) {
    (void)state;
    (void)block;
    called_anyway();
}

void stele_hash__ni_block_x4(struct stele_hash_ni_state state[STELE_HASH_NI_LANES],
                             const uint8_t *const block[STELE_HASH_NI_LANES]) {
    (void)state;
    (void)block;
    called_anyway();
}

#endif
