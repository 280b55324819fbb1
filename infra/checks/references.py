"""Whether every name in a Bicep file stands for something: symbols, functions, modules' parameters and outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tree_sitter import Node

from infra.checks.bicep import (
    BicepFile,
    Declaration,
    bicep_files,
    descendants,
    line_of,
    literal,
    properties,
    read,
    text_of,
    value_of,
)
from infra.checks.fault import Fault
from infra.checks.names import ROOT

_FUNCTIONS = """
base64 concat contains empty environment first flatten format guid int items join json last length listKeys
loadJsonContent map max min range replace resourceGroup resourceId split string subscription subscriptionResourceId
substring take tenant toLower toUpper trim union uniqueString uri utcNow
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions of Bicep that may be used here. Bicep has more: add one when it is needed."""

DECORATORS = frozenset(
    ("allowed", "description", "maxLength", "maxValue", "metadata", "minLength", "minValue", "secure")
)
_SYMBOLS = ("param", "var", "resource", "module")
_LITERALS = {"string": "string", "number": "int", "boolean": "bool", "object": "object", "array": "array"}


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    files = [read(path) for path in bicep_files()]
    return [fault for file in files for fault in faults_of(file)] + unused_outputs(files)


def unused_outputs(files: Sequence[BicepFile]) -> list[Fault]:
    """Outputs of modules that none of the ``files`` that use the module asks for."""
    asked: dict[str, set[str]] = {}
    for file in files:
        paths = {name: str(file.sibling(module.type)) for name, module in file.of("module").items()}
        for path in paths.values():
            asked.setdefault(path, set())
        for found in filter(None, map(_output_of, descendants(file.root))):
            if found[0] in paths:
                asked[paths[found[0]]].add(found[1])
    return [
        Fault(file.path, output.line, f"output {name} is used nowhere")
        for file in files
        for name, output in file.of("output").items()
        if file.path in asked and name not in asked[file.path]
    ]


def faults_of(file: BicepFile) -> list[Fault]:
    """The faults of one file. Modules that it names are read from the disk."""
    return [
        *_twice(file),
        *_defaults(file),
        *_unresolved(file),
        *_unused(file),
        *_modules(file),
        *_loaded_members(file),
    ]


def _twice(file: BicepFile) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for found in file.declarations:
        if found.kind in _SYMBOLS and found.name in seen:
            yield Fault(file.path, found.line, f"{found.name} is declared in line {seen[found.name]} already")
        seen.setdefault(found.name, found.line)


def _defaults(file: BicepFile) -> Iterator[Fault]:
    """Parameters whose default is of another type, or none of those that are allowed."""
    for name, param in file.of("param").items():
        kind = _LITERALS.get(param.value.type) if param.value is not None else None
        if kind is None or param.value is None:
            continue
        if kind != param.type:
            yield Fault(file.path, param.line, f"param {name} is {param.type}, its default is {kind}")
        elif fault := _not_allowed(param, file, param.value):
            yield Fault(file.path, param.line, f"param {name} {fault}")


def _unresolved(file: BicepFile) -> Iterator[Fault]:
    """Names that nothing in the file declares, and functions and decorators that Bicep does not have."""
    declared = {found.name for found in file.declarations if found.kind in _SYMBOLS}
    for node in descendants(file.root):
        if node.type == "decorator":
            name = text_of(node.named_children[0]).partition("(")[0]
            if name not in DECORATORS:
                yield Fault(file.path, line_of(node), f"@{name} is no decorator that is known here")
        elif node.type == "identifier" and _is_function(node):
            if text_of(node) not in FUNCTIONS | DECORATORS:
                yield Fault(file.path, line_of(node), f"{text_of(node)}() is no function that is known here")
        elif _is_reference(node) and text_of(node) not in declared | _local_names(node):
            yield Fault(file.path, line_of(node), f"{text_of(node)} is declared nowhere in this file")


def _is_function(node: Node) -> bool:
    call = node.parent
    return call is not None and call.type == "call_expression" and call.child_by_field_name("function") == node


def _is_reference(node: Node) -> bool:
    """Whether an identifier is an expression, rather than the name of a declaration, a property or a loop variable."""
    parent = node.parent
    if node.type != "identifier" or parent is None or _is_function(node):
        return False
    if parent.type.endswith("_declaration") or parent.type in ("object_property", "for_statement", "lambda_expression"):
        return parent.named_children[0] != node
    return True


def _local_names(node: Node) -> set[str]:
    """What loops and lambdas around a node call their items."""
    names: set[str] = set()
    inside: Node | None = node.parent
    while inside is not None:
        if inside.type in ("for_statement", "lambda_expression"):
            first = inside.named_children[0]
            names |= {text_of(each) for each in (first, *first.named_children)}
        inside = inside.parent
    return names


def references(file: BicepFile) -> set[str]:
    """Every name that some expression of the file uses."""
    return {text_of(node) for node in descendants(file.root) if _is_reference(node)}


def _unused(file: BicepFile) -> Iterator[Fault]:
    """Parameters and variables that nothing reads: left over, or written otherwise where they are meant."""
    used = references(file)
    for kind in ("param", "var"):
        for name, found in file.of(kind).items():
            if name not in used:
                yield Fault(file.path, found.line, f"{kind} {name} is used nowhere")


def _modules(file: BicepFile) -> Iterator[Fault]:
    """Modules that are not there, or are not given exactly what they ask for; outputs that they do not have."""
    targets: dict[str, BicepFile] = {}
    for name, module in file.of("module").items():
        path = ROOT / file.sibling(module.type)
        if not path.is_file():
            yield Fault(file.path, module.line, f"module {name}: there is no {module.type}")
            continue
        targets[name] = read(path)
        yield from _arguments(file, module, targets[name])
    for node in descendants(file.root):
        if (asked := _output_of(node)) and asked[0] in targets and asked[1] not in targets[asked[0]].of("output"):
            yield Fault(file.path, line_of(node), f"module {asked[0]} has no output {asked[1]}")


def _arguments(file: BicepFile, module: Declaration, target: BicepFile) -> Iterator[Fault]:
    given = properties(params) if (params := value_of(module.body, "params")) is not None else {}
    asked = target.of("param")
    for name, (key, value) in given.items():
        if name not in asked:
            yield Fault(file.path, line_of(key), f"module {module.name} has no parameter {name}")
        elif (kind := _LITERALS.get(value.type)) and kind != asked[name].type:
            yield Fault(file.path, line_of(key), f"{name} of module {module.name} is {asked[name].type}, not {kind}")
        elif fault := _not_allowed(asked[name], target, value):
            yield Fault(file.path, line_of(key), f"{name} of module {module.name} {fault}")
    for name, param in asked.items():
        if param.value is None and name not in given:
            yield Fault(file.path, module.line, f"module {module.name} lacks its parameter {name}")


def allowed_values(param: Declaration, file: BicepFile) -> list[str] | None:
    """What ``@allowed`` above a parameter lists, without quotation marks; ``None`` where it is not there."""
    if "allowed" not in param.decorators:
        return None
    above = [
        node
        for node in descendants(file.root)
        if node.type == "decorator" and text_of(node).startswith("@allowed") and line_of(node) <= param.line
    ]
    values = next(node for node in descendants(above[-1]) if node.type == "array")
    return [text_of(value).strip("'") for value in values.named_children]


def _not_allowed(param: Declaration, file: BicepFile, value: Node) -> str | None:
    allowed = allowed_values(param, file)
    given = literal(value) if value.type == "string" else text_of(value) if value.type == "number" else None
    if allowed is None or given is None or given in allowed:
        return None
    return f"must be one of {', '.join(allowed)}, not {given}"


def _output_of(node: Node) -> tuple[str, str] | None:
    """The module and the output that ``module.outputs.name`` asks for."""
    chain = member_chain(node)
    return (chain[0], chain[2]) if len(chain) == 3 and chain[1] == "outputs" else None


def member_chain(node: Node) -> list[str]:
    """``a.b.c`` as its names; empty for what is no such chain."""
    if node.type == "identifier":
        return [text_of(node)]
    if node.type != "member_expression":
        return []
    before = node.child_by_field_name("object")
    after = node.child_by_field_name("property")
    chain = member_chain(before) if before is not None else []
    return [*chain, text_of(after)] if chain and after is not None else []


def _loaded_members(file: BicepFile) -> Iterator[Fault]:
    """``names.queues`` where ``names`` is loaded from a file that has no ``queues``."""
    loaded = {name: loaded_json(file, found) for name, found in file.of("var").items()}
    for node in descendants(file.root):
        parent = node.parent
        chain = member_chain(node)
        if len(chain) < 2 or (content := loaded.get(chain[0])) is None:
            continue
        if parent is not None and parent.type == "member_expression":  # the whole chain is looked at once
            continue
        for step in chain[1:]:
            if not isinstance(content, dict) or step not in content:
                yield Fault(file.path, line_of(node), f"{text_of(node)}: the file that {chain[0]} is has no {step}")
                break
            content = content[step]


def loaded_json(file: BicepFile, variable: Declaration) -> Any:
    """What ``loadJsonContent`` gives a variable; ``None`` for any other variable."""
    value = variable.value
    if value is None or not text_of(value).startswith("loadJsonContent("):
        return None
    path = next(filter(None, (literal(node) for node in descendants(value))))
    return json.loads((ROOT / file.sibling(path)).read_text(encoding="utf-8"))
