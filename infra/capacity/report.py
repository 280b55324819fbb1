"""The tables of ``python -m infra.capacity``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from infra.capacity.experiments import ENGINES, Laboratory, Result, Setting
from infra.capacity.settings import Load
from infra.costs.model import cold_start_seconds, weights_mb
from infra.costs.pages import figure, table
from infra.costs.parameters import CASES

TITLES = {
    "defaults": "The defaults",
    "inputs": "What goes in",
    "loads": "The defaults at several loads",
    "min-replicas": "minReplicas",
    "cooldown": "cooldownPeriod",
    "batch-size": "batchSize",
    "bursts": "Bursts of 50 jobs, by batchSize",
    "polling": "pollingInterval",
    "counts": "What the scale rule counts",
    "cases": "The cheapest and the dearest assumptions",
}
COLUMNS = (
    "wait, s: mean", "p50", "p95", "longest", "until done, s: p50", "p95",
    "replica-seconds a job", "$ for 1,000 jobs", "$ a month", "busy", "starts a day",
)  # fmt: skip
SESSION_JOBS, SESSION_GAP_SECONDS = 5, 180.0
BURST_JOBS = 50


def session(jobs_a_day: float) -> Load:
    """Clients who send five songs each, one every three minutes or so, more by day than by night."""
    return Load(jobs_a_day, burst=SESSION_JOBS, gap_seconds=SESSION_GAP_SECONDS)


def cells(result: Result) -> list[str]:
    """A row of figures under ``COLUMNS``."""
    outcomes = result.outcomes
    return [
        str(outcomes.estimate(lambda run: run.mean_wait)),
        str(outcomes.estimate(lambda run: run.wait(50))),
        str(outcomes.estimate(lambda run: run.wait(95))),
        figure(max(run.wait(100) for run in outcomes.runs)),
        str(outcomes.estimate(lambda run: run.total(50))),
        str(outcomes.estimate(lambda run: run.total(95))),
        figure(result.paid_seconds_a_job),
        figure(1000 * result.cost_a_job),
        figure(result.cost_a_month),
        f"{outcomes.estimate(lambda run: run.utilisation).mean:.0%}",
        figure(outcomes.estimate(lambda run: run.starts / run.duration_seconds * 86400).mean),
    ]


@dataclass(frozen=True)
class CapacityReport:
    """Tables of simulated situations, each the mean of ``runs`` days whose seeds begin with ``seed``."""

    laboratory: Laboratory
    runs: int
    seed: int

    def tables(self) -> dict[str, str]:
        """Every table, by its name."""
        return {
            "defaults": self.defaults(),
            "inputs": self.inputs(),
            "loads": self.loads(),
            "min-replicas": self.min_replicas(),
            "cooldown": self.cooldown(),
            "batch-size": self.batch_size(),
            "bursts": self.bursts(),
            "polling": self.polling(),
            "counts": self.counts(),
            "cases": self.cases(),
        }

    def defaults(self) -> str:
        """``defaults.json``, as a table."""
        found = self.laboratory.costs.defaults
        rows = [
            ["`batchSize`", "`host.json`", str(found.batch_size)],
            ["`newBatchThreshold`", "`host.json`", str(found.new_batch_threshold)],
            ["`minReplicas`", "the app's `scale`", str(found.min_replicas)],
            ["`maxReplicas`", "the app's `scale`", str(found.max_replicas)],
            ["`cooldownPeriod`", "the app's `scale`", f"{found.cooldown_period:g} s"],
            ["`pollingInterval`", "the app's `scale`", f"{found.polling_interval:g} s"],
        ]
        return table(["setting", "where", "default"], rows, text_columns=2)

    def inputs(self) -> str:
        """Service times and cold starts, in all cases."""
        costs = self.laboratory.costs
        rows = []
        for engine in ENGINES:
            services = [self.laboratory.usage(engine, case).gpu for case in CASES]
            rows.append([f"{engine}: a job alone, s", *(figure(one.alone_seconds) for one in services if one)])
            rows.append([f"{engine}: a further job adds", *(f"{one.serial_share:.0%}" for one in services if one)])
        assumed = [costs.assumed.at(case) for case in CASES]
        pulls = [one["image_gb"] * 1000 / one["pull_mb_per_second"] for one in assumed]
        rows += [
            ["cold start: image, s", *map(figure, pulls)],
            ["cold start: card and host, s", *(figure(one["start_seconds"]) for one in assumed)],
            ["cold start: weights, s", *(figure(weights_mb() / one["weights_mb_per_second"]) for one in assumed)],
            ["cold start: model (measured), s", *[figure(costs.measured.model_load_seconds)] * len(CASES)],
            ["cold start, s", *(figure(cold_start_seconds(costs.measured, one)) for one in assumed)],
        ]
        return table([self.laboratory.card.upper(), *CASES], rows)

    def loads(self) -> str:
        """Jobs at random, and sessions."""
        loads = {f"{jobs:,} a day": Load(jobs) for jobs in (10, 100, 1000, 10_000)}
        loads["100 a day in sessions"] = session(100)
        return self._table(
            "jobs",
            ((f"{engine}, {name}", self._setting(engine, load)) for engine in ENGINES for name, load in loads.items()),
        )

    def min_replicas(self) -> str:
        """How much waiting a replica that never goes takes away."""
        scale = self.laboratory.scale()
        return self._table(
            "`minReplicas`, demucs",
            (
                (f"{least}, {jobs:,} a day", self._setting("demucs", Load(jobs), min_replicas=least))
                for jobs in (100, 1000, 10_000)
                for least in (scale.min_replicas, 1, 2)
            ),
        )

    def cooldown(self) -> str:
        """How long the last replica waits for more."""
        return self._table(
            "`cooldownPeriod`, demucs, sessions",
            (
                (f"{seconds} s, {jobs:,} a day", self._setting("demucs", session(jobs), cooldown_seconds=seconds))
                for jobs in (10, 100, 1000)
                for seconds in (30, 120, 300, 600, 1800)
            ),
        )

    def batch_size(self) -> str:
        """How many messages a replica takes."""
        return self._table(
            "`batchSize`",
            (
                (f"{size}, {engine}, {jobs:,} a day", self._batch(engine, Load(jobs), size))
                for engine in ENGINES
                for jobs in (1000, 10_000)
                for size in (1, 2, 4, 8, 16)
            ),
        )

    def bursts(self) -> str:
        """The same where many jobs come at once."""
        return self._table(
            "`batchSize`, bursts",
            (
                (f"{size}, {engine}", self._batch(engine, Load(1000, burst=BURST_JOBS), size))
                for engine in ENGINES
                for size in (1, 2, 4, 8, 16)
            ),
        )

    def polling(self) -> str:
        """How often the rule looks."""
        return self._table(
            "`pollingInterval`, demucs",
            (
                (f"{seconds} s, {jobs:,} a day", self._setting("demucs", Load(jobs), polling_seconds=seconds))
                for jobs in (100, 1000, 10_000)
                for seconds in (10, 15, 30)
            ),
        )

    def counts(self) -> str:
        """Messages in work count, or they do not."""
        return self._table(
            "counted, demucs",
            (
                (f"{counted}, {jobs:,} a day", self._setting("demucs", Load(jobs), counts=counted))
                for jobs in (1000, 10_000)
                for counted in ("all", "visible")
            ),
        )

    def cases(self) -> str:
        """The same defaults under other assumptions."""
        return self._table(
            "1,000 jobs a day",
            (
                (f"{engine}, {case}", self.laboratory.setting(engine, Load(1000), case=case))
                for engine in ENGINES
                for case in CASES
            ),
        )

    def _setting(self, engine: str, load: Load, **changes: object) -> Setting:
        return self.laboratory.setting(engine, load, replace(self.laboratory.scale(), **changes))  # type: ignore[arg-type] # the names and types of Scale's own fields

    def _batch(self, engine: str, load: Load, size: int) -> Setting:
        return self.laboratory.setting(engine, load, self.laboratory.scale().with_batch(size))

    def _table(self, head: str, rows: Iterable[tuple[str, Setting]]) -> str:
        return table([head, *COLUMNS], [[name, *cells(setting.run(self.runs, self.seed))] for name, setting in rows])
