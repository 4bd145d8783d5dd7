# SPDX-License-Identifier: Apache-2.0
"""`stele status`, `seal`, `era`: what an operator sees and asks of the index."""
import json

from cli_rig import DONE, UNREACHABLE, USAGE, Case, Server, access, inference, read, wait_until, write
from server import ONLY_WHEN_ASKED

REGION = 'eu-central-1'
LOG = f'{REGION}/3y'


class Index(Case):
    def setUp(self):
        self.server = Server(REGION)

    def tearDown(self):
        self.server.remove()

    def status(self, *words):
        done = self.ends(self.server('status', '-o', 'json', *words), DONE)
        return {log['log']: log for log in json.loads(done.out)}

    def test_seal_covers_what_came_before(self):
        with self.server as server:
            before = self.status()
            self.assertEqual(sorted(before), sorted(self.server.vkey_of and before))
            self.assertEqual((before[LOG]['size'], before[LOG]['covered'], before[LOG]['lag_entries']), (2, 0, 2))
            self.assertNotIn('segments', before[LOG])
            server.append(*(inference(f'e-{n}') for n in range(40)))
            done = self.ends(server('seal', '--log', LOG), DONE)
            self.assertIn(f'{LOG}: entries below 43 are committed to by entry 43, 1 segments', done.out)
            after = self.status('--region', REGION)[LOG]
            self.assertEqual((after['size'], after['covered'], after['index_seq'], after['lag_entries'], after['lag_us'], after['segments']),
                             (44, 43, 43, 0, 0, 1))
            # Again: there is nothing new, and no other entry.
            self.assertEqual(self.ends(server('seal', '--log', LOG), DONE).out, done.out)
            self.assertEqual(self.status()[LOG]['size'], 44)
            # Without --log all of them, and what is found is what was appended.
            self.ends(server('seal'), DONE)
            self.assertTrue(all(log['lag_entries'] == 0 for log in self.status().values()))
            count = self.ends(server('query', '--region', REGION, '--actor', 'alice', '--since', '2026-01-01', '--count'), DONE)
            self.assertIn('40', count.out)
            table = self.ends(server('status'), DONE).out.splitlines()
            self.assertEqual(len(table), 1 + len(after and self.status()))
            self.assertIn('SEGMENTS', table[0])

    def test_an_index_entry_is_no_event(self):
        with self.server as server:
            server.append(*(inference(f'e-{n}') for n in range(5)))
            self.ends(server('seal', '--log', LOG), DONE)
            server.append(access('e-after'))
            done = self.ends(server('query', '--region', REGION, '--since', '2026-01-01', '-o', 'jsonl'), DONE)
            self.assertEqual(len(done.lines()), 6)
            self.assertEqual(server('get', '--log', LOG, '--seq', '8').code, 1)

    def test_the_server_does_it_by_itself(self):
        conf = read(self.server.steled_conf).decode()
        write(self.server.steled_conf, conf.replace(f'index_interval_ms: {ONLY_WHEN_ASKED}\n', 'index_interval_ms: 50\n'))
        with self.server as server:
            server.append(*(inference(f'e-{n}') for n in range(30)))
            wait_until(lambda: all(log['lag_entries'] == 0 for log in self.status().values()), 'the index covers all')

    def test_an_era_can_be_cut(self):
        with self.server as server:
            server.append(inference('e-1'))
            era = self.status()[LOG]['era']
            done = self.ends(server('era', 'cut', '--log', LOG), DONE)
            self.assertEqual(done.out, f'{LOG}: era {era + 1} has begun\n')
            server.append(inference('e-2'))
            self.assertEqual(self.status()[LOG]['era'], era + 1)
            done = self.ends(server('query', '--region', REGION, '--actor', 'alice', '--since', '2026-01-01', '-o', 'jsonl'), DONE)
            self.assertEqual(len(done.lines()), 2)
            self.ends(server('seal', '--log', LOG), DONE)
            self.assertEqual(self.status()[LOG]['segments'], 2)
            server.stop()
            server.start()
            self.assertEqual(self.status()[LOG]['era'], era + 1)

    def test_rights(self):
        """Who reads logs sees the status; who may not append events of every tenant appends no entry."""
        conf = read(self.server.steled_conf).decode()
        write(self.server.steled_conf, conf.replace('may: [append, query, read_log]', 'may: [query, read_log]'))
        with self.server as server:
            self.status()
            for words in (('seal', '--log', LOG), ('era', 'cut', '--log', LOG)):
                self.ends(server(*words), USAGE, 'append')
            self.assertEqual(self.status()[LOG]['size'], 2)

    def test_mistakes(self):
        server = self.server
        for words, said in ((('seal', '--log', '3y'), 'REGION/LOG'), (('seal', 'x'), "'x'"), (('seal', '-o', 'json'), 'no flag'),
                            (('status', '-o', 'csv'), 'table or json'), (('status', '--log', LOG), 'no flag'),
                            (('era',), 'era cut'), (('era', 'end'), "'end'"), (('era', 'cut'), 'era cut')):
            self.refuses(server(*words), said)
        self.ends(server('status', '--region', 'none'), UNREACHABLE)
        with server:
            self.refuses(server('status', '--region', 'none'), 'none')
            self.refuses(server('seal', '--log', f'{REGION}/none'), "'none'")
            self.refuses(server('era', 'cut', '--log', f'{REGION}/none'), "'none'")
