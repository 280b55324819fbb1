"""Tables in pages of the documentation: printed by a script between two marks, so that nobody types a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """The page with each table at its mark. Raises ``KeyError`` for a mark that has none."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{tables[mark[2]]}\n\n{mark[3]}", page)


def marks(page: str) -> list[str]:
    """The names of the tables that a page shows."""
    return [mark[2] for mark in _MARKED.finditer(page)]


def printed(tables: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """All tables under their titles."""
    return "\n\n".join(f"## {titles[name]}\n\n{table}" for name, table in tables.items()) + "\n"


def table(columns: list[str], rows: list[list[str]], text_columns: int = 1) -> str:
    """A Markdown table; so many columns from the left hold words, the others figures."""
    rule = ["---"] * text_columns + ["---:"] * (len(columns) - text_columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, rule, *rows])


def figure(value: float) -> str:
    """Two digits that count, and no more than are needed to say so."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        digits = len(str(round(abs(value))))
        return f"{round(value, 2 - digits):,.0f}"
    return f"{float(f'{value:.2g}'):.10f}".rstrip("0").rstrip(".")
