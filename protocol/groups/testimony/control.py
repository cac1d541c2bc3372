# SPDX-License-Identifier: Apache-2.0
"""Control: what nodes tell each other about messages of a group that did not come or could not be read.

Not a message of the matter, and not evidence of it: it asks authors to send again what they kept.

1. `nack` names one envelope and why it could not be read; its author sends the record again, at most 3 times.
2. `resend` names places in the chains of authors; each author sends again what it has of them, and everybody
   what it has of the issuer's.
3. The id belongs to the issuer and makes a repeat recognisable: the same request is served once.
4. Who lost its memory asks for its own records as well: the others hold them, under its own signature.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from protocol import limits
from protocol.canonical import JSONObject
from protocol.directory.replay import DirectoryState
from protocol.errors import ReasonCode
from protocol.groups.testimony.form import (
    group_id_of,
    issuer_of,
    kind_of_testimony,
    sign_testimony,
    verify_testimony,
)
from protocol.identifiers import (
    AuthorityId,
    ConsultationId,
    EnvelopeId,
    NodeName,
    RecordId,
    parse_authority_id,
    parse_consultation_id,
    parse_record_id,
    require_owned,
)
from protocol.interfaces import Signer
from protocol.receipts import Issuer
from protocol.signing.labels import CONTROL
from protocol.signing.signed_object import Members, parse_signed

_KIND = kind_of_testimony(
    "a control",
    CONTROL,
    frozenset(("kind", "control_id", "consultation", "group", "envelope", "reason", "ranges")),
    max_body_bytes=32 * 1024,
)
MAX_CONTROL_BYTES = _KIND.max_bytes
MAX_RESENDS = 3
"""How often an author sends a record again because of `nack`."""
MAX_RANGES = 100
"""Ranges that one control names."""
ALL_THAT_FOLLOW = limits.MAX_SAFE_INTEGER
"""As the last place of a range: whatever there is by now, in this chain and in those that are not named."""
_RANGE = frozenset(("authority", "incarnation", "first", "last"))
_INCARNATION = re.compile(r"(?:[0-9a-f]{16})?", re.ASCII)
_ENVELOPE = re.compile(r"[0-9a-f]{32}", re.ASCII)


class ControlKind(StrEnum):
    """What a node tells."""

    NACK = "nack"
    RESEND = "resend"


@dataclass(frozen=True, slots=True)
class SequenceRange:
    """Places in the chain of one author.

    Attributes:
        authority: the author.
        incarnation: which of its chains, 16 hex digits; empty for all of them.
        first: first `author_seq` that is missing, from 1.
        last: last one, or `ALL_THAT_FOLLOW`.
    """

    authority: AuthorityId
    incarnation: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Control:
    """One control.

    Attributes:
        kind: what it tells.
        control_id: its own id, made by the issuer.
        consultation: the consultation.
        group_id: its group, 32 bytes.
        envelope: with `nack`, the envelope that could not be read; else None.
        reason: with `nack`, why; else None.
        ranges: with `resend`, 1 to 100 ranges, sorted, none touching another; else empty.
        created: when it was made, UTC.
        issuer: who asks.

    Spec: PROTOCOL.md section 16.7.
    """

    kind: ControlKind
    control_id: RecordId
    consultation: ConsultationId
    group_id: bytes
    envelope: EnvelopeId | None
    reason: ReasonCode | None
    ranges: tuple[SequenceRange, ...]
    created: datetime
    issuer: Issuer

    @property
    def name(self) -> NodeName:
        """The full name of the node that asks."""
        return NodeName(self.issuer.authority, self.issuer.node)


def sign_control(signer: Signer, control: Control) -> bytes:
    """Sign a control: `u8 1 || op(body) || op(signature)`.

    Raises:
        LocalProtocolError: another issuer than the signer, or what nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 16.7.
    """
    return sign_testimony(
        _KIND,
        signer,
        {
            "kind": control.kind.value,
            "control_id": control.control_id,
            "consultation": control.consultation,
            "group": control.group_id.hex(),
            "envelope": control.envelope.hex() if control.envelope is not None else "",
            "reason": control.reason.value if control.reason is not None else "",
            "ranges": [_range_written(one) for one in control.ranges],
        },
        issuer=control.issuer,
        created=control.created,
        read=_read,
    )


def parse_control(data: bytes) -> Control:
    """Read a control; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or a member outside its rule.
        UnsupportedVersionError: a control of another version.

    Spec: PROTOCOL.md section 16.7.
    """
    return _read(parse_signed(_KIND, data).members)


def verify_control(data: bytes, directory: DirectoryState, now: datetime) -> Control:
    """Read a control and check that the node it names made it.

    Raises:
        RemoteProtocolError: as for `form.verify_testimony`.

    Spec: PROTOCOL.md section 16.7.
    """
    return verify_testimony(_KIND, data, _read, directory, now)


def _range_written(one: SequenceRange) -> JSONObject:
    return {
        "authority": one.authority,
        "incarnation": one.incarnation,
        "first": one.first,
        "last": one.last,
    }


def _read(members: Members) -> Control:
    kind, issuer = members.text("kind"), issuer_of(members)
    if kind not in set(ControlKind):
        raise members.refusal("kind")
    control_id = parse_record_id(members.text("control_id"))
    require_owned(control_id, issuer.authority)
    control = Control(
        kind=ControlKind(kind),
        control_id=control_id,
        consultation=parse_consultation_id(members.text("consultation")),
        group_id=group_id_of(members),
        envelope=_envelope(members),
        reason=_reason(members),
        ranges=_ranges(members),
        created=members.moment("created"),
        issuer=issuer,
    )
    is_nack = control.kind is ControlKind.NACK
    if {control.envelope is not None, control.reason is not None, not control.ranges} != {is_nack}:
        raise members.refusal("kind")
    return control


def _envelope(members: Members) -> EnvelopeId | None:
    text = members.text("envelope")
    if text and not _ENVELOPE.fullmatch(text):
        raise members.refusal("envelope")
    return EnvelopeId(bytes.fromhex(text)) if text else None


def _reason(members: Members) -> ReasonCode | None:
    text = members.text("reason")
    if text and text not in set(ReasonCode):
        raise members.refusal("reason")
    return ReasonCode(text) if text else None


def _ranges(members: Members) -> tuple[SequenceRange, ...]:
    ranges = tuple(_range(one) for one in members.objects("ranges", _RANGE))
    if not _are_apart(ranges):
        raise members.refusal("ranges")
    return ranges


def _range(members: Members) -> SequenceRange:
    incarnation = members.text("incarnation")
    first = members.count("first", 1)
    if not _INCARNATION.fullmatch(incarnation):
        raise members.refusal("incarnation")
    return SequenceRange(
        authority=parse_authority_id(members.text("authority")),
        incarnation=incarnation,
        first=first,
        last=members.count("last", first),
    )


def _are_apart(ranges: Sequence[SequenceRange]) -> bool:
    """Whether ranges are sorted, and those of one chain neither overlap nor touch: one form for each set."""
    for one, following in pairwise(ranges):
        chain, next_chain = (one.authority, one.incarnation), (following.authority, following.incarnation)
        if chain > next_chain or (chain == next_chain and following.first <= one.last + 1):
            return False
    return True
