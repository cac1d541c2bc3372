# SPDX-License-Identifier: Apache-2.0
"""The keys under which group secrets are kept for a day, and their sealed form. It opens no file.

What is sealed under them is the state of group encryption: keys that must be gone when they are spent.
Erasing a row leaves copies in old pages, logs and snapshots; destroying its key makes all of them unreadable.

1. A key is fresh chance and is derived from nothing, so that no other secret brings it back.
2. The ring of keys is sealed under the node's storage key, bound to one life of the node: what was put back
   with an older life does not open.
3. A number is drawn, never counted: a ring that was lost gives no number to two keys.

ring = u8 version || u16 n || n * (u64 number || u64 made || secret (32))
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from keys.errors import RowDamagedError
from keys.secret import SecretBytes
from keys.storage_key import StorageKey
from protocol.errors import MalformedError
from protocol.interfaces import Entropy
from protocol.octets import Reader, Writer

MAX_DAY_KEYS = 4_096
"""Keys that one ring may hold: eleven years of days of which none could be destroyed."""
_VERSION = 1
_SECRET_BYTES = 32
_PLACE = "group keys"


@dataclass(frozen=True, slots=True)
class DayKey:
    """The key of one day.

    Attributes:
        number: its name in the store, 1 to 2^63 - 1.
        made_ms: when it was made, in milliseconds of Unix time.
        key: seals and opens rows.
    """

    number: int
    made_ms: int
    key: StorageKey = field(repr=False)


def new_day_key(now_ms: int, entropy: Entropy) -> DayKey:
    """Make the key of a day.

    Args:
        now_ms: Unix time in milliseconds.
        entropy: 8 octets for the number and 32 for the key are drawn.
    """
    number = max(1, int.from_bytes(entropy.random_bytes(8), "big") >> 1)
    return DayKey(number, now_ms, StorageKey.generate(entropy))


def seal_ring(ring: Sequence[DayKey], storage: StorageKey, incarnation: str, entropy: Entropy) -> bytes:
    """Seal a ring of keys.

    Args:
        ring: at most `MAX_DAY_KEYS`.
        storage: the node's storage key.
        incarnation: the life of the node that they belong to; 16 hex digits.
        entropy: 24 octets for the nonce are drawn.
    """
    writer = Writer().u8(_VERSION).u16(len(ring))
    for one in ring:
        writer.u64(one.number).u64(one.made_ms).raw(one.key.secret.reveal())
    return storage.seal(_PLACE, incarnation.encode("ascii"), writer.to_bytes(), entropy)


def open_ring(sealed: bytes, storage: StorageKey, incarnation: str) -> tuple[DayKey, ...]:
    """Open what `seal_ring` made for the same life of the same node.

    Raises:
        RowDamagedError: changed, of another life, or of another node.
    """
    reader = Reader(storage.open_sealed(_PLACE, incarnation.encode("ascii"), sealed))
    try:
        return _read(reader)
    except (MalformedError, ValueError):
        raise RowDamagedError(
            "the keys of groups open, but what is inside is no ring of keys",
            hint="Move the file away; groups are joined again, and no record is lost.",
        ) from None


def _read(reader: Reader) -> tuple[DayKey, ...]:
    if reader.u8() != _VERSION:
        raise MalformedError("a version of the ring of keys")
    ring = tuple(_read_key(reader) for _ in range(reader.u16()))
    reader.finish()
    if len({one.number for one in ring}) != len(ring):
        raise MalformedError("a number twice in the ring of keys")
    return ring


def _read_key(reader: Reader) -> DayKey:
    number, made_ms = reader.u64(), reader.u64()
    return DayKey(number, made_ms, StorageKey(SecretBytes(reader.raw(_SECRET_BYTES))))
