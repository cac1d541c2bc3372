# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with bytes, trust and rules; every error carries a stable reason code.

Not a place for texts that quote the input: a message names the rule that was broken, never the bytes that
broke it.

1. `LocalProtocolError`: we were about to break a rule. `RemoteProtocolError`: the other side did.
2. The reason code is the same in receipts, HTTP answers, the command line and the audit log.
"""

from enum import StrEnum


class ReasonCode(StrEnum):
    """The closed list of reasons why something was refused.

    Spec: PROTOCOL.md section 12.
    """

    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    ENCODING_FORBIDDEN = "encoding_forbidden"
    BAD_VERSION = "bad_version"
    WRONG_HOST = "wrong_host"
    LENGTH_REQUIRED = "length_required"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    REFUSED = "refused"
    BAD_JSON = "bad_json"
    UNKNOWN_FIELD = "unknown_field"
    BAD_FIELD = "bad_field"
    BAD_CONTENT = "bad_content"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ID_CONFLICT = "id_conflict"
    SEQUENCE_GAP = "sequence_gap"
    ILLEGAL_MOVE = "illegal_move"
    SENDER_ROLLED_BACK = "sender_rolled_back"
    QUOTA_EXCEEDED = "quota_exceeded"
    STORAGE_FULL = "storage_full"
    STORAGE_FAILED = "storage_failed"
    NOT_FOUND = "not_found"
    QUARANTINED = "quarantined"
    KEY_PACKAGE_GONE = "key_package_gone"
    KEY_GONE = "key_gone"
    FORBIDDEN = "forbidden"
    STALE_DIRECTORY = "stale_directory"
    ACK_UNKNOWN = "ack_unknown"
    UNKNOWN_AUTHORITY = "unknown_authority"
    NO_KEY = "no_key"
    AWAITING_KEYS = "awaiting_keys"
    SUSPENDED = "suspended"
    REVOKED_KEY = "revoked_key"
    DISPUTED = "disputed"
    PEER_UNREACHABLE = "peer_unreachable"
    ENDPOINT_FORBIDDEN = "endpoint_forbidden"
    DIR_FORK = "dir_fork"
    DIR_THRESHOLD = "dir_threshold"
    DIR_CHAIN = "dir_chain"
    LOG_FORK = "log_fork"
    LOG_INCONSISTENT = "log_inconsistent"
    STORE_CORRUPT = "store_corrupt"
    CLOCK_WRONG = "clock_wrong"
    RESTORE_DETECTED = "restore_detected"
    LOCKED_ELSEWHERE = "locked_elsewhere"
    EVIDENCE_INVALID = "evidence_invalid"


class ProtocolError(Exception):
    """A rule of the protocol does not hold.

    Attributes:
        code: the stable reason code.
    """

    code: ReasonCode = ReasonCode.BAD_CONTENT

    def __init__(self, message: str, *, code: ReasonCode | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class LocalProtocolError(ProtocolError):
    """We were about to break the rules; nothing left this side."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the rules; `code` may be sent back to it."""


class MalformedError(RemoteProtocolError):
    """Bytes that are not what they claim to be: not canonical, too long, unknown field, wrong type."""

    code = ReasonCode.BAD_JSON


class UntrustedError(RemoteProtocolError):
    """A signature, key, certificate or directory chain does not hold. The other side learns no detail."""

    code = ReasonCode.REFUSED


class ExpiredError(RemoteProtocolError):
    """It came after its time."""

    code = ReasonCode.EXPIRED


class ConflictError(RemoteProtocolError):
    """The same id was used before for other content."""

    code = ReasonCode.ID_CONFLICT


class UnsupportedVersionError(RemoteProtocolError):
    """A version or suite that this network version does not speak."""

    code = ReasonCode.BAD_VERSION
