"""What a deployment makes, as a table: read from the Bicep files, for a person to look over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from infra.checks.bicep import BicepFile, Declaration, condition, literal, properties, read, text_of, value_of
from infra.checks.names import ROOT
from infra.checks.references import loaded_json

TEMPLATES = {"infra/main.bicep": "azd provision", "infra/gpu.bicep": "azd deploy", "infra/events.bicep": "postdeploy"}
"""The files that are deployed, and when."""

_SIZES = ("sku", "workloadProfiles", "functionAppConfig", "resources", "scale", "amount")
_TELLING = {"maximumInstanceCount": "at most", "minReplicas": "from", "maxReplicas": "to", "cpu": "vCPU"}
_PLAIN = frozenset({"name", "memory", "workloadProfileType"})
_ROLES = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True)
class Planned:
    """One resource of the plan; what is not known before is left as an expression."""

    made_by: str
    type: str
    name: str
    when: str
    size: str


def plan() -> list[Planned]:
    """Everything that the templates make, in their order, with the parameters that azd passes by default."""
    return [
        planned
        for path, made_by in TEMPLATES.items()
        for planned in resources(read(ROOT / path), made_by, _defaults(path))
    ]


def table(planned: list[Planned]) -> str:
    """The plan in aligned columns."""
    head = ("made by", "type", "name", "when", "size")
    rows = [(each.made_by, each.type.removeprefix("Microsoft."), each.name, each.when, each.size) for each in planned]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    aligned = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, rule, *rows)
    )
    return "\n".join(line.rstrip() for line in aligned)


def resources(file: BicepFile, made_by: str, given: dict[str, str], outer: tuple[str, ...] = ()) -> Iterator[Planned]:
    """What ``file`` and its modules make with the parameters ``given``, under the ``outer`` conditions."""
    known = _known(file, given)
    for found in file.declarations:
        own = "" if found.type == _ROLES else _short(condition(found))  # whoever asks for a role says so by its module
        when = tuple(filter(None, (*outer, own)))
        if _never(found, known):
            continue
        if found.kind == "resource" and not found.existing:
            yield Planned(made_by, found.type, _name(found, known), "; ".join(when), _size(found, known))
        elif found.kind == "module":
            params = value_of(found.body, "params")
            arguments = properties(params) if params is not None else {}
            inner = {name: _filled(value, known) for name, (_, value) in arguments.items()}
            yield from resources(read(ROOT / file.sibling(found.type)), made_by, inner, when)


def _defaults(path: str) -> dict[str, str]:
    """What the file of parameters beside a template gives where azd's environment says nothing."""
    parameters = (ROOT / path).with_suffix(".parameters.json")
    given = json.loads(parameters.read_text(encoding="utf-8"))["parameters"] if parameters.exists() else {}
    values = {name: entry["value"] for name, entry in given.items() if isinstance(entry["value"], str)}
    return {name: re.sub(r"\$\{\w+=([^}]*)\}", r"\1", value) for name, value in values.items()}


def _known(file: BicepFile, given: dict[str, str]) -> dict[str, str]:
    """Values of parameters and variables, as far as they are plain."""
    plain = {
        found.name: literal(found.value) or text_of(found.value).strip("'")
        for found in file.declarations
        if found.kind in ("param", "var") and found.value is not None and found.value.type in ("string", "number")
    }
    for name, variable in file.of("var").items():
        content = loaded_json(file, variable)
        plain |= {f"{name}.{key}": str(value) for key, value in (content or {}).items() if isinstance(value, str | int)}
    return plain | given


def _never(found: Declaration, known: dict[str, str]) -> bool:
    """Whether something hangs on a parameter that is passed as empty, as those of roles that are not asked for."""
    asked = re.fullmatch(r"if !empty\((\w+)\)", condition(found))
    return found.type == _ROLES and asked is not None and known.get(asked[1]) == ""


def _short(when: str) -> str:
    """Loops by what they go over."""
    return re.sub(r"^for .* in (concat|items)?\(?(.*?)\)?$", r"each of \2", when)


def _name(resource: Declaration, known: dict[str, str]) -> str:
    if resource.type != _ROLES:
        return _filled(value_of(resource.body, "name"), known)
    definition = value_of(value_of(resource.body, "properties"), "roleDefinitionId")
    role = re.search(r"(\w+)\)$", text_of(definition)) if definition is not None else None
    scope = value_of(resource.body, "scope")
    where = text_of(scope) if scope is not None else "all"
    return f"{role[1] if role else ''} over {where}, for {known.get('principalId', '')}"


def _filled(node: Node | None, known: dict[str, str]) -> str:
    """An expression's source with what is known of it filled in."""
    if node is not None and node.type == "ternary_expression" and (branch := _chosen(node, known)) is not None:
        return _filled(branch, known)
    text = text_of(node) if node is not None else ""
    if number := re.fullmatch(r"(?:int|json)\((\w+)\)", text):
        text = number[1]
    for _ in range(3):  # a variable may name a parameter, and that another
        text = text.strip("'")
        text = known.get(text) or re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1]) or match[0], text)
    return text


def _chosen(node: Node, known: dict[str, str]) -> Node | None:
    """Of ``empty(name) ? … : …`` the branch, where it is known whether there is a value."""
    asked = re.fullmatch(r"empty\((\w+)\)", text_of(node.child_by_field_name("condition") or node))
    if asked is None or asked[1] not in known:
        return None
    return node.child_by_field_name("alternative" if known[asked[1]] else "consequence")


def _size(resource: Declaration, known: dict[str, str]) -> str:
    """What of a resource decides what it costs, in one line."""
    inner = value_of(resource.body, "properties")
    places = (resource.body, inner, value_of(inner, "template"))
    parts = (value for place in places for name in _SIZES if (value := value_of(place, name)) is not None)
    return ", ".join(dict.fromkeys(size for part in parts for size in _leaves(part, known)))


def _leaves(node: Node, known: dict[str, str]) -> Iterator[str]:
    """The telling values within an expression, each with a word where the value alone says little."""
    if node.type not in ("object", "array"):
        yield _filled(node, known)
    for child in node.named_children if node.type == "array" else ():
        yield from _leaves(child, known)
    for name, (_, value) in (properties(node) if node.type == "object" else {}).items():
        if value.type == "object" or name == "workloadProfiles":
            yield from _leaves(value, known)
        elif name in _PLAIN:
            yield _filled(value, known)
        elif name in _TELLING:
            yield f"{_TELLING[name]} {_filled(value, known)}"
