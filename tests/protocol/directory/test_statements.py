# SPDX-License-Identifier: Apache-2.0
"""Payloads: one written form, closed fields, and a reason for everything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical
from protocol.directory.dsse import parse_signed_statement
from protocol.directory.statements import (
    CompromisedKey,
    Operation,
    PutContact,
    RetireContact,
    Statement,
    StatementType,
    Suspension,
    SuspensionReason,
    Update,
    parse_statement,
)
from protocol.errors import ReasonCode
from protocol.identifiers import AuthorityId, KeyId
from tests.support.clock import START
from tests.support.directory import sample_contact, sample_network
from tests.support.refusals import refused, value_or_reason

NETWORK = sample_network()
ROOT, ADMISSION, UPDATE = (parse_signed_statement(raw).payload for raw in NETWORK.statements[:3])
SUSPENSION = Statement(
    network=NETWORK.fingerprint,
    subject="xa-acc",
    seq=2,
    prev="0" * 64,
    issued=START,
    content=Suspension(by="officers", reason=SuspensionReason.LEFT),
).to_payload()
ALL = {"root": ROOT, "admit": ADMISSION, "update": UPDATE, "suspend": SUSPENSION}
GONE = object()


def changed(payload: bytes, path: str, value: Any) -> bytes:
    """The payload with one member (`content.officers.0.key`) replaced, added or taken out (GONE)."""
    top = json.loads(payload)
    at: Any = top
    *way, last = path.split(".")
    for name in way:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if value is GONE:
        del at[last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return canonical.to_bytes(top)


@pytest.mark.parametrize("payload", ALL.values(), ids=list(ALL))
def test_payload_and_value_are_inverse(payload: bytes) -> None:
    assert parse_statement(payload).to_payload() == payload


def test_chains_and_what_is_restrictive() -> None:
    root, admission, update, suspension = (parse_statement(payload) for payload in ALL.values())
    assert [statement.chain for statement in (root, admission, update, suspension)] == [
        "@",
        "@xa-acc",
        "xa-acc",
        "@xa-acc",
    ]
    assert [s.is_restrictive for s in (root, admission, update, suspension)] == [False, False, False, True]
    assert [s.kind for s in (root, admission, update, suspension)] == list(StatementType)
    assert root.authority == ""
    assert update.authority == AuthorityId("xa-acc")
    lost = CompromisedKey(key=KeyId("0" * 64), since=START)
    pairs: list[tuple[Operation, ...]] = [
        (lost, RetireContact(id="a")),
        (lost, PutContact(contact=sample_contact())),
    ]
    found = []
    for ops in pairs:
        content = Update(ops=ops)
        found.append(Statement("", "xa-acc", 1, "", START, content).is_restrictive)
    assert found == [True, False]


COMMON = [
    ("more", 1, ReasonCode.UNKNOWN_FIELD),
    ("_type", GONE, ReasonCode.BAD_FIELD),
    ("_type", 7, ReasonCode.BAD_FIELD),
    ("_type", "anp1:root/2", ReasonCode.BAD_VERSION),
    ("_type", "anp1:state/1", ReasonCode.BAD_VERSION),
    ("network", 7, ReasonCode.BAD_FIELD),
    ("network", "x", ReasonCode.BAD_FIELD),
    ("subject", "", ReasonCode.BAD_FIELD),
    ("subject", "XA", ReasonCode.BAD_FIELD),
    ("subject", ["xa-acc"], ReasonCode.BAD_FIELD),
    ("seq", 0, ReasonCode.DIR_CHAIN),
    ("seq", -1, ReasonCode.DIR_CHAIN),
    ("seq", True, ReasonCode.DIR_CHAIN),
    ("seq", "1", ReasonCode.DIR_CHAIN),
    ("issued", "2026-03-02", ReasonCode.BAD_FIELD),
    ("issued", "2026-03-02T09:00:00Z", ReasonCode.BAD_FIELD),
    ("issued", "2026-03-02T09:00:00.000+00:00", ReasonCode.BAD_FIELD),
    ("issued", 1, ReasonCode.BAD_FIELD),
    ("prev", 5, ReasonCode.BAD_FIELD),
    ("content", [], ReasonCode.BAD_FIELD),
    ("content", "", ReasonCode.BAD_FIELD),
    ("content", {}, ReasonCode.BAD_FIELD),
    ("content.more", 1, ReasonCode.UNKNOWN_FIELD),
]


@pytest.mark.parametrize("payload", ALL.values(), ids=list(ALL))
@pytest.mark.parametrize(("path", "value", "code"), COMMON)
def test_members_that_all_have(payload: bytes, path: str, value: Any, code: ReasonCode) -> None:
    refused(lambda: parse_statement(changed(payload, path, value)), code)


@pytest.mark.parametrize(
    ("payload", "path", "value", "code"),
    [
        (ROOT, "seq", 2, ReasonCode.DIR_CHAIN),
        (ROOT, "network", "0" * 64, ReasonCode.BAD_FIELD),
        (ROOT, "subject", "xa-acc", ReasonCode.BAD_FIELD),
        (ROOT, "content.thresholds.root", 0, ReasonCode.DIR_THRESHOLD),
        (ROOT, "content.thresholds.admit", -1, ReasonCode.DIR_THRESHOLD),
        (ROOT, "content.thresholds.suspend", 4, ReasonCode.DIR_THRESHOLD),
        (ROOT, "content.thresholds.suspend", True, ReasonCode.BAD_FIELD),
        (ROOT, "content.thresholds.suspend", "1", ReasonCode.BAD_FIELD),
        (ROOT, "content.thresholds.more", 1, ReasonCode.UNKNOWN_FIELD),
        (ROOT, "content.officers", [], ReasonCode.BAD_FIELD),
        (ROOT, "content.officers.0.key", "AA", ReasonCode.BAD_FIELD),
        (ROOT, "content.officers.0.key", 1, ReasonCode.BAD_FIELD),
        (ROOT, "content.sample", 1, ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", " x", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "a\nb", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "a\u202eb", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "a\u200bb", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "a\U000e0041b", ReasonCode.BAD_FIELD),
        (ROOT, "content.name", "a" * 301, ReasonCode.BAD_FIELD),
        (ADMISSION, "network", "", ReasonCode.BAD_FIELD),
        (ADMISSION, "subject", "@", ReasonCode.BAD_FIELD),
        (ADMISSION, "prev", "0" * 64, ReasonCode.DIR_CHAIN),
        (ADMISSION, "seq", 2, ReasonCode.DIR_CHAIN),
        (ADMISSION, "content.country", "xa", ReasonCode.BAD_FIELD),
        (ADMISSION, "content.country", "XAB", ReasonCode.BAD_FIELD),
        (ADMISSION, "content.kind", "NONE", ReasonCode.BAD_FIELD),
        (ADMISSION, "content.names", {}, ReasonCode.BAD_FIELD),
        (ADMISSION, "content.names", {"EN": "x"}, ReasonCode.BAD_FIELD),
        (ADMISSION, "content.names", {"en": 1}, ReasonCode.BAD_FIELD),
        (ADMISSION, "content.names", [], ReasonCode.BAD_FIELD),
        (ADMISSION, "content.proof", GONE, ReasonCode.BAD_FIELD),
        (ADMISSION, "content.not_after", "2026-03-02T09:00:00.000Z", ReasonCode.BAD_FIELD),
        (ADMISSION, "content.not_after", "2020-03-02T09:00:00.000Z", ReasonCode.BAD_FIELD),
        (ADMISSION, "content.not_after", "2027-04-03T09:00:00.001Z", ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops", [], ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops", {}, ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops.0.op", "key.steal", ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops.0.op", GONE, ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops.0.more", 1, ReasonCode.UNKNOWN_FIELD),
        (UPDATE, "content.ops.0.contact.more", 1, ReasonCode.UNKNOWN_FIELD),
        (UPDATE, "content.ops.1.proof", "!", ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops.2.node", "No", ReasonCode.BAD_FIELD),
        (UPDATE, "content.ops.2.url", "x" * 301, ReasonCode.BAD_FIELD),
        (SUSPENSION, "content.by", "peers", ReasonCode.BAD_FIELD),
        (SUSPENSION, "content.reason", "because", ReasonCode.BAD_FIELD),
        (SUSPENSION, "prev", "", ReasonCode.DIR_CHAIN),
        (SUSPENSION, "prev", "x", ReasonCode.BAD_FIELD),
    ],
)
def test_members_of_each_kind(payload: bytes, path: str, value: Any, code: ReasonCode) -> None:
    refused(lambda: parse_statement(changed(payload, path, value)), code)


def test_thirteen_months_are_the_longest_admission() -> None:
    parse_statement(changed(ADMISSION, "content.not_after", "2027-04-03T09:00:00.000Z"))


def test_an_officer_twice_is_refused() -> None:
    first = json.loads(ROOT)["content"]["officers"][0]
    refused(lambda: parse_statement(changed(ROOT, "content.officers.1", first)), ReasonCode.DIR_THRESHOLD)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_reason(data: bytes) -> None:
    value_or_reason(lambda: parse_statement(data))


JSON = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.text("a@\u202e1-", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abop", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = {
    "root": ["content", "content.officers", "content.officers.0", "content.thresholds", "content.name"],
    "admit": ["content", "content.names", "content.kind", "content.not_after", "subject"],
    "update": ["content.ops", "content.ops.0", "content.ops.0.contact", "content.ops.1.key", "seq"],
    "suspend": ["content", "content.by", "network", "prev", "issued"],
}


@given(st.data())
def test_any_value_in_any_place_gives_a_value_or_a_reason(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(ALL)))
    path = data.draw(st.sampled_from(PATHS[name]))
    payload = changed(ALL[name], path, data.draw(JSON))
    value = value_or_reason(lambda: parse_statement(payload))
    if isinstance(value, Statement):
        assert value.to_payload() == payload


def test_error_texts_do_not_quote_what_was_read() -> None:
    payload = changed(ROOT, "content.name", "secret\nname")
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- its type is not the question here
        parse_statement(payload)
    assert "secret" not in str(caught.value)
