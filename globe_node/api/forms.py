# SPDX-License-Identifier: Apache-2.0
"""Values of the rooms as programs get them: plain JSON with the same names. It decides nothing.

1. What is absent is left out; there is no null.
2. Moments are text in UTC with milliseconds; octets are base64.
"""

from base64 import b64encode
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import singledispatch

from pydantic import BaseModel

from protocol.canonical import JSONObject, JSONValue, moment_text


@singledispatch
def json_of(value: object) -> JSONValue:
    """Return a value of one of our rooms as JSON.

    Raises:
        TypeError: a kind of value that has no form here.
    """
    return json_object(value)


def json_object(value: object) -> JSONObject:
    """Return a dataclass as a JSON object; members without a value are left out.

    Raises:
        TypeError: not a dataclass, or a value in it has no form here.
    """
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"no form for {type(value).__name__}")
    members = ((item.name, getattr(value, item.name)) for item in fields(value))
    return {name: json_of(member) for name, member in members if member is not None}


@json_of.register
def _(value: str) -> JSONValue:
    return value.value if isinstance(value, Enum) else value


@json_of.register
def _(value: int) -> JSONValue:
    return value.value if isinstance(value, Enum) else value


@json_of.register
def _(value: float) -> JSONValue:
    return round(value)


@json_of.register
def _(value: date) -> JSONValue:
    return value.isoformat()


@json_of.register
def _(value: datetime) -> JSONValue:
    return moment_text(value)


@json_of.register
def _(value: bytes) -> JSONValue:
    return b64encode(value).decode("ascii")


@json_of.register
def _(value: BaseModel) -> JSONValue:
    return json_of(value.model_dump(mode="json", exclude_none=True))


@json_of.register
def _(value: Mapping) -> JSONValue:  # type: ignore[type-arg]  # the dispatch takes no arguments of types
    return {str(name): json_of(item) for name, item in value.items() if item is not None}


@json_of.register
def _(value: Set) -> JSONValue:  # type: ignore[type-arg]  # the same
    return [json_of(item) for item in sorted(value)]


@json_of.register(tuple)
@json_of.register(list)
def _(value: tuple[object, ...] | list[object]) -> JSONValue:
    return [json_of(item) for item in value]
