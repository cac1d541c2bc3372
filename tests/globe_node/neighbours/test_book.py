# SPDX-License-Identifier: Apache-2.0
"""The directory as the lines read it: each answer is of this moment."""

from datetime import timedelta

import pytest

from globe_node.directory.register import Register
from globe_node.neighbours.book import DirectoryBook
from protocol.directory.statements import CompromisedKey, RemoveEndpoint, RetireKey
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId, NodeId
from tests.support.clock import START, FixedClock
from tests.support.delivery import identity_of
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.store import memory_store

A, B, C = AuthorityId("xa-acc"), AuthorityId("xb-ibu"), AuthorityId("xc-aco")


async def book(*statements: bytes, clock: FixedClock | None = None) -> DirectoryBook:
    """The book of A over the sample network and some statements more."""
    network, time = sample_network(), clock or FixedClock()
    register = Register(memory_store(), time)
    await register.pin(network.fingerprint)
    report = await register.admit([*network.statements, *statements], source="file")
    assert report.refused == ()
    return DirectoryBook(register, time, A)


async def test_a_peer_has_an_address_and_a_certificate() -> None:
    found = await book()
    address = found.address_of(B)
    assert address.endpoint == sample_network().endpoints[B]
    assert address.identity == identity_of(B)
    assert (address.tls_certificate_der, identity_of(B)) in list(found.certificates())
    assert found.others() == (B, C)
    assert found.view() == sample_network().state.view


async def test_who_left_is_gone_with_the_next_question() -> None:
    key = certified_node_keys(B).signing.key_id
    statement = updated(sample_network().state, B, CompromisedKey(key=key, since=START - timedelta(days=1)))
    found = await book(statement)
    assert found.others() == (C,)
    assert identity_of(B) not in [identity for _, identity in found.certificates()]
    with pytest.raises(LocalProtocolError) as caught:
        found.address_of(B)
    assert caught.value.code is ReasonCode.REVOKED_KEY
    with pytest.raises(UntrustedError):
        found.signing_key(B, key)


async def test_a_retired_key_still_speaks_in_receipts_and_not_on_the_line() -> None:
    keys_of_b = certified_node_keys(B)
    key = keys_of_b.signing.key_id
    found = await book(updated(sample_network().state, B, RetireKey(key=key)))
    assert found.signing_key(B, key) == keys_of_b.signing.admitted
    assert identity_of(B) not in [identity for _, identity in found.certificates()]


async def test_without_an_endpoint_there_is_no_address() -> None:
    removal = RemoveEndpoint(node=NodeId("main"), url=sample_network().endpoints[B])
    found = await book(updated(sample_network().state, B, removal))
    with pytest.raises(LocalProtocolError) as caught:
        found.address_of(B)
    assert caught.value.code is ReasonCode.NO_KEY
    assert found.others() == (C,)


async def test_an_admission_ends_by_time_alone() -> None:
    clock = FixedClock()
    found = await book(clock=clock)
    clock.advance(366 * 86_400)
    assert list(found.certificates()) == []
    assert found.others() == ()


async def test_an_empty_directory_trusts_nobody() -> None:
    found = DirectoryBook(Register(memory_store(), FixedClock()), FixedClock(), A)
    assert found.others() == ()
    assert list(found.certificates()) == []
