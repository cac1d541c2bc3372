# SPDX-License-Identifier: Apache-2.0
"""Signatures under checkpoints: real logs of others, real witnesses, and our own with both keys."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from keys.log_key import LogKey
from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from protocol.tlog import merkle
from protocol.tlog.checkpoint import Checkpoint, parse_checkpoint
from protocol.tlog.cosignature import (
    MAX_TIME,
    Subtree,
    cosign,
    cosigned_message,
    log_keys,
    sign_checkpoint,
    verify_checkpoint,
    verify_lines,
    verify_subtree_line,
    witness_keys,
)
from protocol.tlog.note import (
    KeyKind,
    NoteSignature,
    VerifierKey,
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
KEYS = log_keys(ORIGIN, KEY)
SIGNED = sign_checkpoint(OURS, KEY).to_bytes()
WITNESS, WITNESS_KEY = "witness.example/w1", LogKey.generate(SeededEntropy("witness"))
WITNESS_KEYS = witness_keys(WITNESS, WITNESS_KEY)
AT = 1_795_000_000
COSIGNED = parse_note(SIGNED).with_signatures(cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=AT)).to_bytes()


def under(checkpoint: Checkpoint, *lines: NoteSignature) -> bytes:
    return signed_note(checkpoint.to_text(), lines).to_bytes()


def retimed(line: NoteSignature, at_seconds: int) -> NoteSignature:
    return NoteSignature(line.name, line.key_id, at_seconds.to_bytes(8, "big") + line.signature[8:])


def test_both_lines_of_our_own_verify() -> None:
    verified = verify_checkpoint(SIGNED, KEYS, required=KEYS)
    assert verified.checkpoint == OURS
    assert [(item.key, item.at_seconds) for item in verified.by_log] == [(KEYS[0], 0), (KEYS[1], 0)]
    assert verified.by_witnesses == ()
    for key in KEYS:
        assert [item.key for item in verify_checkpoint(SIGNED, [key]).by_log] == [key]


def test_a_required_line_must_be_there() -> None:
    note = parse_note(SIGNED)
    alone = signed_note(note.text, note.signatures[:1]).to_bytes()
    verify_checkpoint(alone, KEYS, required=KEYS[:1])
    for data, logs, required in (
        (alone, KEYS, KEYS),
        (SIGNED, (), ()),
        (SIGNED, log_keys(ORIGIN, LogKey.generate(SeededEntropy("other"))), ()),
        (SIGNED, KEYS, WITNESS_KEYS),
    ):
        with pytest.raises(UntrustedError):
            verify_checkpoint(data, logs, witnesses=WITNESS_KEYS, required=required)


def test_a_witness_alone_does_not_make_a_checkpoint_of_the_log() -> None:
    lines = cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=AT)
    assert len(verify_lines(OURS, lines, KEYS, witnesses=WITNESS_KEYS).by_witnesses) == 2
    with pytest.raises(UntrustedError):
        verify_checkpoint(under(OURS, *lines), KEYS, witnesses=WITNESS_KEYS)


@settings(max_examples=50)
@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    changed = bytearray(COSIGNED)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        verify_checkpoint(bytes(changed), KEYS, witnesses=WITNESS_KEYS, required=(*KEYS, *WITNESS_KEYS))


def test_a_line_of_another_text_does_not_pass() -> None:
    other = Checkpoint(ORIGIN, 6, OURS.root)
    lines = sign_checkpoint(other, KEY).signatures + cosign(other, WITNESS, WITNESS_KEY, at_seconds=AT)
    for key in KEYS:
        with pytest.raises(UntrustedError):
            verify_lines(OURS, lines, [key])
    for key in WITNESS_KEYS:
        with pytest.raises(UntrustedError):
            verify_lines(OURS, lines, (), witnesses=[key])


def test_a_witness_line_carries_its_time_and_signs_it() -> None:
    verified = verify_checkpoint(COSIGNED, KEYS, witnesses=WITNESS_KEYS, required=WITNESS_KEYS)
    assert [(item.key, item.at_seconds) for item in verified.by_witnesses] == [
        (WITNESS_KEYS[0], AT),
        (WITNESS_KEYS[1], AT),
    ]
    for key, line in zip(WITNESS_KEYS, cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=AT), strict=True):
        short = NoteSignature(line.name, line.key_id, line.signature[:8])
        long = NoteSignature(line.name, line.key_id, line.signature + b"\x00")
        for bad in (retimed(line, AT + 1), retimed(line, 1 << 63), short, long):
            with pytest.raises(UntrustedError):
                verify_lines(OURS, [bad], (), witnesses=[key])


def test_of_two_lines_by_one_witness_the_later_counts() -> None:
    lines = [
        line for at in (AT, AT + 5, AT + 1) for line in cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=at)
    ]
    verified = verify_lines(OURS, lines, (), witnesses=WITNESS_KEYS)
    assert [item.at_seconds for item in verified.by_witnesses] == [AT + 5, AT + 5]


@pytest.mark.parametrize("key", WITNESS_KEYS)
def test_a_witness_line_without_time_is_refused(key: VerifierKey) -> None:
    """A log's own line may say 0; a witness says when."""
    text = f"cosignature/v1\ntime 0\n{OURS.to_text()}".encode()
    whole = cosigned_message(WITNESS, 0, Subtree(ORIGIN, 0, OURS.size, OURS.root))
    plain = key.kind is KeyKind.ED25519_COSIGNATURE
    signature = WITNESS_KEY.sign_ed25519(text) if plain else WITNESS_KEY.sign_mldsa44(whole)
    line = NoteSignature(WITNESS, key.key_id, bytes(8) + signature)
    with pytest.raises(UntrustedError):
        verify_lines(OURS, [line], (), witnesses=[key])
    if not plain:
        verify_lines(OURS, [line], [key])
    for at_seconds in (0, -1, MAX_TIME + 1):
        with pytest.raises(LocalProtocolError):
            cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=at_seconds)


