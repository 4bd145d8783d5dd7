# SPDX-License-Identifier: Apache-2.0
"""`stele import cloudtrail`: what it reads, what the flags decide, and how it ends."""
import gzip
import json
import os
import signal
import unittest

from cli_rig import (DONE, INCOMPLETE, PATIENCE_S, UNREACHABLE, USAGE, Case, Server, end, lines_of, read, stele, write)

REGION, OTHER = 'eu-central-1', 'us-east-1'
ACCOUNT = '111122223333'


def record(name, **members):
    """A record as CloudTrail writes it; a member that is None is left out."""
    made = {
        'eventVersion': '1.08', 'eventID': name, 'eventTime': '2026-03-01T12:00:00Z', 'eventSource': 's3.amazonaws.com',
        'eventName': 'GetObject', 'awsRegion': 'ap-southeast-2', 'sourceIPAddress': '192.0.2.7', 'userAgent': 'aws-cli/2',
        'userIdentity': {'type': 'IAMUser', 'principalId': 'AIDAEXAMPLE', 'arn': f'arn:aws:iam::{ACCOUNT}:user/alice',
                         'accountId': ACCOUNT, 'accessKeyId': 'AKIAEXAMPLE', 'userName': 'alice'},
        'requestParameters': {'bucketName': 'training', 'key': 'part-1'}, 'responseElements': None, 'requestID': 'R1',
        'resources': [{'type': 'AWS::S3::Object', 'ARN': 'arn:aws:s3:::training/part-1'}], 'eventType': 'AwsApiCall',
        'recipientAccountId': ACCOUNT, 'eventCategory': 'Data', 'managementEvent': False, 'readOnly': True}
    made.update(members)
    return {key: value for key, value in made.items() if value is not None}


def jsonl(*records):
    return ''.join((item if isinstance(item, str) else json.dumps(item)) + '\n' for item in records)


