# SPDX-License-Identifier: Apache-2.0
"""Clients that are not who they say, that open and do not use, that ask and do not read: raw TLS and HTTP/2."""
import socket
import ssl
import threading
import urllib.parse

import grpc

import h2
import rig
import wire
from rows_append import Code, check_failure, failure
from rows_query import bulk, ids_of

APPEND, STREAM, SEARCH = '/stele.v1.Ingest/Append', '/stele.v1.Ingest/AppendStream', '/stele.v1.Query/Search'
# Of tools/serve.c and query/limits.h.
CALLS_PER_CLIENT, SEARCHES_PER_CLIENT, HANDSHAKE_S = 1024, 64, 10
RESOURCE_EXHAUSTED, INVALID_ARGUMENT = '8', '3'
WINDOW_MAX = (1 << 31) - 1


def details(answer):
    return urllib.parse.unquote(answer.get('grpc-message', ''))


def connect(bench, name='flood', **options):
    return h2.Connection(bench.server.address, h2.tls_context(bench.server.tls, name), **options)


# ------------------------------------------------------------------ certificates

def refused_handshake(bench, name, words):
    """Nothing of a call is looked at: UNAVAILABLE for the client, and the reason in the server's log."""
    seen = len(bench.server.log_text())
    request = wire.append_request([wire.event('never')])
    channel = bench.server.channel(name) if name != 'plaintext' else grpc.insecure_channel(bench.server.target)
    code, text = failure(lambda: rig.append(channel, request, seconds=rig.PATIENCE_S))
    assert code == Code.UNAVAILABLE, f'{code}: {text}'
    assert bench.server.target.rsplit(':', 1)[1] in text, text
    rig.wait_until(lambda: all(word in bench.server.log_text()[seen:] for word in words), f'the log says {words}')
    channel.close()
    return text


def no_grant(bench):
    channel = bench.server.channel('nobody')
    results = wire.append_results(rig.append(channel, wire.append_request([wire.event('never')])))
    assert results[0][3] == 7 and 'cn:nobody: no grant names this certificate; ask the operator' in results[0][4], results
    row = (None, None, Code.PERMISSION_DENIED, ('cn:nobody', 'no grant names this certificate'))
    check_failure(*failure(lambda: rig.search(channel, wire.search_request())), row)
    return results[0][4]


# ------------------------------------------------------------------ calls cut short

def one_call(bench, path, data, flags=h2.END_STREAM, words=(), code=INVALID_ARGUMENT):
    """What comes back for DATA frames as they are; the connection goes on with a good call behind it."""
    connection = connect(bench)
    connection.open(1, path)
    connection.send(h2.frame(h2.DATA, flags, 1, data))
    request = h2.grpc_message(wire.search_request(tenant='acme', limit=1))
    connection.open(3, SEARCH)
    connection.send(h2.frame(h2.DATA, h2.END_STREAM, 3, request))
    found = connection.answers(rig.PATIENCE_S, lambda got: all(got.get(stream, {}).get('over') for stream in (1, 3)))
    connection.close()
    assert found.get(3, {}).get('grpc-status') == '0', f'the call behind it: {found}'
    assert found[1].get('grpc-status') == code, found[1]
    for word in words:
        assert word in details(found[1]), found[1]
    return details(found[1])


def no_message(bench):
    return one_call(bench, APPEND, b'', words=('no request message', 'exactly one'))


def half_message(bench):
    """The length prefix promises more than comes before the end of the stream."""
    data = h2.grpc_message(wire.append_request([wire.event('never')]))[:-10]
    return one_call(bench, APPEND, data, words=('no request message', 'exactly one'))


def length_of_4_gib(bench):
    return one_call(bench, APPEND, h2.grpc_message(b'x', length=(1 << 32) - 1), words=('no request message', 'exactly one'))


