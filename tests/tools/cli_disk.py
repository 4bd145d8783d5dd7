# SPDX-License-Identifier: Apache-2.0
"""steled itself with libraries preloaded: its syncs counted, and its disk broken under it.

STELE_TEST_LIBS is the folder of the two libraries; tests/fault/sync_count.h and disk_fault.h say what they do.
"""
import contextlib
import ctypes
import errno
import mmap
import os
import unittest

import cli_rig as rig
from cli_rig import DONE, UNREACHABLE, Case, Server, end, inference, jsonl, lines_of, wait_until

LIBS = os.environ['STELE_TEST_LIBS']
WRITE, SYNC = 0, 1  # of enum disk_call
EVER = 2 ** 63


class SyncLog(ctypes.Structure):
    """The start of struct sync_log."""
    _fields_ = [('n', ctypes.c_uint64), ('n_syncs', ctypes.c_uint64), ('fail_at', ctypes.c_uint64),
                ('fail_n', ctypes.c_uint64), ('fail_errno', ctypes.c_int), ('fail_path', ctypes.c_char * 64)]


class DiskFault(ctypes.Structure):
    _fields_ = [('folder', ctypes.c_char * 512), ('calls', ctypes.c_uint64 * 8), ('call', ctypes.c_int),
                ('nth', ctypes.c_uint64), ('n', ctypes.c_uint64), ('os_errno', ctypes.c_int), ('in_part', ctypes.c_bool),
                ('n_struck', ctypes.c_uint64)]

    def fails(self, call, os_errno):
        """Every such call from now on; os_errno 0: none any more."""
        self.nth = 0
        self.call, self.n, self.os_errno = call, EVER, os_errno
        self.nth = self.calls[call] + 1 if os_errno else 0


@contextlib.contextmanager
def shared(kind, path, size):
    """The struct in a file that the library maps, too."""
    with open(path, 'w+b') as file:
        file.truncate(size)
        mapped = mmap.mmap(file.fileno(), size)
        yield kind.from_buffer(mapped)


def start(server, library, variable, path):
    """Starts it with a library, of which nobody else knows."""
    os.environ.update(LD_PRELOAD=os.path.join(LIBS, library), **{variable: path})
    try:
        server.start()
    finally:
        del os.environ['LD_PRELOAD'], os.environ[variable]


class Disk(Case):
    def setUp(self):
        self.server = Server('eu-central-1')
        self.addCleanup(self.server.remove)
        self.path = os.path.join(self.server.folder, 'shared')

    def shipping(self):
        """stele append that stays open: (send, lines of acknowledgements)."""
        process = self.server.popen('append', '--timeout', f'{rig.PATIENCE_S}s')
        self.addCleanup(end, process)
        acknowledgements = lines_of(process)

        def send(event_id):
            process.stdin.write(jsonl(inference(event_id)))
            process.stdin.flush()
        return send, acknowledgements

    def test_every_acknowledgement_follows_a_sync(self):
        with shared(SyncLog, self.path, 4 << 20) as log:
            log.fail_path = b'/db/'  # those of the log of records are counted
            start(self.server, 'libstele-sync-count.so', 'STELE_SYNC_COUNT_FILE', self.path)
            send, acknowledgements = self.shipping()
            for i in range(30):
                before = log.n_syncs
                send(f'event-{i}')
                self.assertIn('"seq"', acknowledgements.get(timeout=rig.PATIENCE_S))
                self.assertGreater(log.n_syncs, before)
            self.assertGreaterEqual(log.n_syncs, 30)

    def test_a_disk_that_fails_stops_writing_only(self):
        with shared(DiskFault, self.path, ctypes.sizeof(DiskFault)) as fault:
            fault.folder = os.path.realpath(self.server.data).encode()
            start(self.server, 'libstele-disk-fault.so', 'STELE_DISK_FAULT_FILE', self.path)
            self.server.append(inference('before'))
            for call, os_errno in ((WRITE, errno.ENOSPC), (SYNC, errno.EIO), (WRITE, errno.EIO)):
                with self.subTest(call=call, os_errno=os_errno):
                    self.broken(fault, call, os_errno)

    def broken(self, fault, call, os_errno):
        name = f'while-{call}-{os_errno}'
        logged = len(self.server.log_text())
        fault.fails(call, os_errno)
        done = self.server('append', '--timeout', '1s', stdin=jsonl(inference(name)))
        self.ends(done, UNREACHABLE)
        self.assertEqual(done.out, '')
        self.assertIn(os.strerror(os_errno), self.server.log_text()[logged:])
        # What was stored is read on.
        got = self.ends(self.server('query', '--actor', 'alice', '-o', 'jsonl'), DONE)
        self.assertIn('"before"', got.out)
        self.assertNotIn(name, got.out)
        # And when the disk is well again, one that waited is taken, without anybody doing anything.
        send, acknowledgements = self.shipping()
        send(name)
        fault.fails(call, 0)
        self.assertIn('"seq"', acknowledgements.get(timeout=rig.PATIENCE_S))
        wait_until(lambda: name in self.server('query', '--actor', 'alice', '-o', 'jsonl').out, 'the event is found')


if __name__ == '__main__':
    unittest.main()
