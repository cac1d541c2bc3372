# SPDX-License-Identifier: Apache-2.0
"""Witnesses: the sequence that another implementation is tested with, each status, and the log's side."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.log_key import LogKey
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UntrustedError,
)
from protocol.octets import base64_text
from protocol.tlog import merkle, witness
from protocol.tlog.checkpoint import Checkpoint
from protocol.tlog.cosignature import (
    cosign,
    log_keys,
    sign_checkpoint,
    verify_checkpoint,
    verify_lines,
    witness_keys,
)
from protocol.tlog.note import (
    MAX_NOTE_BYTES,
    KeyKind,
    Note,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    signed_note,
    verifier_key,
)
from protocol.tlog.witness import (
    CheckpointRequest,
    Cosigned,
    Declined,
    OutOfStep,
    Seen,
    Verdict,
    WitnessAnswer,
    checkpoint_path,
    judge,
    parse_answer,
    parse_request,
    request_for,
)
from tests.support.trees import PlainTree, numbered_leaves
from tests.support.vectors import vector_json, vector_path
from tests.support.witnesses import AT, ORIGIN, keys_of, log_key

NAME, KEY = "w1.example", log_key("witness w1")
KEYS = keys_of("w1")
LOG_KEYS = log_keys(ORIGIN, log_key())
TREE = PlainTree(numbered_leaves(40))


@dataclass
class Witness:
    """A witness that forgets nothing and has a clock of its own."""

    logs: dict[str, list[VerifierKey]]
    seen: dict[str, Seen] = field(default_factory=dict)
    now: int = AT
    last: Verdict | None = None

    def add_checkpoint(self, body: bytes) -> WitnessAnswer:
        verdict = judge(
            body,
            log_keys=lambda origin: self.logs.get(origin, []),
            seen=self.seen.get,
            at_seconds=self.now,
        )
        self.last = verdict
        if verdict.answer is not None:
            return verdict.answer
        assert verdict.checkpoint is not None
        assert verdict.becomes is not None
        checkpoint = verdict.checkpoint
        self.seen[checkpoint.origin] = verdict.becomes
        answer, note = witness.cosigned(verdict, NAME, KEY)
        known = self.logs[checkpoint.origin]
        assert (
            verify_checkpoint(note.to_bytes(), known, witnesses=KEYS, required=KEYS[:1]).checkpoint
            == checkpoint
        )
        self.now += 1
        return answer


def ours() -> Witness:
    return Witness({ORIGIN: list(LOG_KEYS)})


def signed(size: int, root: bytes | None = None, origin: str = ORIGIN, key: LogKey | None = None) -> Note:
    checkpoint = Checkpoint(origin, size, TREE.root(size) if root is None else root)
    return sign_checkpoint(checkpoint, key or log_key())


def asked(size: int, old: int = 0) -> bytes:
    return request_for(signed(size), old, TREE).to_bytes()


def after(size: int) -> Witness:
    found = ours()
    assert found.add_checkpoint(asked(size)).status == 200
    return found


@pytest.mark.vectors
def test_the_sequence_of_another_implementation() -> None:
    """Its third step, an unknown origin, was 403 in the text of that time; C2SP says 404 today."""
    case = vector_json("translog/torchwood/add-checkpoint-sequence.json")
    raw = bytes.fromhex(case["sigsum_log_public_key_hex"])
    found = Witness({case["origin"]: [verifier_key(case["origin"], KeyKind.ED25519, raw)]})
    answers = [found.add_checkpoint(step["request"].encode()) for step in case["steps"]]
    expected = [step["status"] for step in case["steps"]]
    assert expected[2] == 403
    expected[2] = 404
    assert [answer.status for answer in answers] == expected
    for step, answer in zip(case["steps"], answers, strict=True):
        if step["status"] == 409:
            assert answer.content_type == "text/x.tlog.size"
            assert repr(answer.body.decode())[1:-1] in step["assert"]
        elif step["status"] == 200:
            assert answer.body.startswith(f"— {NAME} ".encode())


@pytest.mark.vectors
def test_a_real_log_whose_key_has_another_name_than_its_origin() -> None:
    case = vector_json("translog/torchwood/add-checkpoint-sumdb.json")
    found = Witness({case["origin"]: [parse_verifier_key(case["vkey"])]})
    for step in case["steps"]:
        assert found.add_checkpoint(step["request"].encode()).status == step["status"]


def test_a_log_grows_under_a_witness() -> None:
    found, old = ours(), 0
    for size in (0, 0, 1, 7, 7, 8, 40):
        answer = found.add_checkpoint(asked(size, old))
        assert answer.status == 200
        read = parse_answer(
            answer.status,
            answer.content_type,
            answer.body,
            checkpoint=Checkpoint(ORIGIN, size, TREE.root(size)),
            witness=KEYS,
        )
        assert isinstance(read, Cosigned)
        assert [item.key for item in read.by_witness] == list(KEYS)
        old = size


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=8))
def test_no_sequence_of_requests_gets_two_views_cosigned(steps: list[tuple[int, int, bool]]) -> None:
    """A hostile log signs another tree, too; whatever was cosigned is one tree that only grew."""
    other = PlainTree([*TREE.leaves[:3], *numbered_leaves(80)[43:]])
    found, cosigned = ours(), list[tuple[int, bytes]]()
    for size, old, is_other in steps:
        tree = other if is_other else TREE
        note = signed(size, tree.root(size))
        body = request_for(note, min(old, size), tree).to_bytes()
        if found.add_checkpoint(body).status == 200:
            cosigned.append((size, tree.root(size)))
    assert cosigned == sorted(cosigned, key=lambda item: item[0])
    assert any(all(root == tree.root(size) for size, root in cosigned) for tree in (TREE, other))


def changed_line(data: bytes) -> bytes:
    """Change the signature of the last line; it stays base64 in its one form."""
    at = data.rindex(b"=\n") - 10
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


def restated(size: int, **parts: Any) -> bytes:
    request = parse_request(asked(size, parts.pop("from_size", 8)))
    return replace(request, **parts).to_bytes()


GOOD = asked(20, 8)
REQUEST = parse_request(GOOD)


@pytest.mark.parametrize(
    ("body", "status", "keep"),
    [
        (b"", 400, False),
        (b"old 8\n", 400, False),
        (GOOD.replace(b"old 8", b"old 08", 1), 400, False),
        (GOOD.replace(b"old 8", b"old  8", 1), 400, False),
        (GOOD.replace(b"old 8", b"old -8", 1), 400, False),
        (GOOD.replace(b"old 8", b"old 9223372036854775808", 1), 400, False),
        (GOOD.replace(b"old 8", b"new 8", 1), 400, False),
        (GOOD.replace(b"old 8", "old \u0668".encode(), 1), 400, False),
        (GOOD.replace(b"=\n", b"\n", 1), 400, False),
        (GOOD.replace(b"old 8\n", b"old 8\n" + b"A" * 43 + b"=\n" + b"A" * 43 + b"B\n", 1), 400, False),
        (b"old 8\n" + (base64_text(bytes(32)).encode() + b"\n") * 64 + b"\n" + REQUEST.note, 400, False),
        (GOOD.replace(b"\n20\n", b"\n020\n"), 400, False),
        (GOOD.replace(b"\n20\n", b"\n"), 400, False),
        (GOOD[: GOOD.rindex(b"\n\n")], 400, False),
        (b"old 8\n\n" + bytes(300_000), 400, False),
        (restated(20, old_size=21), 400, False),
        (restated(20, note=signed(20, origin="other.example").to_bytes()), 404, False),
        (restated(20, note=signed(20, key=log_key("thief")).to_bytes()), 403, False),
        (changed_line(GOOD), 403, False),
        (GOOD.replace(b"\n20\n", b"\n21\n"), 403, False),
        (GOOD[:-2] + b"\n", 403, False),
        (GOOD[: GOOD.rindex(b"\n\n") + 2], 403, False),
        (asked(20, 7), 409, False),
        (asked(20, 9), 409, False),
        (asked(20, 0), 409, False),
        (asked(8, 0), 409, False),
        (restated(8, old_size=0, proof=(), note=signed(8, bytes(32)).to_bytes()), 409, True),
        (restated(20, proof=()), 422, True),
        (restated(20, proof=(*REQUEST.proof, bytes(32))), 422, True),
        (restated(20, proof=REQUEST.proof[::-1]), 422, True),
        (restated(20, note=signed(20, bytes(32)).to_bytes()), 422, True),
        (restated(8, note=signed(8, bytes(32)).to_bytes()), 422, True),
        (restated(8, proof=(bytes(32),)), 422, True),
    ],
)
def test_each_status_has_its_reason(body: bytes, status: int, keep: bool) -> None:
    found = after(8)
    before = dict(found.seen)
    answer = found.add_checkpoint(body)
    assert answer.status == status
    assert found.seen == before
    assert found.last is not None
    assert found.last.keep is keep
    if status == 409:
        assert (answer.content_type, answer.body) == ("text/x.tlog.size", b"8\n")
    if keep:
        assert found.last.note is not None
        verify_checkpoint(found.last.note.to_bytes(), LOG_KEYS, required=LOG_KEYS)
    assert found.add_checkpoint(GOOD).status == 200


@pytest.mark.parametrize(
    "body",
    [
        CheckpointRequest(0, (bytes(32),), signed(5).to_bytes()).to_bytes(),
        CheckpointRequest(0, (), signed(0, bytes(32)).to_bytes()).to_bytes(),
    ],
)
def test_from_size_zero_nothing_is_proved_and_the_empty_tree_has_one_root(body: bytes) -> None:
    assert ours().add_checkpoint(body).status == 422


def test_what_is_stored_are_the_lines_of_the_log_alone() -> None:
    stranger = cosign(Checkpoint(ORIGIN, 8, TREE.root(8)), "w2.example", log_key("witness w2"), at_seconds=AT)
    note = signed(8).with_signatures(stranger)
    found = ours()
    assert found.add_checkpoint(CheckpointRequest(0, (), note.to_bytes()).to_bytes()).status == 200
    assert found.last is not None
    assert found.last.note is not None
    assert not found.last.keep
    assert found.last.note.text == note.text
    assert {line.name for line in found.last.note.signatures} == {ORIGIN}


def test_a_clock_that_went_backwards_changes_and_signs_nothing() -> None:
    found = after(8)
    before = dict(found.seen)
    found.now = AT - 1
    with pytest.raises(LocalProtocolError) as caught:
        found.add_checkpoint(GOOD)
    assert caught.value.code is ReasonCode.CLOCK_WRONG
    assert found.seen == before
    assert found.add_checkpoint(asked(20, 7)).status == 409
    found.now = AT
    assert found.add_checkpoint(GOOD).status == 200


@pytest.mark.parametrize("body", [b"", asked(20, 7), restated(20, proof=())])
def test_what_was_not_accepted_is_not_cosigned(body: bytes) -> None:
    refused = judge(body, log_keys=lambda _: LOG_KEYS, seen=after(8).seen.get, at_seconds=AT)
    with pytest.raises(LocalProtocolError):
        witness.cosigned(refused, NAME, KEY)


def test_a_log_with_extension_lines_gets_one_line() -> None:
    key, checkpoint = log_key(), Checkpoint("other.example", 5, TREE.root(5), ("more",))
    known = log_keys("other.example", key)
    text = checkpoint.to_text()
    line = signed(5, origin="other.example").signatures[0]
    note = signed_note(text, [type(line)(line.name, line.key_id, key.sign_ed25519(text.encode()))])
    found = Witness({"other.example": list(known)})
    answer = found.add_checkpoint(CheckpointRequest(0, (), note.to_bytes()).to_bytes())
    assert (answer.status, answer.body.count(b"\n")) == (200, 1)
    with_mldsa = note.with_signatures(signed(5, origin="other.example").signatures[1:])
    assert found.add_checkpoint(CheckpointRequest(5, (), with_mldsa.to_bytes()).to_bytes()).status == 403


@given(
    st.integers(0, merkle.MAX_SIZE), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary()
)
def test_requests_come_back(old: int, proof: list[bytes], note: bytes) -> None:
    request = CheckpointRequest(old, tuple(proof), note)
    assert parse_request(request.to_bytes()) == request


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"old 0\n\n{text}".encode()))
def test_any_bytes_get_a_status(data: bytes) -> None:
    assert ours().add_checkpoint(data).status in (400, 404)


def test_what_no_request_can_say() -> None:
    for bad in (
        CheckpointRequest(-1, (), b""),
        CheckpointRequest(merkle.MAX_SIZE + 1, (), b""),
        CheckpointRequest(1, (bytes(31),), b""),
        CheckpointRequest(1, (bytes(32),) * 64, b""),
    ):
        with pytest.raises(LocalProtocolError):
            bad.to_bytes()
    with pytest.raises(LocalProtocolError) as caught:
        request_for(signed(8), 9, TREE)
    assert caught.value.code is ReasonCode.LOG_FORK


OURS = Checkpoint(ORIGIN, 8, TREE.root(8))
LINES = "".join(line.to_text() for line in cosign(OURS, NAME, KEY, at_seconds=AT)).encode()
STRANGER = "".join(
    line.to_text() for line in cosign(OURS, "w2.example", log_key("witness w2"), at_seconds=AT)
).encode()


def read(status: int, content_type: str, body: bytes) -> Cosigned | OutOfStep | Declined:
    return parse_answer(status, content_type, body, checkpoint=OURS, witness=KEYS)


def test_a_client_reads_each_answer() -> None:
    for body in (LINES, STRANGER + LINES):
        found = read(200, "", body)
        assert isinstance(found, Cosigned)
        assert [(item.key, item.at_seconds) for item in found.by_witness] == [(KEYS[0], AT), (KEYS[1], AT)]
    one = read(200, "text/plain", LINES[: LINES.index(b"\n") + 1])
    assert isinstance(one, Cosigned)
    assert [item.key for item in one.by_witness] == [KEYS[0]]
    for kind in ("text/x.tlog.size", "TEXT/X.TLOG.SIZE; charset=utf-8"):
        assert read(409, kind, b"0\n") == OutOfStep(0)
    assert read(409, "text/plain", b"7\n") == Declined(409)
    for status in (201, 204, 301, 400, 403, 404, 422, 500):
        assert read(status, "text/x.tlog.size", LINES) == Declined(status)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"\n"),
        (200, LINES[:-1]),
        (200, b"\xff" + LINES),
        (200, LINES.replace(b"w1.example", b"w1+example")),
        (200, LINES * 40),
        (200, bytes(300_000)),
        (200, STRANGER),
        (200, LINES.replace(b"w1.example", b"w2.example")),
        (200, changed_line(LINES)),
        (200, "".join(line.to_text() for line in signed(8).signatures).encode()),
        (409, b""),
        (409, b"7"),
        (409, b"07\n"),
        (409, b"-7\n"),
        (409, b"7\n\n"),
        (409, b" 7\n"),
        (409, b"9223372036854775808\n"),
    ],
)
def test_a_client_refuses_what_is_no_answer(status: int, body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(status, "text/x.tlog.size", body)


def test_a_client_refuses_a_line_without_time_or_for_another_checkpoint() -> None:
    text = f"cosignature/v1\ntime 0\n{OURS.to_text()}".encode()
    first = cosign(OURS, NAME, KEY, at_seconds=AT)[0]
    timeless = type(first)(NAME, first.key_id, bytes(8) + KEY.sign_ed25519(text)).to_text().encode()
    other = cosign(Checkpoint(ORIGIN, 9, OURS.root), NAME, KEY, at_seconds=AT)[0].to_text().encode()
    for body in (timeless, other, LINES + other):
        with pytest.raises(UntrustedError):
            read(200, "", body)


@pytest.mark.vectors
def test_where_a_monitor_looks() -> None:
    """The files of another implementation lie there."""
    for place, origin in (("witness", "rome2026h1.example.org"), ("witness2", "milan2026h1.example.org")):
        path = vector_path(f"translog/sunlight/{place}") / checkpoint_path(origin)
        assert path.read_text("utf-8").startswith(f"{origin}\n300\n")


def test_lines_of_an_answer_go_under_the_checkpoint() -> None:
    found = read(200, "", LINES)
    assert isinstance(found, Cosigned)
    note = signed(8).with_signatures([item.line for item in found.by_witness])
    assert parse_note(note.to_bytes()) == note
    verified = verify_checkpoint(note.to_bytes(), LOG_KEYS, witnesses=KEYS, required=(*LOG_KEYS, *KEYS))
    assert verified.by_witnesses == found.by_witness
    assert verify_lines(OURS, note.signatures, ()).by_witnesses == ()
    assert witness_keys(NAME, KEY) == KEYS


def test_bounds() -> None:
    largest = CheckpointRequest(merkle.MAX_SIZE, (bytes(32),) * 63, bytes(MAX_NOTE_BYTES))
    assert parse_request(largest.to_bytes()) == largest
    padded = replace(
        largest, note=bytes(witness.MAX_REQUEST_BYTES - len(replace(largest, note=b"").to_bytes()))
    )
    assert parse_request(padded.to_bytes()) == padded
    with pytest.raises(MalformedError) as caught:
        parse_request(padded.to_bytes() + b"\x00")
    assert caught.value.code is ReasonCode.TOO_LARGE
    with pytest.raises(MalformedError) as caught:
        read(200, "", LINES + bytes(MAX_NOTE_BYTES))
    assert caught.value.code is ReasonCode.TOO_LARGE
    assert read(500, "", bytes(MAX_NOTE_BYTES)) == Declined(500)
    assert read(409, "text/x.tlog.size", b"%d\n" % merkle.MAX_SIZE) == OutOfStep(merkle.MAX_SIZE)
