# SPDX-License-Identifier: Apache-2.0
"""The outside of a message: what every carrier sees, and the sealed part it cannot see into.

Not the sealing itself, which is `protocol.groups.sealed`, and not the names of the recipients, which nobody
outside needs to know.

1. An envelope is a frame and a sealed part; the sealed part is bound to the octets of its frame.
2. The frame has one written form; whatever differs from it is refused before anything is decrypted.
3. Padding, inside encryption, hides the length within steps of a sixteenth, from 512 up.
4. An envelope expires by the clock of whoever receives it; only its creation is granted a clock tolerance.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from protocol import limits
from protocol.errors import (
    ExpiredError,
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.identifiers import MAX_NODE_NAME_BYTES, Digest, EnvelopeId, NodeName, parse_node_name
from protocol.octets import Reader, Writer

ROUTING_ID_BYTES = 16
ENVELOPE_ID_BYTES = 16
MAX_FRAME_BYTES = 256
_VERSION = 1
_MAX_MILLISECONDS = (1 << 48) - 1


class EnvelopeClass(IntEnum):
    """What a carrier may treat differently."""

    COMMIT = 1
    APPLICATION = 2
    WELCOME = 3
    CONTROL = 4


_CLASSES = {int(member): member for member in EnvelopeClass}


@dataclass(frozen=True, slots=True)
class Frame:
    """The outer frame.

    Attributes:
        envelope_class: what a carrier may treat differently.
        sender: who made it.
        routing_id: 16 bytes that tell envelopes of one group from others, see `routing_id_of`.
        envelope_id: UUIDv7 as 16 bytes, fixed when the message is written.
        created_ms: Unix time in milliseconds.
        expires_ms: Unix time in milliseconds, after which no receiver takes it.

    Spec: PROTOCOL.md section 7.
    """

    envelope_class: EnvelopeClass
    sender: NodeName
    routing_id: bytes
    envelope_id: EnvelopeId
    created_ms: int
    expires_ms: int

    def to_bytes(self) -> bytes:
        """Write the one form of the frame.

        Raises:
            LocalProtocolError: a value that no receiver would take (`bad_field`).
        """
        sender = str(self.sender).encode("ascii", "replace")
        written = (
            Writer()
            .u8(_VERSION)
            .u8(self.envelope_class)
            .op(sender)
            .op(self.routing_id)
            .op(self.envelope_id)
            .u64(self.created_ms)
            .u64(self.expires_ms)
            .to_bytes()
        )
        try:
            parse_frame(written)
        except RemoteProtocolError as refused:
            raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
        return written


@dataclass(frozen=True, slots=True)
class Envelope:
    """A received envelope.

    Attributes:
        frame: the outer frame.
        frame_bytes: its octets, as received.
        sealed: the sealed part, as received.
        raw: the whole envelope, as received.
    """

    frame: Frame
    frame_bytes: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    raw: bytes = field(repr=False)


def envelope_bytes(frame_bytes: bytes, sealed: bytes) -> bytes:
    """Put an envelope together: `op(frame) || op(sealed)`.

    Raises:
        LocalProtocolError: longer than any receiver takes (`too_large`).

    Spec: PROTOCOL.md section 7.
    """
    raw = Writer().op(frame_bytes).op(sealed).to_bytes()
    if len(raw) > limits.MAX_ENVELOPE_BYTES:
        raise LocalProtocolError("an envelope over the limit", code=ReasonCode.TOO_LARGE)
    return raw


def parse_envelope(raw: bytes) -> Envelope:
    """Read an envelope without looking into its sealed part.

    Raises:
        MalformedError: too long (`too_large`), cut off or with octets left over (`bad_content`), or a field
            outside its rule (`bad_field`).
        UnsupportedVersionError: a frame of another version.

    Spec: PROTOCOL.md section 7.
    """
    if len(raw) > limits.MAX_ENVELOPE_BYTES:
        raise MalformedError("an envelope over the limit", code=ReasonCode.TOO_LARGE)
    reader = Reader(raw)
    frame_bytes = reader.op(MAX_FRAME_BYTES)
    sealed = reader.op(limits.MAX_ENVELOPE_BYTES)
    reader.finish()
    return Envelope(frame=parse_frame(frame_bytes), frame_bytes=frame_bytes, sealed=sealed, raw=raw)


def parse_frame(data: bytes) -> Frame:
    """Read a frame; the same errors as `parse_envelope`."""
    reader = Reader(data)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("a frame of another version")
    envelope_class = reader.u8()
    sender = reader.op(MAX_NODE_NAME_BYTES)
    routing_id = reader.op(ROUTING_ID_BYTES, ROUTING_ID_BYTES)
    envelope_id = reader.op(ENVELOPE_ID_BYTES, ENVELOPE_ID_BYTES)
    created_ms, expires_ms = reader.u64(), reader.u64()
    reader.finish()
    if envelope_class not in _CLASSES:
        raise _bad_field("an envelope class that does not exist")
    if envelope_id[6] >> 4 != 7 or envelope_id[8] >> 6 != 2:
        raise _bad_field("an envelope id that is not a UUIDv7")
    if not created_ms < expires_ms <= _MAX_MILLISECONDS:
        raise _bad_field("an envelope that expires before it is created")
    return Frame(
        envelope_class=_CLASSES[envelope_class],
        sender=parse_node_name(sender),
        routing_id=routing_id,
        envelope_id=EnvelopeId(envelope_id),
        created_ms=created_ms,
        expires_ms=expires_ms,
    )


def check_times(frame: Frame, now_ms: int) -> None:
    """Check that a frame may be taken now.

    Args:
        frame: the frame.
        now_ms: the receiver's Unix time in milliseconds.

    Raises:
        RemoteProtocolError: created in the future, beyond the clock tolerance (`not_yet_valid`).
        ExpiredError: its time is over.
        MalformedError: a lifetime over the limit (`bad_field`).

    Spec: PROTOCOL.md section 7.
    """
    if frame.expires_ms - frame.created_ms > limits.MAX_LIFETIME_SECONDS * 1000:
        raise _bad_field("an envelope with a lifetime over the limit")
    if frame.created_ms > now_ms + limits.CLOCK_TOLERANCE_SECONDS * 1000:
        raise RemoteProtocolError("an envelope from the future", code=ReasonCode.NOT_YET_VALID)
    if frame.expires_ms <= now_ms:
        raise ExpiredError("an envelope that came after its time")


def envelope_hash(raw: bytes) -> Digest:
    """Return the SHA-256 of a whole envelope in hex.

    Spec: PROTOCOL.md section 7.
    """
    return Digest(sha256(raw).hexdigest())


def routing_id_of(group: bytes) -> bytes:
    """Return the 16 bytes that stand for a group outside encryption.

    Spec: PROTOCOL.md section 7.
    """
    return sha256(b"anp1/route" + group).digest()[:ROUTING_ID_BYTES]


def padded_length(size: int) -> int:
    """Return the padded length for a length in octets: Padme steps, at least 512.

    Spec: PROTOCOL.md section 7.3.
    """
    if size <= limits.MIN_PADDED_BYTES:
        return limits.MIN_PADDED_BYTES
    exponent = size.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()
    return (size + (1 << zero_bits) - 1) >> zero_bits << zero_bits


def _bad_field(text: str) -> MalformedError:
    return MalformedError(text, code=ReasonCode.BAD_FIELD)
