# SPDX-License-Identifier: Apache-2.0
"""Long answers: `stele query` and `tail` while they run, when they are interrupted, and when nobody answers."""
import json
import os
import pty
import signal
import subprocess
import time
import unittest

from cli_rig import (DONE, INCOMPLETE, PATIENCE_S, STELE, UNREACHABLE, USAGE, Case, Server, end, inference, lines_of, read, stele,
                     write)

REGION = 'eu-central-1'


class Streams(Case):
    """What happens to a command while it runs."""
    N = 30000

    @classmethod
    def setUpClass(cls):
        cls.server = Server(REGION).start()
        path = os.path.join(cls.server.folder, 'many.jsonl')
        write(path, ''.join(json.dumps(inference(f'many-{i:05}')) + '\n' for i in range(cls.N)))
        assert cls.server('append', path, stdin=None).code == DONE

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def test_a_reader_of_the_first_line_ends_it_quietly(self):
        for output in ('jsonl', 'json', 'csv', 'table'):
            process = subprocess.Popen(f'"{STELE}" --config "{self.server.config}" query -o {output} | head -1', shell=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, err = process.communicate(timeout=PATIENCE_S)
            self.assertEqual((len(out.splitlines()), err), (1, b''), output)
        out = os.path.join(self.server.folder, 'cut.proof')
        process = self.server.popen('query', '-o', 'jsonl', '--prove', out)
        process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        self.assertEqual(process.stderr.read(), '')
        process.stderr.close()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGPIPE)
        self.assertEqual([name for name in os.listdir(self.server.folder) if name.startswith('cut.proof')], [])

    def interrupt(self, *words):
        """Ctrl-C while the answer is under way: the reader takes one line, then waits."""
        process = self.server.popen('query', *words)
        process.stdin.close()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out = first + process.stdout.read()
        err = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        return process.wait(PATIENCE_S), out, err

    def test_ctrl_c_ends_a_long_answer_cleanly(self):
        code, out, err = self.interrupt('-o', 'jsonl')
        self.assertEqual(code, INCOMPLETE, err)
        self.assertIn('interrupted', err)
        self.assertIn('do not take', err)
        lines = out.splitlines()
        self.assertLess(len(lines), self.N)
        for line in lines:
            json.loads(line)  # no line is torn
        code, out, err = self.interrupt('-o', 'json')
        self.assertEqual(code, INCOMPLETE)
        with self.assertRaises(json.JSONDecodeError):
            json.loads(out)  # what was cut does not read as a whole answer

    def test_ctrl_c_leaves_no_half_proof(self):
        out = os.path.join(self.server.folder, 'interrupted.proof')
        code, _, err = self.interrupt('-o', 'jsonl', '--prove', out)
        self.assertEqual(code, INCOMPLETE, err)
        self.assertEqual([name for name in os.listdir(self.server.folder) if name.startswith('interrupted.proof')], [])

    def test_ctrl_c_reaches_a_command_that_waits_for_the_server(self):
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            for words in (('query', '-o', 'jsonl'), ('query', '--count'), ('tail',)):
                process = self.server.popen(*words)
                process.stdin.close()
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                self.assertIn(process.wait(PATIENCE_S), (DONE, INCOMPLETE, UNREACHABLE, -signal.SIGINT))
                end(process)
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def test_a_terminal_sees_how_far_it_is(self):
        """Counts on stderr if that is a terminal and the work takes over a second; else nothing."""
        primary, secondary = pty.openpty()
        process = self.server.popen('query', '-o', 'jsonl', stderr=secondary)
        process.stdin.close()
        os.close(secondary)
        self.assertNotEqual(process.stdout.readline(), '')
        time.sleep(1.5)  # a slow reader
        n = 1 + sum(1 for _ in process.stdout)
        self.assertEqual((n, process.wait(PATIENCE_S)), (self.N, DONE))
        process.stdout.close()
        shown = b''
        try:
            while True:
                part = os.read(primary, 65536)
                if not part:
                    break
                shown += part
        except OSError:
            pass
        os.close(primary)
        self.assertRegex(shown.decode(), r'\rstele query: \d+ events, \d+/s')
        self.assertTrue(shown.decode().endswith('\r'), 'the line is removed at the end')


