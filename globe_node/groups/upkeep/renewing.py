# SPDX-License-Identifier: Apache-2.0
"""Whether our keys in a group are renewed before we say something, and the renewal where we are the hub.

What a member asks its hub for is `groups.returning`; who asks is `renewer`.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from globe_node.delivery.outbox import Outgoing
from globe_node.errors import NodeError
from globe_node.groups import hub
from globe_node.groups.book import GroupBook, messages_sent
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.members import leaves
from globe_node.groups.members.parcels import parcel_of
from globe_node.groups.workbench import moment_at
from protocol.errors import ProtocolError
from protocol.groups.certificate import parse_leaf_certificate
from protocol.groups.errors import NotKnownYetError
from protocol.groups.upkeep import OwnKeys, is_renewal_due, is_renewal_near
from protocol.mls.group import Group


class Wish(Enum):
    """What we want of a hub.

    Attributes:
        NOTHING: our keys are good for more, or it was asked in vain a short time ago.
        SOON: a place for a renewal; messages go on meanwhile.
        FIRST: a place for a renewal, before anything is said.
    """

    NOTHING = auto()
    SOON = auto()
    FIRST = auto()


def is_due(book: GroupBook, link: LinkRow) -> bool:
    """Say whether we renew our keys in an open group before we say anything."""
    own = _own_keys(book, link)
    if own is None:
        return False
    return is_renewal_due(own, book.bench.clock.now()) or _signs_with_another(book, own)


def wish(book: GroupBook, link: LinkRow) -> Wish:
    """Say what we want of the hub of a group before we say something; nothing if that is ourselves."""
    now = book.bench.clock.monotonic()
    if link.hub == str(book.bench.name) or not book.renewals.is_waited_for(link.consultation, now):
        return Wish.NOTHING
    if is_due(book, link):
        return Wish.FIRST
    own = _own_keys(book, link)
    return Wish.SOON if own is not None and is_renewal_near(own) else Wish.NOTHING


def renew_as_hub(book: GroupBook, link: LinkRow) -> Sequence[Outgoing]:
    """Renew our keys in a group of which we are the hub, if that is due; return what the members get.

    What can't be done holds up nobody: the group goes on with the keys that it has.

    Raises:
        NodeError: this node can sign nothing now.
    """
    if link.hub != str(book.bench.name) or not is_due(book, link):
        return ()
    try:
        changed = hub.mend(book, link, (), leaves=())
    except ProtocolError as error:
        book.bench.log.warning("our keys in a group can't be renewed", code=error.code)
        return ()
    others = book.members.present(link) - {book.bench.name.authority}
    if changed.commit is None or not others:
        return ()
    return [parcel_of(book.bench, book.tx, link, changed.commit, peers=others, now_ms=book.now_ms)]


def _own_keys(book: GroupBook, link: LinkRow) -> OwnKeys | None:
    """Return how our keys in an open group stand; None if that can't be said."""
    group = book.group_of(link) if link.status is GroupStatus.OPEN else None
    if group is None:
        return None
    try:
        known = _keys_at_entry(book, link, group)
    except NotKnownYetError:  # without its certificate nobody can say how our leaf stands
        return None
    return replace(known, messages=known.messages + messages_sent(group))


def _keys_at_entry(book: GroupBook, link: LinkRow, group: Group) -> OwnKeys:
    """Return how our keys stood when the group entered its epoch."""
    known = book.renewals.known(group.epoch_authenticator)
    if known is not None:
        return known
    rows = leaves.leaves_of(book.tx, [link.group_id])
    row = next((one for one in rows if one.leaf == group.own_leaf), None)
    octets = book.members.certificate(group.own_leaf_node)
    own = OwnKeys(
        renewed=moment_at(link.changed_ms if row is None else row.since_ms),
        messages=0 if row is None else row.sent,
        certificate=parse_leaf_certificate(octets).certificate,
        resynced=row is not None and bool(row.resynced),
    )
    book.renewals.remember(group.epoch_authenticator, own)
    return own


def _signs_with_another(book: GroupBook, own: OwnKeys) -> bool:
    """Say whether the node signs with another key by now than the one that certified our leaf."""
    try:
        return book.bench.signer().key_id != own.certificate.issuer
    except NodeError:
        return False
