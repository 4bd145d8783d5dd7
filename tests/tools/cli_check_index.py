# SPDX-License-Identifier: Apache-2.0
"""`stele receipt --check-index`: one's own event is listed under each of its keys, or it is proven that it is not."""
import os
import time

from cli_rig import DONE, NONE, TOOLS, UNREACHABLE, UNVERIFIED, Case, Server, access, inference, read, run, stele, write

REGION = 'eu-central-1'
LOG = f'{REGION}/3y'
MALICIOUS = os.path.join(os.path.dirname(TOOLS), 'tests', 'malicious_store')


def utc_now():
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())


class CheckIndex(Case):
    def setUp(self):
        self.server = Server(REGION)
        self.addCleanup(self.server.remove)

    def check(self, log, seq, *words):
        return self.server('receipt', '--log', log, '--seq', str(seq), '--check-index', *words)


class Honest(CheckIndex):
    def test_every_key_is_listed(self):
        with self.server:
            events = (inference('late'), access('dataset', outcome='denied'), access('now', time=utc_now()))
            self.server.append(*(inference(f'other-{i}', actor={'id': f'actor-{i}', 'type': 'user'}) for i in range(100)))
            for ack in self.server.append(*events):
                lines = self.ends(self.check(ack['log'], ack['seq'], '-o', 'json'), DONE).lines()
                found = {line['key']: line['result'] for line in lines}
                self.assertEqual(found['actor = alice'], 'listed')
                self.assertEqual(found['tenant = acme'], 'listed')
                self.assertEqual(len(found), len(lines))
                self.assertEqual({line['seq'] for line in lines}, {ack['seq']})
                self.assertEqual({line['log'] for line in lines}, {ack['log']})
                for key, result in found.items():
                    asked = not key.startswith(('digest', 'data_subject', 'policy', 'parent', 'client'))
                    self.assertEqual(result, 'listed' if asked else 'not_checked', key)
                text = self.ends(self.check(ack['log'], ack['seq']), DONE).out.splitlines()
                self.assertEqual(len(text), len(lines))
                self.assertIn('actor = alice: listed', text)

    def test_saves_the_receipt_too(self):
        with self.server:
            ack, = self.server.append(inference('one'))
            out = os.path.join(self.server.folder, 'r')
            self.ends(self.check(ack['log'], ack['seq'], '--out', out), DONE)
            self.ends(stele('verify', out, '--key', self.server.vkeys), DONE)

    def test_mistakes(self):
        with self.server:
            ack, = self.server.append(inference('one'))
            self.refuses(self.server('receipt', '--log', LOG, '--seq', '1'), '--out')
            self.refuses(self.server('receipt', '--log', LOG, '--seq', '1', '--out', 'x', '-o', 'json'), '--check-index')
            self.refuses(self.check(LOG, 1, '--out', '-'), 'stdout')
            self.refuses(self.check(LOG, 1, '-o', 'csv'), 'text and json')
            self.assertIn('no event', self.ends(self.check(LOG, 0), NONE).err)
            self.ends(self.check(LOG, 10**9), NONE)
            conf = write(os.path.join(self.server.data, 'no-keys.conf'),
                         read(self.server.config).decode().replace('vkeys: vkeys\n', ''))
            self.refuses(stele('--config', conf, 'receipt', '--log', ack['log'], '--seq', str(ack['seq']), '--check-index'),
                         'vkeys')
            self.server.stop()
            self.ends(self.check(LOG, 1), UNREACHABLE)


class Malicious(CheckIndex):
    def test_a_posting_left_out_is_found(self):
        """Who asks for the actor is not shown the event, and believes it; its submitter finds out."""
        done = run(MALICIOUS, os.path.join(self.server.data, 'regions', REGION), REGION, 'audit.example.org', 'omit-actor')
        self.assertEqual((done.code, done.err), (0, ''))
        with self.server:
            lines = self.ends(self.check(LOG, 100, '-o', 'json'), UNVERIFIED, 'leaves the event out under 1 of its keys').lines()
            missing = [line['key'] for line in lines if line['result'] == 'missing']
            self.assertEqual(len(missing), 1)
            self.assertTrue(missing[0].startswith('actor = '), missing)
            self.assertIn('listed', {line['result'] for line in lines})
            self.assertLessEqual({line['result'] for line in lines}, {'listed', 'missing', 'not_checked'})
            self.assertIn(f'{missing[0]}: MISSING', self.ends(self.check(LOG, 100), UNVERIFIED).out)
            # Two conditions proven by one key each: one of them has the event.
            event = self.ends(self.server('get', '--log', LOG, '--seq', '100'), DONE).lines()[0]['event']
            ask = ('query', '--log', LOG, '--tenant', event['tenant'], '--actor', missing[0].split(' = ')[1],
                   '--type', event['event_type'], '-o', 'jsonl', '--prove', os.path.join(self.server.folder, 'p'))
            self.ends(self.server(*ask, '--prove-each'), UNVERIFIED, 'leaves some out under one of the keys')
            for name in ('p', 'p.2'):  # both are evidence, and hold
                self.ends(stele('verify', os.path.join(self.server.folder, name), '--key', self.server.vkeys), DONE)
            # The event beside it is listed everywhere.
            self.ends(self.check(LOG, 101), DONE)
