# SPDX-License-Identifier: Apache-2.0
"""`stele init`, help, and what is said when a command is called wrongly."""
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from cli_rig import DONE, INCOMPLETE, STELE, STELED, USAGE, Case, Server, read, run, stele, write

COMMANDS = ('append', 'query', 'get', 'tail', 'receipt', 'verify', 'checkpoint', 'consistency', 'tiles', 'init', 'fsck', 'bench',
            'import')
CLASSES = ['1y', '2y', '3y', '4y', '5y', '6y', '7y', 'system']


class Init(Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='stele-cli-')
        self.data = os.path.join(self.folder, 'data')

    def tearDown(self):
        shutil.rmtree(self.folder)

    def init(self, *words, data=None):
        return stele('init', '--data', data or self.data, *words)

    def test_prints_one_line_a_log(self):
        done = self.init('--region', 'eu-1', '--region', 'us-1', '--origin', 'audit.example.org')
        self.ends(done, DONE, 'DEVELOPMENT')
        names = []
        for line in done.out.splitlines():
            name, vkey = line.split(' ')  # one space, or this fails
            self.assertRegex(vkey, rf'^audit\.example\.org/{name}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/]+={{0,2}}$')
            names.append(name)
        self.assertEqual(names, [f'{region}/{log}' for region in ('eu-1', 'us-1') for log in CLASSES])
        self.assertTrue(done.out.endswith('\n'))
        vkeys = read(os.path.join(self.data, 'vkeys')).decode()
        self.assertEqual(vkeys.splitlines(), [line.split(' ')[1] for line in done.out.splitlines()])

    def test_writes_a_folder_that_only_its_owner_reads(self):
        self.ends(self.init('--region', 'eu-1', '--origin', 'example.org'), DONE)
        self.assertEqual(sorted(os.listdir(self.data)), ['client.conf', 'regions', 'steled.conf', 'tls', 'vkeys'])
        self.assertEqual(sorted(os.listdir(os.path.join(self.data, 'tls'))),
                         ['ca.pem', 'client.key', 'client.pem', 'server.key', 'server.pem'])
        self.assertEqual(stat.S_IMODE(os.stat(self.data).st_mode), 0o700)
        keys = [os.path.join(folder, name) for folder, _, names in os.walk(self.data) for name in names
                if name.endswith('.key') or os.path.basename(folder) == 'keys']
        self.assertGreater(len(keys), 2 + len(CLASSES))
        for key in keys:
            self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600, key)

    def test_takes_an_empty_folder_and_no_other(self):
        os.mkdir(self.data)
        self.ends(self.init('--region', 'eu-1', '--origin', 'example.org'), DONE)
        before = sorted(os.walk(self.data))
        self.refuses(self.init('--region', 'eu-1', '--origin', 'example.org'), 'is not empty')
        self.assertEqual(sorted(os.walk(self.data)), before)
        other = os.path.join(self.folder, 'other')
        os.mkdir(other)
        write(os.path.join(other, 'precious'), 'x')
        self.refuses(self.init('--region', 'eu-1', '--origin', 'example.org', data=other), 'is not empty')
        self.assertEqual(os.listdir(other), ['precious'])
        self.refuses(self.init('--region', 'eu-1', '--origin', 'example.org', data=os.path.join(other, 'precious')))
        self.refuses(self.init('--region', 'eu-1', '--origin', 'example.org', data=os.path.join(other, 'no', 'parent')), 'cannot make')

    def test_refuses_before_it_writes(self):
        origin = ('--origin', 'example.org')
        for words, said in (
                ((*origin,), '--region'),
                (('--region', 'eu-1'), '--origin'),
                (('--region', 'EU', *origin), "'EU'"),
                (('--region', 'eu/1', *origin), "'eu/1'"),
                (('--region', '-eu', *origin), "'-eu'"),
                (('--region', 'x' * 33, *origin), 'x' * 33),
                (('--region', '', *origin), '--region'),
                (('--region', 'eu-1', '--region', 'eu-1', *origin), 'twice'),
                (('--region', 'eu-1', '--origin', 'Example.ORG'), 'Example.ORG'),
                (('--region', 'eu-1', '--origin', 'a b'), 'a b'),
                (('--region', 'eu-1', '--origin', ''), '--origin'),
                (('--region', 'eu-1', *origin, '--listen', '127.0.0.1'), '--listen'),
                (('--region', 'eu-1', *origin, '--listen', '127.0.0.1:70000'), '--listen'),
                (('--region', 'eu-1', *origin, '--listen', ':7443'), '--listen'),
                (('--region', 'eu-1', *origin, '--listen', '::1:7443'), '--listen'),
                (('--region', 'eu-1', *origin, 'more'), "'more'"),
                (('--region', 'eu-1', *origin, '--colour', 'red'), '--colour'),
                (('--region',), 'needs a value')):
            with self.subTest(words=words):
                self.refuses(self.init(*words), said)
                self.assertFalse(os.path.exists(self.data))

    def test_makes_addresses_of_ipv6_and_names(self):
        for listen, name in (('[::1]:0', 'IP Address:0:0:0:0:0:0:0:1'), ('audit.example.org:0', 'DNS:audit.example.org'),
                             ('192.0.2.7:0', 'IP Address:192.0.2.7')):
            with self.subTest(listen=listen):
                data = os.path.join(self.folder, re.sub('[^a-z0-9]', '-', listen))
                self.ends(self.init('--region', 'eu-1', '--origin', 'example.org', '--listen', listen, data=data), DONE)
                checked = run(STELED, '--config', os.path.join(data, 'steled.conf'), '--check-config')
                self.ends(checked, DONE, 'is good')
                shown = run('openssl', 'x509', '-in', os.path.join(data, 'tls/server.pem'), '-noout', '-text')
                self.assertIn(name, shown.out)

    def test_a_disk_that_is_full_leaves_no_doubt(self):
        done = stele('init', '--data', '/dev/full/x', '--region', 'eu-1', '--origin', 'example.org')
        self.refuses(done, 'cannot make')
        with open('/dev/full', 'wb') as full:
            done = run(STELE, 'init', '--data', self.data, '--region', 'eu-1', '--origin', 'example.org', stdout=full)
        self.ends(done, INCOMPLETE, 'No space left')


