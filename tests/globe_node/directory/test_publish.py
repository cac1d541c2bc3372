# SPDX-License-Identifier: Apache-2.0
"""What we write is judged as a peer will judge it, before anybody gets it."""

import pytest

from globe_node.directory.publish import found_network, suspend_authority, update_authority
from protocol.directory.statements import (
    Operation,
    PutContact,
    RetireContact,
    Suspension,
    SuspensionReason,
)
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId
from tests.support.clock import START
from tests.support.directory import officers, raw_statement, sample_contact, sample_network, sample_root
from tests.support.identities import authority_root

STATE = sample_network().state
A = AuthorityId("xa-acc")


def refused(code: ReasonCode, make: object) -> None:
    assert callable(make)
    with pytest.raises(LocalProtocolError) as caught:
        make()
    assert caught.value.code is code


def test_a_root_without_all_its_officers_is_not_made() -> None:
    signers = [officer.signing for officer in officers()[:2]]
    refused(ReasonCode.DIR_THRESHOLD, lambda: found_network(sample_root(), signers, START))


def test_an_update_that_does_not_hold_is_not_made() -> None:
    root = authority_root(A)
    both: list[Operation] = [PutContact(contact=sample_contact("new")), RetireContact(id="none")]
    refused(ReasonCode.BAD_FIELD, lambda: update_authority(STATE, root, both, issued=START))
    stranger = authority_root("xz-none")
    refused(
        ReasonCode.UNKNOWN_AUTHORITY,
        lambda: update_authority(STATE, stranger, both[:1], issued=START),
    )


def test_a_suspension_by_the_authority_itself() -> None:
    content = Suspension(by="authority", reason=SuspensionReason.KEY_COMPROMISE)
    signers = [authority_root(A).signing]
    state = STATE.apply(suspend_authority(STATE, A, content, signers=signers, issued=START))
    entry = state.authority(A)
    assert entry is not None
    assert entry.suspended_by_itself


def test_who_writes_behind_a_gap_stands_behind_what_waits() -> None:
    waiting = raw_statement(
        STATE, A, Suspension(by="authority", reason=SuspensionReason.LEFT), authority_root(A).signing, seq=7,
        prev="1" * 64,
    )  # fmt: skip
    state = STATE.apply(waiting)
    assert state.next_place(A)[0] == 8
    put = [PutContact(contact=sample_contact("new"))]
    refused(ReasonCode.DIR_CHAIN, lambda: update_authority(state, authority_root(A), put, issued=START))
