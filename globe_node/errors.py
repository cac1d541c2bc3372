# SPDX-License-Identifier: Apache-2.0
"""What a person meets when the node can't do what was asked. Not for faults of bytes: see `protocol.errors`.

1. Every error has a hint: what that person can do now, in one or two sentences.
2. Every error has a reason code, the same in HTTP answers, the command line and the audit log.
3. No text quotes content, a passphrase, key bytes or what a peer sent.
"""

from enum import IntEnum

from protocol.errors import ReasonCode


class ExitCode(IntEnum):
    """What the command line returns to its caller."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PEER_UNREACHABLE = 3
    REFUSED_BY_POLICY = 4
    NEEDS_SECOND_APPROVER = 5


class NodeError(Exception):
    """Something asked of this node did not happen.

    Attributes:
        hint: what the person can do now; empty only where nothing can be done.
        code: the stable reason code.
        exit_code: what the command line returns.
    """

    code: ReasonCode = ReasonCode.BAD_REQUEST
    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "", code: ReasonCode | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if code is not None:
            self.code = code


class UsageError(NodeError):
    """The command or request itself is not well formed."""

    exit_code = ExitCode.USAGE


class ConfigError(NodeError):
    """The home folder or its settings are missing or wrong."""

    exit_code = ExitCode.USAGE


class StoreError(NodeError):
    """The store can't be opened, read or written."""

    code = ReasonCode.STORAGE_FAILED

    @property
    def is_passing(self) -> bool:
        """Whether it goes by without a restart: a full disk, a foreign lock."""
        return self.code in (ReasonCode.STORAGE_FULL, ReasonCode.BUSY)


class NotFoundError(NodeError):
    """Nothing here has that id."""

    code = ReasonCode.NOT_FOUND


class ConflictError(NodeError):
    """It exists already, with other content."""

    code = ReasonCode.ID_CONFLICT


class PeerUnreachableError(NodeError):
    """The other node can't be reached or did not answer in time; what was sent stays queued."""

    code = ReasonCode.PEER_UNREACHABLE
    exit_code = ExitCode.PEER_UNREACHABLE


class NotPermittedError(NodeError):
    """A rule of this authority or of the network forbids it."""

    code = ReasonCode.FORBIDDEN
    exit_code = ExitCode.REFUSED_BY_POLICY


class SecondApproverError(NodeError):
    """It is prepared and waits for a second person."""

    code = ReasonCode.FORBIDDEN
    exit_code = ExitCode.NEEDS_SECOND_APPROVER
