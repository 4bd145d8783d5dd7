/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/answer_forge.h: an answer file taken apart into chunks, changed, and put together
 * again with a digest that holds: what a forger who knows the format does. It shares no code with
 * the reader.
 */
#ifndef STELE_TESTS_SUPPORT_ANSWER_FORGE_H
#define STELE_TESTS_SUPPORT_ANSWER_FORGE_H

#include "storage/answer_format.h"

#define FORGE_CHUNKS_MAX 200

struct forged_chunk {
    uint8_t type;
    stele_buf body;
};
struct forged {
    size_t n;
    struct forged_chunk chunk[FORGE_CHUNKS_MAX];
};
void forge_take_apart(stele_view file, struct forged *ret);
void forge_done(struct forged *f);
/* Appends the file. The digest is made new where the last chunk is an END of the right size. */
void forge_put_together(const struct forged *f, stele_buf *out);

/* The i-th chunk of a type, from 0. */
size_t forge_find(const struct forged *f, uint8_t type, size_t i);
void forge_insert(struct forged *f, size_t at, uint8_t type, stele_view body);
void forge_remove(struct forged *f, size_t at);
void forge_swap(struct forged *f, size_t a, size_t b);
void forge_resize(struct forged *f, size_t at, size_t size); /* zeros where it grows */

#endif
