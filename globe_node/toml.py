# SPDX-License-Identifier: Apache-2.0
"""Reads TOML that a person has written: settings, messages, contact points. It knows no member of any.

1. Whatever the bytes are, they give tables or one `UsageError`; nesting has the bound of JSON.
2. An error names the place in the file where it can, and repeats nothing of the file.
"""

import re
import tomllib

from globe_node.errors import UsageError
from protocol import limits

_PLACE = re.compile(r"\((at [a-z0-9, ]+)\)$")


def parse_toml(data: bytes) -> dict[str, object]:
    """Read the tables of a file.

    Raises:
        UsageError: not TOML in UTF-8, a number that no machine takes, or nested too deep.
    """
    try:
        tables: dict[str, object] = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError("not text in UTF-8", hint="Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        where = f" {place[1]}" if place else ""
        raise UsageError(f"not TOML{where}", hint="Mend that place in the file.") from None
    except ValueError:
        raise UsageError("a number of too many digits", hint="Write it as text, in quotes.") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deeper(tables, limits.MAX_JSON_DEPTH):
        raise _too_deep()
    return tables


def _too_deep() -> UsageError:
    return UsageError(
        f"nested deeper than {limits.MAX_JSON_DEPTH} levels", hint="Write it with fewer levels."
    )


def _is_deeper(value: object, bound: int) -> bool:
    """Whether tables and lists are nested deeper than a bound; no recursion, for the value is foreign."""
    level: list[object] = [value]
    for _ in range(bound):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        level = [one for one in inner if isinstance(one, dict | list)]
        if not level:
            return False
    return True
