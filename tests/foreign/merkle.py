# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 trees and C2SP tlog-tiles in Python's standard library: a second source for what Stele proves."""
import hashlib

TILE_WIDTH = 256
EMPTY_ROOT = hashlib.sha256(b'').digest()


def leaf(entry):
    return hashlib.sha256(b'\0' + entry).digest()


def inner(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def fold(hashes):
    """The root of a tree over the hashes of complete, equally large subtrees."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        paired = [inner(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def root_by_path(index, size, node, path):
    """The root that an audit path leads to (RFC 9162, 2.1.3.2); None if the path has a wrong length."""
    if index >= size:
        return None
    fn, sn = index, size - 1
    for sibling in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            node = inner(sibling, node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = inner(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    return node if sn == 0 else None


def is_consistent(old_size, new_size, old_root, new_root, path):
    """Whether a consistency proof holds (RFC 9162, 2.1.4.2)."""
    path = list(path)
    if old_size == new_size:
        return not path and old_root == new_root
    if not 0 < old_size < new_size or not path:
        return False
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for node in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = inner(node, old), inner(node, new)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = inner(new, node)
        fn, sn = fn >> 1, sn >> 1
    return old == old_root and new == new_root and sn == 0


# ---------------------------------------------------------------------------------------- tlog-tiles
def tile_path(kind, index, width):
    """kind: a level, or "entries"; width 256: a full tile."""
    digits = f'{index % 1000:03}'
    while index >= 1000:
        index //= 1000
        digits = f'x{index % 1000:03}/{digits}'
    return f'tile/{kind}/{digits}' + ('' if width == TILE_WIDTH else f'.p/{width}')


def tiles_of(size):
    """Every tile a tree of `size` has, the rightmost ones partial: (kind, index, width), lowest level first."""
    for kind in ('entries', *range(8)):
        hashes = size >> (0 if kind == 'entries' else 8 * kind)
        for index in range((hashes + TILE_WIDTH - 1) // TILE_WIDTH):
            yield kind, index, min(TILE_WIDTH, hashes - TILE_WIDTH * index)


def entries_of(bundle):
    """The entries of an entry bundle: each a 16-bit length and its bytes."""
    found, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at:at + 2], 'big')
        if at + 2 > len(bundle) or end > len(bundle):
            raise AssertionError(f'a bundle is cut off at byte {at} of {len(bundle)}')
        found.append(bundle[at + 2:end])
        at = end
    return found


def check_tiles(size, root, read):
    """Reads every tile of a tree by read(path): entries make level 0, each level the next one, all the root."""
    below = []  # hashes of the level below; of level 0 at first
    for kind, index, width in tiles_of(size):
        path = tile_path(kind, index, width)
        data = read(path)
        if kind == 'entries':
            entries = entries_of(data)
            assert len(entries) == width, f'{path}: {len(entries)} entries, not {width}'
            below.extend(map(leaf, entries))
            continue
        assert len(data) == 32 * width, f'{path}: {len(data)} bytes, not {32 * width}'
        if index == 0 and kind > 0:
            below = [fold(below[i:i + TILE_WIDTH]) for i in range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)]
        expected = b''.join(below[TILE_WIDTH * index:TILE_WIDTH * index + width])
        assert data == expected, f'{path}: not the hashes of what is below it'
        if kind == 0 and index == 0:
            leaves = below
    assert (fold(leaves) if size else EMPTY_ROOT) == root, 'the entries do not make the root of the checkpoint'
