# SPDX-License-Identifier: Apache-2.0
"""Which statements hold: who must sign, in which place, and what happens to those that do not fit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from protocol.directory.dsse import countersign, parse_signed_statement, sign_statement
from protocol.directory.entries import AuthorityStatus, NodeState
from protocol.directory.judgement import MAX_PENDING, Outcome, network_fingerprint
from protocol.directory.replay import DirectoryState, fork_proof, replay
from protocol.directory.statements import (
    CompromisedKey,
    PutContact,
    RetireContact,
    Root,
    Statement,
    Suspension,
    SuspensionReason,
    Update,
)
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.identifiers import AuthorityId, Digest
from protocol.interfaces import Signer
from tests.support.clock import START
from tests.support.directory import (
    admitted,
    certified_node_keys,
    officers,
    raw_statement,
    sample_admission,
    sample_contact,
    sample_network,
    sample_root,
    updated,
)
from tests.support.identities import authority_root, officer_key
from tests.support.refusals import refused

NETWORK = sample_network()
STATE = NETWORK.state
A, B = AuthorityId("xa-acc"), AuthorityId("xb-ibu")
ONE, TWO, THREE = (officer.signing for officer in officers())
ROOT_A, ROOT_B = authority_root(A).signing, authority_root(B).signing
KEY_A = certified_node_keys(A).signing.key_id
BY_OFFICERS = Suspension(by="officers", reason=SuspensionReason.MISUSE)
BY_ITSELF = Suspension(by="authority", reason=SuspensionReason.KEY_COMPROMISE)


def put(name: str) -> Update:
    return Update(ops=(PutContact(contact=sample_contact(name)),))


def drop(name: str) -> Update:
    return Update(ops=(RetireContact(id=name),))


def refuses(state: DirectoryState, raw: bytes, code: ReasonCode) -> None:
    before = replay(NETWORK.fingerprint, NETWORK.statements) if state is STATE else None
    refused(lambda: state.apply(raw), code)
    assert before is None or before == state


def root_statement(content: Root, signers: Sequence[Signer], **places: object) -> bytes:
    fields = {"network": "", "subject": "@", "seq": 1, "prev": "", "issued": START, **places}
    statement = Statement(content=content, **fields)  # type: ignore[arg-type]  # also wrong ones
    return sign_statement(statement.to_payload(), signers).to_bytes()


# --- the root -------------------------------------------------------------------------------------------


def test_the_first_root_must_be_the_one_that_was_pinned() -> None:
    refused(lambda: replay(Digest("0" * 64), NETWORK.statements), ReasonCode.REFUSED)


def test_the_first_root_needs_every_officer() -> None:
    raw = root_statement(sample_root(), [ONE, TWO])
    fingerprint = network_fingerprint(parse_signed_statement(raw).payload)
    refused(lambda: replay(fingerprint, [raw]), ReasonCode.DIR_THRESHOLD)


def test_a_directory_begins_with_root_one() -> None:
    for raw in (
        NETWORK.statements[1],
        root_statement(sample_root(), [ONE], network="1" * 64, seq=2, prev="2" * 64),
    ):
        fingerprint = network_fingerprint(parse_signed_statement(raw).payload)
        with pytest.raises(UntrustedError):
            replay(fingerprint, [raw])
    refused(lambda: replay(NETWORK.fingerprint, []), ReasonCode.REFUSED)


def next_root(
    *signers: Signer, offices: tuple[str, ...] = ("officer-2", "officer-3", "officer-4"), **changes: object
) -> bytes:
    content = sample_root(*offices).model_copy(update=changes)
    return raw_statement(STATE, "@", content, *signers)


FOUR = officer_key("officer-4").signing


def test_a_new_root_is_signed_by_the_old_and_the_new_threshold_and_by_new_officers() -> None:
    state = STATE.apply(next_root(ONE, TWO, FOUR))
    assert state.network.version == 2
    assert state.network.fingerprint == NETWORK.fingerprint
    assert [officer.key_id for officer in state.network.officers] == [TWO.key_id, THREE.key_id, FOUR.key_id]


@pytest.mark.parametrize("signers", [(TWO, THREE), (ONE, FOUR), (FOUR,), (TWO, FOUR), (ONE, TWO)])
def test_a_new_root_with_too_few_signatures_is_refused(signers: tuple[Signer, ...]) -> None:
    refuses(STATE, next_root(*signers), ReasonCode.DIR_THRESHOLD)


def test_a_root_can_not_be_skipped_or_signed_by_strangers() -> None:
    skipped = raw_statement(STATE, "@", sample_root(), ONE, TWO, THREE, seq=3)
    refuses(STATE, skipped, ReasonCode.DIR_CHAIN)
    refuses(STATE, next_root(ONE, TWO, FOUR, officer_key("stranger").signing), ReasonCode.REFUSED)


def test_a_network_does_not_turn_from_sample_to_real() -> None:
    refuses(STATE, next_root(ONE, TWO, FOUR, sample=False), ReasonCode.REFUSED)


def test_two_roots_at_one_place_are_refused() -> None:
    state = STATE.apply(next_root(ONE, TWO, FOUR))
    refuses(state, next_root(ONE, TWO, FOUR, name="Another network"), ReasonCode.DIR_FORK)


def test_officers_out_of_office_admit_nobody_and_what_was_missed_is_signed_again() -> None:
    missed = admitted(STATE, "xd-new")
    state = STATE.apply(next_root(ONE, TWO, FOUR))
    refuses(state, missed, ReasonCode.REFUSED)
    again = sign_statement(parse_signed_statement(missed).payload, [TWO, FOUR])
    after = state.apply(again.to_bytes())
    assert again.statement_id == parse_signed_statement(missed).statement_id
    assert after.authority(AuthorityId("xd-new")) is not None


# --- who may say what -----------------------------------------------------------------------------------


def test_a_statement_of_another_network_is_refused() -> None:
    raw = raw_statement(STATE, A, put("new"), ROOT_A, network="0" * 64)
    refuses(STATE, raw, ReasonCode.REFUSED)


def test_a_known_statement_changes_nothing() -> None:
    for raw in NETWORK.statements:
        after, verdict = STATE.advance(raw)
        assert after is STATE
        assert verdict.outcome is Outcome.KNOWN


def test_a_known_statement_with_other_signatures_is_still_the_same() -> None:
    signed = countersign(parse_signed_statement(NETWORK.statements[1]), THREE)
    assert STATE.advance(signed.to_bytes())[1].outcome is Outcome.KNOWN


@pytest.mark.parametrize(
    ("signers", "code"),
    [
        ((ONE,), ReasonCode.DIR_THRESHOLD),
        ((ROOT_A,), ReasonCode.REFUSED),
        ((ONE, officer_key("stranger").signing), ReasonCode.REFUSED),
        ((ONE, TWO, ROOT_A), ReasonCode.REFUSED),
    ],
)
def test_an_admission_needs_its_officers(signers: tuple[Signer, ...], code: ReasonCode) -> None:
    content = sample_admission(NETWORK.fingerprint, "xd-new")
    refuses(STATE, raw_statement(STATE, "xd-new", content, *signers), code)


@pytest.mark.parametrize(
    "signer", [ROOT_B, ONE, certified_node_keys(A).signing, officer_key("stranger").signing]
)
def test_only_the_authority_itself_changes_its_entry(signer: Signer) -> None:
    refuses(STATE, raw_statement(STATE, A, put("new"), signer), ReasonCode.REFUSED)


def test_who_was_never_admitted_says_nothing() -> None:
    for content in (put("new"), BY_OFFICERS, BY_ITSELF):
        raw = raw_statement(STATE, "xd-new", content, ONE)
        refuses(STATE, raw, ReasonCode.UNKNOWN_AUTHORITY)


def test_suspension_by_fewer_officers_and_reinstatement_by_more() -> None:
    state = STATE.apply(raw_statement(STATE, A, BY_OFFICERS, THREE))
    entry = state.authority(A)
    assert entry is not None
    assert entry.status is AuthorityStatus.SUSPENDED
    with pytest.raises(LocalProtocolError) as caught:
        state.require_active_node(A, START)
    assert caught.value.code is ReasonCode.SUSPENDED
    refused(lambda: state.require_sender(A, KEY_A, START), ReasonCode.REFUSED)
    assert state.signing_key(A, KEY_A).key_id == KEY_A
    back = state.apply(admitted(state, A))
    assert back.require_active_node(A, START).signing.key_id == KEY_A


def test_suspension_by_itself_stays() -> None:
    state = STATE.apply(raw_statement(STATE, A, BY_ITSELF, ROOT_A))
    state = state.apply(admitted(state, A))
    entry = state.authority(A)
    assert entry is not None
    assert entry.status is AuthorityStatus.SUSPENDED


@pytest.mark.parametrize(
    ("content", "signer"),
    [(BY_OFFICERS, ROOT_A), (BY_ITSELF, ONE), (BY_ITSELF, ROOT_B), (BY_OFFICERS, ROOT_B)],
)
def test_a_suspension_is_signed_by_whom_it_names(content: Suspension, signer: Signer) -> None:
    refuses(STATE, raw_statement(STATE, A, content, signer), ReasonCode.REFUSED)


# --- places in a chain ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [3, 100, 2**53 - 1])
def test_a_gap_is_refused(seq: int) -> None:
    refuses(STATE, raw_statement(STATE, A, put("new"), ROOT_A, seq=seq), ReasonCode.DIR_CHAIN)


def test_the_wrong_predecessor_is_refused() -> None:
    refuses(STATE, raw_statement(STATE, A, put("new"), ROOT_A, prev="0" * 64), ReasonCode.DIR_CHAIN)


def test_what_is_restrictive_acts_before_its_turn_and_takes_its_place_later() -> None:
    first = updated(STATE, A, PutContact(contact=sample_contact("new")))
    middle = STATE.apply(first)
    lost = updated(middle, A, CompromisedKey(key=KEY_A, since=START))
    early, verdict = STATE.advance(lost)
    assert verdict.outcome is Outcome.PENDING
    assert early.node_with_key(A, KEY_A).state is NodeState.COMPROMISED
    assert early.advance(lost)[1].outcome is Outcome.KNOWN
    settled = early.apply(first)
    assert settled == replace(middle.apply(lost), held=settled.held)
    assert settled.held.chains == middle.apply(lost).held.chains
    assert settled.next_place(A)[0] == 4


def test_a_key_condemned_before_it_was_seen_is_condemned_when_it_comes() -> None:
    root, a1, a2, *_ = NETWORK.statements
    state = replay(NETWORK.fingerprint, [root, a1])
    lost = updated(STATE, A, CompromisedKey(key=KEY_A, since=START))
    state = state.apply(lost).apply(a2)
    assert state.node_with_key(A, KEY_A).state is NodeState.COMPROMISED
    assert state.held.pending == {A: ()}


def test_officers_suspend_on_sight() -> None:
    renewal = admitted(STATE, A)
    after = STATE.apply(renewal)
    stop = raw_statement(after, A, BY_OFFICERS, ONE)
    state = STATE.apply(stop)
    assert state.authority(A) != STATE.authority(A)
    with pytest.raises(LocalProtocolError):
        state.require_active_node(A, START)
    assert state.apply(renewal).view == after.apply(stop).view


def test_only_so_many_statements_wait() -> None:
    state = STATE
    for place in range(MAX_PENDING):
        raw = raw_statement(STATE, A, drop("none"), ROOT_A, seq=10 + place, prev="1" * 64)
        state = state.apply(raw)
    raw = raw_statement(STATE, A, drop("none"), ROOT_A, seq=50, prev="1" * 64)
    refuses(state, raw, ReasonCode.DIR_CHAIN)


def test_what_waits_behind_something_else_never_takes_a_place() -> None:
    astray = raw_statement(STATE, A, drop("duty"), ROOT_A, seq=3, prev="1" * 64)
    state = STATE.apply(astray).apply(updated(STATE, A, PutContact(contact=sample_contact("new"))))
    assert len(state.held.chains[A]) == 2
    entry = state.authority(A)
    assert entry is not None
    assert [contact.id for contact in entry.contacts] == ["new"]


# --- forks ----------------------------------------------------------------------------------------------


def test_two_statements_at_one_place_make_the_authority_disputed() -> None:
    this, that = (raw_statement(STATE, A, put(name), ROOT_A) for name in ("this", "that"))
    one, verdict = STATE.apply(this).advance(that)
    assert verdict.outcome is Outcome.DISPUTE
    other = STATE.apply(that).apply(this)
    assert one.view == other.view
    for state in (one, other):
        with pytest.raises(LocalProtocolError) as caught:
            state.require_active_node(A, START)
        assert caught.value.code is ReasonCode.DISPUTED
        with pytest.raises(UntrustedError):
            state.require_sender(A, KEY_A, START)
        assert state.signing_key(A, KEY_A).key_id == KEY_A
        assert state.advance(this)[1].outcome is Outcome.KNOWN
        assert state.advance(that)[1].outcome is Outcome.KNOWN


def test_a_disputed_chain_goes_no_further_and_a_renewal_does_not_mend_it() -> None:
    this, that = (raw_statement(STATE, A, put(name), ROOT_A) for name in ("this", "that"))
    state = STATE.apply(this)
    more = raw_statement(state, A, put("more"), ROOT_A)
    state = state.apply(that)
    refuses(state, more, ReasonCode.DISPUTED)
    third = raw_statement(STATE, A, put("third"), ROOT_A)
    refuses(state, third, ReasonCode.DISPUTED)
    renewed = state.apply(admitted(state, A))
    entry = renewed.authority(A)
    assert entry is not None
    assert entry.status is AuthorityStatus.DISPUTED


def test_a_fork_of_waiting_statements_is_a_fork() -> None:
    waiting = raw_statement(STATE, A, drop("one"), ROOT_A, seq=5, prev="1" * 64)
    rival = raw_statement(STATE, A, put("two"), ROOT_A, seq=5, prev="1" * 64)
    assert STATE.apply(waiting).advance(rival)[1].outcome is Outcome.DISPUTE


def test_officers_and_authority_at_the_same_time_are_no_fork() -> None:
    by_officers = admitted(STATE, A, issued=START + timedelta(days=1))
    by_itself = updated(STATE, A, PutContact(contact=sample_contact("new")))
    states = {STATE.apply(one).apply(two).view for one, two in permutations((by_officers, by_itself))}
    assert len(states) == 1


def test_a_fork_proof_needs_nothing_else() -> None:
    this, that = (raw_statement(STATE, A, put(name), ROOT_A) for name in ("this", "that"))
    entry = STATE.authority(A)
    assert entry is not None
    proof = fork_proof(that, this, [entry.root_key])
    assert fork_proof(this, that, [entry.root_key]) == proof
    assert {proof.first, proof.second} == {this, that}
    other = raw_statement(STATE, A, put("other"), ROOT_A, seq=3, prev="0" * 64)
    for rival in (this, other, NETWORK.statements[1]):
        with pytest.raises(UntrustedError):
            fork_proof(this, rival, [entry.root_key])
    refused(lambda: fork_proof(this, that, STATE.network.officers), ReasonCode.REFUSED)


def test_statements_give_one_state_in_every_order_that_keeps_the_chains() -> None:
    root, *rest = NETWORK.statements
    chains = (rest[0:2], rest[2:4], rest[4:6])
    for order in permutations(range(3)):
        statements = [chains[place][0] for place in order] + [chains[place][1] for place in reversed(order)]
        state = replay(NETWORK.fingerprint, [root, *statements])
        assert (state.view, state.authorities) == (STATE.view, STATE.authorities)
