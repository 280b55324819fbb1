"""The Flex Consumption app of the role ``http``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.verify.app_settings import settings_findings
from infra.verify.azure import ResourceGroup
from infra.verify.finding import Finding, judged, missing

Json = dict[str, Any]


def http_app_findings(group: ResourceGroup) -> Iterator[Finding]:
    """Findings about every function app of the group."""
    sites = [site for site in group.all("Microsoft.Web/sites") if "functionapp" in site.get("kind", "").lower()]
    if not sites:
        yield missing("HTTP app", f"{group.name} has no function app: azd provision")
    for site in sites:
        config = f"Microsoft.Web/sites/{site['name']}/config"
        settings = group.get(f"{config}/appsettings/list", method="post").get("properties") or {}
        references = group.all(f"{config}/configreferences/appsettings")
        yield from site_findings(site, settings, references)


def site_findings(site: Json, settings: dict[str, str], references: list[Json]) -> Iterator[Finding]:
    """Findings about one site as Azure describes it, its settings, and those that Key Vault holds."""
    properties = site["properties"]
    state = properties.get("state", "unknown")
    yield judged(state == "Running", "HTTP app", f"{site['name']} runs", f"{state}: az functionapp start")
    config = properties.get("functionAppConfig") or {}
    runtime = config.get("runtime") or {}
    seen = f"{runtime.get('name')} {runtime.get('version')}"
    yield judged(seen == "python 3.11", "HTTP app's runtime", seen, f"{seen}: the pins are those of python 3.11")
    scale = config.get("scaleAndConcurrency") or {}
    limits = f"at most {scale.get('maximumInstanceCount')} instances of {scale.get('instanceMemoryMB')} MB"
    yield judged(bool(scale.get("maximumInstanceCount")), "HTTP app's scale", limits, "maximumInstanceCount is not set")
    yield from settings_findings("HTTP app", settings, {"STEMWORKS_ROLE": "http", "INBOX_SOURCE": "EventGrid"})
    for reference in references:
        status = reference["properties"].get("status", "unknown")
        otherwise = f"{status}: the app's identity needs Key Vault Secrets User, the secret must exist"
        yield judged(status == "Resolved", f"HTTP app: {reference['name']} from Key Vault", status, otherwise)
