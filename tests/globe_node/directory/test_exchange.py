# SPDX-License-Identifier: Apache-2.0
"""Two nodes meet until both hold the same, whatever each had before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.directory import exchange
from globe_node.directory.exchange import Head, Meeting, Message, answer, parse_message
from globe_node.directory.register import Register
from globe_node.store.door import InlineDoor
from protocol import canonical
from protocol.directory.entries import AuthorityStatus, NodeState
from protocol.directory.statements import CompromisedKey, PutContact
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest
from tests.support.clock import START, FixedClock
from tests.support.directory import certified_node_keys, sample_contact, sample_network, updated
from tests.support.refusals import refused, value_or_reason
from tests.support.store import memory_store

NETWORK = sample_network()
A = AuthorityId("xa-acc")
ID = Digest("a" * 64)


class Side:
    """One node of a meeting."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.store: InlineDoor = memory_store()
        self.register = Register(self.store, FixedClock())

    async def knows(self, *statements: bytes) -> "Side":
        await self.register.pin(NETWORK.fingerprint)
        report = await self.register.admit(statements, source="file")
        assert report.refused == ()
        return self

    async def meets(self, other: "Side") -> int:
        """Meet until there is nothing more to say; return the number of messages we sent."""
        meeting = Meeting(self.register, self.store, other.name)
        body: bytes | None = meeting.opening()
        count = 0
        while body is not None:
            count += 1
            reply, _ = await answer(other.register, other.store, body, self.name)
            body = await meeting.take(reply)
        return count


async def test_both_end_up_with_everything() -> None:
    root, a1, a2, b1, b2, c1, c2 = NETWORK.statements
    one = await Side("xa-acc/main").knows(root, a1, a2, b1)
    two = await Side("xb-ibu/main").knows(root, c1, b1, b2, c2)
    await one.meets(two)
    assert one.register.state.view == two.register.state.view == NETWORK.state.view


async def test_equal_sides_part_after_one_message() -> None:
    one = await Side("xa-acc/main").knows(*NETWORK.statements)
    two = await Side("xb-ibu/main").knows(*NETWORK.statements)
    assert await one.meets(two) == 1


async def test_an_empty_node_gets_all_and_an_empty_peer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_STATEMENTS", 2)
    full = await Side("xa-acc/main").knows(*NETWORK.statements)
    empty = await Side("xb-ibu/main").knows()
    assert await empty.meets(full) > 3
    assert empty.register.state == NETWORK.state
    other = await Side("xc-aco/main").knows()
    await full.meets(other)
    assert other.register.state == NETWORK.state


async def test_messages_keep_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_STATEMENT_TOTAL_BYTES", 60_000)
    full = await Side("xa-acc/main").knows(*NETWORK.statements)
    empty = await Side("xb-ibu/main").knows()
    reply, _ = await answer(full.register, full.store, Message(heads={}).to_bytes(), "xb-ibu/main")
    assert len(parse_message(reply).statements) == 2
    await empty.meets(full)
    assert empty.register.state == NETWORK.state


async def test_a_fork_is_found_wherever_it_lies() -> None:
    root, a1, a2, *_ = NETWORK.statements
    one = await Side("xa-acc/main").knows(root, a1, a2)
    two = await Side("xb-ibu/main").knows(root, a1, a2)
    state = one.register.state
    for side, names in ((one, ("this", "and", "that")), (two, ("other", "words"))):
        branch = state
        for name in names:
            statement = updated(branch, A, PutContact(contact=sample_contact(name)))
            branch = branch.apply(statement)
            await side.knows(statement)
    await one.meets(two)
    for side in (one, two):
        entry = side.register.state.authority(A)
        assert entry is not None
        assert entry.status is AuthorityStatus.DISPUTED
    assert one.register.state.view == two.register.state.view
    third = await Side("xc-aco/main").knows()
    await third.meets(one)
    entry = third.register.state.authority(A)
    assert entry is not None
    assert entry.status is AuthorityStatus.DISPUTED
    assert third.register.state.view == one.register.state.view


async def test_a_revocation_travels_ahead_of_its_chain() -> None:
    root, a1, a2, *_ = NETWORK.statements
    one = await Side("xa-acc/main").knows(root, a1, a2)
    two = await Side("xb-ibu/main").knows(root, a1, a2)
    state = one.register.state
    key = certified_node_keys(A).signing.key_id
    hidden = updated(state, A, PutContact(contact=sample_contact("hidden")))
    lost = updated(state.apply(hidden), A, CompromisedKey(key=key, since=START))
    await one.knows(lost)
    await two.meets(one)
    assert two.register.state.node_with_key(A, key).state is NodeState.COMPROMISED
    assert two.register.state.view == one.register.state.view
    assert await two.meets(one) == 1
    await one.knows(hidden)
    await one.meets(two)
    assert two.register.state.view == one.register.state.view
    assert two.register.state.held.pending == {A: ()}


async def test_a_peer_that_lies_changes_nothing_and_the_meeting_ends() -> None:
    full = await Side("xa-acc/main").knows(*NETWORK.statements)
    forged = NETWORK.statements[1].replace(b"payload", b"payl0ad", 1)
    meeting = Meeting(full.register, full.store, "xb-ibu/main")
    heads = {"xz-none": Head(7, ID), "@": Head(3, ID), "xa-acc": Head(1, ID, frozenset({ID}))}
    body = await meeting.take(Message(heads, (forged, b"", b"{}")).to_bytes())
    assert body is not None
    assert len(parse_message(body).statements) == len(NETWORK.statements) - 1
    assert await meeting.take(Message(heads, (forged,)).to_bytes()) is None
    assert full.register.state == NETWORK.state
    assert not meeting.changed


async def test_a_meeting_ends_even_if_the_other_side_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_ROUNDS", 3)
    full = await Side("xa-acc/main").knows(*NETWORK.statements[:1])
    meeting = Meeting(full.register, full.store, "xb-ibu/main")
    replies = [Message({}, (statement,)).to_bytes() for statement in NETWORK.statements[1:]]
    ends = [await meeting.take(reply) is None for reply in replies[:3]]
    assert ends == [False, False, True]


def test_messages_and_bytes_are_inverse() -> None:
    message = Message({"@": Head(1, ID), "xa-acc": Head(0, "", frozenset({ID}))}, (b"one", b""))
    assert parse_message(message.to_bytes()) == message


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"heads": {}}, ReasonCode.BAD_FIELD),
        ({"heads": {}, "statements": [], "more": 1}, ReasonCode.UNKNOWN_FIELD),
        ({"heads": [], "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {}, "statements": {}}, ReasonCode.BAD_FIELD),
        ({"heads": {}, "statements": [1]}, ReasonCode.BAD_FIELD),
        ({"heads": {}, "statements": ["A"]}, ReasonCode.BAD_FIELD),
        ({"heads": {}, "statements": [""] * 501}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": 1}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [1]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [-1, ID]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [True, ID]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [1, ""]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [0, ID]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [1, ID, 5]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [1, ID, *[ID] * 17]}, "statements": []}, ReasonCode.BAD_FIELD),
        ({"heads": {"a": [1, "x"]}, "statements": []}, ReasonCode.BAD_FIELD),
    ],
)
def test_what_is_not_a_message_is_refused(value: canonical.JSONValue, code: ReasonCode) -> None:
    refused(lambda: parse_message(canonical.to_bytes(value)), code)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_reason(data: bytes) -> None:
    value_or_reason(lambda: parse_message(data))
