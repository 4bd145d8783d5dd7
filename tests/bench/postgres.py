# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of one's own in a folder, and a client that speaks its protocol (version 3) itself: what is timed is the
server and the way to the client, and no driver. Rows are counted after the time was taken."""
import ctypes
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time

PROGRAMS = '/usr/lib/postgresql/15/bin'
PORT = 55432  # of the socket's name: nothing listens on a network
SETTINGS = {
    'listen_addresses': '', 'synchronous_commit': 'on', 'fsync': 'on', 'full_page_writes': 'on', 'shared_buffers': '2GB',
    'max_wal_size': '4GB', 'jit': 'off', 'port': str(PORT),
}


def missing():
    """Why there is no PostgreSQL to measure; None: there is."""
    if not os.access(f'{PROGRAMS}/postgres', os.X_OK):
        return f'no {PROGRAMS}/postgres; apt-get install postgresql-15'
    if os.getuid() == 0:
        try:
            pwd.getpwnam('postgres')
        except KeyError:
            return 'PostgreSQL does not run as root, and there is no user postgres'
    return None


class Postgres:
    """Everything is below `folder`. As root it runs as the user postgres: it refuses root."""

    def __init__(self, folder, settings=None):
        self.data, self.sockets, self.log = (f'{folder}/{name}' for name in ('data', 'run', 'log'))
        self.settings = dict(SETTINGS, **(settings or {}))
        self.process = None
        self.user = pwd.getpwnam('postgres') if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        os.makedirs(self.sockets)
        if os.getuid() == 0:
            for path in (folder, self.sockets):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        subprocess.run([f'{PROGRAMS}/initdb', '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '-D', self.data],
                       stdout=subprocess.DEVNULL, check=True, **self.as_user())

    def as_user(self):
        words = {'cwd': '/', 'env': {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'}}
        if os.getuid() == 0:
            words.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        return words

    def start(self):
        words = [f'{PROGRAMS}/postgres', '-D', self.data, '-k', self.sockets]
        for name, value in self.settings.items():
            words += ['-c', f'{name}={value}']
        # A group of its own, because Ctrl-C is for the measurement, which then stops it; and it dies with the
        # measurement, however that ends.
        library = ctypes.CDLL(None)
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            preexec_fn=lambda: library.prctl(1, signal.SIGINT), **self.as_user())
        end = time.monotonic() + 120
        while True:
            try:
                Client(self).close()
                return self
            except (OSError, ServerError):
                if self.process.poll() is not None or time.monotonic() > end:
                    with open(self.log, errors='replace') as log:
                        raise SystemExit(f'PostgreSQL did not start: {log.read()[-800:]}') from None
                time.sleep(0.05)

    def stop(self, fast=True):
        """fast: with its checkpoint, as an operator stops it; else at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if fast else signal.SIGQUIT)
            self.process.wait(600)
        self.process = None

    def remove(self):
        self.stop(fast=False)
        shutil.rmtree(os.path.dirname(self.data), ignore_errors=True)


class ServerError(Exception):
    pass


def text(value):
    return value.encode() + b'\0'


class Client:
    """One connection. Simple queries; a prepared one with binary results; COPY in."""

    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.buffer = b''
        try:
            self.socket.connect(f'{server.sockets}/.s.PGSQL.{PORT}')
            body = struct.pack('!I', 196608) + text('user') + text('postgres') + text('database') + text('postgres') + b'\0'
            self.socket.sendall(struct.pack('!I', len(body) + 4) + body)
            self.until_ready()
        except BaseException:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack('!I', len(body) + 4) + body)

    def receive(self, size):
        while len(self.buffer) < size:
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise OSError('PostgreSQL closed the connection')
            self.buffer += piece

    def message(self):
        self.receive(5)
        size = 1 + struct.unpack('!I', self.buffer[1:5])[0]
        self.receive(size)
        kind, body, self.buffer = self.buffer[:1], self.buffer[5:size], self.buffer[size:]
        if kind == b'E':
            fields = [field[1:].decode(errors='replace') for field in body.split(b'\0') if field[:1] in (b'M', b'D')]
            raise ServerError(': '.join(fields))
        return kind, body

    def until_ready(self):
        rows = []
        while True:
            kind, body = self.message()
            if kind == b'D':
                rows.append(body)
            if kind == b'Z':
                return rows

    def run(self, sql):
        self.send(b'Q', text(sql))
        self.until_ready()

    def value(self, sql):
        """The only column of the only row, as text."""
        self.send(b'Q', text(sql))
        row = self.until_ready()[0]
        return row[6:].decode()

    def copy(self, sql, source, start, end):
        """Sends the bytes [start, end) of a file to a COPY ... FROM STDIN."""
        self.send(b'Q', text(sql))
        while self.message()[0] != b'G':
            pass
        for at in range(start, end, 1 << 18):
            self.send(b'd', source[at:min(at + (1 << 18), end)])
        self.send(b'c', b'')
        self.until_ready()

    def prepare(self, sql):
        self.send(b'P', b'\0' + text(sql) + b'\0\0')
        self.send(b'S', b'')
        self.until_ready()

    def ask(self, *arguments):
        """Runs what was prepared. (rows, seconds to the first row's bytes, seconds to the end)."""
        body = b'\0\0\0\0' + struct.pack('!H', len(arguments))
        for argument in arguments:
            body += struct.pack('!I', len(argument)) + argument.encode()
        body += struct.pack('!HH', 1, 1)  # all results binary
        request = b''.join(kind + struct.pack('!I', len(part) + 4) + part
                           for kind, part in ((b'B', body), (b'E', b'\0' + struct.pack('!I', 0)), (b'S', b'')))
        pieces, first = [], None
        start = time.perf_counter()
        self.socket.sendall(request)
        while True:
            piece = self.socket.recv(1 << 20)
            pieces.append(piece)
            if first is None and len(b''.join(pieces)) > 5 and b''.join(pieces)[5:6] == b'D':
                first = time.perf_counter() - start
            if not piece or pieces[-1].endswith(b'Z\0\0\0\x05I') or b''.join(pieces[-2:]).endswith(b'Z\0\0\0\x05I'):
                break
        last = time.perf_counter() - start
        self.buffer = b''.join(pieces)
        return len(self.until_ready()), last if first is None else first, last
