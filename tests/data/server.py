# SPDX-License-Identifier: Apache-2.0
"""A server of our own in a temporary folder: stele init, steled, and the command line against it."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

SECONDS_TO_START = 60
SECONDS_TO_STOP = 60


def skip(why):
    """77: the test says what it skipped and why."""
    print(f'skipped: {why}')
    sys.exit(77)


def skip_soak():
    if os.environ.get('STELE_DATA_FULL') != '1':
        skip('a soak test; it runs with STELE_DATA_FULL=1')


class Server:
    """Stopped by SIGTERM and removed at the end of a `with`."""

    def __init__(self, tools, regions, environment=None):
        self.tools, self.regions = tools, regions
        self.environment = {**os.environ, **(environment or {})}
        self.folder = tempfile.mkdtemp(prefix='stele-data-', dir=os.environ.get('TMPDIR', '/tmp'))
        self.data = f'{self.folder}/data'
        self.config = f'{self.data}/client.conf'
        self.process = None
        self.log = f'{self.folder}/steled.log'

    def __enter__(self):
        try:
            self.init()
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if kind is not None and kind is not SystemExit and os.path.exists(self.log):
            with open(self.log, encoding='utf-8') as file:
                sys.stderr.write('the end of the log of steled:\n' + file.read()[-4000:])
        shutil.rmtree(self.folder, ignore_errors=True)

    def init(self):
        names = [word for region in self.regions for word in ('--region', region)]
        done = self.run('init', '--data', self.data, *names, '--origin', 'audit.example.org',
                        '--listen', '127.0.0.1:0', config=False)
        assert done.returncode == 0, done.stderr
        # One line a log: the name that answers carry, and its key.
        self.vkeys = dict(line.split(' ') for line in done.stdout.splitlines())
        with open(f'{self.data}/vkeys', encoding='utf-8') as file:
            assert sorted(file.read().split()) == sorted(self.vkeys.values()), 'vkeys differ from what init printed'

    def start(self):
        ready = f'{self.folder}/ready'
        if os.path.exists(ready):
            os.remove(ready)
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [f'{self.tools}/steled', '--config', f'{self.data}/steled.conf', '--ready-file', ready],
                stderr=log, env=self.environment)
        end = time.monotonic() + SECONDS_TO_START
        while not os.path.exists(ready):
            assert self.process.poll() is None, f'steled ended with {self.process.returncode}'
            assert time.monotonic() < end, f'steled is not ready after {SECONDS_TO_START} s'
            time.sleep(0.02)
        # Port 0 was asked for: the ready file says which one it became.
        with open(ready, encoding='utf-8') as file:
            address = file.read().strip()
        with open(self.config, encoding='utf-8') as file:
            lines = [f'server: {address}\n' if line.startswith('server: ') else line for line in file]
        with open(self.config, 'w', encoding='utf-8') as file:
            file.writelines(lines)

    def stop(self):
        """Returns the exit code of steled."""
        self.process.terminate()
        return self.process.wait(SECONDS_TO_STOP)

    def run(self, *words, config=True, **options):
        """Runs the command line to its end; text in, text out."""
        settings = {'capture_output': True, 'text': True, 'env': self.environment, **options}
        front = ['--config', self.config] if config else []
        return subprocess.run([f'{self.tools}/stele', *front, *words], check=False, **settings)
