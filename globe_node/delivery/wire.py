# SPDX-License-Identifier: Apache-2.0
"""The bodies of requests and answers between two couriers. No envelope or receipt is opened here.

1. A request is `u8 1 || u16 n || n * op(item)`: the items stay octets, so a bad one spoils only itself.
2. An answer is canonical JSON. It is unsigned, so it moves nothing: receipts inside it carry their own proof,
   `pending` and `refused` only say when to ask again.
3. What is written here fits what the other side reads: `take_fitting` cuts a batch, `answer_to` leaves
   receipts out and calls their envelopes pending rather than grow beyond the bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocol import canonical, limits
from protocol.canonical import items_of, object_of, require_members, text_of
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError
from protocol.identifiers import EnvelopeId
from protocol.octets import Reader, Writer, base64_text, parse_base64

_VERSION = 1
_ITEM_OVERHEAD = 4
"""The longest length prefix of one item."""
_HEAD_BYTES = 3
_MEMBER_BYTES = 100
"""Room for one pending or refused envelope in an answer."""
_ANSWER_MEMBERS = {"receipts", "pending", "refused"}


def take_fitting(sizes: Sequence[int], *, max_items: int, max_bytes: int) -> int:
    """Return how many of the first items fit into one request; at least 1 if there is any."""
    total = _HEAD_BYTES
    for count, size in enumerate(sizes):
        total += size + _ITEM_OVERHEAD
        if count == max_items or (count and total > max_bytes):
            return count
    return len(sizes)


def write_items(items: Sequence[bytes]) -> bytes:
    """Write the body of a request with envelopes or receipts.

    Spec: PROTOCOL.md section 11.
    """
    writer = Writer().u8(_VERSION).u16(len(items))
    for item in items:
        writer.op(item)
    return writer.to_bytes()


def parse_items(body: bytes, *, max_items: int, max_item_bytes: int) -> list[bytes]:
    """Read the body of a request with envelopes or receipts.

    Raises:
        UnsupportedVersionError: another version.
        MalformedError: none or too many items, an item too long, or octets that are no such body.

    Spec: PROTOCOL.md section 11.
    """
    reader = Reader(body)
    if reader.u8() != _VERSION:
        raise UnsupportedVersionError("not a version of the exchange that this node speaks")
    count = reader.u16()
    if count == 0:
        raise MalformedError("a request with nothing in it", code=ReasonCode.BAD_CONTENT)
    if count > max_items:
        raise MalformedError(f"more than {max_items} items", code=ReasonCode.TOO_LARGE)
    items = [reader.op(max_item_bytes, 1) for _ in range(count)]
    reader.finish()
    return items


@dataclass(frozen=True, slots=True)
class EnvelopesAnswer:
    """What a peer says about one batch of envelopes.

    Attributes:
        receipts: signed receipts; each may cover envelopes of other requests too.
        pending: held durably, not yet decided; ask again soon.
        refused: not held, with the reason; transient for the sender.
    """

    receipts: tuple[bytes, ...] = field(default=(), repr=False)
    pending: tuple[EnvelopeId, ...] = ()
    refused: Mapping[EnvelopeId, ReasonCode] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Write the answer.

        Spec: PROTOCOL.md section 11.
        """
        return canonical.to_bytes(
            {
                "pending": [item.hex() for item in self.pending],
                "receipts": [base64_text(receipt) for receipt in self.receipts],
                "refused": _refused_members(self.refused),
            }
        )


def parse_envelopes_answer(body: bytes) -> EnvelopesAnswer:
    """Read a peer's answer to envelopes; a code that we don't know counts as `refused`.

    Raises:
        MalformedError: not such an answer.
    """
    members = canonical.parse_object(body, limits.MAX_ANSWER_BYTES)
    require_members(members, _ANSWER_MEMBERS, "answer")
    receipts = [parse_base64(text_of(item, "receipts")) for item in _items(members["receipts"], "receipts")]
    pending = [_envelope_id(item) for item in _items(members["pending"], "pending")]
    return EnvelopesAnswer(tuple(receipts), tuple(pending), _parse_refused(members["refused"]))


def write_refusals(refused: Mapping[EnvelopeId, ReasonCode]) -> bytes:
    """Write the answer to receipts.

    Args:
        refused: reasons by receipt id (16 bytes).
    """
    return canonical.to_bytes({"refused": _refused_members(refused)})


def parse_refusals(body: bytes) -> Mapping[EnvelopeId, ReasonCode]:
    """Read a peer's answer to receipts: reasons by receipt id.

    Raises:
        MalformedError: not such an answer.
    """
    members = canonical.parse_object(body, limits.MAX_ANSWER_BYTES)
    require_members(members, {"refused"}, "answer")
    return _parse_refused(members["refused"])


def answer_to(
    receipts: Mapping[EnvelopeId, bytes],
    pending: Sequence[EnvelopeId],
    refused: Mapping[EnvelopeId, ReasonCode],
) -> EnvelopesAnswer:
    """Put an answer together that the other side will read: what does not fit is called pending.

    Args:
        receipts: the signed receipt by envelope; one receipt may stand for many.
        pending: held, not yet decided.
        refused: not held.
    """
    budget = limits.MAX_ANSWER_BYTES - limits.MAX_BATCH_ENVELOPES * _MEMBER_BYTES
    taken: dict[bytes, None] = {}
    left: list[EnvelopeId] = []
    for envelope_id, receipt in receipts.items():
        if receipt not in taken:
            cost = (len(receipt) + 2) // 3 * 4 + 3
            if cost > budget:
                left.append(envelope_id)
                continue
            budget -= cost
            taken[receipt] = None
    return EnvelopesAnswer(tuple(taken), (*pending, *left), refused)


def _refused_members(refused: Mapping[EnvelopeId, ReasonCode]) -> list[dict[str, str]]:
    return [{"code": code.value, "id": item.hex()} for item, code in refused.items()]


def _parse_refused(value: canonical.JSONValue) -> dict[EnvelopeId, ReasonCode]:
    refused: dict[EnvelopeId, ReasonCode] = {}
    for item in _items(value, "refused"):
        refusal = object_of(item, "refusal")
        require_members(refusal, {"code", "id"}, "refusal")
        refused[_envelope_id(refusal["id"])] = _reason(text_of(refusal["code"], "code"))
    return refused


def _reason(text: str) -> ReasonCode:
    try:
        return ReasonCode(text)
    except ValueError:
        return ReasonCode.REFUSED


def _items(value: canonical.JSONValue, what: str) -> Sequence[canonical.JSONValue]:
    return items_of(value, limits.MAX_BATCH_ENVELOPES, what)


def _envelope_id(value: canonical.JSONValue) -> EnvelopeId:
    text = text_of(value, "envelope id")
    if len(text) != 32 or text != text.lower() or not all(digit in "0123456789abcdef" for digit in text):
        raise MalformedError("not an envelope id", code=ReasonCode.BAD_FIELD)
    return EnvelopeId(bytes.fromhex(text))