class Import(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(REGION, OTHER).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def run_import(self, *words, tenant='acme', region=REGION, **options):
        return self.server('import', 'cloudtrail', '--region', region, '--tenant', tenant, *words, **options)

    def path(self, name, content):
        return write(os.path.join(self.server.folder, name), content)

    def hits(self, tenant, region=REGION):
        return self.server('query', '--region', region, '--tenant', tenant, '-o', 'jsonl').lines()

    def test_every_form_is_the_same(self):
        """Lines, CloudTrail's own object, both also in gzip; from a file and from stdin."""
        records = [record(f'form-{i}') for i in range(5)]
        lines, whole = jsonl(*records).encode(), json.dumps({'Records': records}).encode()
        forms = {'lines': lines, 'object': whole, 'pretty': json.dumps({'Records': records}, indent=2).encode(),
                 'lines.gz': gzip.compress(lines), 'object.gz': gzip.compress(whole),
                 'two.gz': gzip.compress(lines[:len(lines) // 2]) + gzip.compress(lines[len(lines) // 2:])}
        for i, (name, content) in enumerate(forms.items()):
            for words, stdin in (((self.path(name, content),), ''), (('-',), content), ((), content)):
                with self.subTest(name=name, words=words[:1]):
                    done = self.ends(self.run_import(*words, tenant=f'form-{i}', stdin=stdin), DONE, '5 stored', '0 refused')
                    acks = done.lines()
                    self.assertEqual([ack['line'] for ack in acks], [1, 2, 3, 4, 5])
                    for text, ack in zip(done.out.splitlines(), acks):
                        self.assertEqual(list(ack)[:4], ['line', 'log', 'seq', 'log_time'])
                        self.assertEqual(text, json.dumps(ack, separators=(',', ':')))
                        self.assertEqual(ack['log'], f'{REGION}/3y')
                    # The second and third time the same records are known.
                    self.assertEqual({ack.get('duplicate', False) for ack in acks}, {stdin != ''})
            hits = self.hits(f'form-{i}')
            self.assertEqual([hit['event']['event_id'] for hit in hits], [f'form-{n}' for n in range(5)])
        self.ends(self.run_import(stdin=''), DONE)
        self.ends(self.run_import(stdin='{"Records":[]}'), DONE)

    def test_the_flags_win_and_the_record_keeps_its_place(self):
        self.ends(self.run_import(tenant='flags', region=OTHER, stdin=jsonl(record('flags-1'))), DONE)
        hit, = self.hits('flags', OTHER)
        event = hit['event']
        self.assertEqual((hit['log'], event['region'], event['tenant']), (f'{OTHER}/3y', OTHER, 'flags'))
        self.assertEqual({item.get('region') for item in event['resource']}, {'ap-southeast-2'})
        self.assertEqual((event['source']['account'], event['source']['adapter']), (ACCOUNT, 'cloudtrail'))
        self.assertEqual((event['event_id'], event['event_type'], event['action'], event['outcome'], event['time']),
                         ('flags-1', 'access', 'download', 'success', '2026-03-01T12:00:00.000000000Z'))
        self.assertEqual((event['actor']['id'], event['actor']['credential_id']),
                         (f'arn:aws:iam::{ACCOUNT}:user/alice', 'AKIAEXAMPLE'))
        # Members of the record with our names change nothing.
        self.ends(self.run_import(tenant='flags', stdin=jsonl(record('flags-2', region='mars', tenant='evil'))), DONE)
        hit, = self.hits('flags')
        self.assertEqual((hit['event']['region'], hit['event']['tenant']), (REGION, 'flags'))

    def test_what_is_not_there_is_not_invented(self):
        bare = record(None, userIdentity={}, recipientAccountId=None, sourceIPAddress=None, awsRegion=None)
        self.ends(self.run_import(tenant='bare', stdin=jsonl(bare)), DONE)
        hit, = self.hits('bare')
        self.assertEqual(hit['event']['actor']['id'], 'unknown')
        self.assertNotIn('account', hit['event']['source'])
        for name in ('actor', 'event_id'):
            self.assertIn(name, hit['event']['attributes']['stele.incomplete'])
        # The id is the record's digest: the same again is known.
        self.assertTrue(self.run_import(tenant='bare', stdin=jsonl(bare)).lines()[0]['duplicate'])

    def test_a_bad_record_is_refused_in_its_place(self):
        bad = [record('no-time', eventTime=None), record('bad-time', eventTime='yesterday'),
               record('late', eventTime='2099-01-01T00:00:00Z'), '[]', '{"a":1}']
        lines = [item for i, broken in enumerate(bad) for item in (record(f'good-{i}'), broken)]
        done = self.ends(self.run_import(tenant='bad', stdin=jsonl(*lines)), INCOMPLETE,
                         f'{len(bad)} stored, {len(bad)} refused')
        acks = done.lines()
        self.assertEqual([ack['line'] for ack in acks], list(range(1, 2 * len(bad) + 1)))
        for good, refused in zip(acks[0::2], acks[1::2]):
            self.assertIn('seq', good)
            self.assertEqual(list(refused), ['line', 'code', 'error'])
            self.assertEqual(refused['code'], 'INVALID_ARGUMENT')
        self.assertEqual(len(self.hits('bad')), len(bad))

    def test_input_that_ends_in_the_middle(self):
        """What stands before the damage is stored, and the exit code is not 0."""
        whole = gzip.compress(jsonl(*(record(f'torn-{i}', requestID=os.urandom(40).hex()) for i in range(200))).encode())
        done = self.run_import(self.path('torn.gz', whole[:len(whole) // 2]), tenant='torn')
        self.ends(done, INCOMPLETE, 'torn.gz')
        self.assertEqual(len(self.hits('torn')), sum('seq' in ack for ack in done.lines()))
        done = self.run_import(tenant='torn-2', stdin=json.dumps({'Records': [record('cut')]})[:-10])
        self.assertEqual(done.code, INCOMPLETE, done.err)

    def test_wrong_calls(self):
        one = self.path('one', jsonl(record('one')))
        flags = ('--region', REGION, '--tenant', 'acme')
        for words, said in (
                ((), 'import cloudtrail'), (('syslog', *flags), 'import cloudtrail'), (('cloudtrail', '--region', REGION), '--tenant'),
                (('cloudtrail', '--tenant', 'acme', one), '--region'), (('cloudtrail', '--region', '', '--tenant', 'a'), '--region'),
                (('cloudtrail', '--region', REGION, '--tenant', ''), '--tenant'), (('cloudtrail', *flags, one, one), 'one file'),
                (('cloudtrail', *flags, '/nowhere/records'), '/nowhere/records: no such file'), (('cloudtrail', *flags, self.server.folder), 'is a folder'),
                (('cloudtrail', *flags, '--timeout', 'soon'), 'is no duration'), (('cloudtrail', *flags, '-o', 'table'), 'jsonl'),
                (('cloudtrail', *flags, '--colour', 'red'), '--colour'), (('cloudtrail', '--region'), 'needs a value')):
            with self.subTest(words=words):
                self.refuses(self.server('import', *words), said)
        self.refuses(stele('import', 'cloudtrail', *flags, one), '--config client.conf')

    def test_a_region_that_is_not_served_and_a_tenant_that_is_none(self):
        for options, said in (({'region': 'mars'}, 'mars'), ({'tenant': 'No Tenant'}, 'tenant')):
            done = self.ends(self.run_import(stdin=jsonl(record('there-1')), **options), INCOMPLETE, '0 stored, 1 refused')
            ack, = done.lines()
            self.assertEqual(ack['code'], 'INVALID_ARGUMENT')
            self.assertIn(said, ack['error'])

    def test_output_that_cannot_be_written_is_said(self):
        with open('/dev/full', 'wb') as full:
            done = self.run_import(stdin=jsonl(record('full-1')), stdout=full)
        self.ends(done, INCOMPLETE, 'cannot print acknowledgements', 'No space left')

    def test_no_server(self):
        conf = write(os.path.join(self.server.data, 'nobody.conf'),
                     read(self.server.config).decode().replace(self.server.address, '127.0.0.1:1'))
        done = stele('--config', conf, 'import', 'cloudtrail', '--region', REGION, '--tenant', 'acme', '--timeout', '1s',
                     stdin=jsonl(record('down-1')))
        self.ends(done, UNREACHABLE, 'nothing was acknowledged for 1000 ms', 'line 1')
        self.assertEqual(done.out, '')

    def test_ctrl_c_leaves_whole_lines_that_hold(self):
        """Also of `append`: what was printed is stored, nothing is torn, the shell sees the signal."""
        for command in (('import', 'cloudtrail', '--region', REGION, '--tenant', 'cut'), ('append',)):
            with self.subTest(command=command):
                process = self.server.popen(*command)
                lines = lines_of(process)
                texts = []
                if command[0] == 'append':
                    event = {**self.hits('cut')[0]['event'], 'event_id': 'cut-append', 'tenant': 'cut-2'}
                    process.stdin.write(json.dumps(event) + '\n')
                    process.stdin.flush()
                    texts.append(lines.get(timeout=PATIENCE_S))
                else:
                    path = self.path('long', jsonl(*(record(f'cut-{i}') for i in range(20000))))
                    end(process)
                    process = self.server.popen(*command, path)
                    lines = lines_of(process)
                    texts.append(lines.get(timeout=PATIENCE_S))
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE_S), -signal.SIGINT)
                texts += list(iter(lambda: lines.get(timeout=PATIENCE_S), None))
                self.assertEqual(process.stderr.read(), '')
                end(process)
                places = {(hit['log'], hit['seq']) for hit in self.hits(('cut', 'cut-2')[command[0] == 'append'])}
                for text in texts:
                    self.assertTrue(text.endswith('\n'), text)
                    ack = json.loads(text)
                    self.assertIn((ack['log'], ack['seq']), places)


if __name__ == '__main__':
    unittest.main()
