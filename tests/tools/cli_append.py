# SPDX-License-Identifier: Apache-2.0
"""`stele append`: what a line is answered with, when, and how it ends."""
import base64
import json
import os
import re
import signal
import threading
import time
import unittest

from cli_rig import (DONE, INCOMPLETE, PATIENCE_S, UNREACHABLE, Case, Server, access, end, inference, jsonl, lines_of, read,
                     stele, wait_until, write)

LOG_TIME = re.compile(r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$')


class Append(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server('eu-central-1', 'us-east-1').start()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def append(self, *events, words=(), **options):
        return self.server('append', *words, stdin=jsonl(*events), **options)

    def test_acknowledges_each_line_in_order(self):
        events = [inference(f'order-{i}') for i in range(700)]
        done = self.ends(self.append(*events), DONE, '700 stored, 0 refused')
        acks = done.lines()
        self.assertEqual([ack['line'] for ack in acks], list(range(1, 701)))
        for text, ack in zip(done.out.splitlines(), acks):
            self.assertEqual(list(ack), ['line', 'log', 'seq', 'log_time'])
            self.assertEqual(ack['log'], 'eu-central-1/3y')
            self.assertRegex(ack['log_time'], LOG_TIME)
            self.assertEqual(text, json.dumps(ack, separators=(',', ':')))
        self.assertEqual([ack['seq'] for ack in acks], list(range(acks[0]['seq'], acks[0]['seq'] + 700)))
        self.assertEqual([ack['log_time'] for ack in acks], sorted(ack['log_time'] for ack in acks))

    def test_reads_a_file_stdin_and_dash(self):
        path = write(os.path.join(self.server.folder, 'events.jsonl'), jsonl(inference('file-1')))
        for words, stdin in (((path,), ''), ((), jsonl(inference('stdin-1'))), (('-',), jsonl(inference('stdin-2'))),
                             (('-o', 'jsonl', '--timeout', '5s', path), '')):
            with self.subTest(words=words):
                done = self.ends(self.server('append', *words, stdin=stdin), DONE)
                self.assertEqual([ack['line'] for ack in done.lines()], [1])
        # Without a newline at the end, with Windows line ends, with a byte order mark.
        for i, text in enumerate((json.dumps(inference('form-0')), json.dumps(inference('form-1')) + '\r\n\r\n',
                                  '\ufeff' + json.dumps(inference('form-2')) + '\n')):
            self.assertEqual(len(self.ends(self.server('append', stdin=text), DONE).lines()), 1, i)
        self.assertEqual(self.ends(self.server('append', stdin=''), DONE).out, '')
        self.assertEqual(self.ends(self.server('append', '/dev/null'), DONE).out, '')

    def test_refuses_wrong_calls(self):
        path = write(os.path.join(self.server.folder, 'one.jsonl'), jsonl(inference('wrong-call')))
        for words, said in (
                (('/nowhere/events.jsonl',), "no file '/nowhere/events.jsonl'"),
                ((self.server.folder,), 'is a folder'),
                ((path, path), 'one file'),
                (('-o', 'table', path), 'jsonl'),
                (('--timeout', '0s', path), 'is no duration'),
                (('--timeout', 'soon', path), 'is no duration'),
                (('--timeout', '-1s', path), 'is no duration'),
                (('--region', '', path), '--region')):
            with self.subTest(words=words):
                self.refuses(self.server('append', *words), said)
        self.assertEqual(self.server('query', '--region', 'eu-central-1', '--count').code in (0, 1), True)

    def test_region_flag_fills_and_refuses(self):
        done = self.append(inference('region-1', region=None), inference('region-2', region='us-east-1'),
                           inference('region-3', region='eu-central-1'), inference('region-4', region=7),
                           inference('region-5', region=None), words=('--region', 'us-east-1'))
        self.ends(done, INCOMPLETE, '3 stored, 2 refused')
        acks = done.lines()
        self.assertEqual([ack.get('log') for ack in acks], ['us-east-1/3y', 'us-east-1/3y', None, None, 'us-east-1/3y'])
        for ack in (acks[2], acks[3]):
            self.assertEqual(list(ack), ['line', 'code', 'error'])
            self.assertEqual(ack['code'], 'INVALID_ARGUMENT')
            self.assertIn('region', ack['error'])
        # Without the flag an event must name its region, and one that is served.
        done = self.append(inference('region-6', region=None), inference('region-7', region='ap-south-1'))
        self.ends(done, INCOMPLETE)
        self.assertEqual([ack['code'] for ack in done.lines()][0], 'INVALID_ARGUMENT')
        self.assertIn('region', done.lines()[0]['error'])
        self.assertIn('ap-south-1', done.lines()[1]['error'])

    def test_each_bad_line_is_refused_in_its_place(self):
        """Among good ones, with its code, and nothing else is lost."""
        def long(n):
            return json.dumps(inference('long', attributes={'pad': 'x' * n}))
        whole = json.dumps(inference('cut'))
        bad = [
            ('not json', 'not JSON'), ('{', 'not JSON'), ('[1]', 'not a JSON object'), ('"x"', 'JSON'), ('null', 'JSON'),
            (whole[:-1], 'not JSON'), (whole + 'x', 'not JSON'), (whole + whole, 'not JSON'),
            (whole.replace('"tenant"', '"tenant":"a","tenant"'), 'duplicate'),
            (whole.replace('"id": "alice"', '"id":"a","id":"b"'), 'duplicate'),
            (json.dumps(inference('bad-1', colour='red')), 'colour'),
            (json.dumps(inference('bad-2', event_type='guess')), 'event_type'),
            (json.dumps(inference('bad-3', actor=None)), 'actor'),
            (json.dumps(inference('bad-4', time='yesterday')), 'time'),
            (json.dumps(inference('bad-5', time='2099-01-01T00:00:00Z')), 'time'),
            (json.dumps(inference('bad-6', tenant='No Such Tenant')), 'tenant'),
            (json.dumps(inference('bad id')), 'event_id'),
            (json.dumps(inference('bad-7', access={})), ''),
            (whole.replace('alice', 'al\\u0000ice'), ''), (whole.replace('alice', 'al\\u0007ice'), 'control character'),
            (whole.replace('alice', 'al\\ud800ice'), ''),
            (long(65000), ''),
            ('x' * ((1 << 20) + 1), 'line of over 1048576 bytes'), (' ' * (3 << 20) + '{}', 'line of over'),
        ]
        lines = []
        for i, (text, _) in enumerate(bad):
            lines += [json.dumps(inference(f'between-{i}')), text]
        done = self.ends(self.append(*lines), INCOMPLETE, f'{len(bad)} stored, {len(bad)} refused')
        acks = done.lines()
        self.assertEqual([ack['line'] for ack in acks], list(range(1, 2 * len(bad) + 1)))
        for (text, said), good, refused in zip(bad, acks[0::2], acks[1::2]):
            with self.subTest(text=text[:100]):
                self.assertIn('seq', good)
                self.assertEqual(list(refused), ['line', 'code', 'error'])
                self.assertEqual(refused['code'], 'INVALID_ARGUMENT')
                self.assertIn(said, refused['error'])
        self.assertEqual([ack['seq'] for ack in acks[0::2]], list(range(acks[0]['seq'], acks[0]['seq'] + len(bad))))

    def test_largest_event(self):
        """64 KiB of protobuf is taken, one byte more is refused; the rest of the batch does not mind."""
        def event(n):
            """Every part as large as it may be, and a record of n bytes."""
            resource = {'id': 'r' * 512, 'type': 'policy', 'role': 'target', 'version': 'v' * 128, 'name': 'n' * 256,
                        'parent': 'p' * 256, 'owner': 'o' * 128}
            return inference(
                f'size-{n:06}', inference=None, event_type='policy_change', action='grant', resource=[resource] * 16,
                attributes={f'key-{i}': 'a' * 990 for i in range(8)},
                original={'format': 'pad', 'record': base64.b64encode(b'x' * n).decode()},
                policy_change={'kind': 'grant', 'policy_id': 'p', 'principal_id': 'q', 'added': ['a' * 128] * 32})

        def is_taken(n):
            beside, ack = self.append(inference(f'beside-{n}'), event(n)).lines()
            self.assertIn('seq', beside)
            if 'seq' not in ack:
                self.assertEqual(ack['code'], 'INVALID_ARGUMENT')
                self.assertRegex(ack['error'], '65,?536|64 KiB')
            return 'seq' in ack
        low, high = 10000, 32768
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_taken(middle) else (low, middle)
        self.assertTrue(is_taken(low) and not is_taken(high), (low, high))

    def test_blank_lines_are_passed_over_and_counted(self):
        done = self.ends(self.append('', inference('blank-1'), '   \t', '', inference('blank-2')), DONE)
        self.assertEqual([ack['line'] for ack in done.lines()], [2, 5])

    def test_the_same_event_again_keeps_its_place(self):
        first = self.append(inference('again-1'), inference('again-2'), inference('again-1')).lines()
        self.assertEqual([ack.get('duplicate') for ack in first], [None, None, True])
        self.assertEqual(first[2]['seq'], first[0]['seq'])
        second = self.ends(self.append(inference('again-2')), DONE, '1 stored (1 of them known before)').lines()
        self.assertEqual((second[0]['seq'], second[0]['log_time'], second[0]['duplicate']),
                         (first[1]['seq'], first[1]['log_time'], True))
        # The same id with another content is no duplicate but a contradiction.
        other = self.ends(self.append(inference('again-1', outcome='failure')), INCOMPLETE).lines()
        self.assertEqual(other[0]['code'], 'ALREADY_EXISTS')

    def test_goes_to_the_log_of_its_class(self):
        done = self.append(*[inference(f'class-{years}', retention_class=f'{years}y') for years in range(1, 8)], access('class-none'))
        self.ends(done, DONE)
        self.assertEqual([ack['log'] for ack in done.lines()], [f'eu-central-1/{n}y' for n in (1, 2, 3, 4, 5, 6, 7, 3)])

    def test_acknowledges_while_the_input_stays_open(self):
        process = self.server.popen('append')
        lines = lines_of(process)
        try:
            for i in range(5):
                process.stdin.write(json.dumps(inference(f'slow-{i}')) + '\n')
                if i == 3:
                    process.stdin.write('nonsense\n')
                process.stdin.flush()
                ack = json.loads(lines.get(timeout=PATIENCE_S))  # comes though no more input does
                self.assertIn('seq', ack)
                if i == 3:
                    self.assertIn('code', json.loads(lines.get(timeout=PATIENCE_S)))
            half = json.dumps(inference('slow-half'))
            process.stdin.write(half[:50])
            process.stdin.flush()
            time.sleep(0.1)
            process.stdin.write(half[50:] + '\n')
            process.stdin.flush()
            self.assertEqual(json.loads(lines.get(timeout=PATIENCE_S))['line'], 7)
            process.stdin.close()
            self.assertIsNone(lines.get(timeout=PATIENCE_S))
            self.assertEqual(process.wait(PATIENCE_S), INCOMPLETE)
        finally:
            end(process)

    def test_what_is_acknowledged_is_in_the_next_answer(self):
        for i in range(20):
            self.server.append(inference(f'seen-{i}', tenant='seen'))
            done = self.server('query', '--region', 'eu-central-1', '--tenant', 'seen', '--count')
            self.assertEqual((done.code, done.out), (DONE, f'{i + 1}\n'))

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        path = write(os.path.join(self.server.folder, 'many.jsonl'), jsonl(*(inference(f'gone-{i}') for i in range(3000))))
        process = self.server.popen('append', path)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), '')
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGPIPE)
        end(process)

    def test_output_that_cannot_be_written_is_said(self):
        with open('/dev/full', 'wb') as full:
            done = self.append(inference('full-1'), stdout=full)
        self.ends(done, INCOMPLETE, 'cannot print acknowledgements', 'No space left')

    def test_bad_certificate_is_no_matter_of_waiting_for_ever(self):
        text = read(self.server.config).decode()
        stranger = Server('eu-central-1')
        try:
            conf = os.path.join(self.server.data, 'stranger.conf')
            write(conf, text.replace('tls/client', os.path.join(stranger.data, 'tls/client')))
            done = stele('--config', conf, 'append', '--timeout', '1s', stdin=jsonl(inference('stranger')))
            self.ends(done, UNREACHABLE, 'nothing was acknowledged')
            write(conf, text.replace('tls/ca.pem', os.path.join(stranger.data, 'tls/ca.pem')))
            done = stele('--config', conf, 'append', '--timeout', '1s', stdin=jsonl(inference('stranger')))
            self.ends(done, UNREACHABLE, 'certificate')
        finally:
            stranger.remove()


