# SPDX-License-Identifier: Apache-2.0
"""Hub receipts: which place they give, what they lead to, and when two of them convict a hub."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import LocalProtocolError, ReasonCode, UntrustedError
from protocol.groups.testimony.hub_receipt import (
    EquivocationProof,
    HubReceipt,
    commit_hash,
    equivocation,
    parse_equivocation,
    sign_hub_receipt,
    verify_equivocation,
    verify_outcome,
    verify_place,
    verify_successive,
)
from protocol.identifiers import AuthorityId, ConsultationId, NodeId, NodeName
from protocol.octets import Writer
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.leaves import two_node_network
from tests.support.refusals import refused, value_or_reason
from tests.support.testimonies import (
    AUTHENTICATOR,
    COMMIT,
    CONSULTATION,
    GROUP,
    hub_receipt,
    issuer,
    signed_receipt,
)

STATE = sample_network().state
HUB = NodeName(AuthorityId("xa-acc"), NodeId("main"))
RECEIPT, OTHER = hub_receipt(), hub_receipt(commit=commit_hash(b"another"))
ONE, TWO = signed_receipt(RECEIPT), signed_receipt(OTHER)
PLACE: dict[str, Any] = {
    "hub": HUB,
    "consultation": CONSULTATION,
    "group_id": GROUP,
    "epoch": 3,
    "commit": COMMIT,
}
ELSEWHERE = ConsultationId("019f1d03-8dc1-7000-8000-000000000002")


def test_a_receipt_gives_one_place() -> None:
    verify_place(RECEIPT, **PLACE)
    elsewhere = (
        {"hub": HUB._replace(node=NodeId("second"))},
        {"hub": HUB._replace(authority=AuthorityId("xb-ibu"))},
        {"consultation": ELSEWHERE},
        {"group_id": bytes(32)},
        {"epoch": 2},
        {"epoch": 4},
        {"commit": b"another"},
    )
    for change in elsewhere:
        refused(partial(verify_place, RECEIPT, **{**PLACE, **change}), ReasonCode.REFUSED)


def test_a_commit_leads_where_it_led_the_hub() -> None:
    verify_outcome(RECEIPT, AUTHENTICATOR)
    refused(lambda: verify_outcome(RECEIPT, b"another state"), ReasonCode.REFUSED)


def test_receipts_follow_each_other() -> None:
    verify_successive(RECEIPT, hub_receipt(epoch=4))
    verify_successive(RECEIPT, hub_receipt(epoch=9, created=START + timedelta(days=1)))
    for later in (
        hub_receipt(),
        hub_receipt(epoch=2),
        hub_receipt(epoch=4, created=START - timedelta(milliseconds=1)),
        hub_receipt(epoch=4, group_id=bytes(32)),
    ):
        refused(partial(verify_successive, RECEIPT, later), ReasonCode.ID_CONFLICT)


@pytest.mark.parametrize(
    "receipt", [hub_receipt(group_id=bytes(31)), hub_receipt(epoch=-1), hub_receipt(epoch=2**53)]
)
def test_nothing_is_signed_that_nobody_would_take(receipt: HubReceipt) -> None:
    with pytest.raises(LocalProtocolError):
        sign_hub_receipt(certified_node_keys("xa-acc").signing, receipt)


def test_two_commits_for_one_place_convict_the_hub() -> None:
    proof = equivocation(ONE, TWO, STATE, START)
    assert proof == equivocation(TWO, ONE, STATE, START)
    assert verify_equivocation(proof, STATE, START) == HUB
    assert parse_equivocation(proof.to_bytes()) == proof
    assert (
        verify_equivocation(parse_equivocation(proof.to_bytes()), STATE, START + timedelta(days=9999)) == HUB
    )


def test_two_outcomes_of_one_commit_convict_the_hub() -> None:
    other = signed_receipt(hub_receipt(authenticator=commit_hash(b"elsewhere")))
    assert verify_equivocation(equivocation(ONE, other, STATE, START), STATE, START) == HUB


def test_two_keys_of_one_hub_are_one_hub() -> None:
    retired = STATE.apply(updated(STATE, "xa-acc", RetireKey(key=issuer().key)))
    assert verify_equivocation(equivocation(ONE, TWO, retired, START), retired, START) == HUB


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(hub_receipt(), id="the same again"),
        pytest.param(hub_receipt(created=START + timedelta(seconds=1)), id="the same at another time"),
        pytest.param(hub_receipt(epoch=4, commit=commit_hash(b"another")), id="another epoch"),
        pytest.param(hub_receipt(group_id=bytes(32), commit=commit_hash(b"another")), id="another group"),
        pytest.param(
            hub_receipt(consultation=ELSEWHERE, commit=commit_hash(b"another")), id="another consultation"
        ),
        pytest.param(
            hub_receipt(issuer=issuer("xb-ibu"), commit=commit_hash(b"another")), id="another authority"
        ),
        pytest.param(
            hub_receipt(issuer=issuer("xa-acc", "second"), commit=commit_hash(b"another")), id="another node"
        ),
    ],
)
def test_what_contradicts_nothing(other: HubReceipt) -> None:
    state = two_node_network()
    refused(lambda: equivocation(ONE, signed_receipt(other), state, START), ReasonCode.REFUSED)


def test_a_compromised_key_convicts_nobody() -> None:
    compromise = CompromisedKey(key=issuer().key, since=START + timedelta(days=1))
    state = STATE.apply(updated(STATE, "xa-acc", compromise))
    with pytest.raises(UntrustedError):
        equivocation(ONE, TWO, state, START)


def test_a_forged_receipt_convicts_nobody() -> None:
    forged = TWO[:-1] + bytes((TWO[-1] ^ 1,))
    with pytest.raises(UntrustedError):
        equivocation(ONE, forged, STATE, START)


def test_a_proof_has_one_form() -> None:
    proof = equivocation(ONE, TWO, STATE, START)
    whole = proof.to_bytes()
    turned = EquivocationProof(proof.second, proof.first).to_bytes()
    doubled = EquivocationProof(proof.first, proof.first).to_bytes()
    for data, code in (
        (turned, ReasonCode.BAD_CONTENT),
        (doubled, ReasonCode.BAD_CONTENT),
        (whole + b"\0", ReasonCode.BAD_CONTENT),
        (whole[:-1], ReasonCode.BAD_CONTENT),
        (b"\2" + whole[1:], ReasonCode.BAD_VERSION),
        (Writer().u8(1).op(ONE).op(bytes(10_000)).to_bytes(), ReasonCode.TOO_LARGE),
    ):
        refused(partial(parse_equivocation, data), code)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_proof_or_one_form(data: bytes) -> None:
    found = value_or_reason(lambda: parse_equivocation(data))
    assert isinstance(found, ReasonCode) or found.to_bytes() == data