class Tail(Case):
    def setUp(self):
        self.server = Server(REGION).start()
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            end(process)
        self.server.remove()

    def tail(self, *words):
        process = self.server.popen('tail', *words)
        self.processes.append(process)
        return process, lines_of(process)

    def take(self, lines, n):
        return [json.loads(lines.get(timeout=PATIENCE_S))['event']['event_id'] for _ in range(n)]

    def stop(self, process, lines, number=signal.SIGINT):
        """Ends a tail by a signal. Returns stderr."""
        process.send_signal(number)
        self.assertEqual(process.wait(PATIENCE_S), DONE)
        self.assertIsNone(lines.get(timeout=PATIENCE_S))
        return process.stderr.read()

    def test_prints_each_new_event_once(self):
        self.server.append(*(inference(f'old-{i}') for i in range(5)))
        process, lines = self.tail('--region', REGION)
        time.sleep(1.5)
        expected = []
        for i in range(6):
            names = [f'new-{i}-{k}' for k in range(3)]
            self.server.append(*(inference(name, retention_class=('1y', '3y', '7y')[k]) for k, name in enumerate(names)))
            expected += names
            time.sleep(0.2)
        self.assertEqual(sorted(self.take(lines, len(expected))), sorted(expected))
        time.sleep(1)
        self.assertTrue(lines.empty())
        self.stop(process, lines)

    def test_takes_a_question_and_a_start(self):
        self.server.append(*(inference(f'old-{i}', outcome=('success', 'denied')[i % 2]) for i in range(10)))
        process, lines = self.tail('--outcome', 'denied', '--logged-since', '1h')
        self.assertEqual(self.take(lines, 5), [f'old-{i}' for i in (1, 3, 5, 7, 9)])
        self.server.append(inference('new-0'), inference('new-1', outcome='denied'))
        self.assertEqual(self.take(lines, 1), ['new-1'])
        self.stop(process, lines, signal.SIGTERM)

    def test_forms(self):
        process, lines = self.tail('-o', 'csv', '--logged-since', '1h')
        self.server.append(inference('csv'))
        self.assertIn('log,seq', lines.get(timeout=PATIENCE_S))
        self.assertIn(',csv,', lines.get(timeout=PATIENCE_S))
        self.stop(process, lines)
        self.refuses(self.server('tail', '-o', 'json'), 'jsonl')
        self.refuses(self.server('tail', 'x'), "'x'")
        self.refuses(self.server('tail', '--limit', '3'), '--limit')
        self.refuses(self.server('tail', '--region', 'none'), "'none'")

    def test_waits_for_a_server_that_goes_away_and_misses_nothing(self):
        self.server.keep_port()
        process, lines = self.tail('--logged-since', '1h')
        self.server.append(inference('before'))
        self.assertEqual(self.take(lines, 1), ['before'])
        self.server.stop()
        time.sleep(2)
        self.assertIsNone(process.poll())
        self.server.start()
        self.server.append(inference('after'))
        self.assertEqual(self.take(lines, 1), ['after'])
        err = self.stop(process, lines)
        self.assertEqual(err.count('waiting for it'), 1, err)
        self.assertEqual(err.count('is back'), 1, err)

    def test_gives_up_in_the_end(self):
        process, lines = self.tail('--timeout', '3s', '--logged-since', '1h')
        self.server.append(inference('before'))
        self.assertEqual(self.take(lines, 1), ['before'])
        self.server.stop()
        self.assertEqual(process.wait(PATIENCE_S), UNREACHABLE)
        # A server that was never there is no reason to wait.
        done = self.server('tail')
        self.ends(done, UNREACHABLE, 'is steled running')

    def test_ends_when_nobody_reads(self):
        process = subprocess.Popen(f'"{STELE}" --config "{self.server.config}" tail --logged-since 1h | head -1', shell=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.server.append(inference('one'))
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((len(out.splitlines()), err), (1, b''))


class Unreachable(Case):
    def test_each_command_says_3(self):
        server = Server(REGION)
        try:
            server.point_at('127.0.0.1:1')
            out = os.path.join(server.folder, 'out')
            old = write(os.path.join(server.folder, 'old'), 'x')
            for words in (('query',), ('query', '--count'), ('query', '--explain'), ('query', '--prove', out), ('tail',),
                          ('get', '--log', f'{REGION}/3y', '--seq', '1'), ('receipt', '--log', f'{REGION}/3y', '--seq', '1', '--out', out),
                          ('checkpoint', '--log', f'{REGION}/3y'), ('tiles', '--log', f'{REGION}/3y', '--out', out)):
                with self.subTest(words=words):
                    done = self.ends(server(*words), UNREACHABLE, 'no connection to 127.0.0.1:1', 'is steled running')
                    self.assertEqual(done.out, '')
                    self.assertFalse(os.path.exists(out))
                    self.assertEqual(len(done.err.splitlines()), 1)
            self.assertEqual(read(old), b'x')
        finally:
            server.remove()

    def test_names_that_do_not_resolve(self):
        server = Server(REGION)
        try:
            server.point_at('no-such-host.invalid:7443')
            self.ends(server('query'), UNREACHABLE, 'no-such-host.invalid')
        finally:
            server.remove()


class Regions(Case):
    def test_one_region_needs_no_flag_and_several_do(self):
        server = Server(REGION, 'us-east-1').start()
        try:
            server.append(inference('eu'), inference('us', region='us-east-1'))
            for command in ('query', 'tail'):
                self.refuses(server(command), 'several regions', f'{REGION}, us-east-1')
            for region, name in ((REGION, 'eu'), ('us-east-1', 'us')):
                done = self.ends(server('query', '--region', region, '-o', 'jsonl'), DONE)
                self.assertEqual([hit['event']['event_id'] for hit in done.lines()], [name])
                done = self.ends(server('query', '--log', f'{region}/3y', '-o', 'jsonl'), DONE)
                self.assertEqual([hit['event']['event_id'] for hit in done.lines()], [name])
            text = read(server.config).decode().replace('  - us-east-1\n', '')
            conf = write(os.path.join(server.data, 'one.conf'), text)
            done = self.ends(stele('--config', conf, 'query', '-o', 'jsonl'), DONE)
            self.assertEqual([hit['event']['event_id'] for hit in done.lines()], ['eu'])
            self.assertEqual(stele('--config', conf, 'query', '--region').code, USAGE)
        finally:
            server.remove()


if __name__ == '__main__':
    unittest.main()