class Interrupted(Case):
    """A server that is stopped, killed, started again."""
    def setUp(self):
        self.server = Server('eu-central-1').start()

    def tearDown(self):
        self.server.remove()

    def timed(self, *words, stdin):
        start = time.monotonic()
        return self.server('append', *words, stdin=stdin), time.monotonic() - start

    def test_a_server_that_is_down(self):
        self.server.stop()
        done, seconds = self.timed('--timeout', '1500ms', stdin=jsonl(inference('down-1'), 'nonsense', inference('down-2')))
        self.ends(done, UNREACHABLE, 'nothing was acknowledged for 1500 ms', 'is steled running', 'line 1')
        self.assertEqual(done.out, '')
        self.assertGreater(seconds, 1.4)
        # Nothing to send: nothing to wait for.
        done, seconds = self.timed('--timeout', '1500ms', stdin='\n')
        self.ends(done, DONE)
        done = self.ends(self.server('append', '--timeout', '1500ms', stdin='nonsense\n'), INCOMPLETE)
        self.assertEqual(len(done.lines()), 1)

    def test_a_server_that_does_nothing(self):
        self.server.process.send_signal(signal.SIGSTOP)
        done, seconds = self.timed('--timeout', '1500ms', stdin=jsonl(inference('stop-1')))
        self.ends(done, UNREACHABLE, 'nothing was acknowledged for 1500 ms')
        self.assertGreater(seconds, 1.4)

    def test_a_server_that_stops_in_the_middle(self):
        """With more than the transport takes, so that the sender itself is held."""
        process = self.server.popen('append', '--timeout', '4s')
        lines = lines_of(process)
        process.stdin.write(json.dumps(inference('middle-0')) + '\n')
        process.stdin.flush()
        self.assertIn('seq', json.loads(lines.get(timeout=PATIENCE_S)))
        self.server.process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        pad = base64.b64encode(b'x' * 30000).decode()

        def feed():
            try:
                for i in range(4000):
                    process.stdin.write(json.dumps(inference(f'middle-{i + 1}', original={
                        'format': 'pad', 'record': pad})) + '\n')
                process.stdin.close()
            except (BrokenPipeError, ValueError):
                pass
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        self.assertEqual(process.wait(PATIENCE_S), UNREACHABLE)
        self.assertGreater(time.monotonic() - start, 3.9)
        self.assertIn('nothing was acknowledged for 4000 ms', process.stderr.read())
        feeder.join(PATIENCE_S)
        end(process)

    def test_a_server_that_comes_back_loses_nothing(self):
        """Killed in the middle of 20,000 events; a new one takes the rest; none is twice or out of order."""
        n = 20000
        path = write(os.path.join(self.server.folder, 'many.jsonl'), jsonl(*(inference(f'back-{i:05}') for i in range(n))))
        with open(os.path.join(self.server.folder, 'acks'), 'w+', encoding='utf-8') as acks:
            process = self.server.popen('append', '--timeout', '60s', path, stdout=acks)
            process.stdin.close()
            wait_until(lambda: os.path.getsize(acks.name) > 10000, 'acknowledgements come')
            self.server.kill()
            self.server.keep_port()
            self.server.start()
            self.assertEqual(process.wait(PATIENCE_S), DONE, process.stderr.read())
            end(process)
            acks.seek(0)
            found = [json.loads(line) for line in acks]
        self.assertEqual([ack['line'] for ack in found], list(range(1, n + 1)))
        done = self.ends(self.server('query', '-o', 'jsonl'), DONE)
        hits = {(hit['seq'], hit['event']['event_id']) for hit in done.lines()}
        self.assertEqual(hits, {(ack['seq'], f'back-{ack["line"] - 1:05}') for ack in found})
        self.assertEqual(len(done.lines()), n)

    def test_waits_for_a_server_that_is_late(self):
        self.server.stop()
        self.server.keep_port()
        process = self.server.popen('append', '--timeout', '60s')
        process.stdin.write(jsonl(inference('late-1')))
        process.stdin.close()
        time.sleep(1)
        self.assertIsNone(process.poll())
        self.server.start()
        self.assertEqual(process.wait(PATIENCE_S), DONE)
        self.assertIn('"seq"', process.stdout.read())
        end(process)

    def test_an_idle_input_outlives_a_restart(self):
        """Nothing is outstanding while the server is away longer than the timeout: nothing is wrong."""
        self.server.keep_port()
        process = self.server.popen('append', '--timeout', '3s')
        lines = lines_of(process)
        process.stdin.write(jsonl(inference('idle-1')))
        process.stdin.flush()
        self.assertIn('seq', json.loads(lines.get(timeout=PATIENCE_S)))
        self.server.stop()
        time.sleep(3.5)
        self.assertIsNone(process.poll())
        self.server.start()
        process.stdin.write(jsonl(inference('idle-2')))
        process.stdin.close()
        self.assertEqual(json.loads(lines.get(timeout=PATIENCE_S))['line'], 2)
        self.assertEqual(process.wait(PATIENCE_S), DONE)
        end(process)


if __name__ == '__main__':
    unittest.main()
