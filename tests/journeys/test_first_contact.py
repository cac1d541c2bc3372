# SPDX-License-Identifier: Apache-2.0
"""Two nodes that never spoke: a question, what comes back, and what both sides can prove of it."""

import asyncio

from protocol.codes.message_types import MessageType
from protocol.consultations.table import State
from tests.support.nodes import A, B, Town, in_town, line, reply, request, stages


@in_town
async def test_a_request_arrives_and_both_hold_proof(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request(title="Directors of a company"))
    await asyncio.sleep(5)
    ours, theirs = await town.show(A, sent.consultation), await town.show(B, sent.consultation)
    assert ours.summary.subject == theirs.summary.subject == "Directors of a company"
    assert ours.summary.state is theirs.summary.state is State.SENT
    assert stages(ours.records[0]) == stages(theirs.records[0]) == ["submitted", "received"]
    assert line(ours.records[0], "received").signed_by == "xb-ibu/main"
    assert theirs.records[0].body == ours.records[0].body
    assert theirs.records[0].record_hash == sent.record_hash
    (submitted,) = await town.submitted(A)
    (opened,) = await town.opened(B)
    assert submitted.digest == opened.digest == sent.record_hash
    assert submitted.rc == opened.rc != b""


@in_town
async def test_clarification_and_answer(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    question = {"questions": [{"id": "q1", "item": "h1", "text": "Which register?"}]}
    await town.nodes[B].desk.submit(reply(sent, MessageType.CLARIFICATION_REQUEST, question))
    await asyncio.sleep(2)
    assert (await town.show(A, sent.consultation)).summary.state is State.CLARIFYING
    explanation = {"answers": [{"question": "q1", "text": "The register of companies."}]}
    await town.nodes[A].desk.submit(reply(sent, MessageType.CLARIFICATION, explanation))
    await asyncio.sleep(2)
    answer = {"final": True, "items": [{"item": "h1", "result": "FOUND", "text": "Two directors."}]}
    await town.nodes[B].desk.submit(reply(sent, MessageType.ANSWER, answer))
    await asyncio.sleep(2)
    for name in (A, B):
        view = await town.show(name, sent.consultation)
        assert view.summary.state is State.ANSWERED
        assert [record.message_type for record in view.records] == [
            "CONSULT_REQUEST",
            "CLARIFICATION_REQUEST",
            "CLARIFICATION",
            "ANSWER",
        ]
        assert all("received" in stages(record) for record in view.records)
        assert not any(record.missing_before for record in view.records)
