# SPDX-License-Identifier: Apache-2.0
"""The outside of a message: one written form, its times, its padding."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.envelope import (
    Envelope,
    EnvelopeClass,
    Frame,
    check_times,
    envelope_bytes,
    envelope_hash,
    padded_length,
    parse_envelope,
    parse_frame,
    routing_id_of,
)
from protocol.errors import (
    ExpiredError,
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.identifiers import AuthorityId, EnvelopeId, NodeId, NodeName, uuid7

NOW = 1_780_000_000_000
HOUR = 3_600_000
ID = EnvelopeId(uuid7(NOW, b"0123456789").bytes)
FRAME = Frame(
    envelope_class=EnvelopeClass.APPLICATION,
    sender=NodeName(AuthorityId("xa-acc"), NodeId("node-1")),
    routing_id=routing_id_of(b"consultation"),
    envelope_id=ID,
    created_ms=NOW,
    expires_ms=NOW + HOUR,
)
RAW = envelope_bytes(FRAME.to_bytes(), b"sealed")
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    created = draw(st.integers(min_value=0, max_value=2**48 - 2))
    return Frame(
        envelope_class=draw(st.sampled_from(EnvelopeClass)),
        sender=NodeName(AuthorityId(draw(LABELS)), NodeId(draw(LABELS))),
        routing_id=draw(st.binary(min_size=16, max_size=16)),
        envelope_id=EnvelopeId(
            uuid7(
                draw(st.integers(min_value=0, max_value=2**48 - 1)),
                draw(st.binary(min_size=10, max_size=10)),
            ).bytes
        ),
        created_ms=created,
        expires_ms=draw(st.integers(min_value=created + 1, max_value=2**48 - 1)),
    )


@given(frames(), st.binary(max_size=100))
def test_round_trip(frame: Frame, sealed: bytes) -> None:
    raw = envelope_bytes(frame.to_bytes(), sealed)
    envelope = parse_envelope(raw)
    assert envelope == Envelope(frame=frame, frame_bytes=frame.to_bytes(), sealed=sealed, raw=raw)
    assert envelope_bytes(envelope.frame_bytes, envelope.sealed) == raw


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    try:
        envelope = parse_envelope(data)
    except RemoteProtocolError:
        return
    assert envelope.frame.to_bytes() == envelope.frame_bytes


@given(st.data())
def test_any_change_is_another_frame_or_refused(data: st.DataObject) -> None:
    frame_bytes = bytearray(FRAME.to_bytes())
    at = data.draw(st.integers(min_value=0, max_value=len(frame_bytes) - 1))
    frame_bytes[at] ^= data.draw(st.integers(min_value=1, max_value=255))
    try:
        frame = parse_frame(bytes(frame_bytes))
    except RemoteProtocolError:
        return
    assert frame != FRAME
    assert frame.to_bytes() == frame_bytes


def test_octets_of_the_frame_are_frozen() -> None:
    assert FRAME.to_bytes().hex() == (
        "0102"
        "0d78612d6163632f6e6f64652d31"
        "10" + sha256(b"anp1/routeconsultation").hexdigest()[:32] + "10" + ID.hex() + "0000019e70448800"
        "0000019e707b7680"
    )
    assert RAW.hex() == "4042" + FRAME.to_bytes().hex() + "06" + b"sealed".hex()
    assert envelope_hash(RAW) == sha256(RAW).hexdigest()


def with_frame(frame_bytes: bytes) -> bytes:
    return envelope_bytes(frame_bytes, b"sealed")


def changed(**values: object) -> bytes:
    """Write a frame without the checks of `to_bytes`."""
    good = FRAME.to_bytes()
    sender = values.get("sender", b"xa-acc/node-1")
    assert isinstance(sender, bytes)
    tail = good[2 + 14 :]
    return good[:2] + bytes((len(sender),)) + sender + tail


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", ReasonCode.BAD_CONTENT),
        (RAW[:-1], ReasonCode.BAD_CONTENT),
        (RAW + b"\0", ReasonCode.BAD_CONTENT),
        (with_frame(FRAME.to_bytes() + b"\0"), ReasonCode.BAD_CONTENT),
        (with_frame(FRAME.to_bytes()[:-1]), ReasonCode.BAD_CONTENT),
        (b"\x80\x00\x00\x42" + RAW[2:], ReasonCode.BAD_CONTENT),  # a length of four octets where two do
        (b"\xc0\x42" + RAW[2:], ReasonCode.BAD_CONTENT),  # a form of length that does not exist
        (with_frame(FRAME.to_bytes()[:1] + b"\0" + FRAME.to_bytes()[2:]), ReasonCode.BAD_FIELD),
        (with_frame(FRAME.to_bytes()[:1] + b"\5" + FRAME.to_bytes()[2:]), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"xa-acc")), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"xa-acc/")), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"xa-acc/a/b")), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"XA-ACC/node-1")), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"xa-acc/node-\xff")), ReasonCode.BAD_FIELD),
        (with_frame(changed(sender=b"../node-1")), ReasonCode.BAD_FIELD),
        (with_frame(FRAME.to_bytes().replace(ID, bytes(16))), ReasonCode.BAD_FIELD),
        (with_frame(FRAME.to_bytes().replace(ID, ID[:6] + b"\x40" + ID[7:])), ReasonCode.BAD_FIELD),
        (with_frame(FRAME.to_bytes().replace(ID, ID[:8] + b"\xc0" + ID[9:])), ReasonCode.BAD_FIELD),
        (
            with_frame(FRAME.to_bytes().replace(b"\x10" + FRAME.routing_id, b"\x0f" + FRAME.routing_id[1:])),
            ReasonCode.BAD_CONTENT,
        ),
        (
            with_frame(
                FRAME.to_bytes().replace(b"\x10" + FRAME.routing_id, b"\x11" + FRAME.routing_id + b"\0")
            ),
            ReasonCode.TOO_LARGE,
        ),
        (with_frame(FRAME.to_bytes()[:-8] + FRAME.to_bytes()[-16:-8]), ReasonCode.BAD_FIELD),
        (with_frame(FRAME.to_bytes()[:-8] + b"\xff" * 8), ReasonCode.BAD_FIELD),
        (b"\x44\x00" + bytes(1024), ReasonCode.TOO_LARGE),
        (bytes(limits.MAX_ENVELOPE_BYTES + 1), ReasonCode.TOO_LARGE),
    ],
)
def test_what_is_not_an_envelope_is_refused(raw: bytes, code: ReasonCode) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_envelope(raw)
    assert refused.value.code == code


def test_another_version_is_refused() -> None:
    with pytest.raises(UnsupportedVersionError):
        parse_envelope(with_frame(b"\2" + FRAME.to_bytes()[1:]))


@pytest.mark.parametrize(
    "frame",
    [
        replace(FRAME, sender=NodeName(AuthorityId("Xa"), NodeId("n"))),
        replace(FRAME, sender=NodeName(AuthorityId("é"), NodeId("n"))),
        replace(FRAME, routing_id=bytes(15)),
        replace(FRAME, envelope_id=EnvelopeId(bytes(16))),
        replace(FRAME, created_ms=-1),
        replace(FRAME, expires_ms=NOW),
        replace(FRAME, expires_ms=1 << 64),
        replace(FRAME, expires_ms=1 << 48),
    ],
)
def test_we_write_no_frame_that_nobody_takes(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


def test_we_write_no_envelope_over_the_limit() -> None:
    with pytest.raises(LocalProtocolError) as refused:
        envelope_bytes(FRAME.to_bytes(), bytes(limits.MAX_ENVELOPE_BYTES))
    assert refused.value.code == ReasonCode.TOO_LARGE


TOLERANCE = limits.CLOCK_TOLERANCE_SECONDS * 1000


@pytest.mark.parametrize("now", [NOW - TOLERANCE, NOW, NOW + HOUR - 1])
def test_times_that_hold(now: int) -> None:
    check_times(FRAME, now)


def test_a_frame_from_the_future_is_refused() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        check_times(FRAME, NOW - TOLERANCE - 1)
    assert refused.value.code == ReasonCode.NOT_YET_VALID


def test_an_expired_frame_is_refused() -> None:
    with pytest.raises(ExpiredError) as refused:
        check_times(FRAME, NOW + HOUR)
    assert refused.value.code == ReasonCode.EXPIRED


def test_a_lifetime_has_a_limit() -> None:
    longest = limits.MAX_LIFETIME_SECONDS * 1000
    check_times(replace(FRAME, expires_ms=NOW + longest), NOW)
    with pytest.raises(MalformedError) as refused:
        check_times(replace(FRAME, expires_ms=NOW + longest + 1), NOW)
    assert refused.value.code == ReasonCode.BAD_FIELD


def test_frames_of_one_group_share_a_routing_id_and_nothing_of_its_name() -> None:
    assert routing_id_of(b"a") == routing_id_of(b"a") != routing_id_of(b"b")
    assert len(routing_id_of(b"")) == 16


@pytest.mark.parametrize(
    ("size", "padded"),
    [(0, 512), (512, 512), (513, 544), (1024, 1024), (1025, 1088), (4096, 4096), (4097, 4352)],
)
def test_padded_lengths(size: int, padded: int) -> None:
    assert padded_length(size) == padded


@given(st.integers(min_value=513, max_value=2**26))
def test_padding_costs_less_than_a_sixteenth(size: int) -> None:
    padded = padded_length(size)
    assert size <= padded < size * 1.0625
    assert padded_length(padded) == padded


def test_nothing_of_the_content_is_shown() -> None:
    shown = repr(parse_envelope(envelope_bytes(FRAME.to_bytes(), b"canary")))
    assert "canary" not in shown
    assert b"canary".hex() not in shown
