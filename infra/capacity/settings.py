"""What is simulated: arrivals, the work of a job, the cold start of a replica, and how replicas come and go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infra.capacity.defaults import Defaults

DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Load:
    """When jobs arrive: a Poisson process whose rate goes up and down once a day.

    Attributes:
        jobs_a_day: the mean.
        peak_factor: the highest rate over the mean, 1 to 2; at 2 it falls to 0 in the night.
        burst: how many jobs each client sends; an album has a dozen songs.
        gap_seconds: the mean time from one of them to the next: 0 for all at once, minutes for somebody who listens.
        duration_seconds: arrivals end after so long.
    """

    jobs_a_day: float
    peak_factor: float = 2.0
    burst: int = 1
    gap_seconds: float = 0.0
    duration_seconds: float = DAY_SECONDS

    def __post_init__(self) -> None:
        if not 1 <= self.peak_factor <= 2:
            raise ValueError(f"the peak factor of a sine is 1 to 2, not {self.peak_factor}")

    def arrivals(self, rng: np.random.Generator) -> list[float]:
        """The times of all jobs, ascending: drawn at the highest rate, and kept with the share of it that holds."""
        highest = self.jobs_a_day / self.burst / DAY_SECONDS * self.peak_factor
        drawn = np.sort(rng.uniform(0, self.duration_seconds, rng.poisson(highest * self.duration_seconds)))
        kept = drawn[rng.uniform(0, self.peak_factor, len(drawn)) < self._relative_rate(drawn)]
        gaps = rng.exponential(self.gap_seconds, (len(kept), self.burst))
        gaps[:, 0] = 0
        return [float(time) for time in np.sort((kept[:, None] + gaps.cumsum(axis=1)).ravel())]

    def _relative_rate(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rate over its mean, lowest at midnight."""
        return 1 - (self.peak_factor - 1) * np.cos(2 * np.pi * times / DAY_SECONDS)


@dataclass(frozen=True)
class Work:
    """The work of a job.

    Attributes:
        alone_seconds: the mean, of a job with nothing beside it.
        serial_share: what each further job beside it adds, as a share of that: 0 if jobs share a replica for nothing,
            1 if they share its time.
        variation: the standard deviation over the mean: 0 makes all jobs alike, 1 draws from an exponential
            distribution, and all between from a gamma distribution.
    """

    alone_seconds: float
    serial_share: float
    variation: float = 0.5

    def draw(self, rng: np.random.Generator, jobs: int) -> list[float]:
        """How long so many jobs take alone."""
        if self.variation == 0:
            return [self.alone_seconds] * jobs
        shape = self.variation**-2
        return [float(seconds) for seconds in rng.gamma(shape, self.alone_seconds / shape, jobs)]

    def speed(self, jobs: int) -> float:
        """How fast each of so many jobs at one replica goes on; 1 is as if alone."""
        return 1 / (1 + (jobs - 1) * self.serial_share)


@dataclass(frozen=True)
class Scale:
    """How replicas come and go: the settings of Container Apps' rule for a queue, and of the host's queue trigger.

    Attributes:
        start_seconds: from the decision to a replica that takes messages: image, host, model.
        counts: what the rule looks at: ``all`` messages, those in work among them, or only the ``visible`` ones.
        grace_seconds: how long a replica that is to go may finish what it holds.
        comes_back_seconds: until the job of a replica that was killed is in the queue again: its lease, and on
            average half of what passes between two runs of housekeeping.
    """

    batch_size: int = 4
    new_batch_threshold: int = 2
    min_replicas: int = 0
    max_replicas: int = 10
    cooldown_seconds: float = 300.0
    polling_seconds: float = 30.0
    start_seconds: float = 60.0
    counts: Literal["all", "visible"] = "all"
    grace_seconds: float = 600.0
    comes_back_seconds: float = 90.0

    @classmethod
    def of(cls, defaults: Defaults, start_seconds: float) -> Scale:
        """The recommended settings."""
        return cls(
            batch_size=defaults.batch_size,
            new_batch_threshold=defaults.new_batch_threshold,
            min_replicas=defaults.min_replicas,
            max_replicas=defaults.max_replicas,
            cooldown_seconds=defaults.cooldown_period,
            polling_seconds=defaults.polling_interval,
            start_seconds=start_seconds,
        )

    def with_batch(self, batch_size: int) -> Scale:
        """Another size of batches, with half of it as the threshold, which is the host's own default."""
        return replace(self, batch_size=batch_size, new_batch_threshold=batch_size // 2)
