/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fault/no_sync.h: included before every line of an engine that must fail its sync tests:
 * fsync does nothing there, and RocksDB is never asked to sync a write.
 */
#ifndef STELE_TESTS_FAULT_NO_SYNC_H
#define STELE_TESTS_FAULT_NO_SYNC_H

#include <unistd.h>

#include <rocksdb/c.h>

#define fsync(fd) ((void)(fd), 0)
#define rocksdb_writeoptions_set_sync(options, sync)                                               \
    rocksdb_writeoptions_set_sync((options), (unsigned char)((sync)&0))

#endif
