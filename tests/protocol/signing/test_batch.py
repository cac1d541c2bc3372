# SPDX-License-Identifier: Apache-2.0
"""One signature over many hashes: every block alone, and nothing that only looks like one."""

from hashlib import sha256

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
from protocol.signing import batch, labels
from protocol.signing.batch import BatchVerifier, sign_batch, verify_block
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
