# SPDX-License-Identifier: Apache-2.0
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.at_rest.passphrase_hash import CHEAPEST, MIB, HashCost, passphrase_of
from keys.at_rest.sealed_file import MAX_FILE_BYTES, FileKind, open_sealed, seal
from keys.errors import (
    KeyFileDamagedError,
    KeyFileVersionError,
    KeystoreError,
    WeakParametersError,
    WrongPassphraseError,
)
from protocol.canonical import JSONObject
from tests.support.entropy import SeededEntropy

PASSPHRASE = passphrase_of("five words by chance here")
SECRETS: JSONObject = {"v": 1, "secret": "planted-secret-in-the-file"}
FILE = seal(FileKind.ROOT, SECRETS, passphrase=PASSPHRASE, cost=CHEAPEST, entropy=SeededEntropy("file"))


def _with_header(**changes: object) -> bytes:
    """The file with other members in its header and a last line that fits."""
    first, header, body, _last, _end = FILE.split(b"\n")
    members = json.loads(header)
    members.update(changes)
    members = {name: value for name, value in members.items() if value is not None}
    text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _summed(first + b"\n" + text + b"\n" + body + b"\n")


def _summed(lines: bytes) -> bytes:
    return lines + hashlib.sha256(lines).hexdigest().encode() + b"\n"


def test_what_is_sealed_opens() -> None:
    assert open_sealed(FileKind.ROOT, FILE, PASSPHRASE) == SECRETS
    assert b"planted" not in FILE
    assert FILE.isascii()


def test_each_file_has_its_own_salt_and_nonce() -> None:
    entropy = SeededEntropy("two")
    files = [
        seal(FileKind.ROOT, SECRETS, passphrase=PASSPHRASE, cost=CHEAPEST, entropy=entropy) for _ in "12"
    ]
    headers = [json.loads(data.split(b"\n")[1]) for data in files]
    assert headers[0]["salt"] != headers[1]["salt"]
    assert headers[0]["nonce"] != headers[1]["nonce"]


def test_the_form_is_frozen() -> None:
    assert (
        hashlib.sha256(FILE).hexdigest() == "f860bddaad852ec33b546eb3e0998419efbc9cd41b5f98cfd84f2e24a97e27e6"
    )
    assert FILE.startswith(
        b'globe-node sealed key file\n{"kdf":"argon2id","kind":"root","memlimit_bytes":67108864'
    )


def test_a_wrong_passphrase_is_named() -> None:
    with pytest.raises(WrongPassphraseError) as caught:
        open_sealed(FileKind.ROOT, FILE, passphrase_of("five words by chance herE"))
    assert caught.value.hint


def test_every_single_flipped_bit_is_named_without_the_cost_of_a_hash() -> None:
    for position in range(len(FILE) * 8):
        changed = bytearray(FILE)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises((KeyFileDamagedError, KeyFileVersionError)):
            open_sealed(FileKind.ROOT, bytes(changed), PASSPHRASE)


def test_cut_anywhere_it_is_named_damaged() -> None:
    for length in range(len(FILE)):
        with pytest.raises(KeyFileDamagedError):
            open_sealed(FileKind.ROOT, FILE[:length], PASSPHRASE)


@given(st.binary(max_size=300))
def test_any_bytes_are_named_damaged(data: bytes) -> None:
    for candidate in (data, FILE[:27] + data, FILE + data[:10] + b"x"):
        with pytest.raises(KeyFileDamagedError):
            open_sealed(FileKind.ROOT, candidate, PASSPHRASE)


def test_a_changed_header_does_not_open_even_when_the_last_line_fits() -> None:
    changed = _with_header(kind="officer")
    with pytest.raises(WrongPassphraseError):
        open_sealed(FileKind.OFFICER, changed, PASSPHRASE)
    with pytest.raises(WrongPassphraseError):
        open_sealed(FileKind.ROOT, _with_header(opslimit=4), PASSPHRASE)


def test_a_changed_body_does_not_open_even_when_the_last_line_fits() -> None:
    first, header, body, _last, _end = FILE.split(b"\n")
    flipped = (b"B" if body[:1] == b"A" else b"A") + body[1:]
    with pytest.raises(WrongPassphraseError):
        open_sealed(FileKind.ROOT, _summed(b"\n".join([first, header, flipped, b""])), PASSPHRASE)


def test_a_key_of_another_kind_is_named_before_the_passphrase_is_tried() -> None:
    with pytest.raises(KeyFileDamagedError, match="root key, not a node key"):
        open_sealed(FileKind.NODE, FILE, PASSPHRASE)


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_version_is_named_and_not_guessed(version: int) -> None:
    with pytest.raises(KeyFileVersionError, match=str(version)):
        open_sealed(FileKind.ROOT, _with_header(v=version, something="new"), PASSPHRASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"opslimit": 2},
        {"opslimit": 1_000_000},
        {"memlimit_bytes": 32 * MIB},
        {"memlimit_bytes": 4096 * MIB},
        {"memlimit_bytes": 0},
    ],
)
def test_a_hash_too_cheap_or_too_dear_is_refused_and_not_computed(changes: dict[str, object]) -> None:
    with pytest.raises(WeakParametersError):
        open_sealed(FileKind.ROOT, _with_header(**changes), PASSPHRASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 0},
        {"v": True},
        {"v": "1"},
        {"v": None},
        {"kdf": "scrypt"},
        {"kdf": None},
        {"kind": "fish"},
        {"kind": 1},
        {"opslimit": "3"},
        {"opslimit": True},
        {"salt": "AAAA"},
        {"nonce": "AAAA"},
        {"nonce": "not base64"},
        {"more": 1},
    ],
)
def test_a_header_outside_the_form_is_named_damaged(changes: dict[str, object]) -> None:
    with pytest.raises(KeyFileDamagedError):
        open_sealed(FileKind.ROOT, _with_header(**changes), PASSPHRASE)


def test_a_header_that_is_not_canonical_is_named_damaged() -> None:
    first, header, body, _last, _end = FILE.split(b"\n")
    with pytest.raises(KeyFileDamagedError):
        open_sealed(
            FileKind.ROOT, _summed(b"\n".join([first, header.replace(b",", b", "), body, b""])), PASSPHRASE
        )


def test_a_file_without_bound_is_not_read() -> None:
    with pytest.raises(KeyFileDamagedError):
        open_sealed(FileKind.ROOT, FILE + b"\n" * MAX_FILE_BYTES, PASSPHRASE)


def test_no_error_tells_what_the_file_or_the_passphrase_was() -> None:
    texts = []
    for data in (FILE[:-1], _with_header(v=2), _with_header(opslimit=2), FILE):
        with pytest.raises(KeystoreError) as caught:
            open_sealed(FileKind.ROOT, data, passphrase_of("planted passphrase"))
        texts += [str(caught.value), caught.value.hint, repr(caught.value)]
    assert "planted" not in " ".join(texts)
    assert all(texts)


def test_what_is_inside_must_be_an_object() -> None:
    data = seal(
        FileKind.ROOT,
        ["no", "object"],  # type: ignore[arg-type]  # that is the point
        passphrase=PASSPHRASE,
        cost=HashCost(opslimit=3, memlimit_bytes=64 * MIB),
        entropy=SeededEntropy(),
    )
    with pytest.raises(KeyFileDamagedError):
        open_sealed(FileKind.ROOT, data, PASSPHRASE)
