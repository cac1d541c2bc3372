# SPDX-License-Identifier: Apache-2.0
"""Sealing: those addressed read it; anybody else, and any change, is refused alike."""

import hmac
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import hpke, limits
from protocol.e2ee import open_envelope, seal
from protocol.envelope import Envelope, Frame, envelope_bytes, pad, parse_envelope
from protocol.errors import (
    LocalProtocolError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
    UntrustedError,
)
from protocol.interfaces import Decapsulator
from protocol.octets import Reader, Writer, op
from tests.protocol.test_envelope import FRAME, NOW
from tests.support.decapsulators import SeededDecapsulator, seeded_decapsulator
from tests.support.entropy import SeededEntropy

ONE, TWO, THREE = (seeded_decapsulator(f"recipient {number}") for number in (1, 2, 3))
STRANGER = seeded_decapsulator("stranger")
CONTENT = b"who holds this account, and would you freeze it"
OTHER_FRAME = replace(FRAME, expires_ms=FRAME.expires_ms + 1)


def sealed_to(
    *holders: SeededDecapsulator, content: bytes = CONTENT, frame: Frame = FRAME, seed: int = 1
) -> bytes:
    return seal(content, frame, [holder.public_key for holder in holders], SeededEntropy(seed))


def opened(raw: bytes, *holders: Decapsulator) -> bytes:
    return open_envelope(parse_envelope(raw), holders)


def refused(raw: bytes, *holders: Decapsulator) -> None:
    with pytest.raises(UntrustedError) as error:
        opened(raw, *holders)
    assert error.value.code == ReasonCode.REFUSED
    assert str(error.value) == "cannot be opened"
    assert error.value.__suppress_context__


PAIR = sealed_to(ONE, TWO)
ENVELOPE = parse_envelope(PAIR)


class Parts:
    """The sealed part taken apart, to be put together wrongly."""

    def __init__(self, sealed: bytes) -> None:
        reader = Reader(sealed)
        self.suite = reader.u8()
        self.commitment = reader.op(32)
        self.wrapped = [(reader.raw(32), reader.op(2000)) for _ in range(reader.u8())]
        self.ciphertext = reader.op(limits.MAX_ENVELOPE_BYTES)
        reader.finish()

    def head(self) -> bytes:
        writer = Writer().u8(self.suite).op(self.commitment).u8(len(self.wrapped))
        for key_id, wrapped in self.wrapped:
            writer.raw(key_id).op(wrapped)
        return writer.to_bytes()

    def raw(self, frame: Frame = FRAME) -> bytes:
        return envelope_bytes(frame.to_bytes(), self.head() + op(self.ciphertext))


def parts() -> Parts:
    return Parts(ENVELOPE.sealed)


def test_parts_put_together_rightly_open() -> None:
    assert parts().raw() == PAIR


@pytest.mark.parametrize("holder", [ONE, TWO])
def test_everybody_addressed_reads_it(holder: SeededDecapsulator) -> None:
    assert opened(PAIR, holder) == CONTENT
    assert opened(PAIR, STRANGER, holder) == CONTENT


def test_nobody_else_reads_it() -> None:
    refused(PAIR, STRANGER)
    refused(PAIR)


@settings(max_examples=30)
@given(st.binary(max_size=3000), st.integers(1, 3))
def test_round_trip(content: bytes, recipients: int) -> None:
    holders = (ONE, TWO, THREE)[:recipients]
    raw = sealed_to(*holders, content=content)
    for holder in holders:
        assert opened(raw, holder) == content


def test_the_length_is_padded_and_nothing_shows() -> None:
    short, longer = sealed_to(ONE, content=b"no"), sealed_to(ONE, content=CONTENT)
    assert len(short) == len(longer)
    for secret in (CONTENT, CONTENT[:20], ONE.public_key, ONE.seed):
        assert secret not in longer


def test_the_order_of_recipients_does_not_show() -> None:
    def key_ids(raw: bytes) -> list[bytes]:
        return [key_id for key_id, _ in Parts(parse_envelope(raw).sealed).wrapped]

    assert key_ids(sealed_to(ONE, TWO, THREE)) == key_ids(sealed_to(THREE, TWO, ONE))
    assert key_ids(PAIR) == sorted(bytes.fromhex(holder.key_id) for holder in (ONE, TWO))


def test_recipients_have_bounds() -> None:
    everybody = [seeded_decapsulator(f"recipient {number}") for number in range(21)]
    raw = sealed_to(*everybody[:20])
    assert all(opened(raw, holder) == CONTENT for holder in everybody[:20])
    for wrong in ([], everybody, [ONE, ONE]):
        with pytest.raises(LocalProtocolError):
            sealed_to(*wrong)


