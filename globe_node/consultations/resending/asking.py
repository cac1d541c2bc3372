# SPDX-License-Identifier: Apache-2.0
"""Asks members to send again what is missing here, or what could not be read. It serves nobody.

1. Who came back into a group says in the same transaction what it holds: of each member's chains what is
   missing in them and all that follow, and the same of its own. So a crash never forgets to ask.
2. What can't be read because its key is gone is named to its sender alone, once for each envelope.
3. Both are said inside the group, under the signature of this node.
4. Who comes in has perhaps lost what we asked it for before that: it is asked once more.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from globe_node.consultations.moments import moment_of
from globe_node.consultations.office import Office
from globe_node.consultations.resending import records
from globe_node.consultations.resending.records import Kept
from globe_node.delivery.outbox import Outgoing
from globe_node.groups import arriving
from globe_node.groups.book import GroupBook
from globe_node.groups.links import LinkRow
from globe_node.groups.views import returned_ms
from protocol import limits
from protocol.errors import ReasonCode
from protocol.groups.sealed import control_message
from protocol.groups.testimony.control import (
    ALL_THAT_FOLLOW,
    MAX_RANGES,
    Control,
    ControlKind,
    SequenceRange,
    sign_control,
)
from protocol.identifiers import AuthorityId, EnvelopeId, RecordId, owned_uuid7
from protocol.receipts import Issuer

MOST_GAPS = 3
"""Gaps of one chain that are named one by one; of a chain with more, everything from the first gap on."""


def ask_for_missing(
    office: Office, book: GroupBook, link: LinkRow, *, of: AuthorityId | None = None
) -> Outgoing:
    """Return the request of a member that came back: it goes to all others, or to one of them.

    Raises:
        LocalProtocolError: the group is not here.
        NodeError: this node can sign nothing now.
    """
    kept = records.kept_of(book.tx, link.consultation)
    ranges = missing_ranges(kept, link.roster)
    control = _control(office, book, link, ControlKind.RESEND, ranges=ranges)
    others = [one for one in link.roster if one != book.bench.name.authority]
    return arriving.said(book, link, control_message(control), others if of is None else [of])


def has_asked(book: GroupBook, link: LinkRow, member: AuthorityId) -> bool:
    """Say whether we may have asked a member for something that it has never read.

    What is said about a group lives for 30 days.
    """
    since_ms = book.now_ms - limits.MAX_LIFETIME_SECONDS * 1000
    came_ms = returned_ms(book.tx, link.group_id, book.bench.name)
    return came_ms > since_ms or records.count_unread(book.tx, member, since_ms) > 0


def say_unread(
    office: Office, book: GroupBook, link: LinkRow, envelope_id: EnvelopeId, sender: AuthorityId
) -> Outgoing:
    """Return the word that an envelope can't be read: it goes to its sender.

    Raises:
        LocalProtocolError: the group is not here.
        NodeError: this node can sign nothing now.
    """
    control = _control(office, book, link, ControlKind.NACK, envelope=envelope_id)
    return arriving.said(book, link, control_message(control), [sender])


def missing_ranges(kept: Sequence[Kept], authors: Collection[AuthorityId]) -> tuple[SequenceRange, ...]:
    """Return what is missing in the chains of some authors, and all that follows what is here.

    Args:
        kept: what is here, in the order in which it was stored.
        authors: sorted; none twice.
    """
    found = [one for author in authors for one in _ranges_of(author, kept)]
    if len(found) > MAX_RANGES:
        found = [SequenceRange(author, "", 1, ALL_THAT_FOLLOW) for author in authors]
    return tuple(found)


def _ranges_of(author: AuthorityId, kept: Iterable[Kept]) -> list[SequenceRange]:
    """Return what is missing of one author: in each life of its node that is known, and after the last."""
    lives: dict[str, list[int]] = {}
    newest = ""
    for one in kept:
        if one.author == author:
            lives.setdefault(one.incarnation, []).append(one.author_seq)
            newest = one.incarnation
    if not lives:
        return [SequenceRange(author, "", 1, ALL_THAT_FOLLOW)]
    found: list[SequenceRange] = []
    for life in sorted(lives):
        places = [0, *sorted(lives[life])]
        gaps = [
            SequenceRange(author, life, one + 1, after - 1)
            for one, after in pairwise(places)
            if after > one + 1
        ]
        last = ALL_THAT_FOLLOW if life == newest else ALL_THAT_FOLLOW - 1
        if len(gaps) > MOST_GAPS:
            found.append(SequenceRange(author, life, gaps[0].first, last))
        else:
            found += [*gaps, SequenceRange(author, life, places[-1] + 1, last)]
    return found


def _control(
    office: Office,
    book: GroupBook,
    link: LinkRow,
    kind: ControlKind,
    *,
    envelope: EnvelopeId | None = None,
    ranges: tuple[SequenceRange, ...] = (),
) -> bytes:
    name, signer = book.bench.name, office.signer(office.register.state)
    return sign_control(
        signer,
        Control(
            kind=kind,
            control_id=RecordId(
                str(owned_uuid7(book.now_ms, office.entropy.random_bytes(10), name.authority))
            ),
            consultation=link.consultation,
            group_id=link.group_id,
            envelope=envelope,
            reason=ReasonCode.KEY_GONE if envelope is not None else None,
            ranges=ranges,
            created=moment_of(book.now_ms),
            issuer=Issuer(name.authority, name.node, signer.key_id),
        ),
    )
