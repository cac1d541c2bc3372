# SPDX-License-Identifier: Apache-2.0
"""How a command reaches a node: the running one over its socket, or, for reading, a stopped one's store.

1. A command does not see the difference: the operations and what they return are the same.
2. Beside a stopped node the store is opened, to read or for the directory, with the keystore's passphrase.
3. An error that the node answered is raised again here, with its code, text and hint.
"""

import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from globe_node.cli.invocation import Invocation
from globe_node.errors import ExitCode, NodeError
from protocol.canonical import JSONObject, JSONValue, parse_object, to_bytes
from protocol.errors import MalformedError, ReasonCode

if TYPE_CHECKING:
    from keys.node_keys import NodeKeys

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""An evidence bundle or a whole directory in base64."""
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
_EXIT_CODES = {
    ReasonCode.PEER_UNREACHABLE: ExitCode.PEER_UNREACHABLE,
    ReasonCode.FORBIDDEN: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.ILLEGAL_MOVE: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.UNKNOWN_AUTHORITY: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.SUSPENDED: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.DISPUTED: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.NO_KEY: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.REVOKED_KEY: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.TOO_LARGE: ExitCode.REFUSED_BY_POLICY,
    ReasonCode.BAD_FIELD: ExitCode.USAGE,
    ReasonCode.BAD_JSON: ExitCode.USAGE,
    ReasonCode.UNKNOWN_FIELD: ExitCode.USAGE,
}
"""What the command line returns for a code; 1 for every other."""


class Backend(Protocol):
    """Whoever runs operations."""

    @property
    def running(self) -> bool:
        """Whether the node runs."""
        ...

    def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        """Run one operation.

        Raises:
            NodeError: it could not be done; with what to do.
        """
        ...


class SocketBackend:
    """The running node."""

    running = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        """See `Backend.call`."""
        with contextlib.closing(_SocketConnection(self._path)) as connection:
            try:
                connection.request(
                    "POST",
                    f"/v1/{operation}",
                    to_bytes(arguments or {}),
                    {"Content-Type": "application/json"},
                )
                response = connection.getresponse()
                body = response.read(MAX_ANSWER_BYTES)
                value = parse_object(body, MAX_ANSWER_BYTES)
            except (OSError, http.client.HTTPException, MalformedError) as error:
                raise NodeError(
                    f"the node did not answer ({type(error).__name__})",
                    hint="Is it still running? `globe-node doctor` looks.",
                    code=ReasonCode.BUSY,
                ) from None
        if response.status != http.HTTPStatus.OK:
            raise answered_error(value)
        return value


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_SECONDS)
        self.sock.connect(str(self._path))
        self.sock.settimeout(ANSWER_SECONDS)


class OfflineBackend:
    """The store of a stopped node.

    Args:
        invocation: whose home.
        passphrase_file: where the keystore's passphrase is, or None to find or ask for it.
        node_keys: the opened keystore, if the caller has it already.
    """

    running = False

    def __init__(
        self, invocation: Invocation, passphrase_file: Path | None, node_keys: "NodeKeys | None" = None
    ) -> None:
        self._invocation = invocation
        self._passphrase_file = passphrase_file
        self._node_keys = node_keys

    def call(self, operation: str, arguments: JSONObject | None = None) -> JSONObject:
        """See `Backend.call`."""
        from globe_node.cli.offline import run_offline  # noqa: PLC0415 -- the store is slow to load
        from keys import keystore  # noqa: PLC0415 -- and so are the keys

        if self._node_keys is None:
            passphrase = self._invocation.passphrase(self._passphrase_file, of="node keys")
            self._node_keys = keystore.open_node(self._invocation.home.node_keys, passphrase)
        return run_offline(self._invocation, self._node_keys, operation, arguments or {})


def backend_of(
    invocation: Invocation, passphrase_file: Path | None = None, node_keys: "NodeKeys | None" = None
) -> Backend:
    """Return the running node if there is one, else its store."""
    invocation.settings()
    path = invocation.home.socket
    return SocketBackend(path) if _answers(path) else OfflineBackend(invocation, passphrase_file, node_keys)


def running_node(invocation: Invocation) -> Backend:
    """Return the running node, for acting.

    Raises:
        NodeError: it does not run.
    """
    backend = backend_of(invocation)
    if not backend.running:
        raise NodeError(
            "the node is not running",
            hint="Start it with `globe-node run`; reading works without it.",
            code=ReasonCode.BUSY,
        )
    return backend


def answered_error(value: JSONObject) -> NodeError:
    """Build the error that a node answered."""
    texts = {name: text if isinstance(text := value.get(name), str) else "" for name in ("message", "hint")}
    code = ReasonCode.BAD_REQUEST
    with contextlib.suppress(ValueError):
        code = ReasonCode(str(value.get("error", "")))
    error = NodeError(texts["message"] or code.value, hint=texts["hint"], code=code)
    error.exit_code = _EXIT_CODES.get(code, ExitCode.FAILED)
    return error


def objects(value: JSONValue) -> Iterator[JSONObject]:
    """Yield the objects of a list that a node answered."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def text_of(value: JSONObject, name: str) -> str:
    """Return a member that a node answered as text; empty if it is not there."""
    member = value.get(name, "")
    return member if isinstance(member, str) else str(member)


def _answers(path: Path) -> bool:
    """Say whether somebody listens there; a socket file of a dead process does not count."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
