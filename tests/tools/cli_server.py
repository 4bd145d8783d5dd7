# SPDX-License-Identifier: Apache-2.0
"""`steled`: its configuration, how it starts, what it refuses, how it stops."""
import json
import os
import shutil
import signal
import socket
import subprocess
import unittest

from cli_rig import (DONE, INCOMPLETE, PATIENCE_S, STELED, UNREACHABLE, UNVERIFIED, USAGE, Case, Server, end, inference, jsonl, read, run,
                     wait_until, write)

REGION = 'eu-1'
LOG = f'{REGION}/3y'


def steled(*words, **options):
    return run(STELED, *words, **options)


class Config(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(REGION, 'us-1')
        cls.conf = cls.server.steled_conf
        cls.text = read(cls.conf).decode()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def tearDown(self):
        write(self.conf, self.text)

    def check(self):
        return steled('--config', self.conf, '--check-config')

    def test_a_good_one(self):
        done = self.ends(self.check(), DONE, f'{self.conf} is good: 2 regions, 1 clients')
        self.assertEqual(done.out, '')
        for cwd, conf in ((self.server.data, 'steled.conf'), ('/', self.conf), (self.server.folder, './data/../data/steled.conf')):
            self.ends(steled('--config', conf, '--check-config', cwd=cwd), DONE)
        # It disturbs no server that runs.
        self.server.start()
        self.ends(self.check(), DONE)
        self.server.stop()

    def test_says_what_is_wrong_and_where(self):
        clients = self.text.index('clients:')
        for old, new, said in (
                ('listen:', 'lisen:', 'line 2: Unexpected key: lisen'),
                ('listen:', 'listen: 127.0.0.1:1\nlisten:', 'already seen: listen'),
                ('"127.0.0.1:0"', '127.0.0.1', 'ADDR:PORT'), ('"127.0.0.1:0"', '127.0.0.1:65536', 'ADDR:PORT'),
                ('operator_domain: audit.example.org\n', '', 'operator_domain'),
                ('default_retention_years: 3', 'default_retention_years: three', "'three'"),
                ('default_retention_years: 3', 'default_retention_years: 8', 'write 1 to 7'),
                ('default_retention_years: 3', 'default_retention_years: -3', "'-3'"),
                ('default_retention_years: 3', 'default_retention_years: 3\ndrain_ms: 700000', 'drain_ms'),
                ('name: eu-1', 'name: EU-1', "'EU-1'"), ('name: us-1', 'name: eu-1', "'eu-1' stands there twice"),
                ('{name: 2y,', '{name: 1y,', "log '1y' stands there twice"), ('{name: 2y,', '{name: "2 y",', "'2 y'"),
                ('retention_years: 7}', 'retention_years: 8}', 'write 1 to 7'),
                ('retention_years: 7}', 'retention_years: 256}', "'256'"),
                ('{name: system, retention_years: 7}', '{name: sys, retention_years: 7}', "no log named 'system'"),
                ('{name: system, retention_years: 7}', '{name: system, retention_years: 7, tenants: [acme]}', 'system log'),
                ('cn:stele', 'stele', 'peer'), ('may: [append', 'may: [write', "may 'write'"), ('may: [append', 'may: [append, append', ''),
                ('tls/server.pem', 'tls/none.pem', 'certificate: there is no file'), ('tls/server.key', 'vkeys', 'private_key'),
                ('tls/ca.pem', 'steled.conf', 'client_ca'), ('tls/ca.pem', 'tls', 'client_ca'),
                ('data: regions', 'data: elsewhere', "region 'eu-1' has no store"),
                ('name: us-1', 'name: ap-1', "region 'ap-1' has no store"),
                ('regions:\n', 'regions: [\n', 'steled.conf'), (self.text, '', 'it is empty'), (self.text, '\n# nothing\n', ''),
                (self.text, '[1, 2]\n', ''), (self.text[clients:], '', 'clients'), (self.text, '\0' * 100, '')):
            with self.subTest(new=new[:60]):
                self.assertIn(old, self.text)
                write(self.conf, self.text.replace(old, new, 1))
                for words in (('--check-config',), ()):
                    done = self.ends(steled('--config', self.conf, *words), USAGE, said)
                    self.assertEqual(done.out, '')

    def test_files_that_are_none(self):
        self.ends(steled('--config', '/nowhere/steled.conf'), USAGE, "'/nowhere/steled.conf'")
        self.ends(steled('--config', self.server.data), USAGE)
        self.ends(steled('--config', '/dev/null', '--check-config'), USAGE)

    def test_a_key_that_others_can_read(self):
        key = os.path.join(self.server.data, 'tls/server.key')
        for mode, code in ((0o600, DONE), (0o640, DONE), (0o604, USAGE), (0o644, USAGE), (0o400, DONE)):
            os.chmod(key, mode)
            done = self.check()
            self.ends(done, code, *(('private_key', 'chmod') if code == USAGE else ()))
        os.chmod(key, 0o644)
        self.ends(steled('--config', self.conf), USAGE, 'private_key')
        os.chmod(key, 0o600)
        signing = os.path.join(self.server.data, 'regions', REGION, 'keys', '3y.signing')
        os.chmod(signing, 0o644)
        done = steled('--config', self.conf)
        self.ends(done, UNREACHABLE, '3y.signing')
        os.chmod(signing, 0o600)

    def test_wrong_calls(self):
        for words, said in (((), '--config'), (('--config',), 'needs a value'), (('--config', self.conf, 'x'), 'x belongs to no flag'),
                            (('--colour',), '--colour'), (('--check-config',), '--config'),
                            (('--config', self.conf, '--not-before', '/nowhere/c'), "'/nowhere/c'")):
            done = self.ends(steled(*words), USAGE, said)
            self.assertEqual(done.out, '')


class Start(Case):
    def setUp(self):
        self.server = Server(REGION)
        self.conf = self.server.steled_conf

    def tearDown(self):
        self.server.remove()

    def last_line(self, done):
        return json.loads(done.err.splitlines()[-1])

    def test_logs_json_lines(self):
        self.server.start()
        self.server.stop()
        lines = [json.loads(line) for line in self.server.log_text().splitlines()]
        self.assertEqual([line['msg'] for line in lines], ['serving', 'stopping', 'stopped'])
        for line in lines:
            self.assertRegex(line['time'], r'^20\d\d-.*Z$')
            self.assertEqual(line['level'], 'info')
        self.assertEqual(lines[0]['address'], self.server.address)

    def test_ready_file(self):
        write(self.server.ready, 'old\n')
        other = self.server.ready + '.other'
        write(other, 'a file of a killed server\n')
        process = subprocess.Popen([STELED, '--config', self.conf, '--ready-file', other], stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(other) and read(other).startswith(b'127.0.0.1:'), 'the address is there')
        self.assertRegex(read(other).decode(), r'^127\.0\.0\.1:\d+\n$')
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), DONE)
        self.assertFalse(os.path.exists(other))

    def test_a_second_one_on_the_same_data(self):
        self.server.start()
        done = steled('--config', self.conf)
        self.ends(done, UNREACHABLE)
        line = self.last_line(done)
        self.assertEqual(line['level'], 'fatal')
        self.assertIn(f'held by process {self.server.process.pid}', line['msg'])
        self.assertEqual(len(self.server.append(inference('still', region=REGION))), 1)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            address = f'127.0.0.1:{taken.getsockname()[1]}'
            write(self.conf, read(self.conf).decode().replace('127.0.0.1:0', address))
            done = steled('--config', self.conf)
            self.ends(done, UNREACHABLE)
            self.assertIn(f"'{address}' is in use", self.last_line(done)['msg'])
        self.server.start().stop()

    def test_a_certificate_that_does_not_fit_its_key(self):
        shutil.copy(os.path.join(self.server.data, 'tls/client.pem'), os.path.join(self.server.data, 'tls/server.pem'))
        done = steled('--config', self.conf)
        self.assertIn(done.code, (USAGE, UNREACHABLE))
        self.assertRegex(self.last_line(done)['msg'], 'certificate|key')

    def test_a_store_of_another_region(self):
        other = Server('us-1')
        try:
            shutil.rmtree(os.path.join(self.server.data, 'regions', REGION))
            shutil.copytree(os.path.join(other.data, 'regions/us-1'), os.path.join(self.server.data, 'regions', REGION))
            done = steled('--config', self.conf)
            self.assertIn(done.code, (USAGE, UNREACHABLE, UNVERIFIED))
            self.assertIn('us-1', self.last_line(done)['msg'])
        finally:
            other.remove()

    def test_not_before(self):
        """A store that is older than a checkpoint somebody kept is not served."""
        server = self.server.start()
        server.append(*(inference(f'a-{i}', region=REGION) for i in range(10)))
        server.stop()
        copy = os.path.join(server.folder, 'copy')
        shutil.copytree(os.path.join(server.data, 'regions'), copy)
        server.start()
        server.append(*(inference(f'b-{i}', region=REGION) for i in range(10)))
        server('receipt', '--log', LOG, '--seq', '15', '--out', os.path.join(server.folder, 'r'))
        kept = os.path.join(server.folder, 'kept')
        self.ends(server('checkpoint', '--log', LOG, '--out', kept), DONE)
        server.stop()
        server.start('--not-before', kept)
        server.stop()
        shutil.rmtree(os.path.join(server.data, 'regions'))
        shutil.copytree(copy, os.path.join(server.data, 'regions'))
        done = steled('--config', self.conf, '--not-before', kept)
        self.ends(done, UNVERIFIED)
        self.assertIn(LOG.split('/')[1], self.last_line(done)['msg'])
        # What is no checkpoint of this store.
        forged = write(os.path.join(server.folder, 'forged'), read(kept).decode().replace('audit.example.org', 'other.example'))
        self.ends(steled('--config', self.conf, '--not-before', forged), USAGE)
        torn = write(os.path.join(server.folder, 'torn'), read(kept)[:-5])
        self.assertIn(steled('--config', self.conf, '--not-before', torn).code, (USAGE, UNVERIFIED))
        self.assertIn(steled('--config', self.conf, '--not-before', '/dev/null').code, (USAGE, UNVERIFIED))
        server.start().stop()


