# SPDX-License-Identifier: Apache-2.0
"""Groups between nodes' stores: founded, joined, used, changed; after each step all may be forgotten."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest

from globe_node.groups import arriving, hub, records
from globe_node.groups.arriving import AwaitedGroupError, Heard
from globe_node.groups.book import GroupBook
from globe_node.groups.known import KnownGroups
from globe_node.groups.lineage import invited
from globe_node.groups.links import GroupStatus, LinkRow
from globe_node.groups.packages import pool, stock
from globe_node.groups.packages import records as package_records
from globe_node.groups.records import MemberRow
from globe_node.groups.views import GroupView, views_of
from globe_node.store.door import Transaction
from keys.errors import RowDamagedError
from protocol.envelope import EnvelopeClass, Frame, envelope_bytes, parse_envelope
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.groups.sealed import (
    Invitation,
    OrderedCommit,
    Said,
    joined_message,
    parse_invitation,
)
from protocol.groups.testimony.hub_receipt import parse_hub_receipt, sign_hub_receipt
from protocol.groups.testimony.joined import JoinedBy
from protocol.identifiers import AuthorityId, Digest, EnvelopeId, NodeId, NodeName, uuid7
from protocol.record import record_hash
from tests.support.clock import FixedClock
from tests.support.directory import certified_node_keys
from tests.support.entropy import SeededEntropy
from tests.support.groups import GroupHouse
from tests.support.letters import letter_record
from tests.support.sealing import signed_record

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
T = TypeVar("T")
ENTROPY = SeededEntropy("book")


def name_of(authority: str) -> NodeName:
    return NodeName(AuthorityId(authority), NodeId("main"))


@dataclass
class Trio:
    """A opens a consultation with B and C; nothing is carried but what a test carries."""

    clock: FixedClock = field(default_factory=FixedClock)
    houses: dict[str, GroupHouse] = field(default_factory=dict)
    known: dict[str, KnownGroups] = field(default_factory=dict)
    forgetful: bool = True

    def __post_init__(self) -> None:
        self.opening = letter_record(recipients=(B, C))
        for name in (A, B, C):
            self.houses[name] = GroupHouse(name, clock=self.clock)
            self.known[name] = KnownGroups()

    def at(self, name: str, work: Callable[[GroupBook], T]) -> T:
        """Work with the groups of one node in a transaction, then forget what is in memory."""
        house = self.houses[name]

        def act(tx: Transaction) -> T:
            book = GroupBook(house.bench, self.known[name], tx)
            result = work(book)
            book.write()
            return result

        try:
            return house.write(act)
        finally:
            if self.forgetful:
                house.restart()
                self.known[name] = KnownGroups()

    def link(self, name: str) -> LinkRow:
        return records.links_of(self.houses[name].database.writer, [self.opening.consultation])[
            self.opening.consultation
        ]

    def supply(self, holder: str, of: str) -> None:
        """Bring key packages from one node to another."""
        giver, taker = self.houses[of], self.houses[holder]
        request = taker.read(lambda tx: stock.next_request(taker.bench, tx, AuthorityId(of)))
        if request is not None:
            answer = giver.write(lambda tx: pool.offer(giver.bench, tx, AuthorityId(holder), request))
            taker.write(lambda tx: stock.take_in(taker.bench, tx, name_of(of), answer))

    def frame(self, speaker: str, kind: EnvelopeClass, /, **changes: object) -> Frame:
        now_ms = self.houses[speaker].bench.now_ms()
        facts: dict[str, object] = {
            "envelope_class": kind,
            "sender": name_of(speaker),
            "routing_id": self.link(A).routing_id,
            "envelope_id": EnvelopeId(uuid7(now_ms, ENTROPY.random_bytes(10)).bytes),
            "created_ms": now_ms,
            "expires_ms": now_ms + 86_400_000,
        }
        return Frame(**{**facts, **changes})  # type: ignore[arg-type]  # facts by name

    def found(self, *members: str) -> dict[AuthorityId, Invitation]:
        """A founds the group; return the invitations."""
        for name in members:
            self.supply(A, name)

        def open_it(book: GroupBook) -> dict[AuthorityId, Invitation]:
            link = hub.begin(book, self.opening.consultation, [A, *map(AuthorityId, members)])
            packages, missing = hub.find_packages(book, map(name_of, members))
            assert missing == []
            return dict(hub.open_group(book, link, self.opening.to_bytes(), packages))

        return self.at(A, open_it)

    def invite(self, name: str, invitation: Invitation, /, **changes: object) -> LinkRow:
        """Bring an invitation to its joiner."""
        frame = self.frame(A, EnvelopeClass.WELCOME, **changes)
        envelope = parse_envelope(envelope_bytes(frame.to_bytes(), invitation.to_bytes()))
        return self.at(name, lambda book: invited.take_invitation(book, envelope))[0]

    def say(self, name: str, data: bytes, /, **changes: object) -> bytes:
        """Seal something in a node's group."""
        frame = self.frame(name, EnvelopeClass.APPLICATION, **changes)
        return self.at(name, lambda book: book.seal(self.link(name), frame, data))

    def hear(self, name: str, envelope: bytes) -> Heard:
        """Open something in a node's group."""
        return self.at(name, lambda book: arriving.hear(book, parse_envelope(envelope)))

    def commit(self, name: str, commit: OrderedCommit, /, **changes: object) -> LinkRow:
        """Bring a commit to a member."""
        frame = self.frame(A, EnvelopeClass.COMMIT, **changes)
        envelope = parse_envelope(envelope_bytes(frame.to_bytes(), commit.to_bytes()))
        return self.at(name, lambda book: arriving.follow(book, envelope))[0]

    def statement(self, name: str) -> bytes:
        """The word of a joiner."""
        return self.at(name, lambda book: arriving.joined_statement(book, self.link(name), JoinedBy.WELCOME))

    def note(self, name: str, heard: Heard, statement: bytes) -> bool:
        """Note the word of a joiner."""
        return self.at(name, lambda book: arriving.note_joined(book, heard, statement))

    def is_ready(self, name: str, *members: str) -> bool:
        """Whether a message of a node would reach exactly these."""
        named = [AuthorityId(one) for one in members]
        return self.at(name, lambda book: book.is_ready_for(self.link(name), named))

    def view(self, name: str) -> GroupView:
        consultation = self.opening.consultation
        return self.houses[name].read(lambda tx: views_of(tx, AuthorityId(name), [consultation]))[
            consultation
        ]


