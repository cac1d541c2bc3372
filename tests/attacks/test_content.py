# SPDX-License-Identifier: Apache-2.0
"""Attack group B inside a true signature: what the record says is wrong, everything around it is right.

Each gets a signed rejection with its reason, leaves no record, and costs no time to speak of.
"""

import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from globe_node.consultations.drafting.drafts import DraftAttachment
from globe_node.errors import NodeError
from protocol import canonical
from protocol.audit.events import EventKind
from protocol.errors import LocalProtocolError, ReasonCode
from tests.simulation.loop import run_virtual
from tests.support.bodies import lean_request
from tests.support.hostile import RECEIVED, Hostile, Verdict, hash_of, rejected
from tests.support.nodes import A, B, request, town
from tests.support.records import sample_attachment

BAD_JSON, BAD_FIELD = ReasonCode.BAD_JSON, ReasonCode.BAD_FIELD
UNKNOWN_FIELD, TOO_LARGE = ReasonCode.UNKNOWN_FIELD, ReasonCode.TOO_LARGE
Forge = Callable[[bytes], bytes]
FACTS = "A road contract was won with help of a consultant."


def swap(old: str, new: str | bytes) -> Forge:
    """Replace one piece of a record's text by another."""

    def forge(octets: bytes) -> bytes:
        assert octets.count(old.encode()) == 1, old
        return octets.replace(old.encode(), new if isinstance(new, bytes) else new.encode())

    return forge


def members(**changes: Any) -> Forge:
    """Replace members at the top of a record; what is written is canonical."""

    def forge(octets: bytes) -> bytes:
        return canonical.to_bytes({**canonical.parse_object(octets, len(octets)), **changes})

    return forge


def body(**changes: Any) -> Forge:
    """Replace members of the body."""
    return members(body=lean_request(**changes))


def seq(text: str) -> Forge:
    """Write the number of the record in another way."""
    return swap('"author_seq":1,', f'"author_seq":{text},')


def named(file_name: str) -> Forge:
    """Name an attachment."""
    listed = sample_attachment()
    entry = {
        "id": listed.id,
        "name": file_name,
        "media_type": listed.media_type,
        "size": listed.size,
        "sha256": listed.sha256,
        "language": "",
        "handling": [],
    }
    return members(attachments=[entry])


def attachment(name: str) -> DraftAttachment:
    return DraftAttachment("a1", name, "text/plain", "", b"x")


