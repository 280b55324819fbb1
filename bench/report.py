"""What a benchmark says: a table, and goals that the measurement decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """A figure and its limit; ``text`` names the limit in words."""

    text: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the measured figure keeps the limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        return f"Goal: {self.text}. Measured: {self.measured:.3g}. **{'met' if self.met else 'missed'}**"


@dataclass(frozen=True)
class Table:
    """A Markdown table; the first column holds names, the others figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Section:
    """One part of ``bench.md``."""

    title: str
    text: str
    tables: Sequence[Table] = ()
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = field(default=())

    def markdown(self) -> str:
        """The section with its heading."""
        parts = [f"## {self.title}", self.text, *map(str, self.tables), *self.notes]
        if self.goals:
            parts.append("\n".join(f"- {goal}" for goal in self.goals))
        return "\n\n".join(parts) + "\n"