MESSAGE = signed_record(letter_record(), certified_node_keys("xa-acc").signing, ENTROPY)


@pytest.fixture(params=[True, False], ids=["restarted", "running"])
def trio(request: pytest.FixtureRequest) -> Trio:
    """A, B and C in one group."""
    made = Trio(forgetful=request.param)
    for name, invitation in made.found(B, C).items():
        made.invite(name, invitation)
    return made


def refusal(act: Callable[[], object]) -> ReasonCode:
    with pytest.raises(RemoteProtocolError) as caught:
        act()
    return caught.value.code


def states(trio: Trio, name: str) -> object:
    """Everything that is stored of the group at a node."""
    group_id = trio.link(A).group_id
    return trio.houses[name].read(lambda tx: records.revisions_of(tx, [group_id])), trio.link(name)


# --- the way of a group ---------------------------------------------------------------------------------
def test_everybody_hears_everybody(trio: Trio) -> None:
    for speaker in (A, B, C, A, B, C, C):
        envelope = trio.say(speaker, MESSAGE)
        for hearer in {A, B, C} - {speaker}:
            heard = trio.hear(hearer, envelope)
            assert (heard.sender, heard.said, heard.data) == (name_of(speaker), Said.RECORD, MESSAGE)
            assert heard.link.consultation == trio.opening.consultation


