"""Versions: what is required has one, all that comes with it has one, and they suit each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.checks.fault import Fault

REQUIREMENTS = {
    "infra/docker/http.Dockerfile": ("requirements.txt",),
    "infra/docker/gpu.Dockerfile": ("requirements.txt", "requirements-gpu.txt"),
}
"""What each image installs with all that it brings along; requirements-gpu-nodeps.txt says why it comes without."""

CONSTRAINTS = ("constraints.txt", "infra/docker/constraints-cuda.txt")


def pins(path: Path) -> dict[str, str]:
    """``name==version`` lines, by the name as package indexes write it."""
    lines = (line.partition("#")[0].strip().partition("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(name.partition("[")[0]): version for name, is_pinned, version in lines if is_pinned}


def constraints(project: Path) -> dict[str, str]:
    """All that is pinned for images."""
    return {name: version for file in CONSTRAINTS for name, version in pins(project / file).items()}


def pin_faults(project: Path) -> Iterator[Fault]:
    """Requirements without a version, and versions that differ from the constraints'."""
    known = constraints(project)
    for file in sorted({file for files in REQUIREMENTS.values() for file in files}):
        for number, line in enumerate((project / file).read_text(encoding="utf-8").splitlines(), 1):
            name, _, version = line.partition("#")[0].strip().partition("==")
            if not name or name.startswith("-"):
                continue
            pinned = known.get(canonicalize_name(name.partition("[")[0]))
            if not version or version != pinned:
                yield Fault(file, number, f"{line.strip()}: the constraints pin {pinned or 'no version of it'}")


def conflict_faults(file: str, project: Path) -> Iterator[Fault]:
    """What the packages of one image want of each other, by their installed metadata, against the constraints."""
    known = constraints(project)
    wanted = [name for requirements in REQUIREMENTS[file] for name in pins(project / requirements)]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        for dependency in dependencies(name):
            other = canonicalize_name(dependency.name)
            if other not in known:
                yield Fault(CONSTRAINTS[0], None, f"pins no {other}, which {name} brings into {file}")
            elif not dependency.specifier.contains(known[other], prereleases=True):
                yield Fault(
                    CONSTRAINTS[0], None, f"{other}=={known[other]} does not suit {name}: it wants {dependency}"
                )
            wanted.append(other)


def dependencies(name: str) -> list[Requirement]:
    """What an installed package asks for on its own, without its extras. Nothing where it is not installed."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    all_of_them = map(Requirement, lines)
    return [one for one in all_of_them if one.marker is None or one.marker.evaluate({"extra": ""})]


Ask = Callable[[Sequence[str]], str]


def resolve_faults(project: Path, ask: Ask | None = None) -> Iterator[Fault]:
    """What pip would install for each image, against the constraints. Needs the network, and some minutes."""
    known = constraints(project)
    for file, requirements in REQUIREMENTS.items():
        options = [option for name in requirements for option in ("--requirement", str(project / name))]
        report = json.loads((ask or _pip_report)([*options, "--constraint", str(project / CONSTRAINTS[1])]))
        for found in report["install"]:
            name, version = canonicalize_name(found["metadata"]["name"]), found["metadata"]["version"]
            if known.get(name) != version.partition("+")[0]:
                yield Fault(file, None, f"pip takes {name} {version}; pinned is {known.get(name, 'no version')}")


def _pip_report(options: Sequence[str]) -> str:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pip cannot resolve {' '.join(options)}:\n{done.stderr}")
    return done.stdout[done.stdout.index("{") :]
