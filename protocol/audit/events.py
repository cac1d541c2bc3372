# SPDX-License-Identifier: Apache-2.0
"""What may be recorded about the work of a node: acts, ids and digests. Never what a message says.

1. The kinds are a closed list; so are the fields.
2. A value is a machine's word: an id, a digest, a code, a count. Free text has no place, and is refused.
3. An absent value is empty text or None; it leaves no trace in the entry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from protocol.canonical import moment_text, parse_moment
from protocol.errors import LocalProtocolError, MalformedError, ReasonCode


class EventKind(StrEnum):
    """The acts that leave an entry.

    Spec: PROTOCOL.md section 13; what each means to a reader: OVERSIGHT.md.
    """

    LOG_OPENED = "LOG_OPENED"
    SUBMITTED = "SUBMITTED"
    RECEIVED = "RECEIVED"
    OPENED = "OPENED"
    REJECTED = "REJECTED"
    RECEIPT = "RECEIPT"
    READ = "READ"
    UNDELIVERABLE = "UNDELIVERABLE"
    ID_CONFLICT = "ID_CONFLICT"
    QUARANTINED = "QUARANTINED"
    DIRECTORY_CHANGE = "DIRECTORY_CHANGE"
    DIRECTORY_LOOKUP = "DIRECTORY_LOOKUP"
    GROUP_CHANGE = "GROUP_CHANGE"
    EXPORT = "EXPORT"
    NODE_STARTED = "NODE_STARTED"
    NODE_STOPPED = "NODE_STOPPED"
    BACKUP = "BACKUP"
    RESTORE = "RESTORE"
    ALARM = "ALARM"


FIELDS = (
    "kind",
    "t",
    "peer",
    "case",
    "msg",
    "digest",
    "officer",
    "size",
    "attachments",
    "dir_size",
    "key",
    "result",
)
"""The fields in the order of their salts. The order never changes; a new field goes to the end."""
MAX_FIELDS = 16
"""Digests in every entry: the fields, and decoys for those that are absent."""
MAX_COUNT = 2**53 - 1
_WORD = re.compile(r"[A-Za-z0-9 ._:/@+,=~-]{1,200}", re.ASCII)
_WORDS = re.compile(rf"{_WORD.pattern}(?:\n{_WORD.pattern})*", re.ASCII)
_NUMBERS = frozenset({"attachments", "dir_size"})
Value = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One act.

    Attributes:
        kind: what was done.
        at: when, aware; cut to milliseconds.
        peer: the other authority, or `authority/node`.
        case: the consultation's id.
        msg: the id of the record; of the envelope where no record is known; else of what the act was about.
        digest: SHA-256 in hex of the record, envelope, receipt, statement or file.
        officer: pseudonym of the person who acted, known inside the authority alone.
        size: bucket of the size, as `size_bucket` names it.
        attachments: how many.
        dir_size: number of directory statements that were relied on.
        key: id of the key that signed, was used or was changed.
        result: `ok`, a reason code, or a word of the act.
        rc: 32 bytes that the other authority's entry carries too, or empty where there is no other.
    """

    kind: EventKind
    at: datetime
    peer: str = ""
    case: str = ""
    msg: str = ""
    digest: str = ""
    officer: str = ""
    size: str = ""
    attachments: int | None = None
    dir_size: int | None = None
    key: str = ""
    result: str = ""
    rc: bytes = b""

    def values(self) -> list[Value | None]:
        """Return the values in the order of `FIELDS`; None for what is absent.

        Raises:
            LocalProtocolError: a value is not a machine's word or count.
        """
        found: list[Value | None] = [
            self.kind.value,
            moment_text(self.at),
            self.peer or None,
            self.case or None,
            self.msg or None,
            self.digest or None,
            self.officer or None,
            self.size or None,
            self.attachments,
            self.dir_size,
            self.key or None,
            self.result or None,
        ]
        texts = [value for value in found if isinstance(value, str)]
        joined = "\n".join(texts)
        words = _WORDS.fullmatch(joined) and joined.count("\n") == len(texts) - 1
        if not words or not (_is_count(self.attachments) and _is_count(self.dir_size)):
            raise LocalProtocolError("an audit entry takes no free text", code=ReasonCode.BAD_FIELD)
        if self.rc and len(self.rc) != 32:
            raise LocalProtocolError("a reconciliation value has 32 bytes", code=ReasonCode.BAD_FIELD)
        return found


def event_of(values: Mapping[str, object], rc: bytes) -> AuditEvent:
    """Build the event back from its named values.

    Raises:
        MalformedError: an unknown kind or field, or a value that no event can have.
    """
    rest = dict(values)
    kind, at = rest.pop("kind", None), rest.pop("t", None)
    if kind not in EventKind.__members__ or not isinstance(kind, str) or not isinstance(at, str):
        raise MalformedError("not an audit event", code=ReasonCode.BAD_FIELD)
    texts: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for name, value in rest.items():
        if name not in FIELDS:
            raise MalformedError("not a field of an audit event", code=ReasonCode.UNKNOWN_FIELD)
        if name in _NUMBERS and isinstance(value, int) and _is_count(value):
            numbers[name] = value
        elif name not in _NUMBERS and isinstance(value, str) and _WORD.fullmatch(value):
            texts[name] = value
        else:
            raise MalformedError("not a value of an audit event", code=ReasonCode.BAD_FIELD)
    return AuditEvent(
        kind=EventKind(kind),
        at=parse_moment(at),
        attachments=numbers.get("attachments"),
        dir_size=numbers.get("dir_size"),
        rc=rc,
        **texts,
    )


def size_bucket(size: int) -> str:
    """Name the power of two that a size in bytes fits into: `512`, `1K`, `2M`; never the size itself."""
    bucket = max(512, 1 << max(size - 1, 0).bit_length())
    for unit, name in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if bucket >= unit:
            return f"{bucket // unit}{name}"
    return str(bucket)


def _is_count(value: int | None) -> bool:
    return value is None or (not isinstance(value, bool) and 0 <= value <= MAX_COUNT)
