"""The resources of an installation in Azure: which there must be, and where each is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from infra.verify.azure import AzureError, ResourceGroup
from infra.verify.finding import Finding, missing, unseen
from infra.verify.gpu_app import gpu_app_findings
from infra.verify.http_app import http_app_findings
from infra.verify.inbox import inbox_findings
from infra.verify.storage import storage_findings

SUBJECTS: dict[str, Callable[[ResourceGroup], Iterator[Finding]]] = {
    "GPU app": gpu_app_findings,
    "HTTP app": http_app_findings,
    "storage account": storage_findings,
    "inbox": inbox_findings,
}


def cloud(name: str | None, subscription: str | None = None) -> Iterator[Finding]:
    """What ``az`` tells of the group called ``name``; what it cannot tell is said."""
    if name is None:
        yield unseen("scale rules and the other resources in Azure", "--resource-group names where they are")
        return
    try:
        group = ResourceGroup(name, subscription)
    except AzureError as error:
        yield unseen("scale rules and the other resources in Azure", str(error))
        return
    for subject, findings in SUBJECTS.items():
        try:
            yield from findings(group)
        except AzureError as error:
            yield missing(subject, str(error))
