# SPDX-License-Identifier: Apache-2.0
"""`stele bench` with calls at fixed times: what it prints, and that a server that stops shows in each of them."""
import json
import signal
import time

from cli_rig import DONE, USAGE, Case, Server, end, stele, wait_until

POINTS = ['p50_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms']
STOP_S = 4


class Load(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server('eu-central-1').start()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def bench(self, *words):
        return self.server('bench', *words)

    def rises(self, latency):
        self.assertEqual(list(latency), POINTS)
        values = [latency[point] for point in POINTS]
        self.assertEqual(values, sorted(values))
        self.assertGreater(values[0], 0)

    def figures(self, *words):
        figures = json.loads(self.ends(self.bench(*words, '-o', 'json'), DONE).out)
        self.rises(figures['append'])
        return figures

    def test_streams_at_a_rate(self):
        figures = self.figures('ingest', '--rate', '2000', '--batch', '50', '--duration', '2')
        self.assertEqual(figures['events'], 4000)
        self.assertIs(figures['open_loop'], True)
        self.assertGreater(figures['seconds'], 1.9)

    def test_single_appends_at_a_rate(self):
        figures = self.figures('ingest', '--unary', '--rate', '100', '--duration', '2', '--clients', '8')
        self.assertEqual((figures['events'], figures['batch'], figures['clients'], figures['connections']), (200, 1, 8, 2))

    def test_single_appends_as_fast_as_they_are_answered(self):
        figures = self.figures('ingest', '--unary', '--duration', '1', '--clients', '4', '--connections', '3')
        self.assertEqual((figures['clients'], figures['connections']), (4, 3))
        self.assertIs(figures['open_loop'], False)
        self.assertGreaterEqual(figures['events'], 4)
        self.assertGreater(figures['ceiling_null_events_per_s'], 0)

    def test_searches_beside_them(self):
        figures = self.figures('mixed', '--rate', '50', '--query-rate', '10', '--duration', '2', '--clients', '4')
        self.assertEqual((figures['events'], figures['queries']), (100, 20))
        self.rises(figures['query'])

    def test_words_for_people(self):
        done = self.ends(self.bench('mixed', '--rate', '50', '--duration', '1', '--clients', '4'), DONE)
        for word in ('p99.9', 'open loop: from when each was due', 'query latency', 'over a second'):
            self.assertIn(word, done.out)

    def test_what_does_not_go_together(self):
        self.assertEqual(stele('bench', 'query', '--rate', '5').code, USAGE)
        self.assertEqual(stele('bench', 'query', '--unary').code, USAGE)
        self.assertEqual(stele('bench', 'ingest', '--clients', '8').code, USAGE)
        self.assertEqual(self.bench('ingest', '--rate', '0').code, USAGE)

    def test_a_server_that_stops_shows_in_every_call_of_that_time(self):
        """Eight clients, fifty calls a second, four seconds without a server: 200 calls of 750 are due meanwhile, of
        which 150 wait for over a second. A generator that waits for its answers would have eight."""
        bench = self.server.popen('bench', 'ingest', '--unary', '--rate', '50', '--duration', '15', '--clients', '8',
                                  '-o', 'json')
        try:
            size = self.size()
            wait_until(lambda: self.size() > size, 'the load has begun')
            self.server.process.send_signal(signal.SIGSTOP)
            time.sleep(STOP_S)
            self.server.process.send_signal(signal.SIGCONT)
            out, err = bench.communicate()
        finally:
            self.server.process.send_signal(signal.SIGCONT)
            end(bench)
        self.assertEqual(bench.returncode, DONE, err)
        figures = json.loads(out)
        self.assertEqual(figures['events'], 750)
        self.assertGreater(figures['append']['p90_ms'], 1000)
        self.assertGreater(figures['append']['max_ms'], (STOP_S - 0.5) * 1000)
        self.assertGreaterEqual(figures['n_stalls'], 1)
        self.assertGreater(max(stall['ms'] for stall in figures['stalls']), (STOP_S - 0.5) * 1000)

    def size(self):
        done = self.server('checkpoint', '--log', 'eu-central-1/3y')
        self.assertEqual(done.code, DONE, done.err)
        return int(done.out.split('\n')[1])
