"""Whether the Bicep files keep what the pages promise: a ``false`` that became ``true`` fits every model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from infra.checks.bicep import (
    BicepFile,
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
from infra.checks.references import allowed_values
from infra.checks.settings import settings_of
from infra.verify.app_settings import EVERYWHERE

PROMISED: Mapping[str, Mapping[str, str]] = {
    "Microsoft.App/containerApps": {
        "kind": "functionapp",
        "properties.workloadProfileName": "gpu",
        "properties.configuration.ingress.external": "false",
        "properties.configuration.ingress.allowInsecure": "false",
        "properties.template.terminationGracePeriodSeconds": "600",
    },
    "Microsoft.ContainerRegistry/registries": {"properties.adminUserEnabled": "false"},
    "Microsoft.Insights/components": {"properties.DisableLocalAuth": "true"},
    "Microsoft.KeyVault/vaults": {"properties.enableRbacAuthorization": "true"},
    "Microsoft.SignalRService/webPubSub": {"properties.disableLocalAuth": "true"},
    "Microsoft.SignalRService/webPubSub/hubs": {"properties.anonymousConnectPolicy": "deny"},
    "Microsoft.Storage/storageAccounts": {
        "properties.allowBlobPublicAccess": "false",
        "properties.allowSharedKeyAccess": "false",
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": "true",
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
    "Microsoft.Web/serverfarms": {"sku.name": "FC1"},
    "Microsoft.Web/sites": {
        "identity.type": "SystemAssigned",
        "properties.httpsOnly": "true",
        "properties.functionAppConfig.runtime.version": "3.11",
    },
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties.allow": "false"},
}
"""What must be written out, by the resource's type and the property's path."""

APPS: Mapping[str, Mapping[str, str]] = {
    "infra/gpu.bicep": {"STEMWORKS_ROLE": "gpu"},
    "infra/modules/http-settings.bicep": {"STEMWORKS_ROLE": "http", "INBOX_SOURCE": "EventGrid"},
}
"""Where each app's settings are, and those that are its own."""

_SCALER = frozenset({"accountName", "queueName", "queueLength"})
_SECRET = re.compile(r"(Keys|Secrets|Token)$")


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    return [fault for path in bicep_files() for fault in faults_of(read(path))]


def faults_of(file: BicepFile) -> list[Fault]:
    """The faults of one file."""
    return [*_broken(file), *_open(file), *_scalers(file), *_unsized(file), *_lacking(file)]


def _broken(file: BicepFile) -> Iterator[Fault]:
    for resource in file.of("resource").values():
        for path, wanted in PROMISED.get(resource.type, {}).items() if not resource.existing else ():
            value = resource.body
            for name in path.split("."):
                value = value_of(value, name)
            if _plain(value) != wanted:
                line = line_of(value) if value is not None else resource.line
                yield Fault(file.path, line, f"{resource.name}: {path} must be {wanted}")


def _open(file: BicepFile) -> Iterator[Fault]:
    """Secrets that Azure would keep in the deployment's history."""
    for name, param in file.of("param").items():
        if _SECRET.search(name) and "secure" not in param.decorators:
            yield Fault(file.path, param.line, f"{name} is a secret without @secure()")


def _scalers(file: BicepFile) -> Iterator[Fault]:
    """Rules that KEDA does not take, or that watch a queue of a name of their own."""
    for node in descendants(file.root):
        custom = value_of(node, "custom") if node.type == "object" else None
        if custom is None:
            continue
        metadata = value_of(custom, "metadata")
        given = properties(metadata) if metadata is not None else {}
        if _plain(value_of(custom, "type")) != "azure-queue" or given.keys() != _SCALER:
            yield Fault(file.path, line_of(custom), f"a scaler is azure-queue with {', '.join(sorted(_SCALER))}")
        elif literal(given["queueName"][1]) is not None:
            yield Fault(file.path, line_of(given["queueName"][0]), "queueName must come from names.json")


def _unsized(file: BicepFile) -> Iterator[Fault]:
    """Profiles that may be chosen and of whose node nobody tells the size."""
    sizes, profile = file.of("var").get("sizes"), file.of("param").get("gpuProfile")
    if sizes is not None and sizes.value is not None and profile is not None:
        told, allowed = properties(sizes.value).keys(), set(allowed_values(profile, file) or ())
        for name in sorted(told ^ allowed):
            yield Fault(file.path, sizes.line, f"{name} is not both among sizes and a gpuProfile that is allowed")


def _lacking(file: BicepFile) -> Iterator[Fault]:
    """Settings without which an app does not work, and the wrong role."""
    if file.path not in APPS:
        return
    given = {literal(key) or text_of(key).strip("'"): _plain(value) for key, value, _ in settings_of(file)}
    for name, wanted in {**EVERYWHERE, **APPS[file.path]}.items():
        if given.get(name) != wanted:
            yield Fault(file.path, None, f"the setting {name} must be {wanted}")
    if "AzureWebJobsStorage__accountName" not in given:
        yield Fault(file.path, None, "the setting AzureWebJobsStorage__accountName is not there")


def _plain(node: Node | None) -> str | None:
    """What a literal says."""
    return None if node is None else literal(node) if node.type == "string" else text_of(node)
