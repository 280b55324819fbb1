"""What the models of Azure's SDKs know of a resource: its properties as they go over the wire, and what fits them.

Newer packages declare a field as ``rest_field(name="maxReplicas")`` with a Python annotation, older ones keep an
``_attribute_map`` of strings, where ``properties.source`` is two levels. Both become a ``Shape``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ForwardRef, Union, get_args, get_origin

_MODELS: dict[str, tuple[str, str]] = {
    "Microsoft.App/containerApps": ("appcontainers", "ContainerApp"),
    "Microsoft.App/managedEnvironments": ("appcontainers", "ManagedEnvironment"),
    "Microsoft.Authorization/roleAssignments": ("authorization.v2022_04_01", "RoleAssignment"),
    "Microsoft.Consumption/budgets": ("consumption", "Budget"),
    "Microsoft.ContainerRegistry/registries": ("containerregistry", "Registry"),
    "Microsoft.EventGrid/systemTopics": ("eventgrid", "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": ("eventgrid", "EventSubscription"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/components": ("applicationinsights.v2020_02_02", "ApplicationInsightsComponent"),
    "Microsoft.Insights/scheduledQueryRules": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.KeyVault/vaults": ("keyvault", "Vault"),
    "Microsoft.KeyVault/vaults/secrets": ("keyvault", "Secret"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi", "Identity"),
    "Microsoft.Network/privateDnsZones": ("privatedns", "PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("privatedns", "VirtualNetworkLink"),
    "Microsoft.Network/privateEndpoints": ("network", "PrivateEndpoint"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": ("network", "PrivateDnsZoneGroup"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.Network/virtualNetworks/subnets": ("network", "Subnet"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.Resources/resourceGroups": ("resource.resources", "ResourceGroup"),
    "Microsoft.SignalRService/webPubSub": ("webpubsub", "WebPubSubResource"),
    "Microsoft.SignalRService/webPubSub/hubs": ("webpubsub", "WebPubSubHub"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccount"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/managementPolicies": ("storage", "ManagementPolicy"),
    "Microsoft.Storage/storageAccounts/queueServices": ("storage", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("storage", "StorageQueue"),
    "Microsoft.Storage/storageAccounts/tableServices": ("storage", "TableServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("storage", "Table"),
    "Microsoft.Web/serverfarms": ("web", "AppServicePlan"),
    "Microsoft.Web/sites": ("web", "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": ("web", "CsmPublishingCredentialsPoliciesEntity"),
    "Microsoft.Web/sites/config": ("web", "StringDictionary"),
}

_CREATED_BY = {"Microsoft.Storage/storageAccounts": "StorageAccountCreateParameters"}
"""Types that are created by another model than they are read by."""

WITHOUT_MODEL = {"Microsoft.Insights/diagnosticSettings": "the monitor package no longer carries it"}
"""Types whose properties no model tells, and why: they are not checked."""

_SCALARS: dict[object, frozenset[str]] = {
    str: frozenset({"string"}), int: frozenset({"number"}), bool: frozenset({"boolean"}), float: frozenset({"number"}),
}  # fmt: skip
_WIRE = {"str": str, "int": int, "bool": bool, "float": float}


@dataclass(frozen=True)
class Shape:
    """What may stand at one place.

    Attributes:
        scalars: kinds of literal that fit, of ``string``, ``number`` and ``boolean``; empty if none is known to.
        values: of a string, those that the service is known to take.
        least, most: of a number, the bounds that the model tells.
        fields: of an object, its properties by their names on the wire; asked for when needed, as models refer to
            themselves. ``None`` if it is no object, or one of any properties.
        items: of an array, or of an object with names of one's own, what is in it.
        variants: properties whose value chooses another shape: name → value → shape.
    """

    scalars: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    least: float | None = None
    most: float | None = None
    fields: Callable[[], Mapping[str, Field]] | None = None
    items: Shape | None = None
    is_array: bool = False
    variants: Mapping[str, Mapping[str, Shape]] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One property of an object."""

    shape: Shape
    read_only: bool
    required: bool


def shape_of(resource_type: str, *, created: bool) -> Shape | None:
    """The shape of a resource as it is ``created`` or else read; ``None`` for a type that has no model here."""
    if resource_type not in _MODELS:
        return None
    package, name = _MODELS[resource_type]
    return _model(package, _CREATED_BY.get(resource_type, name) if created else name)


@cache
def api_versions(resource_type: str) -> frozenset[str]:
    """The API versions that the SDK's package for this type speaks of."""
    package, _ = _MODELS[resource_type]
    folder = Path(import_module(f"azure.mgmt.{package}").__path__[0])
    sources = [*folder.glob("_*.py"), *folder.glob("operations/*.py")]
    found = (re.findall(r"\"(\d{4}-\d\d-\d\d(?:-preview)?)\"", path.read_text(encoding="utf-8")) for path in sources)
    return frozenset(version for versions in found for version in versions) | _by_folder(folder)


