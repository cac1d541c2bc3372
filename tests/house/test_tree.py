# SPDX-License-Identifier: Apache-2.0
"""The tree: no folder without `__init__`, no nameless module, the licence in every first line."""

import ast
import re

from tests.house.source import ROOT, all_modules, classes, functions, product_modules, short, tree_of

BANNED_WORDS = {"utils", "util", "helpers", "helper", "base", "misc", "core", "manager", "managers"}


def test_every_python_folder_is_a_package() -> None:
    folders = {path.parent for path in all_modules()}
    assert [short(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_module_names_its_licence_first() -> None:
    line = "# SPDX-License-Identifier: Apache-2.0"
    assert [short(path) for path in all_modules() if path.read_text("utf-8").split("\n", 1)[0] != line] == []


def test_every_product_module_says_what_it_is() -> None:
    assert [short(path) for path in product_modules() if not ast.get_docstring(tree_of(path))] == []


def test_no_module_or_class_has_an_empty_word_for_a_name() -> None:
    found = [short(path) for path in all_modules() if BANNED_WORDS & set(path.stem.split("_"))]
    for path in product_modules():
        for definition in classes(path):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z]*", definition.name)}
            if BANNED_WORDS & words:
                found.append(f"{short(path)}: {definition.name}")
    assert found == []


def test_no_variable_hides_a_package() -> None:
    found = []
    for path in all_modules():
        for node in ast.walk(tree_of(path)):
            names = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
            names += [node.arg] if isinstance(node, ast.arg) else []
            if {"keys", "protocol"} & set(names):
                found.append(f"{short(path)}:{getattr(node, 'lineno', 0)}")
            if isinstance(node, ast.Import) and any(
                alias.name in ("keys", "protocol") for alias in node.names
            ):
                found.append(f"{short(path)}:{node.lineno} import of a whole package")
    assert found == []


def test_init_modules_hold_a_docstring_and_constants_only() -> None:
    found = [
        f"{short(path)}:{node.lineno}"
        for path in product_modules()
        if path.name == "__init__.py"
        for node in tree_of(path).body
        if not isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign)
    ]
    assert found == []


def test_coroutines_stay_out_of_protocol_and_keys() -> None:
    found = []
    for path in product_modules():
        if short(path).split("/")[0] in ("protocol", "keys"):
            found += [
                f"{short(path)}:{function.lineno}"
                for function in functions(path)
                if isinstance(function, ast.AsyncFunctionDef)
            ]
    assert found == []


def test_broad_except_only_at_the_doors() -> None:
    doors = {
        "globe_node/cli/main.py",  # errors become exit codes
        "globe_node/peering/answers.py",  # errors become HTTP answers for peers
        "globe_node/api/answers.py",  # errors become HTTP answers for the people of this authority
        "globe_node/store/door.py",  # an error in one transaction must not stop the others
        "globe_node/consultations/intake.py",  # one poisoned envelope must not stop the others
    }
    found = set()
    for path in product_modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
            ):
                found.add(short(path))
    assert found - doors == set()


def test_the_import_contracts_have_no_exceptions() -> None:
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text("utf-8")
