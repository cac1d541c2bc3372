# SPDX-License-Identifier: Apache-2.0
"""What nodes sign about groups: whose key it must be, and when that key may say it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import JSONValue
from protocol.directory.replay import DirectoryState
from protocol.directory.statements import CompromisedKey, RetireKey
from protocol.errors import LocalProtocolError, ReasonCode, RemoteProtocolError
from protocol.groups.errors import UnknownIssuerError
from protocol.groups.testimony.continued import (
    MAX_CONTINUED_BYTES,
    parse_continued,
    sign_continued,
    verify_continued,
)
from protocol.groups.testimony.control import MAX_CONTROL_BYTES, parse_control, sign_control, verify_control
from protocol.groups.testimony.form import authenticator_hash
from protocol.groups.testimony.hub_receipt import (
    MAX_HUB_RECEIPT_BYTES,
    parse_hub_receipt,
    sign_hub_receipt,
    verify_hub_receipt,
)
from protocol.groups.testimony.joined import MAX_JOINED_BYTES, parse_joined, sign_joined, verify_joined
from protocol.identifiers import AuthorityId, NodeId, NodeName
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer, base64_text
from protocol.receipts import Issuer
from protocol.signing import labels
from tests.support.clock import START
from tests.support.directory import certified_node_keys, sample_network, updated
from tests.support.refusals import refused, value_or_reason
from tests.support.testimonies import continued, control_id, hub_receipt, issuer, joined, nack, resend

Verify = Callable[[bytes, DirectoryState, datetime], object]
STATE = sample_network().state
A, B = certified_node_keys("xa-acc").signing, certified_node_keys("xb-ibu").signing
KINDS: dict[str, tuple[str, Callable[..., Any], Callable[[Signer, Any], bytes], Verify, int]] = {
    "hub receipt": (
        labels.HUB_RECEIPT,
        hub_receipt,
        sign_hub_receipt,
        verify_hub_receipt,
        MAX_HUB_RECEIPT_BYTES,
    ),
    "joined": (labels.JOINED, joined, sign_joined, verify_joined, MAX_JOINED_BYTES),
    "continued": (labels.CONTINUED, continued, sign_continued, verify_continued, MAX_CONTINUED_BYTES),
    "nack": (labels.CONTROL, nack, sign_control, verify_control, MAX_CONTROL_BYTES),
    "resend": (labels.CONTROL, resend, sign_control, verify_control, MAX_CONTROL_BYTES),
}
PARSERS = {
    "hub receipt": parse_hub_receipt,
    "joined": parse_joined,
    "continued": parse_continued,
    "nack": parse_control,
}
every_kind = pytest.mark.parametrize("name", KINDS)


def made(name: str, **changes: Any) -> tuple[bytes, Any]:
    """A signed object by node `main` of xb-ibu, and its value."""
    _, make, sign, _, _ = KINDS[name]
    value = make(issuer=issuer("xb-ibu"), **changes)
    return sign(B, value), value


def resigned(name: str, changes: dict[str, JSONValue], label: str = "", signer: Signer = B) -> bytes:
    """Change members of a body and sign whatever came of it."""
    reader = Reader(made(name)[0])
    reader.u8()
    body = canonical.to_bytes({**canonical.parse_object(reader.op(40_000), 40_000), **changes})
    return Writer().u8(1).op(body).op(signer.sign(label or KINDS[name][0], body)).to_bytes()


def founded_by(authority: str, node: str = "main") -> dict[str, JSONValue]:
    """What a continued statement says of a group that this node has founded."""
    hub = NodeName(AuthorityId(authority), NodeId(node))
    extension = replace(
        continued().extension, hub=hub, roster=tuple(sorted({hub.authority, AuthorityId("xd-oip")}))
    )
    return {"extension": base64_text(extension.to_bytes())}


@every_kind
def test_round_trip(name: str) -> None:
    data, value = made(name)
    assert KINDS[name][3](data, STATE, START) == value
    assert str(getattr(value, "hub" if name == "hub receipt" else "name")) == "xb-ibu/main"
    assert len(data) <= KINDS[name][4]


@every_kind
def test_a_retired_key_keeps_its_word_and_a_compromised_one_does_not(name: str) -> None:
    data, value = made(name)
    retired = STATE.apply(updated(STATE, "xb-ibu", RetireKey(key=B.key_id)))
    assert KINDS[name][3](data, retired, START) == value
    compromise = CompromisedKey(key=B.key_id, since=START + timedelta(days=3))
    compromised = STATE.apply(updated(STATE, "xb-ibu", compromise))
    refused(lambda: KINDS[name][3](data, compromised, START), ReasonCode.REFUSED)


@every_kind
def test_made_outside_the_time_of_the_key(name: str) -> None:
    end = STATE.node_with_key(AuthorityId("xb-ibu"), B.key_id).not_after
    data, _ = made(name, created=end)
    refused(lambda: KINDS[name][3](data, STATE, end), ReasonCode.REFUSED)
    data, value = made(name, created=end - timedelta(milliseconds=1))
    assert KINDS[name][3](data, STATE, end + timedelta(days=999)) == value


@every_kind
def test_made_in_the_future(name: str) -> None:
    tolerated, beyond = timedelta(seconds=300), timedelta(seconds=300, milliseconds=1)
    data, value = made(name, created=START + tolerated)
    assert KINDS[name][3](data, STATE, START) == value
    data, _ = made(name, created=START + beyond)
    refused(lambda: KINDS[name][3](data, STATE, START), ReasonCode.NOT_YET_VALID)


@every_kind
def test_a_key_that_the_directory_does_not_list_is_asked_for(name: str) -> None:
    for changes in ({"key": "00" * 32}, {"authority": "xz-none"}, {"authority": "xa-acc"}):
        who: dict[str, JSONValue] = {"authority": "xb-ibu", "node": "main", "key": B.key_id, **changes}
        id_of = {"control_id": control_id(str(who["authority"]))} if name in ("nack", "resend") else {}
        ranges: dict[str, JSONValue] = {"ranges": []} if name == "resend" else {}
        if ranges:
            ranges = {"ranges": [{"authority": "xc-aco", "incarnation": "", "first": 1, "last": 1}]}
        founded = founded_by(str(who["authority"])) if name == "continued" else {}
        data = resigned(name, {"issuer": who, **id_of, **ranges, **founded})
        with pytest.raises(UnknownIssuerError):
            KINDS[name][3](data, STATE, START)


@every_kind
def test_the_key_of_another_node_or_of_nobody_named(name: str) -> None:
    who: dict[str, JSONValue] = {"authority": "xb-ibu", "node": "second", "key": B.key_id}
    founded = founded_by("xb-ibu", "second") if name == "continued" else {}
    another = resigned(name, {"issuer": who, **founded})
    refused(lambda: KINDS[name][3](another, STATE, START), ReasonCode.REFUSED)
    refused(lambda: KINDS[name][3](resigned(name, {}, signer=A), STATE, START), ReasonCode.REFUSED)


@every_kind
def test_a_signature_of_another_label(name: str) -> None:
    for label in labels.ALL - {KINDS[name][0]}:
        refused(partial(KINDS[name][3], resigned(name, {}, label), STATE, START), ReasonCode.REFUSED)
    KINDS[name][3](resigned(name, {}), STATE, START)


@every_kind
def test_only_the_issuer_signs(name: str) -> None:
    _, make, sign, _, _ = KINDS[name]
    with pytest.raises(LocalProtocolError):
        sign(A, make(issuer=issuer("xb-ibu")))


@every_kind
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"extra": 1}, ReasonCode.UNKNOWN_FIELD),
        ({"v": 2}, ReasonCode.BAD_VERSION),
        ({"group": "00" * 31}, ReasonCode.BAD_FIELD),
        ({"group": "AB" * 32}, ReasonCode.BAD_FIELD),
        ({"created": "2026-03-02T09:00:00Z"}, ReasonCode.BAD_FIELD),
        ({"issuer": "xb-ibu/main"}, ReasonCode.BAD_FIELD),
        ({"issuer": {"authority": "xb-ibu", "node": "main"}}, ReasonCode.BAD_FIELD),
        ({"issuer": {"authority": "xb-ibu", "node": "main", "key": "x"}}, ReasonCode.BAD_FIELD),
        (
            {"issuer": {"authority": "xb-ibu", "node": "main", "key": "00" * 32, "x": ""}},
            ReasonCode.UNKNOWN_FIELD,
        ),
    ],
)
def test_a_common_member_outside_its_rule(name: str, changes: dict[str, JSONValue], code: ReasonCode) -> None:
    refused(lambda: KINDS[name][3](resigned(name, changes), STATE, START), code)


@every_kind
@given(data=st.data())
def test_every_changed_bit_is_refused(name: str, data: st.DataObject) -> None:
    octets = bytearray(SIGNED[name])
    bit = data.draw(st.integers(0, len(octets) * 8 - 1))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RemoteProtocolError):
        KINDS[name][3](bytes(octets), STATE, START)


SIGNED = {name: made(name)[0] for name in KINDS}


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: PARSERS[name](data)), ReasonCode)


def test_an_epoch_is_compared_by_a_hash() -> None:
    assert authenticator_hash(b"secret") == sha256(b"secret").hexdigest()


def test_an_issuer_is_the_one_of_receipts() -> None:
    who = issuer("xb-ibu")
    assert who == Issuer(AuthorityId("xb-ibu"), NodeId("main"), B.key_id)
