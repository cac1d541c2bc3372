# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from hashlib import sha256

import pytest

from globe_node.delivery.clerk import Clerk, ClerkDesk
from protocol import limits
from protocol.errors import ReasonCode, RemoteProtocolError, UntrustedError
from protocol.identifiers import AuthorityId, Digest
from protocol.receipts import ReceiptEntry, ReceiptStatus, SignedReceipt, parse_receipt, parse_signed_receipt
from protocol.signing import labels
from protocol.signing.batch import sign_batch
from tests.support.clock import START, FixedClock
from tests.support.delivery import PeerList, identity_of
from tests.support.entropy import SeededEntropy
from tests.support.signers import seeded_signer

A, B, C = AuthorityId("xa-acc"), AuthorityId("xb-acc"), AuthorityId("xc-acc")


def clerk(authority: str = B) -> Clerk:
    signer = seeded_signer(authority)
    peers = PeerList(authority, (A, B, C))
    desk = ClerkDesk(identity_of(authority), lambda: signer, peers, FixedClock(), SeededEntropy(authority))
    return Clerk(desk)


def entries(count: int) -> list[ReceiptEntry]:
    digests = [Digest(sha256(number.to_bytes(2, "big")).hexdigest()) for number in range(count)]
    return [ReceiptEntry(digest, digest, ReceiptStatus.RECEIVED) for digest in digests]


def resigned(signed: SignedReceipt, authority: str, label: str = labels.RECEIPT) -> SignedReceipt:
    """The same receipt under the signature of somebody else, or for another purpose."""
    digest = sha256(signed.receipt).digest()
    (block,) = sign_batch(seeded_signer(authority), label, [digest], SeededEntropy(9))
    return replace(signed, signature=block)


def test_a_receipt_that_was_signed_is_verified_by_its_recipient() -> None:
    (signed,) = clerk(B).sign({A: entries(3)})
    read = parse_signed_receipt(signed.to_bytes())
    clerk(A).verify(read, B)
    assert read.content.created == START
    assert read.content.issuer.key == seeded_signer(B).key_id


def test_receipts_of_one_act_share_a_signature_and_each_has_its_own_path() -> None:
    count = limits.MAX_RECEIPT_ENTRIES + 1
    signed = clerk(B).sign({A: entries(count), C: entries(1)})
    assert [(one.content.to, len(one.content.entries)) for one in signed] == [
        (A, limits.MAX_RECEIPT_ENTRIES),
        (A, 1),
        (C, 1),
    ]
    assert len({one.signature[-3373:] for one in signed}) == 1
    for one in signed:
        clerk(one.content.to).verify(one, B)


def test_a_receipt_for_somebody_else_is_refused() -> None:
    (signed,) = clerk(B).sign({C: entries(1)})
    with pytest.raises(UntrustedError):
        clerk(A).verify(signed, B)


def test_a_receipt_that_another_peer_hands_in_is_refused() -> None:
    (signed,) = clerk(B).sign({A: entries(1)})
    with pytest.raises(UntrustedError):
        clerk(A).verify(signed, C)


def test_our_own_receipt_returned_is_refused() -> None:
    (signed,) = clerk(A).sign({B: entries(1)})
    with pytest.raises(UntrustedError):
        clerk(A).verify(signed, B)


@pytest.mark.parametrize(
    ("authority", "label"),
    [("xc-acc", labels.RECEIPT), ("xb-acc", labels.RECORD), ("xb-acc", labels.STATEMENT)],
)
def test_a_signature_of_somebody_else_or_for_another_purpose_is_refused(authority: str, label: str) -> None:
    (signed,) = clerk(B).sign({A: entries(1)})
    with pytest.raises(UntrustedError):
        clerk(A).verify(resigned(signed, authority, label), B)


def test_a_key_that_the_directory_does_not_hold_is_refused() -> None:
    (signed,) = clerk(B).sign({A: entries(1)})
    stranger = "xz-acc"
    issuer = replace(signed.content.issuer, key=seeded_signer(stranger).key_id)
    content = replace(signed.content, issuer=issuer)
    forged = resigned(SignedReceipt(content.to_bytes(), b"", content), stranger)
    with pytest.raises(UntrustedError) as caught:
        clerk(A).verify(forged, B)
    assert caught.value.code is ReasonCode.REFUSED


def test_no_changed_byte_is_accepted() -> None:
    (signed,) = clerk(B).sign({A: entries(1)})
    reader = clerk(A)
    for at in range(0, len(signed.receipt), 7):
        changed = bytearray(signed.receipt)
        changed[at] ^= 1
        try:
            content = parse_receipt(bytes(changed))
        except RemoteProtocolError:
            continue
        with pytest.raises(RemoteProtocolError):
            reader.verify(SignedReceipt(bytes(changed), signed.signature, content), B)
    for at in range(0, len(signed.signature), 97):
        block = bytearray(signed.signature)
        block[at] ^= 1
        with pytest.raises(RemoteProtocolError):
            reader.verify(replace(signed, signature=bytes(block)), B)
