"""Compose files as Compose reads them: anchors, variables, and one file laid over another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")
"""``${NAME:-default}``, or ``${NAME:?what it must be}``."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # the package ships no type information
    """Also knows ``!reset`` and ``!override``, by which a file takes away or replaces what lies under it."""


class _Replacing:
    """What stands in the place of what lies under it; ``None`` leaves nothing there."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _replacing(loader: _Loader, node: yaml.Node) -> _Replacing:
    if node.tag == "!reset":
        return _Replacing(None)
    is_map = isinstance(node, yaml.MappingNode)
    return _Replacing(
        loader.construct_mapping(node, deep=True) if is_map else loader.construct_sequence(node, deep=True)
    )


_Loader.add_constructor("!reset", _replacing)
_Loader.add_constructor("!override", _replacing)


def load(path: Path) -> Document:
    """One file, with its anchors and merge keys resolved."""
    document: Document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader, see above
    return document


def merged(under: Any, over: Any) -> Any:
    """``over`` laid over ``under`` as Compose does it: maps by their keys, lists appended, volumes by their targets."""
    if isinstance(over, _Replacing):
        return over.value
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        removed = {key for key, value in over.items() if isinstance(value, _Replacing) and value.value is None}
        both = {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}
        return {key: value for key, value in both.items() if key not in removed}
    if isinstance(under, list) and isinstance(over, list):
        replaced = {_target(one) for one in over} - {None}
        return [one for one in under if _target(one) not in replaced] + over
    return over


def _target(entry: Any) -> str | None:
    """Where a volume is mounted; of anything else nothing."""
    found = re.search(r":(/[^:]*)(:ro)?$", str(entry))
    return found[1] if found else None


def filled(value: Any, told: Mapping[str, str]) -> Any:
    """The document with its variables replaced: by ``told``, else by their defaults."""
    if isinstance(value, Mapping):
        return {key: filled(one, told) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, told) for one in value]
    if not isinstance(value, str):
        return value
    text = VARIABLE.sub(lambda found: told.get(found["name"]) or found["text"] or "", value)
    return int(text) if text.isdecimal() and value.startswith("${") else text
