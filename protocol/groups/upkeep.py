# SPDX-License-Identifier: Apache-2.0
"""When a member renews its keys, when it counts as silent, and how often it may come back by itself.

Only questions about times, numbers and what a commit is; whoever keeps a group asks them. Nothing here
changes a group.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.groups.certificate import LeafCertificate
from protocol.groups.membership import identity_in
from protocol.identifiers import NodeName
from protocol.mls.structures.messages import PublicMessage, SenderType, parse_mls_message
from protocol.mls.structures.proposals import Commit

RENEWAL_AGE = timedelta(hours=24)
"""A member that sends renews its keys when they are this old."""
RENEWAL_MESSAGES = 100
"""Or when it has sent this many messages with them."""
RENEWAL_AHEAD_MESSAGES = 16
"""So many messages before that, it may ask for it already, so that no message has to wait."""
CERTIFICATE_RESERVE = timedelta(days=7)
"""A new leaf key and certificate are taken when the old certificate has no more time than this."""
REPORTED_SILENCE = timedelta(days=45)
"""A member without a commit of its own for so long is reported to people."""
REMOVED_SILENCE = timedelta(days=90)
"""And after so long the hub removes it."""
HUB_PATIENCE = timedelta(hours=72)
"""How long a hub is silent before a successor follows it."""
HUB_TRIES = 24
"""And how often it has been asked in that time."""
RESYNC_PAUSE = timedelta(hours=24)
"""Least time between two resyncs of one member in one group."""
UNHEARD_PAUSE = timedelta(minutes=5)
"""The same, while the member has said nothing since: it may not know that it is back."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """How our keys in one group stand.

    Attributes:
        renewed: when our last commit with a path took effect, or when we joined.
        messages: how many messages we sent since.
        certificate: of our leaf.
        resynced: whether we came back by a resync and have made no commit since.
    """

    renewed: datetime
    messages: int
    certificate: LeafCertificate
    resynced: bool = False


def is_renewal_due(own: OwnKeys, now: datetime) -> bool:
    """Say whether we make a commit with a path before we send the next message.

    Spec: PROTOCOL.md section 16.9.
    """
    aged = now >= own.renewed + RENEWAL_AGE
    return aged or own.messages >= RENEWAL_MESSAGES or own.resynced or is_new_leaf_key_due(own, now)


def is_renewal_near(own: OwnKeys) -> bool:
    """Say whether a commit with a path is to be on its way, while messages still go out.

    Spec: PROTOCOL.md section 16.9.
    """
    return own.messages >= RENEWAL_MESSAGES - RENEWAL_AHEAD_MESSAGES


def is_new_leaf_key_due(own: OwnKeys, now: datetime) -> bool:
    """Say whether that commit brings a new leaf key with a new certificate."""
    return now >= own.certificate.not_after - CERTIFICATE_RESERVE


def is_silence_over(last_commit: datetime, now: datetime) -> bool:
    """Say whether the hub removes a member that has made no commit."""
    return now >= last_commit + REMOVED_SILENCE


def verify_resync_pace(last_resync: datetime | None, now: datetime) -> None:
    """Check that a member does not come back by itself too often.

    Raises:
        RemoteProtocolError: its last resync in this group is younger than a day (`rate_limited`).

    Spec: PROTOCOL.md section 16.9.
    """
    if last_resync is not None and now < last_resync + RESYNC_PAUSE:
        raise RemoteProtocolError("a second resync within a day", code=ReasonCode.RATE_LIMITED)


def returned_by(commit: bytes) -> NodeName | None:
    """Return who comes back from outside by a commit; None for a commit of a member.

    Args:
        commit: an `MLSMessage` that was processed.

    Spec: PROTOCOL.md section 16.9.
    """
    body = parse_mls_message(commit).body
    if not isinstance(body, PublicMessage) or not isinstance(body.content.content, Commit):
        return None
    path = body.content.content.path
    if body.content.sender.sender_type is not SenderType.NEW_MEMBER_COMMIT or path is None:
        return None
    return identity_in(path.leaf_node).name
