"""A replica: it starts, takes messages, works on several at once, and is to go one day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import simpy

from infra.capacity.settings import Work

_NUMBERS = count()


@dataclass(eq=False)
class Job:
    """One job.

    Attributes:
        left_seconds: what is left of the work, as it would take alone.
        started: when its last attempt began; ``ended``: when it was done.
    """

    arrived: float
    left_seconds: float
    started: float | None = None
    ended: float | None = None


class Replica:
    """Shares its time among the jobs that it holds: with n of them, each goes on at ``work.speed(n)``."""

    def __init__(self, env: simpy.Environment, work: Work, done: Callable[[Replica, Job], None]) -> None:
        self.number = next(_NUMBERS)
        self.created = env.now
        self.ready = False
        self.leaving = False
        self.jobs: list[Job] = []
        self.worked_seconds = 0.0
        self._env, self._work, self._done = env, work, done
        self._looked_at = env.now
        self._alarm = 0  # only the last one set counts

    def take(self, job: Job) -> None:
        """Begin a job beside those that run."""
        self._catch_up()
        job.started = self._env.now
        self.jobs.append(job)
        self._set_alarm()

    def drop(self) -> list[Job]:
        """Stop at once. What is done of the jobs stays: it is in storage, and the next attempt goes on after it."""
        self._catch_up()
        dropped, self.jobs = self.jobs, []
        self._alarm += 1
        return dropped

    def _catch_up(self) -> None:
        passed = self._env.now - self._looked_at
        self._looked_at = self._env.now
        if self.jobs:
            self.worked_seconds += passed
            done = passed * self._work.speed(len(self.jobs))
            for job in self.jobs:
                job.left_seconds -= done

    def _set_alarm(self) -> None:
        self._alarm += 1
        if not self.jobs:
            return
        number = self._alarm
        next_job = min(self.jobs, key=lambda job: job.left_seconds)
        wait = self._env.timeout(max(0.0, next_job.left_seconds) / self._work.speed(len(self.jobs)))
        wait.callbacks.append(lambda _: self._end(next_job) if number == self._alarm else None)

    def _end(self, job: Job) -> None:
        self._catch_up()
        self.jobs.remove(job)
        job.ended = self._env.now
        self._set_alarm()
        self._done(self, job)
