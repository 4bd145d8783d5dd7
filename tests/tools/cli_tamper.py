# SPDX-License-Identifier: Apache-2.0
"""`stele fsck` over a data folder that was changed: exit code 4 and the place, or 0 if nothing anybody reads was changed."""
import json
import os
import shutil
import unittest

from cli_rig import DONE, STELED, UNREACHABLE, UNVERIFIED, Case, Server, inference, read, run, stele, write

REGION = 'eu-1'
SOAK = 'STELE_SOAK' in os.environ
PLACES = 200 if SOAK else 3  # of each file


class Tamper(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = server = Server(REGION).start()
        server.append(*(inference(f'a-{i}', region=REGION) for i in range(20)))
        server.stop()  # what was in the database's log goes into a table
        server.start()
        server.append(*(inference(f'b-{i}', region=REGION) for i in range(5)))
        server.kill()  # and this stays in the log
        cls.whole = os.path.join(server.folder, 'whole')
        cls.region = os.path.join(server.data, 'regions', REGION)
        shutil.copytree(cls.region, cls.whole)

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def setUp(self):
        self.bring_back()

    def bring_back(self):
        shutil.rmtree(self.region)
        shutil.copytree(self.whole, self.region)

    def files(self):
        for folder, _, names in sorted(os.walk(self.whole)):
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), self.whole)

    def fsck(self, *words):
        return stele('fsck', '--data', self.server.data, *words)

    def codes(self, name):
        """REGION says whose store this is: another name is another region's, which is no damage."""
        return {UNVERIFIED, UNREACHABLE} if name == 'REGION' else {DONE, UNVERIFIED}

    def test_a_whole_folder(self):
        done = self.ends(self.fsck(), DONE)
        self.assertRegex(done.out, r'8 logs, \d+ entries, 25 events.*all holds')
        report = json.loads(self.ends(self.fsck('-o', 'json'), DONE).out)
        self.assertEqual((report['ok'], report['events']), (True, 25))

    def test_a_flipped_bit(self):
        found = set()
        for name in self.files():
            whole = read(os.path.join(self.whole, name))
            for i in range(min(PLACES, len(whole))):
                at = len(whole) * (2 * i + 1) // (2 * PLACES)
                with self.subTest(name=name, at=at):
                    self.bring_back()
                    write(os.path.join(self.region, name), whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:])
                    done = self.fsck()
                    self.assertIn(done.code, self.codes(name), done.err)
                    self.assertEqual(done.code == DONE, 'all holds' in done.out)
                    found |= {os.path.splitext(name)[1]} if done.code == UNVERIFIED else set()
        self.assertLessEqual({'.log', '.sst', '.signing', '.tag'}, found)

    def test_a_file_that_is_cut_or_gone(self):
        for name in self.files():
            whole = os.path.getsize(os.path.join(self.whole, name))
            for size in (None, 0, whole // 2):
                with self.subTest(name=name, size=size):
                    self.bring_back()
                    path = os.path.join(self.region, name)
                    os.remove(path) if size is None else os.truncate(path, size)
                    done = self.fsck()
                    self.assertIn(done.code, self.codes(name) | ({UNREACHABLE} if name.startswith('db/') else set()), done.err)
                    if name.endswith(('.log', '.sst', '.signing')) and whole > 0:  # an empty log holds nothing
                        self.assertNotEqual(done.code, DONE, name)

    def test_what_fsck_refuses_is_not_served(self):
        """The place is named, in words and as JSON; the server does not start over it either."""
        log = max((name for name in self.files() if name.endswith('.log')), key=lambda name: os.path.getsize(os.path.join(self.whole, name)))
        path = os.path.join(self.region, log)
        whole = read(path)
        write(path, whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        self.ends(self.fsck(), UNVERIFIED, 'backup')
        self.bring_back()
        write(path, whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        report = json.loads(self.ends(self.fsck('-o', 'json'), UNVERIFIED).out)
        self.assertEqual((report['ok'], report['status']), (False, 'CORRUPT'))
        self.bring_back()
        write(path, whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        self.ends(run(STELED, '--config', os.path.join(self.server.data, 'steled.conf')), UNVERIFIED)


if __name__ == '__main__':
    unittest.main()
