# SPDX-License-Identifier: Apache-2.0
"""Whether the records and receipts of a bundle fit each other: chains, attachments, references, deliveries.

It verifies no signature (`signers`) and does not say who is a member (`parties`). All records of a
consultation are for all its members; so whatever is absent is missing, but for what `parties` explains.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import groupby

from protocol.errors import RemoteProtocolError
from protocol.evidence.exhibits import Accusation, Exhibit, Slip
from protocol.evidence.parties import Parties, parties_of
from protocol.evidence.report import Check, Delivery, Finding
from protocol.groups.testimony.hub_receipt import verify_contradiction
from protocol.identifiers import AuthorityId, ConsultationId, Digest, RecordId
from protocol.receipts import DeliveryState, ReceiptEntry, advance

Records = Mapping[Digest, Exhibit]
Absence = tuple[Finding, str]
"""What it means that a record is not in a bundle, and in words."""
_MISSING: Absence = (Finding.INCOMPLETE, "missing")


@dataclass(frozen=True, slots=True)
class Telling:
    """One entry of a receipt: who says it, about whom, and when."""

    issuer: AuthorityId
    recipient: AuthorityId
    at: datetime
    entry: ReceiptEntry


def chains_of(exhibits: Iterable[Exhibit]) -> Iterator[tuple[str, tuple[Exhibit, ...]]]:
    """Give each chain with its name; a bundle has its records in this order."""

    def name(exhibit: Exhibit) -> str:
        author = exhibit.content.author
        return f"chain {author.authority} {author.incarnation[:8]}"

    for chain, members in groupby(exhibits, key=name):
        yield chain, tuple(members)


@dataclass(frozen=True, slots=True)
class Course:
    """What the records of a bundle are, taken together.

    Attributes:
        consultation: which one they must belong to.
        records: by hash.
        ids: their ids.
        parties: who took part.
        met: by hash of a record, the authorities of which its author had seen a record that is here.
    """

    consultation: ConsultationId
    records: Records
    ids: Set[RecordId]
    parties: Parties
    met: Mapping[Digest, Set[AuthorityId]]

    def absent_seen(self, exhibit: Exhibit, authority: AuthorityId) -> Absence:
        """Return what it means that a record is not here that this one has seen."""
        parties = self.parties
        if parties.farewell == exhibit.digest:
            return Finding.NOTED, "not here; it may have come after a removal"
        if parties.added_later and authority not in self.met[exhibit.digest]:
            return Finding.NOTED, "not here; it may be from before an addition"
        if authority in parties.left:
            return Finding.NOTED, "not here; its author was removed"
        return _MISSING

    def absent_reply(self) -> Absence:
        """Return what it means that a record is not here to which another one replies."""
        if self.parties.added_later or self.parties.left:
            return Finding.NOTED, "not here; it may be from before an addition, or from after a removal"
        return _MISSING

    def absent_start(self) -> Absence:
        """Return what it means that a chain lacks its beginning."""
        if self.parties.added_later:
            return Finding.NOTED, "not here; it may be from before an addition"
        return _MISSING


def course_of(consultation: ConsultationId, exhibits: Iterable[Exhibit]) -> Course:
    """Look at all records of a bundle; they are in its order."""
    exhibits = tuple(exhibits)
    records = {exhibit.digest: exhibit for exhibit in exhibits}
    met: dict[Digest, Set[AuthorityId]] = {}
    for _, chain in chains_of(exhibits):
        known: frozenset[AuthorityId] = frozenset()
        for exhibit in chain:
            known |= {who for who, digest in exhibit.content.seen.items() if digest in records}
            met[exhibit.digest] = known
    return Course(
        consultation=consultation,
        records=records,
        ids={exhibit.content.record_id for exhibit in exhibits},
        parties=parties_of(consultation, exhibits),
        met=met,
    )


def chain_check(name: str, chain: tuple[Exhibit, ...], course: Course) -> Check:
    """Check that a chain begins at 1 and has no gap, and that each record names the one before.

    Spec: PROTOCOL.md section 14.2.
    """
    first = chain[0].content.author_seq
    gap, place, before = 0, first - 1, chain[0].content.prev
    for exhibit in chain:
        content = exhibit.content
        if content.author_seq != place + 1:
            gap = gap or place + 1
        elif content.prev != before:
            return Check(name, "order", Finding.FAILS, f"{exhibit.part} follows another record")
        place, before = content.author_seq, exhibit.digest
    if gap:
        finding, words = _MISSING
        return Check(name, "order", finding, f"record {gap} of the chain is {words}")
    if first > 1:
        finding, words = course.absent_start()
        return Check(name, "order", finding, f"record 1 of the chain is {words}")
    return Check(name, "order", Finding.HOLDS, f"1 to {len(chain)} without a gap")


def proven_times(
    chain: tuple[Exhibit, ...], receipted: Mapping[Digest, datetime]
) -> Mapping[Digest, datetime]:
    """Return since when another authority provably had each record: its receipt, or one for a later record.

    A later record holds the hash of the one before, so whoever had it shows that the earlier one existed; a
    gap in the chain breaks this.
    """
    proven: dict[Digest, datetime] = {}
    earliest: datetime | None = None
    following = ""
    for exhibit in reversed(chain):
        if following != exhibit.digest:
            earliest = None
        at = receipted.get(exhibit.digest)
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        if earliest is not None:
            proven[exhibit.digest] = earliest
        following = exhibit.content.prev
    return proven


def record_checks(exhibit: Exhibit, course: Course) -> Iterator[Check]:
    """Check what a record refers to: consultation, members, attachments, what it has seen and replies to."""
    content = exhibit.content
    if content.consultation != course.consultation:
        yield exhibit.check("consultation", Finding.FAILS, "it belongs to another consultation")
    yield course.parties.check(exhibit)
    yield _attachments_check(exhibit)
    for authority, digest in content.seen.items():
        seen = course.records.get(digest)
        if seen is None:
            finding, words = course.absent_seen(exhibit, authority)
            yield exhibit.check("seen", finding, f"a record of {authority} that it has seen is {words}")
        elif seen.content.author.authority != authority:
            yield exhibit.check("seen", Finding.FAILS, f"not a record of {authority}")
    if content.in_reply_to and content.in_reply_to not in course.ids:
        finding, words = course.absent_reply()
        yield exhibit.check("reply", finding, f"the record it replies to is {words}")


def identity_checks(exhibits: tuple[Exhibit, ...]) -> Iterator[Check]:
    """Check that there are records, and that no id stands for two of them."""
    if not exhibits:
        yield Check("records", "completeness", Finding.INCOMPLETE, "there is no record")
    ids = set()
    for exhibit in exhibits:
        if exhibit.content.record_id in ids:
            yield exhibit.check("id", Finding.FAILS, "another record has the same id")
        ids.add(exhibit.content.record_id)


def scope_check(slip: Slip, records: Records) -> Check:
    """Check that a receipt belongs here: by and to the right authorities, for at least one record.

    Spec: PROTOCOL.md section 14.2.
    """
    content, covered = slip.content, 0
    for entry in content.entries:
        exhibit = records.get(Digest(entry.record))
        if exhibit is None:
            continue
        covered += 1
        author, recipients = exhibit.content.author.authority, exhibit.content.recipients
        own = entry.status.is_own_word
        issuer, other = content.issuer.authority, content.to
        if not (
            issuer == author and other in recipients if own else issuer in recipients and other == author
        ):
            return slip.check("scope", Finding.FAILS, f"not between author and recipient of {exhibit.part}")
    if not covered:
        return slip.check("scope", Finding.FAILS, "it belongs to no record of the bundle")
    return slip.check("scope", Finding.HOLDS, f"{covered} of its entries are for records of the bundle")


def accusation_check(accusation: Accusation, course: Course) -> Check:
    """Check that a proof is about this consultation, and that its two receipts can't both be right.

    Spec: PROTOCOL.md section 14.2.
    """
    hub = accusation.first.hub
    if {accusation.first.consultation, accusation.second.consultation} != {course.consultation}:
        return accusation.check("place", Finding.FAILS, "it belongs to another consultation")
    if all(
        hub.authority not in (one.content.author.authority, *one.content.recipients)
        for one in course.records.values()
    ):
        return accusation.check("place", Finding.FAILS, f"{hub.authority} takes no part in it")
    try:
        verify_contradiction(accusation.first, accusation.second)
    except RemoteProtocolError as error:
        return accusation.check("place", Finding.FAILS, str(error))
    return accusation.check("place", Finding.HOLDS, f"{hub} gave one place twice")


def tellings_of(slips: Iterable[Slip]) -> Mapping[str, list[Telling]]:
    """Sort the entries of receipts by record, each list by time, the recipients' own words first."""
    tellings: dict[str, list[Telling]] = {}
    for slip in slips:
        content = slip.content
        for entry in content.entries:
            own = entry.status.is_own_word
            recipient = content.to if own else content.issuer.authority
            telling = Telling(content.issuer.authority, recipient, content.created, entry)
            tellings.setdefault(entry.record, []).append(telling)
    for told in tellings.values():
        told.sort(key=lambda telling: (telling.entry.status.is_own_word, telling.at))
    return tellings


