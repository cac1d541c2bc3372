# SPDX-License-Identifier: Apache-2.0
"""Who works at the authority itself (E11, E12): what is handed out is logged, in words of the machine."""

import asyncio
from hashlib import sha256

import pytest

from globe_node.consultations.export import Exporter
from protocol.audit.events import EventKind
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.evidence.verify import verify_evidence
from tests.support.nodes import A, Town, in_town, request


@in_town
async def test_e11_what_is_exported_is_logged_with_its_hash(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    await asyncio.sleep(2)
    exporter = Exporter(town.nodes[A].office)
    for officer in ("p-1", "p-2"):
        bundle = await exporter.export(
            sent.consultation, with_attachments=True, justification="COURT", officer=officer
        )
        assert verify_evidence(bundle, town.network.fingerprint).ok
    events = await town.entries(A, EventKind.EXPORT)
    assert [(event.officer, event.result, event.case) for event in events] == [
        ("p-1", "COURT", sent.consultation),
        ("p-2", "COURT", sent.consultation),
    ]
    assert {event.digest for event in events} == {sha256(bundle).hexdigest()}


@in_town
async def test_e12_a_justification_is_a_word_and_no_text(town: Town) -> None:
    sent = await town.nodes[A].desk.submit(request())
    with pytest.raises(LocalProtocolError) as caught:
        await Exporter(town.nodes[A].office).export(
            sent.consultation, with_attachments=True, justification='x\n{"level":"info"}'
        )
    assert caught.value.code is ReasonCode.BAD_FIELD
    assert await town.entries(A, EventKind.EXPORT) == []
