# SPDX-License-Identifier: Apache-2.0
"""Whether a group takes the place of the one that a consultation has here, in transactions.

1. It does if it came from the group that we have, by a successor that this group names, and its hub has not
   changed that group since.
2. Of two that came from the same group, the one that ranks higher does (`protocol.groups.opening.rank`). It
   may be the very group from which ours came, if its hub changed it meanwhile: then we go back.
3. The group that lost its place is only read from then on. Nobody comes back by this into a consultation that
   it was removed from.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace

from globe_node.delivery import inbox
from globe_node.groups import records as member_records
from globe_node.groups.book import GroupBook
from globe_node.groups.lineage import records
from globe_node.groups.links import GroupStatus, LinkRow
from protocol.audit.events import AuditEvent, EventKind
from protocol.envelope import routing_id_of
from protocol.errors import ConflictError, UntrustedError
from protocol.groups.extension import ConsultationExtension
from protocol.groups.opening import rank, verify_continuation
from protocol.groups.profile import parse_context_extensions
from protocol.groups.testimony.continued import Continued, parse_continued, verify_history
from protocol.identifiers import NodeName, is_owned
from protocol.mls.changes.epochs import KnownPsks

CONTINUED = "continued"
"""What the audit log calls it when a group takes the place of another one."""
_REPLACEABLE = (GroupStatus.OPEN, GroupStatus.LOST, GroupStatus.ABSENT, GroupStatus.EQUIVOCATED)

History = tuple[Continued, ...]


def read(book: GroupBook, statements: Sequence[bytes]) -> History:
    """Read and verify how a group came from others.

    Raises:
        NotKnownYetError: the key of one who says so is not known here yet.
        RemoteProtocolError: it does not hold.
    """
    return verify_history(statements, book.bench.register.state, book.bench.clock.now())


def history_of(book: GroupBook, group_id: bytes) -> History:
    """Return how a group here came from others: verified when it was stored."""
    stored = records.histories_of(book.tx, [group_id]).get(group_id, ())
    return tuple(parse_continued(one) for one in stored)


def known_psks(book: GroupBook, history: History) -> KnownPsks:
    """Return the keys of the groups that a group came from, as far as they are here."""
    found = {}
    for step in history:
        link = book.link_by_route(routing_id_of(step.continues))
        group = None if link is None else book.group_of(link)
        psk = None if group is None else group.resumption_psk(step.epoch)
        if psk is not None:
            found[step.continues, step.epoch] = psk
    return KnownPsks(resumption=found)


def verify_hub(history: History, group_id: bytes, extension: ConsultationExtension) -> None:
    """Check that a history is that of a group, and that its hub may be one.

    Raises:
        UntrustedError: it is of another group, or the hub is neither the founder nor a node of whoever opened
            the consultation.
    """
    last = history[-1]
    told = (last.group_id, last.extension.consultation, last.extension.opening)
    if told != (group_id, extension.consultation, extension.opening):
        raise UntrustedError("the history of another group")
    if extension.hub != last.name and not is_owned(extension.consultation, extension.hub.authority):
        raise UntrustedError("a hub that neither founded the group nor opened the consultation")


def require_place(
    book: GroupBook, known: LinkRow, history: History, group_id: bytes, now: ConsultationExtension
) -> None:
    """Check that a group takes the place of the one that its consultation has here.

    Args:
        book: the groups of the transaction.
        known: the group that the consultation has here.
        history: of the group that came; verified.
        group_id: of the group that came.
        now: its extension as far as is known: as it is, or as it was founded.

    Raises:
        ConflictError: it does not; ours stays.
        UntrustedError: who founded it may not.
    """
    if known.status not in _REPLACEABLE:
        raise ConflictError("a group of a consultation that has ended here")
    step = next((one for one in history if one.continues == known.group_id), None)
    if step is not None:
        _require_step(book, known, step)
        return
    ours = history_of(book, known.group_id)
    if not _ranks_higher(book, known, ours, history, group_id, now):
        raise ConflictError("an invitation to a consultation that has a group already")


def take_place(book: GroupBook, known: LinkRow, founder: NodeName) -> None:
    """Note that the group of a consultation has lost its place and is only read; raise an alarm."""
    book.put_link(replace(known, status=GroupStatus.CONTINUED, changed_ms=book.now_ms))
    for member in known.roster:  # what waited for it won't be read any more if its secrets are gone
        inbox.release(book.tx, member, {known.routing_id}, book.now_ms)
    event = AuditEvent(
        kind=EventKind.ALARM,
        at=book.bench.clock.now(),
        peer=str(founder),
        case=known.consultation,
        result=CONTINUED,
    )
    book.bench.audit.append(book.tx, [event])


def go_back(book: GroupBook, link: LinkRow) -> LinkRow | None:
    """Go back to a group that was continued, if it counts again since its hub has changed it."""
    current = book.link_of(link.consultation)
    extension, group = _extension(book, link.group_id), book.group_of(link)
    if current is None or extension is None or group is None or current.status not in _REPLACEABLE:
        return None
    ours = history_of(book, current.group_id)
    if not _ranks_higher(book, current, ours, (), link.group_id, extension):
        return None
    take_place(book, current, extension.hub)
    back = replace(link, status=GroupStatus.OPEN, epoch=group.epoch, changed_ms=book.now_ms)
    book.put_link(back)
    return back


def _require_step(book: GroupBook, known: LinkRow, step: Continued) -> None:
    last = _extension(book, known.group_id)
    if last is not None:
        verify_continuation(last, step.extension)
        seen = member_records.members_of(book.tx, [known.group_id], step.epoch)
        ours = [row.authenticator for row in seen if row.authority == book.bench.name.authority]
        if not all(hmac.compare_digest(one, step.authenticator) for one in ours):
            raise UntrustedError("a group continued by somebody who saw another one")
    elif step.name.authority not in known.roster:  # its secrets are lost here, and with them who may
        raise UntrustedError("a group continued by somebody who does not belong")


def _ranks_higher(
    book: GroupBook,
    known: LinkRow,
    ours: History,
    history: History,
    group_id: bytes,
    now: ConsultationExtension,
) -> bool:
    """Say whether a group that came from the same one as ours, or is that one, ranks higher."""
    here = _extension(book, known.group_id) or (ours[-1].extension if ours else None)
    steps = {one.continues: one.name for one in history}
    mine = next((one for one in ours if one.continues in steps or one.continues == group_id), None)
    if mine is None or here is None:
        return False
    is_origin = mine.continues == group_id
    base = now if is_origin else _extension(book, mine.continues)
    if base is None:
        return False
    founder = None if is_origin else steps[mine.continues]
    return rank(base, founder, now.policy_version) > rank(base, mine.name, here.policy_version)


def _extension(book: GroupBook, group_id: bytes) -> ConsultationExtension | None:
    link = book.link_by_route(routing_id_of(group_id))
    group = None if link is None else book.group_of(link)
    return None if group is None else parse_context_extensions(group.context.extensions)
