# SPDX-License-Identifier: Apache-2.0
"""False answers to our envelopes (C18, F42, F43) end nothing, and the peer is asked again with pauses."""

import asyncio
from collections.abc import Callable

import pytest

from globe_node.delivery import wire
from globe_node.delivery.link import Answer, Operation
from globe_node.delivery.wire import EnvelopesAnswer
from protocol.envelope import parse_envelope
from protocol.errors import ReasonCode
from protocol.receipts import ReceiptEntry
from tests.attacks.waiting import DEADLINE_SECONDS, RECEIVED, UNDELIVERABLE, WRONG, Waiting, with_waiting
from tests.support.hostile import Hostile
from tests.support.lines import Request
from tests.support.nodes import A, B


class Answering:
    """Answers A's envelopes in B's name, and counts the requests."""

    def __init__(self, waiting: Waiting, make: "Make") -> None:
        self.requests = 0
        self._waiting = waiting
        self._make = make
        waiting.town.exchange.handlers[B] = waiting.town.nodes[A].reception  # reachable; never asked
        waiting.town.exchange.intercept = self

    async def __call__(self, asked: Request) -> Answer:
        """Answer one request."""
        if asked.operation is not Operation.ENVELOPES:
            return Answer(ReasonCode.BUSY, b"")
        self.requests += 1
        self._waiting.envelope = wire.parse_items(asked.body, max_items=2, max_item_bytes=1_600_000)[-1]
        return self._make(self._waiting)


def answer_with(*receipts: bytes) -> Answer:
    return Answer(None, EnvelopesAnswer(receipts).to_bytes())


def word_of(peer: Hostile, said: ReceiptEntry) -> Answer:
    return answer_with(peer.sign_receipt(peer.receipt(A, [said])))


Make = Callable[[Waiting], Answer]
FALSE_ANSWERS: dict[str, Make] = {
    "F42 garbage": lambda w: Answer(None, b"\x00garbage"),
    "F42 nothing": lambda w: Answer(None, b""),
    "F42 an answer that is empty": lambda w: answer_with(),
    "F42 a receipt cut off": lambda w: answer_with(w.peer.sign_receipt(w.honest)[:-1]),
    "F42 a foreign receipt": lambda w: word_of(w.stranger, w.says()),
    "F42 another envelope": lambda w: word_of(w.peer, ReceiptEntry(WRONG, WRONG, RECEIVED)),
    "C18 another record": lambda w: word_of(w.peer, w.says(record=WRONG)),
    "C18 our own word": lambda w: word_of(w.peer, w.says(UNDELIVERABLE, reason=ReasonCode.EXPIRED)),
    "F43 refused": lambda w: Answer(ReasonCode.REFUSED, b""),
    "F43 too large": lambda w: Answer(ReasonCode.TOO_LARGE, b""),
    "F43 unsigned rejection": lambda w: Answer(
        None,
        EnvelopesAnswer(
            refused={parse_envelope(w.envelope).frame.envelope_id: ReasonCode.BAD_FIELD}
        ).to_bytes(),
    ),
}


@pytest.mark.parametrize("name", FALSE_ANSWERS)
def test_a_false_answer_ends_nothing_and_costs_few_requests(name: str) -> None:
    async def go(waiting: Waiting) -> None:
        answering = Answering(waiting, FALSE_ANSWERS[name])
        await asyncio.sleep(600)
        assert await waiting.stages() == ["submitted", "waiting"]
        assert 3 <= answering.requests <= 30
        alarms = set(await waiting.alarms())
        assert bool(alarms) is ("F43" not in name)
        assert alarms <= {ReasonCode.EVIDENCE_INVALID, ReasonCode.ACK_UNKNOWN}

    with_waiting(go)()


@with_waiting
async def test_f43_a_message_that_was_only_refused_ends_with_our_own_word(waiting: Waiting) -> None:
    Answering(waiting, lambda w: Answer(ReasonCode.REFUSED, b""))
    await asyncio.sleep(DEADLINE_SECONDS + 60)
    view = await waiting.town.show(A, waiting.consultation)
    ended = view.records[0].evidence[-1]
    assert (ended.stage, ended.reason, ended.signed_by) == ("undeliverable", "refused", "xa-acc/main")
