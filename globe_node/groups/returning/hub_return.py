# SPDX-License-Identifier: Apache-2.0
"""The hub comes back into a group whose secrets it has lost, in transactions. Whom it asks is in `member`.

1. It hears all members first, also those whom only others name: it has forgotten which places it has given,
   and what a silent member holds might be newer than what the others show.
2. What most members show is the group; of what equally many show, the newest.
3. It gives its own commit its place: receipt, log and what the members get are one transaction.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from globe_node.delivery.outbox import Outgoing
from globe_node.groups.book import GroupBook
from globe_node.groups.changing import receipt_for
from globe_node.groups.links import LinkRow
from globe_node.groups.returning.committing import come_back, open_shown, take_place
from globe_node.groups.returning.ordering import parcel_for
from globe_node.groups.returning.wire import CommitAnswer, InfoAnswer
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import OrderedCommit
from protocol.identifiers import AuthorityId


@dataclass(frozen=True, slots=True)
class Shown:
    """A group as one member shows it.

    Attributes:
        answer: what it sent; it holds in itself.
        epoch: in which epoch the member is.
        context: the octets of the group context: what members of one group have in common.
        roster: who is in it.
    """

    answer: InfoAnswer
    epoch: int
    context: bytes
    roster: tuple[AuthorityId, ...]


def read_shown(link: LinkRow, answer: InfoAnswer) -> Shown:
    """Read what a member shows.

    Raises:
        RemoteProtocolError: as for `committing.open_shown`.
    """
    context = open_shown(link, answer).info.group_context
    roster = parse_context_extensions(context.extensions).roster
    return Shown(answer, context.epoch, context.to_bytes(), roster)


def shown_here(book: GroupBook, link: LinkRow) -> Shown:
    """Return a group as it is here, to be compared with what members show.

    Raises:
        LocalProtocolError: it is not here.
    """
    context = book.require_group(link).context
    return Shown(InfoAnswer(b"", ()), context.epoch, context.to_bytes(), link.roster)


def choose(shown: Mapping[AuthorityId, Shown]) -> Shown:
    """Return what counts of what members show; there is at least one."""
    times = Counter(one.context for one in shown.values())
    return max(shown.values(), key=lambda one: (times[one.context], one.epoch, one.context))


def enter_again(book: GroupBook, link: LinkRow, chosen: Shown) -> tuple[LinkRow, list[Outgoing]]:
    """Come back, and say so to the members.

    Returns:
        The group after it, and the commit for the others; the same link and nothing, if we are not in it.

    Raises:
        LocalProtocolError: a rule would be broken.
        NodeError: this node can sign nothing now.
        RemoteProtocolError: what was shown is refused.
    """
    pending = come_back(book, link, chosen.answer)
    if pending is None:
        return link, []
    commit = pending.request.commit
    receipt = receipt_for(book.bench, pending.next_group, commit, book.bench.clock.now())
    entered = take_place(book, link, pending, CommitAnswer(receipt))
    parcel = OrderedCommit(commit, receipt, (pending.request.certificate,))
    carried = parcel_for(book, entered, parcel, besides=book.bench.name.authority)
    return entered, [] if carried is None else [carried]
