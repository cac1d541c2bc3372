# SPDX-License-Identifier: Apache-2.0
"""What the directory answers, and when it refuses to name a node."""

from datetime import timedelta

import pytest

from protocol.directory.entries import AuthorityStatus, NodeState
from protocol.directory.replay import replay
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId
from tests.support.clock import START
from tests.support.directory import admitted, certified_node_keys, sample_network, updated

A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")


def test_replay_gives_the_state_that_was_built() -> None:
    network = sample_network()
    assert replay(network.fingerprint, network.statements) == network.state
    assert network.state.view.size == len(network.statements)


def test_the_view_does_not_depend_on_the_order_of_chains() -> None:
    network = sample_network()
    root, a1, a2, b1, b2, c1, c2 = network.statements
    other = replay(network.fingerprint, [root, b1, c1, c2, a1, b2, a2])
    assert other.view == network.state.view
    assert other.authorities == network.state.authorities


def test_it_names_the_node_in_use() -> None:
    network = sample_network()
    node = network.state.require_active_node(A, START)
    assert node.signing.raw == certified_node_keys(A).signing.public_key
    assert network.state.require_sender(A, node.signing.key_id, START) == node
    assert network.state.signing_key(A, node.signing.key_id) == node.signing


def test_an_unknown_authority_has_no_node() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sample_network().state.require_active_node(AuthorityId("xz-none"), START)
    assert caught.value.code is ReasonCode.UNKNOWN_AUTHORITY


def test_an_admission_ends() -> None:
    state = sample_network().state
    later = START + timedelta(days=366)
    entry = state.authority(A)
    assert entry is not None
    assert entry.status_at(later) is AuthorityStatus.EXPIRED
    with pytest.raises(LocalProtocolError) as caught:
        state.require_active_node(A, later)
    assert caught.value.code is ReasonCode.EXPIRED


def test_a_retired_key_stays_good_for_evidence_and_a_compromised_one_does_not() -> None:
    state = sample_network().state
    key_id = certified_node_keys(A).signing.key_id
    retired = state.apply(updated(state, A, RetireKey(key=key_id)))
    with pytest.raises(LocalProtocolError) as caught:
        retired.require_active_node(A, START)
    assert caught.value.code is ReasonCode.NO_KEY
    assert retired.signing_key(A, key_id).key_id == key_id
    lost = retired.apply(updated(retired, A, CompromisedKey(key=key_id, since=START)))
    with pytest.raises(LocalProtocolError) as caught:
        lost.require_active_node(A, START)
    assert caught.value.code is ReasonCode.REVOKED_KEY
    with pytest.raises(UntrustedError) as refused:
        lost.signing_key(A, key_id)
    assert refused.value.code is ReasonCode.REVOKED_KEY
    assert lost.signing_key(A, key_id, proven_at=START - timedelta(seconds=1)).key_id == key_id
    assert lost.node_with_key(A, key_id).state is NodeState.COMPROMISED


def test_the_version_of_an_entry_changes_with_it_and_with_nothing_else() -> None:
    state = sample_network().state
    key_id = certified_node_keys(A).signing.key_id
    changed = state.apply(updated(state, A, RetireKey(key=key_id)))
    assert changed.version_of(A) != state.version_of(A)
    assert changed.version_of(B) == state.version_of(B)
    renewed = state.apply(admitted(state, A, issued=START + timedelta(days=1)))
    assert renewed.version_of(A) not in (state.version_of(A), changed.version_of(A))


def test_an_authority_without_keys_can_not_be_reached() -> None:
    network = sample_network()
    state = replay(network.fingerprint, network.statements[:2])
    with pytest.raises(LocalProtocolError) as caught:
        state.require_active_node(A, START)
    assert caught.value.code is ReasonCode.NO_KEY


def test_a_key_speaks_for_its_own_authority_only_and_only_in_its_time() -> None:
    state = sample_network().state
    key_id = certified_node_keys(A).signing.key_id
    for authority in (B, AuthorityId("xz-none")):
        with pytest.raises(UntrustedError):
            state.require_sender(authority, key_id, START)
        with pytest.raises(UntrustedError):
            state.signing_key(authority, key_id)
    with pytest.raises(UntrustedError):
        state.require_sender(A, key_id, START + timedelta(days=800))
    retired = state.apply(updated(state, A, RetireKey(key=key_id)))
    with pytest.raises(UntrustedError):
        retired.require_sender(A, key_id, START)
