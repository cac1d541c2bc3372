# SPDX-License-Identifier: Apache-2.0
"""Structures without their memory, so that a test sees what their fields write."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

T = TypeVar("T")


def afresh(value: T) -> T:
    """Return an equal value that remembers no octets, down to its last part."""
    if isinstance(value, tuple):
        parts = [afresh(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: afresh(getattr(value, one.name)) for one in fields(value) if one.init}
        return replace(value, **changed)
    return value
