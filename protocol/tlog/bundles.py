# SPDX-License-Identifier: Apache-2.0
"""Entry bundles: the entries of a log, in pieces of 256 beside the tiles of level 0. No proof is here.

1. An entry has at most 65,535 octets: its length is written in 16 bits.
2. A reader says how many entries it expects; more, fewer, or octets left over are refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.octets import Reader, Writer
from protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, leaf_hash
from protocol.tlog.tiles import TILE_WIDTH, parse_index, path_of_index, path_of_width, width_in

MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
"""What a client has to be ready to read, before it has read it."""
_PATH = re.compile(r"tile/entries/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class BundleName:
    """Which bundle: its index, and how many entries it holds (256 if it is full)."""

    index: int
    width: int = TILE_WIDTH

    @property
    def start(self) -> int:
        """Index of the first entry."""
        return self.index * TILE_WIDTH

    def to_path(self) -> str:
        """Write the path under the prefix of a log.

        Spec: C2SP tlog-tiles, log entries; PROTOCOL.md section 17.5.
        """
        return f"tile/entries/{path_of_index(self.index)}{path_of_width(self.width)}"

    def is_in(self, size: int) -> bool:
        """Say whether a log of a size has this bundle, as wide or wider."""
        return self.width <= width_in(size, 0, self.index)


def parse_bundle_path(path: str) -> BundleName:
    """Read the path of a bundle.

    Raises:
        MalformedError: not such a path in its one form.
    """
    match = _PATH.fullmatch(path)
    if match:
        bundle = BundleName(parse_index(match[1]), int(match[2] or TILE_WIDTH))
        if bundle.index <= MAX_SIZE and bundle.width <= TILE_WIDTH and bundle.to_path() == path:
            return bundle
    raise MalformedError("not the path of a bundle", code=ReasonCode.BAD_FIELD)


def bundles_for(start: int, end: int, size: int) -> tuple[BundleName, ...]:
    """Name the bundles that hold the entries `[start, end)` of a log of a size.

    Raises:
        LocalProtocolError: not a range of its entries.
    """
    if not 0 <= start <= end <= size <= MAX_SIZE:
        raise LocalProtocolError("not a range of entries")
    first, last = start // TILE_WIDTH, -(-end // TILE_WIDTH)
    return tuple(BundleName(index, width_in(size, 0, index)) for index in range(first, last) if start < end)


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Write entries, at most 256.

    Raises:
        LocalProtocolError: none, too many, or one too long.

    Spec: C2SP tlog-tiles, log entries.
    """
    if not 1 <= len(entries) <= TILE_WIDTH or any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise LocalProtocolError("not entries that a bundle can hold")
    writer = Writer()
    for entry in entries:
        writer.u16(len(entry)).raw(entry)
    return writer.to_bytes()


def parse_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Read the entries of a bundle.

    Raises:
        MalformedError: cut off, or more or fewer entries than `width`.

    Spec: C2SP tlog-tiles, log entries; PROTOCOL.md section 17.5.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise MalformedError("a bundle too long", code=ReasonCode.TOO_LARGE)
    reader = Reader(data)
    entries = tuple(reader.raw(reader.u16()) for _ in range(width))
    reader.finish()
    return entries


def verify_bundle(entries: Sequence[bytes], tile: bytes) -> None:
    """Check entries against the level 0 tile of the same index and width, which was itself checked.

    Raises:
        UntrustedError: another number of entries, or one that hashes to another leaf.
    """
    if b"".join([leaf_hash(entry) for entry in entries]) != tile or len(tile) != len(entries) * HASH_BYTES:
        raise UntrustedError("entries that are not those of the tile")
