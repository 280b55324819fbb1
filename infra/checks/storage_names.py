"""Whether queues, containers and tables get their names from ``names.json``, and rules speak of those there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tree_sitter import Node

from infra.checks.bicep import BicepFile, bicep_files, descendants, line_of, literal, properties, read, text_of
from infra.checks.fault import Fault
from infra.checks.names import FILE, ROOT

HOST_CONTAINERS = {"azure-webjobs-hosts": "the Functions host's locks, and receipts of blobs"}
"""Containers that neither code nor Bicep makes, and whose they are."""

_NAMED = {
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("containers", "model_container"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("queues", "poison_queues"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("tables",),
}


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    names = json.loads((ROOT / FILE).read_text(encoding="utf-8"))
    return [fault for path in bicep_files() for fault in faults_of(read(path), names)]


def faults_of(file: BicepFile, names: dict[str, Any]) -> list[Fault]:
    """The faults of one file, where ``names`` is what ``names.json`` holds."""
    return [*_unnamed(file), *_rules(file, names)]


def _unnamed(file: BicepFile) -> Iterator[Fault]:
    """Resources that are not made for every name of the code."""
    for resource in file.of("resource").values():
        wanted = _NAMED.get(resource.type, ())
        loop = resource.value.named_children if resource.value and resource.value.type == "for_statement" else []
        source = " ".join(text_of(node) for node in loop[:-1])
        for name in wanted:
            if not resource.existing and f"names.{name}" not in source:
                yield Fault(file.path, resource.line, f"{resource.name} must be made for each of names.{name}")


def _rules(file: BicepFile, names: dict[str, Any]) -> Iterator[Fault]:
    """Prefixes of a lifecycle rule that fit no container."""
    containers = {*names["containers"], names["model_container"], *HOST_CONTAINERS}
    for node in _prefixes(file):
        prefix = literal(node)
        if prefix is not None and prefix.partition("/")[0] not in containers:
            yield Fault(file.path, line_of(node), f"{prefix}: there is no such container")


def _prefixes(file: BicepFile) -> Iterator[Node]:
    for node in descendants(file.root):
        if node.type == "object" and "prefixMatch" in (given := properties(node)):
            yield from given["prefixMatch"][1].named_children
