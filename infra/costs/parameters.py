"""The files of prices, assumptions and limits."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
Case = Literal["low", "likely", "high"]
CASES: tuple[Case, ...] = ("low", "likely", "high")
_OPERATIONS = 10_000  # the unit in which storage is billed


@dataclass(frozen=True)
class Prices:
    """A price list as ``prices.toml`` holds it. A name that it lacks is a ``KeyError``."""

    entries: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path = HERE / "prices.toml") -> Prices:
        """Read a file of prices."""
        return cls(tomllib.loads(path.read_text()))

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
    def load(cls, path: Path = HERE / "assumptions.toml", case: Case = "likely") -> Assumptions:
        """Read a file of assumptions."""
        return cls(tomllib.loads(path.read_text()), case)

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
    def load(cls, path: Path = HERE / "limits.toml") -> Limits:
        """Read a file of limits."""
        return cls(tomllib.loads(path.read_text()))

    def __getitem__(self, name: str) -> float:
        return float(self.entries[name]["amount"])
