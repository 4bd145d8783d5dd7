#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`stele tiles` as an independent tlog-tiles client sees it, at sizes around 1, 255-257 and 65,535-65,537.

check_tiles.py --tools FOLDER [--soak]        grows a log of made-up events and checks an export at each size
check_tiles.py --folder DIR --vkeys FILE      checks one folder

Entries must make the hash tiles, tiles the root of the checkpoint, and the checkpoint must open under its key. A
folder holds the tiles of its checkpoint and, where it was exported before, the partial tiles of those times.
"""
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
TESTS = os.path.dirname(HERE)
sys.path[:0] = [f'{TESTS}/support', f'{TESTS}/foreign', f'{TESTS}/golden/v1']
import merkle  # noqa: E402
import verify_answer  # noqa: E402
from server import Server, skip, skip_soak  # noqa: E402

REGION, LOG = 'eu-central-1', 'eu-central-1/3y'
SIZES = (3, 4, 5, 254, 255, 256, 257, 258, 511, 512, 513, 65534, 65535, 65536, 65537, 65538)
SOAK_SIZES = (196607, 196608, 196609, 300000)
BATCH = 1000


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def check_folder(folder, keys, exact=True):
    """Returns the size. exact: nothing else is in the folder."""
    origin, size, root = verify_answer.open_checkpoint(read(f'{folder}/checkpoint'), keys)
    merkle.check_tiles(size, root, lambda path: read(f'{folder}/{path}'))
    files = {os.path.relpath(os.path.join(where, name), folder)
             for where, _, names in os.walk(folder) for name in names}
    extra = files - {merkle.tile_path(*tile) for tile in merkle.tiles_of(size)} - {'checkpoint'}
    if not exact:
        extra = {name for name in extra if '.p/' not in name}
    assert not extra, f'{folder}: files that are no part of a log of {size}: {sorted(extra)[:5]}'
    return origin.decode(), size


class Grower:
    """Appends made-up events to one log until it has an exact size."""

    def __init__(self, server):
        from client import Client, compile_protos
        self.client = Client(server.config, compile_protos())
        protos = self.client.protos
        self.number = 0
        self.event = protos.event.Event(
            tenant='acme', region=REGION, time_unix_nano=time.time_ns(), event_type=protos.event.EVENT_TYPE_GENERIC,
            action=protos.event.ACTION_OTHER, outcome=protos.event.OUTCOME_SUCCESS,
            actor={'id': 'nobody', 'type': protos.event.ACTOR_TYPE_SYSTEM}, source={'service': 'tiles-test'},
            generic={'name': 'tick'})

    def size(self):
        answer = self.client.ask('ListLogs', self.client.protos.log.ListLogsRequest(region=REGION))
        size, = (info.size for info in answer.log if info.log == LOG)
        return size

    def grow(self, target):
        """To `target` entries; further only where the log added an entry of its own."""
        while (left := target - self.size()) > 0:
            request = self.client.protos.ingest.AppendRequest()
            for _ in range(min(left, BATCH)):
                self.event.event_id = f'tick-{self.number}'
                self.event.actor.id = f'actor-{self.number % 97}'
                self.number += 1
                request.event.append(self.event)
            answer = self.client.ask('Append', request)
            assert all(result.code == 0 for result in answer.result), answer
        size = self.size()
        # What is exported is the newest checkpoint, which is up to a second behind: have one of this size signed.
        self.client.ask('GetCheckpoint', self.client.protos.log.GetCheckpointRequest(log=LOG, min_size=size))
        return size


def export(server, grower, folder, target, keys, exact):
    size = grower.grow(target)
    done = server.run('tiles', '--log', LOG, '--out', folder)
    assert done.returncode == 0, f'{size}: exit {done.returncode}: {done.stderr}'
    origin, found = check_folder(folder, keys, exact)
    assert origin == f'audit.example.org/{LOG}' and found >= size, f'{origin}: {found} entries exported, not {size}'
    return found


def tampered(folder, keys, path, at):
    """A changed byte is noticed."""
    data = read(f'{folder}/{path}')
    with open(f'{folder}/{path}', 'wb') as file:
        file.write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    try:
        check_folder(folder, keys)
    except (AssertionError, verify_answer.Refused):
        with open(f'{folder}/{path}', 'wb') as file:
            file.write(data)
        return
    raise AssertionError(f'{path}: a changed byte was not noticed')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tools', help='the folder of stele and steled')
    parser.add_argument('--soak', action='store_true', help='also at some hundred thousand')
    parser.add_argument('--folder', help='an exported log')
    parser.add_argument('--vkeys', help='a file of keys, one a line')
    arguments = parser.parse_args()
    if arguments.folder:
        keys = verify_answer.read_keys(read(arguments.vkeys))
        print('%s: %d entries hold' % check_folder(arguments.folder, keys, False))
        return
    if arguments.soak:
        skip_soak()
    try:
        import grpc  # noqa: F401
    except ImportError as error:
        skip(f'/usr/bin/python3: {error} (Debian: python3-grpcio, python3-protobuf)')
    with Server(arguments.tools, (REGION,)) as server:
        keys, grower = verify_answer.read_keys(read(server.vkeys)), Grower(server)
        seen, kept = [], f'{server.folder}/kept'
        for target in (grower.size(), *SIZES, *(SOAK_SIZES if arguments.soak else ())):
            seen.append(export(server, grower, f'{server.folder}/at-{target}', target, keys, exact=True))
            # The same into a folder that grows with the log.
            export(server, grower, kept, target, keys, exact=False)
        for path, at in (('tile/entries/000', 70), ('tile/0/001', 40), ('tile/1/000', 1), ('checkpoint', 30)):
            tampered(f'{server.folder}/at-{SIZES[-1]}', keys, path, at)
        grower.client.close()
    print('a tlog-tiles log at the sizes', ', '.join(map(str, seen)))
    missed = [size for size in SIZES if size not in seen]
    assert len(missed) <= 3, f'the log grew past {missed}'


if __name__ == '__main__':
    main()
