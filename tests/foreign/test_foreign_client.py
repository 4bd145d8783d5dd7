#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client in another language, from the .proto files alone, over mutual TLS.

test_foreign_client.py --tools FOLDER

It finds the services by reflection, appends (a batch with a bad event, a stream), asks, and checks inclusion and
consistency proofs, tiles and signed notes with Python's standard library. Its events are made up.
"""
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'support')]
from server import Server, skip  # noqa: E402

REGION, OTHER = 'eu-central-1', 'us-east-1'
LOG = f'{REGION}/3y'
INVALID_ARGUMENT = 3


def event(protos, number, **changes):
    made = protos.event.Event(
        event_id=f'foreign-{number}', time_unix_nano=time.time_ns() - 10**9 * number, tenant='acme', region=REGION,
        event_type=protos.event.EVENT_TYPE_ACCESS, action=protos.event.ACTION_READ,
        outcome=protos.event.OUTCOME_SUCCESS, schema_version='stele.v1',
        actor={'id': f'user-{number % 7}', 'type': protos.event.ACTOR_TYPE_USER},
        source={'service': 'foreign-test'}, access={},
        resource=[{'id': f'dataset/{number % 5}', 'type': protos.event.RESOURCE_TYPE_DATASET}])
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def refusal(grpc, call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError('the call succeeded')


def services_by_reflection(client):
    request = client.protos.reflection.ServerReflectionRequest(list_services='')
    answer, = client.call('ServerReflectionInfo')(iter([request]), timeout=60)
    services = {service.name for service in answer.list_services_response.service}
    assert services >= {'stele.v1.Ingest', 'stele.v1.Query', 'stele.v1.Log', 'grpc.health.v1.Health',
                        'grpc.reflection.v1.ServerReflection'}, services
    request = client.protos.reflection.ServerReflectionRequest(file_containing_symbol='stele.v1.Query')
    answer, = client.call('ServerReflectionInfo')(iter([request]), timeout=60)
    assert answer.file_descriptor_response.file_descriptor_proto, answer


def health(client):
    for service in ('', 'stele.v1.Ingest', 'stele.v1.Query', 'stele.v1.Log'):
        answer = client.ask('Check', client.protos.health.HealthCheckRequest(service=service))
        assert answer.status == answer.SERVING, f'{service}: {answer}'


def append_batch(client):
    """One bad event among good ones does not sink them; returns the places of the good ones."""
    protos = client.protos
    batch = [event(protos, number) for number in range(10)]
    batch[3].ClearField('actor')
    batch[7].region = 'mars'
    answer = client.ask('Append', protos.ingest.AppendRequest(event=batch))
    assert len(answer.result) == 10
    for number, result in enumerate(answer.result):
        if number in (3, 7):
            assert result.code == INVALID_ARGUMENT and not result.log, result
            assert ('actor' if number == 3 else 'mars') in result.error, result.error
        else:
            assert result.code == 0 and result.log == LOG and not result.duplicate, result
    again = client.ask('Append', protos.ingest.AppendRequest(event=batch))
    for first, second in zip(answer.result, again.result):
        assert (first.log, first.seq, first.log_time_unix_nano, second.duplicate) == \
            (second.log, second.seq, second.log_time_unix_nano, first.code == 0), f'{first} {second}'
    places = {number: result.seq for number, result in enumerate(answer.result) if result.code == 0}
    return places, answer.result[0].log_time_unix_nano


def append_nothing(client, grpc):
    """all_or_nothing: a bad event sinks its batch."""
    batch = [event(client.protos, 90), event(client.protos, 91, outcome=0)]
    request = client.protos.ingest.AppendRequest(event=batch, all_or_nothing=True)
    error = refusal(grpc, lambda: client.ask('Append', request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and 'outcome' in error.details(), error
    request = client.protos.query.SearchRequest(region=REGION)
    assert all(hit.event.event_id != 'foreign-90' for part in client.call('Search')(request, timeout=60)
               for hit in part.hit)


def append_stream(client):
    """600 events in messages of 50, one of them bad; every one is decided, and acknowledgements only grow."""
    protos = client.protos
    events = [event(protos, number) for number in range(100, 700)]
    events[321].event_id = 'not an id!'
    messages = [protos.ingest.AppendStreamRequest(event=events[i:i + 50]) for i in range(0, 600, 50)]
    acked, places = 0, {}
    for answer in client.call('AppendStream')(iter(messages), timeout=60):
        assert answer.acked_events > acked, 'an acknowledgement that says nothing new'
        acked = answer.acked_events
        for part in answer.stored:
            assert part.log == LOG and not part.duplicate, part
            places.update((part.first_event + i, part.first_seq + i) for i in range(part.events))
        for refused in answer.refused:
            assert (refused.event, refused.code) == (321, INVALID_ARGUMENT) and 'event_id' in refused.error, refused
    assert acked == 600 and set(places) == set(range(600)) - {321}, f'{acked} acked, {len(places)} stored'
    return {100 + ordinal: seq for ordinal, seq in places.items()}


def ask_questions(client, places):
    """Answers equal a scan of what was sent, in the order of the log."""
    protos = client.protos
    for actor, order in (('user-3', 1), ('user-3', 2), ('nobody', 1)):
        request = protos.query.SearchRequest(region=REGION, order=order)
        request.filter.actor, request.filter.tenant = actor, 'acme'
        parts = list(client.call('Search')(request, timeout=60))
        hits = [(hit.seq, hit.event.event_id) for part in parts for hit in part.hit]
        expected = sorted((seq, f'foreign-{n}') for n, seq in places.items() if f'user-{n % 7}' == actor)
        assert hits == (expected if order == 1 else expected[::-1]), f'{actor}: {hits[:3]} {expected[:3]}'
        assert parts[-1].end.hits == len(hits) and not parts[-1].end.cursor
        assert client.ask('Count', request).count == len(hits)
    number = min(places)
    got = client.ask('Get', protos.query.GetRequest(log=LOG, seq=places[number], want_receipt=True))
    assert got.hit.event.event_id == f'foreign-{number}' and got.receipt.startswith(b'c2sp.org/tlog-proof@v1\n')


def inclusion(client, merkle, places):
    for number, seq in list(places.items())[::97]:
        proof = client.ask('GetInclusionProof', client.protos.log.GetInclusionProofRequest(log=LOG, seq=seq))
        origin, size, root = client.open_note(proof.note)
        assert (origin, size) == (f'audit.example.org/{LOG}', proof.size), f'{origin} {size}'
        node = merkle.leaf(proof.entry)
        assert proof.seq == seq and merkle.root_by_path(seq, size, node, proof.path) == root, f'event {number}'
        # Neither another place nor another entry is proved by it.
        assert merkle.root_by_path(seq ^ 1, size, node, proof.path) != root
        assert merkle.root_by_path(seq, size, merkle.leaf(proof.entry[:-1] + bytes([proof.entry[-1] ^ 1])), proof.path) != root


def checkpoint(client, min_size=0):
    note = client.ask('GetCheckpoint', client.protos.log.GetCheckpointRequest(log=LOG, min_size=min_size)).note
    return client.open_note(note)


def size_of(client, name=LOG):
    """The size of a log, by a server that also says the key that `stele init` printed."""
    logs = {info.log: info for info in client.ask('ListLogs', client.protos.log.ListLogsRequest()).log}
    assert {info.vkey for info in logs.values()} == set(client.vkey_of.values()), 'ListLogs has other keys'
    assert logs[name].vkey == client.vkey_of[name]
    return logs[name].size


def consistency(client, merkle, old):
    _, old_size, old_root = old
    _, size, root = checkpoint(client, min_size=size_of(client))
    assert size > old_size
    roots = {old_size: old_root, size: root}
    for pair in ((old_size, size), (size, size)):
        request = client.protos.log.GetConsistencyProofRequest(log=LOG, old_size=pair[0], new_size=pair[1])
        proof = client.ask('GetConsistencyProof', request)
        assert merkle.is_consistent(*pair, roots[pair[0]], roots[pair[1]], proof.path), pair
    request = client.protos.log.GetConsistencyProofRequest(log=LOG, old_size=old_size)
    proof = client.ask('GetConsistencyProof', request)
    _, size, root = client.open_note(proof.note)
    assert proof.new_size == size and merkle.is_consistent(old_size, size, old_root, root, proof.path)
    assert not merkle.is_consistent(old_size, size, root, root, proof.path)


def tiles(client, merkle):
    _, size, root = checkpoint(client, min_size=size_of(client))

    def read(path):
        return client.ask('GetTile', client.protos.log.GetTileRequest(log=LOG, path=path)).tile

    merkle.check_tiles(size, root, read)
    entries = []
    request = client.protos.log.GetEntriesRequest(log=LOG, first=0, count=size)
    for part in client.call('GetEntries')(request, timeout=60):
        assert part.first == len(entries)
        entries += part.entry
    assert len(entries) == size and merkle.fold(map(merkle.leaf, entries)) == root


def strangers(client, grpc, server):
    """Without the client's certificate nothing is answered; a region that is not served is refused."""
    from client import read
    credentials = grpc.ssl_channel_credentials(read(client.config['server_ca']))
    with grpc.secure_channel(client.config['server'], credentials) as channel:
        call = channel.unary_unary('/stele.v1.Log/ListLogs')
        error = refusal(grpc, lambda: call(b'', timeout=10))
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
    with grpc.insecure_channel(client.config['server']) as channel:
        call = channel.unary_unary('/stele.v1.Log/ListLogs')
        error = refusal(grpc, lambda: call(b'', timeout=10))
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
    request = client.protos.query.SearchRequest(region='mars')
    error = refusal(grpc, lambda: list(client.call('Search')(request, timeout=10)))
    assert error.code() != grpc.StatusCode.UNAVAILABLE and 'mars' in error.details(), error
    assert server.process.poll() is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tools', required=True, help='the folder of stele and steled')
    arguments = parser.parse_args()
    try:
        import grpc
        import merkle
        from client import Client, compile_protos
    except ImportError as error:
        skip(f'/usr/bin/python3: {error} (Debian: python3-grpcio, python3-protobuf)')
    with Server(arguments.tools, (REGION, OTHER)) as server:
        client = Client(server.config, compile_protos())
        client.vkey_of = server.vkey_of
        services_by_reflection(client)
        health(client)
        first, log_time = append_batch(client)
        assert abs(log_time - time.time_ns()) < 3600 * 10**9, 'the log clock is not this machine\'s'
        append_nothing(client, grpc)
        old = checkpoint(client, min_size=size_of(client))
        places = {**first, **append_stream(client)}
        ask_questions(client, places)
        inclusion(client, merkle, places)
        consistency(client, merkle, old)
        tiles(client, merkle)
        strangers(client, grpc, server)
        client.close()
    print(f'{len(places)} events appended, asked for and proved')


if __name__ == '__main__':
    main()