def test_an_ml_dsa_line_names_its_cosigner() -> None:
    """The same key under another name verifies nothing; Ed25519 commits to no name and can't tell."""
    line = cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=AT)[1]
    other = verifier_key("witness.example/w2", KeyKind.MLDSA44_COSIGNATURE, WITNESS_KEY.mldsa44_public_key)
    moved = NoteSignature(other.name, other.key_id, line.signature)
    with pytest.raises(UntrustedError):
        verify_lines(OURS, [moved], (), witnesses=[other])


def test_extension_lines_are_signed_by_ed25519_only() -> None:
    extended = Checkpoint(ORIGIN, OURS.size, OURS.root, ("more",))
    with pytest.raises(LocalProtocolError):
        sign_checkpoint(extended, KEY)
    (line,) = cosign(extended, WITNESS, WITNESS_KEY, at_seconds=AT)
    verify_lines(extended, [line], (), witnesses=WITNESS_KEYS)
    with pytest.raises(UntrustedError):
        verify_lines(Checkpoint(ORIGIN, OURS.size, OURS.root, ("less",)), [line], (), witnesses=WITNESS_KEYS)
    with pytest.raises(MalformedError):  # the line is good for the checkpoint without them
        verify_lines(extended, parse_note(SIGNED).signatures[1:], KEYS)


def test_a_part_of_a_tree_is_signed_without_time() -> None:
    part, key = Subtree(ORIGIN, 8, 13, OURS.root), WITNESS_KEYS[1]
    signature = WITNESS_KEY.sign_mldsa44(cosigned_message(WITNESS, 0, part))
    line = NoteSignature(WITNESS, key.key_id, bytes(8) + signature)
    verify_subtree_line(part, line, key)
    for bad in (
        Subtree(ORIGIN, 8, 14, OURS.root),
        Subtree(ORIGIN, 9, 13, OURS.root),
        Subtree("other", 8, 13, OURS.root),
        Subtree(ORIGIN, 8, 13, bytes(32)),
        Subtree(ORIGIN, 13, 8, OURS.root),
    ):
        with pytest.raises(RemoteProtocolError):
            verify_subtree_line(bad, line, key)
    for other, known in ((retimed(line, 1), key), (line, WITNESS_KEYS[0]), (line, KEYS[1])):
        with pytest.raises(UntrustedError):
            verify_subtree_line(part, other, known)
    for name, at_seconds, bad in (
        (WITNESS, 1, part),
        ("", 0, part),
        (WITNESS, 0, Subtree("", 8, 13, OURS.root)),
        (WITNESS, 0, Subtree(ORIGIN, 8, MAX_TIME + 1, OURS.root)),
        (WITNESS, 0, Subtree(ORIGIN, 8, 13, OURS.root + b"\x00")),
    ):
        with pytest.raises(MalformedError):
            cosigned_message(name, at_seconds, bad)
    assert cosigned_message("w", MAX_TIME, Subtree("o", 0, MAX_TIME, OURS.root)).startswith(
        b"subtree/v1\n\x00\x01w"
    )


def test_the_latest_time_that_a_line_can_name() -> None:
    def line(at_seconds: int) -> NoteSignature:
        text = f"cosignature/v1\ntime {at_seconds}\n{OURS.to_text()}".encode()
        signature = at_seconds.to_bytes(8, "big") + WITNESS_KEY.sign_ed25519(text)
        return NoteSignature(WITNESS, WITNESS_KEYS[0].key_id, signature)

    assert cosign(OURS, WITNESS, WITNESS_KEY, at_seconds=MAX_TIME)[0] == line(MAX_TIME)
    verify_lines(OURS, [line(MAX_TIME)], (), witnesses=WITNESS_KEYS)
    with pytest.raises(UntrustedError):
        verify_lines(OURS, [line(MAX_TIME + 1)], (), witnesses=WITNESS_KEYS)


def test_names_that_ml_dsa_can_not_commit_to() -> None:
    with pytest.raises(MalformedError):
        sign_checkpoint(Checkpoint("a" * 256, 1, bytes(32)), KEY)
    with pytest.raises(MalformedError):
        cosign(OURS, "a" * 256, KEY, at_seconds=1)
    assert len(cosign(Checkpoint("a" * 255, 1, bytes(32)), WITNESS, WITNESS_KEY, at_seconds=1)) == 2
    assert len(cosign(Checkpoint("a" * 256, 1, bytes(32)), WITNESS, WITNESS_KEY, at_seconds=1)) == 1