def deliveries_of(exhibit: Exhibit, tellings: Mapping[str, list[Telling]]) -> tuple[Delivery, ...]:
    """Say what the receipts tell for each recipient; the recipient's own word goes before the sender's."""
    found = {name: Delivery(name, DeliveryState.QUEUED, None, None) for name in exhibit.content.recipients}
    for telling in tellings.get(exhibit.digest, ()):
        found[telling.recipient] = _told(found[telling.recipient], telling)
    return tuple(found.values())


def _told(known: Delivery, telling: Telling) -> Delivery:
    try:
        state = advance(known.state, telling.entry.status)
    except RemoteProtocolError:
        return known
    if state is known.state:
        return known
    return Delivery(known.recipient, state, telling.entry.reason, telling.at)


def contradiction_checks(slips: tuple[Slip, ...]) -> Iterator[Check]:
    """Check that no authority says two things of one envelope that cannot both be."""
    said: dict[tuple[AuthorityId, Digest], DeliveryState] = {}
    for slip in sorted(slips, key=lambda slip: slip.content.created):
        for entry in slip.content.entries:
            key = (slip.content.issuer.authority, entry.envelope)
            try:
                said[key] = advance(said.get(key, DeliveryState.QUEUED), entry.status)
            except RemoteProtocolError:
                yield slip.check("consistency", Finding.FAILS, "it contradicts another receipt of its issuer")


def _attachments_check(exhibit: Exhibit) -> Check:
    listed = {entry.id: entry for entry in exhibit.content.attachments}
    for name, data in exhibit.evidence.attachments.items():
        entry = listed.get(name)
        if entry is None:
            return exhibit.check("attachments", Finding.FAILS, "one that the record does not list")
        if len(data) != entry.size or sha256(data).hexdigest() != entry.sha256:
            return exhibit.check("attachments", Finding.FAILS, f"{entry.id} is not the one that was signed")
    given = len(exhibit.evidence.attachments)
    return exhibit.check("attachments", Finding.HOLDS, f"{given} given, {len(listed) - given} left out")
