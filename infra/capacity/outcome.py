"""What came of a simulation, and of several with other seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from infra.capacity.replica import Job

_TWO_SIDED_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t for the mean of so many runs; beyond them the normal distribution's 1.96 is near enough."""


@dataclass(frozen=True)
class Outcome:
    """One simulated stretch of time.

    Attributes:
        waits: s from the arrival of each job to the start of the attempt that ended it.
        totals: s from its arrival to its end.
        duration_seconds: of all of it, until the last replica was gone.
        paid_seconds: of all replicas, from the decision that they should be until they were gone.
        worked_seconds: of these, while they held a job.
        starts: of replicas. ``killed``: attempts that a replica took with it.
    """

    waits: tuple[float, ...]
    totals: tuple[float, ...]
    duration_seconds: float
    paid_seconds: float
    worked_seconds: float
    starts: int
    killed: int

    @classmethod
    def of(cls, jobs: Sequence[Job], duration: float, paid: float, worked: float, starts: int, killed: int) -> Outcome:
        """Of jobs that have all ended."""
        waits, totals = [], []
        for job in jobs:
            assert job.started is not None and job.ended is not None
            waits.append(job.started - job.arrived)
            totals.append(job.ended - job.arrived)
        return cls(tuple(waits), tuple(totals), duration, paid, worked, starts, killed)

    @property
    def mean_wait(self) -> float:
        """Of all jobs, s; 0 without any."""
        return float(np.mean(self.waits)) if self.waits else 0.0

    def wait(self, percentile: float) -> float:
        """That percentile of the waits, s; 0 without any job."""
        return float(np.percentile(self.waits, percentile)) if self.waits else 0.0

    def total(self, percentile: float) -> float:
        """That percentile of the times from arrival to end, s."""
        return float(np.percentile(self.totals, percentile)) if self.totals else 0.0

    @property
    def utilisation(self) -> float:
        """The share of the paid time in which a replica held a job."""
        return self.worked_seconds / self.paid_seconds if self.paid_seconds else 0.0


@dataclass(frozen=True)
class Estimate:
    """A mean over runs, and how far off it may be in 19 of 20 cases."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.0f} ± {self.half_width:.0f}"


@dataclass(frozen=True)
class Outcomes:
    """Runs that differ in their seeds alone."""

    runs: tuple[Outcome, ...]

    def estimate(self, figure: Callable[[Outcome], float]) -> Estimate:
        """The mean of a figure over the runs."""
        values = [figure(run) for run in self.runs]
        if len(values) < 2:
            return Estimate(values[0], float("nan"))
        factor = _TWO_SIDED_95.get(len(values), 1.96)
        return Estimate(float(np.mean(values)), factor * float(np.std(values, ddof=1)) / sqrt(len(values)))
