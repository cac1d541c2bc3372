# SPDX-License-Identifier: Apache-2.0
"""The word of a joiner: which group it came to, and in which state. It asks for nothing.

Membership counts as confirmed when what every joiner says equals what we have: then all share one group,
with the same members and the same opening, and nobody was shown another one.

1. It names the epoch in which the joiner joined, and the hash of that epoch's authenticator.
2. Who came back by itself after a loss says so; all members are told.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from protocol.directory.replay import DirectoryState
from protocol.groups.testimony.form import (
    digest_of,
    group_id_of,
    issuer_of,
    kind_of_testimony,
    sign_testimony,
    verify_testimony,
)
from protocol.identifiers import ConsultationId, Digest, NodeName, parse_consultation_id
from protocol.interfaces import Signer
from protocol.receipts import Issuer
from protocol.signing.labels import JOINED
from protocol.signing.signed_object import Members, parse_signed

_KIND = kind_of_testimony(
    "a joined statement",
    JOINED,
    frozenset(("by", "consultation", "group", "epoch", "authenticator", "opening")),
)
MAX_JOINED_BYTES = _KIND.max_bytes


class JoinedBy(StrEnum):
    """How a node came to a group."""

    WELCOME = "welcome"
    RESYNC = "resync"


@dataclass(frozen=True, slots=True)
class Joined:
    """What a joiner says.

    Attributes:
        by: how it came to the group.
        consultation: the consultation, as the group's extension names it.
        group_id: the group, 32 bytes.
        epoch: the first epoch that it is in.
        authenticator: SHA-256 of that epoch's authenticator, hex.
        opening: SHA-256 of the opening record, as the group's extension names it, hex.
        created: when it joined, UTC.
        issuer: who joined.

    Spec: PROTOCOL.md section 16.6.
    """

    by: JoinedBy
    consultation: ConsultationId
    group_id: bytes
    epoch: int
    authenticator: Digest
    opening: Digest
    created: datetime
    issuer: Issuer

    @property
    def name(self) -> NodeName:
        """The full name of the joiner."""
        return NodeName(self.issuer.authority, self.issuer.node)


def sign_joined(signer: Signer, joined: Joined) -> bytes:
    """Sign the statement: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or what nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.6.
    """
    return sign_testimony(
        _KIND,
        signer,
        {
            "by": joined.by.value,
            "consultation": joined.consultation,
            "group": joined.group_id.hex(),
            "epoch": joined.epoch,
            "authenticator": joined.authenticator,
            "opening": joined.opening,
        },
        issuer=joined.issuer,
        created=joined.created,
        read=_read,
    )


def parse_joined(data: bytes) -> Joined:
    """Read the statement; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a statement of another version.

    Spec: PROTOCOL.md section 16.6.
    """
    return _read(parse_signed(_KIND, data).members)


def verify_joined(data: bytes, directory: DirectoryState, now: datetime) -> Joined:
    """Read the statement and check that the node it names made it.

    Raises:
        RemoteProtocolError: as for `form.verify_testimony`.

    Spec: PROTOCOL.md section 16.6.
    """
    return verify_testimony(_KIND, data, _read, directory, now)


def confirms(joined: Joined, *, group_id: bytes, epoch: int, authenticator: Digest, opening: Digest) -> bool:
    """Say whether a verified statement tells of the very group that we have.

    Args:
        joined: the statement.
        group_id: our group.
        epoch: the epoch for which we kept `authenticator`.
        authenticator: `form.authenticator_hash` of that epoch.
        opening: hash of the opening record that we have.

    Spec: PROTOCOL.md section 16.6.
    """
    same_place = (joined.group_id, joined.epoch, joined.opening) == (group_id, epoch, opening)
    return same_place and hmac.compare_digest(joined.authenticator, authenticator)


def _read(members: Members) -> Joined:
    by = members.text("by")
    if by not in set(JoinedBy):
        raise members.refusal("by")
    return Joined(
        by=JoinedBy(by),
        consultation=parse_consultation_id(members.text("consultation")),
        group_id=group_id_of(members),
        epoch=members.count("epoch"),
        authenticator=digest_of(members, "authenticator"),
        opening=digest_of(members, "opening"),
        created=members.moment("created"),
        issuer=issuer_of(members),
    )
