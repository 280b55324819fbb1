"""What is counted: whole numbers, which add up exactly over processes and in whatever order.

A key names what is counted, and then its labels: ``("jobs", "separation", "completed", "demucs")``. Times are counted
twice: in the bucket that they fall into, and as a sum of microseconds. A sum of floats would depend on the order of its
terms; a counter that seems to fall by a rounding looks to Prometheus as if it had started again from zero.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from core.jobs.model import Job, JobKind, JobStatus
from core.ports import EngineInfo, Task
from core.webhooks.retry import DeliveryStatus

Key = tuple[str, ...]
Counts = Counter[Key]

JOBS, DELIVERIES, SOUNDS = "jobs", "deliveries", "sounds"
DURATION, WAIT = "duration", "wait"

BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Upper bounds, from a note of the default engine to an hour of music on a CPU."""

ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)
HIT, MISS, DERIVED = "hit", "miss", "derived"

_TASKS: dict[JobKind, Task] = {
    JobKind.GENERATION: "generation",
    JobKind.SEPARATION: "separation",
    JobKind.SOUND: "sound",
    JobKind.SOUND_BATCH: "sound",
    JobKind.EFFECTS: "effects",
    JobKind.ANALYSIS: "analysis",
    JobKind.ACCOMPANIMENT: "generation",
    JobKind.BRIDGE: "bridge",
}
_MICROSECOND = timedelta(microseconds=1)


def zeros(catalogue: Iterable[EngineInfo]) -> Counts:
    """Every count that is known before anything has happened, at 0; those of times begin with nothing."""
    engines = list(catalogue)
    keys: list[Key] = [
        (JOBS, kind, status, engine.name)
        for kind, task in _TASKS.items()
        for engine in engines
        if task in engine.tasks
        for status in ENDED
    ]
    keys += [(DELIVERIES, outcome) for outcome in DeliveryStatus]
    keys += [(SOUNDS, outcome) for outcome in (HIT, MISS, DERIVED)]
    return Counter(dict.fromkeys(keys, 0))


def counts_of(job: Job) -> Counts:
    """What the end of a job adds: itself, how long it waited and worked if it did, and where its sounds came from."""
    counts: Counts = Counter({(JOBS, job.kind, job.status, job.engine.name): 1})
    if job.started_at and job.finished_at:
        _observe(counts, WAIT, job.kind, job.started_at - (job.retried_at or job.created_at))
        _observe(counts, DURATION, job.kind, job.finished_at - job.started_at)
    if job.status is JobStatus.COMPLETED:
        counts.update({(SOUNDS, outcome): number for outcome, number in _sounds(job).items()})
    return counts


def histogram(counts: Counts, name: str, kind: str) -> tuple[list[tuple[str, int]], float]:
    """``(upper bound, how many took at most that long)`` of each bucket, and the sum in seconds.

    Counts under bounds that another version used go into the next larger bucket.
    """
    found = {float(key[2]): number for key, number in counts.items() if key[:2] == (name, kind)}
    bounds = [*map(float, BUCKETS_SECONDS), float("inf")]
    cumulative = [(_text(bound), sum(number for at, number in found.items() if at <= bound)) for bound in bounds]
    return cumulative, counts[f"{name}_microseconds", kind] / 1e6


def _observe(counts: Counts, name: str, kind: str, time: timedelta) -> None:
    time = max(time, timedelta(0))  # two machines' clocks may disagree
    index = bisect_left(BUCKETS_SECONDS, time.total_seconds())
    bound = BUCKETS_SECONDS[index] if index < len(BUCKETS_SECONDS) else float("inf")
    counts[name, kind, _text(bound)] += 1
    counts[f"{name}_microseconds", kind] += time // _MICROSECOND


def _text(bound: float) -> str:
    return "+Inf" if bound == float("inf") else f"{float(bound)}"


def _sounds(job: Job) -> dict[str, int]:
    """How many sounds were found in the bank, made anew and made from others, as far as the result says."""
    result = job.result or {}
    if job.kind is JobKind.SOUND_BATCH:
        named = {HIT: result.get("found"), MISS: result.get("made"), DERIVED: result.get("derived")}
        return {outcome: number for outcome, number in named.items() if isinstance(number, int)}
    if job.kind is not JobKind.SOUND or "cached" not in result:
        return {}
    return {HIT if result["cached"] else DERIVED if result.get("derived") else MISS: 1}
