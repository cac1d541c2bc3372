# SPDX-License-Identifier: Apache-2.0
"""Drafts of a change of the members: who joins or leaves a running consultation. It sends nothing.

1. The draft names the members after it, as they stand when it is made. If they change before it is stored, it
   is refused then: nobody joins or leaves unseen.
2. Who is added is asked what all were asked at the beginning, with its files and its handling codes, unless
   the requester asks something else. Nothing else of what was said before goes along.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from globe_node.consultations import casefile, records
from globe_node.consultations.casebook import roster_of
from globe_node.consultations.drafting.drafts import Draft, DraftAttachment
from globe_node.errors import NodeError, NotPermittedError
from globe_node.groups.links import LinkRow
from globe_node.store.door import Transaction
from keys.storage_key import StorageKey
from protocol import limits
from protocol.canonical import JSONObject, JSONValue
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, ConsultationId, NodeName
from protocol.record import SignedRecord


@dataclass(frozen=True, slots=True)
class Change:
    """What the requester wants.

    Attributes:
        added: who is to join.
        removed: who is to leave.
        reason: why, in words for everybody.
        request: what those who join are asked, with files and handling codes; None for the first request.
        deadline_seconds: how long delivery is tried; None for as long as the commit lives that goes with it:
            who has the one and not the other could say nothing.
        idempotency_key: chosen by the client, or empty.
    """

    consultation: ConsultationId
    added: tuple[AuthorityId, ...]
    removed: tuple[AuthorityId, ...]
    reason: str = field(repr=False)
    request: Draft | None = None
    deadline_seconds: int | None = None
    idempotency_key: str = ""


def draft_of(tx: Transaction, storage: StorageKey, me: AuthorityId, change: Change) -> Draft:
    """Return the draft of a change of the members.

    Args:
        tx: a read will do.
        storage: opens the first request.
        me: this authority.
        change: what is wanted.

    Raises:
        NotFoundError: there is no such consultation here.
        NotPermittedError: this authority did not open it.
        NodeError: the first request is not here, so what to ask must be said.
    """
    roster = roster_of(casefile.require_case(tx, change.consultation))
    if roster.requester != me:
        raise NotPermittedError(
            "only the authority that opened a consultation changes its members",
            hint=f"Ask {roster.requester}, or open a consultation of your own.",
            code=ReasonCode.ILLEGAL_MOVE,
        )
    asked = change.request
    if change.added and asked is None:
        asked = _first_request(tx, storage, me, change.consultation)
    body: dict[str, JSONValue] = {
        "roster": sorted(roster.members.union(change.added).difference(change.removed)),
        "reason": change.reason,
        **{name: sorted(names) for name, names in _named(change).items() if names},
    }
    if change.added and asked is not None:
        body["request"] = asked.body
        body |= {name: asked.body[name] for name in ("caveats",) if name in asked.body}
    return Draft(
        message_type=MessageType.MEMBERS,
        body=body,
        consultation=change.consultation,
        handling=asked.handling if asked else (),
        legal_basis=asked.legal_basis if asked else (),
        attachments=asked.attachments if asked else (),
        deadline_seconds=change.deadline_seconds or limits.MAX_LIFETIME_SECONDS,
        idempotency_key=change.idempotency_key,
    )


def require_hub(link: LinkRow | None, me: NodeName) -> None:
    """Check that a node can change members at once: a change that waits holds up everybody.

    Raises:
        NotPermittedError: a successor has continued the consultation, and is the hub of its group still.
    """
    if link is not None and link.hub != str(me):
        raise NotPermittedError(
            f"this node was away for long, and {link.hub} keeps the group of this consultation for it",
            hint="The group is given back within a quarter of an hour; try again then.",
            code=ReasonCode.ILLEGAL_MOVE,
        )


def _named(change: Change) -> Mapping[str, tuple[AuthorityId, ...]]:
    return {"added": change.added, "removed": change.removed}


def _first_request(
    tx: Transaction, storage: StorageKey, me: AuthorityId, consultation: ConsultationId
) -> Draft:
    first = records.newest_by(tx, consultation, [me], MessageType.CONSULT_REQUEST)
    row = None if first is None else records.record(tx, first)
    if row is None:
        raise NodeError(
            "the request that opened this consultation is not here",
            hint="Say with --file what the new member is asked.",
            code=ReasonCode.NOT_FOUND,
        )
    return _as_draft(casefile.open_row(storage, row))


def _as_draft(signed: SignedRecord) -> Draft:
    """Return a record of ours as a draft that says the same."""
    content = signed.content
    listed = zip(content.attachments, signed.attachments, strict=True)
    body: JSONObject = content.body
    return Draft(
        message_type=content.type,
        body=body,
        handling=content.handling,
        legal_basis=content.legal_basis,
        attachments=tuple(
            DraftAttachment(entry.id, entry.name, entry.media_type, entry.language, data)
            for entry, data in listed
        ),
    )
