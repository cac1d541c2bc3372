# SPDX-License-Identifier: Apache-2.0
"""What a parser does with bytes from outside: a value, or one listed reason."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from protocol.errors import ReasonCode, RemoteProtocolError

T = TypeVar("T")


def value_or_reason(parse: Callable[[], T]) -> T | ReasonCode:
    """Return the value, or the reason of a `RemoteProtocolError`; any other error passes through."""
    try:
        return parse()
    except RemoteProtocolError as error:
        return error.code


def refused(parse: Callable[[], object], code: ReasonCode) -> None:
    """Assert that this is refused for this reason."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse()
    assert caught.value.code is code
