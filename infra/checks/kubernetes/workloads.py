"""Rules for what runs: its settings, images and probes, how it stops, what it may do and how much it may take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.checks.fault import Fault
from infra.checks.kubernetes import code
from infra.checks.kubernetes.rendering import Manifest, containers

Path = tuple[str | int, ...]
_POD = ("spec", "template", "spec")
_HOST_ID = re.compile(r"(?=.{1,32}$)[a-z0-9]+(-[a-z0-9]+)*")  # as Azure Functions documents it
KEYS = "/azure-functions-host/Secrets"
_NEEDED = {"FUNCTIONS_WORKER_RUNTIME": "python", "PYTHON_ENABLE_INIT_INDEXING": "1"}
_ON_CONTAINERS: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("allowPrivilegeEscalation",), False),
    (("readOnlyRootFilesystem",), True),
    (("capabilities", "drop"), ["ALL"]),
)
_ON_PODS: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("runAsNonRoot",), True),
    (("seccompProfile", "type"), "RuntimeDefault"),
)


@dataclass(frozen=True)
class Host:
    """A container that is a Functions host.

    Attributes:
        environment: what it is told in plain words, by its image first; secrets are not among it.
    """

    manifest: Manifest
    path: Path
    container: Mapping[str, Any]
    environment: Mapping[str, str]

    @property
    def role(self) -> str:
        """``http``, ``gpu`` or ``all``."""
        return self.environment.get("STEMWORKS_ROLE", "all")

    def fault(self, detail: str, *path: str | int) -> Fault:
        """A fault at ``path`` of this container."""
        return self.manifest.fault(detail, *self.path, *path)


def hosts(manifests: Sequence[Manifest]) -> list[Host]:
    """The Functions hosts: what listens on a port."""
    return [
        Host(manifest, path, container, environment(container, manifests))
        for manifest in manifests
        for path, container in containers(manifest)
        if "ports" in container
    ]


def environment(container: Mapping[str, Any], manifests: Sequence[Manifest]) -> dict[str, str]:
    """The variables of a container whose values stand in the manifests or in its image's Dockerfile."""
    image = code.image(container["image"])
    found = dict(image.environment) if image else {}
    named = {entry["configMapRef"]["name"] for entry in container.get("envFrom", ()) if "configMapRef" in entry}
    for manifest in manifests:
        if manifest.kind == "ConfigMap" and manifest.name in named:
            found |= manifest.content["data"]
    return found | {entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry}


