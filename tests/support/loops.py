# SPDX-License-Identifier: Apache-2.0
"""Coroutines that never wait for anything outside, run without an event loop."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end a coroutine over inline parts; one that really waits is an error."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waited for something outside")
