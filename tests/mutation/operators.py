# SPDX-License-Identifier: Apache-2.0
"""Which defects are planted: each changes one place inside one function.

1. Not changed: annotations, docstrings, defaults, decorators, and texts for people.
2. A statement that only calls something, or that raises, is also left out as a whole: checks are such
   statements, and a check that nobody misses is the defect that is looked for.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect.

    Attributes:
        function: qualified name of the function it is in.
        line: where.
        text: what stood there and what stands there now.
        tree: the whole module with the defect.
    """

    function: str
    line: int
    text: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every defect of a module, in the order of its lines."""
    module = ast.parse(source)
    for name, function in _functions(module, ""):
        for owner, field, place in list(_places(function)):
            original = _get(owner, field, place)
            for changed in _changes(owner, field, original):
                _set(owner, field, place, changed)
                yield Mutant(
                    function=name,
                    line=original.lineno,
                    text=f"{_text(original)}  ->  {_text(changed)}",
                    tree=ast.fix_missing_locations(copy.deepcopy(module)),
                )
                _set(owner, field, place, original)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Yield functions of the module and methods of its classes, not functions inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")


def _places(function: Function) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield every expression and statement of a body by its owner, field and index."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    for index in range(len(function.body) - len(body), len(function.body)):
        yield function, "body", index
        yield from _inside(function.body[index])


def _inside(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    if isinstance(node, ast.Raise | ast.FunctionDef | ast.ClassDef):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params", "format_spec"):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.expr | ast.stmt):
                yield node, field, index if isinstance(value, list) else None
            if isinstance(child, ast.AST):
                yield from _inside(child)


def _changes(owner: ast.AST, field: str, node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _changed_statements(node)
    elif isinstance(node, ast.expr):
        yield from _changed_expressions(node)
        if field in ("test", "ifs"):
            yield ast.copy_location(ast.Constant(True), node)
        if field == "test" and not _only_raises(owner):
            yield ast.copy_location(ast.Constant(False), node)


def _changed_statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Raise() | ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Continue():
            yield ast.copy_location(ast.Break(), node)
        case ast.Break():
            yield ast.copy_location(ast.Continue(), node)
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield ast.copy_location(ast.Return(ast.copy_location(ast.Constant(None), node)), node)


def _changed_expressions(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in COMPARISONS[type(operator)]:
                    changed = copy.deepcopy(node)
                    changed.ops[index] = other()
                    yield changed
        case ast.BoolOp():
            changed_operator = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield ast.copy_location(ast.BoolOp(changed_operator, node.values), node)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            yield ast.copy_location(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right), node)
        case ast.Call(func=ast.Name(id="any" | "all" as name)):
            changed_name = ast.Name("all" if name == "any" else "any", ast.Load())
            yield ast.copy_location(ast.Call(changed_name, node.args, node.keywords), node)
        case ast.Constant():
            yield from _changed_constants(node)


def _changed_constants(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool(value):
            yield ast.copy_location(ast.Constant(not value), node)
        case int(value):
            yield ast.copy_location(ast.Constant(value + 1), node)
        case str(text) if text and not _is_for_people(text):
            yield ast.copy_location(ast.Constant(text + text[:1]), node)
        case bytes(octets) if octets:
            yield ast.copy_location(ast.Constant(octets + octets[:1]), node)


def _only_raises(node: ast.AST) -> bool:
    """Whether leaving out the condition is the same as leaving out the statement below it."""
    return isinstance(node, ast.If) and not node.orelse and isinstance(node.body[0], ast.Raise)


def _is_for_people(text: str) -> bool:
    """Whether a text says what is wrong; labels are one word, or begin with a capital."""
    return " " in text and text[0].islower()


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _get(owner: ast.AST, field: str, place: int | None) -> ast.expr | ast.stmt:
    value = getattr(owner, field)
    node: ast.expr | ast.stmt = value if place is None else value[place]
    return node


def _set(owner: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(owner, field, node)
    else:
        getattr(owner, field)[place] = node


def _text(node: ast.AST) -> str:
    line = " ".join(ast.unparse(node).split())
    return line if len(line) <= 90 else line[:87] + "..."