def test_a_key_that_cannot_be_admitted_gets_nothing() -> None:
    with pytest.raises(UntrustedError):
        seal(CONTENT, FRAME, [ONE.public_key[:1184] + bytes(32)], SeededEntropy(1))


def test_too_much_is_refused_before_it_leaves() -> None:
    with pytest.raises(LocalProtocolError) as error:
        sealed_to(ONE, content=bytes(limits.MAX_ENVELOPE_BYTES))
    assert error.value.code == ReasonCode.TOO_LARGE


def test_the_largest_content_fits() -> None:
    most = limits.MAX_RECORD_BYTES + limits.MAX_ATTACHMENT_TOTAL_BYTES + 8 * 1024
    everybody = [seeded_decapsulator(f"recipient {number}") for number in range(20)]
    assert len(opened(sealed_to(*everybody, content=bytes(most)), everybody[19])) == most


@given(st.integers(min_value=0, max_value=len(PAIR) * 8 - 1))
def test_every_changed_bit_is_refused(bit: int) -> None:
    raw = bytearray(PAIR)
    raw[bit // 8] ^= 1 << bit % 8
    for holder in (ONE, TWO):
        with pytest.raises(RemoteProtocolError):
            opened(bytes(raw), holder)


@given(st.binary(max_size=200))
def test_any_sealed_part_is_refused(sealed: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        opened(envelope_bytes(FRAME.to_bytes(), sealed), ONE)


@pytest.mark.parametrize("cut", [1, 16, 17, 528, 600, 2000])
def test_a_sealed_part_that_is_cut_off_is_refused(cut: int) -> None:
    refused(envelope_bytes(ENVELOPE.frame_bytes, ENVELOPE.sealed[:-cut]), ONE)


def test_octets_after_the_sealed_part_are_refused() -> None:
    refused(envelope_bytes(ENVELOPE.frame_bytes, ENVELOPE.sealed + b"\0"), ONE)


@pytest.mark.parametrize("suite", [0, 2, 255])
def test_another_suite_is_refused(suite: int) -> None:
    changed = parts()
    changed.suite = suite
    with pytest.raises(UnsupportedVersionError):
        opened(changed.raw(), ONE)


def test_a_sealed_part_moved_to_another_frame_is_refused() -> None:
    refused(parts().raw(OTHER_FRAME), ONE)


def test_swapped_wrapped_keys_are_refused() -> None:
    changed = parts()
    (first_id, first), (second_id, second) = changed.wrapped
    changed.wrapped = [(first_id, second), (second_id, first)]
    refused(changed.raw(), ONE)
    refused(changed.raw(), TWO)


def test_a_recipient_taken_off_or_put_on_the_list_is_noticed_by_all() -> None:
    first = next(holder for holder in (ONE, TWO) if bytes.fromhex(holder.key_id) == parts().wrapped[0][0])
    fewer = parts()
    fewer.wrapped = fewer.wrapped[:1]
    refused(fewer.raw(), first)
    more = parts()
    more.wrapped = sorted([*more.wrapped, (bytes.fromhex(STRANGER.key_id), more.wrapped[0][1])])
    refused(more.raw(), first)
    refused(more.raw(), STRANGER)


@pytest.mark.parametrize("length", [0, 1136, 1167, 1169])
def test_wrapped_keys_of_another_length_are_refused(length: int) -> None:
    changed = parts()
    changed.wrapped = [(key_id, (wrapped + b"\0")[:length]) for key_id, wrapped in changed.wrapped]
    refused(changed.raw(), ONE)


def wrapped_again(changed: Parts, holder: SeededDecapsulator, key: bytes) -> None:
    """Put another content key in the place of one recipient, as a dishonest sender could."""
    key_id = bytes.fromhex(holder.key_id)
    info = b"anp1/seal" + op(sha256(FRAME.to_bytes()).digest()) + op(changed.commitment)
    wrapped = hpke.seal(holder.public_key, key, info=info, aad=key_id, entropy=SeededEntropy(9))
    changed.wrapped = [(listed, wrapped if listed == key_id else other) for listed, other in changed.wrapped]


def encrypted(changed: Parts, key: bytes, padded: bytes) -> None:
    aad = sha256(FRAME.to_bytes()).digest() + sha256(changed.head()).digest()
    changed.ciphertext = AESGCM(key).encrypt(bytes(12), padded, aad)


def from_a_dishonest_sender(*holders: SeededDecapsulator) -> Parts:
    """Everything fits together, but the list is taken as it comes."""
    key = b"\4" * 32
    made = parts()
    made.commitment = hmac.digest(key, b"anp1/commit", "sha256")
    made.wrapped = [(bytes.fromhex(holder.key_id), b"") for holder in holders]
    for holder in set(holders):
        wrapped_again(made, holder, key)
    encrypted(made, key, pad(CONTENT))
    return made


def test_a_list_out_of_order_or_with_one_twice_is_refused() -> None:
    rising = sorted((ONE, TWO, THREE), key=lambda holder: holder.key_id)
    assert opened(from_a_dishonest_sender(*rising).raw(), ONE) == CONTENT
    for wrong in (rising[::-1], [*rising, rising[2]], [rising[0], *rising]):
        refused(from_a_dishonest_sender(*wrong).raw(), ONE)


def test_a_list_over_its_bounds_is_refused() -> None:
    everybody = [seeded_decapsulator(f"recipient {number}") for number in range(21)]
    rising = sorted(everybody, key=lambda holder: holder.key_id)
    assert opened(from_a_dishonest_sender(*rising[:20]).raw(), rising[0]) == CONTENT
    refused(from_a_dishonest_sender(*rising).raw(), rising[0])


def test_the_order_of_our_own_keys_does_not_matter_to_who_is_addressed() -> None:
    raw = from_a_dishonest_sender(TWO).raw()
    assert opened(raw, STRANGER, ONE, TWO) == opened(raw, TWO, ONE) == CONTENT
    refused(raw, STRANGER, ONE, THREE)


def test_a_second_content_key_for_one_recipient_fails_the_commitment() -> None:
    changed = parts()
    wrapped_again(changed, ONE, bytes(32))
    encrypted(changed, bytes(32), pad(b"other content"))
    refused(changed.raw(), ONE)


def test_the_commitment_of_a_dishonest_sender_holds_for_one_key_only() -> None:
    honest, other = b"\1" * 32, b"\2" * 32
    changed = parts()
    changed.commitment = hmac.digest(honest, b"anp1/commit", "sha256")
    wrapped_again(changed, ONE, honest)
    wrapped_again(changed, TWO, other)
    encrypted(changed, honest, pad(CONTENT))
    assert opened(changed.raw(), ONE) == CONTENT
    refused(changed.raw(), TWO)
    encrypted(changed, other, pad(b"other content"))
    refused(changed.raw(), ONE)
    refused(changed.raw(), TWO)


@pytest.mark.parametrize("padded", [pad(CONTENT)[:-1], pad(CONTENT)[:-1] + b"\1", CONTENT, b""])
def test_padding_in_another_form_is_refused(padded: bytes) -> None:
    key = b"\3" * 32
    changed = parts()
    changed.commitment = hmac.digest(key, b"anp1/commit", "sha256")
    wrapped_again(changed, ONE, key)
    encrypted(changed, key, padded)
    refused(changed.raw(), ONE)


def test_low_order_points_in_a_wrapped_key_are_refused() -> None:
    changed = parts()
    changed.wrapped = [
        (key_id, wrapped[:1088] + bytes(32) + wrapped[1120:]) for key_id, wrapped in changed.wrapped
    ]
    refused(changed.raw(), ONE)


def test_a_wrapped_key_of_another_envelope_is_refused() -> None:
    elsewhere = Parts(parse_envelope(sealed_to(ONE, TWO, seed=2)).sealed)
    changed = parts()
    changed.wrapped = elsewhere.wrapped
    refused(changed.raw(), ONE)


class Repeating:
    """Implements `protocol.interfaces.Entropy` as machines restored from one image would."""

    def random_bytes(self, size: int) -> bytes:
        return b"\7" * size


def test_chance_that_repeats_does_not_repeat_a_key() -> None:
    def key_stream(content: bytes, frame: Frame) -> bytes:
        raw = seal(content, frame, [ONE.public_key], Repeating())
        ciphertext = Parts(parse_envelope(raw).sealed).ciphertext
        return bytes(a ^ b for a, b in zip(pad(content), ciphertext, strict=False))

    streams = {key_stream(b"one", FRAME), key_stream(b"two", FRAME), key_stream(b"one", OTHER_FRAME)}
    assert len(streams) == 3


def test_the_envelope_of_one_recipient_is_not_opened_by_position() -> None:
    only_two = sealed_to(TWO)
    refused(only_two, ONE)
    assert opened(only_two, ONE, TWO) == CONTENT


def test_a_frame_that_nobody_takes_is_not_sealed() -> None:
    with pytest.raises(LocalProtocolError):
        sealed_to(ONE, frame=replace(FRAME, expires_ms=NOW))


def test_the_sealed_part_is_read_as_received() -> None:
    envelope = Envelope(
        frame=OTHER_FRAME, frame_bytes=ENVELOPE.frame_bytes, sealed=ENVELOPE.sealed, raw=ENVELOPE.raw
    )
    assert open_envelope(envelope, [ONE]) == CONTENT  # the octets decide, not a frame written again
