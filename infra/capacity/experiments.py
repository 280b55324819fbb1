"""Settings that are tried, and what comes of them: rows of the tables of ``python -m infra.capacity``."""

from __future__ import annotations

from dataclasses import dataclass

from infra.capacity.outcome import Outcomes
from infra.capacity.settings import Load, Scale, Work
from infra.capacity.simulation import simulate
from infra.costs.jobs import GpuService, Usage, generation, separation
from infra.costs.model import MONTH_SECONDS, CostModel, cold_start_seconds
from infra.costs.parameters import Assumptions, Case

ENGINES = {"demucs": separation, "musicgen": generation}


@dataclass(frozen=True)
class Setting:
    """One simulated situation: who works, how much comes, how replicas come and go."""

    engine: str
    load: Load
    work: Work
    scale: Scale
    card_second: float  # what a replica costs, $

    def run(self, runs: int, seed: int) -> Result:
        """Simulate it so many times; the seeds follow one another."""
        simulated = [simulate(self.load, self.work, self.scale, seed + number) for number in range(runs)]
        return Result(self, Outcomes(tuple(simulated)))


@dataclass(frozen=True)
class Result:
    """What came of it."""

    setting: Setting
    outcomes: Outcomes

    @property
    def paid_seconds_a_job(self) -> float:
        """Of all replicas, over all runs."""
        jobs = sum(len(run.waits) for run in self.outcomes.runs)
        return sum(run.paid_seconds for run in self.outcomes.runs) / jobs if jobs else 0.0

    @property
    def cost_a_job(self) -> float:
        """What they cost for each job, $."""
        return self.paid_seconds_a_job * self.setting.card_second

    @property
    def cost_a_month(self) -> float:
        """The replicas that were there on average, for a month, $."""
        seconds = self.outcomes.estimate(lambda run: run.paid_seconds / run.duration_seconds).mean
        return seconds * MONTH_SECONDS * self.setting.card_second


@dataclass(frozen=True)
class Laboratory:
    """Makes settings out of what was measured and assumed."""

    costs: CostModel
    card: str = "t4"

    def usage(self, engine: str, case: Case = "likely") -> Usage:
        """What a job of this engine uses."""
        return ENGINES[engine](self.costs.measured, self.costs.assumed.at(case), self.card)

    def setting(self, engine: str, load: Load, scale: Scale | None = None, case: Case = "likely") -> Setting:
        """The situation; without a scale the recommended one."""
        assumed = self.costs.assumed.at(case)
        service = self.usage(engine, case).gpu
        assert service is not None
        work = work_of(service, assumed)
        scale = scale or self.scale(case)
        return Setting(engine, load, work, scale, self.costs.card_second(self.card))

    def scale(self, case: Case = "likely") -> Scale:
        """The recommended settings, with the cold start of that case."""
        return Scale.of(self.costs.defaults, cold_start_seconds(self.costs.measured, self.costs.assumed.at(case)))


def work_of(service: GpuService, assumed: Assumptions) -> Work:
    """What a job's use of a GPU is in the simulation."""
    return Work(service.alone_seconds, service.serial_share, assumed["job_variation"])
