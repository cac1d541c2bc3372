# SPDX-License-Identifier: Apache-2.0
"""Whom a message goes to, and whether it can: asked before anything is queued. It knows no content.

1. Everything goes to all other members of its consultation.
2. What opens a consultation is refused at once if one of those it asks can't receive it, and the refusal says
   what to do. Later messages are refused only if nobody could receive them: a member whom the directory bars
   must not silence the others. What is for it waits for the directory, at most until its deadline; it is not
   sealed to it, so that member refuses it when it is back, and its author has that in writing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from globe_node.errors import NodeError, NotPermittedError
from protocol import limits
from protocol.codes.handling import bars
from protocol.consultations.roster import Roster, fits, members_before
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from protocol.messages.membership import Members
from protocol.messages.parse import Body
from protocol.record import Record

_WAYS_OUT = {
    ReasonCode.UNKNOWN_AUTHORITY: (
        "is not in the directory",
        "Find the right id with `directory search`, or import the network's latest directory bundle.",
    ),
    ReasonCode.SUSPENDED: (
        "is suspended in the directory",
        "Ask the network's officers; use another channel meanwhile.",
    ),
    ReasonCode.DISPUTED: (
        "is disputed in the directory: two statements contradict each other",
        "Do not send. Compare fingerprints by telephone and tell the network's officers.",
    ),
    ReasonCode.EXPIRED: (
        "has an admission that ran out",
        "Ask the network's officers to renew it; use another channel meanwhile.",
    ),
    ReasonCode.NO_KEY: (
        "has no key in use",
        "Its node has not published one yet. Call its contact point: `directory show` lists the numbers.",
    ),
    ReasonCode.REVOKED_KEY: (
        "has reported its keys as compromised",
        "Wait for its new key, or call its contact point: `directory show` lists the numbers.",
    ),
}


def recipients_of(
    roster: Roster, named: Sequence[AuthorityId], author: AuthorityId, *, added: Collection[str] = ()
) -> tuple[AuthorityId, ...]:
    """Return whom a message of ours goes to, sorted.

    Args:
        roster: of the consultation, perhaps just being opened.
        named: as the draft says; empty for everybody.
        author: this authority.
        added: whom the message makes members; who is removed by it is one of the recipients still.

    Raises:
        LocalProtocolError: the draft names ourselves, or others than the members; or these are too many for
            a consultation (`bad_field`).
    """
    if author in named:
        raise LocalProtocolError("a message can't go to this authority itself", code=ReasonCode.BAD_FIELD)
    if not fits(len(roster.members)):
        raise LocalProtocolError(
            f"a consultation has at most {limits.MAX_MEMBERS} members, this authority among them",
            code=ReasonCode.BAD_FIELD,
        )
    recipients = tuple(sorted({*roster.recipients(author), *map(AuthorityId, added)} - {author}))
    if named and set(named) != set(recipients):
        raise LocalProtocolError(
            "a message goes to all members of its consultation; to speak with fewer, open another one",
            code=ReasonCode.BAD_FIELD,
        )
    return recipients


def require_reachable(
    directory: DirectoryState,
    recipients: tuple[AuthorityId, ...],
    handling: Sequence[str],
    at: datetime,
    *,
    required: Collection[AuthorityId] = (),
) -> None:
    """Check that a message can be sent to its recipients.

    Args:
        directory: of this moment.
        recipients: whom it goes to.
        handling: the handling codes of the message.
        at: when it is made.
        required: who must be able to receive it now.

    Raises:
        NotPermittedError: nobody can be sent to, or somebody who must, with the reason and what to do; or the
            handling codes of the message shut out a recipient.
    """
    barred: dict[AuthorityId, ReasonCode] = {}
    for recipient in recipients:
        try:
            directory.require_active_node(recipient, at)
        except ProtocolError as error:
            barred[recipient] = error.code
        entry = directory.authority(recipient)
        if entry is not None and bars(handling, authority=recipient, country=entry.country):
            raise NotPermittedError(
                f"the handling codes of this message shut out {recipient}",
                hint="Remove the NF- code, or that recipient.",
            )
    for recipient, code in barred.items():
        if recipient in required or len(barred) == len(recipients):
            raise _unreachable(recipient, code)


def require_members(roster: Roster, record: Record, body: Body) -> None:
    """Check that a change of the members begins with those of this moment.

    Raises:
        LocalProtocolError: somebody joins who takes part, or leaves who does not (`bad_field`); somebody
            comes back; or it was drafted when the members were others (`illegal_move`).
    """
    if not isinstance(body, Members):
        return
    for name in map(AuthorityId, body.added):
        if name in roster.members:
            raise LocalProtocolError(f"{name} is a member already", code=ReasonCode.BAD_FIELD)
        if name in roster.sides:
            raise LocalProtocolError(
                f"{name} was removed and does not come back; open another consultation with it",
                code=ReasonCode.ILLEGAL_MOVE,
            )
    for name in map(AuthorityId, body.removed):
        if name not in roster.members:
            raise LocalProtocolError(f"{name} is no member", code=ReasonCode.BAD_FIELD)
    if members_before(record, body) != roster.members:
        raise LocalProtocolError(
            "the members are others by now; look at the consultation and try again",
            code=ReasonCode.ILLEGAL_MOVE,
        )


def _unreachable(recipient: AuthorityId, code: ReasonCode) -> NodeError:
    what, hint = _WAYS_OUT.get(code, ("can't be sent to", "See `directory show`."))
    return NotPermittedError(f"{recipient} {what}", hint=hint, code=code)
