"""Whether Azure takes the names of the plan: how long each may be, and of which characters."""

from __future__ import annotations

import re

from infra.checks.bicep import read, text_of
from infra.checks.fault import Fault
from infra.checks.names import ROOT
from infra.checks.plan import Planned, plan

RULES = {
    "Microsoft.App/containerApps": r"[a-z](?!.*--)[a-z0-9-]{0,30}[a-z0-9]",
    "Microsoft.App/managedEnvironments": r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "Microsoft.ContainerRegistry/registries": r"[a-zA-Z0-9]{5,50}",
    "Microsoft.EventGrid/systemTopics": r"[a-zA-Z0-9-]{3,50}",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": r"[a-zA-Z0-9-]{3,64}",
    "Microsoft.KeyVault/vaults": r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "Microsoft.OperationalInsights/workspaces": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{0,89}[\w()-]",
    "Microsoft.SignalRService/webPubSub": r"[a-zA-Z][a-zA-Z0-9-]{1,61}[a-zA-Z0-9]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Web/serverfarms": r"[a-zA-Z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[a-zA-Z0-9][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
}
"""Azure's rules for names of resources, as patterns of the whole name."""

_KNOWN = {
    "${token}": "a1b2c3d4e5f6g",  # uniqueString: 13 small letters and digits
    "${AZURE_ENV_NAME}": "m" * 40,  # @maxLength of environmentName
}


def check() -> list[Fault]:
    """The faults of the plan."""
    return faults_of(plan())


def faults_of(planned: list[Planned]) -> list[Fault]:
    """Names that Azure would refuse."""
    return [
        Fault("infra/main.bicep", None, f"{each.type} takes no name such as {each.name}: {RULES[each.type]}")
        for each in planned
        if each.type in RULES and not re.fullmatch(RULES[each.type], _filled(each.name))
    ]


def _filled(name: str) -> str:
    """A name with what main.bicep hands on, and letters of the right number in each place that is known; else 8."""
    for output, given in read(ROOT / "infra/main.bicep").of("output").items():
        if given.value is not None:
            name = name.replace(f"${{{output}}}", text_of(given.value).strip("'"))
    for place, value in _KNOWN.items():
        name = name.replace(place, value)
    return re.sub(r"\$\{[^}]*\}", "abcdefgh", name)