FORGED: dict[str, tuple[Forge, ReasonCode]] = {
    "B01 a member twice": (swap('"v":1}', '"v":1,"v":1}'), BAD_JSON),
    "B01 a member twice, inside": (swap('"node":"main"', '"node":"main","node":"main"'), BAD_JSON),
    "B01 another author first": (swap('"author":{', '"author":{"authority":"xa-acc",'), BAD_JSON),
    "B02 NaN": (seq("NaN"), BAD_JSON),
    "B02 Infinity": (seq("Infinity"), BAD_JSON),
    "B02 1e999": (seq("1e999"), BAD_JSON),
    "B02 1.0": (seq("1.0"), BAD_JSON),
    "B02 -0": (seq("-0"), BAD_JSON),
    "B02 01": (seq("01"), BAD_JSON),
    "B02 2^53": (seq(str(2**53)), BAD_JSON),
    "B02 5,000 digits": (seq("9" * 5_000), BAD_JSON),
    "B02 0": (members(author_seq=0), BAD_FIELD),
    "B02 -1": (members(author_seq=-1), BAD_FIELD),
    "B03 33 levels": (swap('"seen":{}', '"seen":' + '{"a":' * 32 + "1" + "}" * 32), BAD_JSON),
    "B03 100,000 levels": (swap('"seen":{}', '"seen":' + "[" * 100_000), BAD_JSON),
    "B03 100,000 levels, closed": (swap('"seen":{}', '"seen":' + "[" * 100_000 + "]" * 100_000), BAD_JSON),
    "B03 half a million items": (
        swap('"seen":{}', '"seen":[' + "1," * 10**5 * 5 + "1]"),
        TOO_LARGE,
    ),
    "B03 thirty thousand items": (members(handling=["H1"] * 30_000), BAD_FIELD),
    "B03 three thousand members": (members(seen={f"x{n}": "0" * 64 for n in range(3_000)}), BAD_FIELD),
    "B03 a name of a megabyte": (swap('"seen":{}', '"seen":{"' + "k" * 10**6 + '":1}'), TOO_LARGE),
    "B04 byte order mark": (lambda octets: b"\xef\xbb\xbf" + octets, BAD_JSON),
    "B04 UTF-16": (lambda octets: octets.decode().encode("utf-16"), BAD_JSON),
    "B04 not UTF-8": (swap(FACTS, b"\xff\xfe"), BAD_JSON),
    "B04 overlong": (swap(FACTS, b"\xc0\xaf"), BAD_JSON),
    "B04 a surrogate": (swap(FACTS, b"\xed\xa0\x80"), BAD_JSON),
    "B04 an escaped surrogate": (swap(FACTS, r"\ud800"), BAD_JSON),
    "B04 NUL": (swap(FACTS, b"\x00"), BAD_JSON),
    "B04 an escaped NUL": (swap(FACTS, r"\u0000"), BAD_JSON),
    "B04 octets after it": (lambda octets: octets + b" ", BAD_JSON),
    "B04 another value after it": (lambda octets: octets + b"{}", BAD_JSON),
    "B04 nothing": (lambda _octets: b"", BAD_JSON),
    "B04 an array": (lambda octets: b"[" + octets + b"]", BAD_JSON),
    "B05 a member too many": (members(more=1), UNKNOWN_FIELD),
    "B05 a member too many, in the author": (
        swap('"node":"main"', '"node":"main","role":"x"'),
        UNKNOWN_FIELD,
    ),
    "B05 a member too many, in the body": (body(more=1), UNKNOWN_FIELD),
    "B05 a member too many, deep": (
        body(purpose={"text": "x", "use": "PREPARE_MLA", "more": 1}),
        UNKNOWN_FIELD,
    ),
    "B05 an object for a text": (members(prev={}), BAD_FIELD),
    "B05 text for a number": (members(author_seq="1"), BAD_FIELD),
    "B05 true for 1": (members(author_seq=True), BAD_FIELD),
    "B05 true for version 1": (members(v=True), BAD_FIELD),
    "B05 a number for text": (body(title=1), BAD_FIELD),
    "B05 text for a list": (members(recipients=B), BAD_FIELD),
    "B05 null": (swap('"prev":""', '"prev":null'), BAD_JSON),
    "B06 an extension that says it is critical": (members(critical=["x"], x=1), UNKNOWN_FIELD),
    "B07 a space": (swap('"v":1', '"v": 1'), BAD_JSON),
    "B07 a line feed at the end": (lambda octets: octets + b"\n", BAD_JSON),
    "B07 another order": (lambda octets: b'{"v":1,' + octets.replace(b',"v":1}', b"}")[1:], BAD_JSON),
    "B07 an escape": (swap('"kind":"message"', r'"kind":"messag\u0065"'), BAD_JSON),
    "B07 an escaped solidus": (swap("48(1)(a)", r"48\/1"), BAD_JSON),
    "B09 text that is not composed": (swap(FACTS, unicodedata.normalize("NFD", "\u00e9")), BAD_JSON),
    "B09 a Cyrillic letter in a name": (members(recipients=["x\u0430-ibu"]), BAD_FIELD),
    "B09 full-width letters in a name": (members(recipients=["\uff58b-ibu"]), BAD_FIELD),
    "B09 zero width in an id": (members(in_reply_to="\u200b"), BAD_FIELD),
    "B09 tag characters in a reference": (
        body(case={"reference": "A\U000e0041", "stage": "INVESTIGATION"}),
        BAD_FIELD,
    ),
    "B10 a path": (named("../../etc/x"), BAD_FIELD),
    "B10 an absolute path": (named("/etc/x"), BAD_FIELD),
    "B10 a drive": (named("C:\\x.pdf"), BAD_FIELD),
    "B10 4,000 characters": (named("x" * 4_000), BAD_FIELD),
    "B10 an ending turned round": (named("a.pdf\u202egpj.exe"), BAD_FIELD),
    "B10 a line feed": (named("a\n.pdf"), BAD_FIELD),
    "B10 NUL": (swap('"legal_basis":["', b'"legal_basis":["\x00'), BAD_JSON),
    "B15 an escape sequence in a line": (members(legal_basis=["\x1b[2J"]), BAD_FIELD),
    "B15 a carriage return in a line": (members(legal_basis=["a\rb"]), BAD_FIELD),
    "B15 a line separator in a line": (members(legal_basis=["a\u2028b"]), BAD_FIELD),
    "B19 nobody": (members(recipients=[]), BAD_FIELD),
    "B19 the author": (members(recipients=[A, B]), BAD_FIELD),
    "B19 one twice": (members(recipients=[B, B]), BAD_FIELD),
    "B19 out of order": (members(recipients=["xc-aco", B]), BAD_FIELD),
    "B19 21 of them": (members(recipients=[f"xb-{n:03}" for n in range(20)] + [B]), BAD_FIELD),
    "B19 ten thousand": (members(recipients=[f"xb-{n:05}" for n in range(10_000)]), BAD_FIELD),
    "B20 no zone": (members(created="2026-03-02T09:00:00.000"), BAD_FIELD),
    "B20 another zone": (members(created="2026-03-02T09:00:00.000+14:00"), BAD_FIELD),
    "B20 year 9999": (members(expires="9999-01-01T00:00:00.000Z"), BAD_FIELD),
    "B20 a number": (members(created=10**15), BAD_FIELD),
    "B20 a leap second": (members(created="2026-03-02T08:59:60.000Z"), BAD_FIELD),
    "B20 a day that does not exist": (members(created="2026-02-30T09:00:00.000Z"), BAD_FIELD),
    "B20 other digits": (members(created="2026-03-02T09:00:00.00\u0660Z"), BAD_FIELD),
    "B20 no end": (members(expires="2026-05-02T09:00:00.000Z"), BAD_FIELD),
    "C13 a record of a later version": (members(v=2), ReasonCode.BAD_VERSION),
    "C12 a key id that is none": (swap('"incarnation":"', '"incarnation":"x'), BAD_FIELD),
}


