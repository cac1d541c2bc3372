# SPDX-License-Identifier: Apache-2.0
"""One signature over many hashes: every block alone, and nothing that only looks like one."""

from hashlib import sha256
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.signing import batch, composite, labels
from protocol.signing.batch import BatchVerifier, sign_batch, verify_block
from protocol.signing.composite import PublicKey
from tests.support.entropy import SeededEntropy
from tests.support.signers import seeded_signer

SIGNER = seeded_signer("batch")
KEY = SIGNER.admitted


def hashes_of(size: int) -> list[bytes]:
    return [sha256(b"%d" % index).digest() for index in range(size)]


def blocks_of(size: int) -> list[bytes]:
    return sign_batch(SIGNER, labels.RECORD, hashes_of(size), SeededEntropy(size))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100])
def test_every_block_verifies_alone(size: int) -> None:
    verifier = BatchVerifier(2)
    for digest, block in zip(hashes_of(size), blocks_of(size), strict=True):
        verifier.verify(KEY, labels.RECORD, digest, block)
    assert len(verifier) == 1


def test_the_largest_batch_has_paths_of_ten() -> None:
    blocks = blocks_of(1024)
    assert {len(block) for block in blocks} == {batch.MAX_BLOCK_BYTES}
    verify_block(KEY, labels.RECORD, hashes_of(1024)[1023], blocks[1023])


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_block_signs_its_own_hash_only(size: int) -> None:
    hashes, blocks = hashes_of(size), blocks_of(size)
    verifier = BatchVerifier(4)
    verifier.verify(KEY, labels.RECORD, hashes[0], blocks[0])
    for index, digest in enumerate(hashes):
        for other, block in enumerate(blocks):
            if index != other:
                with pytest.raises(UntrustedError):
                    verifier.verify(KEY, labels.RECORD, digest, block)


@pytest.mark.parametrize("size", [0, 1025])
def test_a_batch_has_bounds(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        sign_batch(SIGNER, labels.RECORD, [bytes(32)] * size, SeededEntropy())


def test_only_hashes_are_signed() -> None:
    with pytest.raises(LocalProtocolError):
        sign_batch(SIGNER, labels.RECORD, [bytes(31)], SeededEntropy())


def test_an_unknown_label_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        sign_batch(SIGNER, "anp1/other", [bytes(32)], SeededEntropy())
    with pytest.raises(LocalProtocolError):
        verify_block(KEY, "anp1/other", hashes_of(1)[0], blocks_of(1)[0])


def test_a_version_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError):
        verify_block(KEY, labels.RECORD, hashes_of(1)[0], b"\2" + blocks_of(1)[0][1:])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        verify_block(KEY, labels.RECORD, bytes(32), data)


@pytest.mark.parametrize("change", [-1, 1, -32, 32])
def test_a_block_of_another_length_is_refused(change: int) -> None:
    block = blocks_of(5)[1]
    changed = block[:change] if change < 0 else block + bytes(change)
    with pytest.raises(MalformedError):
        verify_block(KEY, labels.RECORD, hashes_of(5)[1], changed)


# --- blocks that only look like one -----------------------------------------------------------------------
HASHES, BLOCKS = hashes_of(5), blocks_of(5)


def block_of(salt: bytes, index: int, size: int, path: list[bytes], signature: bytes) -> bytes:
    return pack(">B32sHHB", 1, salt, index, size, len(path)) + b"".join(path) + signature


