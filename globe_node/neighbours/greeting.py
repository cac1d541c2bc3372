# SPDX-License-Identifier: Apache-2.0
"""What two nodes say first: who they are, what they speak, what time it is, how they see the directory.

1. A greeting proves nothing: the line has authenticated the peer. One that names another is refused.
2. Both sides send the same form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from globe_node.delivery.link import PeerIdentity
from protocol import PROTOCOL_VERSION, canonical
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError, UntrustedError
from protocol.identifiers import DirectoryView, parse_authority_id, parse_digest, parse_node_id

MAX_GREETING_BYTES = 4_096
_MAX_VERSIONS = 16
_MEMBERS = {"authority", "node", "versions", "time", "directory"}


@dataclass(frozen=True, slots=True)
class Greeting:
    """One side's greeting.

    Attributes:
        identity: who speaks.
        time: its time of day.
        view: its directory, or None if it has none yet.
    """

    identity: PeerIdentity
    time: datetime
    view: DirectoryView | None

    def to_bytes(self) -> bytes:
        """Write the greeting.

        Spec: PROTOCOL.md section 11.5.
        """
        view = self.view
        return canonical.to_bytes(
            {
                "authority": self.identity.authority,
                "node": self.identity.node,
                "versions": [PROTOCOL_VERSION],
                "time": canonical.moment_text(self.time),
                "directory": {"size": view.size, "root": view.root} if view else {},
            }
        )


def parse_greeting(body: bytes, peer: PeerIdentity) -> Greeting:
    """Read the greeting of an authenticated peer.

    Raises:
        MalformedError: not a greeting.
        UnsupportedVersionError: no version that we speak.
        UntrustedError: it names another than the peer.

    Spec: PROTOCOL.md section 11.5.
    """
    value = canonical.parse_object(body, MAX_GREETING_BYTES)
    if set(value) != _MEMBERS:
        raise MalformedError("not the members of a greeting", code=ReasonCode.UNKNOWN_FIELD)
    identity = PeerIdentity(
        parse_authority_id(_text(value["authority"])), parse_node_id(_text(value["node"]))
    )
    _require_version(value["versions"])
    greeting = Greeting(
        identity=identity,
        time=canonical.parse_moment(_text(value["time"])),
        view=_view(value["directory"]),
    )
    if identity != peer:
        raise UntrustedError("a greeting of somebody else")
    return greeting


def _require_version(value: canonical.JSONValue) -> None:
    numbers = value if isinstance(value, list) and len(value) <= _MAX_VERSIONS else ()
    if not numbers or any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
        raise MalformedError("not a list of versions", code=ReasonCode.BAD_FIELD)
    if PROTOCOL_VERSION not in numbers:
        raise UnsupportedVersionError("no version that this node speaks")


def _view(value: canonical.JSONValue) -> DirectoryView | None:
    if isinstance(value, Mapping) and not value:
        return None
    if not isinstance(value, Mapping) or set(value) != {"size", "root"}:
        raise MalformedError("not a view of the directory", code=ReasonCode.BAD_FIELD)
    size = value["size"]
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise MalformedError("not a view of the directory", code=ReasonCode.BAD_FIELD)
    return DirectoryView(size=size, root=parse_digest(_text(value["root"])))


def _text(value: canonical.JSONValue) -> str:
    if not isinstance(value, str):
        raise MalformedError("not text", code=ReasonCode.BAD_FIELD)
    return value
