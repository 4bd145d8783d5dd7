# SPDX-License-Identifier: Apache-2.0
"""What a verifier remembers: a log that grew proves that it did just that, one with a second history is refused."""
import os
import shutil

from cli_rig import DONE, UNVERIFIED, Case, Server, inference, read, stele, write

REGION = 'eu-central-1'
LOG = f'{REGION}/3y'
EXTENDS = 'Each log extends what your state file remembers of it'
UNCONNECTED = 'the file has no consistency proof from there'


class State(Case):
    def setUp(self):
        self.server = Server(REGION)
        self.addCleanup(self.server.remove)
        self.state = self.path('seen')

    def path(self, name):
        return os.path.join(self.server.folder, name)

    def prove(self, name, code=DONE, *words):
        out = self.path(name)
        done = self.server('query', '--region', REGION, '--tenant', 'acme', '--actor', 'alice', '-o', 'jsonl', '--prove', out,
                           *words)
        return out, self.ends(done, code)

    def verify(self, path, code=DONE, *said):
        return self.ends(stele('verify', path, '--key', self.server.vkeys, '--state', self.state), code, *said)

    def sizes(self):
        lines = [line.split(' ') for line in read(self.state).decode().splitlines() if line.startswith('log ')]
        return {origin: int(size) for _, origin, size, _ in lines}

    def grow(self, name, n=30):
        self.server.append(*(inference(f'{name}-{i}') for i in range(n)))

    def test_a_log_that_grew(self):
        with self.server:
            self.grow('first')
            self.verify(self.prove('first', DONE, '--state', self.state)[0])
            self.assertEqual(len(self.sizes()), 8)
            before = self.sizes()
            for n in range(3):
                self.grow(f'more-{n}')
                # A file that was made for nobody in particular leaves what is remembered as it is.
                said = self.verify(self.prove('plain')[0]).out
                self.assertIn(UNCONNECTED, said)
                self.assertEqual(self.sizes(), before)
                kept = read(self.state)
                out, _ = self.prove('more', DONE, '--state', self.state)
                self.assertEqual(read(self.state), kept)
                self.assertIn(EXTENDS, self.verify(out).out)
                self.assertTrue(all(size >= before[origin] for origin, size in self.sizes().items()))
                self.assertGreater(self.sizes()[f'audit.example.org/{LOG}'], before[f'audit.example.org/{LOG}'] + 30)
                before = self.sizes()
                self.verify(out)  # again: nothing is new
                self.assertEqual(self.sizes(), before)

    def test_a_second_history(self):
        """The same keys sign two continuations of one log: who saw one of them refuses the other."""
        regions, copy = os.path.join(self.server.data, 'regions'), self.path('copy')
        self.server.start()
        self.grow('common')
        self.server.stop()
        shutil.copytree(regions, copy)
        self.server.start()
        self.grow('one')
        self.verify(self.prove('one', DONE, '--state', self.state)[0])
        self.server.stop()
        shutil.rmtree(regions)
        shutil.copytree(copy, regions)
        with self.server:
            self.grow('other', 90)
            out, done = self.prove('forked', UNVERIFIED, '--state', self.state)
            self.assertIn('two histories are shown', done.err)
            self.assertFalse(os.path.exists(out))
            # A file without the proof is refused as well: an idle log has the same size and another root.
            before = read(self.state)
            self.verify(self.prove('other')[0], UNVERIFIED, 'two histories are shown')
            self.assertEqual(read(self.state), before)

    def test_mistakes(self):
        with self.server:
            ask = ('query', '--region', REGION, '--actor', 'alice')
            self.refuses(self.server(*ask, '--state', self.state), '--prove')
            self.refuses(self.server(*ask, '--prove', self.path('x'), '--state', self.state), '--tenant')
            write(self.state, 'no state')
            self.refuses(self.server(*ask, '--tenant', 'acme', '--prove', self.path('x'), '--state', self.state), 'no state file')