def _by_folder(folder: Path) -> frozenset[str]:
    """Packages with many versions have a folder for each, such as ``v2020_02_02``."""
    return frozenset(path.name[1:].replace("_", "-") for path in folder.glob("v20*"))


@cache
def _model(package: str, name: str) -> Shape:
    models = import_module(f"azure.mgmt.{package}.models")
    model = getattr(models, name)
    if hasattr(model, "_attribute_map"):
        return Shape(fields=cache(lambda: _old_fields(package, model)), variants=_old_variants(package, model))
    return Shape(fields=cache(lambda: _new_fields(package, models, model)))


def _new_fields(package: str, models: ModuleType, model: type) -> dict[str, Field]:
    found = {}
    for base in reversed(model.__mro__):
        for attribute, declared in vars(base).items():
            if type(declared).__name__ == "_RestField":
                annotation = base.__annotations__[attribute]
                visibility = declared._visibility
                found[declared._rest_name_input or attribute] = Field(
                    _bounded(_annotated(package, models, annotation), _told_bounds(base, attribute)),
                    read_only=visibility == ["read"],
                    required=type(None) not in get_args(annotation) and visibility != ["read"],
                )
    return found


def _told_bounds(model: type, attribute: str) -> Mapping[str, float]:
    """Newer packages tell bounds in words alone: ``Minimum value is 1. Maximum value is 10.``"""
    told = re.search(rf":ivar {attribute}:(.*?):vartype", model.__doc__ or "", re.DOTALL)
    words = " ".join(told[1].split()) if told else ""
    return {word.lower(): float(bound) for word, bound in re.findall(r"(Minimum|Maximum) value is (\d+)", words)}


def _bounded(shape: Shape, bounds: Mapping[str, Any]) -> Shape:
    if "number" not in shape.scalars:
        return shape
    return replace(shape, least=bounds.get("minimum"), most=bounds.get("maximum"))


def _annotated(package: str, models: ModuleType, annotation: Any) -> Shape:
    """The shape of a Python annotation, such as ``Optional[Union[str, "_models.Kind"]]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, str | ForwardRef):
        name = (annotation if isinstance(annotation, str) else annotation.__forward_arg__).rpartition(".")[2]
        named = getattr(models, name, None)
        if isinstance(named, type) and issubclass(named, Enum):
            return Shape(_SCALARS[str], frozenset(member.value for member in named))
        return _model(package, name) if isinstance(named, type) else Shape()
    if origin is Union:
        return _either([_annotated(package, models, each) for each in arguments if each is not type(None)])
    if origin is list:
        return Shape(items=_annotated(package, models, arguments[0]), is_array=True)
    if origin is dict:
        return Shape(items=_annotated(package, models, arguments[1]))
    return Shape(_SCALARS.get(annotation, frozenset()))


def _either(shapes: list[Shape]) -> Shape:
    """A union is of one kind but for strings with known values."""
    values = frozenset(value for shape in shapes for value in shape.values)
    return Shape(_SCALARS[str], values) if values else shapes[0]


def _old_fields(package: str, model: Any) -> dict[str, Field]:
    """``properties.source`` becomes ``source`` in ``properties``."""
    nested: dict[str, dict[str, Field]] = {}
    found: dict[str, Field] = {}
    for attribute, declared in model._attribute_map.items():
        rules = model._validation.get(attribute, {})
        shape = _bounded(_wired(package, declared["type"]), rules)
        each = Field(shape, bool(rules.get("readonly")), bool(rules.get("required")))
        outer, dot, inner = declared["key"].partition(".")
        (nested.setdefault(outer, {}) if dot else found)[inner or outer] = each
    for outer, fields in nested.items():
        found[outer] = Field(Shape(fields=lambda fields=fields: fields), read_only=False, required=False)  # type: ignore[misc] # binds this turn's fields
    return found


def _wired(package: str, wire: str) -> Shape:
    """The shape of a type as older packages write it: ``str``, ``[Rule]``, ``{str}``."""
    if wire[0] in "[{":
        return Shape(items=_wired(package, wire[1:-1]), is_array=wire[0] == "[")
    if wire in _WIRE:
        return Shape(_SCALARS[_WIRE[wire]])
    if wire in ("iso-8601", "duration"):
        return Shape(_SCALARS[str])
    return _model(package, wire) if wire[0].isupper() else Shape()


def _old_variants(package: str, model: Any) -> dict[str, dict[str, Shape]]:
    """Models that go by the value of one property: its name → its value → the shape."""
    return {
        model._attribute_map[attribute]["key"]: {value: _model(package, name) for value, name in names.items()}
        for attribute, names in vars(model).get("_subtype_map", {}).items()
    }


def known_types() -> Iterator[str]:
    """The resource types that have a model here."""
    return iter(_MODELS)
