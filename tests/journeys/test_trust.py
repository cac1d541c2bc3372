# SPDX-License-Identifier: Apache-2.0
"""The directory decides whom a node believes, at once and everywhere."""

import asyncio
from datetime import timedelta

import pytest

from globe_node.directory.publish import suspend_authority
from globe_node.errors import NotPermittedError
from protocol.audit.events import EventKind
from protocol.directory.statements import CompromisedKey, RetireKey, Suspension, SuspensionReason
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId
from protocol.receipts import ReceiptStatus
from tests.simulation.loop import run_virtual
from tests.support.clock import START
from tests.support.directory import certified_node_keys, officers, updated
from tests.support.letters import Letter, entry_of, letter_record, post
from tests.support.nodes import A, B, C, Town, in_town, request, town


def compromised(nodes: Town, authority: str) -> bytes:
    """The statement that somebody else may hold an authority's keys."""
    key = certified_node_keys(authority).signing.key_id
    return updated(nodes.network.state, authority, CompromisedKey(key=key, since=START - timedelta(days=1)))


@in_town
async def test_a_compromised_key_is_believed_no_more(town: Town) -> None:
    before = Letter(letter_record()).seal()
    assert entry_of(await post(town, before), before).status is ReceiptStatus.RECEIVED
    after = Letter(letter_record()).seal()
    await town.nodes[B].register.admit([compromised(town, A)], source="file")
    entry = entry_of(await post(town, after), after)
    assert (entry.status, entry.reason) == (ReceiptStatus.REJECTED, ReasonCode.REFUSED)


@in_town
async def test_a_retired_key_still_speaks_for_what_was_on_its_way(town: Town) -> None:
    key = certified_node_keys(A).signing.key_id
    await town.nodes[B].register.admit([updated(town.network.state, A, RetireKey(key=key))], source="file")
    envelope = Letter(letter_record()).seal()
    assert entry_of(await post(town, envelope), envelope).status is ReceiptStatus.RECEIVED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("suspend", ReasonCode.SUSPENDED),
        ("compromise", ReasonCode.REVOKED_KEY),
        ("retire", ReasonCode.NO_KEY),
    ],
)
def test_who_can_not_be_sent_to_is_refused_before_queueing(change: str, code: ReasonCode) -> None:
    async def main() -> None:
        async with town() as nodes:
            state, key = nodes.network.state, certified_node_keys(B).signing.key_id
            statement = {
                "suspend": lambda: suspend_authority(
                    state,
                    AuthorityId(B),
                    Suspension(by="officers", reason=SuspensionReason.MISUSE),
                    signers=[officers()[0].signing],
                    issued=START,
                ),
                "compromise": lambda: compromised(nodes, B),
                "retire": lambda: updated(state, B, RetireKey(key=key)),
            }[change]()
            await nodes.nodes[A].register.admit([statement], source="file")
            with pytest.raises(NotPermittedError) as caught:
                await nodes.nodes[A].desk.submit(request())
            assert caught.value.code is code
            assert caught.value.hint
            assert await nodes.waiting(A) == 0
            assert await nodes.entries(A, EventKind.SUBMITTED) == []

    run_virtual(main())


@in_town
async def test_an_unknown_authority_is_refused_with_what_to_do(town: Town) -> None:
    with pytest.raises(NotPermittedError, match="not in the directory") as caught:
        await town.nodes[A].desk.submit(request("xz-nobody"))
    assert caught.value.code is ReasonCode.UNKNOWN_AUTHORITY
    assert "directory" in caught.value.hint


def test_a_removal_of_trust_reaches_everybody_within_minutes() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            statement = compromised(nodes, A)
            await nodes.nodes[C].register.admit([statement], source="file")
            await asyncio.sleep(300)
            for name in (A, B, C):
                entry = nodes.nodes[name].register.state.authority(AuthorityId(A))
                assert entry is not None
                assert entry.node_in_use(START) is None

    run_virtual(main())


def test_a_node_that_was_away_hears_of_it_when_it_returns() -> None:
    async def main() -> None:
        async with town(A, B, C) as nodes:
            await nodes.stop(B)
            await nodes.nodes[C].register.admit([compromised(nodes, A)], source="file")
            await asyncio.sleep(3600)
            await nodes.start(B)
            await asyncio.sleep(300)
            entry = nodes.nodes[B].register.state.authority(AuthorityId(A))
            assert entry is not None
            assert entry.node_in_use(START) is None

    run_virtual(main())
