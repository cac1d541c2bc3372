# SPDX-License-Identifier: Apache-2.0
"""Handling codes: what the receiver of information may do with it. Not access control inside an authority.

1. No level named means `DEFAULT_LEVELS`: neither in court nor onward without the provider's permission.
2. `H0` is a level of its own and stands with neither `H1` nor `H2`.
3. `NF-` names who must never get it: an authority (`NF-xa-acc`) or a country (`NF-XA`).
"""

import re
from collections.abc import Iterable
from functools import lru_cache

H0 = "H0"
"""Use for the stated purpose."""
H1 = "H1"
"""No use in judicial proceedings without permission."""
H2 = "H2"
"""No onward sharing without permission."""
H3 = "H3"
"""A restriction in words, given in the body; each reader acknowledges it before reading."""
EYES = "EYES"
"""For the office named in the body only."""
NEVER_FOR = "NF-"
"""Opens the code that shuts out one authority or country."""

DEFAULT_LEVELS = (H1, H2)
"""What holds when no level is named."""
MAX_CODES = 30
"""Handling codes of one record."""

_LEVELS = frozenset((H0, H1, H2))
_PLAIN = frozenset((H0, H1, H2, H3, EYES))
_NEVER_FOR = re.compile(r"NF-(?:[A-Z]{2}|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)", re.ASCII)


def is_handling_code(code: str) -> bool:
    """Whether this text is one handling code."""
    return code in _PLAIN or _NEVER_FOR.fullmatch(code) is not None


@lru_cache(maxsize=256)
def is_handling(codes: tuple[str, ...]) -> bool:
    """Whether these codes may stand together: each known, none twice, sorted, `H0` apart from `H1` and `H2`.

    Spec: PROTOCOL.md section 8.3.
    """
    return (
        len(codes) <= MAX_CODES
        and all(is_handling_code(code) for code in codes)
        and list(codes) == sorted(set(codes))
        and not (H0 in codes and (H1 in codes or H2 in codes))
    )


def effective_handling(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the codes that hold, sorted: the given ones, with the default levels where none is named.

    Spec: PROTOCOL.md section 8.3.
    """
    given = set(codes)
    return tuple(sorted(given if given & _LEVELS else given | set(DEFAULT_LEVELS)))


def strictest(*handlings: Iterable[str]) -> tuple[str, ...]:
    """Return the codes for a text that quotes several others: every restriction of each, `H0` only if alone.

    Spec: PROTOCOL.md section 8.3.
    """
    merged = {code for codes in handlings for code in effective_handling(codes)}
    if merged & {H1, H2}:
        merged.discard(H0)
    return effective_handling(merged)


def bars(codes: Iterable[str], *, authority: str, country: str) -> bool:
    """Whether these codes shut out that authority or its country.

    Args:
        codes: handling codes.
        authority: authority id.
        country: ISO 3166-1 alpha-2, upper case.
    """
    shut = {code.removeprefix(NEVER_FOR) for code in codes if code.startswith(NEVER_FOR)}
    return authority in shut or country in shut
