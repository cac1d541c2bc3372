# SPDX-License-Identifier: Apache-2.0
"""What the product never does: decode objects, run programs, build SQL of values, compare secrets by `==`."""

import ast
import re
from functools import cache

from tests.house.source import ROOT, product_modules, short, tree_of

DECODERS = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "plistlib", "yaml", "xml", "xmlrpc", "lxml",
    "html", "csv", "zipfile", "gzip", "bz2", "lzma", "zlib", "ctypes", "code", "codeop", "jinja2",
}  # fmt: skip
"""Modules that make more of bytes than bytes: objects, documents, programs, or many more bytes."""
PROGRAMS = {"subprocess", "pty", "popen2", "multiprocessing"}
ALLOWED = {
    "globe_node/cli/process.py": {"ctypes"},  # asks the operating system for no core dumps
}
SQL_OF_NUMBERS = {
    "globe_node/store/driver.py",  # settings of the database, from tables in the module itself
    "globe_node/store/migrate.py",  # the version of the schema, an integer
}
VERIFIERS = {
    "crypto_sign_open", "crypto_sign_verify_detached", "crypto_sign_ed25519ph_final_verify", "VerifyKey",
    "Ed25519PublicKey",
}  # fmt: skip
"""What else could judge an Ed25519 signature."""
JUDGES = {
    "protocol/signing/ed25519.py": {"crypto_sign_open"},
    "protocol/directory/material.py": {"Ed25519PublicKey"},  # the kind of key in a TLS certificate
}
_SQL = re.compile(
    r"\b(SELECT .* FROM|INSERT INTO|INSERT OR|UPDATE .* SET|DELETE FROM|WHERE .* =|ORDER BY|PRAGMA)\b"
)
_SECRET = re.compile(r"(?:^|_)(?:secret|token|mac|passphrase|password|commitment|seed)s?(?:$|_)")
_LEVELS = {"debug", "info", "warning", "error"}


@cache
def _nodes() -> tuple[tuple[str, ast.AST], ...]:
    return tuple((short(path), node) for path in product_modules() for node in ast.walk(tree_of(path)))


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module.split(".")[0]}
    return set()


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _at(path: str, node: ast.AST) -> str:
    return f"{path}:{getattr(node, 'lineno', 0)}"


def test_b18_no_decoder_makes_objects_or_programs_of_bytes() -> None:
    found = [
        f"{_at(path, node)} {module}"
        for path, node in _nodes()
        for module in _imported(node) & (DECODERS | PROGRAMS) - ALLOWED.get(path, set())
    ]
    assert found == []


def test_b18_nothing_is_evaluated() -> None:
    found = [
        _at(path, node)
        for path, node in _nodes()
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile", "__import__"))
            or _name(node.func) in ("system", "popen", "execv", "execve", "spawnv", "fork")
        )
    ]
    assert found == []


def test_no_method_waits_for_a_subclass() -> None:
    """What others implement is a `Protocol`: a type checker finds what is missing, not a run."""
    found = [_at(path, node) for path, node in _nodes() if _name(node) == "NotImplementedError"]
    assert found == []


def test_modules_are_imported_by_name_in_one_place_only() -> None:
    places = {
        path for path, node in _nodes() if isinstance(node, ast.Call) and _name(node.func) == "import_module"
    }
    assert places <= {"globe_node/cli/main.py"}


def test_b17_sql_is_never_made_of_values() -> None:
    """A statement may be put together of constants in capitals; values are bound."""
    found = []
    for path, node in _nodes():
        if not isinstance(node, ast.JoinedStr):
            continue
        text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        inside = [_name(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        if _SQL.search(text) and not all(re.fullmatch(r"_?[A-Z][A-Z_]*", name) for name in inside):
            found.append(f"{_at(path, node)} {inside}")
    assert [place for place in found if place.split(":")[0] not in SQL_OF_NUMBERS] == []


def test_c23_secrets_are_compared_in_constant_time() -> None:
    found = []
    for path, node in _nodes():
        if isinstance(node, ast.Compare) and any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            names = [_name(operand) for operand in (node.left, *node.comparators)]
            if any(_SECRET.search(name) for name in names):
                found.append(_at(path, node))
    assert found == []


def test_e12_an_event_of_the_log_is_a_fixed_phrase() -> None:
    found = []
    for path, node in _nodes():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        is_log = node.func.attr in _LEVELS and _name(node.func.value).endswith("log")
        if is_log and not isinstance(node.args[0], ast.Constant | ast.Name):
            found.append(_at(path, node))
    assert found == []


def test_bodies_of_http_are_never_decoded_by_the_library() -> None:
    """`json`, `text`, `post` and `read` of aiohttp know no bound of ours."""
    found = [
        _at(path, node)
        for path, node in _nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("json", "text", "post", "multipart")
        and _name(node.func.value) in ("request", "response")
    ]
    assert found == []


def test_no_redirect_is_followed_and_no_proxy_taken_from_outside() -> None:
    clients = [
        path for path, node in _nodes() if isinstance(node, ast.Call) and _name(node.func) == "ClientSession"
    ]
    assert clients == ["globe_node/peering/client.py"]
    text = next(path for path in product_modules() if short(path) == clients[0]).read_text("utf-8")
    for setting in ("allow_redirects=False", "trust_env=False", "auto_decompress=False"):
        assert setting in text


def test_one_judge_for_every_ed25519_signature() -> None:
    """Two libraries give two verdicts on crafted signatures, so only one is ever asked."""
    found = [
        f"{_at(path, node)} {alias.name}"
        for path, node in _nodes()
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in VERIFIERS - JUDGES.get(path, set())
    ]
    assert found == []
    assert "public_key.verify(" not in (ROOT / "protocol/directory/material.py").read_text("utf-8")
