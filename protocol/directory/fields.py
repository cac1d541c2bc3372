# SPDX-License-Identifier: Apache-2.0
"""How foreign text becomes the value of a directory field. It knows no statement and no state.

1. Every model is strict, frozen and closed: an unknown member is refused, nothing is converted silently.
2. Errors name a rule and the place by our own field names, never what was read.
3. `to_object` and `read_fields` are inverses.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from itertools import takewhile
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from protocol import canonical, limits
from protocol.canonical import JSONObject
from protocol.errors import MalformedError, ReasonCode
from protocol.identifiers import (
    AuthorityId,
    Digest,
    KeyId,
    NodeId,
    parse_authority_id,
    parse_digest,
    parse_key_id,
    parse_node_id,
)
from protocol.octets import base64_text, parse_base64

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_FIELD = re.compile(r"id|key|url|as_of|[a-z]{4,20}(?:_[a-z]{1,20}){0,3}", re.ASCII)
"""What a field of ours may be called; a language or country in a map is shorter."""
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_DAY = re.compile(r"2[01]\d\d-\d\d-\d\d", re.ASCII)
_TAG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_SUBDIVISION = re.compile(r"(?:[A-Z]{2}-[A-Z0-9]{1,3})?", re.ASCII)
_CALENDAR = re.compile(r"(?:[A-Z]{2}(?:-[A-Z0-9]{1,3})?)?", re.ASCII)
_NETWORK = re.compile(r"[A-Z][A-Z0-9]{1,15}(?:-[A-Z0-9]{1,10}){0,2}", re.ASCII)
_LINK = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[0-9]{2,5})?(?:/[!-~]*)?", re.ASCII)
MAX_LINK_CHARACTERS = 500
MAX_NOTE_CHARACTERS = 1_000
MAX_HOURS = 8_760
"""A year; no promise to answer is longer."""
MAX_DAYS = 3_660
_HOURS = re.compile(r"(?:(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-4]):[0-5]\d)?", re.ASCII)
_READING = object()
"""Tells validators that somebody waits for the place of an error."""
_BROKEN_RULE: Literal["broken_rule"] = "broken_rule"
_RULES = {
    "missing": "a member is missing",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "greater_than_equal": "must not be negative",
    "less_than_equal": "is more than anybody would wait",
}
_JOINERS = "\u200c\u200d"
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}


class Fields(BaseModel):
    """A closed set of fields read from a statement."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    def to_object(self) -> JSONObject:
        """Return the fields as they stand in canonical JSON."""
        return cast("JSONObject", self.model_dump(mode="json"))


Given = TypeVar("Given")
Model = TypeVar("Model", bound=Fields)


def read_fields(model: type[Model], value: JSONObject) -> Model:
    """Read one object into its model.

    Raises:
        MalformedError: an unknown member (`unknown_field`), or a missing or wrong one (`bad_field`, or the
            code of the rule that it breaks); the text names the place and what may stand there.
    """
    try:
        return model.model_validate_json(canonical.to_bytes(value), context=_READING)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    if unknown:
        place = _place(unknown[0]["loc"][:-1])
        raise MalformedError(f"{place}an unknown member", code=ReasonCode.UNKNOWN_FIELD)
    first = problems[0]
    code = ReasonCode(first.get("ctx", {}).get("code", ReasonCode.BAD_FIELD))
    raise MalformedError(f"{_place(first['loc'])}{_rule(first)}", code=code)


def bad_field(rule: str) -> MalformedError:
    """Return the error for a broken rule of one field."""
    return MalformedError(rule, code=ReasonCode.BAD_FIELD)


def _place(steps: tuple[int | str, ...]) -> str:
    """Name a place by our field names and by numbers; a name from a map is the writer's and ends it."""
    ours = takewhile(lambda step: isinstance(step, int) or _FIELD.fullmatch(step), steps)
    place = ".".join(map(str, ours))
    return f"{place}: " if place else ""


def _rule(problem: ErrorDetails) -> str:
    """Say what may stand at a place; nothing of what stood there is in it."""
    kind, facts = problem["type"], problem.get("ctx", {})
    if kind == _BROKEN_RULE:
        return problem["msg"]
    if kind in ("enum", "literal_error"):
        return f"must be {facts['expected']}"
    if kind == "too_short":
        return f"must have at least {facts['min_length']}"
    if kind == "too_long":
        return f"must have at most {facts['max_length']}"
    return _RULES.get(kind, f"a wrong value ({kind.replace('_', ' ')})")


