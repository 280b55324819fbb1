"""Figures out of ``bench.md``, found by section, row and column, so that none is typed a second time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Row = tuple[str, ...]
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class FigureMissing(ValueError):
    """``bench.md`` has no such figure: its section must be measured (again) by ``python -m bench SECTION --write``."""


@dataclass(frozen=True)
class BenchFigures:
    """The tables of ``bench.md``, by the titles of their sections; the first row of each holds its columns."""

    sections: dict[str, list[list[Row]]]

    @classmethod
    def read(cls, report: str) -> BenchFigures:
        """Take a report apart."""
        sections: dict[str, list[list[Row]]] = {}
        for part in re.split(r"^## ", report, flags=re.MULTILINE)[1:]:
            title, _, body = part.partition("\n")
            sections[title.strip()] = list(_tables(body.splitlines()))
        return cls(sections)

    def figure(self, section: str, row: str, column: str) -> float:
        """The number in that cell. Raises ``FigureMissing``."""
        for columns, *rows in self.sections.get(section, []):
            for cells in rows:
                if cells[0] == row and column in columns[1:]:
                    return _number(cells[columns.index(column, 1)])
        raise FigureMissing(f"bench.md, section {section!r}, has no row {row!r} with a column {column!r}")

    def rows(self, section: str, column: str) -> list[str]:
        """The first cells of the table that has this column. Raises ``FigureMissing``."""
        for columns, *rows in self.sections.get(section, []):
            if column in columns:
                return [cells[0] for cells in rows]
        raise FigureMissing(f"bench.md, section {section!r}, has no table with a column {column!r}")


def _number(cell: str) -> float:
    match = _NUMBER.match(cell)
    if not match:
        raise FigureMissing(f"{cell!r} is not a number")
    return float(match[0])


def _tables(lines: Sequence[str]) -> Iterator[list[Row]]:
    table: list[Row] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip()[1:-1].split("|"))
            if not set("".join(cells)) <= set("-: "):
                table.append(cells)
        elif table:
            yield table
            table = []
