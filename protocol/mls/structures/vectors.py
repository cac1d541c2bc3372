# SPDX-License-Identifier: Apache-2.0
"""Lists, optional values and remembered octets: what the structures of RFC 9420 share. No structure itself.

1. A vector has at most 16 MiB, a list at most 8,192 items; RFC 9420 allows 2^30 - 1 bytes.
2. A closed enumeration has no unknown values; an open one is a plain integer.
3. A structure that was read remembers its octets, so that hashes and signatures are over what came in and
   nothing is written twice. A changed copy forgets them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import IntEnum
from struct import unpack
from typing import Protocol, TypeVar

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode
from protocol.limits import MAX_MLS_LIST_ITEMS, MAX_MLS_VECTOR_BYTES
from protocol.octets import Reader, Writer

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)


class Structure(Protocol):
    """A value with octets."""

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        ...


class Encoded(ABC):
    """A value that remembers its octets. Its fields never change, so they never become wrong."""

    __slots__ = ("_octets",)
    _octets: bytes

    @abstractmethod
    def write_fields(self, writer: Writer) -> None:
        """Write all fields in order; called once at most."""

    def write(self, writer: Writer) -> None:
        """Write all fields in order."""
        writer.raw(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the octets of this structure."""
        try:
            return self._octets
        except AttributeError:
            writer = Writer()
            self.write_fields(writer)
            return self._remember(writer.to_bytes())

    def _remember(self, octets: bytes) -> bytes:
        object.__setattr__(self, "_octets", octets)
        return octets


N = TypeVar("N", bound=Encoded)


def remembered(structure: N, octets: bytes) -> N:
    """Give a structure that was just read the octets it was read from."""
    structure._remember(octets)  # noqa: SLF001 - the other half of the same class
    return structure


def octets_of(structure: Structure) -> bytes:
    """Return the octets of a structure that does not remember them."""
    writer = Writer()
    structure.write(writer)
    return writer.to_bytes()


def parse_whole(read: Callable[[Reader], T], data: bytes) -> T:
    """Read one structure that fills the data.

    Raises:
        MalformedError: over the limit (`too_large`), cut off, not in its one form, or followed by more.
        UnsupportedVersionError: another protocol version.
    """
    if len(data) > MAX_MLS_VECTOR_BYTES:
        raise MalformedError("a structure over the limit", code=ReasonCode.TOO_LARGE)
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value


def read_vector(reader: Reader) -> bytes:
    """Take a vector of octets.

    Spec: RFC 9420 section 2.1.2.
    """
    return reader.op(MAX_MLS_VECTOR_BYTES)


def write_list(writer: Writer, items: Iterable[T], write: Callable[[Writer, T], object]) -> None:
    """Add a vector of items.

    Spec: RFC 9420 section 2.1.2.
    """
    inner = Writer()
    for item in items:
        write(inner, item)
    writer.op(inner.to_bytes())


def read_list(reader: Reader, read: Callable[[Reader], T]) -> tuple[T, ...]:
    """Take a vector of items.

    Raises:
        MalformedError: too many items (`too_large`), or an item that does not end where the vector ends.

    Spec: RFC 9420 section 2.1.2.
    """
    inner = Reader(read_vector(reader))
    items: list[T] = []
    while inner.remaining:
        if len(items) == MAX_MLS_LIST_ITEMS:
            raise MalformedError("a list with too many items", code=ReasonCode.TOO_LARGE)
        items.append(read(inner))
    return tuple(items)


def write_numbers(writer: Writer, numbers: tuple[int, ...]) -> None:
    """Add a vector of integers of 16 bits."""
    write_list(writer, numbers, Writer.u16)


def read_numbers(reader: Reader) -> tuple[int, ...]:
    """Take a vector of integers of 16 bits; what `read_list` does, in one step.

    Raises:
        MalformedError: too many (`too_large`), or half of one at the end.
    """
    octets = read_vector(reader)
    if len(octets) > 2 * MAX_MLS_LIST_ITEMS:
        raise MalformedError("a list with too many items", code=ReasonCode.TOO_LARGE)
    if len(octets) % 2:
        raise malformed("cut off within a field")
    return unpack(f">{len(octets) // 2}H", octets)


def write_optional(writer: Writer, value: T | None, write: Callable[[Writer, T], object]) -> None:
    """Add a value that may be absent.

    Spec: RFC 9420 section 2.1.1.
    """
    writer.u8(0 if value is None else 1)
    if value is not None:
        write(writer, value)


def read_optional(reader: Reader, read: Callable[[Reader], T]) -> T | None:
    """Take a value that may be absent.

    Raises:
        MalformedError: it is neither there nor absent.

    Spec: RFC 9420 section 2.1.1.
    """
    present = reader.u8()
    if present > 1:
        raise malformed("a value neither present nor absent")
    return read(reader) if present else None


def member_of(kind: type[E], value: int) -> E:
    """Return the member of a closed enumeration.

    Raises:
        MalformedError: it has no such member.
    """
    try:
        return kind(value)
    except ValueError:
        raise malformed("a value that its enumeration does not have") from None


def required(value: T | None) -> T:
    """Return a field that the rest of its structure demands.

    Raises:
        LocalProtocolError: it is absent.
    """
    if value is None:
        raise LocalProtocolError("a structure without a field that it needs", code=ReasonCode.BAD_CONTENT)
    return value


def malformed(text: str) -> MalformedError:
    """Return the error for octets that are not the structure they should be."""
    return MalformedError(text, code=ReasonCode.BAD_CONTENT)
