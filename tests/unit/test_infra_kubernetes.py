"""``infra/kubernetes``: what its overlays come to, and what the checks make of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checks.kubernetes import FOLDER, check, faults_of, overlays, unused_files
from infra.checks.kubernetes.code import image_of
from infra.checks.kubernetes.rendering import Manifest, NotRendered, render

KUBECTL = shutil.which("kubectl")
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec:\n  containers: &list\n    - {name: a}\n"


def test_the_manifests_have_no_fault() -> None:
    assert check() == []


def test_there_is_an_overlay_for_each_kind_of_cluster() -> None:
    assert [folder.name for folder in overlays()] == ["aks", "connection-string", "cpu"]


@pytest.mark.skipif(KUBECTL is None, reason="needs kubectl")
@pytest.mark.parametrize("folder", [*overlays(), FOLDER / "ingress"], ids=lambda folder: folder.name)
def test_an_overlay_comes_to_what_kubectl_makes_of_it(folder: Path) -> None:
    text = subprocess.run([str(KUBECTL), "kustomize", str(folder)], check=True, capture_output=True, text=True).stdout
    theirs = list(yaml.safe_load_all(text))
    assert _sorted(theirs) == _sorted([manifest.content for manifest in render(folder)])


def _sorted(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(contents, key=lambda content: (content["kind"], content["metadata"]["name"]))


def _of(overlay: str, kind: str, name: str) -> dict[str, Any]:
    manifests = render(FOLDER / "overlays" / overlay)
    return next(manifest.content for manifest in manifests if (manifest.kind, manifest.name) == (kind, name))


def test_by_identity_nothing_knows_a_key_and_the_account_is_typed_once() -> None:
    text = yaml.safe_dump_all([manifest.content for manifest in render(FOLDER / "overlays/aks")])
    assert "name: AzureWebJobsStorage\n" not in text
    assert (FOLDER / "overlays/aks/identity.yaml").read_text().count("youraccount") == 1
    triggers = _of("aks", "ScaledObject", "http")["spec"]["triggers"]
    assert [trigger["metadata"].get("accountName") for trigger in triggers] == ["youraccount", "youraccount", None]


def test_without_a_card_no_pod_waits_for_one() -> None:
    pod = _of("cpu", "Deployment", "gpu")["spec"]["template"]["spec"]
    assert "nvidia.com/gpu" not in str(pod)
    assert {"name": "TORCH_DEVICE", "value": "cpu"} in pod["containers"][0]["env"]


def _folder(tmp_path: Path, kustomization: str, pod: str = POD) -> Path:
    (tmp_path / "kustomization.yaml").write_text(f"resources:\n  - pod.yaml\n{kustomization}")
    (tmp_path / "pod.yaml").write_text(pod)
    return tmp_path


@pytest.mark.parametrize(
    ("kustomization", "words"),
    [
        ("namePrefix: my-\n", "does not know what namePrefix would change"),
        ("configMapGenerator:\n  - {name: c, files: []}\n", "knows no names with hashes"),
        ("patches:\n  - target: {kind: Job}\n    patch: '[]'\n", "must be a list of operations and meet something"),
        ("patches:\n  - target: {kind: Pod}\n    patch: '{spec: {}}'\n", "must be a list of operations"),
        (
            "patches:\n  - target: {kind: Pod}\n    patch: '[{op: remove, path: /spec/volumes}]'\n",
            "Pod one has no /spec/volumes",
        ),
        (
            "replacements:\n  - source: {kind: Pod, name: two, fieldPath: spec.x}\n    targets: []\n",
            "Pod two has no spec.x",
        ),
    ],
)
def test_what_is_not_known_to_be_rendered_is_a_fault_and_not_passed_over(
    tmp_path: Path, kustomization: str, words: str
) -> None:
    folder = _folder(tmp_path, kustomization)
    with pytest.raises(NotRendered):
        render(folder)
    (fault,) = faults_of(folder)
    assert words in fault.detail


def test_a_patch_changes_one_of_two_places_that_an_anchor_made_alike(tmp_path: Path) -> None:
    pod = f"{POD}  initContainers: *list\n"
    add = "patches:\n  - target: {kind: Pod}\n    patch: '[{op: add, path: /spec/containers/-, value: {name: b}}]'\n"
    (manifest,) = render(_folder(tmp_path, add, pod))
    assert manifest.content["spec"] == {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "a"}]}


def test_a_manifest_that_nothing_applies_is_told(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "")
    assert unused_files(folder) == []
    (folder / "forgotten.yaml").write_text(POD)
    (fault,) = unused_files(folder)
    assert fault.file.endswith("forgotten.yaml")


def test_a_shape_that_is_not_known_is_told_alone(tmp_path: Path) -> None:
    faults = faults_of(_folder(tmp_path, "", POD.replace("spec:", "specs:")))
    assert len(faults) == 1
    assert "specs" in faults[0].detail


def test_a_dockerfile_tells_ports_user_and_environment() -> None:
    image = image_of(
        "FROM base\n# EXPOSE 1\nENV A=1 \\\n    B__c=http://+:8080\nENV D=2\nEXPOSE 8080 9090\nUSER root\nUSER 10001\n"
    )
    assert image.ports == {8080, 9090}
    assert image.user == 10001
    assert image.environment == {"A": "1", "B__c": "http://+:8080", "D": "2"}
    assert image_of("FROM base\nUSER somebody\n").user is None


def test_the_drain_script_reaches_the_pods_as_it_is() -> None:
    content = _of("aks", "ConfigMap", "stemworks-drain")
    assert content["data"] == {"drain.py": (FOLDER / "base/drain.py").read_text()}


def test_an_object_is_found_by_its_kind_and_name() -> None:
    manifest = render(FOLDER / "ingress")[0]
    assert isinstance(manifest, Manifest)
    assert (manifest.kind, manifest.name, manifest.file) == ("Ingress", "http", "infra/kubernetes/ingress/ingress.yaml")
