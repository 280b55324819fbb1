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

_CLASSIFIER = "License :: "


def document(found: list[Distribution]) -> dict[str, Any]:
    """The bill of materials of these packages."""
    components = {one["purl"]: one for one in map(component, found)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "stemworks", "licenses": [{"expression": "MIT"}]}},
        "components": [components[purl] for purl in sorted(components)],
    }


def component(package: Distribution) -> dict[str, Any]:
    """One package."""
    name = re.sub(r"[-_.]+", "-", package.name).lower()  # as the specification of package URLs has it
    purl = f"pkg:pypi/{name}@{package.version}"
    entry: dict[str, Any] = {
        "type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl
    }  # fmt: skip
    if licences := declared_licences(package):
        entry["licenses"] = licences
    return entry


def declared_licences(package: Distribution) -> list[dict[str, Any]]:
    """What the package's metadata name, from the newest field to the oldest; only the newest is an SPDX expression."""
    for expression in package.metadata.get_all("License-Expression") or ():
        return [{"expression": str(expression)}]
    name = _licence_in_words(package)
    return [{"license": {"name": name}}] if name else []


def _licence_in_words(package: Distribution) -> str:
    values = package.metadata.get_all
    if classifiers := [one for one in values("Classifier") or () if one.startswith(_CLASSIFIER)]:
        return ", ".join(one.rpartition(" :: ")[2] for one in classifiers)
    first_line = str((values("License") or [""])[0]).strip().partition("\n")[0]  # some put the whole text there
    return "" if first_line == "UNKNOWN" else first_line


def main(path: str) -> None:
    """Write the file."""
    content = document(list(distributions()))
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {len(content['components'])} packages")


if __name__ == "__main__":
    main(sys.argv[1])
