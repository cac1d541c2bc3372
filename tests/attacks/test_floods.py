# SPDX-License-Identifier: Apache-2.0
"""More than its share (C17, E01, E02): a peer is bounded in what it may have held and in what it may cost."""

import asyncio
from dataclasses import replace

import pytest

from globe_node.consultations.opening.examine import PATIENCE_SECONDS, Examination, Examiner
from globe_node.delivery.inbox import Quota
from globe_node.delivery.reception import Reception
from protocol.codes.message_types import MessageType
from protocol.errors import ReasonCode
from protocol.identifiers import Digest, DirectoryView, KeyId
from tests.simulation.loop import run_virtual
from tests.support.entropy import SeededEntropy
from tests.support.hostile import RECEIVED, Hostile, Verdict, refused, rejected
from tests.support.nodes import A, B, C, Town, town

PENDING = Verdict("pending")


def with_quota(nodes: Town, quota: Quota) -> None:
    """Give B's reception another quota."""
    node = nodes.nodes[B]
    reception = Reception(replace(node.reception._desk, quota=quota))
    nodes.nodes[B] = replace(node, reception=reception)


def early(peer: Hostile) -> bytes:
    """An envelope that waits: it relies on a directory that nobody has."""
    record = peer.record(
        author=peer.author(key=KeyId("ab" * 32)), directory=DirectoryView(10**9, Digest("cd" * 32))
    )
    return peer.envelope(record)


@pytest.mark.parametrize("quota", [Quota(envelopes=3), Quota(octets=20_000)], ids=["number", "octets"])
def test_e01_e02_a_peer_may_have_only_so_much_held_and_others_are_served(quota: Quota) -> None:
    async def main() -> None:
        async with town(B) as nodes:
            with_quota(nodes, quota)
            flooder, other = Hostile(nodes, C), Hostile(nodes, A, SeededEntropy("other"))
            verdicts = await flooder.post(*(early(flooder) for _ in range(8)))
            held = verdicts.count(PENDING)
            assert verdicts == [PENDING] * held + [refused(ReasonCode.QUOTA_EXCEEDED)] * (8 - held)
            assert 1 <= held <= 4
            assert await other.post(other.envelope()) == [RECEIVED]
            await asyncio.sleep(PATIENCE_SECONDS * 2)
            assert await nodes.held(B) == 0
            assert await flooder.post(flooder.envelope()) == [RECEIVED]

    run_virtual(main())


def test_c17_the_same_content_under_many_ids_is_so_many_messages() -> None:
    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            body = peer.record().body
            records = [peer.record(body=body) for _ in range(5)]
            verdicts = await peer.post(*(peer.envelope(record) for record in records))
            assert verdicts == [RECEIVED] * 5
            for record in records:
                assert len((await nodes.show(B, record.consultation)).records) == 1

    run_virtual(main())


@pytest.mark.parametrize("kind", ["unknown key", "no opening"])
def test_e01_what_waits_is_looked_at_a_few_times_only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    read = Examiner.read

    def counted(self: Examiner, one: Examination) -> None:
        nonlocal looks
        looks += 1
        read(self, one)

    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, C)
            envelope = early(peer) if kind == "unknown key" else orphan(peer)
            assert await peer.post(envelope) == [PENDING]
            await asyncio.sleep(PATIENCE_SECONDS * 2)
            code = ReasonCode.REFUSED if kind == "unknown key" else ReasonCode.SEQUENCE_GAP
            assert await peer.post(envelope) == [rejected(code)]

    monkeypatch.setattr(Examiner, "read", counted)
    run_virtual(main())
    assert looks <= 10


def orphan(peer: Hostile) -> bytes:
    """An envelope that waits: it closes a consultation of which nobody has heard."""
    record = peer.record(type=MessageType.CLOSE, body={}, author_seq=2, prev="ef" * 32, in_reply_to=peer.id())
    return peer.envelope(record)
