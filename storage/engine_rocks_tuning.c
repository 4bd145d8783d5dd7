/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/engine_rocks_tuning.c: RocksDB's options and why they are so. Numbers were chosen by
 * measuring with 64 KiB to 1 MiB records that are trimmed tens of MiB behind the end.
 */
#include "storage/engine_rocks_tuning.h"

/*
 * wal_recovery_mode: a power cut may leave the log's last, unsynced record torn. That must not stop
 * the store, and any other damage must. kTolerateCorruptedTailRecords tells them apart: a record
 * that its log file ends inside of ends the replay of that file; a checksum or a length that is
 * wrong before is Corruption, and the store refuses to open. kPointInTimeRecovery, RocksDB's
 * default, ends the replay at ANY bad record and opens: one flipped bit would drop each
 * acknowledged record after it without a word. kAbsoluteConsistency would refuse to open after
 * every power cut in the middle of a write.
 *
 * max_bgerror_resume_count: RocksDB must not go on by itself after what failed: claim() decides
 * that.
 *
 * max_total_wal_size: a log file lives until every family has flushed what it has in it. Facts and
 * locks are few and would never flush by themselves; this makes them, and bounds the replay after a
 * crash. It is above the chain's memtables, so that it is not what flushes those.
 *
 * info_log_level: headers only, written at open; see check_room in engine_rocks.c.
 */
static const char store[] = "wal_recovery_mode=kTolerateCorruptedTailRecords;"
                            "paranoid_checks=true;"
                            "max_bgerror_resume_count=0;"
                            "max_total_wal_size=536870912;"
                            "max_background_jobs=2;"
                            "max_open_files=256;"
                            "max_manifest_file_size=4194304;"
                            "info_log_level=HEADER_LEVEL;"
                            "keep_log_file_num=2;"
                            "stats_dump_period_sec=0;"
                            "stats_persist_period_sec=0;";

/*
 * Chain records are written once, read by recovery only, and dropped by range soon after. Those
 * dropped before their memtable is flushed are never written a second time: hence a memtable larger
 * than what waits to be packed, and no compression, as records are compressed frames already. What
 * a flush leaves is mostly covered by the range deletes of the next one, so that merging waits for
 * eight of them. Measured bytes written for each byte appended, in records of 256 KiB, trimmed 32
 * to 64 MiB behind the end: memtable 64 MiB 2.16, 128 MiB 1.61, 256 MiB 1.28; merging eight instead
 * of four 1.17; the last with two logs 1.5, with four 1.8 (128 to 256 MiB wait then). At most two
 * memtables: a flush writes what is left in one long before the next is full.
 */
static const char chain[] = "write_buffer_size=268435456;"
                            "max_write_buffer_number=2;"
                            "compression=kNoCompression;"
                            "level0_file_num_compaction_trigger=8;"
                            "num_levels=3;"
                            "target_file_size_base=268435456;"
                            "max_bytes_for_level_base=4294967296;"
                            "block_based_table_factory={no_block_cache=true;block_size=16384};";

/* Read by key and by range while the service runs: it alone has a block cache. */
static const char view[] = "write_buffer_size=33554432;"
                           "max_write_buffer_number=3;"
                           "compression=kLZ4Compression;"
                           "block_based_table_factory={block_cache=33554432;block_size=16384};";

static const char meta[] = "write_buffer_size=4194304;"
                           "compression=kNoCompression;"
                           "block_based_table_factory={block_cache=1048576;block_size=4096};";

const char *const stele_rocks_tuning[STELE_ROCKS_TUNINGS] = {store, chain, view, meta};
