# SPDX-License-Identifier: Apache-2.0
"""A steled of the test's own with the clients the table needs, what it holds, and one who must notice nothing.

STELE_PATIENCE_S: waits end as soon as what is waited for is there; only a hanging server reaches this.
"""
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import wire


def skip(why):
    """77: the test says what it skipped and why."""
    print(f'skipped: {why}')
    sys.exit(77)


try:
    import grpc
except ImportError as missing:
    skip(f'{sys.executable}: {missing} (Debian: python3-grpcio)')

PATIENCE_S = int(os.environ.get('STELE_PATIENCE_S', '120'))
ORIGIN = 'audit.example.org'
EXPIRED_DAYS = -1

CONF = """listen: "127.0.0.1:0"
operator_domain: {origin}
data: regions
tls: {{certificate: ../tls/server.pem, private_key: ../tls/server.key, client_ca: ../tls/ca.pem}}
default_retention_years: 3
drain_ms: 600000
{settings}
regions:
{regions}
clients:
  - {{peer: "cn:writer", regions: ["*"], tenants: [acme], may: [append, query]}}
  - {{peer: "cn:auditor", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
  - {{peer: "cn:flood", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
  - {{peer: "cn:greedy", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
  - {{peer: "cn:hoarder", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
  - {{peer: "cn:bystander", regions: [{region}], tenants: [quiet], may: [append, query]}}
  - {{peer: "cn:expired", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
  - {{peer: "cn:stranger", regions: ["*"], tenants: ["*"], may: [append, query, read_log]}}
"""