def test_messages_may_come_out_of_order(trio: Trio) -> None:
    envelopes = [trio.say(A, MESSAGE + bytes([number])) for number in range(6)]
    for number in (5, 0, 3, 1, 4, 2):
        assert trio.hear(B, envelopes[number]).data == MESSAGE + bytes([number])


def test_a_message_is_opened_once(trio: Trio) -> None:
    """After it was opened its key is gone, here and in what is stored."""
    envelope = trio.say(A, MESSAGE)
    trio.hear(B, envelope)
    before = states(trio, B)
    assert refusal(lambda: trio.hear(B, envelope)) is ReasonCode.KEY_GONE
    assert states(trio, B) == before


def test_what_was_taken_back_can_be_opened_again(trio: Trio) -> None:
    """A transaction that fails after the opening leaves the key where it was, in the store and in memory."""
    envelope = trio.say(A, MESSAGE)
    house = trio.houses[B]

    def fail(tx: Transaction) -> None:
        book = GroupBook(house.bench, trio.known[B], tx)
        arriving.hear(book, parse_envelope(envelope))
        book.write()
        raise RuntimeError("taken back")

    with pytest.raises(RuntimeError):
        house.write(fail)
    assert trio.hear(B, envelope).data == MESSAGE


def test_no_key_is_used_twice_after_a_transaction_that_was_taken_back(trio: Trio) -> None:
    """The message of the lost transaction and the next one must not share a key: the first never left."""
    house = trio.houses[A]
    lost: list[bytes] = []

    def fail(tx: Transaction) -> None:
        book = GroupBook(house.bench, trio.known[A], tx)
        lost.append(book.seal(trio.link(A), trio.frame(A, EnvelopeClass.APPLICATION), MESSAGE))
        book.write()
        raise RuntimeError("taken back")

    with pytest.raises(RuntimeError):
        house.write(fail)
    sent = trio.say(A, MESSAGE)
    assert trio.hear(B, sent).data == MESSAGE
    assert refusal(lambda: trio.hear(B, lost[0])) is ReasonCode.KEY_GONE


# --- joining --------------------------------------------------------------------------------------------
def test_membership_is_confirmed_when_all_have_said_the_same(trio: Trio) -> None:
    assert trio.view(A).unconfirmed == (B, C)
    assert not trio.view(A).confirmed
    for joiner in (B, C):
        statement = trio.statement(joiner)
        envelope = trio.say(joiner, joined_message(statement))
        for hearer in {A, B, C} - {joiner}:
            heard = trio.hear(hearer, envelope)
            assert heard.said is Said.JOINED
            assert trio.note(hearer, heard, statement)
    for name in (A, B, C):
        view = trio.view(name)
        assert (view.confirmed, view.members, view.epoch) == (True, (A, B, C), 1)


def test_who_says_another_thing_is_named(trio: Trio) -> None:
    statement = trio.statement(B)
    heard = trio.hear(A, trio.say(B, joined_message(statement)))

    def changed(book: GroupBook) -> bool:
        row = records.members_of(book.tx, [heard.link.group_id], 1)[0]
        records.put_members(book.tx, [row._replace(authenticator=Digest("ab" * 32))])
        return arriving.note_joined(book, heard, statement)

    assert trio.at(A, changed) is False
    assert trio.view(A).disagreeing == (B,)
    assert not trio.view(A).confirmed


def test_the_statement_of_another_member_is_refused(trio: Trio) -> None:
    statement = trio.statement(B)
    heard = trio.hear(A, trio.say(C, joined_message(statement)))
    assert refusal(lambda: trio.note(A, heard, statement)) is ReasonCode.REFUSED
    assert trio.view(A).unconfirmed == (B, C)


def test_an_invitation_is_taken_once_and_its_keys_are_gone() -> None:
    trio = Trio()
    invitation = trio.found(B, C)[B]
    trio.invite(B, invitation)
    own = trio.houses[B].read(lambda tx: package_records.own_packages(tx, A))
    assert len(own) == 7
    assert refusal(lambda: trio.invite(B, invitation)) is ReasonCode.KEY_PACKAGE_GONE
    assert refusal(lambda: trio.invite(C, invitation)) is ReasonCode.KEY_PACKAGE_GONE


