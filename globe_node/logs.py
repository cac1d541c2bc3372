# SPDX-License-Identifier: Apache-2.0
"""The operator's log: what the node did, as lines of JSON. Never content; the audit log is elsewhere.

1. One event is one line of ASCII JSON, whatever its values hold.
2. Only fields named in `ALLOWED_FIELDS` are written. Another field is dropped and its *name* is written under
   `refused_fields`; a strict log (tests) raises instead.
3. Values are strings, whole numbers, floats, booleans or None; a string is cut at `MAX_VALUE_CHARACTERS`.
4. An exception is written as its class and the place it was raised, never as its text: texts may quote input.
5. A log is an object that is handed to whoever writes; there is no global one.
"""

import json
import math
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

Scalar = str | int | float | bool | None

MAX_VALUE_CHARACTERS: Final = 200
ALLOWED_FIELDS: Final = frozenset(
    {
        # who and what: machine names only
        "authority", "node", "peer", "peer_node", "consultation", "record_id", "envelope", "message_type",
        "statement", "subject_authority", "key_id", "operation", "event_kind", "room", "lane", "task",
        "incarnation", "serial", "version", "schema", "settings_source",
        # how it went
        "code", "status", "state", "attempt", "reason", "outcome", "clean",
        # how much, how long
        "count", "bytes", "size", "sequence", "index", "seconds", "milliseconds", "queue_length",
        "lag_seconds", "retry_after_seconds", "skew_seconds", "oldest_seconds", "next_attempt_at",
        "expires_at",
        # where
        "host", "port", "socket", "folder", "fault",
    }
)  # fmt: skip
"""Fields that can't hold what a practitioner wrote. OPERATIONS.md explains each."""
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class EventLog(Protocol):
    """Where a room writes what it did; `event` is a fixed phrase, never built from values."""

    def debug(self, event: str, **fields: Scalar) -> None:
        """Write detail for somebody who looks for a fault."""
        ...

    def info(self, event: str, **fields: Scalar) -> None:
        """Write an ordinary act."""
        ...

    def warning(self, event: str, **fields: Scalar) -> None:
        """Write something an operator should look at today."""
        ...

    def error(self, event: str, *, error: BaseException | None = None, **fields: Scalar) -> None:
        """Write a failure; of `error` only the class and the place are kept."""
        ...

    def bind(self, **fields: Scalar) -> "EventLog":
        """Return a log that adds these fields to each line."""
        ...


class JSONLog:
    """Writes lines of JSON to a stream."""

    __slots__ = ("_bound", "_logger", "_strict")

    def __init__(self, logger: FilteringBoundLogger, *, strict: bool, bound: Mapping[str, Scalar]) -> None:
        self._logger = logger
        self._strict = strict
        self._bound = bound

    def debug(self, event: str, **fields: Scalar) -> None:
        """Write detail for somebody who looks for a fault."""
        self._logger.debug(event, **self._bound, **self._allowed(fields))

    def info(self, event: str, **fields: Scalar) -> None:
        """Write an ordinary act."""
        self._logger.info(event, **self._bound, **self._allowed(fields))

    def warning(self, event: str, **fields: Scalar) -> None:
        """Write something an operator should look at today."""
        self._logger.warning(event, **self._bound, **self._allowed(fields))

    def error(self, event: str, *, error: BaseException | None = None, **fields: Scalar) -> None:
        """Write a failure; of `error` only the class and the place are kept."""
        place = {} if error is None else {"error": type(error).__name__, "raised_at": _place_of(error)}
        self._logger.error(event, **self._bound, **self._allowed(fields), **place)

    def bind(self, **fields: Scalar) -> "JSONLog":
        """Return a log that adds these fields to each line; a field bound before may not come again."""
        bound = {**self._bound, **self._allowed(fields)}
        return JSONLog(self._logger, strict=self._strict, bound=bound)

    def _allowed(self, fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
        kept: dict[str, Scalar] = {}
        refused = []
        for name, value in fields.items():
            if name not in ALLOWED_FIELDS or name in self._bound or not _is_scalar(value):
                refused.append(name)
            else:
                kept[name] = str(value)[:MAX_VALUE_CHARACTERS] if isinstance(value, str) else value
        if refused and self._strict:
            raise ValueError(f"fields that a log may not hold: {', '.join(sorted(refused))}")
        return {**kept, "refused_fields": ",".join(sorted(refused))} if refused else kept


class SilentLog:
    """Writes nothing."""

    def debug(self, event: str, **fields: Scalar) -> None:
        """Do nothing."""

    def info(self, event: str, **fields: Scalar) -> None:
        """Do nothing."""

    def warning(self, event: str, **fields: Scalar) -> None:
        """Do nothing."""

    def error(self, event: str, *, error: BaseException | None = None, **fields: Scalar) -> None:
        """Do nothing."""

    def bind(self, **fields: Scalar) -> "SilentLog":
        """Return itself."""
        return self


def open_log(
    stream: TextIO, now: Callable[[], datetime], *, level: str = "info", strict: bool = False
) -> JSONLog:
    """Make the log of one node.

    Args:
        stream: where the lines go, usually standard error.
        now: stamps each line; the `now` of a `Clock`.
        level: debug, info, warning or error; lower ones are not written.
        strict: raise `ValueError` for a field that is not allowed, instead of dropping it.
    """

    def stamp(_logger: object, method: str, event: EventDict) -> EventDict:
        time = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": time, "level": method, **event}

    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[stamp, _render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return JSONLog(logger, strict=strict, bound={})


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, bool, int))


def _render(_logger: object, _method: str, event: EventDict) -> str:
    return json.dumps(event, ensure_ascii=True, allow_nan=False)


def _place_of(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    path = Path(frames[-1].filename)
    return f"{path.parent.name}/{path.name}:{frames[-1].lineno}"
