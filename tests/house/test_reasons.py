# SPDX-License-Identifier: Apache-2.0
"""Every reason code is made by the product, looked for by a test, and explained in PROTOCOL.md section 12.

That a test which looks for it also makes the product produce it, is judged at the end of a run of all tests:
`tests/support/produced.py`.
"""

import ast
import re
from collections.abc import Iterator

from globe_node.peering.answers import RefusalError
from protocol.errors import ReasonCode
from tests.house.source import ROOT, modules, product_modules, short, tree_of
from tests.support.produced import code_named, looked_for
from tests.support.reasons import PROTOCOL, rows


def _codes(node: ast.AST) -> Iterator[ReasonCode]:
    """Yield codes that are written out, but for keys of a table and items of a set: those only sort codes."""
    code = code_named(node)
    if code is not None:
        yield code
    elif not isinstance(node, ast.Set):
        for child in node.values if isinstance(node, ast.Dict) else ast.iter_child_nodes(node):
            yield from _codes(child)


def test_every_code_is_made_somewhere() -> None:
    made = {code for path in product_modules() for code in _codes(tree_of(path))}
    assert [code.value for code in ReasonCode if code not in made] == []


def test_every_code_is_looked_for_by_a_test() -> None:
    tests = [path for path in modules("tests") if path.name.startswith("test_")]
    sought = {
        code for path in tests if not short(path).startswith("tests/house/") for code in looked_for(path)
    }
    assert [code.value for code in ReasonCode if code not in sought] == []


def test_every_code_is_explained_in_the_order_of_the_list() -> None:
    assert [row.code for row in rows()] == [code.value for code in ReasonCode]
    assert [row.code for row in rows() if not row.means.strip() or not row.what_to_do.strip()] == []


def test_the_statuses_are_those_of_the_answers() -> None:
    for row in rows():
        numbers = [int(number) for number in re.findall(r"\d{3}", row.status)]
        if row.seen == "here":
            assert row.status == "-", row.code
        else:
            assert numbers[0] == RefusalError(ReasonCode(row.code)).status, row.code


def test_the_table_of_answers_agrees() -> None:
    text = PROTOCOL.read_text("utf-8").split("\n### 11.3 ", 1)[1].split("\n### ", 1)[0]
    listed = {
        code: int(status)
        for status, codes in re.findall(r"^\| (\d{3}) \| (`.+`) \|", text, re.MULTILINE)
        for code in re.findall(r"`([a-z_]+)`", codes)
        if (code, status) not in (("bad_request", "405"), ("bad_request", "415"), ("bad_request", "417"))
    }
    for row in rows():
        if row.seen != "here":
            assert listed.get(row.code, 422) == RefusalError(ReasonCode(row.code)).status, row.code


def test_documents_name_no_other_code() -> None:
    quoted = re.findall(r"\(`([a-z]+_[a-z_]+)`\)", PROTOCOL.read_text("utf-8"))
    assert [word for word in quoted if word not in {code.value for code in ReasonCode}] == []
    assert (ROOT / "docs" / "PROTOCOL.md") == PROTOCOL
