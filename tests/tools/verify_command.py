#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""verify_command.py PROGRAM GOLDEN: `stele verify` on the frozen files: what it prints, and its exit codes."""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, GOLDEN = sys.argv[1], sys.argv[2]
KEYS = os.path.join(GOLDEN, 'verify_keys.txt')
ANSWER = os.path.join(GOLDEN, 'answer.stele-answer')
COMPLETE = os.path.join(GOLDEN, 'complete.stele-answer')
GAPS = os.path.join(GOLDEN, 'complete_gaps.stele-answer')
RECEIPT = os.path.join(GOLDEN, 'receipt.tlog-proof')
INCOMPLETE = 'That the answer is complete: this file does not prove that no event was left out.'


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def run(*arguments, stdin=b''):
    done = subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class VerifyCommand(unittest.TestCase):
    def test_says_what_an_answer_proves_and_what_not(self):
        code, out, err = run(ANSWER, '--key', KEYS)
        self.assertEqual((code, err), (0, ''))
        for line in (f'VERIFIED: {ANSWER} (answer file)', '  region: eu-1', '  logs: all', '  tenant: acme',
                     '  condition: session = s-7', '  condition: outcome = 1 (success)',
                     '  event time: before 2026-11-06T21:20:00.000008Z', '  log time: from 2026-11-06T21:20:00Z',
                     '  limit: 100 events', 'answer: 12 events',
                     '  stele.example/eu-1/3y: 4 of 8 entries, logged 2026-11-06T21:20:00Z to 2026-11-06T21:20:00.003Z',
                     'proved:', 'not proved:', f'  - {INCOMPLETE}'):
            self.assertIn(line + '\n', out)

    def test_says_the_same_in_json(self):
        code, out, err = run(ANSWER, '-o', 'json', '--key', KEYS)
        self.assertEqual((code, err), (0, ''))
        said = json.loads(out)
        self.assertTrue(said['verified'])
        self.assertEqual(said['kind'], 'answer')
        self.assertEqual(said['events'], 12)
        self.assertFalse(said['cut'])
        self.assertEqual(said['complete'], 'not proved')
        self.assertEqual(said['question'], {
            'region': 'eu-1', 'logs': [], 'tenant': 'acme', 'conditions': ['session = s-7', 'outcome = 1'],
            'until': '2026-11-06T21:20:00.000008Z', 'logged_since': '2026-11-06T21:20:00Z', 'limit': 100})
        self.assertEqual([log['origin'].split('/')[2] for log in said['logs']], ['1y', '3y', 'system'])
        self.assertEqual(sum(log['events'] for log in said['logs']), 12)
        self.assertEqual(said['logs'][1], {
            'origin': 'stele.example/eu-1/3y', 'size': 8, 'events': 4, 'first_log_time': '2026-11-06T21:20:00Z',
            'last_log_time': '2026-11-06T21:20:00.003Z'})
        self.assertIn(INCOMPLETE, said['not_proved'])

    def test_says_what_a_complete_answer_proves(self):
        code, out, err = run(COMPLETE, '--key', KEYS)
        self.assertEqual((code, err), (0, ''))
        for line in (f'VERIFIED: {COMPLETE} (complete answer)', '  condition: actor = u-0', 'answer: 4 events',
                     'complete: everything as logged before 2025-12-25T11:45:07.985525Z',
                     '  stele.example/eu-1/3y: index covers 45 entries, until 2026-01-01T13:48:24.583317Z, inclusion by log',
                     "  + The logs are all that the region's system log lists."):
            self.assertIn(line + '\n', out)
        self.assertNotIn(INCOMPLETE, out)

    def test_says_where_a_complete_answer_has_gaps(self):
        code, out, _ = run(GAPS, '--key', KEYS, '-o', 'json')
        self.assertEqual(code, 0)
        said = json.loads(out)
        self.assertEqual((said['kind'], said['events'], said['complete']),
                         ('complete answer', 14, 'proved except for gaps'))
        self.assertEqual((said['complete_until'], said['whole_region'], said['n_gaps']),
                         ('2025-12-13T12:00:00Z', True, 3))
        self.assertEqual(said['gaps'][0], {'log': 'stele.example/eu-1/3y', 'first_entry': 10, 'last_entry': 10,
                                           'why': 'erased'})
        self.assertEqual([log['inclusion'] for log in said['logs']], ['log'] * 3)

    def test_a_forged_complete_answer_is_refused_with_its_reason(self):
        data = read(COMPLETE)
        entry = data.index(b'\0', data.rindex(b'\x0a\0\0')) + 40  # in the last opening
        code, out, err = run('-', '--key', KEYS, stdin=data[:entry] + bytes([data[entry] ^ 1]) + data[entry + 1:])
        self.assertEqual((code, out), (4, ''))
        self.assertIn('REFUSED: standard input: ', err)

    def test_a_state_file_is_kept_and_compared_with(self):
        with tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, 'state')
            self.assertEqual(run(COMPLETE, '--key', KEYS, '--state', state)[0], 0)
            first = read(state)
            self.assertTrue(first.startswith(b'stele/verifier-state@v1\nlog '))
            self.assertEqual(run(COMPLETE, '--key', KEYS, '--state', state)[0], 0)
            self.assertEqual((read(state), os.listdir(folder)), (first, ['state']))
            code, out, _ = run(GAPS, '--key', KEYS, '--state', state)
            self.assertEqual(code, 0)
            self.assertIn('the file has no consistency proof from there', out)
            with open(state, 'wb') as file:
                file.write(first.replace(b' 46 ', b' 47 '))
            code, _, err = run(COMPLETE, '--key', KEYS, '--state', state)
            self.assertEqual(code, 4)
            self.assertIn('ask for an answer over a newer checkpoint', err)
            with open(state, 'wb') as file:
                file.write(b'other')
            code, _, err = run(COMPLETE, '--key', KEYS, '--state', state)
            self.assertEqual(code, 3)
            self.assertIn('it is no state file', err)

    def test_witnesses_are_required(self):
        key = b'\4' + bytes(range(32))
        key_id = hashlib.sha256(b'witness.example/w\n' + key).hexdigest()[:8]
        witness = f'witness.example/w+{key_id}+{base64.b64encode(key).decode()}'
        code, _, err = run(COMPLETE, '--key', KEYS, '--witness', witness)
        self.assertEqual(code, 4)
        self.assertIn('bears the cosignatures of 0 of your witnesses, 1 are needed', err)
        code, _, err = run(ANSWER, '--key', KEYS, '--witness', witness)
        self.assertEqual(code, 4)
        self.assertIn('witnesses and a state file are for complete answers', err)
        code, _, err = run(COMPLETE, '--key', KEYS, '--witness', witness.replace('/w', '/x'))
        self.assertEqual(code, 2)
        self.assertIn('the key id is not', err)
        code, _, err = run(COMPLETE, '--key', KEYS, '--quorum', '1')
        self.assertEqual(code, 2)
        self.assertIn('--quorum 1 of 0 witnesses', err)

    def test_says_what_a_receipt_proves(self):
        code, out, _ = run(RECEIPT, '--key', KEYS)
        self.assertEqual(code, 0)
        for line in ('log: stele.example/eu-1/3y', '  size: 10', 'entry: 5, event, logged 2026-11-06T21:20:00.002Z',
                     '  happened: 2026-11-04T21:20:00.000005Z, logged more than a day late', '  kept: 3 years',
                     'event: e-0001 of tenant acme: generic, read, success'):
            self.assertIn(line + '\n', out)
        self.assertNotIn('complete', out.replace(RECEIPT, ''))
        said = json.loads(run(RECEIPT, '--key', KEYS, '-o', 'json')[1])
        self.assertEqual(said['entry']['seq'], 5)
        self.assertEqual(said['entry']['event_id'], 'e-0001')
        self.assertTrue(said['entry']['payload_checked'] and said['entry']['tags_checked'] and said['entry']['late'])

    def test_says_what_a_receipt_does_not_carry(self):
        code, out, _ = run(os.path.join(GOLDEN, 'receipt_bare.tlog-proof'), '--key', KEYS)
        self.assertEqual(code, 0)
        self.assertIn('  - What the event says: the receipt does not carry it.\n', out)
        for name, word in (('receipt_control', 'control'), ('receipt_index', 'index')):
            code, out, _ = run(os.path.join(GOLDEN, name + '.tlog-proof'), '--key', KEYS)
            self.assertEqual(code, 0)
            self.assertIn(f', {word}, logged', out)
            self.assertNotIn('receipt does not carry', out)

    def test_takes_keys_as_text_and_the_proof_from_standard_input(self):
        arguments = [word for key in read(KEYS).decode().split() for word in ('--key', key)]
        code, out, _ = run('-', *arguments, stdin=read(ANSWER))
        self.assertEqual(code, 0)
        self.assertIn('VERIFIED: standard input (answer file)\n', out)
        with tempfile.NamedTemporaryFile() as keys:
            keys.write(b'# the keys of eu-1\n\n' + read(KEYS).replace(b'\n', b' \r\n'))
            keys.flush()
            self.assertEqual(run(ANSWER, '--key', keys.name)[0], 0)

    def test_refuses_with_the_reason(self):
        key = read(KEYS).decode().split()[0]
        answer = bytearray(read(ANSWER))
        answer[-1] ^= 1
        cases = {
            'no known key': (bytes(read(ANSWER)), key, 'none of the 1 known keys'),
            'damaged': (bytes(answer), KEYS, 'damaged'),
            'cut': (read(ANSWER)[:1000], KEYS, 'cut off'),
            'empty': (b'', KEYS, 'empty file'),
            'something else': (b'%PDF-1.4', KEYS, 'neither a receipt nor an answer'),
        }
        for name, (data, keys, reason) in cases.items():
            with self.subTest(name):
                code, out, err = run('-', '--key', keys, stdin=data)
                self.assertEqual((code, out), (4, ''))
                self.assertTrue(err.startswith('stele verify: REFUSED: standard input: '), err)
                self.assertIn(reason, err)
                code, out, err = run('-', '--key', keys, '-o', 'json', stdin=data)
                self.assertEqual(code, 4)
                said = json.loads(out)
                self.assertFalse(said['verified'])
                self.assertIn(reason, said['reason'])
                self.assertIn(said['status'], ('INVALID', 'UNVERIFIED'))
                self.assertNotEqual(err, '')

    def test_usage_is_2_and_help_is_0(self):
        for arguments in ((), (ANSWER,), (ANSWER, RECEIPT, '--key', KEYS), ('--key', KEYS), (ANSWER, '--key'),
                          (ANSWER, '--key', KEYS, '-o', 'yaml'), (ANSWER, '--key', KEYS, '--nonsense'),
                          (ANSWER, '--key', '/nonexistent'), (ANSWER, '--key', '/dev/null'),
                          (ANSWER, '--key', ANSWER), (ANSWER, '--key', 'a+00000000+AAAA')):
            with self.subTest(arguments):
                code, out, err = run(*arguments)
                self.assertEqual((code, out), (2, ''))
                self.assertNotEqual(err, '')
        self.assertIn('verifier key', run(ANSWER, '--key', 'a+00000000+AAAA')[2])
        code, out, err = run('--help')
        self.assertEqual((code, err), (0, ''))
        self.assertIn('examples:', out)

    def test_what_cannot_be_read_is_3(self):
        for path in ('/nonexistent', '/'):
            code, out, err = run(path, '--key', KEYS)
            self.assertEqual((code, out), (3, ''))
            self.assertIn(path, err)
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([PROGRAM, ANSWER, '--key', KEYS], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 3)


unittest.main(argv=[sys.argv[0]])