def test_an_invitation_into_a_group_that_we_are_in_already_changes_nothing() -> None:
    trio = Trio()
    invitation = trio.found(B, C)[B]
    link = replace(trio.link(A), epoch=2)
    trio.at(B, lambda book: book.put_link(link))
    assert trio.invite(B, invitation) == link
    assert trio.at(B, lambda book: book.group_of(link)) is None
    assert refusal(lambda: trio.invite(B, invitation)) is ReasonCode.KEY_PACKAGE_GONE


def test_an_invitation_that_is_refused_uses_no_key() -> None:
    trio = Trio()
    invitation = trio.found(B, C)[B]
    for changes, code in (
        ({"sender": name_of(C)}, ReasonCode.KEY_PACKAGE_GONE),
        ({"sender": NodeName(A, NodeId("other"))}, ReasonCode.REFUSED),
        ({"routing_id": bytes(16)}, ReasonCode.REFUSED),
    ):
        assert refusal(partial(trio.invite, B, invitation, **changes)) is code
    no_certificates = Invitation(invitation.welcome, ())
    assert refusal(lambda: trio.invite(B, no_certificates)) is ReasonCode.REFUSED
    assert trio.invite(B, invitation).status is GroupStatus.OPEN


def test_nobody_takes_the_consultation_of_another_authority() -> None:
    """C has seen the id of a consultation of A, and invites B to a group for it before A does."""
    trio = Trio()
    trio.supply(C, B)

    def squat(book: GroupBook) -> tuple[LinkRow, Invitation]:
        link = hub.begin(book, trio.opening.consultation, [B, C])
        packages, _missing = hub.find_packages(book, [name_of(B)])
        opening = letter_record("xc-aco", consultation=trio.opening.consultation)
        return link, hub.open_group(book, link, opening.to_bytes(), packages)[B]

    link, invitation = trio.at(C, squat)
    now_ms = trio.houses[C].bench.now_ms()
    frame = Frame(
        EnvelopeClass.WELCOME,
        name_of(C),
        link.routing_id,
        EnvelopeId(uuid7(now_ms, bytes(10)).bytes),
        now_ms,
        now_ms + 1_000,
    )
    envelope = parse_envelope(envelope_bytes(frame.to_bytes(), invitation.to_bytes()))
    code = refusal(lambda: trio.at(B, lambda book: invited.take_invitation(book, envelope)))
    assert code is ReasonCode.BAD_FIELD
    assert trio.houses[B].read(lambda tx: records.links_of(tx, [trio.opening.consultation])) == {}


def test_a_second_group_for_a_consultation_is_refused(trio: Trio) -> None:
    trio.supply(A, B)

    def again(book: GroupBook) -> Invitation:
        link = hub.begin(book, trio.opening.consultation, [A, B])
        packages, _missing = hub.find_packages(book, [name_of(B)])
        opening = letter_record(consultation=trio.opening.consultation)
        invitation = hub.open_group(book, link, opening.to_bytes(), packages)[B]
        self_frame.append(link.routing_id)
        return invitation

    self_frame: list[bytes] = []
    invitation = trio.at(A, again)
    code = refusal(lambda: trio.invite(B, invitation, routing_id=self_frame[0]))
    assert code is ReasonCode.ID_CONFLICT


def test_an_invitation_long_after_the_package_ended_is_refused() -> None:
    trio = Trio()
    invitation = trio.found(B, C)[B]
    trio.clock.advance(timedelta(days=45).total_seconds())
    assert refusal(lambda: trio.invite(B, invitation)) is ReasonCode.EXPIRED


def test_the_opening_record_must_be_the_one_the_group_was_made_for(trio: Trio) -> None:
    good = trio.opening.to_bytes()
    other = letter_record(consultation=trio.opening.consultation, recipients=(B, C)).to_bytes()
    trio.at(B, lambda book: arriving.require_opening(book, trio.link(B), good))
    refused = refusal(lambda: trio.at(B, lambda book: arriving.require_opening(book, trio.link(B), other)))
    assert refused is ReasonCode.REFUSED
    assert record_hash(good) != record_hash(other)


