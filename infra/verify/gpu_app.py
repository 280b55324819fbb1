"""The container app of the role ``gpu``: what wakes it from zero, where it runs, and how its revision is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from core.jobs.messages import GENERATION_REQUESTS, SEPARATION_REQUESTS
from infra.verify.app_settings import settings_findings
from infra.verify.azure import ResourceGroup
from infra.verify.finding import Finding, judged, missing, ok

QUEUES = (GENERATION_REQUESTS, SEPARATION_REQUESTS)
"""The queues that the role listens to (``functions/generation.py``, ``functions/separation.py``)."""

_STOPPED = ("Stopped", "Failed", "Degraded")
_UNSCALED = "no scale rule names it, so nothing starts a replica for it: restart the revision, then docs/runbook.md"

Json = dict[str, Any]


def gpu_app_findings(group: ResourceGroup) -> Iterator[Finding]:
    """Findings about every container app of the group that is a function app."""
    apps = [app for app in group.all("Microsoft.App/containerApps") if "functionapp" in app.get("kind", "").lower()]
    if not apps:
        yield missing("GPU app", f"{group.name} has no container app of the kind functionapp: azd deploy gpu")
        return
    environments = group.all("Microsoft.App/managedEnvironments")
    for app in apps:
        revisions = group.all(f"Microsoft.App/containerApps/{app['name']}/revisions")
        yield from app_findings(app, revisions, environments)


def app_findings(app: Json, revisions: list[Json], environments: list[Json]) -> Iterator[Finding]:
    """Findings about one app, as Azure describes it, its revisions and the group's environments."""
    yield ok("GPU app", app["name"])
    active = [revision["properties"] for revision in revisions if revision["properties"].get("active")]
    yield from _rule_findings([app["properties"], *active])
    yield _replicas(app["properties"].get("template", {}).get("scale") or {})
    yield from _revision_findings(active)
    yield _profile(app["properties"], environments)
    identity = app.get("identity", {}).get("type", "None")
    otherwise = f"{identity}: generated scale rules need the system's, see docs/architecture/27-deployment.md"
    yield judged("SystemAssigned" in identity, "GPU app's identity", identity, otherwise)
    containers = app["properties"].get("template", {}).get("containers") or [{}]
    named = {entry["name"]: entry.get("value", "") for entry in containers[0].get("env") or []}
    yield from settings_findings("GPU app", named, {"STEMWORKS_ROLE": "gpu"})


def _rule_findings(holders: Iterable[Json]) -> Iterator[Finding]:
    """The platform writes the rules that it generates into the revision, those of our own stand in the app as well."""
    rules = [rule for holder in holders for rule in _rules(holder)]
    lengths = {queue: length for queue, length in map(queue_of, rules) if queue}
    for queue in QUEUES:
        seen = f"a replica for every {lengths.get(queue) or 'few'} messages"
        yield judged(queue in lengths, f"scale rule for {queue}", seen, _UNSCALED)


def _rules(holder: Json) -> list[Json]:
    return ((holder.get("template") or {}).get("scale") or {}).get("rules") or []


def queue_of(rule: Json) -> tuple[str | None, str | None]:
    """The storage queue that a scale rule watches and its length for each replica; ``None`` for other rules."""
    if native := rule.get("azureQueue"):
        return native.get("queueName"), str(native.get("queueLength"))
    custom = rule.get("custom") or {}
    if custom.get("type") != "azure-queue":
        return None, None
    metadata = custom.get("metadata") or {}
    return metadata.get("queueName"), metadata.get("queueLength")


def _replicas(scale: Json) -> Finding:
    least, most = scale.get("minReplicas") or 0, scale.get("maxReplicas")
    if not most:
        return missing("replicas", "maxReplicas is not set: ten at a GPU's price could start; set it")
    cooldown, polling = scale.get("cooldownPeriod") or 300, scale.get("pollingInterval") or 30
    return ok("replicas", f"{least} to {most}, queues asked every {polling} s, gone after {cooldown} s without work")


def _revision_findings(active: list[Json]) -> Iterator[Finding]:
    if not active:
        yield missing("GPU app's revision", "none is active: az containerapp revision activate")
    for revision in active:
        states = [revision.get(name) for name in ("provisioningState", "healthState", "runningState")]
        bad = states[0] != "Provisioned" or states[1] == "Unhealthy" or states[2] in _STOPPED
        seen = ", ".join(str(state) for state in states if state)
        yield judged(not bad, "GPU app's revision", seen, f"{seen}: az containerapp logs show --type system")


def _profile(properties: Json, environments: list[Json]) -> Finding:
    """The workload profile that the app names, if its environment has one with a GPU under that name."""
    name = properties.get("workloadProfileName")
    home = (properties.get("environmentId") or properties.get("managedEnvironmentId") or "").lower()
    profiles = [
        profile
        for environment in environments
        if environment["id"].lower() == home
        for profile in environment["properties"].get("workloadProfiles") or []
    ]
    kind = next((profile["workloadProfileType"] for profile in profiles if profile["name"] == name), None)
    otherwise = f"the app runs on {name} ({kind or 'not in its environment'}), which has no GPU"
    return judged("GPU" in (kind or ""), "GPU profile", f"{name}: {kind}", otherwise)
