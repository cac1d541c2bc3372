# SPDX-License-Identifier: Apache-2.0
"""Letters that must not be taken: each gets a signed rejection with its reason, and changes nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from protocol.audit.events import EventKind
from protocol.envelope import EnvelopeClass
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId, NodeName
from protocol.receipts import ReceiptStatus
from tests.simulation.loop import run_virtual
from tests.support.bodies import lean_request
from tests.support.clock import START
from tests.support.directory import certified_node_keys
from tests.support.letters import Letter, entry_of, letter_record, post
from tests.support.nodes import A, B, C, town


def other(**changes: Any) -> Letter:
    return Letter(letter_record(**changes))


BAD_LETTERS = {
    "signed by another authority": (
        Letter(letter_record(), signer=certified_node_keys(C)),
        ReasonCode.REFUSED,
    ),
    "signed for the key of another authority": (
        other(author=replace(letter_record().author, key=certified_node_keys(C).signing.key_id)),
        ReasonCode.REFUSED,
    ),
    "somebody else's record in an own frame": (
        Letter(letter_record(C), frame={"sender": NodeName(AuthorityId(A), NodeId("main"))}),
        ReasonCode.REFUSED,
    ),
    "not addressed to us": (other(recipients=(AuthorityId(C),)), ReasonCode.REFUSED),
    "a frame that lives longer": (
        Letter(letter_record(), frame={"expires_ms": 1_800_000_000_000 - 1}),
        ReasonCode.BAD_FIELD,
    ),
    "a class that is not taken": (
        Letter(letter_record(), frame={"envelope_class": EnvelopeClass.CONTROL}),
        ReasonCode.BAD_FIELD,
    ),
    "not a record inside": (Letter(letter_record(), signed=b"\x01no"), ReasonCode.BAD_CONTENT),
    "a body with a member too many": (other(body=lean_request(surprise="x")), ReasonCode.UNKNOWN_FIELD),
    "a body outside its rule": (other(body=lean_request(help_items=[])), ReasonCode.BAD_FIELD),
    "a record before its key was valid": (
        other(created=START - timedelta(days=20), expires=START + timedelta(hours=1)),
        ReasonCode.REFUSED,
    ),
}


@pytest.mark.parametrize("name", BAD_LETTERS)
def test_a_bad_letter_is_rejected_and_leaves_no_record(name: str) -> None:
    letter, reason = BAD_LETTERS[name]

    async def main() -> None:
        async with town() as nodes:
            envelope = letter.seal()
            entry = entry_of(await post(nodes, envelope), envelope)
            assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, reason)
            assert await nodes.held(B) == 0
            (event,) = await nodes.entries(B, EventKind.REJECTED)
            assert (event.peer, event.result, event.digest) == (A, reason.value, entry.envelope)
            assert await nodes.entries(B, EventKind.OPENED) == []

    run_virtual(main())


HOURS_TO_LIVE = START + timedelta(hours=3)
OF_NO_GROUP = {
    "sealed to somebody else": Letter(letter_record(expires=HOURS_TO_LIVE), seal_to=(C,)),
    "a frame of no consultation": Letter(
        letter_record(expires=HOURS_TO_LIVE), frame={"routing_id": bytes(16)}
    ),
}


@pytest.mark.parametrize("name", OF_NO_GROUP)
def test_a_message_of_a_group_that_is_not_here_waits_for_it_as_long_as_it_may_live(name: str) -> None:
    async def main() -> None:
        async with town() as nodes:
            envelope = OF_NO_GROUP[name].seal()
            answer = await post(nodes, envelope)
            assert (len(answer.pending), answer.receipts) == (1, ())
            await asyncio.sleep(2.5 * 3_600)
            assert await nodes.held(B) == 1
            await asyncio.sleep(2 * 3_600)
            assert await nodes.held(B) == 0
            entry = entry_of(await post(nodes, envelope), envelope)
            assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.SEQUENCE_GAP)

    run_virtual(main())