# --- what is refused, and what waits --------------------------------------------------------------------
def test_a_message_that_was_moved_to_another_frame_is_refused(trio: Trio) -> None:
    envelope = parse_envelope(trio.say(A, MESSAGE))
    for changes in (
        {"expires_ms": envelope.frame.expires_ms + 1},
        {"envelope_id": EnvelopeId(uuid7(1_764_000_000_000, bytes(10)).bytes)},
    ):
        frame = trio.frame(A, EnvelopeClass.APPLICATION, **changes)
        moved = envelope_bytes(frame.to_bytes(), envelope.sealed)
        assert refusal(partial(trio.hear, B, moved)) is ReasonCode.REFUSED
    assert trio.hear(B, envelope.raw).data == MESSAGE


def test_a_message_in_the_frame_of_another_member_is_refused(trio: Trio) -> None:
    envelope = trio.say(C, MESSAGE, sender=name_of(A))
    assert refusal(lambda: trio.hear(B, envelope)) is ReasonCode.REFUSED


def test_what_comes_back_to_its_sender_is_refused(trio: Trio) -> None:
    envelope = trio.say(A, MESSAGE)
    assert refusal(lambda: trio.hear(A, envelope)) is ReasonCode.ID_CONFLICT


def test_something_unknown_is_refused(trio: Trio) -> None:
    envelope = trio.say(A, b"\x09 from a newer version")
    assert refusal(lambda: trio.hear(B, envelope)) is ReasonCode.BAD_VERSION


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_changed_octet_is_refused_and_changes_nothing(trio: Trio, at: int) -> None:
    envelope = parse_envelope(trio.say(A, MESSAGE))
    sealed = bytearray(envelope.sealed)
    sealed[at] ^= 1
    changed = envelope_bytes(envelope.frame_bytes, bytes(sealed))
    before = states(trio, B)
    with pytest.raises((RemoteProtocolError, AwaitedGroupError)):
        trio.hear(B, changed)
    assert states(trio, B) == before
    assert trio.hear(B, envelope.raw).data == MESSAGE


def test_a_message_of_a_group_that_is_not_here_waits() -> None:
    trio = Trio()
    invitations = trio.found(B, C)
    trio.invite(C, invitations[C])
    early = trio.say(C, MESSAGE)
    with pytest.raises(AwaitedGroupError):
        trio.hear(B, early)
    trio.invite(B, invitations[B])
    assert trio.hear(B, early).data == MESSAGE


def test_a_group_whose_secrets_are_gone_waits_and_seals_nothing(trio: Trio) -> None:
    envelope = trio.say(A, MESSAGE)
    group_id = trio.link(B).group_id
    trio.houses[B].write(lambda tx: records.drop_states(tx, [group_id]))
    trio.known[B] = KnownGroups()
    with pytest.raises(AwaitedGroupError):
        trio.hear(B, envelope)
    with pytest.raises(LocalProtocolError):
        trio.say(B, MESSAGE)
    assert not trio.is_ready(B, A, B, C)


def test_a_state_of_another_day_key_file_is_not_read(trio: Trio) -> None:
    row = trio.houses[B].read(lambda tx: records.states_of(tx, [trio.link(B).group_id]))
    trio.houses[B].file.data = None
    trio.houses[B].restart()
    trio.known[B] = KnownGroups()
    with pytest.raises(AwaitedGroupError):
        trio.hear(B, trio.say(A, MESSAGE))
    (state,) = row.values()
    with pytest.raises(RowDamagedError):
        trio.houses[B].bench.day_keys.open_sealed(
            "group_core", trio.link(B).group_id, state.core.rev, state.core.sealed
        )


