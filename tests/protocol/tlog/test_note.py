# SPDX-License-Identifier: Apache-2.0
"""Notes and verifier keys: against the reference implementation's cases, and strict where it is lenient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.signing import ed25519
from protocol.tlog.note import (
    KeyKind,
    NoteSignature,
    parse_note,
    parse_verifier_key,
    signed_note,
    verifier_key,
)
from tests.support.vectors import vector_json

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
LINE = NoteSignature("example.com/log", b"abcd", b"signature")


def open_plain(data: bytes, texts: list[str]) -> tuple[list[str], list[str]]:
    """What `Open` of the reference does, for plain Ed25519 keys: names verified, names not known."""
    note = parse_note(data)
    known = [parse_verifier_key(text) for text in texts]
    verified: list[str] = []
    unknown: list[str] = []
    for line in note.signatures:
        by = [key for key in known if line.is_by(key)]
        if not by:
            unknown.append(line.name)
        for key in by:
            ed25519.verify(key.public_key, note.text.encode(), line.signature)
            verified += [key.name] if key.name not in verified else []
    if not verified:
        raise UntrustedError("nobody known")
    return verified, unknown


@pytest.mark.vectors
def test_the_cases_of_the_reference() -> None:
    vectors = vector_json("translog/golang-note/note.json")
    for case in vectors["open"]:
        texts = [vectors["vkeys"][name] for name in case["known"]]
        if case.get("error") or "101 signatures" in case["desc"]:
            with pytest.raises(RemoteProtocolError):
                open_plain(case["note"].encode(), texts)
        else:
            assert open_plain(case["note"].encode(), texts) == (case["verified"], case["unverified"]), case
            assert parse_note(case["note"].encode()).to_bytes() == case["note"].encode()


@pytest.mark.vectors
def test_the_example_of_the_specification() -> None:
    example = vector_json("translog/c2sp/signed-note-example.json")
    names, _ = open_plain(example["note"].encode(), [example["vkey"]])
    assert names == ["example.com/foo"]


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
    with pytest.raises(MalformedError):
        parse_note(signed_note("t\n", [LINE] * 65).to_bytes())
    with pytest.raises(MalformedError) as caught:
        parse_note(b"x" * 300_000)
    assert caught.value.code is ReasonCode.TOO_LARGE


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
