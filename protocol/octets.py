# SPDX-License-Identifier: Apache-2.0
"""Fields in a row of octets: fixed-width integers, fixed strings and vectors with a length before them.

Not a schema language: each structure writes and reads its own fields in order.

1. Integers are big-endian and unsigned.
2. A vector carries its length as the variable-size integer of RFC 9420, in the shortest form only.
3. A reader never looks beyond its bytes, takes no vector over the bound its caller names, and `finish`
   refuses whatever is left over.
4. Base64 is the standard alphabet with padding, in its one form; used where octets stand in JSON.
"""

import base64
import binascii
from typing import Self

from protocol.errors import LocalProtocolError, MalformedError, ReasonCode

MAX_VECTOR_BYTES = (1 << 30) - 1
"""What the variable-size integer can say."""


def op(data: bytes) -> bytes:
    """Return the data as a vector: its length, then itself.

    Spec: RFC 9420 section 2.1.2; PROTOCOL.md section 1.
    """
    return _length_prefix(len(data)) + data


def _length_prefix(size: int) -> bytes:
    if size < 1 << 6:
        return bytes((size,))
    if size < 1 << 14:
        return (size | 0x4000).to_bytes(2, "big")
    if size <= MAX_VECTOR_BYTES:
        return (size | 0x8000_0000).to_bytes(4, "big")
    raise LocalProtocolError("a vector longer than its length can say", code=ReasonCode.TOO_LARGE)


class Writer:
    """Gathers fields; `to_bytes` joins them."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u8(self, value: int) -> Self:
        """Add an integer of 8 bits."""
        return self._integer(value, 1)

    def u16(self, value: int) -> Self:
        """Add an integer of 16 bits."""
        return self._integer(value, 2)

    def u32(self, value: int) -> Self:
        """Add an integer of 32 bits."""
        return self._integer(value, 4)

    def u64(self, value: int) -> Self:
        """Add an integer of 64 bits."""
        return self._integer(value, 8)

    def raw(self, data: bytes) -> Self:
        """Add octets whose length the reader knows."""
        self._parts.append(data)
        return self

    def op(self, data: bytes) -> Self:
        """Add a vector: its length, then itself."""
        self._parts.append(_length_prefix(len(data)))
        self._parts.append(data)
        return self

    def to_bytes(self) -> bytes:
        """Return all fields in a row."""
        return b"".join(self._parts)

    def _integer(self, value: int, width: int) -> Self:
        if not 0 <= value < 1 << (8 * width):
            raise LocalProtocolError("an integer outside its width", code=ReasonCode.BAD_FIELD)
        self._parts.append(value.to_bytes(width, "big"))
        return self


class Reader:
    """Takes fields from untrusted octets, in order. Every method raises `MalformedError` (`bad_content`)."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def position(self) -> int:
        """How many octets were taken."""
        return self._at

    @property
    def remaining(self) -> int:
        """How many octets are left."""
        return len(self._data) - self._at

    def since(self, position: int) -> bytes:
        """Return again what was taken since an earlier `position`."""
        return self._data[position : self._at]

    def u8(self) -> int:
        """Take an integer of 8 bits."""
        at = self._at
        if at >= len(self._data):
            raise _cut()
        self._at = at + 1
        return self._data[at]

    def u16(self) -> int:
        """Take an integer of 16 bits."""
        return int.from_bytes(self.raw(2), "big")

    def u32(self) -> int:
        """Take an integer of 32 bits."""
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        """Take an integer of 64 bits."""
        return int.from_bytes(self.raw(8), "big")

    def raw(self, size: int) -> bytes:
        """Take `size` octets."""
        end = self._at + size
        if end > len(self._data):
            raise _cut()
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def op(self, max_bytes: int, min_bytes: int = 0) -> bytes:
        """Take a vector of `min_bytes` to `max_bytes` octets.

        Raises:
            MalformedError: cut off, length not in shortest form, or too short (`bad_content`); longer than
                `max_bytes` (`too_large`).

        Spec: RFC 9420 section 2.1.2; PROTOCOL.md section 1.
        """
        size = self._vector_length()
        if size > max_bytes:
            raise MalformedError(f"a vector longer than {max_bytes} bytes", code=ReasonCode.TOO_LARGE)
        if size < min_bytes:
            raise MalformedError(f"a vector shorter than {min_bytes} bytes", code=ReasonCode.BAD_CONTENT)
        return self.raw(size)

    def finish(self) -> None:
        """Refuse octets after the last field."""
        if self._at != len(self._data):
            raise MalformedError("octets after the last field", code=ReasonCode.BAD_CONTENT)

    def _vector_length(self) -> int:
        first = self.u8()
        kind = first >> 6
        if kind == 0:
            return first
        if kind == 3:
            raise MalformedError("a length in a form that does not exist", code=ReasonCode.BAD_CONTENT)
        width = 1 if kind == 1 else 3
        size = ((first & 0x3F) << (8 * width)) | int.from_bytes(self.raw(width), "big")
        if size < (1 << 6 if kind == 1 else 1 << 14):
            raise MalformedError("a length not in its shortest form", code=ReasonCode.BAD_CONTENT)
        return size


def base64_text(data: bytes) -> str:
    """Write octets for a place in JSON.

    Spec: RFC 4648 section 4; PROTOCOL.md section 1.
    """
    return base64.b64encode(data).decode("ascii")


def parse_base64(text: str) -> bytes:
    """Read what `base64_text` writes, and no other form of the same octets.

    Raises:
        MalformedError: not base64 in its one form (`bad_field`).

    Spec: RFC 4648 section 4; PROTOCOL.md section 1.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or base64_text(data) != text:
        raise MalformedError("not base64 in its one form", code=ReasonCode.BAD_FIELD)
    return data


def _cut() -> MalformedError:
    return MalformedError("cut off within a field", code=ReasonCode.BAD_CONTENT)
