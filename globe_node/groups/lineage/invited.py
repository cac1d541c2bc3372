# SPDX-License-Identifier: Apache-2.0
"""Comes into groups by invitations, in transactions.

1. An invitation is taken from the hub of the group alone, for a consultation that the hub's authority has
   opened and that has no other group here. To a group that we know it brings us back, in a later epoch.
2. One to a group that continues ours is judged in `lineage.descent`. Who has no keys for it knows the
   group as lost, and comes into it from outside.
3. What is refused has changed nothing.
"""

from dataclasses import replace

from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import descent
from globe_node.groups.lineage import records as history_records
from globe_node.groups.lineage.descent import History
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.packages import pool
from globe_node.groups.packages.pool import OwnPackage
from globe_node.groups.packages.records import LAST_RESORT
from protocol.envelope import Envelope, Frame, routing_id_of
from protocol.errors import ConflictError, ReasonCode, RemoteProtocolError, UntrustedError
from protocol.groups.extension import ConsultationExtension
from protocol.groups.key_packages import verify_welcome_in_time
from protocol.groups.profile import parse_context_extensions
from protocol.groups.sealed import Invitation, parse_invitation
from protocol.identifiers import Digest, parse_node_name, require_owned
from protocol.mls.group import Group, past_of
from protocol.mls.joining import join
from protocol.mls.structures.group_info import Welcome
from protocol.mls.structures.messages import parse_mls_message
from protocol.mls.suites import PRODUCT_SUITE

_WITHOUT_KEYS = (ReasonCode.KEY_PACKAGE_GONE, ReasonCode.NO_KEY)
"""What is missing if our own secrets are gone: those of a key package, or of the group that is continued."""


def take_invitation(book: GroupBook, envelope: Envelope) -> tuple[LinkRow, Digest]:
    """Come into the group that an invitation is for; return it, and the hash of the invitation.

    If we came into it from outside meanwhile, nothing changes: who was restored did not wait for it. A group
    that continues ours, and for which we have no keys, is `lost`.

    Raises:
        NotKnownYetError: the issuer of a certificate is not known here yet.
        RemoteProtocolError: it is refused; `key_package_gone` if we have no keys for it.
    """
    invitation = parse_invitation(envelope.sealed)
    history = descent.read(book, invitation.history)
    try:
        package = _package_for(book, envelope, invitation)
        policy = book.policy(invitation.certificates)
        group = join(
            PRODUCT_SUITE,
            invitation.welcome,
            package.secrets,
            policy,
            psks=descent.known_psks(book, history),
        )
    except RemoteProtocolError as error:
        if not history or error.code not in _WITHOUT_KEYS:
            raise
        return _know_as_lost(book, envelope.frame, invitation, history), invitation.digest
    link = _new_link(book, group, envelope.frame, history)
    pool.spend(book.tx, package)
    known = book.link_of(link.consultation)
    if known is not None and _is_overtaken(known, group):
        return known, invitation.digest
    _replace_known(book, link, invitation, history)
    return book.enter(link, _with_past(book, link, group), policy), invitation.digest


def _package_for(book: GroupBook, envelope: Envelope, invitation: Invitation) -> OwnPackage:
    """Return the key package that an invitation was made for.

    Raises:
        RemoteProtocolError: it is not here (`key_package_gone`), or it is too late for it.
    """
    body = parse_mls_message(invitation.welcome).body
    references = [entry.new_member for entry in body.secrets] if isinstance(body, Welcome) else []
    package = pool.find_package(book.bench, book.tx, references)
    if package is None or package.peer not in (envelope.frame.sender.authority, LAST_RESORT):
        raise RemoteProtocolError(
            "an invitation for a key package that is not here", code=ReasonCode.KEY_PACKAGE_GONE
        )
    verify_welcome_in_time(package.secrets.package, book.bench.clock.now())
    return package


