# SPDX-License-Identifier: Apache-2.0
"""Secret bytes that do not slip out by accident. Not a promise to erase: Python can't erase memory.

1. No text form, no pickling, no copying, no hash; equality takes the same time for any content.
2. `reveal` is the only way out, so that a search for it finds every place that touches the bytes.
"""

import hmac
from typing import NoReturn


class SecretBytes:
    """A secret of fixed length."""

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a secret is no member of a set

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return f"SecretBytes({len(self._value)} bytes)"

    def __reduce_ex__(self, _version: object) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")
