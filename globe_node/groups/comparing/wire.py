# SPDX-License-Identifier: Apache-2.0
"""What two members of groups show each other of what their hubs signed. Nothing in it is trusted here.

1. Question and answer have one form: for some groups the newest hub receipt that the speaker has, or in the
   answer the newest one up to the epoch that was shown; or a proof, two receipts that contradict each other.
2. A group of which the speaker has nothing to show is not named.

shown = u8 1 || u8 n || n * (group (32) || op(receipt) || op(second receipt of a proof, or empty))
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.groups.profile import GROUP_ID_BYTES
from protocol.groups.testimony.hub_receipt import MAX_HUB_RECEIPT_BYTES
from protocol.octets import Reader, Writer

MAX_SHOWN = 16
"""Groups that one question or answer names."""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """What a member shows of one group.

    Attributes:
        group_id: the group.
        receipt: of its hub; or the first of a proof.
        second: the second of a proof, or empty.
    """

    group_id: bytes
    receipt: bytes = field(repr=False)
    second: bytes = field(default=b"", repr=False)


def shown_bytes(shown: Iterable[Shown]) -> bytes:
    """Write a question or an answer."""
    ordered = sorted(shown, key=lambda one: one.group_id)
    writer = Writer().u8(_VERSION).u8(len(ordered))
    for one in ordered:
        writer.raw(one.group_id).op(one.receipt).op(one.second)
    return writer.to_bytes()


def parse_shown(body: bytes) -> tuple[Shown, ...]:
    """Read a question or an answer; no receipt in it is read.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: cut off, too long, too many groups, or groups out of order.

    Spec: PROTOCOL.md section 11.5.
    """
    reader = Reader(body)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("not a version of the exchange that this node speaks")
    count = reader.u8()
    if count > MAX_SHOWN:
        raise MalformedError("more groups than are compared at once", code=ReasonCode.TOO_LARGE)
    shown = tuple(
        Shown(
            reader.raw(GROUP_ID_BYTES), reader.op(MAX_HUB_RECEIPT_BYTES, 1), reader.op(MAX_HUB_RECEIPT_BYTES)
        )
        for _ in range(count)
    )
    reader.finish()
    if any(one.group_id >= following.group_id for one, following in pairwise(shown)):
        raise MalformedError("groups out of order", code=ReasonCode.BAD_CONTENT)
    return shown
