# SPDX-License-Identifier: Apache-2.0
"""Notes and verifier keys: against the reference implementation's cases, and strict where it is lenient."""

from base64 import b64decode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.tlog.note import (
    MAX_SIGNATURES,
    KeyKind,
    NoteSignature,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    sign_note,
    signed_note,
    verifier_key,
    verify_note,
)
from tests.support.vectors import vector_json, vector_path

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
LINE = NoteSignature("example.com/log", b"abcd", b"signature")


@pytest.mark.vectors
def test_the_cases_of_the_reference() -> None:
    vectors = vector_json("translog/golang-note/note.json")
    assert len(vectors["open"]) == 6
    for case in vectors["open"]:
        known = [parse_verifier_key(vectors["vkeys"][name]) for name in case["known"]]
        if case.get("error"):  # among them one of 101 signatures: a bound of ours too, and 16 pass (below)
            with pytest.raises(RemoteProtocolError):
                verify_note(case["note"].encode(), known)
            continue
        text, signed = verify_note(case["note"].encode(), known)
        assert case["note"].startswith(text)
        assert [key.name for key in signed] == case["verified"], case
        note = parse_note(case["note"].encode())
        assert {line.name for line in note.signatures} == {*case["verified"], *case["unverified"]}
        assert note.to_bytes() == case["note"].encode()


class Peter:
    """The public test key of the reference: name, kind and seed stand in its text form."""

    def __init__(self, text: str) -> None:
        self.key = SigningKey(b64decode(text.split("+", 4)[4])[1:])

    @property
    def ed25519_public_key(self) -> bytes:
        return bytes(self.key.verify_key)

    def sign_ed25519(self, message: bytes) -> bytes:
        return self.key.sign(message).signature


@pytest.mark.vectors
def test_we_sign_as_the_reference_does() -> None:
    vectors = vector_json("translog/golang-note/note.json")
    peter, case = Peter(vectors["skey_peter"]), vectors["open"][0]
    theirs = parse_note(case["note"].encode())
    ours = sign_note(theirs.text, "PeterNeumann", peter)
    assert ours.signatures == theirs.signatures[:1]
    assert ours.with_signatures(theirs.signatures) == theirs
    assert verify_note(ours.to_bytes(), [parse_verifier_key(PETER)])[0] == theirs.text


@pytest.mark.vectors
def test_the_example_of_the_specification() -> None:
    example = vector_json("translog/c2sp/signed-note-example.json")
    text, signed = verify_note(example["note"].encode(), [parse_verifier_key(example["vkey"])])
    assert [key.name for key in signed] == ["example.com/foo"]
    assert text == "This is an example message.\n"


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("place", "good", "unknown"),
    [
        ("omniwitness-logs.yaml", 9, 5),
        ("witness-network/testing/log-list.1", 9, 0),
        ("witness-network/staging/log-list-10qps-4klogs.1", 1, 0),
        ("witness-network/staging/log-list-100qps-40klogs.1", 13, 0),
    ],
)
def test_keys_of_real_logs(place: str, good: int, unknown: int) -> None:
    words = vector_path(f"translog/real-logs/{place}").read_text("utf-8").split()
    texts = [text for before, text in pairwise(words) if before in ("vkey", "PublicKey:")]
    assert len(texts) == good + unknown
    others = 0
    for text in texts:
        try:
            key = parse_verifier_key(text)
        except UnsupportedVersionError:  # ECDSA
            others += 1
            continue
        assert key.kind is KeyKind.ED25519
        assert key.to_text() == text
    assert others == unknown


@pytest.mark.vectors
def test_verifier_keys_from_outside() -> None:
    vectors = vector_json("translog/formats/vkeys.json")
    for case in vectors["valid"]:
        if case["type"] in (1, 4, 6):
            assert parse_verifier_key(case["vkey"]).to_text() == case["vkey"]
        else:
            with pytest.raises(UnsupportedVersionError):
                parse_verifier_key(case["vkey"])
    bad = vector_json("translog/golang-note/note.json")["bad_vkeys"]
    for text in [*vectors["invalid"], *bad, vectors["upstream_quirk"]["vkey"]]:
        with pytest.raises(RemoteProtocolError):
            parse_verifier_key(text)
    mldsa = vector_json("translog/torchwood/mldsa44-checkpoint.json")["vkey"]
    assert parse_verifier_key(mldsa).kind is KeyKind.MLDSA44_COSIGNATURE