# --- members come and go --------------------------------------------------------------------------------
def grown() -> tuple[Trio, OrderedCommit, Invitation]:
    """A and B in a group, to which A has added C."""
    trio = Trio()
    trio.opening = letter_record(recipients=(B,))
    trio.invite(B, trio.found(B)[B])
    trio.supply(A, C)

    def add(book: GroupBook) -> tuple[OrderedCommit, Invitation]:
        packages, _missing = hub.find_packages(book, [name_of(C)])
        changed = hub.change_members(book, trio.link(A), packages, ())
        assert changed.commit is not None
        return changed.commit, changed.invitations[C]

    commit, invitation = trio.at(A, add)
    return trio, commit, invitation


def test_who_is_added_comes_in_and_reads_nothing_from_before() -> None:
    trio, commit, invitation = grown()
    before = trio.say(B, MESSAGE)
    assert trio.link(A).roster == (A, B, C)
    assert trio.commit(B, commit).roster == (A, B, C)
    assert trio.invite(C, invitation).epoch == 2
    assert refusal(lambda: trio.hear(C, before)) is ReasonCode.KEY_GONE
    assert trio.hear(A, before).data == MESSAGE
    for speaker in (A, B, C):
        envelope = trio.say(speaker, MESSAGE)
        for hearer in {A, B, C} - {speaker}:
            assert trio.hear(hearer, envelope).data == MESSAGE


def test_the_first_record_of_who_was_there_before_stands_for_its_word() -> None:
    trio, commit, invitation = grown()
    trio.commit(B, commit)
    trio.invite(C, invitation)
    trio.hear(C, trio.say(B, joined_message(trio.statement(B))))
    assert trio.view(C).unconfirmed == (B,)
    trio.hear(C, trio.say(B, MESSAGE))
    assert (trio.view(C).confirmed, trio.view(C).unconfirmed) == (True, ())


def test_no_record_makes_up_for_a_word_that_differs(trio: Trio) -> None:
    statement = trio.statement(B)
    heard = trio.hear(A, trio.say(B, joined_message(statement)))
    other = Digest("ab" * 32)
    row = MemberRow(heard.link.group_id, 1, B, other, agrees=False, stated_ms=0)
    trio.at(A, lambda book: records.put_members(book.tx, [row]))
    trio.hear(A, trio.say(B, MESSAGE))
    assert trio.view(A).disagreeing == (B,)


def test_a_message_of_an_epoch_to_come_waits_for_its_commit() -> None:
    trio, commit, _invitation = grown()
    after = trio.say(A, MESSAGE)
    with pytest.raises(AwaitedGroupError):
        trio.hear(B, after)
    trio.commit(B, commit)
    assert trio.hear(B, after).data == MESSAGE


def test_who_was_removed_reads_nothing_more_and_the_others_go_on(trio: Trio) -> None:
    late = trio.say(C, MESSAGE)
    changed = trio.at(A, lambda book: hub.change_members(book, trio.link(A), [], [C]))
    assert changed.commit is not None
    assert trio.commit(B, changed.commit).roster == (A, B)
    assert trio.hear(B, late).data == MESSAGE
    envelope = trio.say(A, MESSAGE)
    assert trio.hear(B, envelope).data == MESSAGE
    with pytest.raises(AwaitedGroupError):
        trio.hear(C, envelope)
    assert trio.commit(C, changed.commit).status is GroupStatus.OPEN
    assert trio.link(C).status is GroupStatus.LEFT
    assert not trio.is_ready(C, A, B, C)


def test_who_was_removed_can_be_added_again(trio: Trio) -> None:
    changed = trio.at(A, lambda book: hub.change_members(book, trio.link(A), [], [C]))
    assert changed.commit is not None
    trio.commit(C, changed.commit)
    trio.supply(A, C)

    def add(book: GroupBook) -> Invitation:
        packages, _missing = hub.find_packages(book, [name_of(C)])
        return hub.change_members(book, trio.link(A), packages, ()).invitations[C]

    assert trio.invite(C, trio.at(A, add)).status is GroupStatus.OPEN
    assert trio.hear(C, trio.say(A, MESSAGE)).data == MESSAGE


