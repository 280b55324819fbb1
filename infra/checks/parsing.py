"""Whether every Bicep file parses: by two parsers, which must find the same declarations in it.

``pycep-parser`` has a grammar of its own, tree-sitter's forgives what it does not know: what one of them passes over,
the other may stumble at. Neither compiles: types, functions and API versions are other checks' subjects.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lark.exceptions import LarkError, UnexpectedInput
from pycep import BicepParser

from infra.checks.bicep import BicepFile, bicep_files, line_of, parse, syntax_errors, text_of
from infra.checks.fault import Fault
from infra.checks.names import ROOT

_KINDS = {"param": "parameters", "var": "variables", "resource": "resources", "module": "modules", "output": "outputs"}


def check() -> list[Fault]:
    """The faults of every file of ``infra/``."""
    return [
        fault
        for path in bicep_files()
        for fault in faults_of(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]


def faults_of(text: str, path: str) -> list[Fault]:
    """Where a file of this ``text`` is not Bicep."""
    file = parse(text, path)
    faults = [
        Fault(path, line_of(node), f"is not Bicep: {text_of(node)[:60]!r}" if node.is_error else f"lacks {node.type}")
        for node in syntax_errors(file.root)
    ]
    try:
        other = _parser().parse(text=text)
    except UnexpectedInput as error:
        return [*faults, Fault(path, error.line, "is not Bicep to pycep-parser")]
    except (LarkError, ValueError, TypeError) as error:
        return [*faults, Fault(path, None, f"is not Bicep to pycep-parser: {str(error).splitlines()[0]}")]
    return [*faults, *_disagreements(file, dict(other))]


@cache
def _parser() -> BicepParser:
    return BicepParser(cache=False)


def _disagreements(file: BicepFile, other: dict[str, Any]) -> list[Fault]:
    """Declarations that one parser found and the other did not."""
    faults = []
    for kind, plural in _KINDS.items():
        ours, theirs = file.of(kind), set(other.get(plural, {}))
        for name in sorted(ours.keys() ^ theirs):
            line = ours[name].line if name in ours else None
            faults.append(Fault(file.path, line, f"{kind} {name}: one of the two parsers does not see it"))
    return faults
