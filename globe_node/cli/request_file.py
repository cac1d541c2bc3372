# SPDX-License-Identifier: Apache-2.0
"""Reads the file in which a person has written a message, and what goes with it; saves what came.

1. A file is TOML or JSON: `type`, `handling`, `legal_basis`, `in_reply_to` at the top, the message in `body`.
2. Nothing is guessed about content. Dates of TOML become text; a number with a fraction is refused.
3. An error names the file and the place, never what is written there.
4. What is saved never replaces a file, and its name is the sender's only in its last part.
"""

import mimetypes
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

from globe_node.errors import UsageError
from globe_node.home import write_private
from globe_node.toml import parse_toml
from protocol import limits
from protocol.canonical import JSONObject, JSONValue, moment_text, read_json
from protocol.errors import ProtocolError, ReasonCode
from protocol.messages.text import is_file_name

MAX_FILE_BYTES = 1024 * 1024
MAX_SAVED_NAME_BYTES = 160
"""Of the name of a saved attachment; file systems take 255 octets, ids stand before it."""
MAX_ENDING_BYTES = 16
_MEMBERS = {"type", "handling", "legal_basis", "in_reply_to", "body"}
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_message_file(path: Path, *, default_type: str = "") -> dict[str, JSONValue]:
    """Read a message from a file.

    Args:
        path: `.json` is JSON, everything else TOML.
        default_type: the type if the file names none.

    Returns:
        The members of a draft, as the operation `consult.submit` takes them.

    Raises:
        UsageError: not readable, not well formed, or a member too many or missing.
    """
    try:
        data = path.read_bytes()
    except OSError:
        raise UsageError(f"{path} can't be read", hint="Check the path and its mode.") from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is longer than {MAX_FILE_BYTES} bytes", hint="Attach long texts as files.")
    value = _read_json(path, data) if path.suffix == ".json" else _read_toml(path, data)
    if unknown := sorted(value.keys() - _MEMBERS):
        raise UsageError(
            f"{path}: {unknown[0]}: not a member of a message file",
            hint="At the top stand type, handling, legal_basis, in_reply_to and body.",
        )
    if "body" not in value:
        raise UsageError(f"{path}: there is no [body]", hint="Start from `globe-node consult template`.")
    if default_type and value.setdefault("type", default_type) != default_type:
        raise UsageError(f"{path}: type: this command sends a {default_type}", hint="Use `consult reply`.")
    if "type" not in value:
        raise UsageError(f"{path}: type is missing", hint='For example: type = "ANSWER"')
    return value


def read_attachments(paths: Sequence[Path], *, language: str = "") -> list[JSONObject]:
    """Read the files that go with a message; they are named `a1`, `a2` and so on.

    Raises:
        UsageError: a file can't be read, or they are too much together.
    """
    if len(paths) > limits.MAX_ATTACHMENTS:
        raise UsageError(
            f"at most {limits.MAX_ATTACHMENTS} files go with one message", hint="Send two messages."
        )
    listed: list[JSONObject] = []
    total = 0
    for number, path in enumerate(paths, 1):
        try:
            total += path.stat().st_size
            if total > limits.MAX_ATTACHMENT_TOTAL_BYTES:
                raise UsageError(
                    f"the files are more than {limits.MAX_ATTACHMENT_TOTAL_BYTES} bytes together",
                    hint="Send them with several messages.",
                    code=ReasonCode.TOO_LARGE,
                )
            data = path.read_bytes()
        except OSError:
            raise UsageError(f"{path} can't be read", hint="Check the path and its mode.") from None
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        listed.append(
            {
                "id": f"a{number}",
                "name": path.name,
                "media_type": media_type,
                "language": language,
                "data": b64encode(data).decode("ascii"),
            }
        )
    return listed


def save_attachments(folder: Path, opened: Iterable[JSONObject]) -> list[Path]:
    """Save the attachments of opened records, as `consult.open` answers them.

    Returns:
        The files, named by the end of the record's id, the attachment's id and its name.

    Raises:
        ConfigError: a file is there already, or the disk does not take it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved: list[Path] = []
    for answer in opened:
        record = answer.get("record", {})
        attachments = answer.get("attachments", [])
        if not isinstance(record, Mapping) or not isinstance(attachments, list):
            continue
        for entry in attachments:
            if isinstance(entry, Mapping) and is_file_name(str(entry.get("name", ""))):
                end = str(record.get("record_id", ""))[-12:]
                path = folder / f"{end}-{entry['id']}-{_fitting(str(entry['name']))}"
                write_private(path, b64decode(str(entry["data"]), validate=True))
                saved.append(path)
    return saved


def _fitting(name: str) -> str:
    """Cut a name to what a file system takes, and keep its ending."""
    stem, dot, ending = name.rpartition(".")
    if len(name.encode()) <= MAX_SAVED_NAME_BYTES:
        return name
    tail = f".{ending}" if dot and stem and len(ending.encode()) <= MAX_ENDING_BYTES else ""
    return name.encode()[: MAX_SAVED_NAME_BYTES - len(tail.encode())].decode("utf-8", "ignore") + tail


def parse_duration(text: str) -> int:
    """Read a time span such as `90m`, `48h` or `9d` as seconds.

    Raises:
        UsageError: not such a span, or longer than a message may live.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and unit in _UNITS):
        raise UsageError("not a time span", hint="For example 90m, 48h or 9d.")
    seconds = int(number) * _UNITS[unit]
    if not 1 <= seconds <= limits.MAX_LIFETIME_SECONDS:
        raise UsageError("a deadline is at most 30 days away", hint="For example 90m, 48h or 9d.")
    return seconds


def _read_json(path: Path, data: bytes) -> dict[str, JSONValue]:
    try:
        value = read_json(data, MAX_FILE_BYTES)
    except ProtocolError as error:
        raise UsageError(f"{path}: {error}", hint="Mend the file.") from None
    if not isinstance(value, dict):
        raise UsageError(f"{path}: not an object", hint="Start from `globe-node consult template`.")
    return value


def _read_toml(path: Path, data: bytes) -> dict[str, JSONValue]:
    try:
        value = parse_toml(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}", hint=error.hint) from None
    return {name: _plain(path, name, member) for name, member in value.items()}


def _plain(path: Path, place: str, value: object) -> JSONValue:
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime):
        try:
            return moment_text(value if value.tzinfo else value.replace(tzinfo=UTC))
        except (ProtocolError, OverflowError):
            raise UsageError(
                f"{path}: {place}: a moment outside the years 2000 to 2199", hint="Mend that place."
            ) from None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(path, f"{place}.{number}", item) for number, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: _plain(path, f"{place}.{name}", member) for name, member in value.items()}
    kind = "a time of day" if isinstance(value, time) else "a number with a fraction"
    raise UsageError(f"{path}: {place}: {kind} has no place here", hint="Write it as text, in quotes.")