@dataclass
class Outcome:
    """What one node made of all of them, and of a good one in the end."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


@cache
def outcome() -> Outcome:
    found = Outcome()

    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            for name, (forge, _) in FORGED.items():
                record = peer.record()
                octets = peer.envelope(record, data=forge(record.to_bytes()))
                started = time.process_time()
                (found.verdicts[name],) = await peer.post(octets)
                found.seconds[name] = time.process_time() - started
            good = peer.record()
            (found.verdicts["good"],) = await peer.post(peer.envelope(good))
            found.results = [event.result for event in await nodes.entries(B, EventKind.REJECTED)]
            found.opened = [event.msg for event in await nodes.entries(B, EventKind.OPENED)]
            found.warnings = nodes.warnings(B)
            assert found.opened == [good.record_id]

    run_virtual(main())
    return found


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_is_rejected_for_its_reason(name: str) -> None:
    assert outcome().verdicts[name] == rejected(FORGED[name][1])


@pytest.mark.parametrize("name", FORGED)
def test_b08_a_forged_record_costs_no_time_to_speak_of(name: str) -> None:
    assert outcome().seconds[name] < 0.5


def test_every_rejection_is_in_the_audit_log_and_nothing_else_is_taken() -> None:
    assert outcome().results == [code.value for _, code in FORGED.values()]
    assert outcome().verdicts["good"] == RECEIVED
    assert outcome().warnings == []


KEPT = {
    "B09 direction override": "\u202egpj.exe\u202c",
    "B09 isolates": "\u2067abc\u2069",
    "B09 zero width and tags": "a\u200bb\U000e0041",
    "B09 a name of two scripts": "p\u0430ypal",
    "B14 markup": "<script>alert(1)</script>",
    "B14 a link": "javascript:alert(1)",
    "B14 a template": "{{7*7}}${7*7}<%= 7*7 %>",
    "B15 escape sequences": "\x1b[2J\x1b]52;c;AAAA\x07",
    "B15 carriage return": "harmless\rdanger",
    "B15 line separators": "a\u2028b\u2029c\x85d",
    "B13 a formula": "=cmd|' /C calc'!A0",
    "B17 SQL": "'; DROP TABLE record; --",
    "B17 wildcards": "%_* OR 1=1 NEAR(a b)",
    "B18 a decoder's bait": "!!python/object/apply:os.system ['x'] __class__ __proto__ <!DOCTYPE a>",
    "E12 a line of a log": 'x\n{"level":"info","event":"forged"}',
}


@pytest.mark.parametrize("name", KEPT)
def test_what_people_write_is_kept_as_text_and_acts_nowhere(name: str) -> None:
    text = KEPT[name]

    async def main() -> None:
        async with town(B) as nodes:
            peer = Hostile(nodes, A)
            record = peer.record(body=lean_request(facts={"text": text, "language": "en"}, note=text))
            assert await peer.post(peer.envelope(record)) == [RECEIVED]
            (shown,) = (await nodes.show(B, record.consultation)).records
            assert shown.body["note"] == text
            assert all(line.startswith("{") for line in nodes.logs[B].getvalue().splitlines())
            assert text not in nodes.logs[B].getvalue()
            assert [event.digest for event in await nodes.entries(B, EventKind.OPENED)] == [hash_of(record)]

    run_virtual(main())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"note": "e\u0301"}, id="B09 not composed"),
        pytest.param({"note": "a\ud800"}, id="B04 a surrogate"),
        pytest.param({"note": "a\0"}, id="B04 NUL"),
        pytest.param({"title": "a\rb"}, id="B15 a line that is none"),
        pytest.param({"more": 1}, id="B05 a member too many"),
        pytest.param({"title": 1}, id="B05 another type"),
        pytest.param({"note": 1.5}, id="B02 a fraction"),
        pytest.param({"note": 2**53}, id="B02 a large number"),
        pytest.param({"note": None}, id="null"),
        pytest.param({"recipients": tuple(f"xb-{n:03}" for n in range(21))}, id="B19 21 recipients"),
        pytest.param({"recipients": ("X B",)}, id="B09 no name"),
        pytest.param({"note": "x" * 20_001}, id="too long"),
        pytest.param({"legal_basis": ("x" * 300,) * 101}, id="too many lines"),
        pytest.param({"attachments": (attachment("../x"),)}, id="B10 a path"),
        pytest.param({"attachments": (attachment("a.pdf\u202egpj.exe"),)}, id="B10 an ending turned round"),
        pytest.param({"attachments": (attachment("x" * 300),)}, id="B10 a long name"),
    ],
)
def test_f49_what_others_would_refuse_is_never_queued_and_says_why(changes: dict[str, Any]) -> None:
    async def main() -> None:
        async with town(A) as nodes:
            (outcome,) = await nodes.nodes[A].desk.submit_many([request(**changes)])
            assert isinstance(outcome, LocalProtocolError | NodeError)
            assert outcome.code in (BAD_FIELD, UNKNOWN_FIELD, BAD_JSON, ReasonCode.UNKNOWN_AUTHORITY)
            assert str(outcome)
            assert await nodes.waiting(A) == 0
            assert await nodes.entries(A, EventKind.SUBMITTED) == []

    run_virtual(main())
