"""What a check found: a file, a line and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that would fail a deployment, or make it something else than was meant.

    Attributes:
        file: relative to the top of the repository.
        line: 1-based; ``None`` where the whole file is meant.
        detail: what is wrong, and what would be right where that is known.
    """

    file: str
    line: int | None
    detail: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.detail}"
