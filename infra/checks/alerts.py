"""Whether the alerts look for what the code says: a log line that is worded anew would silence its alert."""

from __future__ import annotations

import re
from functools import cache

from infra.checks.bicep import BicepFile, descendants, line_of, literal, properties, read
from infra.checks.fault import Fault
from infra.checks.names import ROOT

_FILE = "infra/modules/alerts.bicep"
_CODE = ("core", "functions")


def check() -> list[Fault]:
    """The faults of ``alerts.bicep``."""
    return faults_of(read(ROOT / _FILE), _code())


def faults_of(file: BicepFile, code: str) -> list[Fault]:
    """What the queries of one file look for and ``code`` has nowhere."""
    return [
        Fault(file.path, line_of(value), f"looks for {words!r}, which the code says nowhere")
        for node in descendants(file.root)
        if node.type == "object"
        for name, (_, value) in properties(node).items()
        if name == "query"
        for words in re.findall(r'"([^"]*)"', literal(value) or "")
        if not _says(code, words)
    ]


def _says(code: str, words: str) -> bool:
    """As Kusto's ``has`` and ``==`` do, at the bounds of words; ``_poison`` is an ending."""
    begins = "" if words.startswith("_") else r"(?<!\w)"
    return re.search(rf"{begins}{re.escape(words)}(?!\w)", code) is not None


@cache
def _code() -> str:
    paths = (path for folder in _CODE for path in (ROOT / folder).rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
