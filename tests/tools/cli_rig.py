# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: commands run against a server of their own, made-up events.

Nothing here knows the code: a command is a process, with its exit code, stdout and stderr.
"""
import json
import os
import queue
import subprocess
import threading
import unittest

import server
from server import PATIENCE_S, wait_until  # noqa: F401  (for the tests, beside what is here)

TOOLS = os.environ['STELE_TOOLS']  # the folder of stele and steled
STELE, STELED = os.path.join(TOOLS, 'stele'), os.path.join(TOOLS, 'steled')

DONE, NONE, USAGE, UNREACHABLE, UNVERIFIED, INCOMPLETE = range(6)


class Done:
    """A command that has ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def lines(self):
        """JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(*words, stdin='', cwd=None, timeout=PATIENCE_S, stdout=subprocess.PIPE):
    """Runs a command to its end. stdin: text, bytes, or None for no input at all."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(words, input=data, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd, timeout=timeout, check=False)
    return Done(done.returncode, (done.stdout or b'').decode(), done.stderr.decode())


def stele(*words, **options):
    return run(STELE, *words, **options)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(path, content):
    with open(path, 'wb') as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return path


def flip(path, at):
    """Changes one bit; again, and it is as before."""
    data = bytearray(read(path))
    data[at] ^= 1
    write(path, bytes(data))


class Server(server.Server):
    """The same with commands as the tests judge them."""

    def __init__(self, *regions):
        super().__init__(TOOLS, regions)

    def __call__(self, *words, **options):
        """Runs a command with this server's client.conf."""
        return stele('--config', self.config, *words, **options)

    def popen(self, *words, **options):
        """The same, not waited for; stdout and stderr are text pipes."""
        settings = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, 'bufsize': 1}
        return subprocess.Popen([STELE, '--config', self.config, *words], **{**settings, **options})

    def append(self, *events, region=None):
        """Ships events that must all be taken. Returns the acknowledgements."""
        flags = ['--region', region] if region else []
        done = self('append', *flags, stdin=jsonl(*events))
        assert done.code == DONE, done.err + done.out
        return done.lines()


def end(process):
    """Of a test that is over: no process and no pipe is left."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def lines_of(process):
    """A queue of the lines of its stdout, as they come; None at the end."""
    found = queue.Queue()

    def take():
        for line in process.stdout:
            found.put(line)
        found.put(None)
    threading.Thread(target=take, daemon=True).start()
    return found


def jsonl(*events):
    return ''.join((event if isinstance(event, str) else json.dumps(event)) + '\n' for event in events)


def inference(event_id, **members):
    """A valid inference event of eu-central-1; a member that is None is left out."""
    event = {
        'schema_version': 'stele.v1', 'event_id': event_id, 'time': '2026-03-01T12:00:00Z', 'tenant': 'acme',
        'region': 'eu-central-1', 'event_type': 'inference', 'action': 'invoke', 'outcome': 'success',
        'actor': {'id': 'alice', 'type': 'user', 'session_id': 's-1', 'credential_id': 'key-1'},
        'resource': [{'id': 'model:fraud', 'type': 'model', 'version': '3.1', 'role': 'target'}],
        'source': {'service': 'gateway', 'adapter': 'native'}, 'correlation_id': 'request-1',
        'inference': {'model_id': 'fraud', 'model_version': '3.1', 'operation': 'chat', 'input': 'sha256:' + '11' * 32,
                      'output': 'sha256:' + '22' * 32}}
    event.update(members)
    return {name: value for name, value in event.items() if value is not None}


def access(event_id, **members):
    """A valid access event of eu-central-1."""
    return inference(event_id, **{'event_type': 'access', 'action': 'read', 'inference': None,
                                  'resource': [{'id': 's3://training/a', 'type': 'dataset', 'role': 'target'}],
                                  'access': {'purpose': 'training', 'permission': 'dataset.read'}, **members})


class Case(unittest.TestCase):
    """A test of commands: the exit code first, so that a wrong one shows what was said."""
    maxDiff = 4000

    def ends(self, done, code, *said):
        """The code, and what stderr says; nothing of it is printed twice."""
        self.assertEqual(done.code, code, f'stdout: {done.out[-1000:]}\nstderr: {done.err[-1000:]}')
        for text in said:
            self.assertIn(text, done.err)
        lines = [line for line in done.err.splitlines() if line]
        self.assertEqual(len(lines), len(set(lines)), f'a line is printed twice:\n{done.err}')
        return done

    def refuses(self, done, *said):
        """A usage error: 2, nothing on stdout, one or two lines on stderr."""
        self.ends(done, USAGE, *said)
        self.assertEqual(done.out, '')
        self.assertLessEqual(len(done.err.splitlines()), 3, done.err)
        return done
