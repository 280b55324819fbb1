"""Run while an image is built: ``sbom.py FILE`` writes what Python packages are in it, as CycloneDX 1.6 in JSON.

With licences as the packages declare them. What the base image brings beside Python is not in it: for that, build with
``docker buildx build --sbom=true``, which looks at the whole file system.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

_SPDX = re.compile(r"[A-Za-z0-9.+-]+")
_CLASSIFIER = "License :: "


def document(found: list[Distribution]) -> dict[str, Any]:
    """The bill of materials of these packages."""
    components = {one["purl"]: one for one in map(component, found)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "stemworks", "licenses": _licences("MIT")}},
        "components": [components[purl] for purl in sorted(components)],
    }


def component(package: Distribution) -> dict[str, Any]:
    """One package."""
    name = re.sub(r"[-_.]+", "-", package.name).lower()  # as the specification of package URLs has it
    purl = f"pkg:pypi/{name}@{package.version}"
    entry: dict[str, Any] = {
        "type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl
    }  # fmt: skip
    if licence := declared_licence(package):
        entry["licenses"] = _licences(licence)
    return entry


def declared_licence(package: Distribution) -> str:
    """The licence as the package's metadata names it, from the newest field to the oldest; empty if it names none."""
    values = package.metadata.get_all
    for expression in values("License-Expression") or ():
        return str(expression)
    if classifiers := [one for one in values("Classifier") or () if one.startswith(_CLASSIFIER)]:
        return ", ".join(one.rpartition(" :: ")[2] for one in classifiers)
    first_line = str((values("License") or [""])[0]).strip().partition("\n")[0]  # some put the whole text there
    return "" if first_line == "UNKNOWN" else first_line


def _licences(text: str) -> list[dict[str, Any]]:
    """SPDX expressions are marked as such; anything else is a name."""
    if _SPDX.fullmatch(text) or re.search(r" (AND|OR|WITH) ", text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def main(path: str) -> None:
    """Write the file."""
    content = document(list(distributions()))
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {len(content['components'])} packages")


if __name__ == "__main__":
    main(sys.argv[1])
