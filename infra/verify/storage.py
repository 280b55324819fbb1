"""The storage account: closed to keys and to strangers, with everything in it that the code uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.bootstrap import CONTAINERS, TABLES
from core.jobs.messages import QUEUES
from infra.verify.azure import ResourceGroup
from infra.verify.finding import Finding, judged, missing

MODELS = "models"
"""The container of weights, which the app reads and never makes."""

EXPECTED = {
    "containers": ("blobServices/default/containers", (*CONTAINERS, MODELS)),
    "queues": ("queueServices/default/queues", QUEUES),
    "tables": ("tableServices/default/tables", TABLES),
}
"""What there must be, and where Azure lists it. The host makes the poison queues itself."""


def storage_findings(group: ResourceGroup) -> Iterator[Finding]:
    """Findings about every storage account of the group."""
    accounts = group.all("Microsoft.Storage/storageAccounts")
    if not accounts:
        yield missing("storage account", f"{group.name} has none: azd provision")
    for account in accounts:
        yield from account_findings(account)
        for subject, (path, names) in EXPECTED.items():
            there = {
                found["name"] for found in group.all(f"Microsoft.Storage/storageAccounts/{account['name']}/{path}")
            }
            absent = [name for name in names if name not in there]
            yield judged(not absent, subject, ", ".join(names), f"not there: {', '.join(absent)}")


def account_findings(account: dict[str, Any]) -> Iterator[Finding]:
    """Findings about one account as Azure describes it."""
    properties, name = account["properties"], account["name"]
    yield judged(
        properties.get("allowSharedKeyAccess") is False,
        "storage without keys",
        name,
        f"{name}: whoever has a key may do everything; set allowSharedKeyAccess to false",
    )
    yield judged(
        properties.get("allowBlobPublicAccess") is False,
        "storage without public blobs",
        name,
        f"{name}: a container could be made public; set allowBlobPublicAccess to false",
    )
    version = properties.get("minimumTlsVersion", "not set")
    yield judged(version in ("TLS1_2", "TLS1_3"), "storage by TLS 1.2 or newer", name, f"{name}: {version}")
