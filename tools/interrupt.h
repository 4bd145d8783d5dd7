/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/interrupt.h: Ctrl-C and SIGTERM for commands that read a stream: the stream is cancelled,
 * the command says how far it came and removes what it had half written. Layer: tools.
 *
 * A second signal, or ten seconds in which the command did not end, end the process as if nothing
 * had been done here. One per process.
 */
#ifndef STELE_TOOLS_INTERRUPT_H
#define STELE_TOOLS_INTERRUPT_H

#include "proto/rpc_client.h"

/* Takes the signals over. Before any other thread exists, so before a connection. */
STELE_MUST_USE stele_status stele_interrupt_begin(stele_err *err);
bool stele_interrupted(void);
/* The stream a signal cancels; NULL before it is closed. */
void stele_interrupt_watch(struct stele_rpc_stream *stream);
/* Sleeps; at once true after a signal. */
bool stele_interrupt_pause(uint32_t ms);

#endif
