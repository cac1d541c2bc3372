# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: real logs of others, a real witness, and our own with both keys."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from keys.log_key import LogKey
from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from protocol.octets import base64_text
from protocol.signing import ed25519
from protocol.tlog import merkle
from protocol.tlog.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verifier_keys,
    verify_checkpoint,
)
from protocol.tlog.note import (
    KeyKind,
    NoteSignature,
    parse_note,
    parse_verifier_key,
    signed_note,
    verifier_key,
)
from tests.support.entropy import SeededEntropy
from tests.support.vectors import vector_json, vector_path

KEY = LogKey.generate(SeededEntropy("log"))
ORIGIN = "audit.xa-acc/main/2026/00112233445566ff"
OURS = Checkpoint(ORIGIN, 5, merkle.leaf_hash(b"root"))
KEYS = verifier_keys(ORIGIN, KEY)
SIGNED = sign_checkpoint(OURS, KEY).to_bytes()


def test_both_lines_of_our_own_verify() -> None:
    checkpoint, signed = verify_checkpoint(SIGNED, KEYS, required=KEYS)
    assert checkpoint == OURS
    assert [(item.key, item.at_seconds) for item in signed] == [(KEYS[0], 0), (KEYS[1], 0)]
    for key in KEYS:
        assert [item.key for item in verify_checkpoint(SIGNED, [key])[1]] == [key]


def test_a_required_line_must_be_there() -> None:
    note = parse_note(SIGNED)
    alone = signed_note(note.text, note.signatures[:1]).to_bytes()
    verify_checkpoint(alone, KEYS, required=KEYS[:1])
    with pytest.raises(UntrustedError):
        verify_checkpoint(alone, KEYS, required=KEYS)
    with pytest.raises(UntrustedError):
        verify_checkpoint(SIGNED, ())
    with pytest.raises(UntrustedError):
        verify_checkpoint(SIGNED, verifier_keys(ORIGIN, LogKey.generate(SeededEntropy("other"))))


@settings(max_examples=50)
@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    changed = bytearray(SIGNED)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        verify_checkpoint(bytes(changed), KEYS, required=KEYS)


def test_a_line_of_another_text_does_not_pass() -> None:
    other = sign_checkpoint(Checkpoint(ORIGIN, 6, OURS.root), KEY)
    moved = signed_note(OURS.to_text(), other.signatures).to_bytes()
    for key in KEYS:
        with pytest.raises(UntrustedError):
            verify_checkpoint(moved, [key])


@pytest.mark.vectors
def test_a_whole_small_log() -> None:
    key = parse_verifier_key(vector_path("translog/tessera-log/vkey").read_text().strip())
    folder = vector_path("translog/tessera-log/tile")
    hashes: list[bytes] = []
    for size in range(1, 16):
        place = folder.parent / f"checkpoint.{size}"
        if (folder / f"entries/000.p/{size}").exists():
            bundle = (folder / f"entries/000.p/{size}").read_bytes()
            hashes = [merkle.leaf_hash(entry) for entry in entries_of(bundle)]
            assert b"".join(hashes) == (folder / f"0/000.p/{size}").read_bytes()
        if place.exists():
            checkpoint, _ = verify_checkpoint(place.read_bytes(), [key])
            assert (checkpoint.size, checkpoint.root) == (size, merkle.root_of(hashes[:size]))


def entries_of(bundle: bytes) -> list[bytes]:
    found = []
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        found.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    return found


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("witness", "place"),
    [
        ("witness/witness.v0.json", "witness"),
        ("witness/mirror/mirror.v0.json", "witness/mirror"),
        ("witness2/witness.v0.json", "witness2"),
    ],
)
def test_cosigned_checkpoints_of_another_implementation(witness: str, place: str) -> None:
    (text,) = vector_json(f"translog/sunlight/{witness}")["verifier_keys"]
    key = parse_verifier_key(text)
    assert key.kind is KeyKind.ED25519_COSIGNATURE
    found = sorted(vector_path(f"translog/sunlight/{place}").glob("*/checkpoint"))
    assert found
    for path in found:
        checkpoint, (signed,) = verify_checkpoint(path.read_bytes(), [key])
        assert checkpoint.size == 300
        assert signed.at_seconds > 1_700_000_000
        changed = path.read_bytes().replace(b"\n300\n", b"\n301\n")
        with pytest.raises(UntrustedError):
            verify_checkpoint(changed, [key])


@pytest.mark.vectors
def test_a_post_quantum_checkpoint_of_another_implementation() -> None:
    case = vector_json("translog/torchwood/mldsa44-checkpoint.json")
    text = case["checkpoint"]
    checkpoint, (signed,) = verify_checkpoint(text.encode(), [parse_verifier_key(case["vkey"])])
    assert signed.at_seconds == 0
    assert text.startswith(checkpoint.to_text())


@pytest.mark.vectors
def test_a_checkpoint_made_by_another_log_from_a_known_seed() -> None:
    case = vector_json("translog/sigsum/checkpoint.json")
    note = parse_note(case["checkpoint"].encode())
    seed = b"\x11" + bytes(31)
    public = bytes(SigningKey(seed).verify_key)
    key = verifier_key(note.signatures[0].name, KeyKind.ED25519, public)
    checkpoint, _ = verify_checkpoint(case["checkpoint"].encode(), [key])
    assert checkpoint.size == 10


