# SPDX-License-Identifier: Apache-2.0
"""`stele audit`: an honest folder holds; of a region that lies with its own keys it says so, and proves it to anyone."""
import json
import os
import shutil

from cli_rig import (DONE, TOOLS, UNREACHABLE, UNVERIFIED, USAGE, Case, Server, flip, inference, read, run, stele,
                     wait_until)

REGION = 'eu-central-1'
LOG = f'{REGION}/3y'
MALICIOUS = os.path.join(os.path.dirname(TOOLS), 'tests', 'malicious_store')


class Honest(Case):
    def setUp(self):
        self.server = Server(REGION)
        self.addCleanup(self.server.remove)

    def audit(self, *words):
        return stele('audit', '--data', self.server.data, *words, cwd=self.server.folder)

    def test_all_holds(self):
        with self.server as server:
            for n in range(4):
                server.append(*(inference(f'e-{n}-{i}') for i in range(50)))
                self.ends(server('seal', '--log', LOG), DONE)
            server.stop()
            logs = {line['log']: line for line in self.ends(self.audit('-o', 'json'), DONE).lines()}
            self.assertEqual(len(logs), 8)
            self.assertEqual({line['outcome'] for line in logs.values()}, {'holds'})
            self.assertEqual({line['root'] for line in logs.values()}, {'signed'})
            wanted = {'events': 200, 'indexes': 4, 'checked': 4, 'wrong': 0, 'unchecked': 0}
            self.assertEqual({name: logs[LOG][name] for name in wanted}, wanted)
            table = self.ends(self.audit('--region', REGION, '--log', '3y'), DONE).out.splitlines()
            self.assertEqual(len(table), 2)
            self.assertTrue(table[0].startswith('LOG ') and table[1].startswith(LOG) and table[1].endswith('holds'))
            # A sample says what it did not look at, and how it is repeated.
            sampled, = self.ends(self.audit('--log', '3y', '--sample', '2', '-o', 'json'), DONE).lines()
            self.assertEqual((sampled['outcome'], sampled['sample']['segments'], sampled['sample']['looked_at']), ('sampled', 1, 1))
            self.assertIn('all segments of that INDEX were looked at', sampled['sample']['not_seen'])
            seed = str(sampled['sample']['seed'])
            again = self.ends(self.audit('--log', '3y', '--sample', '2', '--seed', seed, '-o', 'json'), DONE)
            self.assertEqual(again.lines(), [sampled])
            table = self.ends(self.audit('--sample', '2', '--seed', seed), DONE).out
            self.assertIn(f'sampled 1 of 1 segments of the INDEX at entry {sampled["sample"]["index"]}: ', table)
            self.assertIn(f'(--seed {seed})', table)
            self.assertIn('there was nothing to sample', table)  # of the logs without an index

    def test_a_work_folder(self):
        with self.server as server:
            server.append(*(inference(f'e-{i}') for i in range(50)))
            server.stop()
            work = os.path.join(server.folder, 'work')
            first = self.ends(self.audit('--work', work, '-o', 'json'), DONE)
            self.assertEqual(sorted(os.listdir(work))[2], LOG.replace('/', '.'))
            self.assertEqual(self.ends(self.audit('--work', work, '-o', 'json'), DONE).out, first.out)
            self.ends(self.audit('--work', server.vkeys), UNREACHABLE, 'vkeys')

    def test_not_while_steled_runs(self):
        with self.server:
            self.ends(self.audit(), UNREACHABLE, f'held by process {self.server.process.pid}')

    def test_mistakes(self):
        for words, said in ((('--log', 'none'), 'none'), (('--region', 'none'), 'none'), (('-o', 'csv'), 'table and json'),
                            (('--sample', '0'), '--sample'), (('--seed', '1'), '--sample'), (('--sample', '1', '--work', 'x'), '--work'),
                            (('x',), "'x'")):
            self.refuses(self.audit(*words), said)
        self.refuses(stele('audit'), '--data')
        self.refuses(stele('audit', '--data', '/nowhere'), "'/nowhere/steled.conf'")
        self.assertIn('data folder', self.ends(stele('audit', '--help'), DONE).out)


