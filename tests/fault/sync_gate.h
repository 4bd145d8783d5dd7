/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/sync_gate.h: fsync and fdatasync of this process, noted, and held back on demand: a
 * sync that is held has neither happened nor returned.
 */
#ifndef STELE_TESTS_FAULT_SYNC_GATE_H
#define STELE_TESTS_FAULT_SYNC_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on every sync waits; those that have begun go on. */
void sync_gate_hold(void);
void sync_gate_release(void);
unsigned sync_gate_waiting(void);
uint64_t sync_gate_now_ns(void);
/* Whether a sync of a log file of RocksDB began at `from_ns` or later and had returned at `to_ns`.
 */
bool sync_gate_wal_between(uint64_t from_ns, uint64_t to_ns);
/* How many have returned in that time. */
size_t sync_gate_wal_count(uint64_t from_ns, uint64_t to_ns);

#endif