def _replace_known(book: GroupBook, link: LinkRow, invitation: Invitation, history: History) -> None:
    """Let a group take the place of another one that its consultation has here, if it is another one."""
    known = book.link_of(link.consultation)
    if history:
        history_records.put_history(book.tx, link.group_id, invitation.history)
    if known is not None and known.group_id != link.group_id:
        descent.take_place(book, known, history[-1].name if history else parse_node_name(link.hub.encode()))


def _know_as_lost(book: GroupBook, frame: Frame, invitation: Invitation, history: History) -> LinkRow:
    """Note a group that continues ours, and for whose invitation we have no keys.

    Raises:
        RemoteProtocolError: `key_package_gone` if it continues no group of ours; or it is refused.
    """
    last = history[-1]
    known = book.link_of(last.extension.consultation)
    if known is None or known.group_id == last.group_id:
        raise RemoteProtocolError(
            "an invitation for a key package that is not here", code=ReasonCode.KEY_PACKAGE_GONE
        )
    extension = replace(last.extension, hub=frame.sender)
    descent.verify_hub(history, last.group_id, extension)
    descent.require_place(book, known, history, last.group_id, last.extension)
    if frame.routing_id != routing_id_of(last.group_id) or book.bench.name.authority not in extension.roster:
        raise UntrustedError("an invitation that its sender can't give")
    link = replace(
        _link_for(book, last.group_id, extension, epoch=1, route=frame.routing_id), status=GroupStatus.LOST
    )
    _replace_known(book, link, invitation, history)
    book.put_link(link)
    return link


def _with_past(book: GroupBook, link: LinkRow, group: Group) -> Group:
    """Return a group that we come into anew with what late messages of the epochs before need."""
    before = book.group_of(link)
    return group if before is None else replace(group, past=past_of(before, book.now_ms))


def _new_link(book: GroupBook, group: Group, frame: Frame, history: History) -> LinkRow:
    """Check that a group that we were invited to is the right one for its consultation, and new here."""
    extension: ConsultationExtension = parse_context_extensions(group.context.extensions)
    if frame.sender != extension.hub or frame.routing_id != routing_id_of(group.group_id):
        raise UntrustedError("an invitation that its sender can't give")
    if history:
        descent.verify_hub(history, group.group_id, extension)
    else:
        require_owned(extension.consultation, extension.hub.authority)
    known = book.link_of(extension.consultation)
    if known is not None and known.group_id != group.group_id:
        descent.require_place(book, known, history, group.group_id, extension)
    elif known is not None and not (_is_overtaken(known, group) or _may_come_back(known, group)):
        raise ConflictError("an invitation to a consultation that has a group already")
    return _link_for(book, group.group_id, extension, epoch=group.epoch, route=frame.routing_id)


def _link_for(
    book: GroupBook, group_id: bytes, extension: ConsultationExtension, *, epoch: int, route: bytes
) -> LinkRow:
    return LinkRow(
        group_id=group_id,
        consultation=extension.consultation,
        routing_id=route,
        hub=str(extension.hub),
        roster=extension.roster,
        status=GroupStatus.OPEN,
        epoch=epoch,
        changed_ms=book.now_ms,
    )


def _may_come_back(known: LinkRow, group: Group) -> bool:
    """Say whether an invitation to a group that we know brings us back into it.

    It does so too if the commit by which the hub took our leaf out has not come, or never will. An invitation
    to an epoch of before brings nobody back.
    """
    if known.status is GroupStatus.LOST:
        return group.epoch >= known.epoch
    came_in = (GroupStatus.OPEN, GroupStatus.ABSENT, GroupStatus.LEFT)
    return known.status in came_in and group.epoch > known.epoch


def _is_overtaken(known: LinkRow, group: Group) -> bool:
    """Say whether we are in a group already, in a later epoch than that of an invitation."""
    is_same = known.group_id == group.group_id
    return is_same and known.status is GroupStatus.OPEN and group.epoch < known.epoch