def _ruled(check: Callable[[Given], object]) -> Callable[[Given, ValidationInfo], object]:
    """Give an error of ours its place when an object is read; a value built in code raises it as it is."""

    def checked(value: Given, info: ValidationInfo) -> object:
        try:
            return check(value)
        except MalformedError as error:
            if info.context is not _READING:
                raise
            told: dict[str, Any] = {"rule": str(error), "code": error.code.value}
            raise PydanticCustomError(_BROKEN_RULE, "{rule}", told) from None

    return checked


def is_line(text: str) -> bool:
    """Whether this is a name that shows as it is: one line, no control or invisible characters."""
    return (
        0 < len(text) <= limits.MAX_NAME_CHARACTERS
        and text == text.strip()
        and not any(
            unicodedata.category(character) in _UNSEEN and character not in _JOINERS for character in text
        )
    )


def _line(text: str) -> str:
    if not is_line(text):
        raise bad_field(
            "must be one visible line of at most 300 characters, without direction or control characters"
        )
    return text


def _line_or_empty(text: str) -> str:
    return _line(text) if text else text


def _note(text: str) -> str:
    lines = text.split("\n")
    if len(text) > MAX_NOTE_CHARACTERS or not all(is_line(line) for line in lines if line):
        raise bad_field(
            "must be visible lines of at most 1,000 characters, without direction or control characters"
        )
    return text


def _link(text: str) -> str:
    if len(text) > MAX_LINK_CHARACTERS or not _LINK.fullmatch(text):
        raise bad_field("not an address such as https://laws.example/act-12, of at most 500 characters")
    return text


def _link_or_empty(text: str) -> str:
    return _link(text) if text else text


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise bad_field(f"not a {what}")
        return text

    return check


def _from_text(parse: Callable[[str], object]) -> Callable[[object], object]:
    """Let a value built in code pass as it is; text goes through its parser."""

    def check(value: object) -> object:
        return parse(value) if isinstance(value, str) else value

    return check


def _parse_day(text: str) -> date:
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise bad_field("not a day such as 2026-01-31")


Line = Annotated[str, AfterValidator(_ruled(_line))]
OptionalLine = Annotated[str, AfterValidator(_ruled(_line_or_empty))]
Tag = Annotated[
    str,
    AfterValidator(_ruled(_matching(_TAG, "short name of small letters, digits and hyphens, such as duty"))),
]
Language = Annotated[str, AfterValidator(_ruled(_matching(_LANGUAGE, "language tag such as en")))]
Country = Annotated[str, AfterValidator(_ruled(_matching(_COUNTRY, "country code of two capitals")))]
TimeZone = Annotated[str, AfterValidator(_ruled(_matching(_ZONE, "time zone name such as Africa/Nairobi")))]
Hours = Annotated[str, AfterValidator(_ruled(_matching(_HOURS, "range of hours such as 08:00-16:30")))]
Note = Annotated[str, AfterValidator(_ruled(_note))]
Link = Annotated[str, AfterValidator(_ruled(_link))]
OptionalLink = Annotated[str, AfterValidator(_ruled(_link_or_empty))]
Subdivision = Annotated[
    str, AfterValidator(_ruled(_matching(_SUBDIVISION, "subdivision code such as XA-01, or empty")))
]
HolidayCalendar = Annotated[
    str, AfterValidator(_ruled(_matching(_CALENDAR, "country or subdivision whose holidays count, or empty")))
]
NetworkName = Annotated[
    str, AfterValidator(_ruled(_matching(_NETWORK, "name of a network in capitals, such as GLOBE")))
]
HourCount = Annotated[int, Field(ge=0, le=MAX_HOURS)]
DayCount = Annotated[int, Field(ge=0, le=MAX_DAYS)]
Moment = Annotated[
    datetime,
    BeforeValidator(_ruled(_from_text(canonical.parse_moment))),
    PlainSerializer(canonical.moment_text),
]
Day = Annotated[date, BeforeValidator(_ruled(_from_text(_parse_day))), PlainSerializer(date.isoformat)]
OptionalDay = Annotated[
    date | None,
    BeforeValidator(_ruled(_from_text(lambda text: _parse_day(text) if text else None))),
    PlainSerializer(lambda day: day.isoformat() if day else "", return_type=str),
]
Octets = Annotated[bytes, BeforeValidator(_ruled(_from_text(parse_base64))), PlainSerializer(base64_text)]
OptionalAuthorityId = Annotated[
    str, AfterValidator(_ruled(lambda text: parse_authority_id(text) if text else text))
]
AuthorityIdField = Annotated[AuthorityId, BeforeValidator(_ruled(_from_text(parse_authority_id)))]
NodeIdField = Annotated[NodeId, BeforeValidator(_ruled(_from_text(parse_node_id)))]
KeyIdField = Annotated[KeyId, BeforeValidator(_ruled(_from_text(parse_key_id)))]
DigestField = Annotated[Digest, BeforeValidator(_ruled(_from_text(parse_digest)))]
