# SPDX-License-Identifier: Apache-2.0
"""The evidence record: one written form, every rule refused on both sides, attachments bound."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import canonical, limits
from protocol.codes.message_types import MessageType
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import AuthorityId, DirectoryView
from protocol.record import (
    Record,
    SignedRecord,
    parse_record,
    parse_signed_record,
    record_hash,
)
from tests.support.records import (
    EXTRACT,
    NOW,
    SAMPLE_A,
    SAMPLE_B,
    sample_attachment,
    sample_author,
    sample_digest,
    sample_id,
    sample_record,
)
from tests.support.refusals import refused, value_or_reason

BIDI, TAG = "\u202e", "\U000e0041"


def as_json(record: Record) -> dict[str, Any]:
    value = canonical.parse(record.to_bytes(), limits.MAX_RECORD_BYTES)
    assert isinstance(value, dict)
    return value


def test_a_record_reads_back_as_it_was_written() -> None:
    record = sample_record()
    data = record.to_bytes()
    assert parse_record(data) == record
    assert parse_record(data).to_bytes() == data
    assert len(record_hash(data)) == 64


def test_the_first_record_of_a_chain_has_nothing_before_it() -> None:
    record = sample_record(author_seq=1, prev="", seen={}, in_reply_to="", attachments=(), handling=())
    assert parse_record(record.to_bytes()) == record


@given(
    st.sampled_from(list(MessageType)),
    st.integers(2, limits.MAX_SAFE_INTEGER),
    st.dictionaries(
        st.sampled_from(["text", "x"]), st.text("abc\u0439\u0e01\u05d0", max_size=50), max_size=2
    ),
    st.lists(st.sampled_from(["xb-aca", "xc-fiu", "xd"]), min_size=1, unique=True).map(sorted),
)
def test_round_trip(kind: MessageType, seq: int, body: dict[str, str], recipients: list[str]) -> None:
    record = sample_record(type=kind, author_seq=seq, body=body, recipients=tuple(recipients))
    assert parse_record(record.to_bytes()) == record


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_listed_reason(data: bytes) -> None:
    assert isinstance(value_or_reason(lambda: parse_record(data)), Record | ReasonCode)
    assert isinstance(value_or_reason(lambda: parse_signed_record(data)), SignedRecord | ReasonCode)


JUNK = st.sampled_from([0, 1, -1, 2**53 - 1, True, False, "", "x", "1", [], ["x"], [["x"]], {}, {"a": 1}])


@given(st.data())
def test_any_change_of_a_member_is_a_record_or_a_listed_reason(data: st.DataObject) -> None:
    value = as_json(sample_record())
    path = data.draw(st.sampled_from([(), ("author",), ("directory",), ("seen",), ("attachments", 0)]))
    place: Any = value
    for step in path:
        place = place[step]
    name = data.draw(st.sampled_from([*place, "extra"]))
    if data.draw(st.booleans()) and name in place:
        del place[name]
    else:
        place[name] = data.draw(JUNK)
    result = value_or_reason(lambda: parse_record(canonical.to_bytes(value)))
    if isinstance(result, ReasonCode):
        assert result in {
            ReasonCode.BAD_FIELD,
            ReasonCode.UNKNOWN_FIELD,
            ReasonCode.BAD_VERSION,
            ReasonCode.TOO_LARGE,
        }
    else:
        assert result.to_bytes() == canonical.to_bytes(value)


def many(count: int) -> tuple[str, ...]:
    return tuple(f"x{number:03d}" for number in range(count))


WRONG: list[dict[str, Any]] = [
    {"consultation": "not-an-id"},
    {"consultation": sample_id(1).upper()},
    {"record_id": "00000000-0000-4000-8000-000000000000"},
    {"author": sample_author(AuthorityId("XA-ACC"))},
    {"author": sample_author(AuthorityId("x\u0430-acc"))},
    {"author": sample_author(node="node_1")},
    {"author": sample_author(key="A" * 64)},
    {"author": sample_author(incarnation="0" * 15)},
    {"author_seq": 0},
    {"author_seq": 1},
    {"author_seq": 2, "prev": ""},
    {"author_seq": True},
    {"prev": "0" * 63},
    {"seen": {SAMPLE_A: sample_digest(1)}},
    {"seen": {"XB": sample_digest(1)}},
    {"seen": {SAMPLE_B: "0"}},
    {"seen": dict.fromkeys(many(limits.MAX_RECIPIENTS + 1), sample_digest(1))},
    {"recipients": ()},
    {"recipients": (SAMPLE_A,)},
    {"recipients": ("xb-aca", "xb-aca")},
    {"recipients": ("xc-fiu", "xb-aca")},
    {"recipients": many(limits.MAX_RECIPIENTS + 1)},
    {"recipients": ("xb" + TAG,)},
    {"expires": NOW},
    {"expires": NOW - timedelta(seconds=1)},
    {"expires": NOW + timedelta(seconds=limits.MAX_LIFETIME_SECONDS, milliseconds=1)},
    {"in_reply_to": sample_id(2)},
    {"in_reply_to": "x"},
    {"handling": ("H4",)},
    {"handling": ("H2", "H1")},
    {"legal_basis": ("",)},
    {"legal_basis": ("two\nlines",)},
    {"legal_basis": ("x" * (limits.MAX_NAME_CHARACTERS + 1),)},
    {"legal_basis": ("x",) * (limits.MAX_LIST_ITEMS + 1)},
    {"body": "text"},
    {"body": ["text"]},
    {"directory": DirectoryView(-1, sample_digest(1))},
    {"directory": DirectoryView(1, "x")},  # type: ignore[arg-type]  # the point of the test
    {"attachments": (sample_attachment(id="a/1"),)},
    {"attachments": (sample_attachment(), sample_attachment())},
    {"attachments": tuple(sample_attachment(id=f"a{n}", size=0) for n in range(21))},
    {"attachments": (sample_attachment(size=-1),)},
    {"attachments": (sample_attachment(sha256="0"),)},
    {"attachments": (sample_attachment(language="english!"),)},
    {"attachments": (sample_attachment(handling=("H9",)),)},
    *(
        {"attachments": (sample_attachment(media_type=bad),)}
        for bad in ("", "text", "text/plain; a=b", "T/p")
    ),
    *(
        {"attachments": (sample_attachment(name=bad),)}
        for bad in (
            "",
            "  ",
            ".",
            "..",
            "../../etc/x",
            "/etc/passwd",
            "C:\\x",
            "a\nb",
            "a\x1bb",
            "a\x85b",
            "a\u2028b",
            f"a.pdf{BIDI}gpj.exe",
            f"a{TAG}.pdf",
            "a\ufeffb",
            "x" * 201,
        )
    ),
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_value_outside_its_rule_is_refused_on_both_sides(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        sample_record(**changes).to_bytes()
    assert caught.value.code is ReasonCode.BAD_FIELD
    value = as_json(sample_record())
    for name, change in changes.items():
        value[name] = foreign(name, change)
    refused(lambda: parse_record(canonical.to_bytes(value)), ReasonCode.BAD_FIELD)


def foreign(name: str, change: Any) -> Any:
    """Return the value as a careless peer would write it."""
    if isinstance(change, datetime):
        return canonical.moment_text(change)
    if name == "author":
        return {part: getattr(change, part) for part in ("authority", "node", "key", "incarnation")}
    if name == "directory":
        return {"size": change.size, "root": change.root}
    if name == "attachments":
        names = ("id", "name", "media_type", "size", "sha256", "language", "handling")
        return [{part: getattr(entry, part) for part in names} for entry in change]
    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda value: value.update(v=2), ReasonCode.BAD_VERSION),
        (lambda value: value.update(v=True), ReasonCode.BAD_FIELD),
        (lambda value: value.update(v="1"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(kind="receipt"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(type="GREETING"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(type=1), ReasonCode.BAD_FIELD),
        (lambda value: value.update(created="2026-07-01T09:30:00Z"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["author"].update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["directory"].update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value["attachments"][0].update(extra=1), ReasonCode.UNKNOWN_FIELD),
        (lambda value: value.pop("seen"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(recipients="xb-aca"), ReasonCode.BAD_FIELD),
        (lambda value: value.update(recipients=[1]), ReasonCode.BAD_FIELD),
        (lambda value: value.update(attachments={}), ReasonCode.BAD_FIELD),
        (lambda value: value.update(author=[]), ReasonCode.BAD_FIELD),
        (lambda value: value["attachments"][0].update(size=2**20 + 1), ReasonCode.TOO_LARGE),
    ],
)
def test_other_shapes_are_refused(change: Callable[[dict[str, Any]], None], code: ReasonCode) -> None:
    value = as_json(sample_record())
    change(value)
    refused(lambda: parse_record(canonical.to_bytes(value)), code)


def test_a_record_over_its_size_is_refused_on_both_sides() -> None:
    record = sample_record(body={"text": "x" * limits.MAX_RECORD_BYTES})
    with pytest.raises(LocalProtocolError) as caught:
        record.to_bytes()
    assert caught.value.code is ReasonCode.TOO_LARGE
    refused(lambda: parse_record(b"x" * (limits.MAX_RECORD_BYTES + 1)), ReasonCode.TOO_LARGE)


def test_no_content_shows_in_a_repr() -> None:
    record = sample_record(
        body={"note": "secret matter"}, attachments=(sample_attachment(name="secret.pdf"),)
    )
    assert "secret" not in repr(record)
    assert "secret" not in repr(signed(record))


def test_scripts_that_need_joiners_keep_their_file_names() -> None:
    name = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf"
    record = sample_record(attachments=(sample_attachment(name=name),))
    assert parse_record(record.to_bytes()).attachments[0].name == name


def signed(record: Record, *attachments: bytes) -> SignedRecord:
    return SignedRecord(record.to_bytes(), b"signature", attachments or (EXTRACT,), record)


def test_a_signed_record_reads_back_as_it_was_written() -> None:
    wire = signed(sample_record()).to_bytes()
    assert parse_signed_record(wire) == signed(sample_record())
    assert parse_signed_record(wire).to_bytes() == wire


@pytest.mark.parametrize("attachments", [(EXTRACT + b"x",), (EXTRACT, EXTRACT), (b"other " * 6 + b"\n",)])
def test_attachments_other_than_the_listed_are_refused(attachments: tuple[bytes, ...]) -> None:
    altered = signed(sample_record(), *attachments)
    with pytest.raises(LocalProtocolError):
        altered.to_bytes()


def test_an_altered_attachment_on_the_wire_is_refused() -> None:
    wire = bytearray(signed(sample_record()).to_bytes())
    wire[-1] ^= 1
    refused(lambda: parse_signed_record(bytes(wire)), ReasonCode.BAD_CONTENT)


def test_a_missing_attachment_on_the_wire_is_refused() -> None:
    without = replace(signed(sample_record(attachments=())), attachments=())
    with_one = sample_record().to_bytes()
    wire = SignedRecord(with_one, b"s", (), without.content).to_bytes()
    refused(lambda: parse_signed_record(wire), ReasonCode.BAD_CONTENT)


def test_cut_longer_or_newer_wires_are_refused() -> None:
    wire = signed(sample_record()).to_bytes()
    refused(lambda: parse_signed_record(wire[:-1]), ReasonCode.BAD_CONTENT)
    refused(lambda: parse_signed_record(wire + b"x"), ReasonCode.BAD_CONTENT)
    refused(lambda: parse_signed_record(b"\x02" + wire[1:]), ReasonCode.BAD_VERSION)
    refused(lambda: parse_signed_record(b""), ReasonCode.BAD_CONTENT)
    bare = replace(signed(sample_record(attachments=())), attachments=()).to_bytes()
    refused(lambda: parse_signed_record(bare[:-1] + b"\x15"), ReasonCode.BAD_FIELD)
