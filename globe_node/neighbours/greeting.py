# SPDX-License-Identifier: Apache-2.0
"""What two nodes say first: who they are, what they speak, what time it is, how they see the directory.

1. A greeting proves nothing: the line has authenticated the peer. One that names another is refused.
2. Both sides send the same form.
"""

from dataclasses import dataclass
from datetime import datetime

from globe_node.delivery.link import PeerIdentity
from protocol import PROTOCOL_VERSION, canonical
from protocol.canonical import count_of, object_of, require_members, text_of
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
    require_members(value, _MEMBERS, "greeting")
    identity = PeerIdentity(
        parse_authority_id(text_of(value["authority"], "authority")),
        parse_node_id(text_of(value["node"], "node")),
    )
    _require_version(value["versions"])
    greeting = Greeting(
        identity=identity,
        time=canonical.parse_moment(text_of(value["time"], "time")),
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
    view = object_of(value, "directory")
    if not view:
        return None
    require_members(view, {"root", "size"}, "directory")
    return DirectoryView(
        size=count_of(view["size"], "size"), root=parse_digest(text_of(view["root"], "root"))
    )
