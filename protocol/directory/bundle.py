# SPDX-License-Identifier: Apache-2.0
"""Statements in one file, to carry on a stick or to start a node. It judges no statement.

1. Lines of UTF-8, each ended by a line feed: a head that names the format and the network, then one
   statement a line in its canonical form, the network's root first.
2. The order is one in which the statements can be replayed; a reader does not rely on it for trust.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol import canonical, limits
from protocol.canonical import require_members, text_of
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode, UnsupportedVersionError
from protocol.identifiers import Digest, parse_digest

FORMAT = "anp1:directory-bundle/1"
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
"""Four times the largest directory that was thought through (10,000 authorities)."""
MAX_BUNDLE_STATEMENTS = 100_000
_MAX_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle taken apart.

    Attributes:
        network: the fingerprint that the file names; a claim.
        statements: one after the other, not verified.
    """

    network: Digest
    statements: tuple[bytes, ...]


def bundle_to_bytes(network: Digest, statements: Iterable[bytes]) -> bytes:
    """Write a bundle.

    Args:
        network: fingerprint of the network's root 1.
        statements: canonical statements, the root first.
    """
    head = canonical.to_bytes({"format": FORMAT, "network": network})
    lines = [head, *statements]
    if any(b"\n" in line for line in lines):
        raise LocalProtocolError("a statement that is not canonical", code=ReasonCode.BAD_JSON)
    return b"".join(line + b"\n" for line in lines)


def parse_bundle(data: bytes) -> Bundle:
    """Take a bundle apart; the statements are not verified.

    Raises:
        MalformedError: too long (`too_large`), no head, or cut off within a line (`bad_json`).
        UnsupportedVersionError: another format or version.

    Spec: PROTOCOL.md section 10.8.
    """
    if len(data) > MAX_BUNDLE_BYTES or data.count(b"\n") > MAX_BUNDLE_STATEMENTS + 1:
        raise MalformedError("the bundle is too large", code=ReasonCode.TOO_LARGE)
    if not data.endswith(b"\n"):
        raise MalformedError("the bundle is cut off")
    head, *lines = data[:-1].split(b"\n")
    if any(len(line) > limits.MAX_STATEMENT_BYTES for line in lines):
        raise MalformedError("the bundle is too large", code=ReasonCode.TOO_LARGE)
    value = canonical.parse_object(head, _MAX_HEAD_BYTES)
    if value.get("format") != FORMAT:
        raise UnsupportedVersionError("not a directory bundle of this version")
    require_members(value, {"format", "network"}, "bundle")
    return Bundle(network=parse_digest(text_of(value["network"], "network")), statements=tuple(lines))