def wait_until(claim, what, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, f'waited {seconds} s until {what}'
        time.sleep(0.02)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


# ------------------------------------------------------------------ certificates

def make_certificates(folder):
    """ca and foreign; server; writer, auditor, flood, greedy, hoarder, bystander and nobody by ca; expired by ca; stranger by foreign."""
    os.mkdir(folder)

    def openssl(*words):
        done = subprocess.run(['openssl', *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f'openssl {words}: {done.stderr}'

    def key(name):
        openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', f'{name}.key')
        os.chmod(f'{folder}/{name}.key', 0o600)

    def leaf(name, authority, alternative, days=2):
        key(name)
        openssl('req', '-new', '-key', f'{name}.key', '-out', f'{name}.csr', '-subj', f'/CN={name}')
        with open(f'{folder}/{name}.ext', 'w', encoding='ascii') as file:
            file.write(f'subjectAltName={alternative}\n')
        openssl('x509', '-req', '-in', f'{name}.csr', '-CA', f'{authority}.pem', '-CAkey', f'{authority}.key',
                '-CAcreateserial', '-days', str(days), '-extfile', f'{name}.ext', '-out', f'{name}.pem')

    for authority in ('ca', 'foreign'):
        key(authority)
        openssl('req', '-x509', '-new', '-key', f'{authority}.key', '-out', f'{authority}.pem', '-days', '2',
                '-subj', f'/CN={authority}')
    leaf('server', 'ca', 'DNS:localhost,IP:127.0.0.1')
    for name in ('writer', 'auditor', 'flood', 'greedy', 'hoarder', 'bystander', 'nobody'):
        leaf(name, 'ca', f'URI:spiffe://test/{name}')
    leaf('expired', 'ca', 'URI:spiffe://test/expired', days=EXPIRED_DAYS)
    leaf('stranger', 'foreign', 'URI:spiffe://test/stranger')


# ------------------------------------------------------------------ the server

class Server:
    """steled over a new store, with `settings` (lines of steled.conf) beside the usual ones, and at most `files`."""

    def __init__(self, tools, settings='', files=None):
        self.tools, self.files = tools, files
        self.folder = tempfile.mkdtemp(prefix='stele-refusals-', dir=os.environ.get('TMPDIR', '/tmp'))
        self.tls, self.data = f'{self.folder}/tls', f'{self.folder}/data'
        self.ready, self.log = f'{self.folder}/ready', f'{self.folder}/steled.log'
        self.process, self.channels, self.settings = None, [], settings

    def __enter__(self):
        try:
            make_certificates(self.tls)
            regions = (wire.REGION, wire.OTHER_REGION)
            names = [word for region in regions for word in ('--region', region)]
            done = subprocess.run([f'{self.tools}/stele', 'init', '--data', self.data, *names, '--origin', ORIGIN],
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            self.write_conf(regions)
            self.start()
            return self
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def write_conf(self, regions):
        logs = ''.join(f'      - {{name: {years}y, retention_years: {years}}}\n' for years in range(1, 8))
        listed = ''.join(f'  - name: {region}\n    logs:\n{logs}      - {{name: system, retention_years: 7}}\n'
                         for region in regions)
        with open(f'{self.data}/steled.conf', 'w', encoding='ascii') as file:
            file.write(CONF.format(origin=ORIGIN, settings=self.settings, regions=listed, region=regions[0]))

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen([f'{self.tools}/steled', '--config', f'{self.data}/steled.conf',
                                             '--ready-file', self.ready], stderr=log, preexec_fn=self.limit_files)
        wait_until(lambda: os.path.exists(self.ready) or self.process.poll() is not None, 'steled is ready')
        assert self.process.poll() is None, self.log_text()
        host, port = read(self.ready).decode().strip().rsplit(':', 1)
        self.address, self.target = (host, int(port)), f'{host}:{port}'

    def limit_files(self):
        if self.files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def stop(self):
        """SIGTERM; the exit code. drain_ms is ten minutes: what holds a drain is found here."""
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def __exit__(self, kind, value, trace):
        for channel in self.channels:
            channel.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if kind is not None and kind is not SystemExit and os.path.exists(self.log):
            sys.stderr.write('the end of the log of steled:\n' + self.log_text()[-4000:])
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_text(self):
        return read(self.log).decode(errors='replace')

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    # What the process holds.
    def memory_mib(self):
        for line in read(f'/proc/{self.process.pid}/status').decode().splitlines():
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) / 1024
        raise AssertionError('no VmRSS')

    def n_files(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def certificate(self, name):
        return f'{self.tls}/{name}.pem', f'{self.tls}/{name}.key'

    def channel(self, name, **options):
        """A connection of its own. name None: no certificate."""
        own = (read(f'{self.tls}/{name}.key'), read(f'{self.tls}/{name}.pem')) if name else (None, None)
        credentials = grpc.ssl_channel_credentials(read(f'{self.tls}/ca.pem'), *own)
        settings = {'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': 8 << 20,
                    'grpc.max_send_message_length': -1, **options}
        made = grpc.secure_channel(self.target, credentials, options=list(settings.items()))
        self.channels.append(made)
        return made

    def client_conf(self, name):
        """A client.conf for the command line, as that client."""
        path = f'{self.data}/{name}.conf'
        with open(path, 'w', encoding='ascii') as file:
            file.write(f'server: {self.target}\nserver_ca: {self.tls}/ca.pem\ncertificate: {self.tls}/{name}.pem\n'
                       f'private_key: {self.tls}/{name}.key\nvkeys: {self.data}/vkeys\nregions: [{wire.REGION}]\n')
        return path


# ------------------------------------------------------------------ calls

def append(channel, request, seconds=PATIENCE_S, **options):
    return channel.unary_unary('/stele.v1.Ingest/Append')(request, timeout=seconds, **options)


def append_stream(channel, requests, seconds=PATIENCE_S):
    """({ordinal: (log, seq)}, {ordinal: (code, error)}, events acked) of a stream, whatever its end."""
    stored, refused, acked = {}, {}, 0
    for response in channel.stream_stream('/stele.v1.Ingest/AppendStream')(iter(requests), timeout=seconds):
        found = wire.decode(response)
        acked = max(acked, wire.one(found, 1))
        for part in map(wire.decode, found.get(2, [])):
            first, log, seq = wire.one(part, 1), wire.one(part, 3).decode(), wire.one(part, 4)
            stored.update({first + i: (log, seq + i) for i in range(wire.one(part, 2))})
        for part in map(wire.decode, found.get(3, [])):
            refused[wire.one(part, 1)] = (wire.one(part, 2), wire.one(part, 3, b'').decode())
    return stored, refused, acked


def search(channel, request, seconds=PATIENCE_S):
    """All hits and the end of one call."""
    hits, end = [], None
    for response in channel.unary_stream('/stele.v1.Query/Search')(request, timeout=seconds):
        more, end = wire.search_hits(response)
        hits += more
    assert end is not None, 'an answer without an end'
    return hits, end


def search_all(channel, **question):
    """All hits of all pages, and how many calls it took."""
    hits, calls, cursor = [], 0, None
    while True:
        more, end = search(channel, wire.search_request(cursor=cursor, **question))
        hits, calls, cursor = hits + more, calls + 1, wire.one(end, 2, b'')
        if not cursor:
            return hits, calls


class Bystander(threading.Thread):
    """Another client that appends all the while. Each of its events must be taken, and be there at the end."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.channel = server.channel('bystander')
        self.stop_now, self.problem = threading.Event(), None
        self.places = {}  # event id -> (log, seq)

    def run(self):
        number = 0
        while not self.stop_now.is_set() and self.problem is None:
            number += 1
            event_id = f'quiet-{number}'
            try:
                reply = append(self.channel, wire.append_request([wire.event(event_id, tenant='quiet')]))
                log, seq, duplicate, code, error = wire.append_results(reply)[0]
                if code != 0 or duplicate:
                    self.problem = f'{event_id}: {code} {error} duplicate={duplicate}'
                self.places[event_id] = (log, seq)
            except grpc.RpcError as error:
                self.problem = f'{event_id}: {error.code()} {error.details()}'
            self.stop_now.wait(0.01)

    def goes_on(self):
        """Two more events are acknowledged from now on: at least one was sent after this call."""
        goal = len(self.places) + 2
        wait_until(lambda: self.problem is not None or len(self.places) >= goal, 'another client is acknowledged')
        assert self.problem is None, f'another client lost something: {self.problem}'

    def finish(self):
        self.stop_now.set()
        self.join(PATIENCE_S)
        assert self.problem is None and not self.is_alive(), self.problem
        hits, _ = search_all(self.channel, tenant='quiet')
        found = {wire.one(wire.decode(event), wire.EVENT_ID).decode(): (log, seq) for log, seq, event in hits}
        assert len(hits) == len(found) and found == self.places, \
            f'{len(self.places)} acknowledged, {len(hits)} there, {set(self.places.items()) ^ set(found.items())}'
        return len(found)
