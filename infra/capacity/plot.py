"""The picture: what waiting costs, by cooldown and by replicas that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infra.capacity.experiments import Laboratory, Result
from infra.capacity.report import session

COOLDOWNS = (10, 30, 60, 120, 180, 300, 450, 600, 900, 1200, 1800, 3600)
LOADS = (10, 100, 1000)
_TICKS = (10, 30, 100, 300, 1000)
_INCHES = (8.0, 5.0)
_DOTS_PER_INCH = 110


def draw(laboratory: Laboratory, runs: int, seed: int, path: Path) -> None:
    """Mean wait over cost a month: a line for each load, a point for each cooldown, a star for one that stays."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=_INCHES)
    scale = laboratory.scale()
    for jobs in LOADS:
        settings = [replace(scale, cooldown_seconds=seconds) for seconds in COOLDOWNS]
        results = [laboratory.setting("demucs", session(jobs), one).run(runs, seed) for one in settings]
        costs, waits = [result.cost_a_month for result in results], [mean_wait(result) for result in results]
        (line,) = axes.plot(costs, waits, "o-", markersize=4, label=f"{jobs:,} jobs a day")
        default = COOLDOWNS.index(round(scale.cooldown_seconds))
        axes.plot(costs[default], waits[default], "o", markersize=11, markerfacecolor="none", color=line.get_color())
        stays = laboratory.setting("demucs", session(jobs), replace(scale, min_replicas=1)).run(runs, seed)
        axes.plot(stays.cost_a_month, mean_wait(stays), "*", markersize=12, color=line.get_color())
        for seconds, cost, wait in zip(COOLDOWNS, costs, waits, strict=True):
            if seconds in (COOLDOWNS[0], COOLDOWNS[-1]):
                axes.annotate(f"{seconds} s", (cost, wait), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks(_TICKS, [f"{dollars:,}" for dollars in _TICKS])
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    axes.set_ylim(bottom=-3)
    axes.set_xlabel(f"{laboratory.card.upper()} replicas, $ a month")
    axes.set_ylabel("mean wait of a job, s")
    axes.set_title(
        "demucs, clients who send five songs each: points are cooldowns from 10 s to an hour\n"
        f"(circle: {scale.cooldown_seconds:g} s, the default), star: one replica that never goes",
        fontsize=10,
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})
    pyplot.close(figure)


def mean_wait(result: Result) -> float:
    """Over all jobs of all runs, s."""
    waits = [wait for run in result.outcomes.runs for wait in run.waits]
    return sum(waits) / len(waits)
