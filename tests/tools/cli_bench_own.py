# SPDX-License-Identifier: Apache-2.0
"""`stele bench` with a server of its own: its figures, a clock that lives through months, and nothing left behind."""
import glob
import json
import os
import signal
import subprocess
import tempfile
import unittest
from datetime import datetime

from cli_rig import DONE, PATIENCE_S, STELE, UNREACHABLE, Case, Server, end, stele, wait_until

REGION = 'eu-1'
FIGURES = {'events', 'seconds', 'events_per_s', 'first_log_time', 'last_log_time', 'batch_p50_ms', 'batch_p99_ms',
           'client_cpu_us_per_event', 'ceiling_hash_compress_events_per_s', 'ceiling_fdatasync_ms', 'ceiling_null_events_per_s'}
OF_ITS_SERVER = {'server_cpu_us_per_event', 'server_cpu_us_per_event_by_thread', 'server_rss_mib', 'stored_bytes_per_event'}


def days(figures):
    first, last = (datetime.fromisoformat(figures[name][:19]) for name in ('first_log_time', 'last_log_time'))
    return (last - first).total_seconds() / 86400


def folders():
    """What benches of this test have left, or still work in."""
    return glob.glob(os.environ['TMPDIR'] + '/stele-bench-*')


class Bench(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix='stele-cli-bench-')
        os.environ['TMPDIR'] = cls.folder.name

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def tearDown(self):
        self.assertEqual(folders(), [])

    def ingest(self, *words):
        done = self.ends(stele('bench', 'ingest', '--events', '4000', '-o', 'json', *words), DONE)
        self.assertEqual(done.err, '')
        return json.loads(done.out)

    def test_ingest(self):
        figures = self.ingest()
        self.assertLessEqual(FIGURES | OF_ITS_SERVER, set(figures))
        self.assertEqual(figures['events'], 4000)
        self.assertGreater(figures['events_per_s'], 0)
        self.assertLessEqual({'append', 'commit', 'pack', 'merge', 'index', 'rpc'},
                             set(figures['server_cpu_us_per_event_by_thread']))
        done = self.ends(stele('bench', 'ingest', '--events', '4000', '--batch', '100', '--connections', '4'), DONE)
        self.assertIn('events            4000 in ', done.out)

    def query(self, *words):
        return json.loads(self.ends(stele('bench', 'query', '--queries', '2', '-o', 'json', *words), DONE).out)

    def test_query(self):
        figures = self.query('--events', '4000', '--cold', '1')
        many, few, combined, absent = figures['rows']
        self.assertEqual(figures['events'], 4000)
        self.assertIn('dropped', figures['cold'])
        self.assertGreater(many['events'], few['events'])
        self.assertGreater(few['events'], 0)
        self.assertEqual((absent['events'], absent['rows_examined'], absent['postings_read']), (0, 0, 0))
        for row in figures['rows']:
            self.assertEqual((row['warm_last']['n'], row['cold_last']['n']), (2, 1))
            self.assertGreaterEqual(row['cold_last']['max_ms'], row['cold_first']['max_ms'])

    def test_query_of_three_keys_reads_what_the_rarest_two_share(self):
        figures = self.query('--events', '4000', '--cold', '0')
        row = figures['rows'][2]
        keys = {key['key'].split(' = ')[0]: key['postings'] for key in row['keys']}
        self.assertEqual(set(keys), {'actor', 'resource', 'event_type', 'tenant'})
        self.assertEqual(keys['event_type'], 4000)
        self.assertEqual(row['postings_read'], min(keys.values()))
        self.assertLess(row['rows_examined'], row['postings_read'])
        self.assertEqual(row['events'], row['rows_examined'])  # all are of the type asked for
        self.assertIsNone(row['cold_first'])
        self.assertEqual(figures['cold'], 'not asked')

    def test_query_in_words(self):
        done = self.ends(stele('bench', 'query', '--events', '2000', '--queries', '1', '--cold', '1'), DONE)
        for word in ('an actor without events', 'warm: first p50', 'cold: first p50', ' of event_type = 3', 'server started again'):
            self.assertIn(word, done.out)

    def test_export(self):
        words = ('bench', 'export', '--events', '4000')
        figures = json.loads(self.ends(stele(*words, '-o', 'json'), DONE).out)
        self.assertEqual(list(figures), ['search', 'answer', 'verify', 'jsonl', 'tiles', 'fsck'])
        for name, way in figures.items():
            self.assertEqual(way['events'], 4000, name)
            self.assertGreater(way['events_per_s'], 0, name)
        self.assertGreater(figures['answer']['file_bytes'], 4000 * 300)
        self.assertIn('tile export (stele tiles)', self.ends(stele(*words), DONE).out)

    def test_events_of_a_file(self):
        path, rows_path = self.folder.name + '/events', self.folder.name + '/rows'
        words = ('--events', '3000', '--clock-step', '1h')
        self.assertEqual(self.ends(stele('bench', 'events', *words, '--out', path, '--rows', rows_path), DONE).out, '')
        with open(rows_path) as file:
            rows = [line.rstrip('\n').split('\t') for line in file]
        self.assertEqual({len(row) for row in rows}, {5})
        with open(path, 'rb') as file:
            data = file.read()
        at = 0
        for time, event_type, actor, resource, payload in rows:
            size, at = (data[at] & 127 | data[at + 1] << 7, at + 2)  # all are 128 to 16,383 bytes long
            self.assertEqual(payload, '\\\\x' + data[at:at + size].hex())
            self.assertIn(actor.encode(), data[at:at + size])
            self.assertIn(resource.encode(), data[at:at + size])
            self.assertEqual(event_type, '3')
            at += size
        self.assertEqual((at, len(rows)), (len(data), 3000))
        self.assertEqual([row[0] for row in rows], sorted(row[0] for row in rows))

        self.ends(stele('bench', 'events', *words, '-o', 'json', '--out', path + '.2', '--rows', rows_path + '.2'), DONE)
        with open(rows_path + '.2') as file:
            self.assertEqual([json.loads(line.split('\t')[4])['actor']['id'] for line in file], [row[2] for row in rows])

        busy = max({row[2] for row in rows}, key=lambda actor: sum(row[2] == actor for row in rows))
        figures = self.query('--from', path, '--clock-step', '1h', '--cold', '0')
        self.assertEqual((figures['events'], figures['rows'][0]['actor']), (3000, busy))
        self.assertEqual(figures['rows'][0]['events'], sum(row[2] == busy for row in rows))
        done = self.ends(stele('bench', 'ingest', '--from', path, '--clock-step', '1h', '--batch', '7', '-o', 'json'), DONE)
        self.assertEqual(json.loads(done.out)['events'], 3000)
        with open(path, 'ab') as file:
            file.write(b'\x05half')
        self.refuses(stele('bench', 'ingest', '--from', path), 'is no file of events: event 3000')
        for name in (path, rows_path, path + '.2', rows_path + '.2'):
            os.unlink(name)

    def test_clock_step_lives_through_months(self):
        """4,000 events, three hours each, are 500 days of log time; the tail of a window is missing at each end."""
        figures = self.ingest('--clock-step', '3h', '--batch', '16')
        self.assertTrue(400 < days(figures) <= 500.1, figures)
        begins = datetime.fromisoformat(figures['first_log_time'][:19])
        self.assertLess(abs((begins - datetime.utcnow()).days), 100)
        rows = json.loads(stele('bench', 'query', '--events', '4000', '--queries', '1', '--cold', '0', '--clock-step', '3h',
                                '-o', 'json').out)
        self.assertGreater(rows['rows'][0]['events'], 100)

    def test_clock_step_has_an_end(self):
        figures = self.ingest('--clock-step', '1000h', '--batch', '16')
        last = datetime.fromisoformat(figures['last_log_time'][:19])
        self.assertEqual((last - datetime.utcnow()).days // 365, 49, figures)  # the 50 years are over, less an hour or so

    def test_with_a_server_that_runs(self):
        server = Server(REGION).start()
        try:
            done = self.ends(stele('bench', 'ingest', '--config', server.config, '--events', '2000', '-o', 'json'), DONE)
            figures = json.loads(done.out)
            self.assertEqual(set(figures) & OF_ITS_SERVER, set())
            self.assertEqual(server('query', '--count').out, '2000\n')
            # Its clock is the real one, and nobody can ask for another.
            self.refuses(stele('bench', 'ingest', '--config', server.config, '--clock-step', '1h'), '--clock-step')
            self.refuses(stele('--config', server.config, 'bench', 'ingest', '--clock-step', '1h'), '--clock-step')
        finally:
            server.remove()

    def test_wrong_calls(self):
        for words, said in (
                ((), 'ingest, query'), (('events',), '--out'), (('ingest', '--out', 'x'), '--out'),
                (('events', '--out', 'x', '--config', 'y'), 'without --config'), (('export', '--config', 'y'), 'without --config'),
                (('ingest', '--from', 'x', '--rate', '5'), '--from'), (('ingest', '--from', '/nowhere/x'), "'/nowhere/x'"),
                (('query', '--cold', 'x'), 'x'), (('fly',), 'ingest, query'), (('ingest', 'query'), 'ingest, query'),
                (('ingest', '--events', '0'), '--events'), (('ingest', '--events', 'many'), 'many'),
                (('ingest', '--batch', '1001'), '--batch'), (('ingest', '--connections', '100000'), '--connections'),
                (('ingest', '-o', 'csv'), '-o csv'), (('ingest', '--clock-step', '0s'), 'is no duration'),
                (('ingest', '--clock-step', 'slow'), 'is no duration'), (('ingest', '--events'), 'needs a value'),
                (('ingest', '--config', '/nowhere/client.conf'), "'/nowhere/client.conf'")):
            with self.subTest(words=words):
                self.refuses(stele('bench', *words), said)

    def test_nobody_serves(self):
        server = Server(REGION)
        try:
            server.point_at('127.0.0.1:1')
            # Nothing is acknowledged for its 30 seconds.
            done = stele('bench', 'ingest', '--config', server.config, '--events', '10')
            self.ends(done, UNREACHABLE, '127.0.0.1:1')
            self.assertEqual(done.out, '')
        finally:
            server.remove()

    def test_ctrl_c_leaves_no_server_and_no_folder(self):
        for step in ((), ('--clock-step', '1s')):
            with self.subTest(step=step):
                process = subprocess.Popen([STELE, 'bench', 'ingest', '--events', '100000000', *step],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                wait_until(lambda: any(os.path.exists(f'{path}/data/bench.conf') for path in folders()), 'the server is up')
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE_S), -signal.SIGINT)
                self.assertEqual((process.stdout.read(), process.stderr.read()), ('', ''))
                end(process)
                self.assertEqual(folders(), [])


if __name__ == '__main__':
    unittest.main()