def pump(connection, done):
    """A message of 4 GiB that really comes, as fast as the windows allow, until the server ends it."""
    connection.open(1, APPEND)
    connection.send(h2.frame(h2.DATA, 0, 1, h2.grpc_message(b'', length=(1 << 32) - 1)))
    chunk, windows = bytes(16384), {0: 65535, 1: 65535}
    while done['sent'] < 2 << 30:
        while min(windows.values()) >= len(chunk):
            connection.send(h2.frame(h2.DATA, 0, 1, chunk))
            done['sent'] += len(chunk)
            windows = {stream: left - len(chunk) for stream, left in windows.items()}
        got = connection.receive(rig.PATIENCE_S)
        assert got is not None or connection.ended, f'no answer after {done["sent"]} bytes'
        if got is None or got[0] in (h2.RST_STREAM, h2.GOAWAY, h2.HEADERS):
            return
        kind, flags, stream, payload = got
        if kind == h2.WINDOW_UPDATE:
            windows[stream] = windows.get(stream, 0) + int.from_bytes(payload, 'big')
        elif kind == h2.SETTINGS and not flags & h2.ACK:
            connection.send(h2.frame(h2.SETTINGS, h2.ACK, 0))
            for at in range(0, len(payload), 6):
                if int.from_bytes(payload[at:at + 2], 'big') == h2.INITIAL_WINDOW:
                    windows[1] += int.from_bytes(payload[at + 2:at + 6], 'big') - 65535
        elif kind == h2.PING and not flags & h2.ACK:
            connection.send(h2.frame(h2.PING, h2.ACK, 0, payload))


def sends_without_end(bench):
    """Messages of 4 GiB that really come, over one connection and over three at a time: core takes them, the server
    closes their connections, and only theirs, before core's memory is full and it would end anybody's calls."""
    peak, sent = 0, []
    for n_connections in (1, 3):
        seen, clients = len(bench.server.log_text()), []
        for _ in range(n_connections):
            done = {'sent': 0}

            def run(connection=connect(bench), done=done):
                try:
                    pump(connection, done)
                except OSError:
                    pass  # closed while it sent
                connection.close()
            clients.append((threading.Thread(target=run, daemon=True), done))
        for thread, _ in clients:
            thread.start()
        while any(thread.is_alive() for thread, _ in clients):
            peak = max(peak, bench.server.memory_mib())
            bench.bystander.goes_on()
        sent += [done['sent'] for _, done in clients]
        text = bench.server.log_text()[seen:]
        assert text.count('that are in no whole message') == n_connections, text
    assert max(sent) < 2 << 30, 'the server takes all of it'
    return f'ended after {", ".join(str(one >> 20) for one in sent)} MiB, at {peak:.0f} MiB'


def unknown_method(bench):
    return one_call(bench, '/stele.v1.Ingest/Erase', h2.grpc_message(b''), code='12',
                    words=("method '/stele.v1.Ingest/Erase' is not known here", 'reflection'))


# ------------------------------------------------------------------ connections

