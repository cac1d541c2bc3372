# SPDX-License-Identifier: Apache-2.0
"""Whom a message goes to, and whether it can: asked before anything is queued. It knows no content.

1. The requester addresses requested authorities; a requested authority addresses the requester alone.
2. A message that nobody could receive is refused at once, and the refusal says what to do.
"""

from collections.abc import Sequence
from datetime import datetime

from globe_node.consultations.casebook import Case
from globe_node.errors import NodeError, NotPermittedError
from protocol.codes.handling import bars
from protocol.consultations.table import MOVES, Move, Role, State
from protocol.directory.entries import NodeEntry
from protocol.directory.replay import DirectoryState
from protocol.errors import LocalProtocolError, ProtocolError, ReasonCode
from protocol.identifiers import AuthorityId

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


def audience(
    case: Case, recipients: Sequence[AuthorityId], author: AuthorityId, move: Move
) -> tuple[AuthorityId, ...]:
    """Return whom a message of ours goes to, sorted.

    Args:
        case: the consultation, perhaps just being opened.
        recipients: as the draft says; empty for everybody it can be for.
        author: this authority.
        move: what the message does.

    Raises:
        LocalProtocolError: somebody who is not part of it, or ourselves (`bad_field`); or nobody for whom the
            message is legal now (`illegal_move`).
    """
    if author in recipients:
        raise LocalProtocolError("a message can't go to this authority itself", code=ReasonCode.BAD_FIELD)
    others = tuple(case.sides) if case.role_of(author) is Role.REQUESTER else (case.opener,)
    if not set(recipients) <= set(others):
        raise LocalProtocolError(
            "a recipient is not part of this consultation; open another one", code=ReasonCode.BAD_FIELD
        )
    if recipients or case.role_of(author) is Role.REQUESTED:
        return tuple(sorted(recipients or others))
    ready = tuple(sorted(who for who in others if move in MOVES[case.sides[who]]))
    if not ready:
        raise illegal_move(case.state)
    return ready


def illegal_move(state: State) -> LocalProtocolError:
    """Return the error for a message that may not be sent now."""
    return LocalProtocolError(
        f"the consultation stands at {state}; this message may not be sent now", code=ReasonCode.ILLEGAL_MOVE
    )


def reachable_nodes(
    directory: DirectoryState, recipients: Sequence[AuthorityId], handling: Sequence[str], at: datetime
) -> list[NodeEntry]:
    """Return the node of each recipient, to seal to.

    Raises:
        NotPermittedError: a recipient can't be sent to, with the reason and what to do; or the handling codes
            of the message shut it out.
    """
    nodes = []
    for recipient in recipients:
        try:
            nodes.append(directory.require_active_node(recipient, at))
        except ProtocolError as error:
            raise _unreachable(recipient, error.code) from None
        entry = directory.authority(recipient)
        if entry is not None and bars(handling, authority=recipient, country=entry.country):
            raise NotPermittedError(
                f"the handling codes of this message shut out {recipient}",
                hint="Remove the NF- code, or that recipient.",
            )
    return nodes


def _unreachable(recipient: AuthorityId, code: ReasonCode) -> NodeError:
    what, hint = _WAYS_OUT.get(code, ("can't be sent to", "See `directory show`."))
    return NotPermittedError(f"{recipient} {what}", hint=hint, code=code)
