# SPDX-License-Identifier: Apache-2.0
"""Which reason codes the product made while tests ran, and for which of them a test looked.

Not a tracer: it looks at the few kinds of value by which a code leaves the place where it was decided.

1. A code counts when product code, not a test, builds what carries it: an error, a refusal, a verdict about
   an envelope, an alarm of the audit log or a line of the log.
2. A code that a module of the node only passes on, as a peer or another process told it, does not count: the
   module must write it out, or the class of the error must stand for it.
3. It counts for the test module that ran, and only if that module names the code as something to look for: in
   words of its own, not inside an error that it raises itself.
"""

import ast
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from globe_node.delivery.settlement import Verdict
from globe_node.errors import NodeError
from globe_node.logs import JSONLog
from globe_node.peering.answers import RefusalError
from protocol.audit.events import AuditEvent, EventKind
from protocol.errors import ProtocolError, ReasonCode

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("globe_node", "keys", "protocol")
_CODES = {code.name: code for code in ReasonCode}
_TEXTS = {code.value: code for code in ReasonCode}

F = TypeVar("F", bound=Callable[..., Any])


class Watch:
    """Notes the codes that are made from now on.

    Attributes:
        pairs: code and test module, for each code that was made while a test of that module ran.
    """

    def __init__(self) -> None:
        self.pairs: set[tuple[ReasonCode, str]] = set()

    def begin(self) -> None:
        """Watch whatever carries a code; for the rest of this process."""
        for carrier, code_of in (
            (ProtocolError, _code_of_error),
            (NodeError, _code_of_error),
            (RefusalError, _code_of_error),
            (Verdict, lambda verdict: verdict.reason),
            (AuditEvent, _code_of_alarm),
        ):
            self._watch(carrier, code_of)
        self._watch_log()

    def note(self, code: ReasonCode, place: str, *, by_class: bool = False) -> None:
        """Count a code that was made at a place of the sources, if it was made there."""
        module = os.environ.get("PYTEST_CURRENT_TEST", "").split("::", 1)[0]
        if not module or (code, module) in self.pairs:
            return
        room = place.split("/", 1)[0]
        if room in PRODUCT and (room != "globe_node" or by_class or code in written_out(ROOT / place)):
            self.pairs.add((code, module))

    def _watch(self, carrier: type[Any], code_of: Callable[[Any], ReasonCode | None]) -> None:
        built: Callable[..., None] = carrier.__init__

        @functools.wraps(built)
        def build(this: Any, /, *values: Any, **named: Any) -> None:
            built(this, *values, **named)
            code = code_of(this)
            if code is not None:
                by_class = isinstance(this, AuditEvent) or getattr(type(this), "code", None) is code
                self.note(code, _caller(), by_class=by_class)

        carrier.__init__ = build

    def _watch_log(self) -> None:
        warning = JSONLog.warning

        @functools.wraps(warning)
        def warn(this: JSONLog, /, event: str, **fields: Any) -> None:
            warning(this, event, **fields)
            code = _TEXTS.get(str(fields.get("code", "")))
            if code is not None:
                self.note(code, _caller())

        setattr(JSONLog, "warning", warn)  # noqa: B010 -- a method is no attribute to a type checker


def unproduced(pairs: Iterable[tuple[ReasonCode, str]]) -> list[ReasonCode]:
    """Return the codes that no test produced and looked for."""
    good = {code for code, module in pairs if code in looked_for(ROOT / module)}
    return [code for code in ReasonCode if code not in good]


@cache
def written_out(path: Path) -> frozenset[ReasonCode]:
    """Return the codes that a module names as `ReasonCode.NAME`."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return frozenset(code for code in map(code_named, nodes) if code is not None)


@cache
def looked_for(path: Path) -> frozenset[ReasonCode]:
    """Return the codes that a test module names, by name or by text, but for errors that it raises itself."""
    return frozenset(_sought(ast.parse(path.read_text("utf-8"))))


def _sought(node: ast.AST) -> Iterator[ReasonCode]:
    if isinstance(node, ast.Raise) or (
        isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error")
    ):
        return
    code = code_named(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        code = _TEXTS.get(node.value)
    if code is not None:
        yield code
    for child in ast.iter_child_nodes(node):
        yield from _sought(child)


def code_named(node: ast.AST) -> ReasonCode | None:
    """Return the code that an expression `ReasonCode.NAME` is."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ReasonCode":
        return _CODES.get(node.attr)
    return None


def _code_of_error(error: Any) -> ReasonCode | None:
    code: ReasonCode | None = error.code
    return code


def _code_of_alarm(event: AuditEvent) -> ReasonCode | None:
    return _TEXTS.get(event.result) if event.kind is EventKind.ALARM else None


def _caller() -> str:
    """Return the module that builds, as a path below the root; a constructor of a subclass only hands on."""
    frame = sys._getframe(2)  # the public way builds the whole stack, for every error
    while frame.f_back is not None and frame.f_code.co_name == "__init__":
        frame = frame.f_back
    path = frame.f_code.co_filename
    return path[len(str(ROOT)) + 1 :] if path.startswith(f"{ROOT}{os.sep}") else ""
