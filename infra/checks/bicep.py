"""Bicep files as the checks see them: declarations with their lines, over the syntax tree of tree-sitter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from infra.checks.names import ROOT

INFRA = ROOT / "infra"

_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


@dataclass(frozen=True)
class Declaration:
    """One ``param``, ``var``, ``resource``, ``module`` or ``output``.

    Attributes:
        kind: which of them.
        line: 1-based.
        decorators: names of the decorators above it.
        type: of a ``param`` or ``output`` its type, of a ``resource`` what is before ``@``, of a ``module`` its path.
        version: of a ``resource`` its API version.
        existing: a ``resource`` that is only referred to.
        value: the expression behind ``=``, conditions and loops included; ``None`` for a ``param`` without default.
    """

    kind: str
    name: str
    line: int
    decorators: tuple[str, ...]
    type: str
    version: str
    existing: bool
    value: Node | None

    @property
    def body(self) -> Node | None:
        """The object of a ``resource`` or ``module``, within its condition or loop."""
        return inner_object(self.value)


@dataclass(frozen=True)
class BicepFile:
    """One file; ``path`` is relative to the top of the repository."""

    path: str
    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, kind: str) -> dict[str, Declaration]:
        """The declarations of one kind, by their names."""
        return {found.name: found for found in self.declarations if found.kind == kind}

    def sibling(self, path: str) -> Path:
        """Where a path in this file leads to, relative to the top of the repository."""
        return (ROOT / self.path).parent.joinpath(path).resolve().relative_to(ROOT)


def bicep_files() -> list[Path]:
    """All of ``infra/``."""
    return sorted(INFRA.rglob("*.bicep"))


@cache
def read(path: Path) -> BicepFile:
    """The file at ``path``."""
    return parse(path.read_text(encoding="utf-8"), str(path.resolve().relative_to(ROOT)))


def parse(text: str, path: str) -> BicepFile:
    """A file of this ``text``. What is not Bicep is left out of it: see ``syntax_errors``."""
    tree = Parser(Language(tree_sitter_bicep.language())).parse(text.encode())
    return BicepFile(path, tree.root_node, tuple(_declarations(tree.root_node)))


def syntax_errors(root: Node) -> Iterator[Node]:
    """The nodes that the parser could make nothing of, or that it missed."""
    for node in descendants(root):
        if node.is_error or node.is_missing:
            yield node


def descendants(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in node.children:
        yield from descendants(child)


def line_of(node: Node) -> int:
    """1-based."""
    return node.start_point[0] + 1


def text_of(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def literal(node: Node | None) -> str | None:
    """The content of a string without interpolation; ``None`` for anything else."""
    if node is None or node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    return text_of(node)[1:-1]


def inner_object(node: Node | None) -> Node | None:
    """The object that a declaration's value comes to: in ``if (…) {…}`` and ``[for … : {…}]`` what is inside."""
    if node is None or node.type == "object":
        return node
    if node.type == "for_statement":
        return inner_object(node.child_by_field_name("body"))
    if node.type == "if_statement":
        return next((child for child in node.named_children if child.type == "object"), None)
    return None


def properties(node: Node) -> dict[str, tuple[Node, Node]]:
    """Of an object: name → the name's node and the value's."""
    found = {}
    for child in node.named_children:
        if child.type == "object_property":
            key, *rest = [each for each in child.named_children if each.type != "comment"]
            if rest:
                found[text_of(key).strip("'")] = (key, rest[-1])
    return found


def value_of(node: Node | None, name: str) -> Node | None:
    """The value of one property of an object, if it has it."""
    return properties(node).get(name, (None, None))[1] if node is not None else None


def condition(declaration: Declaration) -> str:
    """The source of the condition or loop under which something is made; empty if it is made once and always."""
    value = declaration.value
    if value is None or value.type not in ("if_statement", "for_statement"):
        return ""
    if value.type == "if_statement":
        return "if " + text_of(value.named_children[0]).removeprefix("(").removesuffix(")")
    head = text_of(value)[1:].partition(":")[0]
    return " ".join(head.split())


def _declarations(root: Node) -> Iterator[Declaration]:
    decorators: list[str] = []
    for node in root.named_children:
        if node.type == "decorators":
            decorators = [_decorator(each) for each in node.named_children if each.type == "decorator"]
        elif node.type in _DECLARATIONS:
            yield _declaration(node, tuple(decorators))
            decorators = []


def _decorator(node: Node) -> str:
    call = node.named_children[0]
    return text_of(call.child_by_field_name("function") or call)


def _declaration(node: Node, decorators: tuple[str, ...]) -> Declaration:
    kind = _DECLARATIONS[node.type]
    parts = [child for child in node.named_children if child.type != "comment"]
    name, rest = text_of(parts[0]), parts[1:]
    typed, version = "", ""
    if kind in ("resource", "module") and rest:
        typed, _, version = (literal(rest.pop(0)) or "").partition("@")
    elif rest and rest[0].type == "type":
        typed = text_of(rest.pop(0))
    existing = any(child.type == "existing" or text_of(child) == "existing" for child in node.children)
    equals = any(child.type == "=" for child in node.children)
    value = rest[-1] if rest and equals else None
    return Declaration(kind, name, line_of(parts[0]), decorators, typed, version, existing, value)