def test_no_part_of_a_verifier_key_passes_for_it() -> None:
    for start in range(len(PETER)):
        for end in range(start, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                with pytest.raises(RemoteProtocolError):
                    parse_verifier_key(PETER[start:end])
    for place in range(len(PETER)):
        changed = PETER[:place] + chr(ord(PETER[place]) + 1) + PETER[place + 1 :]
        with pytest.raises(RemoteProtocolError):
            parse_verifier_key(changed)


@given(st.text(max_size=80))
def test_any_text_is_a_verifier_key_or_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_verifier_key(text)


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_a_note_or_malformed(data: bytes) -> None:
    try:
        note = parse_note(data)
    except MalformedError:
        return
    assert note.to_bytes() == data


@given(
    st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20), min_size=1, max_size=5),
    st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=16),
)
def test_notes_come_back(lines: list[str], signatures: list[bytes]) -> None:
    text = "\n".join(lines) + "\n"
    note = signed_note(text, [NoteSignature("a.example/x", b"keyi", data) for data in signatures])
    assert parse_note(note.to_bytes()) == note


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        "text\n\n— a YWJjZHM=".encode(),
        "text\r\n\n— a YWJjZHM=\n".encode(),
        "te\x00xt\n\n— a YWJjZHM=\n".encode(),
        "text\n— a YWJjZHM=\n".encode(),
        b"text\n\n- a YWJjZHM=\n",
        "text\n\n—a YWJjZHM=\n".encode(),
        "text\n\n— a  YWJjZHM=\n".encode(),
        "text\n\n— a YWJjZHM= \n".encode(),
        "text\n\n— a+b YWJjZHM=\n".encode(),
        "text\n\n— a\u00a0b YWJjZHM=\n".encode(),
        "text\n\n— a YWJjZHM\n".encode(),
        "text\n\n— a YWJjZHN=\n".encode(),
        "text\n\n— a YWJjZA==\n".encode(),
        "text\n\n— a YWJjZHM=\nmore\n".encode(),
        "text\n\n— a YWJj-_M=\n".encode(),
        b"text\xff\n\n\xe2\x80\x94 a YWJjZHM=\n",
    ],
)
def test_what_is_almost_a_note_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_note(data)


def test_sixteen_signatures_pass_and_a_thousand_do_not() -> None:
    assert len(parse_note(signed_note("t\n", [LINE] * 16).to_bytes()).signatures) == 16
    for data in (signed_note("t\n", [LINE] * (MAX_SIGNATURES + 1)).to_bytes(), b"x" * 300_000):
        with pytest.raises(MalformedError) as caught:
            parse_note(data)
        assert caught.value.code is ReasonCode.TOO_LARGE


def test_lines_alone_are_read_as_in_a_note() -> None:
    assert parse_signatures(LINE.to_text() * 2) == (LINE, LINE)
    for text in ("", "\n", LINE.to_text().rstrip("\n"), LINE.to_text() + "\n", "text\n\n" + LINE.to_text()):
        with pytest.raises(MalformedError):
            parse_signatures(text)


def test_lines_are_added_once_and_within_bounds() -> None:
    note = signed_note("t\n", [LINE])
    assert note.with_signatures([LINE]) == note
    other = NoteSignature("b.example", b"efgh", b"signature")
    assert note.with_signatures([other, LINE]).signatures == (LINE, other)
    many = [NoteSignature(f"b.example/{number}", b"efgh", b"x") for number in range(MAX_SIGNATURES)]
    with pytest.raises(LocalProtocolError):
        note.with_signatures(many)


def test_a_plain_note_is_not_verified_under_a_key_for_checkpoints() -> None:
    key = verifier_key("a", KeyKind.ED25519_COSIGNATURE, parse_verifier_key(PETER).public_key)
    with pytest.raises(LocalProtocolError):
        verify_note(signed_note("t\n", [LINE]).to_bytes(), [key])


def test_what_can_not_be_a_note_is_not_signed() -> None:
    for text in ("", "no newline", "bell\x07\n"):
        with pytest.raises(LocalProtocolError):
            signed_note(text, [LINE])
    with pytest.raises(LocalProtocolError):
        signed_note("t\n", [])


def test_keys_that_can_not_be_admitted() -> None:
    with pytest.raises(UntrustedError):
        verifier_key("a", KeyKind.ED25519, bytes(32))
    for name, size in (("a+b", 32), ("", 32), ("a b", 32), ("a", 31)):
        with pytest.raises(MalformedError):
            verifier_key(name, KeyKind.ED25519, b"\x01" * size)
