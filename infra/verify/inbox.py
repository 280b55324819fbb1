"""What tells the app of files in the inbox: an Event Grid subscription, without which they lie there unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.separation.inbox import INBOX
from infra.verify.azure import ResourceGroup
from infra.verify.finding import Finding, missing, ok

_SUBJECT = f"/containers/{INBOX}/"


def inbox_findings(group: ResourceGroup) -> Iterator[Finding]:
    """Whether a subscription of one of the group's topics leads from the container to the app."""
    subscriptions = [
        subscription
        for topic in group.all("Microsoft.EventGrid/systemTopics")
        for subscription in group.all(f"Microsoft.EventGrid/systemTopics/{topic['name']}/eventSubscriptions")
    ]
    yield subscription_finding(subscriptions)


def subscription_finding(subscriptions: list[dict[str, Any]]) -> Finding:
    """The state of those among ``subscriptions`` that watch the inbox."""
    watching = [entry["properties"] for entry in subscriptions if _watches(entry["properties"])]
    if not watching:
        return missing("subscription of the inbox", f"no event subscription begins at {_SUBJECT}: azd deploy http")
    states = {entry.get("provisioningState", "unknown") for entry in watching}
    if "Succeeded" in states:
        return ok("subscription of the inbox", str(watching[0].get("destination", {}).get("endpointType")))
    return missing(
        "subscription of the inbox", f"{', '.join(sorted(states))}: azd deploy http, whose last hook makes it"
    )


def _watches(properties: dict[str, Any]) -> bool:
    begins = (properties.get("filter") or {}).get("subjectBeginsWith") or ""
    return _SUBJECT in f"{begins}/"