def test_a_key_of_the_wrong_kind_is_our_own_mistake() -> None:
    for logs, witnesses in ((WITNESS_KEYS, ()), ((), KEYS)):
        with pytest.raises(LocalProtocolError):
            verify_lines(OURS, (), logs, witnesses=witnesses)


@pytest.mark.vectors
def test_a_whole_small_log() -> None:
    key = parse_verifier_key(vector_path("translog/tessera-log/vkey").read_text().strip())
    places = sorted(vector_path("translog/tessera-log").glob("checkpoint*"))
    assert len(places) == 17
    for place in places:
        checkpoint = verify_checkpoint(place.read_bytes(), [key]).checkpoint
        assert place.suffix in ("", f".{checkpoint.size}")


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
    (path,) = sorted(vector_path(f"translog/sunlight/{place}").glob("*/checkpoint"))
    note = parse_note(path.read_bytes())
    checkpoint = parse_checkpoint(note.text)
    assert checkpoint.size == 300
    (signed,) = verify_lines(checkpoint, note.signatures, (), witnesses=[key]).by_witnesses
    assert signed.at_seconds > 1_700_000_000
    other = Checkpoint(checkpoint.origin, 301, checkpoint.root)
    with pytest.raises(UntrustedError):
        verify_lines(other, note.signatures, (), witnesses=[key])


@pytest.mark.vectors
def test_the_time_of_a_real_cosignature() -> None:
    case = vector_json("translog/formats/vkeys.json")["cosignature_timestamp"]
    assert int.from_bytes(base64.b64decode(case["signature_b64"])[4:12], "big") == case["unix"]


@pytest.mark.vectors
def test_a_post_quantum_checkpoint_of_another_implementation() -> None:
    case = vector_json("translog/torchwood/mldsa44-checkpoint.json")
    text, key = case["checkpoint"], parse_verifier_key(case["vkey"])
    verified = verify_checkpoint(text.encode(), [key])
    assert [item.at_seconds for item in verified.by_log] == [0]
    assert text.startswith(verified.checkpoint.to_text())
    with pytest.raises(UntrustedError):  # time 0 is for logs; from a witness it must be refused
        verify_lines(verified.checkpoint, parse_note(text.encode()).signatures, (), witnesses=[key])


@pytest.mark.vectors
def test_a_checkpoint_made_by_another_log_from_a_known_seed() -> None:
    case = vector_json("translog/sigsum/checkpoint.json")
    note = parse_note(case["checkpoint"].encode())
    seed = b"\x11" + bytes(31)
    public = bytes(SigningKey(seed).verify_key)
    key = verifier_key(note.signatures[0].name, KeyKind.ED25519, public)
    assert verify_checkpoint(case["checkpoint"].encode(), [key]).checkpoint.size == 10


@pytest.mark.vectors
def test_conformance_cases_of_real_logs() -> None:
    cases = vector_json("translog/sigstore-conformance/checkpoint-cases.json")
    assert len(cases) == 15
    assert [case["case"] for case in cases if accepted(case) is not case["valid"]] == []


def accepted(case: Any) -> bool:
    """Checkpoint, inclusion and the size beside it, as a client of that log must check them.

    The four cases of the earlier log are signed with ECDSA, which we do not know; all are bad ones.
    """
    proof = case["inclusionProof"]
    try:
        known = [
            verifier_key(
                key["baseUrl"].removeprefix("https://"),
                KeyKind.ED25519,
                base64.b64decode(key["rawBytes"])[-32:],
            )
            for key in case["trusted_log_keys"]
            if key["keyDetails"] == "PKIX_ED25519"
        ]
        checkpoint = verify_checkpoint(
            proof.get("checkpoint", {}).get("envelope", "").encode(), known
        ).checkpoint
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
def test_real_checkpoints_of_kinds_we_do_not_know() -> None:
    """ECDSA and RFC 6962 signatures; two witnesses of the first have keys that nobody here knows."""
    pixel = vector_json("translog/real-logs/pixel-checkpoint.json")
    rome = vector_json("translog/formats/static-ct-checkpoint-rome.json")
    tree = vector_path("translog/sunlight/tree/checkpoint").read_text("utf-8")
    for text, size, lines in (
        (pixel["checkpoint"], 611, 3),
        (rome["checkpoint"], 115474666, 1),
        (tree, vector_json("translog/sunlight/tree/log.v3.json")["final_tree_head"]["tree_size"], 1),
    ):
        note = parse_note(text.encode())
        assert (parse_checkpoint(note.text).size, len(note.signatures)) == (size, lines)
        with pytest.raises(UntrustedError):
            verify_checkpoint(text.encode(), KEYS)
    for text in (pixel["vkey"], rome["vkey"]):
        with pytest.raises(RemoteProtocolError):
            parse_verifier_key(text)
