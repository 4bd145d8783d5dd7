#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The second verifier on the frozen complete answers: what it says of each, and that it refuses changed bytes."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import verify_complete  # noqa: E402

EARLY = 'stele.example/eu-1/1y:16/17 stele.example/eu-1/3y:45/46 stele.example/eu-1/system:11/12'
LATER = 'stele.example/eu-1/1y:20/21 stele.example/eu-1/3y:49/50 stele.example/eu-1/system:11/12'
EXPECTED = {
    'complete.stele-answer': f'complete {EARLY} events 4 gaps 0 until 1766663107985525',
    'complete_absent.stele-answer': f'complete {EARLY} events 0 gaps 0 until 1766663107985525',
    'complete_number.stele-answer': f'complete {EARLY} counted 8 gaps 0 until 1766663107985525',
    'complete_gaps.stele-answer': f'complete {LATER} events 14 gaps 3 until 1765627200000000',
}
EVERY = 5  # one byte in so many: each is a whole verification


def load(name):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), 'rb') as file:
        return file.read()


def refused(data, keys):
    # A digest that holds: what is refused is refused by a rule.
    data = data[:-32] + verify_complete.sha(data[:-32])
    try:
        verify_complete.verify(data, keys)
    except (verify_complete.Refused, KeyError, IndexError, ValueError, OverflowError, OSError, TypeError):
        return True
    return False


def question_of(data):
    """Where the question ends: no log signs it, and another one may have the same answer."""
    return 16 + 5 + int.from_bytes(data[17:21], 'big')


def main():
    keys = verify_complete.read_keys(load('verify_keys.txt'))
    for name, expected in EXPECTED.items():
        data = load(name)
        said = verify_complete.verify(data, keys)
        assert said == expected, f'{name}: {said}'
        assert refused(data, {}), f'{name}: verified without a key'
        for at in range(question_of(data), len(data) - 32, EVERY):
            changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
            assert refused(changed, keys), f'{name}: byte {at} changed'
        for at in range(40, len(data), 16 * EVERY):
            assert refused(data[:at], keys), f'{name}: cut at {at}'
        print(f'{name}: {said}')


main()
