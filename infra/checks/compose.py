"""Compose: the file by itself and with the one for production over it, against the code, the images and Azurite."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped] # it has no types
from jsonschema.validators import validator_for

from core.addresses import connection_parts
from infra.checks.azurite import PORTS, option_faults, pinned_azurite
from infra.checks.compose_documents import VARIABLE, Document, filled, load, merged
from infra.checks.fault import Fault
from infra.checks.images import PORT, PROJECT, is_known, settings_fault

FILE, OVERLAY, EXAMPLE = "compose.yaml", "infra/compose/production.yaml", "infra/compose/env.example"

_TOLD = {
    "API_KEYS": "key", "FILES_HOST": "music.example.org", "STORAGE_DATA": "./data", "STORAGE_KEY": "c2VjcmV0",
    "WEBHOOK_SECRETS": "whsec_c2VjcmV0",
}  # fmt: skip
"""What production.yaml wants to be told."""


def check(project: Path = PROJECT) -> list[Fault]:
    """Everything that can be told of the two files without a daemon."""
    base, overlay = (load(project / name) for name in (FILE, OVERLAY))
    faults = variable_faults(project)
    for file, document in ((FILE, base), (OVERLAY, merged(base, overlay))):
        whole = filled(document, _TOLD if file == OVERLAY else {})
        details = [*service_faults(whole, project), *port_faults(whole), *name_faults(whole)]
        details += [*storage_faults(whole, project), *schema_faults(whole)]
        faults += [Fault(file, None, detail) for detail in details]
    return faults


def variable_faults(project: Path) -> list[Fault]:
    """``env.example`` and the files must speak of the same variables."""
    told = set(re.findall(r"^#?([A-Z_]+)=", (project / EXAMPLE).read_text(encoding="utf-8"), re.MULTILINE))
    used = {
        match["name"]: file for file in (FILE, OVERLAY)
        for match in VARIABLE.finditer((project / file).read_text(encoding="utf-8"))
    }  # fmt: skip
    read_by_compose = {"COMPOSE_PROFILES"}
    faults = [Fault(file, None, f"{name} is not in {EXAMPLE}") for name, file in used.items() if name not in told]
    unused = sorted(told - set(used) - read_by_compose)
    return faults + [Fault(EXAMPLE, None, f"{name} is used by no file") for name in unused]


def service_faults(document: Document, project: Path) -> Iterator[str]:
    """What a service is built from, told and waits for."""
    services = document["services"]
    built = Counter(service["image"] for service in services.values() if "build" in service)
    yield from (f"{image} is built twice, at the same time" for image, count in built.items() if count > 1)
    for name, service in services.items():
        yield from (f"{name}: {detail}" for detail in _build_faults(service, built, project))
        environment = service.get("environment", {})
        yield from (f"{name}: nobody knows the setting {key}" for key in environment if not is_known(key))
        given = {key: str(value) for key, value in environment.items()}
        if "AzureWebJobsStorage" in given and (fault := settings_fault(given)):
            yield f"{name}: {fault}"
        for other, condition in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name}: waits for {other}, which there is not"
            elif condition["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name}: waits for {other} to be healthy, which never says so"


def _build_faults(service: Mapping[str, Any], built: Collection[str], project: Path) -> Iterator[str]:
    if build := service.get("build"):
        context = project / build["context"]
        if not (context / build["dockerfile"]).is_file():
            yield f"is built from {build['dockerfile']}, which is not there"
    elif service["image"] in built:
        if service.get("pull_policy") != "never":
            yield f"nobody publishes {service['image']}, which would be looked for before it is built"
    elif ":" not in service["image"].rpartition("/")[2]:
        yield f"the image {service['image']} has no version"
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("./infra") and not (project / source).exists():
            yield f"mounts {source}, which is not there"


def port_faults(document: Document) -> Iterator[str]:
    """Two services on one port of the machine, and a port that its image does not serve."""
    taken: Counter[str] = Counter()
    for name, service in document["services"].items():
        for port in service.get("ports", ()):
            outside, inside = str(port).split(":")[-2:]
            taken[f"{outside}/{'udp' if '/udp' in inside else 'tcp'}"] += 1
            if name == "http" and inside != str(PORT):
                yield f"{name}: publishes {inside}, but the image serves {PORT}"
    yield from (f"the port {port} is published {count} times" for port, count in taken.items() if count > 1)


def name_faults(document: Document) -> Iterator[str]:
    """Names inside the network that lead to two services, volumes that are not declared, ids of hosts that clash."""
    services = document["services"]
    names: Counter[str] = Counter(list(services))
    for service in services.values():
        names.update(_aliases(service))
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if not source.startswith((".", "/")) and source not in document["volumes"]:
                yield f"the volume {source} is not declared"
    yield from (f"the name {name} leads to {count} services" for name, count in names.items() if count > 1)
    hosts = {name: one["environment"]["AzureFunctionsWebHost__hostid"] for name, one in services.items()
             if "AzureFunctionsWebHost__hostid" in one.get("environment", {})}  # fmt: skip
    if hosts.get("http") in {host for name, host in hosts.items() if name != "http"}:
        yield "http and a worker share a host id, and with it each other's locks"


def storage_faults(document: Document, project: Path) -> Iterator[str]:
    """Storage: the pinned version, options that it knows, and endpoints that lead to it by its key."""
    services = document["services"]
    azurite = services["azurite"]
    if azurite["image"].rpartition(":")[2] != pinned_azurite(project):
        yield f"azurite is {azurite['image']}, package.json pins {pinned_azurite(project)}"
    yield from (f"azurite: {detail}" for detail in option_faults(azurite["command"], project))
    reachable = {"azurite"}.union(*map(_aliases, services.values()))
    if "DAC_OVERRIDE" not in azurite.get("cap_add", ()):
        yield "azurite: may not write into a folder that is not root's"
    key = azurite["environment"]["AZURITE_ACCOUNTS"].removeprefix("devstoreaccount1:")
    for name, service in services.items():
        if connection := service.get("environment", {}).get("AzureWebJobsStorage"):
            yield from (f"{name}: {detail}" for detail in _connection_faults(connection, reachable, key))


def _connection_faults(connection: str, reachable: set[str], key: str) -> Iterator[str]:
    parts = connection_parts(connection)
    if parts["accountkey"] != key:
        yield "its key of storage is not azurite's"
    for kind, port in PORTS.items():
        address = parts.get(f"{kind}endpoint", "")
        found = re.fullmatch(r"https?://([^:/]+):(\d+)/devstoreaccount1", address)
        if not found or found[1] not in reachable or int(found[2]) != port:
            yield f"its {kind}s are said to be at {address or 'no address'}, where they are not"


def _aliases(service: Mapping[str, Any]) -> list[str]:
    networks = service.get("networks") or {}
    return (networks.get("default") or {}).get("aliases") or []


def schema_faults(document: Document) -> Iterator[str]:
    """What the schema of Compose files, which check-jsonschema carries, has against the document."""
    for error in _schema().iter_errors(document):
        yield f"{error.json_path}: {error.message}"


@cache
def _schema() -> Any:
    schema = get_builtin_schema("vendor.compose-spec")
    return validator_for(schema)(schema)
