"""Rules for what manifests name: each other, labels, and what the operator makes by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from infra.checks.fault import Fault
from infra.checks.kubernetes.rendering import ROOT, Manifest

GUIDE = "docs/architecture/29-kubernetes.md"
"""Where the operator reads what to make."""

_POD = ("spec", "template", "spec")
_REFERENCES = {
    "serviceAccountName": ("ServiceAccount", None),
    "configMapRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secretRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
    "secretTargetRef": ("Secret", "name"),
    "secretName": ("Secret", None),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "service": ("Service", "name"),
}
"""Field → what it names, and which of its own fields has the name; ``None`` if the field is the name itself."""


@cache
def guide() -> str:
    """The text that tells the operator what to make."""
    file = ROOT / GUIDE
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def references_lead_somewhere(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """What is named is here, or is made by a command of the guide, with the keys that are asked for."""
    there = {(manifest.kind, manifest.name): manifest for manifest in manifests}
    for manifest in manifests:
        for path, kind, name, key in _named(manifest.content, ()):
            if kind == "Secret":
                if f"secret generic {name}" not in guide() and f"secret tls {name}" not in guide():
                    yield manifest.fault(f"{GUIDE} does not say how to make Secret {name}", *path)
                elif key and f"{key}=" not in guide():
                    yield manifest.fault(f"{GUIDE} does not say what {key} of Secret {name} is", *path)
            elif (kind, name) not in there:
                yield manifest.fault(f"there is no {kind} {name}", *path)
            elif kind == "ConfigMap" and key and key not in there[kind, name].content["data"]:
                yield manifest.fault(f"ConfigMap {name} has no {key}", *path)


def secrets_are_not_here(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """No secret lies in a repository."""
    for manifest in manifests:
        if manifest.kind == "Secret":
            yield manifest.fault("secrets are made by hand, not kept here", "kind")


def selectors_select(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Workloads select their own pods; Services, budgets, policies and spreads select somebody's."""
    pods = [labels for manifest in manifests if (labels := _pod_labels(manifest)) is not None]
    for manifest in manifests:
        own = _pod_labels(manifest)
        for path, selector in _selectors(manifest):
            among = pods if own is None else [own]
            if not any(selector.items() <= labels.items() for labels in among):
                yield manifest.fault(f"no pod has the labels {selector}", *path)


def mounts_have_volumes(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """What a container mounts is a volume of its pod, and no volume is left over."""
    for manifest in manifests:
        pod = manifest.content.get("spec", {}).get("template", {}).get("spec", {})
        volumes, mounted = {volume["name"] for volume in pod.get("volumes", ())}, set()
        for group in ("initContainers", "containers"):
            for index, container in enumerate(pod.get(group, ())):
                for at, mount in enumerate(container.get("volumeMounts", ())):
                    mounted.add(mount["name"])
                    if mount["name"] not in volumes:
                        yield manifest.fault(f"no volume {mount['name']}", *_POD, group, index, "volumeMounts", at)
        for name in sorted(volumes - mounted):
            yield manifest.fault(f"nothing mounts the volume {name}", *_POD, "volumes")


def one_name_space(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Everything lies in the one name space, which is made here too."""
    for manifest in manifests:
        if manifest.kind != "Namespace" and manifest.content["metadata"].get("namespace") != "stemworks":
            yield manifest.fault("must lie in the name space stemworks", "metadata")


def _named(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, str, str | None]]:
    """Everything that a manifest names: where, its kind, its name, and the key of it that is wanted."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _named(inner, (*path, index))
    elif isinstance(value, Mapping):
        for field, inner in value.items():
            kind, name_field = _REFERENCES.get(field, (None, None))
            if kind and name_field is None and isinstance(inner, str):
                if field != "secretName" or "secret" not in path:  # that of a volume was told with the volume
                    yield (*path, field), kind, inner, None
            elif kind and name_field:
                for one in inner if isinstance(inner, list) else [inner]:
                    yield (*path, field), kind, one[name_field], one.get("key")
            else:
                yield from _named(inner, (*path, field))


def _pod_labels(manifest: Manifest) -> dict[str, str] | None:
    template = manifest.content.get("spec", {}).get("template")
    return dict(template["metadata"].get("labels", {})) if template else None


def _selectors(manifest: Manifest) -> Iterator[tuple[tuple[str | int, ...], dict[str, str]]]:
    spec = manifest.content.get("spec", {})
    if manifest.kind == "Service":
        yield ("spec", "selector"), spec["selector"]
    if manifest.kind in ("Deployment", "PodDisruptionBudget"):
        yield ("spec", "selector"), spec["selector"]["matchLabels"]
    if manifest.kind == "NetworkPolicy":
        yield ("spec", "podSelector"), spec["podSelector"].get("matchLabels", {})
    spreads = spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", ())
    for index, spread in enumerate(spreads):
        path = (*_POD, "topologySpreadConstraints", index, "labelSelector")
        yield path, spread["labelSelector"]["matchLabels"]


RULES = (references_lead_somewhere, secrets_are_not_here, selectors_select, mounts_have_volumes, one_name_space)
