# SPDX-License-Identifier: Apache-2.0
"""Statements and greetings of a peer that lies (C13, D01, D06, D07, D09 to D12, D14): nothing holds."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from globe_node.delivery.link import Operation
from globe_node.directory import register
from globe_node.directory.exchange import Message
from globe_node.directory.publish import key_addition, suspend_authority
from globe_node.neighbours.greeting import Greeting
from protocol import canonical
from protocol.audit.events import EventKind
from protocol.directory.dsse import parse_signed_statement
from protocol.directory.entries import AuthorityStatus
from protocol.directory.statements import (
    CompromisedKey,
    PutContact,
    PutEndpoint,
    Suspension,
    SuspensionReason,
    Update,
)
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId
from protocol.octets import base64_text
from tests.simulation.loop import run_virtual
from tests.support.clock import START
from tests.support.delivery import identity_of
from tests.support.directory import (
    certified_node_keys,
    officers,
    raw_statement,
    sample_admission,
    sample_contact,
    sample_network,
    updated,
)
from tests.support.hostile import Hostile
from tests.support.identities import authority_root, officer_key
from tests.support.nodes import A, B, C, Town, town

NETWORK = sample_network()
STATE = NETWORK.state
ONE, TWO, _ = (officer.signing for officer in officers())
ROOT_C = authority_root(C).signing
NEWCOMER = sample_admission(NETWORK.fingerprint, "xd-acb")


def update(authority: str, *operations: Any, signer: Any = ROOT_C, **changes: Any) -> bytes:
    return raw_statement(STATE, authority, Update(ops=operations), signer, **changes)


def endpoint(url: str) -> bytes:
    return update(C, PutEndpoint(node=NodeId("main"), url=url))


CONTACT = PutContact(contact=sample_contact("another"))
BAD_STATEMENTS: dict[str, tuple[Callable[[], bytes], ReasonCode]] = {
    "D06 one officer": (lambda: raw_statement(STATE, "xd-acb", NEWCOMER, ONE), ReasonCode.DIR_THRESHOLD),
    "D06 an officer and a stranger": (
        lambda: raw_statement(STATE, "xd-acb", NEWCOMER, ONE, officer_key("stranger").signing),
        ReasonCode.REFUSED,
    ),
    "D06 nobody of the officers": (
        lambda: raw_statement(STATE, "xd-acb", NEWCOMER, ROOT_C),
        ReasonCode.REFUSED,
    ),
    "D07 no statement": (lambda: b"\x00\xff no statement", ReasonCode.BAD_JSON),
    "D07 an empty one": (lambda: b"", ReasonCode.BAD_JSON),
    "D07 a payload that is none": (lambda: with_payload(b"{"), ReasonCode.BAD_JSON),
    "D07 a payload nested deep": (lambda: with_payload(b"[" * 5_000), ReasonCode.BAD_JSON),
    "D10 a key for somebody else": (lambda: update(A, CONTACT), ReasonCode.REFUSED),
    "D10 an endpoint for somebody else": (
        lambda: update(A, PutEndpoint(node=NodeId("main"), url="https://127.0.0.1:20009")),
        ReasonCode.REFUSED,
    ),
    "D12 another scheme": (lambda: endpoint("http://127.0.0.1:20009"), ReasonCode.ENDPOINT_FORBIDDEN),
    "D12 another service": (lambda: endpoint("https://127.0.0.1:22"), ReasonCode.ENDPOINT_FORBIDDEN),
    "D12 metadata of a cloud": (
        lambda: endpoint("https://169.254.169.254:8443"),
        ReasonCode.ENDPOINT_FORBIDDEN,
    ),
    "D14 the keys of somebody else": (
        lambda: update(C, key_addition(NETWORK.fingerprint, certified_node_keys(B))),
        ReasonCode.REFUSED,
    ),
    "a gap": (lambda: update(C, CONTACT, seq=9, prev="ab" * 32), ReasonCode.DIR_CHAIN),
    "another network": (lambda: update(C, CONTACT, network="ab" * 32), ReasonCode.REFUSED),
    "who was never admitted": (
        lambda: update("xd-acb", CONTACT, signer=authority_root("xd-acb").signing),
        ReasonCode.UNKNOWN_AUTHORITY,
    ),
}


def with_payload(payload: bytes) -> bytes:
    """A signed statement whose payload was replaced."""
    signed = parse_signed_statement(update(C, CONTACT)).to_bytes()
    value = dict(canonical.parse_object(signed, 100_000))
    return canonical.to_bytes({**value, "payload": base64_text(payload)})


async def give(peer: Hostile, *statements: bytes) -> None:
    """Hand statements to B as if it had asked."""
    body = Message(heads={}, statements=statements).to_bytes()
    answer = await peer.ask(Operation.STATEMENTS, body)
    assert answer.code is None


@pytest.mark.parametrize("name", BAD_STATEMENTS)
def test_a_statement_that_does_not_hold_changes_nothing_and_is_noted_once(name: str) -> None:
    make, code = BAD_STATEMENTS[name]

    async def main() -> None:
        async with town(B) as nodes:
            before = nodes.nodes[B].register.state.view
            await give(Hostile(nodes, C), *[make()] * 3)
            assert nodes.nodes[B].register.state.view == before
            noted = [(line["code"], line["peer"], line["count"]) for line in nodes.warnings(B)]
            assert noted == [(code.value, C, 3)]

    run_virtual(main())


def test_d01_an_older_statement_brings_nothing_back() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer, register = Hostile(nodes, C), nodes.nodes[B].register
            await give(peer, update(C, CONTACT))
            view = register.state.view
            assert view != STATE.view
            await give(peer, *NETWORK.statements)
            assert register.state.view == view
            assert nodes.warnings(B) == []

    run_virtual(main())


def test_d06_f50_one_bad_statement_does_not_stop_the_good_one_beside_it() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            bad = BAD_STATEMENTS["D06 one officer"][0]()
            await give(Hostile(nodes, C), bad, update(C, CONTACT), b"")
            entry = nodes.nodes[B].register.state.authority(AuthorityId(C))
            assert entry is not None
            assert "another" in {contact.id for contact in entry.contacts}

    run_virtual(main())


def test_d09_who_says_two_things_at_one_place_is_disputed_everywhere() -> None:
    async def main() -> None:
        async with town(A, B) as nodes:
            other = PutContact(contact=sample_contact("third"))
            for name, operation in ((A, CONTACT), (B, other)):
                await nodes.nodes[name].register.admit([update(C, operation)], source=f"{C}/main")
            await asyncio.sleep(300)
            for name in (A, B):
                entry = nodes.nodes[name].register.state.authority(AuthorityId(C))
                assert entry is not None
                assert entry.status is AuthorityStatus.DISPUTED
                (alarm,) = await nodes.entries(name, EventKind.ALARM)
                assert (alarm.peer, alarm.result) == (C, "disputed")

    run_virtual(main())


def test_d11_an_authority_hears_of_its_own_suspension() -> None:
    async def main() -> None:
        async with town(A, B) as nodes:
            suspension = Suspension(by="officers", reason=SuspensionReason.MISUSE)
            statement = suspend_authority(STATE, AuthorityId(A), suspension, signers=[ONE], issued=START)
            await nodes.nodes[B].register.admit([statement], source="file")
            await asyncio.sleep(300)
            entry = nodes.nodes[A].register.state.authority(AuthorityId(A))
            assert entry is not None
            assert entry.status is AuthorityStatus.SUSPENDED
            assert "suspend admitted" in [
                event.result for event in await nodes.entries(A, EventKind.DIRECTORY_CHANGE)
            ]

    run_virtual(main())


def test_e02_no_member_fills_the_directory_of_all_and_revocations_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register, "MAX_A_DAY", 3)

    async def main() -> None:
        async with town(B) as nodes:
            peer, state = Hostile(nodes, C), STATE
            flood = []
            for number in range(5):
                flood.append(updated(state, C, PutContact(contact=sample_contact(f"c-{number}"))))
                state = state.apply(flood[-1])
            await give(peer, *flood)
            assert contacts_of_c(nodes) == {"duty", "c-0", "c-1", "c-2"}
            (line,) = nodes.warnings(B)
            assert line["code"] == ReasonCode.QUOTA_EXCEEDED
            taken = nodes.nodes[B].register.state
            key = certified_node_keys(C).signing.key_id
            await give(peer, updated(taken, C, CompromisedKey(key=key, since=START)))
            entry = nodes.nodes[B].register.state.authority(AuthorityId(C))
            assert entry is not None
            assert entry.node_in_use(START) is None

    run_virtual(main())


def test_e02_what_was_too_much_today_is_taken_tomorrow_or_from_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register, "MAX_A_DAY", 1)

    async def main() -> None:
        async with town(B) as nodes:
            first = updated(STATE, C, PutContact(contact=sample_contact("c-0")))
            second = updated(STATE.apply(first), C, PutContact(contact=sample_contact("c-1")))
            third = updated(STATE.apply(first).apply(second), C, PutContact(contact=sample_contact("c-2")))
            peer = Hostile(nodes, C)
            await give(peer, first, second)
            assert contacts_of_c(nodes) == {"duty", "c-0"}
            nodes.clock.skew += 86_400
            await give(peer, second, third)
            assert contacts_of_c(nodes) == {"duty", "c-0", "c-1"}
            await nodes.nodes[B].register.admit([third], source="file")
            assert contacts_of_c(nodes) == {"duty", "c-0", "c-1", "c-2"}

    run_virtual(main())


def contacts_of_c(nodes: Town) -> set[str]:
    entry = nodes.nodes[B].register.state.authority(AuthorityId(C))
    assert entry is not None
    return {contact.id for contact in entry.contacts}


# --- greetings --------------------------------------------------------------------------------------------


def greeting(nodes: Town, **changes: Any) -> bytes:
    """C's greeting, with members of its JSON replaced."""
    own = Greeting(identity_of(C), nodes.clock.now(), STATE.view).to_bytes()
    return canonical.to_bytes({**canonical.parse_object(own, 4096), **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"versions": [2]}, ReasonCode.BAD_VERSION, id="C13 newer versions only"),
        pytest.param({"versions": [0]}, ReasonCode.BAD_VERSION, id="C13 an older version only"),
        pytest.param({"versions": ["1"]}, ReasonCode.BAD_FIELD, id="C13 a version that is text"),
        pytest.param({"versions": []}, ReasonCode.BAD_FIELD, id="C13 no version"),
        pytest.param({"authority": A}, ReasonCode.REFUSED, id="C07 in the name of another authority"),
        pytest.param({"node": "other"}, ReasonCode.REFUSED, id="in the name of another node"),
        pytest.param({"more": 1}, ReasonCode.UNKNOWN_FIELD, id="a member too many"),
        pytest.param({"time": "2026-03-02T09:00:00Z"}, ReasonCode.BAD_FIELD, id="B20 no milliseconds"),
        pytest.param(
            {"directory": {"size": -1, "root": "0" * 64}}, ReasonCode.BAD_FIELD, id="a size below 0"
        ),
        pytest.param({"directory": {"size": True, "root": "0" * 64}}, ReasonCode.BAD_FIELD, id="B05 true"),
    ],
)
def test_a_greeting_outside_its_rule_is_refused(changes: dict[str, Any], code: ReasonCode) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            answer = await Hostile(nodes, C).ask(Operation.GREETING, greeting(nodes, **changes))
            assert (answer.code, answer.body) == (code, b"")
            assert nodes.nodes[B].rounds.acquaintances() == {}

    run_virtual(main())


def test_c13_who_offers_more_versions_gets_ours() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            answer = await Hostile(nodes, C).ask(Operation.GREETING, greeting(nodes, versions=[1, 2, 99]))
            assert canonical.parse_object(answer.body, 4096)["versions"] == [1]

    run_virtual(main())


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_peer_with_another_time_is_noted_once(minutes: int) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, C)
            for _ in range(3):
                time = canonical.moment_text(nodes.clock.now() + timedelta(minutes=minutes))
                assert (await peer.ask(Operation.GREETING, greeting(nodes, time=time))).code is None
            (line,) = nodes.warnings(B)
            assert (line["code"], line["peer"]) == (ReasonCode.CLOCK_WRONG, C)

    run_virtual(main())
