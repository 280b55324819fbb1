"""How long something that scales to zero is paid for."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot


@dataclass(frozen=True)
class Duty:
    """What one job keeps busy; all in seconds.

    Attributes:
        alone: how long it takes when nothing else runs.
        crowded: its share of a replica's time when many run.
        startup: paid for, before the first job of a replica starts.
        idle: paid for, after its last job has ended.
        utilisation: the share of the paid time, at many jobs, that jobs use.
    """

    alone: float
    crowded: float
    startup: float = 0.0
    idle: float = 0.0
    utilisation: float = 1.0

    def paid_seconds_per_second(self, jobs_per_second: float) -> float:
        """The replicas that are paid for, on average.

        Few jobs meet at one replica, which is there as long as one came within the time that it serves and waits: with
        Poisson arrivals at rate r for a share 1 - exp(-r·t) of the time, and it starts r·exp(-r·t) times a second. Of
        many jobs the work counts alone. In between both count: their squares are added, which meets the simulation of
        capacity within a third (``test_the_formula_is_near_the_simulation``).
        """
        away = exp(-jobs_per_second * (self.alone + self.idle))
        few = (1 - away) + jobs_per_second * away * self.startup
        many = jobs_per_second * self.crowded / self.utilisation
        return hypot(few, many)
