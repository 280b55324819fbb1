"""The files of prices, assumptions and limits."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
PRICES, ASSUMPTIONS, LIMITS = (HERE / f"{name}.toml" for name in ("prices", "assumptions", "limits"))
Case = Literal["low", "likely", "high"]
CASES: tuple[Case, ...] = ("low", "likely", "high")
_OPERATIONS = 10_000  # the unit in which storage is billed


def load(path: Path, ours: Path) -> dict[str, Any]:
    """A file with all that ours of its kind has. Raises ``ValueError``, with its name, if it is no such file."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if missing := [
        name for name in _names(tomllib.loads(ours.read_text(encoding="utf-8"))) if name not in _names(entries)
    ]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    return entries


def _names(entries: Mapping[str, Any]) -> list[str]:
    inner = {name: entry if isinstance(entry, dict) else {} for name, entry in entries.items()}
    return [*entries, *(f"{name}.{key}" for name, entry in inner.items() for key in entry)]


@dataclass(frozen=True)
class Prices:
    """A price list as ``prices.toml`` holds it. A name that it lacks is a ``KeyError``."""

    entries: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path = PRICES) -> Prices:
        """Read a file of prices."""
        return cls(load(path, PRICES))

    def __getitem__(self, name: str) -> float:
        return float(self.entries[name]["amount"])

    def operations(self, name: str, count: float) -> float:
        """What so many operations of storage cost."""
        return self[name] * count / _OPERATIONS

    def grant(self, name: str) -> float:
        """What is free in a month."""
        return float(self.entries["grants"][name])

    def egress(self, gb: float) -> float:
        """What it costs to send so much to the Internet in a month."""
        cost = 0.0
        *tiers, last = self.entries["egress"]["tiers"]
        for tier in tiers:
            within = min(gb, tier["gb"])
            cost += within * tier["amount"]
            gb -= within
        return cost + gb * float(last["amount"])


@dataclass(frozen=True)
class Assumptions:
    """What was not measured, in one case: ``low`` costs the least, ``high`` the most."""

    entries: Mapping[str, Mapping[str, Any]]
    case: Case = "likely"

    @classmethod
    def load(cls, path: Path = ASSUMPTIONS, case: Case = "likely") -> Assumptions:
        """Read a file of assumptions."""
        return cls(load(path, ASSUMPTIONS), case)

    def __getitem__(self, name: str) -> float:
        return float(self.entries[name][self.case])

    def at(self, case: Case) -> Assumptions:
        """The same in another case."""
        return Assumptions(self.entries, case)


@dataclass(frozen=True)
class Limits:
    """Where Azure draws a line, as ``limits.toml`` holds it."""

    entries: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path = LIMITS) -> Limits:
        """Read a file of limits."""
        return cls(load(path, LIMITS))

    def __getitem__(self, name: str) -> float:
        return float(self.entries[name]["amount"])
