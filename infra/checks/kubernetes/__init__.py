"""``infra/kubernetes``: what each overlay comes to, against Kubernetes' schemas, KEDA's, and the code."""

from __future__ import annotations

from pathlib import Path

from infra.checks.fault import Fault
from infra.checks.kubernetes import network, references, scaling, shapes, workloads
from infra.checks.kubernetes.rendering import ROOT, NotRendered, render

FOLDER = ROOT / "infra/kubernetes"
RULES = (*workloads.RULES, *scaling.RULES, *references.RULES, *network.RULES)


def overlays(folder: Path = FOLDER) -> list[Path]:
    """The folders that an operator chooses from."""
    return sorted(file.parent for file in folder.glob("overlays/*/kustomization.yaml"))


def check() -> list[Fault]:
    """Everything that is wrong with what the overlays come to; what several come to is told once."""
    found = [fault for overlay in overlays() for fault in faults_of(overlay, FOLDER / "ingress")]
    return list(dict.fromkeys(found + unused_files(FOLDER)))


def faults_of(*folders: Path) -> list[Fault]:
    """What is wrong with folders that are applied together.

    A shape that is not known is told alone: rules would trip over it.
    """
    try:
        manifests = [manifest for folder in folders for manifest in render(folder)]
    except NotRendered as error:
        return [error.fault]
    shapeless = list(shapes.shapes_are_known(manifests))
    return shapeless or [fault for rule in RULES for fault in rule(manifests)]


def unused_files(folder: Path) -> list[Fault]:
    """Manifests that no kustomization names, so that nobody would apply them."""
    named = {
        (kustomization.parent / line.strip().removeprefix("- ")).resolve()
        for kustomization in folder.rglob("kustomization.yaml")
        for line in kustomization.read_text().splitlines()
        if line.strip().startswith("- ")
    }
    return [
        Fault(
            file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file), None, "nothing applies this"
        )
        for file in sorted(folder.rglob("*.yaml"))
        if file.name != "kustomization.yaml" and file.resolve() not in named
    ]