class Stop(Case):
    def setUp(self):
        self.server = Server(REGION).start()

    def tearDown(self):
        self.server.remove()

    def test_each_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if self.server.process is None:
                self.server.start()
            self.server.process.send_signal(number)
            self.assertEqual(self.server.process.wait(PATIENCE_S), DONE)
            self.server.process = None
            self.assertIn('"stopped"', self.server.log_text())

    def test_drains_with_streams_open(self):
        """An open append that says nothing, one that has much to say, a tail, a query nobody reads: none holds it up."""
        path = write(os.path.join(self.server.folder, 'many'), jsonl(*(inference(f'many-{i}', region=REGION) for i in range(20000))))
        self.ends(self.server('append', path, stdin=None), DONE)
        idle = self.server.popen('append', '--timeout', '5s')
        idle.stdin.write(jsonl(inference('idle', region=REGION)))
        idle.stdin.flush()
        self.assertIn('"seq"', idle.stdout.readline())
        tail = self.server.popen('tail')
        unread = self.server.popen('query', '-o', 'jsonl')
        self.assertNotEqual(unread.stdout.readline(), '')
        again = write(os.path.join(self.server.folder, 'again'), jsonl(*(inference(f'again-{i}', region=REGION) for i in range(40000))))
        busy = self.server.popen('append', '--timeout', '5s', again)
        self.assertNotEqual(busy.stdout.readline(), '')
        self.assertEqual(self.server.stop(), DONE, self.server.log_text()[-1000:])
        acknowledged = 1 + sum(1 for line in busy.stdout if '"seq"' in line)
        self.assertEqual(busy.wait(PATIENCE_S), UNREACHABLE)
        rest = sum(1 for _ in unread.stdout)
        self.assertIn(unread.wait(PATIENCE_S), (DONE, UNREACHABLE), rest)
        for process in (idle, tail, busy, unread):
            end(process)
        # What was acknowledged is there.
        self.server.start()
        count = int(self.server('query', '--count').out)
        self.assertGreaterEqual(count, 20001 + acknowledged)

    def test_survives_kill(self):
        acks = self.server.append(*(inference(f'k-{i}', region=REGION) for i in range(500)))
        self.server.kill()
        self.server.start()
        hits = self.server('query', '-o', 'jsonl').lines()
        self.assertEqual([(hit['seq'], hit['log_time']) for hit in hits], [(ack['seq'], ack['log_time']) for ack in acks])