def half_open_connections(bench):
    """300 that never begin, or stop within, their handshake: closed after ten seconds, and meanwhile in nobody's way."""
    begun = ssl.MemoryBIO()
    client = h2.tls_context(bench.server.tls, 'flood').wrap_bio(ssl.MemoryBIO(), begun, server_hostname='localhost')
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = begun.read()
    sockets = []
    for number in range(300):
        made = socket.create_connection(bench.server.address, timeout=rig.PATIENCE_S)
        made.sendall((b'', hello[:len(hello) // 2], hello)[number % 3])
        sockets.append(made)
    bench.bystander.goes_on()
    for made in sockets:
        while made.recv(65536):  # what the server says to a whole hello, then its end
            pass
        made.close()
    return f'{len(sockets)} closed by the server'


def idle_connections(bench):
    connections = [connect(bench) for _ in range(1000)]
    rig.wait_until(lambda: bench.server.n_files() >= 1000, 'all are open')
    bench.bystander.goes_on()
    assert wire.append_results(rig.append(bench.server.channel('auditor'), wire.append_request(
        [wire.event('beside-idle')])))[0][3] == 0
    bench.n_good += 1
    memory = bench.server.memory_mib()
    for connection in connections:
        connection.close()
    return f'1,000 connections, {memory:.0f} MiB while they were open'


def more_connections_than_files(bench):
    """Of 200 files a quarter is left to the store: connections over the rest are closed, those before go on, events are
    stored meanwhile, and when they are gone the server hears new ones."""
    with rig.Server(bench.tools, files=200) as server:
        channel, held, closed = server.channel('auditor'), [], 0

        def append(name):
            assert wire.append_results(rig.append(channel, wire.append_request([wire.event(name)])))[0][3] == 0
        append('before')
        for _ in range(300):
            try:
                held.append(h2.Connection(server.address, h2.tls_context(server.tls, 'flood'), seconds=rig.PATIENCE_S))
            except OSError:
                closed += 1
        assert closed > 100 and len(held) > 50 and server.n_files() <= 160, f'{closed} closed, {len(held)} held'
        append('meanwhile')
        rig.wait_until(lambda: 'as many as there may be' in server.log_text(), 'the log says so')
        for connection in held:
            connection.close()
        rig.wait_until(lambda: server.n_files() < 80, 'they are let go')
        again = server.channel('writer')
        assert len(rig.search(again, wire.search_request(tenant='acme'))[0]) == 2
        assert server.stop() == 0
    return f'{len(held)} held, {closed} closed'


# ------------------------------------------------------------------ streams

def opened_streams(bench, name, path, connections, per_connection):
    """Opens streams and sends nothing on them. Returns the connections and the refusals."""
    opened, refused = [], []
    for _ in range(connections):
        connection = connect(bench, name)
        opened.append(connection)
        heads = [h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * number + 1, h2.header_block(h2.request_headers(path)))
                 for number in range(per_connection)]
        connection.send(b''.join(heads))
        # A ping behind them: when it is answered, every stream has been seen.
        connection.send(h2.frame(h2.PING, 0, 0, b'are seen'))
    total = connections * per_connection
    share = max(total - CALLS_PER_CLIENT, 0)
    counts = [0] * connections

    def gather():
        for number, connection in enumerate(opened):
            found = connection.answers(0.05, lambda got: False)
            over = [answer for answer in found.values() if answer.get('over')]
            counts[number] += len(over)
            refused.extend(over)
        return sum(counts) >= share
    rig.wait_until(gather, f'{share} of {total} streams are refused')
    return opened, refused


def ten_thousand_streams(bench):
    """One client, by ten connections: its share is open, all others are refused, and told when to try again."""
    opened, refused = opened_streams(bench, 'greedy', STREAM, 10, 1000)
    for answer in refused:
        assert answer['grpc-status'] == RESOURCE_EXHAUSTED, answer
        assert 'this certificate has as many open calls as one client may have' in details(answer), answer
        assert 'grpc-status-details-bin' in answer, 'no RetryInfo'
    assert len(refused) == 10000 - CALLS_PER_CLIENT, f'{len(refused)} refused'
    bench.bystander.goes_on()
    hits, _ = rig.search(bench.auditor, wire.search_request(tenant='acme', limit=1))
    assert hits
    # Its own health check is answered, its own calls are not, until it gives some up.
    channel = bench.server.channel('greedy')
    channel.unary_unary('/grpc.health.v1.Health/Check')(b'', timeout=rig.PATIENCE_S)
    row = (None, None, Code.RESOURCE_EXHAUSTED, ('this certificate has as many open calls',))
    check_failure(*failure(lambda: rig.append(channel, wire.append_request([wire.event('never')]))), row)
    for connection in opened:
        connection.close()

    def has_room():
        try:
            return wire.append_results(rig.append(channel, wire.append_request([wire.event('room-again')])))[0][3] == 0
        except grpc.RpcError as error:
            assert error.code() == Code.RESOURCE_EXHAUSTED, error
            return False
    rig.wait_until(has_room, 'there is room again')
    bench.n_good += 1
    return f'{len(refused)} refused: {details(refused[0])}'


def half_open_streams(bench):
    """Streams that stop in the middle of a message: 500 of them, each with 100 kB of 4 MiB."""
    connections = []
    for _ in range(10):
        connection = connect(bench)
        connections.append(connection)
        for number in range(50):
            connection.open(2 * number + 1, STREAM)
            connection.send(h2.frame(h2.DATA, 0, 2 * number + 1, h2.grpc_message(b'\n' * 1000, length=4 << 20)))
    bench.bystander.goes_on()
    memory = bench.server.memory_mib()
    for connection in connections:
        connection.close()
    return f'500 streams, {memory:.0f} MiB while they were open'


# ------------------------------------------------------------------ readers

def never_reads(bench):
    """200 questions with a huge answer, over connections that take no byte of it: as many are worked on as one client
    may have, and another client reads the same answer whole meanwhile."""
    places = bulk(bench)
    connections = []
    for _ in range(4):
        connection = connect(bench, settings=[(h2.INITIAL_WINDOW, WINDOW_MAX)])
        connection.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, (WINDOW_MAX - 65535).to_bytes(4, 'big')))
        for number in range(50):
            connection.open(2 * number + 1, SEARCH)
            connection.send(h2.frame(h2.DATA, h2.END_STREAM, 2 * number + 1,
                                     h2.grpc_message(wire.search_request(tenant='bulk'))))
        connections.append(connection)
    bench.bystander.goes_on()
    hits, _ = rig.search_all(bench.auditor, tenant='bulk')
    assert ids_of(hits) == places
    memory = bench.server.memory_mib()
    assert not bench.memory_mib or memory <= bench.memory_mib, f'{memory:.0f} MiB'
    for connection in connections:
        connection.close()
    return f'{memory:.0f} MiB while they were open'


