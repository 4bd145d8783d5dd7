# SPDX-License-Identifier: Apache-2.0
"""A folder restored from an older copy: `--not-before` of steled and fsck, `not_before` of steled.conf, and how to go on."""
import os
import shutil
import unittest

from cli_rig import DONE, STELED, UNVERIFIED, USAGE, Case, Server, inference, read, run, stele, write

REGION = 'eu-1'
LOG = f'{REGION}/3y'


def fsck(server, *words):
    return stele('fsck', '--data', server.data, *words)


class Rollback(Case):
    """20 events, a copy of the folder from when there were 10, and checkpoints of two logs from after them."""

    @classmethod
    def setUpClass(cls):
        cls.server = server = Server(REGION).start()
        cls.regions, cls.new, cls.old = (os.path.join(server.folder, name) for name in ('data/regions', 'new', 'old'))
        server.append(*(inference(f'a-{i}', region=REGION) for i in range(10)))
        server.stop()
        shutil.copytree(cls.regions, cls.old)
        server.start()
        server.append(*(inference(f'b-{i}', region=REGION) for i in range(10)))
        cls.kept = {log: os.path.join(server.folder, f'{log}.checkpoint') for log in ('3y', '1y', 'system')}
        # A receipt of the newest entry needs a checkpoint that covers it.
        assert server('receipt', '--log', LOG, '--seq', '22', '--out', os.path.join(server.folder, 'receipt')).code == DONE
        for log, path in cls.kept.items():
            assert server('checkpoint', '--log', f'{REGION}/{log}', '--out', path).code == DONE
        server.stop()
        shutil.copytree(cls.regions, cls.new)
        cls.conf = os.path.join(server.data, 'steled.conf')
        cls.text = read(cls.conf).decode()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def bring_back(self, copy):
        shutil.rmtree(self.regions)
        shutil.copytree(copy, self.regions)

    def setUp(self):
        write(self.conf, self.text)
        self.bring_back(self.new)

    def refused(self, code, *words):
        """steled does not start. Returns what it says."""
        done = run(STELED, '--config', self.conf, *words, timeout=20)
        self.ends(done, code)
        return done.err

    def says(self, said, *texts):
        for text in texts:
            self.assertIn(text, said)

    def starts(self, *words):
        self.server.start(*words)
        self.assertEqual(self.server.stop(), DONE)

    def test_the_newest_copy(self):
        flags = [word for path in self.kept.values() for word in ('--not-before', path)]
        self.ends(fsck(self.server, *flags), DONE)
        self.starts(*flags)

    def test_an_older_copy(self):
        self.bring_back(self.old)
        flags = [word for path in self.kept.values() for word in ('--not-before', path)]
        for said in (fsck(self.server, *flags).err, self.refused(UNVERIFIED, *flags)):
            self.says(said, LOG, 'of 23 entries', 'holds 13', 'older copy', 'bring back the newer copy')
        report = fsck(self.server, '--not-before', self.kept['3y'], '-o', 'json')
        self.assertFalse(self.ends(report, UNVERIFIED).lines()[0]['ok'])
        # The refusals changed nothing: the store is whole, and the other logs' checkpoints are met.
        self.ends(fsck(self.server), DONE)
        self.starts('--not-before', self.kept['1y'])

    def test_several_in_one_file(self):
        both = os.path.join(self.server.folder, 'both')
        for between in (b'', b'\n', b'\n\n'):
            write(both, between.join(read(self.kept[log]) for log in ('1y', 'system', '3y')) + between)
            self.bring_back(self.new)
            self.starts('--not-before', both)
            self.bring_back(self.old)
            self.assertIn(LOG, self.refused(UNVERIFIED, '--not-before', both))

    def test_in_the_configuration(self):
        """Paths are relative to the file; fsck and --check-config read it too."""
        shutil.copy(self.kept['3y'], os.path.join(self.server.data, 'kept'))
        write(self.conf, self.text + 'not_before: [kept]\n')
        self.ends(run(STELED, '--config', self.conf, '--check-config'), DONE)
        self.ends(fsck(self.server), DONE)
        self.starts()
        self.bring_back(self.old)
        self.ends(fsck(self.server), UNVERIFIED, LOG)
        self.assertIn(LOG, self.refused(UNVERIFIED))
        write(self.conf, self.text + 'not_before: [elsewhere]\n')
        for done in (run(STELED, '--config', self.conf, '--check-config'), fsck(self.server), run(STELED, '--config', self.conf)):
            self.ends(done, USAGE, 'elsewhere')
        write(self.conf, self.text + 'not_before: []\n')
        self.starts()

    def test_what_is_no_checkpoint_of_this_store(self):
        path = os.path.join(self.server.folder, 'given')
        kept = read(self.kept['3y']).decode()
        for content, said in (
                (kept.replace('audit.example.org', 'other.example'), 'other.example/eu-1/3y'),
                (kept.replace('/eu-1/', '/us-1/'), 'audit.example.org/us-1/3y'),
                (kept.replace('eu-1/3y', 'eu-1/3yy'), 'audit.example.org/eu-1/3yy'),
                (kept + kept.replace('eu-1/3y', 'eu-1/9y'), f'{path} line 6: a checkpoint of'),
                (kept.split('\n\n')[0] + '\n', 'line 1'), ('', 'holds no checkpoint'), ('\n', 'line 1'), ('\0' * 10, 'line 1'),
                (kept.replace('\n23\n', '\n023\n'), 'size')):
            with self.subTest(said=said):
                write(path, content)
                self.assertIn(said, self.refused(USAGE, '--not-before', path))
                self.ends(fsck(self.server, '--not-before', path), USAGE, said)
        for content in (kept.replace('\n23\n', '\n22\n'), kept[:-5], kept[:-6] + 'AAA=\n',
                        read(self.kept['1y']).decode().replace('eu-1/1y', 'eu-1/3y')):
            with self.subTest(content=content):
                write(path, content)
                self.assertIn('forged or damaged', self.refused(UNVERIFIED, '--not-before', path))
                self.ends(fsck(self.server, '--not-before', path), UNVERIFIED, LOG)

    def test_how_to_go_on_if_the_newer_copy_is_lost(self):
        """README's way: the log ends, one of another name takes its place."""
        self.bring_back(self.old)
        self.refused(UNVERIFIED, '--not-before', self.kept['3y'])
        write(self.conf, self.text.replace('{name: 3y,', '{name: 3y-2,'))
        self.ends(fsck(self.server), UNVERIFIED)  # 3y-2 is not there yet
        self.server.start('--not-before', self.kept['1y'])
        acks = self.server.append(inference('c-1', region=REGION))
        self.assertEqual(acks[0]['log'], f'{REGION}/3y-2')
        self.server.stop()
        self.ends(fsck(self.server), DONE)
        self.says(self.refused(USAGE, '--not-before', self.kept['3y']), 'audit.example.org/eu-1/3y')


if __name__ == '__main__':
    unittest.main()
