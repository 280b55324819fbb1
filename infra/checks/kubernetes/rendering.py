"""What an overlay comes to: as much of kustomize as ``infra/kubernetes`` uses, so that the checks need no tool.

A field that is not known here is refused, not passed over. Wherever there is a ``kubectl``, a test compares the outcome
with that of ``kubectl kustomize``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.checks.fault import Fault

ROOT = Path(__file__).parents[3]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN = {"apiVersion", "kind", "resources", "images", "patches", "replacements", "configMapGenerator"}
_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class NotRendered(Exception):
    """An overlay cannot be told; ``fault`` says where and why."""

    def __init__(self, file: Path, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(_relative(file), None, detail)


@dataclass(frozen=True)
class Manifest:
    """One Kubernetes object.

    Attributes:
        content: as the overlay has it.
        node: as the file has it, which tells lines.
        file: relative to the top of the repository.
    """

    content: dict[str, Any]
    node: yaml.Node
    file: str

    @property
    def kind(self) -> str:
        """Such as ``Deployment``."""
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        """Its name among those of its kind."""
        return str(self.content["metadata"]["name"])

    def fault(self, detail: str, *path: str | int) -> Fault:
        """A fault at ``path``, or at what is nearest to it in the file."""
        return Fault(self.file, _line(self.node, path), f"{self.kind} {self.name}: {detail}")


def manifests_of(text: str, file: str) -> list[Manifest]:
    """The objects of one YAML file."""
    nodes = [node for node in yaml.compose_all(text, _LOADER) if node is not None]
    # Anchors make one value of several places, which a patch must change one by one.
    contents = [_separated(content) for content in yaml.load_all(text, _LOADER) if content is not None]
    return [Manifest(content, node, file) for content, node in zip(contents, nodes, strict=True)]


def render(folder: Path) -> list[Manifest]:
    """The objects that ``kubectl apply -k`` would send for ``folder``. Raises ``NotRendered``."""
    file = folder / "kustomization.yaml"
    overlay = yaml.safe_load(file.read_text())
    if unknown := sorted(overlay.keys() - _KNOWN):
        raise NotRendered(file, f"the check does not know what {', '.join(unknown)} would change")
    found = [manifest for name in overlay.get("resources", ()) for manifest in _resource(folder / name)]
    found += [_generated(folder, generator) for generator in overlay.get("configMapGenerator", ())]
    for patch in overlay.get("patches", ()):
        _patch(found, patch, file)
    for replacement in overlay.get("replacements", ()):
        _replace(found, replacement, file)
    for image in overlay.get("images", ()):
        _name_image(found, image)
    return found


def containers(manifest: Manifest) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """The containers of a workload, those of its beginning included, each with its path."""
    pod = manifest.content.get("spec", {}).get("template", {}).get("spec", {})
    for group in ("initContainers", "containers"):
        for index, container in enumerate(pod.get(group, ())):
            yield ("spec", "template", "spec", group, index), container


def _resource(path: Path) -> list[Manifest]:
    return render(path) if path.is_dir() else manifests_of(path.read_text(), _relative(path))


def _generated(folder: Path, generator: dict[str, Any]) -> Manifest:
    if not generator.get("options", {}).get("disableNameSuffixHash"):
        raise NotRendered(folder / "kustomization.yaml", f"{generator['name']}: the check knows no names with hashes")
    content = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {key: generator[key] for key in ("name", "namespace") if key in generator},
        "data": {name: (folder / name).read_text() for name in generator["files"]},
    }
    return Manifest(content, yaml.ScalarNode("", ""), _relative(folder / "kustomization.yaml"))


def _patch(found: Sequence[Manifest], patch: dict[str, Any], file: Path) -> None:
    operations = yaml.safe_load(patch["patch"])
    targets = [manifest for manifest in found if _selected(manifest, patch["target"])]
    if not targets or not isinstance(operations, list):
        raise NotRendered(file, f"a patch must be a list of operations and meet something: {patch['target']}")
    for manifest in targets:
        for operation in operations:
            try:
                _operate(manifest.content, operation)
            except (KeyError, IndexError, TypeError) as error:
                raise NotRendered(file, f"{manifest.kind} {manifest.name} has no {operation['path']}") from error


def _operate(content: Any, operation: dict[str, Any]) -> None:
    """One operation of a JSON Patch (RFC 6902): add, replace or remove."""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    place = content
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    key = int(last) if isinstance(place, list) and last != "-" else last
    if operation["op"] == "remove":
        del place[key]
    elif key == "-":
        place.append(copy.deepcopy(operation["value"]))
    elif operation["op"] == "add" or place[key] is not None:
        place[key] = copy.deepcopy(operation["value"])


def _replace(found: Sequence[Manifest], replacement: dict[str, Any], file: Path) -> None:
    source = replacement["source"]
    values = [
        place[key]
        for manifest in found
        if _selected(manifest, source)
        for place, key in _places(manifest.content, source["fieldPath"])
    ]
    if len(values) != 1:
        raise NotRendered(file, f"{source['kind']} {source['name']} has no {source['fieldPath']}")
    for target in replacement["targets"]:
        for manifest in (manifest for manifest in found if _selected(manifest, target["select"])):
            for path in target["fieldPaths"]:
                for place, key in _places(
                    manifest.content, path, create=target.get("options", {}).get("create", False)
                ):
                    place[key] = values[0]


def _places(content: Any, path: str, *, create: bool = False) -> list[tuple[Any, Any]]:
    """Where a field path of kustomize leads: ``a.b``, ``a.[with.dots]``, ``list.[key=value].c``."""
    steps = [bracketed or plain for bracketed, plain in _STEP.findall(path)]
    places = [content]
    for step in steps[:-1]:
        places = [inner for place in places for inner in _inside(place, step)]
    return [(place, steps[-1]) for place in places if create or steps[-1] in place]


def _inside(place: Any, step: str) -> list[Any]:
    if isinstance(place, list):
        key, _, value = step.partition("=")
        return [inner for inner in place if str(inner.get(key)) == value]
    return [place[step]] if step in place else []


def _name_image(found: Sequence[Manifest], image: dict[str, str]) -> None:
    name = image.get("newName", image["name"])
    full = f"{name}@{image['digest']}" if "digest" in image else f"{name}:{image['newTag']}"
    for manifest in found:
        for _, container in containers(manifest):
            if container["image"] == image["name"]:
                container["image"] = full


def _selected(manifest: Manifest, selector: dict[str, str]) -> bool:
    return manifest.kind == selector["kind"] and selector.get("name", manifest.name) == manifest.name


def _separated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _separated(inner) for key, inner in value.items()}
    return [_separated(inner) for inner in value] if isinstance(value, list) else value


def _line(node: yaml.Node, path: Sequence[str | int]) -> int | None:
    """The 1-based line of what ``path`` leads to, or of the last thing on the way that is there."""
    if node.start_mark is None:
        return None
    line = node.start_mark.line
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode) and (pair := _pair(node, step)):
            line, node = pair[0].start_mark.line, pair[1]
        else:
            break
    return int(line) + 1


def _pair(node: yaml.MappingNode, key: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _relative(path: Path) -> str:
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()
