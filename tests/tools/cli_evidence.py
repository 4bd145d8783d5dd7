# SPDX-License-Identifier: Apache-2.0
"""Evidence on the command line: proven answers, receipts, checkpoints, consistency, tiles, fsck."""
import base64
import glob
import hashlib
import json
import os
import shutil
import subprocess
import unittest

from cli_rig import (DONE, NONE, PATIENCE_S, UNREACHABLE, UNVERIFIED, USAGE, Case, Server, flip, inference, jsonl, read, stele, write)

REGION = 'eu-central-1'
LOG = f'{REGION}/3y'


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(leaves):
    """RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return sha256(b'')
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b'\x01' + root_of(leaves[:k]) + root_of(leaves[k:]))


class Evidence(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(REGION, 'us-east-1').start()
        cls.acks = cls.server.append(*(inference(f'e-{i:03}', tenant=('acme', 'globex')[i % 2],
                                                 actor={'id': f'actor-{i % 5}', 'type': 'user'}) for i in range(300)))
        cls.stranger = Server(REGION)

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()
        cls.stranger.remove()

    def path(self, name):
        return os.path.join(self.server.folder, name)

    def verify(self, path, *keys, words=()):
        flags = [word for key in keys or (self.server.vkeys,) for word in ('--key', key)]
        return stele('verify', path, *flags, *words)


class Answers(Evidence):
    def prove(self, name, *words, code=DONE):
        out = self.path(name)
        done = self.server('query', '--region', REGION, '-o', 'jsonl', *words, '--prove', out)
        self.ends(done, code)
        return out, done

    def test_a_proven_answer_is_the_answer_and_verifies(self):
        for words in (('--actor', 'actor-3'), ('--tenant', 'acme', '--actor', 'actor-3', '--since', '2026-01-01'), (),
                      ('--log', '3y', '--limit', '10')):
            with self.subTest(words=words):
                out, done = self.prove('answer.proof', *words)
                self.assertIn(out, done.err)
                plain = self.server('query', '--region', REGION, '-o', 'jsonl', *words)
                self.assertEqual(done.lines(), plain.lines())
                verified = self.verify(out)
                self.ends(verified, DONE)
                self.assertIn(f'answer: {len(done.lines())} events', verified.out)
                told = self.verify(out, words=('-o', 'json'))
                self.ends(told, DONE)
                report = json.loads(told.out)
                self.assertEqual((report['verified'], report['kind'], report['events'], report['cut']),
                                 (True, 'complete answer' if '--tenant' in words else 'answer', len(done.lines()),
                                  '--limit' in words))
                self.assertEqual('does not prove that nothing was left out' in done.err, '--tenant' not in words)
                self.assertEqual(report['question']['region'], REGION)

    def test_none_is_proven_too(self):
        out, done = self.prove('none.proof', '--tenant', 'acme', '--actor', 'nobody', code=NONE)
        self.assertEqual(done.out, '')
        verified = self.verify(out)
        self.ends(verified, DONE)
        self.assertIn('The answer is complete', verified.out)

    def test_each_condition_proves_it(self):
        words = ('--tenant', 'acme', '--actor', 'actor-2', '--type', 'inference', '--outcome', 'success')
        out, done = self.prove('each.proof', *words, '--prove-each', '--strict')
        plain = self.server('query', '--region', REGION, '-o', 'jsonl', *words)
        self.assertEqual(done.lines(), plain.lines())
        self.assertIn(f'2 proofs by one key each: the same {len(plain.lines())} events before ', done.err)
        for number, name in enumerate((out, out + '.2')):
            report = json.loads(self.ends(self.verify(name, words=('-o', 'json')), DONE).out)
            self.assertEqual(report['events'], len(plain.lines()))
            self.assertEqual({log['opened_condition'] for log in report['logs']}, {number})
        self.assertFalse(os.path.exists(out + '.3'))
        self.refuses(self.server('query', '--region', REGION, '--tenant', 'acme', '--actor', 'a', '--prove', out, '--prove-each'),
                     'several conditions')
        self.refuses(self.server('query', '--region', REGION, '--actor', 'a', '--prove', out, '--strict'), '--tenant')

    def test_a_number_is_proven_without_events(self):
        out = self.path('number.proof')
        for words, code in ((('--actor', 'actor-2'), DONE), (('--type', 'inference', '--since', '2026-02-01'), DONE),
                            (('--logged-since', '2026-01-01'), DONE), (('--actor', 'nobody'), NONE), ((), DONE)):
            ask = ('query', '--region', REGION, '--tenant', 'acme', *words, '--count')
            number = self.ends(self.server(*ask), code).out
            self.assertEqual(self.ends(self.server(*ask, '--prove', out), code).out, number)
            report = json.loads(self.ends(self.verify(out, words=('-o', 'json')), DONE).out)
            self.assertEqual((report['events'], report['counted'], report['kind']), (int(number), True, 'complete answer'))
            text = self.ends(self.verify(out), DONE).out
            self.assertIn(f'answer: {number.strip()} event', text)
            self.assertIn('counted and not shown', text)
            self.assertNotIn(b'actor-2@', read(out))
        for words, said in ((('--actor', 'a', '--type', 'inference'), 'one condition'), (('--outcome', 'success'), 'one condition'),
                            (('--prove-each',), '--prove-each'), (('--strict',), '--strict')):
            self.refuses(self.server('query', '--region', REGION, '--tenant', 'acme', '--count', '--prove', out, *words), said)
        self.refuses(self.server('query', '--region', REGION, '--count', '--prove', out), '--tenant')

    def test_every_form_may_be_printed(self):
        for output in ('json', 'csv', 'table'):
            out = self.path(f'{output}.proof')
            done = self.server('query', '--region', REGION, '--actor', 'actor-1', '-o', output, '--prove', out)
            self.ends(done, DONE)
            plain = self.server('query', '--region', REGION, '--actor', 'actor-1', '-o', output, '--order', 'asc')
            self.assertEqual(done.out, plain.out)
            self.ends(self.verify(out), DONE)

    def test_replaces_an_older_file_and_only_then(self):
        out, _ = self.prove('twice.proof', '--actor', 'actor-1')
        first = read(out)
        self.prove('twice.proof', '--actor', 'actor-2')
        self.assertNotEqual(read(out), first)
        second = read(out)
        done = self.server('query', '--region', 'none', '--prove', out)
        self.ends(done, USAGE)
        self.assertEqual(read(out), second)
        self.assertEqual(glob.glob(out + '.*'), [])
        done = self.server('query', '--region', REGION, '--prove', self.path('no/such/folder/x'))
        self.assertEqual(done.out, '')
        self.assertIn('cannot write', done.err)

    def test_a_device_keeps_its_place(self):
        fifo = self.path('fifo')
        os.mkfifo(fifo)
        reader = subprocess.Popen(['cat', fifo], stdout=subprocess.PIPE)
        done = self.server('query', '--region', REGION, '--actor', 'actor-1', '--prove', fifo)
        self.ends(done, DONE)
        proof = reader.communicate(timeout=PATIENCE_S)[0]
        self.assertTrue(os.path.exists(fifo) and not os.path.isfile(fifo))
        self.ends(self.verify(write(self.path('from-fifo'), proof)), DONE)

    def test_a_flipped_byte_is_refused(self):
        out, _ = self.prove('flip.proof', '--actor', 'actor-3')
        size = os.path.getsize(out)
        for at in sorted({0, 1, size // 3, size // 2, size - 1, *range(7, size, size // 40)}):
            flip(out, at)
            done = self.verify(out)
            self.ends(done, UNVERIFIED, 'REFUSED')
            self.assertEqual(done.out, '')
            flip(out, at)
        self.ends(self.verify(out), DONE)
        for cut in (b'', read(out)[:size // 2], read(out)[:-1], read(out) + b'\0', read(out) * 2, b'hello\n'):
            self.ends(self.verify(write(self.path('cut.proof'), cut)), UNVERIFIED, 'REFUSED')

    def test_keys(self):
        out, _ = self.prove('keys.proof', '--log', '3y', '--actor', 'actor-3')
        vkeys = read(self.server.vkeys).decode().splitlines()
        mine = next(key for key in vkeys if f'/{LOG}+' in key)
        self.ends(self.verify(out, mine), DONE)
        self.ends(self.verify(out, *vkeys), DONE)
        self.ends(self.verify(out, write(self.path('one.vkey'), mine)), DONE)
        self.ends(self.verify(out, write(self.path('more.vkey'), '# ours\n\n' + mine + '\r\n')), DONE)
        # Another log's key, another operator's keys for the same names.
        self.ends(self.verify(out, next(key for key in vkeys if '/1y+' in key)), UNVERIFIED, 'REFUSED')
        self.ends(self.verify(out, self.stranger.vkeys), UNVERIFIED, 'REFUSED')
        for words, code in ((('verify', out), USAGE), (('verify',), USAGE), (('verify', out, '--key', '/nowhere/keys'), USAGE),
                            (('verify', out, '--key', mine[:-1]), USAGE), (('verify', out, out, '--key', mine), USAGE),
                            (('verify', '/nowhere/proof', '--key', mine), UNREACHABLE),
                            (('verify', out, '--key', mine, '-o', 'csv'), USAGE)):
            with self.subTest(words=words):
                done = stele(*words)
                self.ends(done, code)
                self.assertEqual(done.out, '')
                self.assertNotEqual(done.err, '')
        told = self.verify(out, self.stranger.vkeys, words=('-o', 'json'))
        self.ends(told, UNVERIFIED)
        self.assertFalse(json.loads(told.out)['verified'])

    def test_a_server_with_other_keys_is_not_believed(self):
        """The vkeys of client.conf decide, not the server."""
        conf = write(os.path.join(self.server.data, 'other-keys.conf'),
                     read(self.server.config).decode().replace('vkeys: vkeys', f'vkeys: {self.stranger.vkeys}'))
        out = self.path('unbelieved')
        for words in (('query', '--region', REGION, '--actor', 'actor-1', '--prove', out),
                      ('receipt', '--log', LOG, '--seq', str(self.acks[0]['seq']), '--out', out),
                      ('checkpoint', '--log', LOG, '--out', out), ('tiles', '--log', LOG, '--out', out)):
            with self.subTest(words=words):
                done = stele('--config', conf, *words)
                self.ends(done, UNVERIFIED)
                self.assertFalse(os.path.isfile(out) or os.path.exists(os.path.join(out, 'checkpoint')))


class Receipts(Evidence):
    def test_receipt_of_one_event(self):
        ack = self.acks[42]
        out = self.path('receipt.tlog-proof')
        done = self.server('receipt', '--log', ack['log'], '--seq', str(ack['seq']), '--out', out)
        self.ends(done, DONE)
        self.assertEqual((done.out, done.err), ('', ''))
        verified = self.ends(self.verify(out), DONE)
        self.assertIn('e-042', verified.out)
        report = json.loads(self.verify(out, words=('-o', 'json')).out)
        self.assertEqual((report['kind'], report['entry']['seq'], report['entry']['event_id']), ('receipt', ack['seq'], 'e-042'))
        flip(out, os.path.getsize(out) // 2)
        self.ends(self.verify(out), UNVERIFIED, 'REFUSED')
        done = self.server('receipt', '--log', ack['log'], '--seq', str(ack['seq']), '--out', '-')
        self.ends(self.verify(write(out, done.out)), DONE)

    def test_of_what_is_not_there(self):
        out = self.path('nothing')
        self.ends(self.server('receipt', '--log', LOG, '--seq', '999999', '--out', out), NONE, '999999')
        self.assertFalse(os.path.exists(out))
        for words, said in ((('--log', LOG, '--seq', '3'), '--out'), (('--log', LOG, '--out', out), '--seq'),
                            (('--seq', '3', '--out', out), '--log'), (('--log', LOG, '--seq', 'x', '--out', out), "'x'")):
            self.refuses(self.server('receipt', *words), said)
        self.assertFalse(os.path.exists(out))


class Checkpoints(Evidence):
    def checkpoint(self, name, log=LOG, server=None):
        out = self.path(name)
        self.ends((server or self.server)('checkpoint', '--log', log, '--out', out), DONE)
        return out

    def consistency(self, old, *words, log=LOG, server=None):
        return (server or self.server)('consistency', '--log', log, '--old', old, *words)

    def test_checkpoint_on_stdout_and_in_a_file(self):
        done = self.ends(self.server('checkpoint', '--log', LOG), DONE)
        origin, size, root, empty, signature = done.out.split('\n')[:5]
        self.assertEqual((origin, empty), (f'audit.example.org/{LOG}', ''))
        self.assertGreaterEqual(int(size), 1)
        self.assertEqual(len(base64.b64decode(root, validate=True)), 32)
        self.assertTrue(signature.startswith(f'— {origin} '))
        self.assertEqual(read(self.checkpoint('c')).decode().split('\n')[0], origin)
        self.refuses(self.server('checkpoint'), '--log')
        self.refuses(self.server('checkpoint', '--log', '3y'), 'REGION/LOG')
        self.refuses(self.server('checkpoint', '--log', f'{REGION}/none'), "'none'")
        self.refuses(self.server('checkpoint', '--log', 'none/3y'), "'none'")
        self.refuses(self.server('checkpoint', '--log', LOG, '--seq', '3'), 'no flag')

    def test_consistent(self):
        old = self.checkpoint('old')
        self.ends(self.consistency(old), DONE)  # with itself
        self.server.append(*(inference(f'more-{i}') for i in range(10)))
        new = self.path('new')
        # Proofs end at signed checkpoints: a receipt of the newest event has one made.
        done = self.ends(self.consistency(old, '--out', new), DONE)
        self.assertRegex(done.out, rf'^audit\.example\.org/{LOG}: consistent: \d+ entries then, \d+ now')
        self.ends(self.consistency(new), DONE)
        # --out may be the file itself, which so stays the newest.
        self.ends(self.consistency(old, '--out', old), DONE)
        self.ends(self.consistency(old), DONE)

    def test_not_consistent_is_4(self):
        old = self.checkpoint('kept')
        text = read(old).decode()
        lines = text.split('\n')
        forged = text.replace(lines[2], base64.b64encode(sha256(b'another root')).decode())
        grown = text.replace(f'\n{lines[1]}\n', f'\n{int(lines[1]) + 1}\n', 1)
        other = self.server('checkpoint', '--log', f'{REGION}/1y').out
        far = self.server('checkpoint', '--log', 'us-east-1/3y').out
        for name, content in (('root', forged), ('size', grown), ('other log', other), ('other region', far), ('empty', ''),
                              ('torn', text[:-10]), ('no checkpoint', 'hello\n')):
            with self.subTest(name=name):
                done = self.ends(self.consistency(write(self.path('forged'), content)), UNVERIFIED)
                self.assertEqual(done.out, '')
        self.stranger.start()
        try:
            self.ends(self.consistency(self.checkpoint('theirs', server=self.stranger)), UNVERIFIED)
        finally:
            self.stranger.stop()
        self.refuses(self.consistency('/nowhere/old'), "no file '/nowhere/old'")
        self.refuses(self.server('consistency', '--log', LOG), '--old')

    def test_a_log_that_was_rolled_back(self):
        """The same keys, an older copy of the store: what was signed later is evidence against it."""
        server = Server(REGION).start()
        try:
            server.append(*(inference(f'first-{i}') for i in range(20)))
            server.stop()
            copy = os.path.join(server.folder, 'copy')
            shutil.copytree(os.path.join(server.data, 'regions'), copy)
            server.start()
            server.append(*(inference(f'second-{i}') for i in range(20)))
            kept = self.path('kept-newest')
            self.ends(server('receipt', '--log', LOG, '--seq', '30', '--out', self.path('r')), DONE)
            self.ends(server('checkpoint', '--log', LOG, '--out', kept), DONE)
            server.stop()
            shutil.rmtree(os.path.join(server.data, 'regions'))
            shutil.copytree(copy, os.path.join(server.data, 'regions'))
            server.start()
            done = self.ends(self.consistency(kept, server=server), UNVERIFIED, 'cut back')
            # Also when other events made it longer again.
            server.append(*(inference(f'third-{i}') for i in range(60)))
            self.ends(server('receipt', '--log', LOG, '--seq', '60', '--out', self.path('r')), DONE)
            done = self.ends(self.consistency(kept, server=server), UNVERIFIED)
            self.assertNotIn('consistent:', done.out)
        finally:
            server.remove()


class Tiles(Evidence):
    def read_tiles(self, folder, size):
        """The log's leaves by its entry bundles, and its hashes by its tiles (C2SP tlog-tiles)."""
        def name(index):
            parts = [f'{index % 1000:03}']
            while index >= 1000:
                index //= 1000
                parts.insert(0, f'x{index % 1000:03}')
            return '/'.join(parts)
        leaves, hashes = [], []
        for index in range((size + 255) // 256):
            width = min(256, size - index * 256)
            partial = '' if width == 256 else f'.p/{width}'
            bundle = read(os.path.join(folder, 'tile/entries', name(index) + partial))
            while bundle:
                n = int.from_bytes(bundle[:2], 'big')
                leaves.append(sha256(b'\0' + bundle[2:2 + n]))
                bundle = bundle[2 + n:]
            tile = read(os.path.join(folder, 'tile/0', name(index) + partial))
            hashes += [tile[i:i + 32] for i in range(0, len(tile), 32)]
        return leaves, hashes

    def export(self, server, folder):
        done = self.ends(server('tiles', '--log', LOG, '--out', folder), DONE)
        self.assertEqual(done.out, '')
        origin, size, root = read(os.path.join(folder, 'checkpoint')).decode().split('\n')[:3]
        self.assertEqual(origin, f'audit.example.org/{LOG}')
        leaves, hashes = self.read_tiles(folder, int(size))
        self.assertEqual(len(leaves), int(size))
        self.assertEqual(leaves, hashes)
        self.assertEqual(base64.b64encode(root_of(leaves)).decode(), root)
        return int(size)

    def test_a_static_log(self):
        server = Server(REGION).start()
        try:
            folder = os.path.join(server.folder, 'public', 'eu-3y')
            small = self.export(server, folder)  # what init made: no event yet
            server.append(*(inference(f't-{i}') for i in range(255 - small)))
            sizes = []
            for i in range(4):
                seq = server.append(inference(f'edge-{i}'))[0]['seq']
                self.ends(server('receipt', '--log', LOG, '--seq', str(seq), '--out', os.path.join(server.folder, 'r')), DONE)
                sizes.append(self.export(server, folder))
            self.assertTrue({255, 256, 257} & set(sizes), sizes)
            server.append(*(inference(f'u-{i}') for i in range(1000)))
            self.ends(server('receipt', '--log', LOG, '--seq', '1200', '--out', os.path.join(server.folder, 'r')), DONE)
            self.assertGreater(self.export(server, folder), 1200)
            self.assertEqual([name for name in glob.glob(folder + '/**', recursive=True) if name.endswith('.part')], [])
        finally:
            server.remove()

    def test_wrong_calls(self):
        out = self.path('tiles')
        for words, said in ((('--out', out), '--log'), (('--log', LOG), '--out'), (('--log', '3y', '--out', out), 'REGION/LOG'),
                            (('--log', f'{REGION}/none', '--out', out), "'none'"), (('--log', LOG, '--out', ''), '--out')):
            self.refuses(self.server('tiles', *words), said)
        self.assertFalse(os.path.exists(out))


class Fsck(Case):
    def setUp(self):
        self.server = Server(REGION, 'us-east-1').start()
        self.server.append(*(inference(f'f-{i}') for i in range(200)))

    def tearDown(self):
        self.server.remove()

    def fsck(self, *words):
        return stele('fsck', '--data', self.server.data, *words)

    def test_all_holds(self):
        self.server.stop()
        done = self.ends(self.fsck(), DONE)
        self.assertRegex(done.out, r'^16 logs, \d+ entries, 200 events, .*: all holds\n$')
        report = json.loads(self.ends(self.fsck('-o', 'json'), DONE).out)
        self.assertEqual((report['ok'], report['logs'], report['events']), (True, 16, 200))
        self.assertEqual(self.ends(self.fsck('-o', 'text'), DONE).out, done.out)

    def test_not_while_steled_runs(self):
        done = self.ends(self.fsck(), UNREACHABLE, f'held by process {self.server.process.pid}')
        self.assertEqual(done.out, '')
        self.assertEqual(self.server('query', '--region', REGION, '--count').out, '200\n')

    def test_wrong_calls(self):
        self.refuses(stele('fsck'), '--data')
        self.refuses(stele('fsck', '--data', '/nowhere'), "'/nowhere/steled.conf'")
        self.refuses(self.fsck('-o', 'csv'), '-o csv')
        self.refuses(self.fsck('x'), "'x'")
        write(self.server.steled_conf, 'listen: x\n')
        self.refuses(self.fsck(), 'steled.conf')

    def test_damage_is_4(self):
        self.server.stop()
        regions = os.path.join(self.server.data, 'regions')
        whole = os.path.join(self.server.folder, 'whole')
        shutil.copytree(regions, whole)
        pattern = os.path.join(regions, REGION, 'db', '0*')
        files = [path for path in glob.glob(pattern) + glob.glob(os.path.join(regions, REGION, 'blobs', '**'), recursive=True)
                 if os.path.isfile(path) and os.path.getsize(path) > 100]
        self.assertNotEqual(files, [])
        refused = 0
        for path in files:
            for at in (os.path.getsize(path) // 2, os.path.getsize(path) // 3):
                with self.subTest(path=os.path.relpath(path, regions), at=at):
                    flip(path, at)
                    done = self.fsck()
                    # A byte that stands for nothing may be anything; no other answer is allowed.
                    self.assertIn(done.code, (DONE, UNVERIFIED), done.err)
                    if done.code == UNVERIFIED:
                        refused += 1
                        self.assertEqual(done.out, '')
                        self.assertEqual(len(done.err.splitlines()), 1)
                        report = json.loads(self.fsck('-o', 'json').out)
                        self.assertEqual(report['ok'], False)
                        self.assertNotEqual(report['error'], '')
                    shutil.rmtree(regions)
                    shutil.copytree(whole, regions)
        self.assertGreater(refused, 0)
        shutil.rmtree(os.path.join(regions, 'us-east-1', 'db'))
        self.ends(self.fsck(), UNVERIFIED)


class Wrong(Evidence):
    def test_append_refusals_do_not_hurt_evidence(self):
        """A refused line takes no place in any log."""
        before = self.server('query', '--region', REGION, '--count').out
        self.server('append', stdin=jsonl(inference('x', region='ap-south-1'), 'nonsense'))
        self.assertEqual(self.server('query', '--region', REGION, '--count').out, before)


if __name__ == '__main__':
    unittest.main()
