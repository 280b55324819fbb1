"""Azurite: the version that is pinned, and the options that it knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

PORTS = {"blob": 10000, "queue": 10001, "table": 10002}
"""By these the SDK of the Functions host knows that the account is in the path, whatever the host's name."""

_OPTIONS = "node_modules/azurite/dist/src/common/Environment.js"


def pinned_azurite(project: Path) -> str:
    """The version in ``package.json``."""
    content = json.loads((project / "package.json").read_text(encoding="utf-8"))
    return str(content["dependencies"]["azurite"])


def option_faults(command: str, project: Path) -> Iterator[str]:
    """Options of a command line that the installed Azurite does not know. Nothing where it is not installed."""
    file = project / _OPTIONS
    if file.exists():
        known = set(re.findall(r"""option\(\["\w*", "(\w+)"\]""", file.read_text(encoding="utf-8")))
        for option in re.findall(r"--(\w+)", command):
            if option not in known:
                yield f"there is no option --{option}"