def takes_its_share(bench):
    """Questions whose reader gives no window: of one client 64 are open, the next is refused with a reason."""
    bulk(bench)
    connection = connect(bench, 'hoarder', settings=[(h2.INITIAL_WINDOW, 0)])
    request = h2.grpc_message(wire.search_request(tenant='bulk'))
    for number in range(SEARCHES_PER_CLIENT + 10):
        connection.open(2 * number + 1, SEARCH)
        connection.send(h2.frame(h2.DATA, h2.END_STREAM, 2 * number + 1, request))
    found = connection.answers(rig.PATIENCE_S, lambda got: sum(1 for one in got.values() if one.get('over')) >= 10)
    over = [answer for answer in found.values() if answer.get('over')]
    assert len(over) == 10, f'{len(over)} refused'
    for answer in over:
        assert answer['grpc-status'] == RESOURCE_EXHAUSTED, answer
        assert f'this certificate has {SEARCHES_PER_CLIENT} searches open' in details(answer), answer
    hits, _ = rig.search(bench.auditor, wire.search_request(tenant='bulk', limit=10))
    assert len(hits) == 10
    connection.close()
    return details(over[0])


def pings_and_never_reads(bench):
    """A flood of pings and settings whose answers nobody reads: the server ends the connection, not its memory."""
    connection = connect(bench)
    connection.socket.settimeout(rig.PATIENCE_S)
    flood = h2.frame(h2.PING, 0, 0, b'12345678') * 2000 + h2.frame(h2.SETTINGS, 0, 0) * 2000
    sent = 0
    try:
        while sent < 64 << 20:
            connection.send(flood)
            sent += len(flood)
    except OSError:
        pass
    bench.bystander.goes_on()
    connection.close()
    return f'{sent} bytes until the server had enough'


ROWS = [
    ('certificate: none', lambda bench: refused_handshake(bench, None, ('a connection was refused: TLS: peer did not return a certificate', 'tls.client_ca'))),
    ('certificate: expired', lambda bench: refused_handshake(bench, 'expired', ('certificate verify failed', 'its dates'))),
    ('certificate: of an unknown authority',
     lambda bench: refused_handshake(bench, 'stranger', ('certificate verify failed',))),
    ('certificate: without a grant', no_grant),
    ('plaintext client', lambda bench: refused_handshake(bench, 'plaintext', ('a connection was refused: TLS',))),
    ('call: no message', no_message), ('call: half a message', half_message),
    ('call: a length of 4 GiB', length_of_4_gib), ('call: an unknown method', unknown_method),
    ('connections: half-open', half_open_connections), ('connections: 1,000 idle', idle_connections),
    ('connections: more than there are files', more_connections_than_files),
    ('streams: half-open', half_open_streams), ('streams: 10,000 opened', ten_thousand_streams),
    ('reader: never reads', never_reads), ('reader: gives no window', takes_its_share),
    ('reader: pings and never reads', pings_and_never_reads), ('call: a message without end', sends_without_end),
]


# ------------------------------------------------------------------ the end

def shutdown(bench):
    """Streams that were opened and not used, and idle connections, do not hold a shutdown; drain_ms is ten minutes."""
    opened, _ = opened_streams(bench, 'flood', STREAM, 3, 100)
    opened += [connect(bench) for _ in range(50)]
    code = bench.server.stop()
    assert code == 0, f'exit code {code}'
    for connection in opened:
        connection.close()
    return 'exit code 0'