class Online(Case):
    """The same over a server that runs."""

    def setUp(self):
        self.server = Server(REGION)
        self.addCleanup(self.server.remove)

    def test_all_holds(self):
        with self.server as server:
            for n in range(3):
                server.append(*(inference(f'e-{n}-{i}') for i in range(40)))
                self.ends(server('seal', '--log', LOG), DONE)
            wait_until(self.all_is_signed, 'every entry is under a checkpoint')
            work = os.path.join(server.folder, 'work')
            words = ('audit', '--log', LOG, '--log', f'{REGION}/system', '-o', 'json', '--work', work)
            first, second = self.ends(server(*words), DONE).lines()
            self.assertEqual((first['log'], first['outcome'], first['root']), (LOG, 'holds', 'signed'))
            self.assertEqual((first['events'], first['indexes'], first['checked']), (120, 3, 3))
            self.assertEqual((second['log'], second['outcome']), (f'{REGION}/system', 'holds'))
            self.assertEqual(self.ends(server(*words), DONE).lines(), [first, second])
            # A tiles folder says the same, and one that was changed does not.
            tiles, replay = os.path.join(server.folder, 'tiles'), os.path.join(server.folder, 'replay')
            self.ends(server('tiles', '--log', LOG, '--out', tiles, '--replay', replay), DONE)
            words = ('audit', '--tiles', tiles, '--replay', replay, '--key', server.vkeys, '-o', 'json')
            offline, = self.ends(stele(*words), DONE).lines()
            self.assertEqual(offline, first)
            # So do samples of both.
            wanted = {'segments': 1, 'looked_at': 1, 'entries_of_log': first['entries']}
            for done in (server('audit', '--log', LOG, '--sample', '3', '-o', 'json'), stele(*words, '--sample', '3')):
                sampled, = self.ends(done, DONE).lines()
                self.assertEqual((sampled['outcome'], sampled['root'], sampled['events']), ('sampled', 'signed', 120))
                self.assertEqual({name: sampled['sample'][name] for name in wanted}, wanted)
            os.rename(os.path.join(replay, 'index'), os.path.join(replay, 'was'))
            self.ends(stele(*words, '--sample', '3'), UNVERIFIED, 'tiles --replay')
            for folder, name in ((tiles, 'tile/entries/000.p'), (replay, 'tile/entries/000.p')):
                path = os.path.join(folder, name, str(first['entries']))
                for at in range(20, os.path.getsize(path), os.path.getsize(path) // 5):
                    flip(path, at)
                    self.assertEqual(stele(*words).code, UNVERIFIED)
                    flip(path, at)
            self.refuses(stele(*words[:3]), 'go together')
            # A checkpoint that was kept is of the same entries.
            kept = os.path.join(server.folder, 'kept')
            self.ends(server('checkpoint', '--log', LOG, '--out', kept), DONE)
            done = self.ends(server('audit', '--log', LOG, '--against', kept, '-o', 'json'), DONE)
            self.assertEqual(done.lines()[0]['against'], 'same')
            self.refuses(server('audit', '--log', LOG, '--against', server.vkeys), 'note')
            self.refuses(server('audit', '--log', LOG, '--against', '/nowhere'), '--against')
            # A data folder says the same.
            server.stop()
            done = self.ends(stele('audit', '--data', server.data, '--log', '3y', '-o', 'json'), DONE)
            self.assertEqual(done.lines()[0]['events'], 120)

    def all_is_signed(self):
        logs = json.loads(self.ends(self.server('status', '-o', 'json'), DONE).out)
        return all(log['size'] == log['checkpoint_size'] for log in logs)

    def test_two_histories_are_told_apart(self):
        """A copy of the data folder that goes on by itself, against a checkpoint of the original."""
        with self.server as server:
            server.append(*(inference(f'e-{i}') for i in range(20)))
            server.stop()
            copy = os.path.join(server.folder, 'copy')
            shutil.copytree(server.data, copy)
            kept = os.path.join(server.folder, 'kept')
            server.start()
            server.append(inference('here'))
            wait_until(self.all_is_signed, 'every entry is under a checkpoint')
            self.ends(server('checkpoint', '--log', LOG, '--out', kept), DONE)
            server.stop()
            os.rename(server.data, os.path.join(server.folder, 'original'))
            os.rename(copy, server.data)
            server.start()
            server.append(inference('there'), inference('there-too'))
            wait_until(self.all_is_signed, 'every entry is under a checkpoint')
            done = self.ends(server('audit', '--log', LOG, '--against', kept, '-o', 'json'), UNVERIFIED, 'two histories')
            self.assertEqual(done.lines()[0]['against'], 'differs')

    def test_only_for_who_may_read_all(self):
        for words in ('[append, query]', '[append, read_log]'):
            server = Server(REGION)
            self.addCleanup(server.remove)
            server.change(server.steled_conf,
                          lambda line: f'    may: {words}\n' if line.startswith('    may:') else line)
            with server:
                done = self.ends(server('audit', '--log', LOG), USAGE, 'read' if 'query' in words else 'query')
                self.assertEqual(done.out, '')

    def test_mistakes(self):
        with self.server as server:
            self.refuses(server('audit', '--log', '3y'), 'REGION/LOG')
            self.refuses(server('audit', '--log', f'{REGION}/none'), 'none')
            self.refuses(server('audit', '--log', LOG, '--fraud', 'x'), '--data')
            self.refuses(server('audit'), '--data DIR, or')
            server.stop()
            self.ends(server('audit', '--log', LOG), UNREACHABLE)


class Malicious(Case):
    def setUp(self):
        self.server = Server(REGION)
        self.addCleanup(self.server.remove)

    def lies(self, how):
        """A region that lies, audited; the last line of JSON."""
        done = run(MALICIOUS, os.path.join(self.server.data, 'regions', REGION), REGION, 'audit.example.org', how)
        self.assertEqual((done.code, done.err), (0, ''))
        done = self.ends(stele('audit', '--data', self.server.data, '--log', '3y', '-o', 'json', cwd=self.server.folder),
                         UNVERIFIED, f'{LOG}: WRONG')
        line, = done.lines()
        self.assertEqual((line['outcome'], line['root']), ('wrong', 'signed'))
        return line

    def proof(self, line, kind):
        path = os.path.join(self.server.folder, line['fraud_proof'])
        done = self.ends(stele('verify', path, '--key', self.server.vkeys), DONE)
        self.assertIn('FRAUD PROVEN', done.out)
        self.assertIn(f'The log audit.example.org/{LOG} is DISHONEST', done.out)
        report = json.loads(self.ends(stele('verify', '-', '--key', self.server.vkeys, '-o', 'json', stdin=read(path)), DONE).out)
        self.assertEqual((report['kind'], report['fraud'], report['log_dishonest']), ('fraud', kind, True))
        return path

    def test_an_omission_is_proven(self):
        line = self.lies('omit')
        path = self.proof(line, 'omission')
        self.assertEqual(os.path.basename(path), 'audit-3y.stele-fraud')
        # Nothing is proven of an honest region, nor by a file that was changed.
        other = Server(REGION)
        self.addCleanup(other.remove)
        self.assertEqual(self.ends(stele('verify', path, '--key', other.vkeys), UNVERIFIED, 'REFUSED').out, '')
        for at in range(20, os.path.getsize(path), 97):
            flip(path, at)
            done = stele('verify', path, '--key', self.server.vkeys)
            self.assertEqual(self.ends(done, UNVERIFIED, 'REFUSED').out, '')
            flip(path, at)
        given = os.path.join(self.server.folder, 'given')
        done = stele('audit', '--data', self.server.data, '--fraud', given)
        self.ends(done, UNVERIFIED, given)
        self.assertEqual(read(given), read(path))

    def test_a_lie_is_found_over_a_server_too(self):
        line = self.lies('omit')
        with self.server as server:
            done = self.ends(server('audit', '--log', LOG, '-o', 'json'), UNVERIFIED, f'{LOG}: WRONG',
                             'over a server', '--data')
            online, = done.lines()
            self.assertEqual((online['outcome'], online['at'], online['reason']), ('wrong', line['at'], line['reason']))
            self.assertNotIn('fraud_proof', online)

    def test_a_sample_sees_it_where_it_looks(self):
        """Over all sources; and says that it did not look elsewhere."""
        self.lies('omit')
        words = ('audit', '--data', self.server.data, '--log', '3y', '-o', 'json', '--sample', '1', '--seed')
        by_seed, missed, seen = [], None, None
        while missed is None or seen is None:
            done = stele(*words, str(len(by_seed)), cwd=self.server.folder)
            line, = done.lines()
            if done.code == DONE:
                missed = len(by_seed)
            elif line['at'] == line['sample']['index']:
                seen = len(by_seed)
            by_seed.append(done)
            self.assertLess(len(by_seed), 100)
        line, = by_seed[missed].lines()
        sample = line['sample']
        self.assertEqual((line['outcome'], line['wrong'], sample['looked_at']), ('sampled', 0, 1))
        self.assertLess(sample['entries_read'], sample['entries_of_log'])
        self.assertIn(f'not looked at: {sample["segments"] - 1} segments', sample['not_seen'])
        self.assertIn('would not be seen', sample['not_seen'])
        self.assertAlmostEqual(sample['chance_percent'], 100 / sample['segments'])
        line, = by_seed[seen].lines()
        self.assertEqual(line['outcome'], 'wrong')
        path = self.proof(line, 'omission')
        other = Server(REGION)
        self.addCleanup(other.remove)
        self.ends(stele('verify', path, '--key', other.vkeys), UNVERIFIED, 'REFUSED')
        with self.server as server:
            tiles, replay = os.path.join(server.folder, 'tiles'), os.path.join(server.folder, 'replay')
            self.ends(server('tiles', '--log', LOG, '--out', tiles, '--replay', replay), DONE)
            online = ('audit', '--log', LOG, '-o', 'json', '--sample', '1', '--seed')
            offline = ('audit', '--tiles', tiles, '--replay', replay, '--key', server.vkeys, '-o', 'json', '--sample', '1', '--seed')
            for run_with in (lambda seed: server(*online, str(seed)), lambda seed: stele(*offline, str(seed))):
                found, = self.ends(run_with(seen), UNVERIFIED, f'{LOG}: WRONG', '--data').lines()
                self.assertEqual((found['at'], found['reason'], found['sample']), (line['at'], line['reason'], line['sample']))
                self.assertEqual(self.ends(run_with(missed), DONE).lines(), by_seed[missed].lines())

    def test_a_posting_too_many_is_proven(self):
        self.proof(self.lies('add'), 'phantom')

    def test_keys_that_do_not_ascend_are_proven(self):
        for how in ('disorder', 'twice'):
            path = self.proof(self.lies(how), 'key_order')
            # Nobody but an audit opens such a store, and nothing is proven of an honest region.
            self.ends(stele('fsck', '--data', self.server.data), UNVERIFIED, 'segment')
            other = Server(REGION)
            self.addCleanup(other.remove)
            self.assertEqual(self.ends(stele('verify', path, '--key', other.vkeys), UNVERIFIED, 'REFUSED').out, '')
            self.server = other

    def test_one_false_index_is_found(self):
        line = self.lies('index')
        self.assertEqual((line['wrong'], line['indexes']), (1, 3))
        self.assertNotIn('fraud_proof', line)
