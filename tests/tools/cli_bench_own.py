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
           'client_cpu_us_per_event', 'ceiling_hash_compress_events_per_s', 'ceiling_fdatasync_ms'}
OF_ITS_SERVER = {'server_cpu_us_per_event', 'server_rss_mib', 'stored_bytes_per_event'}


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
        done = self.ends(stele('bench', 'ingest', '--events', '4000', '--batch', '100', '--connections', '4'), DONE)
        self.assertIn('events            4000 in ', done.out)

    def test_query(self):
        done = self.ends(stele('bench', 'query', '--events', '4000', '--queries', '2', '-o', 'json'), DONE)
        rows = json.loads(done.out)
        self.assertGreater(rows[0]['events'], rows[-1]['events'])
        self.assertEqual(rows[-1]['events'], 0)  # an actor that is not there

    def test_clock_step_lives_through_months(self):
        """4,000 events, three hours each, are 500 days of log time; the tail of a window is missing at each end."""
        figures = self.ingest('--clock-step', '3h', '--batch', '16')
        self.assertTrue(400 < days(figures) <= 500.1, figures)
        begins = datetime.fromisoformat(figures['first_log_time'][:19])
        self.assertLess(abs((begins - datetime.utcnow()).days), 100)
        rows = json.loads(stele('bench', 'query', '--events', '4000', '--queries', '1', '--clock-step', '3h', '-o', 'json').out)
        self.assertGreater(rows[0]['events'], 100)

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
                ((), 'ingest, query'), (('fly',), 'ingest, query'), (('ingest', 'query'), 'ingest, query'),
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
