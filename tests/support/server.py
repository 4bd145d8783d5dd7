# SPDX-License-Identifier: Apache-2.0
"""A server of a test's own in a temporary folder: stele init, steled, and the command line against it.

Commands are processes: nothing here knows the code. Waits are generous, because a machine may be busy, and end as
soon as what is waited for is there.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ORIGIN = 'audit.example.org'
PATIENCE_S = 240
ONLY_WHEN_ASKED = 4294967295


def skip(why):
    """77: the test says what it skipped and why."""
    print(f'skipped: {why}')
    sys.exit(77)


def skip_soak():
    if os.environ.get('STELE_DATA_FULL') != '1':
        skip('a soak test; it runs with STELE_DATA_FULL=1')


def wait_until(claim, what):
    end = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < end, f'waited {PATIENCE_S} s until {what}'
        time.sleep(0.02)


class Server:
    """A data folder from the first moment on, a running steled in a `with` or after start()."""

    def __init__(self, tools, regions):
        self.tools, self.regions = tools, regions
        self.folder = tempfile.mkdtemp(prefix='stele-test-', dir=os.environ.get('TMPDIR', '/tmp'))
        self.data = f'{self.folder}/data'
        self.config, self.steled_conf = f'{self.data}/client.conf', f'{self.data}/steled.conf'
        self.vkeys = f'{self.data}/vkeys'
        self.ready, self.log = f'{self.folder}/ready', f'{self.folder}/steled.log'
        self.process, self.address = None, None
        try:
            self.init()
        except BaseException:
            self.remove()
            raise

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.process is not None:
                code = self.stop()
                assert code == 0, f'steled ended with {code}: {self.log_text()[-2000:]}'
            if kind is not None and kind is not SystemExit and os.path.exists(self.log):
                sys.stderr.write('the end of the log of steled:\n' + self.log_text()[-4000:])
        finally:
            self.remove()

    def init(self):
        names = [word for region in self.regions for word in ('--region', region)]
        done = self.run('init', '--data', self.data, *names, '--origin', ORIGIN, '--listen', '127.0.0.1:0', config=False)
        assert done.returncode == 0, done.stderr
        # Tests that name entries by number need a log that gets none of its own.
        with open(self.steled_conf, 'a', encoding='utf-8') as file:
            file.write(f'index_interval_ms: {ONLY_WHEN_ASKED}\n')
        # One line a log: the name that answers carry, and its key.
        self.vkey_of = dict(line.split(' ') for line in done.stdout.splitlines())

    def start(self, *words):
        if os.path.exists(self.ready):
            os.remove(self.ready)
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [f'{self.tools}/steled', '--config', self.steled_conf, '--ready-file', self.ready, *words], stderr=log)
        wait_until(lambda: os.path.exists(self.ready) or self.process.poll() is not None, 'steled is ready')
        assert self.process.poll() is None, f'steled ended with {self.process.returncode}: {self.log_text()[-2000:]}'
        # Port 0 was asked for: the ready file says which one it became.
        with open(self.ready, encoding='utf-8') as file:
            self.address = file.read().strip()
        self.point_at(self.address)
        return self

    def point_at(self, address):
        self.change(self.config, lambda line: f'server: {address}\n' if line.startswith('server:') else line)

    def keep_port(self):
        """The next start takes the port of this one, so that a client that waits finds it again."""
        port = self.address.rpartition(':')[2]
        self.change(self.steled_conf, lambda line: line.replace('127.0.0.1:0', f'127.0.0.1:{port}'))

    @staticmethod
    def change(path, change):
        with open(path, encoding='utf-8') as file:
            lines = [change(line) for line in file]
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(lines)

    def log_text(self):
        with open(self.log, encoding='utf-8') as file:
            return file.read()

    def stop(self):
        """SIGTERM. Returns the exit code of steled."""
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def remove(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)  # a test may have stopped it
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *words, config=True, **options):
        """Runs the command line to its end; text in, text out."""
        settings = {'capture_output': True, 'text': True, **options}
        front = ['--config', self.config] if config else []
        return subprocess.run([f'{self.tools}/stele', *front, *words], check=False, **settings)
