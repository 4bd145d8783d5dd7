/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/dictionary/event_parts.h: the messages inside an event. Layer: none; private to
 * storage/dictionary/. Each function writes the fields of one message; what its last argument is
 * stands beside it.
 */
#ifndef STELE_STORAGE_DICTIONARY_EVENT_PARTS_H
#define STELE_STORAGE_DICTIONARY_EVENT_PARTS_H

#include "storage/dictionary/event_writer.h"

/* The kind of platform an event came from. */
enum event_origin { GATEWAY, CLOUD, CLUSTER, SAAS };

extern event_words event_users;
extern event_words event_arns;

/* An origin. */
void event_actor(struct event_generator *g, struct stele_writer *w, int origin);
void event_source(struct event_generator *g, struct stele_writer *w, int origin);
void event_inference(struct event_generator *g, struct stele_writer *w, int origin);
void event_access(struct event_generator *g, struct stele_writer *w, int origin);
void event_policy_change(struct event_generator *g, struct stele_writer *w, int origin);

/* A role of a resource: 1 target, 5 input, 6 output. */
void event_model_resource(struct event_generator *g, struct stele_writer *w, int role);
void event_data_resource(struct event_generator *g, struct stele_writer *w, int role);
void event_cluster_resource(struct event_generator *g, struct stele_writer *w, int role);

/* Nothing. */
void event_approval(struct event_generator *g, struct stele_writer *w, int unused);
void event_deployment(struct event_generator *g, struct stele_writer *w, int unused);
void event_lineage(struct event_generator *g, struct stele_writer *w, int unused);
void event_evaluation(struct event_generator *g, struct stele_writer *w, int unused);
void event_incident(struct event_generator *g, struct stele_writer *w, int unused);
void event_detection(struct event_generator *g, struct stele_writer *w, int unused);
void event_data_subject_request(struct event_generator *g, struct stele_writer *w, int unused);
void event_authentication(struct event_generator *g, struct stele_writer *w, int unused);
void event_audit_control(struct event_generator *g, struct stele_writer *w, int unused);
void event_attribute(struct event_generator *g, struct stele_writer *w, int unused);
void event_generic(struct event_generator *g, struct stele_writer *w, int unused);

#endif
