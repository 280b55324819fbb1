"""Whether resources have the properties that Azure's SDKs know, with values that fit, in versions that they speak."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
)
from infra.checks.fault import Fault
from infra.checks.references import member_chain
from infra.checks.sdk import WITHOUT_MODEL, Shape, api_versions, shape_of

_OF_BICEP = frozenset({"name", "parent", "scope", "dependsOn"})
_READABLE = frozenset({"id", "name", "type", "apiVersion", "location", "tags"})
_LITERALS = ("string", "number", "boolean")


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    return [fault for path in bicep_files() for fault in faults_of(read(path))]


def faults_of(file: BicepFile) -> list[Fault]:
    """The faults of one file."""
    faults = []
    for resource in file.of("resource").values():
        if resource.type in WITHOUT_MODEL:
            continue
        if shape_of(resource.type, created=True) is None:
            faults.append(Fault(file.path, resource.line, f"{resource.type}: no model of an SDK is known for it"))
            continue
        faults += _version_faults(file, resource)
        if not resource.existing:
            faults += _resource_faults(file, resource)
    return faults + list(_reading_faults(file))


def _version_faults(file: BicepFile, resource: Declaration) -> Iterator[Fault]:
    known = api_versions(resource.type)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", resource.version):
        yield Fault(file.path, resource.line, f"{resource.version!r} is no API version")
    elif resource.version not in known:
        detail = f"{resource.type}@{resource.version}: the SDK speaks {', '.join(sorted(known)[-3:])}"
        yield Fault(file.path, resource.line, detail)


def _resource_faults(file: BicepFile, resource: Declaration) -> Iterator[Fault]:
    shape, body = shape_of(resource.type, created=True), resource.body
    if shape is None or body is None:
        return
    yield from _Values(file).object_faults(body, shape, resource.type, _OF_BICEP)


class _Values:
    """Compares values with shapes, and follows variables of the file to what they stand for."""

    def __init__(self, file: BicepFile) -> None:
        self._file = file
        self._variables = file.of("var")

    def faults(self, node: Node, shape: Shape, where: str) -> Iterator[Fault]:
        """What of the value at ``where`` does not fit ``shape``. Only what is written out can be told."""
        if node.type == "object":
            if shape.scalars or shape.is_array:
                yield self._fault(node, f"{where} is no object")
            else:
                yield from self.object_faults(node, shape, where)
        elif node.type in _LITERALS:
            yield from self._scalar_faults(node, shape, where)
        elif node.type == "array":
            yield from self._array_faults(node, shape, where)
        else:
            for inner, of_item in self._within(node):
                yield from self.faults(inner, shape.items or Shape() if of_item else shape, where)

    def object_faults(
        self, node: Node, shape: Shape, where: str, more: frozenset[str] = frozenset()
    ) -> Iterator[Fault]:
        """What of an object's properties does not fit; those of ``more`` are passed over."""
        given = properties(node)
        shape = _variant(shape, given)
        fields = shape.fields() if shape.fields else {}
        for name, (key, value) in given.items():
            if name in more:
                continue
            if shape.fields is None:
                yield from self.faults(value, shape.items or Shape(), f"{where}.{name}")
            elif name not in fields:
                yield self._fault(key, f"{where} has no property {name}{_nearest(name, fields)}")
            elif fields[name].read_only:
                yield self._fault(key, f"{where}.{name} can only be read")
            else:
                yield from self.faults(value, fields[name].shape, f"{where}.{name}")
        for name in (name for name, found in fields.items() if found.required and name not in given.keys() | more):
            yield self._fault(node, f"{where} lacks its property {name}")

    def _scalar_faults(self, node: Node, shape: Shape, where: str) -> Iterator[Fault]:
        if shape.fields or shape.is_array or (shape.scalars and node.type not in shape.scalars):
            kind = " or ".join(sorted(shape.scalars)) or ("array" if shape.is_array else "object")
            yield self._fault(node, f"{where} is {kind}, not {node.type}")
        elif shape.values and (given := literal(node)) is not None and given not in shape.values:
            yield self._fault(node, f"{where} is none of {', '.join(sorted(shape.values))}: {given}")
        elif node.type == "number" and not _fits(float(text_of(node)), shape):
            yield self._fault(node, f"{where} is {text_of(node)}, and may be {_range(shape)}")

    def _array_faults(self, node: Node, shape: Shape, where: str) -> Iterator[Fault]:
        if shape.scalars or (shape.fields and not shape.is_array):
            yield self._fault(node, f"{where} is no array")
            return
        for item in node.named_children:
            if item.type != "comment":
                yield from self.faults(item, shape.items or Shape(), f"{where}[]")

    def _within(self, node: Node) -> Iterator[tuple[Node, bool]]:
        """What an expression may come to, as far as it is written out, and whether that is one item of an array."""
        if node.type == "ternary_expression":
            for name in ("consequence", "alternative"):
                if branch := node.child_by_field_name(name):
                    yield branch, False
        elif node.type == "for_statement" and (body := node.child_by_field_name("body")):
            yield body, True
        elif node.type == "identifier" and (variable := self._variables.get(text_of(node))) and variable.value:
            yield variable.value, False
        elif node.type == "call_expression" and text_of(node).startswith(("union(", "concat(")):
            arguments = node.child_by_field_name("arguments")
            yield from ((each, False) for each in (arguments.named_children if arguments else ()))

    def _fault(self, node: Node, detail: str) -> Fault:
        return Fault(self._file.path, line_of(node), detail)


def _fits(number: float, shape: Shape) -> bool:
    return (shape.least is None or number >= shape.least) and (shape.most is None or number <= shape.most)


def _range(shape: Shape) -> str:
    least = [] if shape.least is None else [f"from {shape.least:g}"]
    most = [] if shape.most is None else [f"up to {shape.most:g}"]
    return " ".join(least + most)


def _variant(shape: Shape, given: dict[str, tuple[Node, Node]]) -> Shape:
    """The shape that the value of one property chooses, where one does."""
    for name, shapes in shape.variants.items():
        chosen = literal(given[name][1]) if name in given else None
        if chosen is not None and chosen in shapes:
            return shapes[chosen]
    return shape


def _nearest(name: str, fields: object) -> str:
    """The property that differs by its capitals alone, if there is one."""
    return next((f"; it has {each}" for each in fields if each.lower() == name.lower()), "")  # type: ignore[attr-defined] # a mapping of names


def _reading_faults(file: BicepFile) -> Iterator[Fault]:
    """``app.properties.hostname`` where the model has no such property to read."""
    resources = file.of("resource")
    for node in descendants(file.root):
        parent = node.parent
        chain = member_chain(node)
        if len(chain) < 2 or chain[0] not in resources or (parent is not None and parent.type == "member_expression"):
            continue
        shape = shape_of(resources[chain[0]].type, created=False)
        for step in chain[1:]:
            fields = shape.fields() if shape and shape.fields else None
            if fields is None or step in _READABLE:
                break
            if step not in fields:
                yield Fault(file.path, line_of(node), f"{text_of(node)}: {resources[chain[0]].type} has no {step}")
                break
            shape = fields[step].shape
