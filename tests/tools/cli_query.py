# SPDX-License-Identifier: Apache-2.0
"""`stele query` and `get`: the answers, in every form, compared with what was sent."""
import csv
import io
import json
import re
import time
import unittest

from cli_rig import DONE, INCOMPLETE, NONE, Case, Server, access, inference, wait_until

REGION = 'eu-central-1'
DAY = 86400
ALPHA, OMEGA = '2025-01-01T00:00:00Z', '2025-01-02T00:00:00Z'


def a_bed():
    """Events that differ in every member a question can name, so that each flag splits them."""
    events = []
    for i in range(240):
        trace = {'trace_id': f'{i % 4 + 1:032x}'} if i % 6 == 0 else {'correlation_id': f'request-{i % 8}'}
        actor = {'id': f'actor-{i % 7}', 'type': 'user', 'session_id': f's-{i % 5}', 'credential_id': f'key-{i % 4}'}
        members = {'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(1767225600 + i * DAY // 4)),
                   'tenant': ('acme', 'globex')[i % 2], 'actor': actor, 'correlation_id': None, **trace,
                   'outcome': ('success', 'success', 'failure', 'denied')[i % 4],
                   'source': {'service': ('gateway', 'lakehouse')[i % 2], 'adapter': 'native'},
                   'retention_class': (None, '1y')[i % 10 == 0]}
        if i % 3 == 0:
            events.append(access(f'bed-{i:03}', action=('read', 'list', 'delete')[i % 9 // 3],
                                 resource=[{'id': f's3://data/{i % 6}', 'type': 'dataset', 'role': 'target'}], **members))
        else:
            model, version = f'model-{i % 4}', f'{i % 2}.0'
            events.append(inference(
                f'bed-{i:03}', resource=[{'id': f'model:{model}', 'type': 'model', 'version': version, 'role': 'target'}],
                inference={'model_id': model, 'model_version': version, 'operation': 'chat', 'input': 'sha256:' + '11' * 32,
                           'output': 'sha256:' + '22' * 32}, **members))
    return events


class Bed(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(REGION).start()
        cls.events = {event['event_id']: event for event in a_bed()}
        cls.acks = {}
        for event, ack in zip(cls.events.values(), cls.server.append(*cls.events.values())):
            cls.acks[event['event_id']] = ack
        # In the order of answers: log time, log, seq.
        cls.order = sorted(cls.events, key=lambda name: cls.place(name))

    @classmethod
    def place(cls, name):
        ack = cls.acks[name]
        return ack['log_time'], ack['log'], ack['seq']

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def query(self, *words, **options):
        return self.server('query', *words, **options)

    def ids(self, *words):
        """The ids of an answer, and that the exit code fits."""
        done = self.query('-o', 'jsonl', *words)
        found = [hit['event']['event_id'] for hit in done.lines()]
        self.ends(done, DONE if found else NONE, *(() if found else ('No event matches.',)))
        return found

    def scan(self, claim):
        return [name for name in self.order if claim(self.events[name])]


class Questions(Bed):
    def test_everything(self):
        self.assertEqual(self.ids(), self.order)

    def test_each_flag(self):
        def resources(event):
            return [resource['id'] for resource in event['resource']]
        for words, claim in (
                (('--region', REGION), lambda e: True),
                (('--tenant', 'globex'), lambda e: e['tenant'] == 'globex'),
                (('--actor', 'actor-3'), lambda e: e['actor']['id'] == 'actor-3'),
                (('--resource', 's3://data/3'), lambda e: 's3://data/3' in resources(e)),
                (('--resource', 'model:model-1'), lambda e: 'model:model-1' in resources(e)),
                (('--type', 'access'), lambda e: e['event_type'] == 'access'),
                (('--action', 'list'), lambda e: e['action'] == 'list'),
                (('--outcome', 'denied'), lambda e: e['outcome'] == 'denied'),
                (('--outcome', 'success'), lambda e: e['outcome'] == 'success'),
                (('--model', 'model-1'), lambda e: e.get('inference', {}).get('model_id') == 'model-1'),
                (('--model', 'model-1@1.0'), lambda e: e.get('inference', {}).get('model_id') == 'model-1'),
                (('--model', 'model-1@0.0'), lambda e: False),
                (('--session', 's-2'), lambda e: e['actor']['session_id'] == 's-2'),
                (('--correlation', 'request-5'), lambda e: e.get('correlation_id') == 'request-5'),
                (('--correlation', 'trace:' + '0' * 31 + '3'), lambda e: e.get('trace_id', '').endswith('3')),
                (('--correlation', 'trace:' + '0' * 31 + '2'), lambda e: False),
                (('--credential', 'key-2'), lambda e: e['actor']['credential_id'] == 'key-2'),
                (('--source', 'lakehouse'), lambda e: e['source']['service'] == 'lakehouse'),
                (('--log', '1y'), lambda e: e['retention_class'] == '1y' if 'retention_class' in e else False),
                (('--log', f'{REGION}/3y'), lambda e: 'retention_class' not in e),
                (('--since', '2026-02-01'), lambda e: e['time'] >= '2026-02-01'),
                (('--until', '2026-02-01'), lambda e: e['time'] < '2026-02-01'),
                (('--since', '2026-01-10T06:00:00Z', '--until', '2026-01-10T06:00:00.000000001Z'),
                 lambda e: e['time'] == '2026-01-10T06:00:00Z'),
                (('--since', '2026-01-10T08:00:00+02:00', '--until', '2026-01-11'),
                 lambda e: '2026-01-10T06:00:00Z' <= e['time'] < '2026-01-11'),
                (('--tenant', 'acme', '--type', 'access', '--actor', 'actor-2', '--since', '2026-01-05', '--outcome', 'success'),
                 lambda e: (e['tenant'], e['event_type'], e['actor']['id'], e['outcome']) == ('acme', 'access', 'actor-2', 'success')
                 and e['time'] >= '2026-01-05')):
            with self.subTest(words=words):
                expected = self.scan(claim)
                self.assertEqual(self.ids(*words), expected)
                self.assertEqual(self.query('--count', *words).out, f'{len(expected)}\n')
                # With the tenant named, the index answers instead of a scan.
                if '--tenant' not in words:
                    for tenant in ('acme', 'globex'):
                        self.assertEqual(self.ids('--tenant', tenant, *words),
                                         [name for name in expected if self.events[name]['tenant'] == tenant])

    def test_log_times(self):
        times = [self.acks[name]['log_time'] for name in self.order]
        middle = times[len(times) // 2]
        self.assertEqual(self.ids('--logged-since', middle), [n for n in self.order if self.acks[n]['log_time'] >= middle])
        self.assertEqual(self.ids('--logged-until', middle), [n for n in self.order if self.acks[n]['log_time'] < middle])
        self.assertEqual(self.ids('--logged-since', '1h'), self.order)
        self.assertEqual(self.ids('--logged-until', '1h'), [])
        self.assertEqual(self.ids('--logged-since', '1d', '--logged-until', '2099-01-01'), self.order)

    def test_relative_times(self):
        now = time.time()
        at = {name: time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now - ago))
              for name, ago in (('minute', 90), ('hour', 5400), ('week', 8 * DAY), ('years', 800 * DAY))}
        self.server.append(*(inference(f'ago-{name}', time=text, tenant='ago') for name, text in at.items()))
        for words, expected in (
                (('--since', '30s'), []), (('--since', '2min'), ['minute']), (('--since', '2m'), ['minute']),
                (('--since', '1h'), ['minute']), (('--since', '2h'), ['minute', 'hour']), (('--since', '7d'), ['minute', 'hour']),
                (('--since', '2w'), ['minute', 'hour', 'week']), (('--since', '18mo'), ['minute', 'hour', 'week']),
                (('--since', '3y'), ['minute', 'hour', 'week', 'years']), (('--since', '18mo', '--until', '7d'), ['week']),
                (('--until', 'now'), ['minute', 'hour', 'week', 'years']), (('--until', 'yesterday'), ['week', 'years']),
                (('--since', 'now'), [])):
            with self.subTest(words=words):
                self.assertEqual(self.ids('--tenant', 'ago', *words), [f'ago-{name}' for name in expected])

    def test_refuses_wrong_questions(self):
        for words, said in (
                (('--since', '2026-05-01', '--until', '2026-01-01'), '--since 2026-05-01 is not before --until 2026-01-01'),
                (('--since', '2026-05-01', '--until', '2026-05-01'), 'is not before'),
                (('--logged-since', '1h', '--logged-until', '2h'), '--logged-since 1h is not before'),
                (('--since', '2026-13-01'), '--since'), (('--since', 'tomorrow'), '--since'), (('--until', '18'), '--until'),
                (('--since', '1969-12-31'), '1970'), (('--since', '99999y'), '--since'), (('--since', ''), 'empty'),
                (('--type', 'guess'), '--type guess'), (('--type', 'unspecified'), '--type unspecified'),
                (('--action', 'sing'), '--action sing'), (('--outcome', 'good'), '--outcome good'),
                (('--model', '@1'), 'MODEL@VERSION'), (('--model', 'm@'), 'MODEL@VERSION'),
                (('--actor', ''), 'empty'), (('--actor', 'a', '--actor', 'b'), '--actor is given twice'),
                (('--limit', '-1'), '--limit'), (('--limit', 'ten'), '--limit'), (('--limit', '0'), '--limit'),
                (('--limit', '99999999999999999999'), '--limit'),
                (('--order', 'up'), '--order up'), (('-o', 'xml'), '-o xml'), (('--cursor', ''), '--cursor'),
                (('--cursor', 'abc'), 'cursor'), (('--actor', 'a' * 257), 'actor'), (('--tenant', 'No Tenant'), 'tenant'),
                (('--correlation', 'trace:xyz'), 'trace'),
                (('--region', 'ap-south-1'), "'ap-south-1' is not served here"), (('--log', 'none'), "no log 'none'"),
                (('--log', f'{REGION}/none'), "no log 'none'"), (('--log', 'us-1/3y', '--region', REGION), 'another region'),
                (('--log', '/3y'), 'REGION/LOG'), (('--log', f'{REGION}/'), 'REGION/LOG'),
                (('--count', '--explain'), 'choose one'), (('--count', '--limit', '3'), '--count'),
                (('--prove', '-'), '--prove'), (('--prove', '/tmp/x', '--order', 'desc'), '--order desc'),
                (('alice',), "'alice'"), (('--actor',), 'needs a value'), (('--count=3',), 'takes no value'), (('-x',), '-x')):
            with self.subTest(words=words):
                self.refuses(self.query(*words), said)

    def test_none_is_1(self):
        for output, printed in (('jsonl', ''), ('json', '[]\n'), ('table', '')):
            done = self.query('--actor', 'nobody', '-o', output)
            self.ends(done, NONE, 'No event matches.')
            self.assertEqual(done.out, printed)
        done = self.ends(self.query('--actor', 'nobody', '-o', 'csv'), NONE)
        self.assertEqual(len(list(csv.reader(io.StringIO(done.out)))), 1)
        done = self.ends(self.query('--actor', 'nobody', '--count'), NONE)
        self.assertEqual((done.out, done.err), ('0\n', ''))

    def test_pages_are_the_answer(self):
        for order in ('asc', 'desc'):
            whole = self.order if order == 'asc' else self.order[::-1]
            for limit in (1, 7, 100, 239):
                found, cursor, pages = [], [], 0
                while True:
                    if limit == 1 and pages == 12:
                        break
                    done = self.query('-o', 'jsonl', '--order', order, '--limit', str(limit), *cursor)
                    self.assertIn(done.code, (DONE, NONE))
                    found += [hit['event']['event_id'] for hit in done.lines()]
                    pages += 1
                    told = re.search(r'--cursor (\S+)', done.err)
                    if told is None:
                        break
                    self.assertEqual(len(done.lines()), limit)
                    cursor = ['--cursor', told[1]]
                self.assertEqual(found, whole[:len(found)])
                self.assertTrue(limit == 1 or len(found) == len(whole), (order, limit))
        # A cursor belongs to its question.
        cursor = re.search(r'--cursor (\S+)', self.query('--limit', '1', '-o', 'jsonl').err)[1]
        self.refuses(self.query('-o', 'jsonl', '--limit', '1', '--actor', 'actor-1', '--cursor', cursor), 'cursor')
        self.refuses(self.query('-o', 'jsonl', '--limit', '1', '--cursor', cursor[:-2] + ('A', 'B')[cursor[-2] == 'A'] + cursor[-1]),
                     'cursor')

    def test_order(self):
        self.assertEqual(self.ids('--order', 'desc'), self.order[::-1])
        table = self.ends(self.query(), DONE).out.splitlines()[1:]
        places = [line.split()[-1] for line in table]
        self.assertEqual(places, [f'{self.acks[n]["log"]}:{self.acks[n]["seq"]}' for n in self.order[::-1]])
        table = self.query('--order', 'asc').out.splitlines()[1:]
        self.assertEqual([line.split()[-1] for line in table], places[::-1])

    def test_explain(self):
        done = self.ends(self.query('--explain', '--actor', 'actor-1'), DONE)
        self.assertIn(f'{REGION}/3y: reads', done.out)
        self.assertIn('with actor = actor-1', done.out)
        done = self.ends(self.query('--explain', '--actor', 'actor-1', '--type', 'access', '--tenant', 'acme'), DONE)
        self.assertRegex(done.out, r'reads the \d+ events with actor = actor-1')
        self.assertRegex(done.out, r'(?m)^    \d+ events have event_type = 3')
        self.assertRegex(self.query('--explain').out, rf'{REGION}/3y: reads (the )?\d+ ')

    def test_the_system_log_is_asked_for_by_name_or_type(self):
        self.server('append', stdin=json.dumps(inference('refused', time='2099-01-01T00:00:00Z')))
        wait_until(lambda: self.query('--log', 'system', '--count').out.strip() not in ('', '0'), 'the refusal is in the system log')
        for words in (('--log', 'system'), ('--log', f'{REGION}/system'), ('--type', 'audit_control')):
            done = self.ends(self.query('-o', 'jsonl', *words), DONE)
            self.assertEqual({hit['log'] for hit in done.lines()}, {f'{REGION}/system'})
        self.assertNotIn(f'{REGION}/system', {hit['log'] for hit in self.query('-o', 'jsonl').lines()})


class Forms(Bed):
    def test_jsonl(self):
        done = self.ends(self.query('-o', 'jsonl'), DONE)
        for name, text in zip(self.order, done.out.splitlines(), strict=True):
            hit = json.loads(text)
            ack = self.acks[name]
            self.assertEqual(list(hit), ['log', 'seq', 'log_time', 'event'])
            self.assertEqual((hit['log'], hit['seq'], hit['log_time']), (ack['log'], ack['seq'], ack['log_time']))
            sent = dict(self.events[name])
            sent['time'] = sent['time'].replace('Z', '.000000000Z')
            self.assertEqual(hit['event'], sent)

    def test_json_is_one_array(self):
        whole = json.loads(self.ends(self.query('-o', 'json'), DONE).out)
        self.assertEqual(whole, self.query('-o', 'jsonl').lines())
        self.assertEqual(len(json.loads(self.query('-o', 'json', '--limit', '1').out)), 1)

    def test_csv(self):
        done = self.ends(self.query('-o', 'csv'), DONE)
        rows = list(csv.DictReader(io.StringIO(done.out), strict=True))
        self.assertEqual(list(rows[0]), ['log', 'seq', 'log_time', 'time', 'event_id', 'tenant', 'actor', 'event_type', 'action',
                                         'outcome', 'resource', 'source', 'action_detail'])
        self.assertEqual([row['event_id'] for row in rows], self.order)
        for row in rows:
            event, ack = self.events[row['event_id']], self.acks[row['event_id']]
            self.assertEqual((row['log'], int(row['seq']), row['log_time']), (ack['log'], ack['seq'], ack['log_time']))
            self.assertEqual([row['tenant'], row['actor'], row['event_type'], row['action'], row['outcome'], row['resource'],
                              row['source']],
                             [event['tenant'], event['actor']['id'], event['event_type'], event['action'], event['outcome'],
                              event['resource'][0]['id'], event['source']['service']])
            self.assertIsNone(row.get(None))

    def test_texts_that_want_escapes(self):
        """Quotes, commas, formulas, other scripts, and what a terminal would obey."""
        texts = ['plain', 'a,b', 'say "hi"', '=1+1', '-1', '@x', 'naïve 日本 🙂', 'csi \u009b31m', 'rtl \u202egnp.exe', 'del \x7f', "it's", '\\n']
        self.server.append(*(inference(f'text-{i}', tenant='texts', resource=[{'id': text, 'type': 'model', 'role': 'target'}])
                             for i, text in enumerate(texts)))
        words = ('--tenant', 'texts', '--order', 'asc')
        for output in ('json', 'jsonl'):
            done = self.query(*words, '-o', output)
            hits = json.loads(done.out) if output == 'json' else done.lines()
            self.assertEqual([hit['event']['resource'][0]['id'] for hit in hits], texts)
        rows = list(csv.DictReader(io.StringIO(self.query(*words, '-o', 'csv').out), strict=True))
        self.assertEqual([row['resource'] for row in rows], [("'" if text[0] in '=+-@' else '') + text for text in texts])
        table = self.query(*words).out
        for unsafe in ('\u009b', '\u202e', '\x7f', '\x1b'):
            self.assertNotIn(unsafe, table)
        self.assertEqual(len(table.splitlines()), len(texts) + 1)
        self.assertIn('naïve 日本 🙂', table)

    def test_long_cells_are_cut_in_the_table_only(self):
        long = 'model:' + 'x' * 300
        self.server.append(inference('long', tenant='long', resource=[{'id': long, 'type': 'model', 'role': 'target'}]))
        self.assertIn('…', self.query('--tenant', 'long').out)
        self.assertIn(long, self.query('--tenant', 'long', '-o', 'csv').out)

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'wb') as full:
            self.ends(self.query('-o', 'jsonl', stdout=full), INCOMPLETE, 'No space left')
            self.ends(self.query('--count', stdout=full), INCOMPLETE, 'No space left')


