# SPDX-License-Identifier: Apache-2.0
"""The size guide. There is no list of exceptions."""

import ast

from tests.house.source import all_modules, classes, functions, product_modules, short

MODULE_LINES = 500
TEST_MODULE_LINES = 700
FUNCTION_LINES = 60
PARAMETERS = 7
PUBLIC_METHODS = 12
MODULES_IN_A_ROOM = 12


def test_modules_fit() -> None:
    over = []
    for path in all_modules():
        bound = TEST_MODULE_LINES if short(path).startswith("tests/") else MODULE_LINES
        lines = path.read_text("utf-8").count("\n")
        if lines > bound:
            over.append(f"{short(path)}: {lines} lines, at most {bound}")
    assert over == []


def test_functions_fit() -> None:
    over = []
    for path in all_modules():
        for function in functions(path):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION_LINES:
                over.append(f"{short(path)}:{function.lineno} {function.name}: {lines} lines")
    assert over == []


def test_parameters_fit() -> None:
    over = []
    for path in product_modules():
        for function in functions(path):
            names = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            count = len([name for name in names if name.arg not in ("self", "cls")])
            if count > PARAMETERS:
                over.append(f"{short(path)}:{function.lineno} {function.name}: {count} parameters")
    assert over == []


def test_classes_fit() -> None:
    over = []
    for path in product_modules():
        for definition in classes(path):
            public = [
                item
                for item in definition.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_")
            ]
            if len(public) > PUBLIC_METHODS:
                over.append(
                    f"{short(path)}:{definition.lineno} {definition.name}: {len(public)} public methods"
                )
    assert over == []


def test_rooms_fit() -> None:
    rooms: dict[str, int] = {}
    for path in product_modules():
        if path.name != "__init__.py" and "versions" not in path.parts:
            rooms[short(path.parent)] = rooms.get(short(path.parent), 0) + 1
    assert {room: count for room, count in rooms.items() if count > MODULES_IN_A_ROOM} == {}
