/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/dictionary/event_writer.h: protobuf fields and made-up texts, for the two files of the
 * event generator. Layer: none; private to storage/dictionary/.
 *
 * Texts come from templates, in which some characters stand for something made up:
 *   #  a digit    ~  a hex digit    *  a letter or digit    ^  a capital or digit 2..7
 *   [ and ] enclose what is made up once for an organisation: one of its ids, not a new one
 *   {a} the account  {t} the tenant  {r} the region  {n} a small number, low ones often  {u} a UUID
 *   {m} a model  {v} a version  {e} an environment  {s} a service  {b} a bucket
 */
#ifndef STELE_STORAGE_DICTIONARY_EVENT_WRITER_H
#define STELE_STORAGE_DICTIONARY_EVENT_WRITER_H

#include "storage/cursor.h"
#include "storage/dictionary/event_generator.h"

uint64_t event_random(struct event_generator *g);
uint64_t event_below(struct event_generator *g, uint64_t n); /* 0 to n - 1 */
bool event_chance(struct event_generator *g, unsigned percent);

/* The same answer for all events of one organisation: a platform always sets a field, or never. */
bool event_habit(const struct event_generator *g, const char *what, unsigned percent);

/* A list of templates, ended by NULL; its first ones are taken most often. */
typedef const char *const event_words[];
const char *event_pick(struct event_generator *g, const char *const *words);

/* One protobuf field each. */
void event_text(struct event_generator *g, struct stele_writer *w, unsigned field,
                const char *text);
void event_word(struct event_generator *g, struct stele_writer *w, unsigned field,
                const char *const *words);
/* One of the words, always the same one for `about`. */
void event_word_of(struct event_generator *g, struct stele_writer *w, unsigned field,
                   const char *const *words, const char *about);
void event_number(struct stele_writer *w, unsigned field, uint64_t value);
void event_fixed64(struct stele_writer *w, unsigned field, uint64_t value);
void event_double(struct stele_writer *w, unsigned field, double value);
void event_noise(struct event_generator *g, struct stele_writer *w, unsigned field, size_t size);
/* A digest message: SHA-256 of something. */
void event_digest(struct event_generator *g, struct stele_writer *w, unsigned field);

/* Writes a message field whose content `body` writes; `arg` says which variant. */
typedef void (*event_body_fn)(struct event_generator *g, struct stele_writer *w, int arg);
void event_message(struct event_generator *g, struct stele_writer *w, unsigned field,
                   event_body_fn body, int arg);

extern const char *const event_tenants[];
extern const char *const event_regions[];
extern const char *const event_models[];
extern const char *const event_versions[];

#endif
