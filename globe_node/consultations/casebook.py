# SPDX-License-Identifier: Apache-2.0
"""The consultations that one transaction works on, loaded once and written back once. Not a cache.

1. It lives as long as its transaction: the rows it holds can't change under it, for there is one writer.
2. A rule is asked first and a change made after; so a message that is refused leaves no trace.
3. The number of statements does not depend on the number of messages.
4. Every member keeps the state of every requested authority: all of them read all records.
5. What is asked of an authority stands in the record that made it a member: the request, or the change that
   added it.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from globe_node.consultations import records
from globe_node.consultations.content import Content
from globe_node.consultations.records import ConsultationRow, HeadRow, RecordRow
from globe_node.store.door import Transaction
from protocol.codes.message_types import MessageType
from protocol.consultations.roster import Act, Roster, members_after
from protocol.consultations.table import Move, State
from protocol.identifiers import AuthorityId, ConsultationId, Digest, RecordId
from protocol.messages.membership import Members
from protocol.messages.parse import Body, parse_body
from protocol.messages.request import ConsultRequest
from protocol.record import Record, parse_signed_record

REMEMBERED_REQUESTS = 512
"""Requests that are held in memory; the one used longest ago goes first."""
REMEMBERED_BYTES = 16 * 1024
"""A longer request is read again each time."""


@dataclass(slots=True)
class Case:
    """One consultation while a transaction works on it.

    Attributes:
        me: this authority.
        roster: the members, and where each requested authority stands.
        heads: the newest record of each author.
    """

    id: ConsultationId
    me: AuthorityId
    roster: Roster
    subject: bytes = field(repr=False)
    created_ms: int
    updated_ms: int
    heads: dict[AuthorityId, HeadRow] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Where it stands for this authority."""
        return self.roster.standing(self.me)

    def side_of(self, author: AuthorityId) -> AuthorityId:
        """Return the side that a message is about: the author's; of the requester, ours or any."""
        if author != self.roster.requester:
            return author
        return next(iter(self.roster.sides)) if self.me == author else self.me

    def seen_by(self, author: AuthorityId) -> dict[AuthorityId, Digest]:
        """Return the newest record of each other member."""
        others = self.roster.members - {author}
        return {who: head.record_hash for who, head in self.heads.items() if who in others}

    def next_place(self, author: AuthorityId, incarnation: str) -> tuple[int, str]:
        """Return number and `prev` of the next record in an author's chain; a new life begins a new chain."""
        head = self.heads.get(author)
        if head is None or head.incarnation != incarnation:
            return 1, ""
        return head.author_seq + 1, head.record_hash

    def row(self) -> ConsultationRow:
        """Return what is stored."""
        return ConsultationRow(
            id=self.id,
            opener=self.roster.requester,
            sides=" ".join(f"{who}={state}" for who, state in sorted(self.roster.sides.items())),
            state=self.state,
            subject=self.subject,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom."""

    sides: frozenset[str]
    request: ConsultRequest | None = field(repr=False)


class KnownRequests:
    """What was asked, by the hash of the record that says it; kept between transactions, in memory alone.

    A hash stands for one content whatever becomes of a transaction, so nothing here is ever wrong.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[Digest, Asked] = OrderedDict()

    def find(self, digest: Digest) -> Asked | None:
        """Return what a record asks, if it is remembered."""
        found = self._asked.get(digest)
        if found is not None:
            self._asked.move_to_end(digest)
        return found

    def keep(self, digest: Digest, asked: Asked, size: int) -> None:
        """Remember what a record asks, unless the record is long."""
        if size > REMEMBERED_BYTES:
            return
        self._asked[digest] = asked
        if len(self._asked) > REMEMBERED_REQUESTS:
            self._asked.popitem(last=False)


class Casebook:
    """Loads the consultations of one batch, gathers what changes, writes it with a few statements.

    Args:
        tx: the transaction.
        me: this authority.
        open_record: opens a record that was sealed at rest.
        known: requests that were read before.
        consultations: the ids that the batch names.
        record_ids: the ids whose hashes the batch asks for.
    """

    def __init__(
        self,
        tx: Transaction,
        me: AuthorityId,
        open_record: Callable[[RecordId, bytes], bytes],
        known: KnownRequests,
        *,
        consultations: Collection[ConsultationId],
        record_ids: Collection[RecordId],
    ) -> None:
        self._tx = tx
        self._open_record = open_record
        self._known = known
        self._bodies: dict[RecordId, Body] = {}
        self._asked: dict[ConsultationId, list[Asked]] = {}
        self._loaded: set[ConsultationId] = set()
        self._openings: list[tuple[ConsultationId, RecordId, Digest]] | None = None
        self._members: dict[Digest, frozenset[AuthorityId]] = {}
        self._hashes: dict[RecordId, Digest] = records.record_hashes(tx, record_ids)
        self._cases: dict[ConsultationId, Case] = {
            row.id: case_of(row, me) for row in records.consultations_of(tx, consultations).values()
        }
        for head in records.heads_of(tx, list(self._cases)):
            self._cases[head.consultation].heads[head.author] = head
        self._questions: dict[tuple[ConsultationId, AuthorityId], RecordId] = {}
        self._answered: set[RecordId] = set()
        self._newest: dict[tuple[ConsultationId, Collection[AuthorityId]], RecordId | None] = {}
        self._links: dict[tuple[ConsultationId, AuthorityId, str], dict[int, tuple[str, Digest]]] = {}
        self._changed: set[ConsultationId] = set()
        self._moved_heads: set[tuple[ConsultationId, AuthorityId]] = set()

    def case(self, consultation: ConsultationId) -> Case | None:
        """Return a consultation that was loaded or opened in this transaction."""
        return self._cases.get(consultation)

    def hash_of(self, record_id: RecordId) -> Digest | None:
        """Return the hash under which this node holds a record id, among the ids asked for at the start."""
        return self._hashes.get(record_id)

    def neighbours(self, record: Record) -> Mapping[int, tuple[str, Digest]]:
        """Return prev and hash of what stands one before, at and one after a record's place in its chain."""
        author, place = record.author, record.author_seq
        found = records.neighbours(self._tx, record.consultation, author.authority, author.incarnation, place)
        fresh = self._links.get((record.consultation, author.authority, author.incarnation), {})
        return found | {number: link for number, link in fresh.items() if abs(number - place) <= 1}

    def knows_life(self, record: Record) -> bool:
        """Whether a record of the same life of its author's node is here; if not, that life begins."""
        author = record.author
        chain = (record.consultation, author.authority, author.incarnation)
        return chain in self._links or records.knows_life(self._tx, *chain)

    def body_of(self, record_id: RecordId) -> Body | None:
        """Return the body of a record that is here or was taken in by this transaction."""
        if record_id not in self._bodies:
            row = records.record(self._tx, record_id)
            if row is None:
                return None
            self._keep(row)
        return self._bodies[record_id]

    def request_of(self, case: Case, side: AuthorityId) -> ConsultRequest | None:
        """Return what was asked of one authority, if the record that says it is here."""
        if case.id not in self._loaded:
            self._load_asked(case.id)
        known = self._asked.get(case.id, [])
        return next((one.request for one in reversed(known) if side in one.sides), None)

    def _load_asked(self, consultation: ConsultationId) -> None:
        """Read what is asked in a consultation; where it stands is looked up for the whole batch at once."""
        if self._openings is None:
            self._openings = records.openings_of(self._tx, self._cases)
        found = [one for one in self._openings if one[0] == consultation]
        asked = [self._asked_in(record_id, digest) for _, record_id, digest in found]
        self._asked[consultation] = [*asked, *self._asked.get(consultation, [])]
        self._loaded.add(consultation)

    def _asked_in(self, record_id: RecordId, digest: Digest) -> Asked:
        """Return what a record that is here asks."""
        found = self._known.find(digest)
        if found is None:
            signed = parse_signed_record(
                self._open_record(record_id, records.application_data(self._tx, record_id))
            )
            record = signed.content
            found = _asked_by(record, parse_body(record.type, record.body))
            self._known.keep(digest, found, len(signed.record))
        return found

    def members_at(self, case: Case, digest: str) -> frozenset[AuthorityId] | None:
        """Return who took part after a record of the requester, or None if it is not here."""
        if digest not in self._members:
            row = records.with_hash(self._tx, case.id, case.roster.requester, Digest(digest))
            if row is None:
                return None
            content = self._open(row)
            self._members[row.record_hash] = members_after(content, parse_body(content.type, content.body))
        return self._members[Digest(digest)]

    def answerable(self, case: Case, message_type: MessageType) -> RecordId | None:
        """Return the record that a message of ours replies to when it does not say, if that is clear.

        A clarification replies to the newest questions of whoever waits for it, if that is one. All else
        replies to the newest record of those whom it answers.
        """
        if message_type is MessageType.CLARIFICATION:
            waiting = [side for side, state in case.roster.sides.items() if state is State.CLARIFYING]
            return self._newest_questions(case, waiting[0]) if len(waiting) == 1 else None
        return self._newest_to_answer(case) or records.newest(self._tx, case.id)

    def _newest_to_answer(self, case: Case) -> RecordId | None:
        """Return the newest record of those whom a message of ours answers; the first asks for the batch.

        Only records of ours are taken in beside it, so what was found stays true.
        """
        wanted = [case] if self._newest else self._cases.values()
        asked = case.id, _answered_by(case)
        if asked not in self._newest:
            for one in wanted:
                to = _answered_by(one)
                self._newest[one.id, to] = records.newest_by(self._tx, one.id, to)
        return self._newest[asked]

    def _newest_questions(self, case: Case, asker: AuthorityId) -> RecordId | None:
        """Return the newest questions back of one requested authority."""
        known = self._questions.get((case.id, asker))
        if known is not None:
            return known
        return records.newest_by(self._tx, case.id, [asker], MessageType.CLARIFICATION_REQUEST)

    def act_of(self, case: Case, record: Record, content: Content) -> Act:
        """Return a record as far as it moves sides."""
        author, move, roster = record.author.authority, content.move, case.roster
        if content.change is not None:
            added, removed = map(AuthorityId, content.change.added), map(AuthorityId, content.change.removed)
            return Act(author, move, added=tuple(added), removed=tuple(removed))
        if len(roster.members) == 2:
            return Act(author, move)
        if move is Move.CLARIFY:
            return Act(author, move, asker=self._asker(case, record.in_reply_to))
        if move is Move.ASK_BACK and case.me != roster.requester:
            return Act(author, move, answered=self._is_answered(case, record.record_id))
        return Act(author, move)

    def _asker(self, case: Case, questions: str) -> AuthorityId | None:
        """Return whose newest questions these are."""
        sides = case.roster.sides
        return next((side for side in sides if self._newest_questions(case, side) == questions), None)

    def _is_answered(self, case: Case, questions: RecordId) -> bool:
        return questions in self._answered or records.has_reply(
            self._tx, case.id, case.roster.requester, questions
        )

    def _open(self, row: RecordRow) -> Record:
        return parse_signed_record(self._open_record(row.record_id, row.application_data)).content

    def _keep(self, row: RecordRow) -> None:
        record = self._open(row)
        self._bodies[record.record_id] = parse_body(record.type, record.body)

    def open(self, case: Case) -> None:
        """Take in a new consultation."""
        self._cases[case.id] = case
        self._changed.add(case.id)

    def take(
        self,
        record: Record,
        digest: Digest,
        *,
        body: Body,
        roster: Roster | None,
        leads: bool = True,
        now_ms: int,
    ) -> None:
        """Take in a record; it may move sides and its author's chain head.

        Args:
            record: its consultation is loaded or opened.
            digest: its hash.
            body: its body.
            roster: the members and sides after it; None for a record that moves nothing.
            leads: it is the newest of its author.
            now_ms: the time of this node.
        """
        case = self._cases[record.consultation]
        author = record.author.authority
        case.updated_ms = max(case.updated_ms, now_ms)
        incarnation = record.author.incarnation
        if record.type is MessageType.CLARIFICATION and record.in_reply_to:
            self._answered.add(RecordId(record.in_reply_to))
        if roster is not None:
            case.roster = roster
            if record.type is MessageType.CLARIFICATION_REQUEST:
                self._questions[case.id, author] = record.record_id
        if leads:
            case.heads[author] = HeadRow(case.id, author, incarnation, record.author_seq, digest)
            self._moved_heads.add((case.id, author))
        self._links.setdefault((case.id, author, incarnation), {})[record.author_seq] = (record.prev, digest)
        self._hashes[record.record_id] = digest
        self._bodies[record.record_id] = body
        if author == case.roster.requester:
            self._members[digest] = members_after(record, body)
        if record.type.opens:
            self._asked.setdefault(case.id, []).append(_asked_by(record, body))
        self._changed.add(case.id)

    def write(self) -> None:
        """Write everything that changed."""
        records.put_consultations(self._tx, [self._cases[one].row() for one in sorted(self._changed)])
        records.put_heads(self._tx, [self._cases[one].heads[who] for one, who in sorted(self._moved_heads)])


def _answered_by(case: Case) -> tuple[AuthorityId, ...]:
    """Return those to whose newest record a message of ours replies when it does not say."""
    roster = case.roster
    return tuple(roster.recipients(case.me)) if case.me == roster.requester else (roster.requester,)


def _asked_by(record: Record, body: Body) -> Asked:
    if isinstance(body, Members):
        return Asked(frozenset(body.added), body.request)
    return Asked(frozenset(record.recipients), body if isinstance(body, ConsultRequest) else None)


def roster_of(row: ConsultationRow) -> Roster:
    """Read the roster of a stored consultation."""
    pairs = (pair.split("=") for pair in row.sides.split(" "))
    return Roster(row.opener, {AuthorityId(who): State(state) for who, state in pairs})


def case_of(row: ConsultationRow, me: AuthorityId) -> Case:
    """Build the working form of a stored consultation."""
    return Case(
        id=row.id,
        me=me,
        roster=roster_of(row),
        subject=row.subject,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
    )
