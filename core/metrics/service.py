"""What a scrape reads: the counts of all processes, and what can be seen at the moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

from core.jobs.messages import POISON_SUFFIX, QUEUES
from core.jobs.model import JobKind, JobStatus
from core.jobs.store import JobStore
from core.metrics.counters import Counters
from core.metrics.counts import Counts, zeros
from core.metrics.rows import MetricRows, ProcessRow
from core.ports import Clock, Engines, Queues

SILENT_FOR = timedelta(days=1)
"""How long a process writes nothing before its row is folded."""

ALIVE_FOR = timedelta(minutes=2)
"""How long after its last write a process counts as there, for what it keeps loaded."""

_UNFINISHED = (JobStatus.QUEUED, JobStatus.PROCESSING)
_AT_ONCE = 8  # requests to storage


@dataclass(frozen=True)
class Readings:
    """One scrape.

    Attributes:
        counts: of all processes there ever were, those included that are zero.
        jobs: how many are queued and processing, by kind and status; counted up to 1,000 each.
        queues: about how many messages each queue holds.
        loaded: how many processes keep a model warm, by engine and model.
    """

    counts: Counts
    jobs: dict[tuple[JobKind, JobStatus], int]
    queues: dict[str, int]
    loaded: Counter[tuple[str, str]]


@dataclass(frozen=True)
class Metrics:
    """The metrics of the installation, the same whichever process is asked."""

    counters: Counters
    rows: MetricRows
    jobs: JobStore
    queues: Queues
    engines: Engines
    clock: Clock

    def read(self) -> Readings:
        """Take the readings. Raises ``StorageUnavailable``.

        What this process counted is written first, and then only what is written counts: otherwise the next scrape,
        answered by another process, could find less than this one, and Prometheus would take that for a restart.
        """
        self.counters.write()
        totals = self.rows.totals()
        counts = zeros(self.engines.catalogue())
        counts.update(totals.counts)
        kinds = list(product(JobKind, _UNFINISHED))
        queues = [queue + suffix for suffix in ("", POISON_SUFFIX) for queue in QUEUES]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            unfinished = pool.map(lambda pair: self.jobs.count(pair[1], pair[0]), kinds)
            messages = pool.map(self.queues.count, queues)
            jobs, depths = dict(zip(kinds, unfinished, strict=True)), dict(zip(queues, messages, strict=True))
        return Readings(counts, jobs, depths, self._loaded(totals.processes))

    def fold(self) -> int:
        """Fold the rows of processes that have been silent for a day; returns how many. Raises ``StorageError``."""
        now = self.clock()
        return self.rows.fold(now - SILENT_FOR, now)

    def _loaded(self, processes: dict[str, ProcessRow]) -> Counter[tuple[str, str]]:
        """Every model of the catalogue, and those that operators added while they are loaded."""
        models: Counter[tuple[str, str]] = Counter()
        models.update({(info.name, model.name): 0 for info in self.engines.catalogue() for model in info.models})
        models.update(_pairs(self.engines.loaded()))
        since = self.clock() - ALIVE_FOR
        for process_id, process in processes.items():
            if process_id != self.counters.process_id and process.updated_at >= since:
                models.update(_pairs(process.loaded))
        return models


def _pairs(loaded: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    return [(engine, model) for engine, models in loaded.items() for model in models]
