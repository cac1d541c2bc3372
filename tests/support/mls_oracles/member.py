# SPDX-License-Identifier: Apache-2.0
"""What the adapters of other implementations have in common: one member of one group of suite 1.

1. All messages are MLSMessage octets; wrappings that a library of its own adds are added and removed in its
   adapter.
2. Whatever a library raises on a message becomes `OracleRefusedError`.
3. A library that is not installed skips the test with a reason; where `CI` is set it fails instead.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import pytest

SUITE = 1
"""MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, the one suite that all of them speak."""
MLS10 = b"\x00\x01"
KEY_PACKAGE_FORMAT = b"\x00\x05"


class OracleRefusedError(Exception):
    """The other implementation refused a message."""


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that its maker has already taken over.

    Attributes:
        commit: for the members.
        welcome: for who was added, or None.
    """

    commit: bytes
    welcome: bytes | None = None


def oracle_module(name: str) -> ModuleType:
    """Import another implementation, or skip the test."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        reason = f"{name} is not installed; it exists for Linux on x86_64 (requirements/dev.in)"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}: {type(error).__name__}")
        pytest.skip(reason)


@contextmanager
def refusals(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what a library raises into `OracleRefusedError`."""
    try:
        yield
    except kinds as error:
        raise OracleRefusedError(f"{type(error).__name__}: {error}") from error
