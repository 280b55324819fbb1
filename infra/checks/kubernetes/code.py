"""What the manifests are held against: settings, host.json, functions, images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.checks.functions import Functions, functions_of_roles
from infra.checks.kubernetes.rendering import ROOT

EXPLAINED = {
    "AzureFunctionsWebHost__hostid": "what the pods of one role share: locks of timers, receipts of blobs",
    "AzureWebJobsSecretStorageType": "where the Functions host finds its keys",
    "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "the host's: nothing new is taken once it is told to stop",
    "HF_HOME": "the hub's client: where its cache is",
    "HF_TOKEN": "the hub's client: opens models that are gated",
    "HOME": "where the host keeps its ring of keys",
}
"""Names of the platform's own settings that manifests may set; all others are ``core.settings``'."""

_HOST_OVERRIDE = "AzureFunctionsJobHost__"
_SWITCH = re.compile(r"AzureWebJobs\.(?P<function>\w+)\.Disabled")


@cache
def setting_names() -> frozenset[str]:
    """The environment variables that ``core.settings`` reads."""
    from core.settings import Settings

    return frozenset(field.alias or name.upper() for name, field in Settings.model_fields.items())


def is_known(name: str) -> bool:
    """Whether an environment variable means something to the app, or to what runs it."""
    if switch := _SWITCH.fullmatch(name):
        return switch["function"] in functions("all")
    return name in setting_names() or name in EXPLAINED or name.startswith(_HOST_OVERRIDE)


def settings_fault(environment: Mapping[str, str]) -> str | None:
    """Why the app would not start with these settings."""
    from core.settings import Settings

    try:
        Settings.read(environment)
    except ValueError as error:
        return str(error)
    return None


def job_deadline_seconds(environment: Mapping[str, str]) -> float:
    """How long an attempt may take."""
    from core.settings import Settings

    return Settings.read(environment).job_deadline_seconds


def batch_size(environment: Mapping[str, str]) -> int:
    """How many messages of a queue a host takes at once: ``host.json``'s number, or what stands in its place."""
    override = {name.lower(): value for name, value in environment.items()}.get(
        f"{_HOST_OVERRIDE}extensions__queues__batchSize".lower()
    )
    host = json.loads((ROOT / "host.json").read_text())
    return int(override or host["extensions"]["queues"]["batchSize"])


def functions(role: str) -> Functions:
    """The functions of a role, by name, each with its trigger."""
    return functions_of_roles()[role]


def routes(role: str) -> set[str]:
    """The paths that a role answers, such as ``/healthz``."""
    return {f"/{trigger['route']}" for trigger in functions(role).values() if trigger["type"] == "httpTrigger"}


def queues(role: str) -> set[str]:
    """The queues that a role takes messages from."""
    return {trigger["queueName"] for trigger in functions(role).values() if trigger["type"] == "queueTrigger"}


@dataclass(frozen=True)
class Image:
    """What a Dockerfile says of the image."""

    ports: frozenset[int]
    user: int | None
    environment: Mapping[str, str]


def image(reference: str) -> Image | None:
    """The image that ``registry/stemworks-ROLE:tag`` names; ``None`` if no Dockerfile here makes it."""
    name = reference.rpartition("/")[2].partition("@")[0].partition(":")[0]
    file = ROOT / "infra/docker" / f"{name.removeprefix('stemworks-')}.Dockerfile"
    return image_of(file.read_text()) if file.is_file() else None


def image_of(dockerfile: str) -> Image:
    """The image that a Dockerfile makes, as far as manifests depend on it."""
    lines = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    told = [line.split(None, 1) for line in lines if " " in line]
    ports = frozenset(int(port) for word, rest in told if word == "EXPOSE" for port in rest.split())
    users = [rest.strip() for word, rest in told if word == "USER"]
    environment = dict(
        pair.split("=", 1) for word, rest in told if word == "ENV" for pair in rest.split() if "=" in pair
    )
    return Image(ports, int(users[-1]) if users and users[-1].isdigit() else None, environment)
