# SPDX-License-Identifier: Apache-2.0
"""Any bytes are tables or one error that repeats nothing of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from globe_node.errors import UsageError
from globe_node.toml import parse_toml

DEEP = 2_000


def test_tables_are_read() -> None:
    assert parse_toml(b'a = 1\n[b]\nc = ["x"]\n') == {"a": 1, "b": {"c": ["x"]}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"\xff\xfe", "UTF-8", id="not UTF-8"),
        pytest.param(b"a = \nb = 2", "at line 1, column 5", id="not TOML"),
        pytest.param(b"secret = 'x", "not TOML", id="not closed"),
        pytest.param(b"a = " + b"9" * 5_000, "digits", id="many digits"),
        pytest.param(b"a = " + b"[" * DEEP + b"]" * DEEP, "deeper", id="lists"),
        pytest.param(b"a = " + b"{a=" * DEEP, "deeper", id="tables in a line"),
        pytest.param(b"a" + b".a" * DEEP + b" = 1", "deeper", id="dotted names"),
        pytest.param(b"[a" + b".a" * DEEP + b"]", "deeper", id="dotted tables"),
        pytest.param(b"a = " + b"[" * 32 + b"]" * 32, "deeper", id="33 levels"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_toml(data)
    assert says in str(caught.value)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_32_levels_are_read() -> None:
    assert parse_toml(b"a = " + b"[" * 31 + b"]" * 31)


@given(st.binary(max_size=60) | st.text("[]{}='\".\n a1#-:T", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    try:
        parse_toml(data)
    except UsageError as error:
        assert error.hint  # noqa: PT017 -- most bytes are no TOML, some are
