# SPDX-License-Identifier: Apache-2.0
"""The cover of a directory statement: a payload and who signed it. It does not read the payload.

1. Signatures cover the pre-authentication encoding (PAE); the id of a statement is its SHA-256, so the same
   payload signed by other people is the same statement.
2. Written form: canonical JSON, signatures sorted by key id, at most 65,535 bytes; nothing else is read.
3. Key ids are recomputed from admitted keys, never taken on trust. Every signature must be by a key of the
   list and must hold; a threshold counts distinct public keys.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from protocol import canonical, limits
from protocol.canonical import JSONValue, items_of, object_of, outside_rule, require_members, text_of
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UntrustedError
from protocol.identifiers import Digest, KeyId, parse_key_id
from protocol.interfaces import Signer
from protocol.octets import base64_text, parse_base64
from protocol.signing import composite, labels
from protocol.signing.composite import PublicKey

PAYLOAD_TYPE = "application/vnd.anp1.directory+json"
MAX_SIGNATURES = 16
"""Signatures under one statement; more would not fit its size."""


@dataclass(frozen=True, slots=True)
class StatementSignature:
    """One signature under a statement.

    Attributes:
        key_id: whose; a claim until it was found among admitted keys.
        value: 3373 bytes.
    """

    key_id: KeyId
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A payload with its signatures, read but not verified.

    Attributes:
        payload: canonical JSON.
        signatures: sorted by key id, each key id once.
    """

    payload: bytes = field(repr=False)
    signatures: tuple[StatementSignature, ...]

    @property
    def statement_id(self) -> Digest:
        """SHA-256 of the pre-authentication encoding, in hex."""
        return statement_id_of(self.payload)

    def to_bytes(self) -> bytes:
        """Write the statement as it is stored and sent.

        Raises:
            LocalProtocolError: longer than a statement may be.
        """
        raw = canonical.to_bytes(
            {
                "payload": base64_text(self.payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [
                    {"keyid": signature.key_id, "sig": base64_text(signature.value)}
                    for signature in self.signatures
                ],
            }
        )
        if len(raw) > limits.MAX_STATEMENT_BYTES:
            raise LocalProtocolError("the statement is too large; split it", code=ReasonCode.TOO_LARGE)
        return raw


def pae(payload: bytes) -> bytes:
    """Return what the signatures of a statement cover.

    Spec: DSSE v1.0.2 protocol.md; PROTOCOL.md section 10.1.
    """
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def statement_id_of(payload: bytes) -> Digest:
    """Return the id of the statement with this payload."""
    return Digest(sha256(pae(payload)).hexdigest())


def sign_statement(payload: bytes, signers: Sequence[Signer]) -> SignedStatement:
    """Sign a payload with each signer once.

    Raises:
        LocalProtocolError: no signer, or the same key twice (`dir_threshold`); too large (`too_large`).
    """
    signed = SignedStatement(payload=payload, signatures=())
    for signer in signers:
        signed = countersign(signed, signer)
    if not signers:
        raise LocalProtocolError("a statement needs a signature", code=ReasonCode.DIR_THRESHOLD)
    signed.to_bytes()
    return signed


def countersign(signed: SignedStatement, signer: Signer) -> SignedStatement:
    """Add one more signature; officers need not sit in one room."""
    if any(signature.key_id == signer.key_id for signature in signed.signatures):
        raise LocalProtocolError("this key has signed already", code=ReasonCode.DIR_THRESHOLD)
    value = signer.sign(labels.STATEMENT, pae(signed.payload))
    added = StatementSignature(key_id=signer.key_id, value=value)
    signatures = sorted((*signed.signatures, added), key=lambda signature: signature.key_id)
    return SignedStatement(payload=signed.payload, signatures=tuple(signatures))


def parse_signed_statement(data: bytes) -> SignedStatement:
    """Read a statement's cover; signatures are not verified and the payload is not read.

    Raises:
        MalformedError: too long (`too_large`), not canonical (`bad_json`), unknown members (`unknown_field`),
            wrong fields or signatures out of order (`bad_field`), a key id twice (`dir_threshold`).

    Spec: PROTOCOL.md section 10.1.
    """
    value = canonical.parse_object(data, limits.MAX_STATEMENT_BYTES)
    require_members(value, {"payload", "payloadType", "signatures"}, "statement")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise outside_rule("payloadType")
    payload = text_of(value["payload"], "payload")
    listed = items_of(value["signatures"], MAX_SIGNATURES, "signatures")
    if not listed:
        raise outside_rule("signatures")
    signatures = tuple(_parse_signature(item) for item in listed)
    key_ids = [signature.key_id for signature in signatures]
    if len(set(key_ids)) != len(key_ids):
        raise MalformedError("one key signed twice", code=ReasonCode.DIR_THRESHOLD)
    if key_ids != sorted(key_ids):
        raise MalformedError("signatures are not sorted by key id", code=ReasonCode.BAD_FIELD)
    return SignedStatement(payload=parse_base64(payload), signatures=signatures)


def verify_threshold(signed: SignedStatement, allowed: Iterable[PublicKey], threshold: int) -> None:
    """Check that enough of the allowed keys signed, and that nobody else did.

    Args:
        signed: the statement.
        allowed: admitted keys; the same key given twice counts once.
        threshold: how many distinct keys must have signed, at least 1.

    Raises:
        UntrustedError: too few signatures or a threshold that means nothing (`dir_threshold`); a signature
            by a key outside the list, or one that does not hold (`refused`).

    Spec: PROTOCOL.md section 10.1.
    """
    allowed = tuple(allowed)
    distinct = {public_key.raw for public_key in allowed}
    if not 1 <= threshold <= len(distinct):
        raise UntrustedError("the threshold can't be met", code=ReasonCode.DIR_THRESHOLD)
    signers = verified_signers(signed, allowed)
    if len(signers) < threshold:
        raise UntrustedError(
            f"{len(signers)} of {threshold} signatures needed", code=ReasonCode.DIR_THRESHOLD
        )


def verified_signers(signed: SignedStatement, allowed: Iterable[PublicKey]) -> frozenset[KeyId]:
    """Verify every signature and return the distinct keys that signed.

    Raises:
        UntrustedError: a key signed twice (`dir_threshold`); a signature by a key outside the list, or one
            that does not hold (`refused`).
    """
    by_id = {public_key.key_id: public_key for public_key in allowed}
    signers = [by_id.get(signature.key_id) for signature in signed.signatures]
    covered = pae(signed.payload)
    counted: set[KeyId] = set()
    for public_key, signature in zip(signers, signed.signatures, strict=True):
        if public_key is None or None in signers:
            raise UntrustedError("a signature by a key that has no say here")
        if public_key.key_id in counted:
            raise UntrustedError("one key signed twice", code=ReasonCode.DIR_THRESHOLD)
        composite.verify(public_key, labels.STATEMENT, covered, signature.value)
        counted.add(public_key.key_id)
    return frozenset(counted)


def _parse_signature(item: JSONValue) -> StatementSignature:
    entry = object_of(item, "signature")
    require_members(entry, {"keyid", "sig"}, "signature")
    raw = parse_base64(text_of(entry["sig"], "sig"))
    if len(raw) != composite.SIGNATURE_BYTES:
        raise outside_rule("sig")
    return StatementSignature(key_id=parse_key_id(text_of(entry["keyid"], "keyid")), value=raw)