def settings_are_known(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Each variable is a setting of the app, or is explained; secrets come key by key, so that their names are seen."""
    for manifest in manifests:
        for path, container in containers(manifest):
            for index, entry in enumerate(container.get("env", ())):
                if not code.is_known(entry["name"]):
                    yield manifest.fault(f"no setting is called {entry['name']}", *path, "env", index)
            for index, entry in enumerate(container.get("envFrom", ())):
                if "configMapRef" not in entry:
                    yield manifest.fault("name each key of a Secret under env", *path, "envFrom", index)
    used = {
        entry["configMapRef"]["name"]
        for manifest in manifests
        for _, container in containers(manifest)
        for entry in container.get("envFrom", ())
        if "configMapRef" in entry
    }
    for manifest in manifests:
        if manifest.kind == "ConfigMap" and manifest.name in used:
            for name in manifest.content["data"]:
                if not code.is_known(name):
                    yield manifest.fault(f"no setting is called {name}", "data", name)


def settings_fit(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """The app starts with its settings, and the host with its own."""
    for host in hosts(manifests):
        if fault := code.settings_fault(host.environment):
            yield host.fault(fault, "env")
        for name, value in _NEEDED.items():
            if host.environment.get(name) != value:
                yield host.fault(f"needs {name}={value}", "env")
        drains = host.environment.get("FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING")
        if drains not in (None, "true"):
            yield host.fault(f"FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING={drains} means no: it must be true", "env")


def storage_is_named(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Every container knows the storage account, one way or the other."""
    for manifest in manifests:
        for path, container in containers(manifest):
            secrets = {entry["name"] for entry in container.get("env", ()) if "valueFrom" in entry}
            known = environment(container, manifests).keys() | secrets
            if not known & {"AzureWebJobsStorage", "AzureWebJobsStorage__accountName"}:
                yield manifest.fault(f"container {container['name']} is told of no storage account", *path)


def roles_are_told_apart(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Pods of a role share an id of the host, roles do not: it names the locks of timers and the receipts of blobs."""
    seen: dict[str, str] = {}
    for host in hosts(manifests):
        host_id = host.environment.get("AzureFunctionsWebHost__hostid", "")
        if not _HOST_ID.fullmatch(host_id):
            yield host.fault(
                f"AzureFunctionsWebHost__hostid {host_id!r} must be 1 to 32 of a-z, 0-9 and single -", "env"
            )
        elif host_id in seen:
            yield host.fault(f"shares AzureFunctionsWebHost__hostid {host_id} with {seen[host_id]}", "env")
        seen[host_id] = host.manifest.name


def images_fit(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Images have a version, and manifests the ports and the user of their Dockerfiles."""
    for manifest in manifests:
        for path, container in containers(manifest):
            reference = container["image"]
            version = reference.rpartition("/")[2].partition("@")[2] or reference.rpartition("/")[2].partition(":")[2]
            if version in ("", "latest"):
                yield manifest.fault(
                    f"{reference} can be another image tomorrow: name a tag or a digest", *path, "image"
                )
            image = code.image(reference)
            if image is None:
                yield manifest.fault(f"no Dockerfile makes {reference}", *path, "image")
                continue
            for index, port in enumerate(container.get("ports", ())):
                if port["containerPort"] not in image.ports:
                    detail = f"{reference} does not listen on {port['containerPort']}"
                    yield manifest.fault(detail, *path, "ports", index, "containerPort")
            user = _at(manifest.content, (*_POD, "securityContext", "runAsUser"))
            if user != image.user:
                yield manifest.fault(
                    f"runs as {user}, and {reference} is made for {image.user}", *_POD, "securityContext"
                )


def probes_fit(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Every host is watched from its start on, at paths that its role answers; what is called says when it can be."""
    called = {manifest.content["spec"]["selector"].get("app.kubernetes.io/component") for manifest in manifests
              if manifest.kind == "Service"}  # fmt: skip
    for host in hosts(manifests):
        wanted = ["startupProbe", "livenessProbe"]
        labels = host.manifest.content["spec"]["template"]["metadata"]["labels"]
        if labels.get("app.kubernetes.io/component") in called:
            wanted.append("readinessProbe")
        ports = {port.get("name") for port in host.container["ports"]}
        for name in wanted:
            probe = host.container.get(name, {}).get("httpGet")
            if probe is None:
                yield host.fault(f"has no {name}")
            elif probe["path"] not in code.routes(host.role):
                yield host.fault(f"the role {host.role} does not answer {probe['path']}", name, "httpGet", "path")
            elif probe["port"] not in ports:
                yield host.fault(f"no port is called {probe['port']}", name, "httpGet", "port")


def jobs_may_finish(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A pod that goes is drained; a card's for as long as an attempt may take. (A hook is what makes a host wait.)"""
    for host in hosts(manifests):
        if "drain.py" not in str(_at(host.container, ("lifecycle", "preStop", "exec", "command"))):
            yield host.fault("nothing drains it before it is stopped: lifecycle.preStop must run drain.py", "lifecycle")
        mounted = {mount["mountPath"] for mount in host.container.get("volumeMounts", ())}
        if KEYS not in mounted or host.environment.get("AzureWebJobsSecretStorageType") != "files":
            yield host.fault(
                f"drain.py finds no key: AzureWebJobsSecretStorageType must be files, in a volume at {KEYS}"
            )
        grace = _at(host.manifest.content, (*_POD, "terminationGracePeriodSeconds")) or 30
        if host.role == "gpu" and grace <= (deadline := code.job_deadline_seconds(host.environment)):
            detail = f"{grace} s are not enough for an attempt of JOB_DEADLINE_SECONDS, {deadline:g} s, and the stop"
            yield host.manifest.fault(detail, *_POD, "terminationGracePeriodSeconds")


def resources_are_bounded(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Every container says what it needs and what it may take at most."""
    for manifest in manifests:
        for path, container in containers(manifest):
            for kind in ("requests", "limits"):
                for resource in ("cpu", "memory"):
                    if _at(container, ("resources", kind, resource)) is None:
                        detail = f"container {container['name']} has no {kind} of {resource}"
                        yield manifest.fault(detail, *path, "resources", kind)


def pods_are_confined(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Nothing runs as root, writes to its image, gains rights, or is known to the cluster's API."""
    for manifest in manifests:
        found = list(containers(manifest))
        if not found:
            continue
        pod = _at(manifest.content, _POD)
        for path, wanted in _ON_PODS:
            if _at(pod, ("securityContext", *path)) != wanted:
                yield manifest.fault(f"securityContext.{'.'.join(path)} must be {wanted}", *_POD, "securityContext")
        if pod.get("automountServiceAccountToken") is not False:
            yield manifest.fault("automountServiceAccountToken must be false: nothing here asks the cluster", *_POD)
        for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(forbidden):
                yield manifest.fault(f"{forbidden} leads out of the pod", *_POD, forbidden)
        for index, volume in enumerate(pod.get("volumes", ())):
            if "hostPath" in volume:
                yield manifest.fault("hostPath leads out of the pod", *_POD, "volumes", index)
        for place, container in found:
            for path, wanted in _ON_CONTAINERS:
                if _at(container, ("securityContext", *path)) != wanted:
                    detail = f"container {container['name']}: securityContext.{'.'.join(path)} must be {wanted}"
                    yield manifest.fault(detail, *place, "securityContext")


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value


RULES = (
    settings_are_known, settings_fit, storage_is_named, roles_are_told_apart, images_fit, probes_fit, jobs_may_finish,
    resources_are_bounded, pods_are_confined,
)  # fmt: skip
