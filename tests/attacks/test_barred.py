# SPDX-License-Identifier: Apache-2.0
"""A message that can't be sent is refused before it is queued, with its reason and what to do about it.

What the recipient's side forbids is here and in the journeys; what the content forbids is in `test_content`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from globe_node.directory.publish import suspend_authority
from globe_node.errors import NotPermittedError
from protocol.audit.events import EventKind
from protocol.directory.statements import (
    CompromisedKey,
    PutContact,
    RemoveEndpoint,
    RetireKey,
    Suspension,
    SuspensionReason,
)
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, NodeId
from tests.simulation.loop import run_virtual
from tests.support.directory import certified_node_keys, officers, sample_contact, updated
from tests.support.nodes import A, B, Town, request, town


@dataclass(frozen=True)
class Barred:
    """What makes it impossible, to whom it happened, and what the sender is told."""

    statements: Callable[[Town], list[bytes]]
    code: ReasonCode
    says: str
    days: int = 0


def suspended(name: str) -> Callable[[Town], list[bytes]]:
    def make(nodes: Town) -> list[bytes]:
        return [
            suspend_authority(
                nodes.network.state,
                AuthorityId(name),
                Suspension(by="officers", reason=SuspensionReason.MISUSE),
                signers=[officers()[0].signing],
                issued=nodes.clock.now(),
            )
        ]

    return make


def disputed(name: str) -> Callable[[Town], list[bytes]]:
    """Two statements of one authority at one place."""
    return lambda nodes: [
        updated(nodes.network.state, name, PutContact(contact=sample_contact(contact)))
        for contact in ("one", "two")
    ]


def compromised(name: str) -> Callable[[Town], list[bytes]]:
    def make(nodes: Town) -> list[bytes]:
        key = certified_node_keys(name).signing.key_id
        return [updated(nodes.network.state, name, CompromisedKey(key=key, since=nodes.clock.now()))]

    return make


def retired(name: str) -> Callable[[Town], list[bytes]]:
    key = certified_node_keys(name).signing.key_id
    return lambda nodes: [updated(nodes.network.state, name, RetireKey(key=key))]


def nothing(_nodes: Town) -> list[bytes]:
    return []


BARRED = {
    "the recipient is suspended": Barred(suspended(B), ReasonCode.SUSPENDED, "xb-ibu is suspended"),
    "the recipient is disputed": Barred(disputed(B), ReasonCode.DISPUTED, "xb-ibu is disputed"),
    "the recipient's keys are compromised": Barred(
        compromised(B), ReasonCode.REVOKED_KEY, "xb-ibu has reported"
    ),
    "the recipient has no key": Barred(retired(B), ReasonCode.NO_KEY, "xb-ibu has no key"),
    "the recipient's admission ran out": Barred(nothing, ReasonCode.EXPIRED, "expired", days=370),
    "we are suspended": Barred(suspended(A), ReasonCode.SUSPENDED, "this authority is suspended"),
    "we are disputed": Barred(disputed(A), ReasonCode.DISPUTED, "this authority is disputed"),
    "our keys are compromised": Barred(
        compromised(A), ReasonCode.NO_KEY, "this node is not in the directory"
    ),
    "our key is retired": Barred(retired(A), ReasonCode.NO_KEY, "this node is not in the directory"),
}


@pytest.mark.parametrize("name", BARRED)
def test_it_is_refused_with_what_to_do(name: str) -> None:
    barred = BARRED[name]

    async def main() -> None:
        async with town(A) as nodes:
            node = nodes.nodes[A]
            await node.register.admit(barred.statements(nodes), source="file")
            nodes.clock.skew += barred.days * 86_400
            with pytest.raises(NotPermittedError) as caught:
                await node.desk.submit(request())
            assert caught.value.code is barred.code
            assert barred.says in str(caught.value)
            assert caught.value.hint
            assert await nodes.waiting(A) == 0
            assert await nodes.entries(A, EventKind.SUBMITTED) == []

    run_virtual(main())


def test_a_certificate_that_ran_out_signs_nothing() -> None:
    async def main() -> None:
        async with town(A) as nodes:
            office = nodes.nodes[A].office
            assert office.can_sign()
            entry = office.register.state.authority(AuthorityId(A))
            assert entry is not None
            nodes.clock.skew += (entry.nodes[0].not_after - nodes.clock.now()).total_seconds()
            assert not office.can_sign()
            with pytest.raises(NotPermittedError) as caught:
                office.signer(office.register.state)
            assert caught.value.code is ReasonCode.NO_KEY
            assert "keys rotate" in caught.value.hint

    run_virtual(main())


def test_without_an_endpoint_it_is_queued_and_waits_for_one() -> None:
    """An endpoint may come back any day; the keys to seal to are there."""

    async def main() -> None:
        async with town(A) as nodes:
            node = nodes.nodes[A]
            url = nodes.network.endpoints[AuthorityId(B)]
            removal = updated(nodes.network.state, B, RemoveEndpoint(node=NodeId("main"), url=url))
            await node.register.admit([removal], source="file")
            await node.desk.submit(request())
            assert await nodes.waiting(A) == 2  # the invitation to the group is one of them

    run_virtual(main())
