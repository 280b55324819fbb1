"""``python -m infra.capacity`` simulates the queue in front of the GPU, and prints waits and costs as Markdown.

Without options it prints the tables of the documentation. With any that says what is simulated it prints
one grid of what was named; the others keep their defaults.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra.capacity.experiments import ENGINES, Laboratory
from infra.capacity.plot import draw
from infra.capacity.report import COLUMNS, TITLES, CapacityReport, cells
from infra.capacity.settings import Load
from infra.costs.__main__ import add_sources, cost_model
from infra.costs.pages import PROJECT, printed, table, with_tables
from infra.costs.parameters import CASES

PAGE = PROJECT / "docs" / "architecture" / "31-capacity.md"
PICTURE = PAGE.parent / "images" / "capacity.png"
RUNS, SEED = 5, 1
_OF_A_GRID = (
    "jobs_a_day", "min_replicas", "batch_size", "cooldown",
    "engine", "max_replicas", "polling", "counts", "peak_factor", "burst", "gap", "case",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 if a figure is missing, or one that was asked for makes no sense."""
    options = parser().parse_args(arguments)
    try:
        run(options)
    except (ValueError, OSError, KeyError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Print or write what was asked for. Raises ``ValueError``, ``OSError`` or ``KeyError``."""
    laboratory = Laboratory(cost_model(options), options.card)
    if options.plot:
        draw(laboratory, options.runs, options.seed, options.plot)
    if _of_a_grid(options):
        sys.stdout.write(grid(laboratory, options) + "\n")
        return
    tables = CapacityReport(laboratory, options.runs, options.seed).tables()
    if options.write:
        PAGE.write_text(with_tables(PAGE.read_text(), tables))
        draw(laboratory, options.runs, options.seed, PICTURE)
        sys.stderr.write(f"wrote {PAGE.relative_to(PROJECT)} and {PICTURE.relative_to(PROJECT)}\n")
    else:
        sys.stdout.write(printed(tables, TITLES))


def grid(laboratory: Laboratory, options: argparse.Namespace) -> str:
    """Every combination of what was named."""
    scale = laboratory.scale(options.case)
    rows = []
    named = itertools.product(
        options.jobs_a_day or [1000],
        options.min_replicas or [scale.min_replicas],
        options.batch_size or [scale.batch_size],
        options.cooldown or [scale.cooldown_seconds],
    )
    for jobs, least, batch, cooldown in named:
        tried = replace(
            scale.with_batch(batch) if options.batch_size else scale,
            min_replicas=least, cooldown_seconds=cooldown, max_replicas=options.max_replicas or scale.max_replicas,
            polling_seconds=options.polling or scale.polling_seconds, counts=options.counts,
        )  # fmt: skip
        load = Load(jobs, options.peak_factor, options.burst, options.gap)
        result = laboratory.setting(options.engine, load, tried, options.case).run(options.runs, options.seed)
        rows.append([f"{jobs:g}", str(least), str(batch), f"{cooldown:g}", *cells(result)])
    return table([f"{options.engine}: jobs a day", "minReplicas", "batchSize", "cooldown, s", *COLUMNS], rows, 0)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m infra.capacity",
        description="Simulate days of jobs in front of a GPU: how long they wait, and what the replicas cost. Without "
        "options of the grid: print the tables of the documentation.",
    )
    one = top.add_argument_group("grid, each with one value or several")
    one.add_argument("--jobs-a-day", type=_at_least(0), nargs="+", metavar="N")
    one.add_argument("--min-replicas", type=_at_least(0, int), nargs="+", metavar="N")
    one.add_argument(
        "--batch-size", type=_at_least(1, int), nargs="+", metavar="N", help="newBatchThreshold is half of it"
    )
    one.add_argument("--cooldown", type=_at_least(0), nargs="+", metavar="SECONDS")
    rest = top.add_argument_group("what is simulated, in a grid")
    rest.add_argument("--engine", choices=list(ENGINES), default="demucs")
    rest.add_argument("--max-replicas", type=_at_least(1, int), metavar="N")
    rest.add_argument("--polling", type=_at_least(1), metavar="SECONDS")
    rest.add_argument("--counts", choices=["all", "visible"], default="all", help="what the scale rule counts")
    rest.add_argument("--peak-factor", type=float, default=2.0, help="highest rate of the day over the mean, 1 to 2")
    rest.add_argument("--burst", type=_at_least(1, int), default=1, metavar="N", help="jobs that each client sends")
    rest.add_argument("--gap", type=_at_least(0), default=0.0, metavar="SECONDS", help="mean time between these")
    rest.add_argument("--case", choices=CASES, default="likely", help="of the assumptions")
    top.add_argument("--card", choices=["t4", "a100"], default="t4")
    top.add_argument(
        "--runs", type=_at_least(1, int), default=RUNS, help="days, each with a seed of its own (%(default)s)"
    )
    top.add_argument("--seed", type=int, default=SEED, help="of the first (%(default)s)")
    top.add_argument("--plot", type=Path, metavar="FILE", help="draw what waiting costs into a PNG file")
    top.add_argument("--write", action="store_true", help=f"put tables and plot into {PAGE.relative_to(PROJECT)}")
    add_sources(top)
    return top


def _at_least(least: int, kind: type[float] = float) -> Callable[[str], float]:
    def number(text: str) -> float:
        read = kind(text)
        if not read >= least:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return read

    return number


def _of_a_grid(options: argparse.Namespace) -> bool:
    usual = parser()
    return any(getattr(options, name) != usual.get_default(name) for name in _OF_A_GRID)


if __name__ == "__main__":
    sys.exit(main())