@pytest.mark.vectors
def test_conformance_cases_of_real_logs() -> None:
    judged = 0
    for case in vector_json("translog/sigstore-conformance/checkpoint-cases.json"):
        trusted = [key for key in case["trusted_log_keys"] if key["keyDetails"] == "PKIX_ED25519"]
        if not case["case"].startswith("rekor2") or not trusted:
            continue  # earlier logs sign with keys of a kind we do not know
        judged += 1
        assert accepted(case, trusted) is case["valid"], case["case"]
    assert judged >= 8


def accepted(case: Any, trusted: Any) -> bool:
    """Checkpoint, inclusion and the size and root beside it, as a client of that log must check them."""
    proof = case["inclusionProof"]
    try:
        known = [
            verifier_key(
                key["baseUrl"].removeprefix("https://"),
                KeyKind.ED25519,
                base64.b64decode(key["rawBytes"])[-32:],
            )
            for key in trusted
        ]
        checkpoint, _ = verify_checkpoint(proof.get("checkpoint", {}).get("envelope", "").encode(), known)
        merkle.verify_inclusion(
            merkle.leaf_hash(base64.b64decode(case["canonicalizedBody"])),
            int(case["logIndex"]),
            size=checkpoint.size,
            proof=[base64.b64decode(item) for item in proof["hashes"]],
            root=checkpoint.root,
        )
    except RemoteProtocolError:
        return False
    return True


@pytest.mark.vectors
def test_a_real_checkpoint_of_a_kind_we_do_not_know() -> None:
    case = vector_json("translog/real-logs/pixel-checkpoint.json")
    note = parse_note(case["checkpoint"].encode())
    assert len(note.signatures) == 3
    with pytest.raises(RemoteProtocolError):
        parse_verifier_key(case["vkey"])
    with pytest.raises(UntrustedError):
        verify_checkpoint(case["checkpoint"].encode(), KEYS)


@pytest.mark.vectors
def test_texts_that_are_no_checkpoints() -> None:
    vectors = vector_json("translog/formats/checkpoint-parse.json")
    for text in [*vectors["invalid"], *vectors["valid"]]:  # the valid ones have roots that are no SHA-256
        with pytest.raises(MalformedError):
            parse_checkpoint(text)


@pytest.mark.parametrize(
    "change",
    [
        ("\n5\n", "\n05\n"),
        ("\n5\n", "\n+5\n"),
        ("\n5\n", "\n5 \n"),
        ("\n5\n", "\n-5\n"),
        ("\n5\n", "\n9223372036854775808\n"),
        ("\n5\n", "\n\u0665\n"),
        ("=\n", "\n"),
        ("=\n", "=\nextension\n"),
        (ORIGIN, ""),
        (ORIGIN, "two words"),
        (ORIGIN, "a+b"),
    ],
)
def test_almost_a_checkpoint_is_malformed(change: tuple[str, str]) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(OURS.to_text().replace(*change))


def test_a_root_in_another_spelling_is_malformed() -> None:
    text = Checkpoint(ORIGIN, 5, bytes(32)).to_text()
    assert text.endswith("A=\n")
    with pytest.raises(MalformedError):
        parse_checkpoint(text.replace("A=\n", "B=\n"))


@given(st.text(max_size=80))
def test_any_text_is_a_checkpoint_or_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)


def test_what_can_not_be_a_checkpoint_is_not_signed() -> None:
    for bad in (Checkpoint("a b", 1, bytes(32)), Checkpoint("a", -1, bytes(32)), Checkpoint("a", 1, b"")):
        with pytest.raises(LocalProtocolError):
            bad.to_text()
    with pytest.raises(MalformedError):
        sign_checkpoint(Checkpoint("a" * 256, 1, bytes(32)), KEY)


def test_a_witness_line_carries_its_time() -> None:
    name, at = "witness.example/w1", 1_795_000_000
    signature = KEY.sign_ed25519(f"cosignature/v1\ntime {at}\n{OURS.to_text()}".encode())
    key = verifier_key(name, KeyKind.ED25519_COSIGNATURE, KEY.ed25519_public_key)
    line = NoteSignature(name, key.key_id, at.to_bytes(8, "big") + signature)
    note = signed_note(OURS.to_text(), [*parse_note(SIGNED).signatures, line]).to_bytes()
    _, signed = verify_checkpoint(note, [*KEYS, key], required=[key])
    assert [item.at_seconds for item in signed] == [0, 0, at]
    late = NoteSignature(name, key.key_id, (at + 1).to_bytes(8, "big") + signature)
    far = NoteSignature(name, key.key_id, b"\xff" * 8 + signature)
    for bad in (late, far, NoteSignature(name, key.key_id, b"short")):
        with pytest.raises(UntrustedError):
            verify_checkpoint(signed_note(OURS.to_text(), [bad]).to_bytes(), [key])
    assert ed25519.SIGNATURE_BYTES == 64
    assert base64_text(OURS.root) in OURS.to_text()
