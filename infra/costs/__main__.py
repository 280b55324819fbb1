"""``python -m infra.costs`` prints what an installation costs, and where it meets its first limit, as Markdown.

Measured figures are read from ``bench.md``, what nobody measured from ``assumptions.toml``, prices and limits from
files with a date. With ``--write`` the tables take their places in the documentation.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.capacity.defaults import Defaults
from infra.costs.bench_figures import BenchFigures
from infra.costs.measured import Measured
from infra.costs.model import CostModel
from infra.costs.pages import PROJECT, printed, with_tables
from infra.costs.parameters import HERE, Assumptions, Limits, Prices
from infra.costs.report import TITLES, CostReport

PAGE = PROJECT / "docs" / "architecture" / "30-costs.md"


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if a file is, or lacks a figure."""
    options = parser().parse_args(arguments)
    try:
        tables = report(options).tables()
    except (ValueError, OSError, KeyError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    if options.write:
        PAGE.write_text(with_tables(PAGE.read_text(), tables))
        sys.stderr.write(f"wrote {PAGE.relative_to(PROJECT)}\n")
    else:
        sys.stdout.write(printed(tables, TITLES))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m infra.costs", description="Print what an installation costs, and where it meets its limits."
    )
    add_sources(top)
    top.add_argument("--limits", type=Path, default=HERE / "limits.toml", help="limits of the services")
    top.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(PROJECT)}")
    return top


def add_sources(top: argparse.ArgumentParser) -> None:
    """The options that name where figures come from."""
    top.add_argument("--prices", type=Path, default=HERE / "prices.toml", help="a price list of your own")
    top.add_argument("--assumptions", type=Path, default=HERE / "assumptions.toml", help="what was not measured")
    top.add_argument("--measured", type=Path, default=PROJECT / "bench.md", help="what was, by python -m bench")


def cost_model(options: argparse.Namespace) -> CostModel:
    """The model out of the files that were named. Raises ``FigureMissing`` or ``OSError``."""
    return CostModel(
        Prices.load(options.prices),
        Measured.of(BenchFigures.read(options.measured.read_text())),
        Assumptions.load(options.assumptions),
        Defaults.load(),
    )


def report(options: argparse.Namespace) -> CostReport:
    """What is printed."""
    return CostReport(cost_model(options), Limits.load(options.limits))


if __name__ == "__main__":
    sys.exit(main())
