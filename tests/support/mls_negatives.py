# SPDX-License-Identifier: Apache-2.0
"""What every test of a refusal asserts: an error of the other side, and a state that is as it was."""

from collections.abc import Callable
from functools import cache

import pytest

from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.mls.group import Group
from protocol.mls.processing import Proposed, process
from tests.support.mls_forging import fingerprint
from tests.support.mls_members import NOW_MS, POLICY, group_of


@cache
def members(size: int) -> tuple[Group, ...]:
    """Return a group as each member sees it; values, so tests can share them."""
    return tuple(group_of(size))


def refuses(
    group: Group, message: bytes, code: ReasonCode | None = None, match: str | None = None
) -> RemoteProtocolError:
    """Assert that a message is refused and nothing changes."""
    before = fingerprint(group)
    with pytest.raises(RemoteProtocolError, match=match) as caught:
        process(group, message, POLICY, NOW_MS)
    assert fingerprint(group) == before
    if code is not None:
        assert caught.value.code is code
    return caught.value


def kept_by(group: Group, message: bytes) -> Group:
    """Return the group with a proposal that came."""
    taken = process(group, message, POLICY, NOW_MS)
    assert isinstance(taken, Proposed)
    return taken.group


def declines(make: Callable[[], object], match: str | None = None) -> None:
    """Assert that we do not make this ourselves."""
    with pytest.raises(LocalProtocolError, match=match):
        make()
