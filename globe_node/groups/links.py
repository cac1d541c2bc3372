# SPDX-License-Identifier: Apache-2.0
"""Which group a consultation is, who is in it, and how it stands with this node. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from protocol.identifiers import AuthorityId, ConsultationId


class GroupStatus(StrEnum):
    """How a group stands with this node."""

    AWAITING_KEYS = "awaiting-keys"
    OPEN = "open"
    LOST = "lost"
    ABSENT = "absent"
    EQUIVOCATED = "equivocated"
    CONTINUED = "continued"
    LEFT = "left"
    EXPIRED = "expired"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Which group a consultation is, and who is in it.

    Attributes:
        group_id: 32 octets, drawn by whoever opened it.
        consultation: the consultation that it is.
        routing_id: how envelopes of it are marked.
        hub: `authority/node` of whoever orders its commits.
        roster: the authorities in it, this one too, sorted.
        status: `awaiting-keys` before it exists, `open`, `lost` when its secrets are gone, `absent` when our
            leaf was taken out though we still belong, `equivocated` when its hub was found to give one place
            to two commits: nothing more is said in it, `continued` when another group has taken its place: it
            is only read (each consultation has one group that is not `continued`), `left` after we were taken
            out for good, `expired` if the keys did not come in time and it never was, `closed` after its
            consultation was over and its secrets were destroyed.
        epoch: the newest epoch that this node knows of.
        changed_ms: when this row last changed.
    """

    group_id: bytes
    consultation: ConsultationId
    routing_id: bytes
    hub: str
    roster: tuple[AuthorityId, ...]
    status: GroupStatus
    epoch: int
    changed_ms: int
