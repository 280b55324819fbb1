"""Whether every role that Bicep assigns is one of a few narrow ones, over one resource."""

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
    read,
    text_of,
    value_of,
)
from infra.checks.fault import Fault

ROLES = {
    "acrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "webPubSubServiceOwner": "12cf5a90-567b-43ae-8102-96cf46c7d9b4",
}
"""The roles that may be assigned: none of them can change a resource or hand out roles. The ids are Azure's own."""

OVER = {
    "acrPull": "Microsoft.ContainerRegistry/",
    "keyVaultSecretsUser": "Microsoft.KeyVault/",
    "monitoringMetricsPublisher": "Microsoft.Insights/",
    "storageBlobDataContributor": "Microsoft.Storage/",
    "storageBlobDataOwner": "Microsoft.Storage/",
    "storageQueueDataContributor": "Microsoft.Storage/",
    "storageTableDataContributor": "Microsoft.Storage/",
    "webPubSubServiceOwner": "Microsoft.SignalRService/",
}
"""Over what each role means anything."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    return [fault for path in bicep_files() for fault in faults_of(read(path))]


def faults_of(file: BicepFile) -> list[Fault]:
    """The faults of one file."""
    return [*_misnamed(file), *_assigned(file)]


def _misnamed(file: BicepFile) -> Iterator[Fault]:
    """Role ids that stand under another role's name, or that are no role of ours."""
    for name, variable in file.of("var").items():
        value = literal(variable.value)
        if value and _GUID.fullmatch(value) and ROLES.get(name) != value:
            named = next((role for role, guid in ROLES.items() if guid == value), "no role that may be assigned")
            yield Fault(file.path, variable.line, f"{name} is {value}, which is {named}")


def _assigned(file: BicepFile) -> Iterator[Fault]:
    for resource in file.of("resource").values():
        if resource.type != "Microsoft.Authorization/roleAssignments":
            continue
        definition = value_of(value_of(resource.body, "properties"), "roleDefinitionId")
        role = _role(definition)
        if role not in ROLES:
            line = line_of(definition) if definition is not None else resource.line
            yield Fault(file.path, line, f"{resource.name} assigns {role or 'no role'}: not one of {', '.join(ROLES)}")
        yield from _scope(file, resource)


def _role(definition: Node | None) -> str:
    """The variable or id of the role in ``subscriptionResourceId('…/roleDefinitions', role)``."""
    if definition is None:
        return ""
    arguments = definition.child_by_field_name("arguments")
    return text_of(arguments.named_children[-1]) if arguments is not None else text_of(definition)


def _scope(file: BicepFile, resource: Declaration) -> Iterator[Fault]:
    """A role without a scope holds for the whole resource group."""
    scope = value_of(resource.body, "scope")
    over = file.of("resource").get(text_of(scope)) if scope is not None else None
    definition = value_of(value_of(resource.body, "properties"), "roleDefinitionId")
    if over is None:
        yield Fault(file.path, resource.line, f"{resource.name} is over more than one resource: give it a scope")
    elif not over.type.startswith(OVER.get(_role(definition), "")):
        yield Fault(file.path, resource.line, f"{resource.name} gives {_role(definition)} over a {over.type}")
    name = value_of(resource.body, "name")
    used = {text_of(node) for node in descendants(name)} if name is not None else set()
    if not {_role(definition), "principalId"} <= used:
        detail = f"{resource.name}: its name must hold its role and whose it is, or two assignments clash"
        yield Fault(file.path, resource.line, detail)