class Access(Case):
    """What a certificate may not, the server refuses, and the command says who may."""

    def test_a_certificate_without_rights(self):
        server = Server(REGION)
        try:
            conf = server.steled_conf
            text = read(conf).decode()
            write(conf, text.replace('may: [append, query, read_log]', 'may: [read_log]'))
            server.start()
            done = server('append', stdin=jsonl(inference('denied', region=REGION)))
            self.ends(done, INCOMPLETE)
            self.assertEqual(done.lines()[0]['code'], 'PERMISSION_DENIED')
            self.assertIn('stele-dev-client', done.lines()[0]['error'])
            self.refuses(server('query'), 'stele-dev-client')
            self.refuses(server('tail'), 'stele-dev-client')
            self.ends(server('checkpoint', '--log', LOG), DONE)
            server.stop()
            write(conf, text.replace('tenants: ["*"]', 'tenants: [acme]'))
            server.start()
            done = server('append', stdin=jsonl(inference('mine', region=REGION), inference('theirs', region=REGION, tenant='globex')))
            self.ends(done, INCOMPLETE, '1 stored, 1 refused')
            self.assertEqual(done.lines()[1]['code'], 'PERMISSION_DENIED')
            self.refuses(server('query'), 'tenant')
            self.assertEqual(self.ends(server('query', '--tenant', 'acme', '--count'), DONE).out, '1\n')
            self.refuses(server('query', '--tenant', 'globex'))
        finally:
            server.remove()

    def test_no_tls_no_word(self):
        server = Server(REGION).start()
        try:
            host, _, port = server.address.rpartition(':')
            with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain:
                plain.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + b'\0' * 9)
                try:
                    while plain.recv(4096):  # a timeout fails the test
                        pass
                except ConnectionResetError:
                    pass
            self.assertEqual(len(server.append(inference('after', region=REGION))), 1)
        finally:
            server.remove()


if __name__ == '__main__':
    unittest.main()
