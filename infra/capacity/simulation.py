"""The simulation: messages in a queue, replicas that take them, and a rule that looks at the queue now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from functools import partial

import numpy as np
import simpy

from infra.capacity.outcome import Outcome
from infra.capacity.replica import Job, Replica
from infra.capacity.scaler import Scaler
from infra.capacity.settings import Load, Scale, Work

_Process = Generator[simpy.Event, None, None]


def simulate(load: Load, work: Work, scale: Scale, seed: int) -> Outcome:
    """Let all jobs of ``load`` come and be done, and the replicas go; the same seed gives the same outcome."""
    rng = np.random.default_rng(seed)
    arrivals = load.arrivals(rng)
    times = work.draw(rng, len(arrivals))
    jobs = [Job(arrived, seconds) for arrived, seconds in zip(arrivals, times, strict=True)]
    return _Simulation(jobs, work, scale, rng).run(load.duration_seconds)


class _Simulation:
    def __init__(self, jobs: list[Job], work: Work, scale: Scale, rng: np.random.Generator) -> None:
        self._env = simpy.Environment()
        self._jobs, self._work, self._scale, self._rng = jobs, work, scale, rng
        self._queue: deque[Job] = deque()
        self._replicas: list[Replica] = []
        self._paid_seconds = self._worked_seconds = 0.0
        self._starts = self._killed = 0
        self._left = len(jobs)

    def run(self, duration_seconds: float) -> Outcome:
        for _ in range(self._scale.min_replicas):
            self._add(ready=True)
        self._env.process(self._arrivals())
        self._env.run(self._env.process(self._polls(duration_seconds)))
        for replica in list(self._replicas):
            self._remove(replica)
        return Outcome.of(
            self._jobs, self._env.now, self._paid_seconds, self._worked_seconds, self._starts, self._killed
        )

    # Messages

    def _arrivals(self) -> _Process:
        for job in self._jobs:
            if job.arrived > self._env.now:
                yield self._env.timeout(job.arrived - self._env.now)
            self._send(job)

    def _send(self, job: Job) -> None:
        self._queue.append(job)
        self._deliver()

    def _come_back(self, job: Job, _: simpy.Event) -> None:
        self._send(job)

    def _deliver(self) -> None:
        """Let hosts that have room fetch a batch each, in no certain order, while there are messages."""
        while self._queue:
            able = [replica for replica in self._replicas if self._fetches(replica)]
            if not able:
                return
            self._fetch(able[int(self._rng.integers(len(able)))])

    def _fetches(self, replica: Replica) -> bool:
        return replica.ready and not replica.leaving and len(replica.jobs) <= self._scale.new_batch_threshold

    def _fetch(self, replica: Replica) -> None:
        for _ in range(min(self._scale.batch_size, len(self._queue))):
            replica.take(self._queue.popleft())

    def _done(self, replica: Replica, job: Job) -> None:
        self._left -= 1
        if replica.leaving and not replica.jobs:
            self._remove(replica)
        else:
            self._deliver()

    # Replicas

    def _polls(self, duration_seconds: float) -> _Process:
        """Until all is over; the first poll falls anywhere within an interval of the first arrival."""
        scaler = Scaler(self._scale)
        yield self._env.timeout(float(self._rng.uniform(0, self._scale.polling_seconds)))
        while self._env.now < duration_seconds or self._left or self._current() > self._scale.min_replicas:
            self._scale_to(scaler.replicas(self._env.now, self._counted(), len(self._current_replicas())))
            yield self._env.timeout(self._scale.polling_seconds)

    def _counted(self) -> int:
        in_work = sum(len(replica.jobs) for replica in self._replicas) if self._scale.counts == "all" else 0
        return len(self._queue) + in_work

    def _current_replicas(self) -> list[Replica]:
        return [replica for replica in self._replicas if not replica.leaving]

    def _current(self) -> int:
        return len(self._current_replicas())

    def _scale_to(self, wanted: int) -> None:
        current = self._current_replicas()
        for _ in range(wanted - len(current)):
            self._add()
        for replica in current[wanted:]:  # the newest go first, whatever they hold
            self._let_go(replica)

    def _add(self, ready: bool = False) -> None:
        replica = Replica(self._env, self._work, self._done)
        self._replicas.append(replica)
        if ready:
            replica.ready = True
            return
        self._starts += 1
        wait = self._env.timeout(self._scale.start_seconds)
        wait.callbacks.append(lambda _: self._begin(replica))

    def _begin(self, replica: Replica) -> None:
        replica.ready = True
        self._deliver()

    def _let_go(self, replica: Replica) -> None:
        replica.leaving = True
        if not replica.jobs:
            self._remove(replica)
            return
        wait = self._env.timeout(self._scale.grace_seconds)
        wait.callbacks.append(lambda _: self._kill(replica))

    def _kill(self, replica: Replica) -> None:
        if replica not in self._replicas:
            return
        for job in replica.drop():
            self._killed += 1
            back = self._env.timeout(self._scale.comes_back_seconds)
            back.callbacks.append(partial(self._come_back, job))
        self._remove(replica)

    def _remove(self, replica: Replica) -> None:
        self._replicas.remove(replica)
        self._paid_seconds += self._env.now - replica.created
        self._worked_seconds += replica.worked_seconds