def test_a_commit_is_taken_once_and_only_from_the_hub() -> None:
    trio, commit, _invitation = grown()
    forged = OrderedCommit(commit.commit, commit.receipt[:-1] + b"x", commit.certificates)
    assert refusal(lambda: trio.commit(B, forged)) is ReasonCode.REFUSED
    bare = OrderedCommit(commit.commit, commit.receipt, ())
    assert refusal(lambda: trio.commit(B, bare)) is ReasonCode.REFUSED
    before = trio.link(B)
    assert before.epoch == 1
    trio.commit(B, commit)
    once = trio.link(B)
    assert trio.commit(B, commit) == once == trio.link(B)
    assert trio.link(B).epoch == 2


def test_a_commit_without_its_place_is_refused() -> None:
    """A commit in the class of messages, and a message in the class of commits."""
    trio, commit, _invitation = grown()
    frame = trio.frame(A, EnvelopeClass.APPLICATION)
    assert refusal(lambda: trio.hear(B, envelope_bytes(frame.to_bytes(), commit.commit))) in (
        ReasonCode.REFUSED,
    )
    assert trio.link(B).epoch == 1
    trio.commit(B, commit)


def test_two_commits_have_not_one_place(trio: Trio) -> None:
    link = trio.link(A)
    changed = trio.at(A, lambda book: hub.change_members(book, link, [], [C]))
    assert changed.commit is not None
    with pytest.raises(LocalProtocolError) as caught:
        trio.at(A, lambda book: hub.log_commit(book, link, 1, b"another commit", b"another receipt"))
    assert caught.value.code is ReasonCode.ID_CONFLICT


def test_the_time_of_places_does_not_go_back() -> None:
    """Not at an honest hub whose clock was set back, and not because a hub says so."""
    trio, commit, _invitation = grown()
    trio.commit(B, commit)
    trio.clock.advance(-60)
    changed = trio.at(A, lambda book: hub.change_members(book, trio.link(A), [], [C]))
    assert changed.commit is not None
    placed = parse_hub_receipt(changed.commit.receipt)
    assert placed.created == parse_hub_receipt(commit.receipt).created
    early = replace(placed, created=placed.created - timedelta(milliseconds=1))
    signed = sign_hub_receipt(trio.houses[A].bench.signer(), early)
    earlier = replace(changed.commit, receipt=signed)
    assert refusal(lambda: trio.commit(B, earlier)) is ReasonCode.ID_CONFLICT
    assert trio.commit(B, changed.commit).epoch == 3


def test_only_the_hub_changes_the_members(trio: Trio) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        trio.at(B, lambda book: hub.change_members(book, trio.link(B), [], [C]))
    assert caught.value.code is ReasonCode.ILLEGAL_MOVE


def test_nothing_is_sealed_for_other_members_than_the_groups(trio: Trio) -> None:
    for members, ready in (([A, B, C], True), ([A, B], False), ([A, B, C, "xd-acc"], False)):
        assert trio.is_ready(A, *members) is ready


def test_without_a_key_package_it_is_said_whose_is_missing() -> None:
    trio = Trio()
    trio.supply(A, B)
    found, missing = trio.at(A, lambda book: hub.find_packages(book, [name_of(B), name_of(C)]))
    assert ([one.package.leaf_node is not None for one in found], missing) == ([True], [C])
    link = trio.at(A, lambda book: hub.begin(book, trio.opening.consultation, [A, B, C]))
    assert trio.view(A).status is GroupStatus.AWAITING_KEYS
    trio.at(A, lambda book: book.end(link.consultation))
    assert trio.view(A).status is GroupStatus.EXPIRED


def test_an_invitation_is_read_as_it_was_written() -> None:
    trio = Trio()
    for invitation in trio.found(B, C).values():
        assert parse_invitation(invitation.to_bytes()) == invitation
        assert len(invitation.certificates) == 3
