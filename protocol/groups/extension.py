# SPDX-License-Identifier: Apache-2.0
"""The extension `consultation` of a group: which consultation it is for, who belongs to it, who orders it.

It stands in the group context, so that all members who share an epoch share every octet of it. It does not
say who is in the tree: a member may be missing for a while; nobody else may be there.

1. The roster is the sorted list of the authorities that belong, 2 to 20, the hub's among them.
2. Successors are nodes of the roster, in the order in which they would follow the hub.
3. `policy_version` begins with 1 and grows by 1 with each change; consultation and opening never change.
4. It has one written form.

consultation extension = op(consultation id) || op(hub) || op(n * op(successor)) || op(n * op(authority))
                         || u64 policy_version || op(SHA-256 of the opening record)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from protocol import limits
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, RemoteProtocolError
from protocol.identifiers import (
    MAX_NODE_NAME_BYTES,
    AuthorityId,
    ConsultationId,
    NodeName,
    parse_authority_id,
    parse_consultation_id,
    parse_node_name,
)
from protocol.octets import Reader, Writer

CONSULTATION_EXTENSION = 0xF0E1
"""Its type, from the range for private use."""


MAX_SUCCESSORS = 19
OPENING_HASH_BYTES = 32
_CONSULTATION_BYTES = 36
_REMEMBERED = 256
"""The extension of a group is read at every change, and seldom changes."""
_MAX_LABEL_BYTES = 63
_MAX_LIST_BYTES = limits.MAX_GROUP_AUTHORITIES * (2 + MAX_NODE_NAME_BYTES)


@dataclass(frozen=True, slots=True)
class ConsultationExtension:
    """What all members of a group agree on about its consultation.

    Attributes:
        consultation: the consultation.
        hub: the node that puts commits in order.
        successors: who continues if the hub is gone, the first one first.
        roster: the authorities that belong, sorted.
        policy_version: how often this was set, from 1.
        opening: SHA-256 of the record that opened the consultation, 32 bytes.

    Spec: PROTOCOL.md section 16.3.
    """

    consultation: ConsultationId
    hub: NodeName
    successors: tuple[NodeName, ...]
    roster: tuple[AuthorityId, ...]
    policy_version: int
    opening: bytes

    def to_bytes(self) -> bytes:
        """Write the data of the extension.

        Raises:
            LocalProtocolError: a value that nobody would take (`bad_field`).
        """
        written = (
            Writer()
            .op(_ascii(self.consultation))
            .op(_ascii(str(self.hub)))
            .op(_row(str(successor) for successor in self.successors))
            .op(_row(self.roster))
            .u64(self.policy_version)
            .op(self.opening)
            .to_bytes()
        )
        try:
            parse_consultation_extension(written)
        except RemoteProtocolError as refused:
            raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
        return written


def amended(
    extension: ConsultationExtension,
    *,
    hub: NodeName | None = None,
    successors: Sequence[NodeName] | None = None,
    roster: Iterable[AuthorityId] | None = None,
) -> ConsultationExtension:
    """Return the extension as the hub sets it next: what is not given stays, the version grows by 1."""
    return replace(
        extension,
        hub=extension.hub if hub is None else hub,
        successors=extension.successors if successors is None else tuple(successors),
        roster=extension.roster if roster is None else tuple(sorted(set(roster))),
        policy_version=extension.policy_version + 1,
    )


@lru_cache(maxsize=_REMEMBERED)
def parse_consultation_extension(data: bytes) -> ConsultationExtension:
    """Read the data of the extension.

    Raises:
        MalformedError: cut off or too long (`bad_content`, `too_large`), or a value outside its rule
            (`bad_field`).

    Spec: PROTOCOL.md section 16.3.
    """
    reader = Reader(data)
    consultation = parse_consultation_id(_text(reader.op(_CONSULTATION_BYTES)))
    hub = parse_node_name(reader.op(MAX_NODE_NAME_BYTES))
    successors = tuple(
        parse_node_name(name) for name in _items(reader.op(_MAX_LIST_BYTES), MAX_NODE_NAME_BYTES)
    )
    roster = tuple(
        parse_authority_id(_text(name)) for name in _items(reader.op(_MAX_LIST_BYTES), _MAX_LABEL_BYTES)
    )
    policy_version = reader.u64()
    opening = reader.op(OPENING_HASH_BYTES, OPENING_HASH_BYTES)
    reader.finish()
    _verify_roster(roster, hub)
    _verify_successors(successors, roster, hub)
    if policy_version < 1:
        raise _bad_field("a policy version below 1")
    return ConsultationExtension(consultation, hub, successors, roster, policy_version, opening)


def _verify_roster(roster: tuple[AuthorityId, ...], hub: NodeName) -> None:
    if not limits.MIN_GROUP_AUTHORITIES <= len(roster) <= limits.MAX_GROUP_AUTHORITIES:
        raise _bad_field("a roster of fewer than 2 or more than 20 authorities")
    if list(roster) != sorted(set(roster)):
        raise _bad_field("a roster that is not sorted, or names somebody twice")
    if hub.authority not in roster:
        raise _bad_field("a hub that is not on the roster")


def _verify_successors(
    successors: tuple[NodeName, ...], roster: tuple[AuthorityId, ...], hub: NodeName
) -> None:
    if len(successors) > MAX_SUCCESSORS or len({*successors, hub}) != len(successors) + 1:
        raise _bad_field("successors that are too many, named twice, or the hub itself")
    if not {successor.authority for successor in successors} <= set(roster):
        raise _bad_field("a successor that is not on the roster")


def _row(names: Iterable[str]) -> bytes:
    writer = Writer()
    for name in names:
        writer.op(_ascii(name))
    return writer.to_bytes()


def _items(data: bytes, max_bytes: int) -> list[bytes]:
    reader = Reader(data)
    items = []
    while reader.position < len(data):
        items.append(reader.op(max_bytes))
    return items


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")


def _bad_field(text: str) -> MalformedError:
    return MalformedError(text, code=ReasonCode.BAD_FIELD)