class Help(Case):
    def test_every_command_has_help_on_stdout(self):
        for words in [(command, '--help') for command in COMMANDS] + [('help', command) for command in COMMANDS]:
            with self.subTest(words=words):
                done = self.ends(stele(*words), DONE)
                self.assertEqual(done.err, '')
                name = words[0] if words[1] == '--help' else words[1]
                self.assertRegex(done.out, rf'^usage: stele (--config client\.conf )?{name}')
                self.assertIn('xample', done.out)
                self.assertIn('Exit codes: 0 ', done.out)

    def test_help_of_all(self):
        for words in (('--help',), ('-h',), ('help',)):
            done = self.ends(stele(*words), DONE)
            self.assertEqual(done.err, '')
            for command in COMMANDS:
                self.assertRegex(done.out, rf'(?m)^  {command} ')
        done = self.ends(run(STELED, '--help'), DONE)
        self.assertEqual(done.err, '')
        self.assertIn('usage: steled', done.out)
        self.assertRegex(self.ends(stele('--version'), DONE).out, r'^stele \d+\.\d+\.\d+\n$')

    def test_help_lines_fit_a_terminal(self):
        for command in COMMANDS:
            for line in stele(command, '--help').out.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_what_is_no_command(self):
        self.refuses(stele('serch'), "'serch'")
        self.refuses(stele('--colour'), "'--colour'")
        self.refuses(stele('--config'), '--config')
        done = self.ends(stele(), USAGE, 'usage: stele')
        self.assertEqual(done.out, '')
        self.ends(stele('help', 'serch'), USAGE)

    def test_every_command_refuses_what_is_no_flag(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                done = self.ends(stele(command, '--colour', 'red'), USAGE)
                self.assertEqual(done.out, '')
                if command != 'verify':
                    self.refuses(done, '--colour', f'stele {command}: ', f'stele {command} --help')

    def test_a_command_without_its_configuration(self):
        for words in (('append',), ('query',), ('tail',), ('get', '--log', 'eu/3y', '--seq', '1'),
                      ('receipt', '--log', 'eu/3y', '--seq', '1', '--out', 'x'), ('checkpoint', '--log', 'eu/3y'),
                      ('consistency', '--log', 'eu/3y', '--old', 'x'), ('tiles', '--log', 'eu/3y', '--out', 'x')):
            with self.subTest(words=words):
                self.refuses(stele(*words), '--config client.conf')
                self.refuses(stele('--config', '/nowhere/client.conf', *words), "'/nowhere/client.conf'")


class ClientConf(Case):
    """The file itself. No server is needed to find it wrong."""
    @classmethod
    def setUpClass(cls):
        cls.server = Server('eu-1')
        cls.text = read(cls.server.config).decode()

    @classmethod
    def tearDownClass(cls):
        cls.server.remove()

    def query(self, text, *words):
        write(self.server.config, text)
        return self.server('query', *words)

    def test_says_what_is_wrong_and_where(self):
        conf = self.server.config
        for old, new, said in (
                ('server: ', 'sever: ', 'line 2: Unexpected key: sever'),
                ('regions:', 'region:', 'Unexpected key: region'),
                ('vkeys: vkeys', 'vkeys: [a, b]', 'line 6'),
                ('  - eu-1', '', 'regions'),
                ('server_ca: tls/ca.pem\n', '', 'Missing required mapping field: server_ca'),
                ('server: 127.0.0.1:0', 'server: 127.0.0.1', 'HOST:PORT'),
                ('server: 127.0.0.1:0', 'server: "127.0.0.1:0', 'client.conf'),
                ('tls/ca.pem', 'tls/none.pem', "server_ca: there is no file"),
                ('tls/ca.pem', 'client.conf', 'PEM'),
                ('tls/client.key', 'tls/none.key', 'private_key: there is no file'),
                ('tls/client.pem', '/nowhere', 'certificate: there is no file')):
            with self.subTest(new=new):
                self.assertIn(old, self.text)
                self.refuses(self.query(self.text.replace(old, new)), said)
        self.refuses(self.query(''), 'it is empty')
        self.refuses(self.query('- a\n- b\n'))
        self.refuses(stele('--config', os.path.dirname(conf), 'query'))

    def test_paths_are_relative_to_the_file(self):
        write(self.server.config, self.text.replace('127.0.0.1:0', '127.0.0.1:1'))
        for cwd, config in ((self.server.data, 'client.conf'), ('/', self.server.config), (self.server.folder, './data/client.conf')):
            with self.subTest(cwd=cwd):
                done = stele('--config', config, 'query', cwd=cwd)
                self.ends(done, 3, 'no connection to 127.0.0.1:1', 'is steled running')
        # The flag may also stand behind the command.
        self.ends(stele('query', '--config', self.server.config), 3, 'no connection')
        self.ends(stele(f'--config={self.server.config}', 'query'), 3, 'no connection')

    def test_the_region_is_the_only_one_or_named(self):
        write(self.server.config, self.text + '  - us-1\n')
        self.refuses(self.server('query'), 'several regions', '--region', 'eu-1, us-1')
        self.refuses(self.server('tail'), 'several regions')

    def test_evidence_needs_keys(self):
        write(self.server.config, self.text.replace('vkeys: vkeys\n', ''))
        out = os.path.join(self.server.folder, 'out')
        for words in (('query', '--prove', out), ('consistency', '--log', 'eu-1/3y', '--old', self.server.vkeys),
                      ('tiles', '--log', 'eu-1/3y', '--out', out)):
            self.refuses(self.server(*words), 'vkeys')
            self.assertFalse(os.path.exists(out))
        write(self.server.config, self.text.replace('vkeys: vkeys\n', 'vkeys: none\n'))
        self.refuses(self.server('query', '--prove', out), "no file")
        write(self.server.config, self.text.replace('vkeys: vkeys\n', 'vkeys: client.conf\n'))
        self.refuses(self.server('query', '--prove', out), 'line 2: no vkey')


def is_quiet_when_nobody_reads():
    """`stele --help | true`."""
    process = subprocess.Popen(f'"{STELE}" --help | true', shell=True, stderr=subprocess.PIPE)
    return process.communicate()[1] == b''


class Pipe(Case):
    def test_help_into_a_closed_pipe(self):
        self.assertTrue(is_quiet_when_nobody_reads())


if __name__ == '__main__':
    unittest.main()
