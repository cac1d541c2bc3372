# SPDX-License-Identifier: Apache-2.0
"""Small changes of octets, the same for the same seed: what a hostile line or member might make of them."""

import random
from collections.abc import Callable, Sequence

EDGES = (0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFF)
"""Octets at which lengths, numbers and flags change their meaning."""

Change = Callable[[bytearray, random.Random], None]


def changed(octets: bytes, corpus: Sequence[bytes], seed: str) -> bytes:
    """Return octets that nobody meant: these changed, now and then with a piece of others of the corpus."""
    chance = random.Random(seed)  # noqa: S311 - it has to repeat itself
    while True:
        result = bytearray(octets)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            if chance.random() < 0.15:
                _graft(result, chance.choice(corpus), chance)
            else:
                chance.choice(CHANGES)(result, chance)
        if result != octets and bytes(result) not in corpus:
            return bytes(result)


def _place(octets: bytearray, chance: random.Random) -> int:
    """Choose a place; every second time near the beginning, where lengths and names stand."""
    end = max(1, len(octets))
    return chance.randrange(min(end, 80) if chance.random() < 0.5 else end)


def _flip(octets: bytearray, chance: random.Random) -> None:
    if octets:
        octets[_place(octets, chance)] ^= 1 << chance.randrange(8)


def _set(octets: bytearray, chance: random.Random) -> None:
    if octets:
        octets[_place(octets, chance)] = chance.choice(EDGES)


def _count(octets: bytearray, chance: random.Random) -> None:
    """Add or take one or two from an integer of some width."""
    width = chance.choice((1, 2, 4, 8))
    at = _place(octets, chance)
    number = int.from_bytes(octets[at : at + width], "big") + chance.choice((-2, -1, 1, 2))
    octets[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "big")


def _insert(octets: bytearray, chance: random.Random) -> None:
    at = _place(octets, chance)
    size = chance.randrange(1, 9)
    octets[at:at] = chance.choice((bytes(size), chance.randbytes(size)))


def _cut(octets: bytearray, chance: random.Random) -> None:
    at = _place(octets, chance)
    del octets[at : at + chance.randrange(1, 17)]


def _end(octets: bytearray, chance: random.Random) -> None:
    del octets[_place(octets, chance) :]


def _append(octets: bytearray, chance: random.Random) -> None:
    octets += chance.choice(
        (b"\0", bytes(chance.randrange(1, 40)), chance.randbytes(chance.randrange(1, 40)))
    )


def _repeat(octets: bytearray, chance: random.Random) -> None:
    start, to = _place(octets, chance), _place(octets, chance)
    octets[to:to] = octets[start : start + chance.randrange(1, 64)]


def _move(octets: bytearray, chance: random.Random) -> None:
    size = chance.randrange(1, 64)
    start, to = _place(octets, chance), _place(octets, chance)
    octets[start : start + size], octets[to : to + size] = (
        octets[to : to + size],
        octets[start : start + size],
    )


def _blank(octets: bytearray, chance: random.Random) -> None:
    at, size = _place(octets, chance), chance.randrange(1, 64)
    octets[at : at + size] = bytes(len(octets[at : at + size]))


def _graft(octets: bytearray, other: bytes, chance: random.Random) -> None:
    """Take a piece of another message, or all of it from some place on."""
    at = _place(bytearray(other), chance)
    size = chance.choice((chance.randrange(1, 200), len(other)))
    octets[at : at + size] = other[at : at + size]


CHANGES: tuple[Change, ...] = (
    _flip,
    _flip,
    _set,
    _count,
    _insert,
    _cut,
    _end,
    _append,
    _repeat,
    _move,
    _blank,
)
