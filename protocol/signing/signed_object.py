# SPDX-License-Identifier: Apache-2.0
"""One canonical JSON object under one composite signature, in one piece. It knows no kind of object itself.

1. signed object = u8 1 || op(body) || op(signature). The body has a member `v`, which is 1, and exactly the
   other members that its kind has.
2. What is verified, kept and read is the body as received; it is never written again.
3. Reading does not verify: `verify_signed` is asked apart, with the key that the reader found elsewhere.
4. An error names the kind of object and its member, never what was read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from protocol import canonical, limits
from protocol.canonical import JSONObject, JSONValue
from protocol.errors import (
    LocalProtocolError,
    MalformedError,
    ReasonCode,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocol.interfaces import Signer
from protocol.octets import Reader, Writer, parse_base64
from protocol.signing import composite
from protocol.signing.composite import PublicKey

VERSION = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What makes one kind of signed object.

    Attributes:
        what: its name in error texts, such as "a certificate".
        label: the purpose of its signature, one of `protocol.signing.labels`.
        members: the names of its members, beside `v`.
        max_body_bytes: the longest body.
    """

    what: str
    label: str
    members: frozenset[str]
    max_body_bytes: int = 4096

    @property
    def max_bytes(self) -> int:
        """The longest signed object: version, two lengths of at most 4 bytes, body and signature."""
        return 1 + 4 + self.max_body_bytes + 4 + composite.SIGNATURE_BYTES


class Members:
    """The members of a body or of an object in it; every method raises `MalformedError` (`bad_field`)."""

    __slots__ = ("_values", "_what")

    def __init__(self, what: str, values: JSONObject, names: frozenset[str]) -> None:
        if values.keys() - names:
            raise MalformedError(f"{what} with a member that is not known", code=ReasonCode.UNKNOWN_FIELD)
        self._what = what
        self._values = values
        if values.keys() != names:
            raise self.refusal("members")

    def value(self, name: str) -> JSONValue:
        """Return a member as it is."""
        return self._values[name]

    def text(self, name: str) -> str:
        """Return a member that is a string."""
        value = self._values[name]
        if not isinstance(value, str):
            raise self.refusal(name)
        return value

    def count(self, name: str, least: int = 0) -> int:
        """Return a member that is an integer of at least `least`."""
        value = self._values[name]
        if type(value) is not int or value < least:
            raise self.refusal(name)
        return value

    def moment(self, name: str) -> datetime:
        """Return a member that is a moment."""
        return canonical.parse_moment(self.text(name))

    def octets(self, name: str) -> bytes:
        """Return a member that is base64."""
        return parse_base64(self.text(name))

    def object(self, name: str, names: frozenset[str]) -> "Members":
        """Return a member that is an object with these members."""
        value = self._values[name]
        if not isinstance(value, Mapping):
            raise self.refusal(name)
        return Members(self._what, value, names)

    def objects(self, name: str, names: frozenset[str]) -> "list[Members]":
        """Return a member that is an array of at most 100 objects with these members."""
        value = self._values[name]
        if not isinstance(value, list | tuple) or len(value) > limits.MAX_LIST_ITEMS:
            raise self.refusal(name)
        found = [Members(self._what, item, names) for item in value if isinstance(item, Mapping)]
        if len(found) != len(value):
            raise self.refusal(name)
        return found

    def refusal(self, name: str) -> MalformedError:
        """Return the error for a member outside its rule."""
        return MalformedError(f"{self._what}: {name} outside its rule", code=ReasonCode.BAD_FIELD)


@dataclass(frozen=True, slots=True)
class SignedObject:
    """A signed object as read, before anybody checked its signature.

    Attributes:
        members: what it claims.
        body: the octets the signature is over.
        signature: composite signature, 3373 bytes.
    """

    members: Members = field(repr=False)
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def sign_object(kind: Kind, signer: Signer, body: bytes, read: Callable[[Members], object]) -> bytes:
    """Sign a body, if whoever receives it will take it.

    Args:
        kind: what is signed.
        signer: signs it.
        body: its canonical octets.
        read: how a receiver reads it.

    Raises:
        LocalProtocolError: a body that nobody would take (`bad_field`).

    Spec: PROTOCOL.md section 6.
    """
    try:
        read(read_body(kind, body))
    except RemoteProtocolError as refused:
        raise LocalProtocolError(str(refused), code=ReasonCode.BAD_FIELD) from None
    return Writer().u8(VERSION).op(body).op(signer.sign(kind.label, body)).to_bytes()


def parse_signed(kind: Kind, data: bytes) -> SignedObject:
    """Take a signed object apart; its signature is not checked here.

    Raises:
        MalformedError: cut off, too long, not canonical, or with other members.
        UnsupportedVersionError: another version.

    Spec: PROTOCOL.md section 6.
    """
    if len(data) > kind.max_bytes:
        raise MalformedError(f"{kind.what} over the limit", code=ReasonCode.TOO_LARGE)
    reader = Reader(data)
    if reader.u8() != VERSION:
        raise UnsupportedVersionError(f"{kind.what} of another version")
    body = reader.op(kind.max_body_bytes)
    signature = reader.op(composite.SIGNATURE_BYTES, composite.SIGNATURE_BYTES)
    reader.finish()
    return SignedObject(members=read_body(kind, body), body=body, signature=signature)


def verify_signed(kind: Kind, signed: SignedObject, public_key: PublicKey) -> None:
    """Check the signature of a signed object.

    Raises:
        UntrustedError: it does not hold under this key for this kind.

    Spec: PROTOCOL.md section 4.
    """
    composite.verify(public_key, kind.label, signed.body, signed.signature)


def read_body(kind: Kind, body: bytes) -> Members:
    """Read a body; the same errors as `parse_signed`."""
    values = canonical.parse_object(body, kind.max_body_bytes)
    if type(values.get("v")) is not int or values["v"] != VERSION:
        raise UnsupportedVersionError(f"{kind.what} of another version")
    return Members(kind.what, values, kind.members | {"v"})
