# SPDX-License-Identifier: Apache-2.0
"""Any bytes to a whole node (P11): a success or a code that peers may see, within bounds, and nothing echoed.

Each case is one node that gets a row of requests; it must still take a good envelope in the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from globe_node.delivery import wire
from globe_node.delivery.link import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Answer, Operation
from globe_node.directory.exchange import Message, parse_message
from globe_node.groups.comparing.wire import Shown, parse_shown, shown_bytes
from globe_node.groups.packages.wire import PackageRequest, parse_package_answer
from globe_node.groups.returning.wire import (
    CommitRequest,
    InfoRequest,
    parse_commit_answer,
    parse_info_answer,
)
from globe_node.neighbours.greeting import parse_greeting
from protocol import canonical
from protocol.receipts import ReceiptEntry, ReceiptStatus, parse_signed_receipt
from tests.simulation.loop import run_virtual
from tests.support.delivery import identity_of
from tests.support.hostile import RECEIVED, Hostile
from tests.support.nodes import B, C, town
from tests.support.reasons import peer_codes

FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = b"xCANARYx"
Edit = tuple[int, int, bytes]
edits = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 4), st.binary(max_size=4)), max_size=3)
operations = st.sampled_from(tuple(Operation))


@dataclass(frozen=True)
class Ask:
    """One request: free bytes, or a good request with some octets replaced by others."""

    operation: Operation
    body: bytes | None = None
    changes: tuple[Edit, ...] = ()


free = st.builds(Ask, operations, st.binary(max_size=400))
items = st.builds(
    lambda operation, listed: Ask(operation, wire.write_items(listed)),
    st.sampled_from((Operation.ENVELOPES, Operation.RECEIPTS)),
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
)
changed = st.builds(Ask, operations, st.none(), edits.map(tuple))


GOOD_IN_GROUPS = {
    Operation.KEY_PACKAGES: PackageRequest(2, held=(bytes(48),), used=(b"\1" * 48,)).to_bytes(),
    Operation.COMMITS: CommitRequest(bytes(32), b"commit", b"certificate").to_bytes(),
    Operation.GROUP_INFO: InfoRequest(bytes(32)).to_bytes(),
    Operation.HUB_RECEIPTS: shown_bytes([Shown(bytes(32), b"receipt"), Shown(b"\1" * 32, b"one", b"two")]),
}


def good_body(peer: Hostile, operation: Operation) -> bytes:
    """A request that would be taken."""
    match operation:
        case Operation.ENVELOPES:
            return wire.write_items([peer.envelope(), peer.envelope()])
        case Operation.RECEIPTS:
            entry = ReceiptEntry(peer.town.network.fingerprint, "1" * 64, ReceiptStatus.RECEIVED)
            return wire.write_items([peer.sign_receipt(peer.receipt(B, [entry]))] * 2)
        case Operation.STATEMENTS:
            return Message(heads={}, statements=peer.town.network.statements[-2:]).to_bytes()
        case Operation.GREETING:
            own = peer.town.nodes[B].rounds.own_greeting().to_bytes()
            members = {**canonical.parse_object(own, 4096), "authority": C}
            return canonical.to_bytes(members)
        case Operation.KEY_PACKAGES | Operation.COMMITS | Operation.GROUP_INFO | Operation.HUB_RECEIPTS:
            return GOOD_IN_GROUPS[operation]


def edited(original: bytes, changes: Sequence[Edit]) -> bytes:
    for start, length, put in changes:
        place = start % (len(original) + 1)
        original = original[:place] + put + original[place + length :]
    return original


def require_proper(operation: Operation, answer: Answer) -> None:
    """A refusal is one code for peers without a body; a success is what its reader understands."""
    if answer.code is not None:
        assert answer.code in peer_codes()
        assert answer.body == b""
        return
    assert len(answer.body) <= MAX_ANSWER_BYTES[operation]
    match operation:
        case Operation.ENVELOPES:
            told = wire.parse_envelopes_answer(answer.body)
            entries = [
                one for octets in told.receipts for one in parse_signed_receipt(octets).content.entries
            ]
            codes = {*told.refused.values(), *(entry.reason for entry in entries if entry.reason)}
            assert codes <= peer_codes()
        case Operation.RECEIPTS:
            assert set(wire.parse_refusals(answer.body).values()) <= peer_codes()
        case Operation.STATEMENTS:
            parse_message(answer.body)
        case Operation.GREETING:
            parse_greeting(answer.body, identity_of(B))
        case Operation.KEY_PACKAGES:
            assert len(parse_package_answer(answer.body).packages) <= 9
        case Operation.COMMITS:
            parse_commit_answer(answer.body)
        case Operation.GROUP_INFO:
            parse_info_answer(answer.body)
        case Operation.HUB_RECEIPTS:
            parse_shown(answer.body)


def converse(asked: Sequence[Ask]) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, C)
            for one in asked:
                body = one.body if one.body is not None else good_body(peer, one.operation)
                await require_answer(peer, one.operation, edited(body, one.changes))
            assert await peer.post(peer.envelope()) == [RECEIVED]

    run_virtual(main())


async def require_answer(peer: Hostile, operation: Operation, body: bytes) -> Answer:
    answer = await peer.ask(operation, body[: MAX_REQUEST_BYTES[operation]])
    require_proper(operation, answer)
    return answer


@FEW
@given(st.lists(st.one_of(free, items, changed, changed), min_size=1, max_size=12))
def test_any_requests(asked: list[Ask]) -> None:
    converse(asked)


json_values = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(max_size=8).filter(str.isascii)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("vabc"), inner, max_size=3),
    max_leaves=5,
)


@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("authority", "node", "versions", "time", "directory", "heads", "statements")),
            json_values,
        ),
        min_size=1,
        max_size=10,
    )
)
def test_any_value_of_a_member_of_greetings_and_statements(changes: list[tuple[str, Any]]) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, C)
            for name, value in changes:
                operation = Operation.STATEMENTS if name in ("heads", "statements") else Operation.GREETING
                members = dict(canonical.parse_object(good_body(peer, operation), 10**6))
                if "\0" in str(value):
                    continue
                await require_answer(peer, operation, canonical.to_bytes({**members, name: value}))

    run_virtual(main())


@FEW
@given(st.lists(edits, min_size=6, max_size=6))
def test_any_change_inside_what_is_signed_and_sealed(changes: list[list[Edit]]) -> None:
    """The line, the frame, the seal and the signature are good; the record is anything near a good one."""

    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, C)
            for change in changes:
                record = peer.record()
                octets = peer.envelope(record, data=edited(record.to_bytes(), change))
                await require_answer(peer, Operation.ENVELOPES, wire.write_items([octets]))
                assert await nodes.held(B) == 0
            assert nodes.warnings(B) == []

    run_virtual(main())


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(CANARY * 100, id="text"),
        pytest.param(b"\x01\xff\xff" + CANARY, id="many items said"),
        pytest.param(b"\x01\x00\x01" + CANARY * 10, id="one item said"),
        pytest.param(b'{"authority":"' + CANARY + b'"}', id="json"),
        pytest.param(b"[" * 4_000, id="deep"),
        pytest.param(bytes(4_096), id="zeros"),
    ],
)
def test_a_refusal_repeats_nothing(operation: Operation, body: bytes) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            answer = await require_answer(Hostile(nodes, C), operation, body)
            assert answer.code is not None
            assert CANARY.decode() not in nodes.logs[B].getvalue()

    run_virtual(main())


def test_what_can_not_be_read_leaves_no_trace_in_the_store() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            before = await nodes.entries(B)
            for operation in Operation:
                await require_answer(Hostile(nodes, C), operation, b"\x02")
            assert await nodes.entries(B) == before

    run_virtual(main())