class Get(Bed):
    def test_gets_one(self):
        name = self.order[17]
        ack = self.acks[name]
        done = self.ends(self.server('get', '--log', ack['log'], '--seq', str(ack['seq'])), DONE)
        self.assertEqual([hit['event']['event_id'] for hit in done.lines()], [name])
        self.assertEqual(done.lines(), self.query('-o', 'jsonl').lines()[17:18])
        for output in ('json', 'csv', 'table'):
            self.assertIn(str(ack['seq']), self.server('get', '--log', ack['log'], '--seq', str(ack['seq']), '-o', output).out)

    def test_what_is_not_there(self):
        log = f'{REGION}/3y'
        self.ends(self.server('get', '--log', log, '--seq', '99999999'), NONE, '99999999')
        self.ends(self.server('get', '--log', log, '--seq', '0'), NONE, 'no event')  # the genesis entry
        self.ends(self.server('get', '--log', f'{REGION}/none', '--seq', '1'), NONE, "'none'")
        for words, said in ((('--log', log), '--seq'), (('--seq', '1'), '--log'), (('--log', '3y', '--seq', '1'), 'REGION/LOG'),
                            (('--log', log, '--seq', '-1'), "'-1'"), (('--log', log, '--seq', '1.5'), "'1.5'"),
                            (('--log', log, '--seq', ''), '--seq'), (('--log', log, '--seq', '1e3'), "'1e3'"),
                            (('--log', log, '--seq', '18446744073709551616'), 'too large'),
                            (('--log', log, '--seq', '1', '--out', 'x'), 'no flag'), (('--log', log, '--seq', '1', 'x'), "'x'")):
            with self.subTest(words=words):
                self.refuses(self.server('get', *words), said)


if __name__ == '__main__':
    unittest.main()
