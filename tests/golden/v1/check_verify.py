#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The second verifier on the frozen files: what it says of each, and that it refuses any changed byte."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import verify_answer  # noqa: E402

LOG = 'stele.example/eu-1/3y'
EXPECTED = {
    'receipt.tlog-proof': f'receipt {LOG} size 10 entry 5 type 1 flags 3',
    'receipt_bare.tlog-proof': f'receipt {LOG} size 10 entry 2 type 1 flags 0',
    'receipt_control.tlog-proof': f'receipt {LOG} size 10 entry 0 type 3 flags 0',
    'receipt_index.tlog-proof': f'receipt {LOG} size 10 entry 9 type 2 flags 0',
    'answer.stele-answer': 'answer stele.example/eu-1/1y:10 stele.example/eu-1/3y:8 stele.example/eu-1/system:9 '
                           'events 12 cut 0',
}
# A payload that is not in the file is not opened, and so the salt in the base64 of the extra line is free.
BARE = {'receipt_bare.tlog-proof'}


def load(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), 'rb') as file:
        return file.read()


def refused(data, keys):
    try:
        verify_answer.verify(data, keys)
    except (verify_answer.Refused, KeyError, IndexError, ValueError, OverflowError, OSError):
        return True
    return False


def main():
    keys = verify_answer.read_keys(load('verify_keys.txt'))
    for name, expected in EXPECTED.items():
        data = load(name)
        said = verify_answer.verify(data, keys)
        assert said == expected, f'{name}: {said}'
        assert refused(data, {}), f'{name}: verified without a key'
        assert refused(data + b'\n', keys), f'{name}: a byte added'
        for at in range(len(data)):
            assert refused(data[:at], keys), f'{name}: cut at {at}'
            for flip in () if name in BARE else (1 << at % 8,):
                changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1:]
                assert refused(changed, keys), f'{name}: byte {at} changed by {flip}'
        print(f'{name}: {said}')


main()