def parts_of(block: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return salt, path and signature of a block."""
    path = block[38:-3373]
    return block[1:33], [path[at : at + 32] for at in range(0, len(path), 32)], block[-3373:]


def refused(block: bytes, digest: bytes = HASHES[1], label: str = labels.RECORD) -> None:
    """Refused by a verifier that never saw the batch, and by one that knows its root."""
    knowing = BatchVerifier(4)
    knowing.verify(KEY, labels.RECORD, HASHES[0], BLOCKS[0])
    for verify in (verify_block, BatchVerifier(4).verify, knowing.verify):
        with pytest.raises(RemoteProtocolError):
            verify(KEY, label, digest, block)
    assert len(knowing) == 1


def test_the_octets_of_a_block_are_frozen() -> None:
    salt, path, signature = parts_of(BLOCKS[4])
    assert BLOCKS[4] == block_of(salt, 4, 5, path, signature)
    assert [len(parts_of(block)[1]) for block in BLOCKS] == [3, 3, 3, 3, 1]
    leaf = sha256(b"\0\x0banp1/record" + salt + HASHES[4]).digest()
    root = sha256(b"\1" + path[0] + leaf).digest()
    composite.verify(KEY, labels.RECORD, b"anp1/batch\0\5" + root, signature)


@given(st.integers(0, len(BLOCKS[1]) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    changed = bytearray(BLOCKS[1])
    changed[bit // 8] ^= 1 << bit % 8
    refused(bytes(changed))


@given(st.integers(0, 255))
def test_every_changed_bit_of_the_hash_is_refused(bit: int) -> None:
    digest = bytearray(HASHES[1])
    digest[bit // 8] ^= 1 << bit % 8
    refused(BLOCKS[1], bytes(digest))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused(length: int) -> None:
    refused(BLOCKS[1], bytes(length))


@pytest.mark.parametrize("made_for", sorted(labels.ALL))
@pytest.mark.parametrize("offered_for", sorted(labels.ALL))
def test_a_block_of_one_label_holds_for_no_other(made_for: str, offered_for: str) -> None:
    (block,) = sign_batch(SIGNER, made_for, HASHES[:1], SeededEntropy(made_for))
    verifier = BatchVerifier(1)
    verifier.verify(KEY, made_for, HASHES[0], block)
    if made_for == offered_for:
        verifier.verify(KEY, offered_for, HASHES[0], block)
    else:
        with pytest.raises(UntrustedError):
            verifier.verify(KEY, offered_for, HASHES[0], block)


@pytest.mark.parametrize("size", range(9))
def test_another_index_or_size_is_refused(size: int) -> None:
    salt, path, signature = parts_of(BLOCKS[1])
    for index in range(9):
        if (index, size) != (1, 5):
            refused(block_of(salt, index, size, path, signature))


@pytest.mark.parametrize("size", [1025, 65535])
def test_a_size_over_the_limit_is_refused(size: int) -> None:
    salt, path, signature = parts_of(BLOCKS[1])
    refused(block_of(salt, 1, size, path, signature))


def test_a_path_of_another_length_or_order_is_refused() -> None:
    salt, path, signature = parts_of(BLOCKS[1])
    for other in ([], path[:-1], path[1:], [*path, path[-1]], [*path, bytes(32)], path[::-1]):
        refused(block_of(salt, 1, 5, other, signature))


def test_a_node_is_not_taken_for_a_leaf() -> None:
    """A shorter path from an inner node would lead to the same root, were leaves not hashed apart."""
    salt, path, signature = parts_of(BLOCKS[1])
    leaf = sha256(b"\0\x0banp1/record" + salt + HASHES[1]).digest()
    node = sha256(b"\1" + path[0] + leaf).digest()
    refused(block_of(salt, 0, 3, path[1:], signature), node)
    refused(block_of(path[0], 0, 3, path[1:], signature), leaf)


def test_a_signature_over_the_hash_itself_is_no_block() -> None:
    refused(block_of(bytes(32), 0, 1, [], SIGNER.sign(labels.RECORD, HASHES[1])))


def test_another_key_is_refused_even_for_a_known_root() -> None:
    other = seeded_signer("somebody else").admitted
    verifier = BatchVerifier(4)
    verifier.verify(KEY, labels.RECORD, HASHES[0], BLOCKS[0])
    with pytest.raises(UntrustedError):
        verifier.verify(other, labels.RECORD, HASHES[1], BLOCKS[1])


def test_salts_keep_equal_hashes_apart() -> None:
    blocks = sign_batch(SIGNER, labels.RECORD, [HASHES[0]] * 2, SeededEntropy(7))
    (salt_one, path_one, _), (salt_two, path_two, _) = parts_of(blocks[0]), parts_of(blocks[1])
    assert salt_one != salt_two
    assert path_one != path_two


# --- what a verifier remembers ----------------------------------------------------------------------------
@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the composite verifications."""
    counted: list[str] = []
    real = composite.verify

    def counting(public_key: PublicKey, label: str, message: bytes, signature: bytes) -> None:
        counted.append(label)
        real(public_key, label, message, signature)

    monkeypatch.setattr(composite, "verify", counting)
    return counted


def test_a_batch_is_paid_for_once(verifications: list[str]) -> None:
    verifier = BatchVerifier(4)
    for _ in range(2):
        for digest, block in zip(HASHES, BLOCKS, strict=True):
            verifier.verify(KEY, labels.RECORD, digest, block)
    assert len(verifications) == 1


def test_refusals_are_not_remembered(verifications: list[str]) -> None:
    verifier = BatchVerifier(4)
    for _ in range(3):
        with pytest.raises(UntrustedError):
            verifier.verify(KEY, labels.RECORD, HASHES[0], BLOCKS[0][:-1] + bytes((BLOCKS[0][-1] ^ 1,)))
    assert (len(verifications), len(verifier)) == (3, 0)


def test_memory_is_bounded_and_keeps_what_was_used_last(verifications: list[str]) -> None:
    verifier = BatchVerifier(2)
    (one,), (two,), (three,) = (
        sign_batch(SIGNER, labels.RECORD, HASHES[:1], SeededEntropy(seed)) for seed in (1, 2, 3)
    )
    for block in (one, two, one, three, one):
        verifier.verify(KEY, labels.RECORD, HASHES[0], block)
    assert (len(verifications), len(verifier)) == (3, 2)
    verifier.verify(KEY, labels.RECORD, HASHES[0], two)
    assert (len(verifications), len(verifier)) == (4, 2)


def test_a_second_signature_over_a_known_root_is_verified(verifications: list[str]) -> None:
    verifier = BatchVerifier(4)
    again = blocks_of(5)
    assert parts_of(again[1])[:2] == parts_of(BLOCKS[1])[:2]
    assert again != BLOCKS
    for blocks in (BLOCKS, again):
        verifier.verify(KEY, labels.RECORD, HASHES[1], blocks[1])
    assert (len(verifications), len(verifier)) == (2, 1)


def test_a_verifier_that_remembers_nothing_is_not_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        BatchVerifier(0)


class ShortSigner:
    """Implements `protocol.interfaces.Signer` and cuts its signatures."""

    key_id = SIGNER.key_id
    public_key = SIGNER.public_key

    def sign(self, label: str, message: bytes) -> bytes:
        return SIGNER.sign(label, message)[:-1]


def test_a_signer_that_gives_another_length_is_noticed() -> None:
    with pytest.raises(LocalProtocolError):
        sign_batch(ShortSigner(), labels.RECORD, HASHES, SeededEntropy(1))
