# SPDX-License-Identifier: Apache-2.0
"""What an entry says for a moment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protocol.directory.entries import (
    STATUS_CODES,
    AuthorityEntry,
    AuthorityStatus,
    Dispute,
    NodeState,
)
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, Digest
from tests.support.clock import START
from tests.support.directory import sample_network

FOUND = sample_network().state.authority(AuthorityId("xa-acc"))
assert FOUND is not None
ENTRY: AuthorityEntry = FOUND
DISPUTE = Dispute("xa-acc", 2, (Digest("1" * 64), Digest("2" * 64)))


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (ENTRY, AuthorityStatus.ACTIVE),
        (replace(ENTRY, suspended_by_officers=True), AuthorityStatus.SUSPENDED),
        (replace(ENTRY, suspended_by_itself=True), AuthorityStatus.SUSPENDED),
        (replace(ENTRY, dispute=DISPUTE), AuthorityStatus.DISPUTED),
        (replace(ENTRY, dispute=DISPUTE, suspended_by_officers=True), AuthorityStatus.DISPUTED),
    ],
)
def test_the_gravest_status_is_shown_and_time_changes_only_an_active_one(
    entry: AuthorityEntry, status: AuthorityStatus
) -> None:
    assert entry.status is entry.status_at(START) is status
    late = entry.status_at(entry.not_after + timedelta(milliseconds=1))
    assert late is (AuthorityStatus.EXPIRED if status is AuthorityStatus.ACTIVE else status)
    assert entry.status_at(entry.not_after) is status


def test_every_status_but_active_has_its_reason() -> None:
    assert set(STATUS_CODES) == set(AuthorityStatus) - {AuthorityStatus.ACTIVE}
    assert STATUS_CODES[AuthorityStatus.EXPIRED] is ReasonCode.EXPIRED


def test_a_certificate_covers_from_its_first_moment_and_not_its_end() -> None:
    (node,) = ENTRY.nodes
    assert node.covers(node.not_before)
    assert not node.covers(node.not_after)
    assert not node.covers(node.not_before - timedelta(milliseconds=1))
    assert ENTRY.node_in_use(node.not_after) is None


def test_the_node_in_use_is_the_newest_that_is_active() -> None:
    (node,) = ENTRY.nodes
    lost = replace(node, state=NodeState.COMPROMISED)
    assert replace(ENTRY, nodes=(node, lost)).node_in_use(START) is node
    assert replace(ENTRY, nodes=(lost, node)).node_in_use(START) is node
    assert replace(ENTRY, nodes=(lost,)).node_in_use(START) is None


def test_a_name_in_the_language_asked_for_or_english_or_any() -> None:
    assert replace(ENTRY, names={"fr": "Bureau", "en": "Office"}).name("fr") == "Bureau"
    assert replace(ENTRY, names={"fr": "Bureau", "en": "Office"}).name("ar") == "Office"
    assert replace(ENTRY, names={"fr": "Bureau"}).name("ar") == "Bureau"


def test_a_repr_shows_no_key_octets() -> None:
    assert len(repr(ENTRY.nodes[0])) < 700
