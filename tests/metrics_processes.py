"""Processes that count, for tests of the metrics: timers fire when they are told to, and what is exposed is parsed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from core.bootstrap import Services
from core.jobs.model import EngineStamp, Job, JobKind, JobStatus
from core.metrics.counters import Counters
from core.metrics.exposition import expose
from core.metrics.rows import MetricRows
from core.metrics.service import Metrics
from core.ports import Change, Row, Table
from tests.clock import Clock

_numbers = itertools.count(1)


class Timers:
    """A ``Timer`` that keeps what it is given until somebody calls ``fire``."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.waiting.append((seconds, call))

    def fire(self) -> None:
        due, self.waiting = self.waiting, []
        for _, call in due:
            call()


class Process:
    """One process of the installation, with its own counters over a table that all share."""

    def __init__(self, services: Services, table: Table, clock: Clock) -> None:
        self.timers = Timers()
        self.loaded: dict[str, dict[str, str | None]] = {}
        rows = MetricRows(table)
        self.counters = Counters(rows, f"{next(_numbers):08x}", lambda: self.loaded, clock, self.timers)
        engines: Any = _Loading(services.engines, lambda: self.loaded)
        self.metrics = Metrics(self.counters, rows, services.jobs.jobs, services.storage.queues, engines, clock)

    def value(self, name: str, **labels: str) -> float:
        """One sample of a scrape that this process answers."""
        return samples(expose(self.metrics.read(), "")[0])[sample(name, **labels)]

    def ended_jobs(self) -> float:
        """How many synth generations have completed, as this process answers."""
        return self.value("stemworks_jobs_total", kind="generation", status="completed", engine="synth")


class _Loading:
    def __init__(self, engines: Any, loaded: Callable[[], Mapping[str, Mapping[str, str | None]]]) -> None:
        self._engines, self.loaded = engines, loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engines, name)


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """The key of a sample."""
    return name, frozenset(labels.items())


def samples(content: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of an answer in Prometheus' text format."""
    families = text_string_to_metric_families(content.decode())
    return {sample(each.name, **each.labels): each.value for family in families for each in family.samples}


def ended_job(
    clock: Clock, kind: JobKind = JobKind.GENERATION, status: JobStatus = JobStatus.COMPLETED, engine: str = "synth",
    *, waited: float = 0.0, worked: float = 1.0, **fields: Any,
) -> Job:  # fmt: skip
    """A job that ended now, after it waited and worked so many seconds."""
    now: datetime = clock()
    started = now - timedelta(seconds=worked)
    times = {"created_at": started - timedelta(seconds=waited), "started_at": started, "finished_at": now}
    return Job(
        job_id="job-1", kind=kind, status=status, queue="cpu-requests", request={}, fingerprint="f",
        engine=EngineStamp(name=engine, version="1", licence="MIT"), audio_file_id="a", folder="a/", attempts_allowed=3,
        estimated_seconds=1, updated_at=now, expires_at=now, retention_seconds=60, sent_at=now, **times | fields,
    )  # fmt: skip


class Interrupted:
    """A table whose next commit is interrupted by ``before`` or ``after``, which may raise, and its next scan too."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.before: Callable[[], object] | None = None
        self.after: Callable[[], object] | None = None
        self.after_a_page: Callable[[], object] | None = None

    def get(self, partition: str, key: str) -> Row:
        return self.table.get(partition, key)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        page = self.table.scan(partition, start, stop, limit)
        after, self.after_a_page = self.after_a_page, None
        if after:
            after()
        return page

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        before, self.before = self.before, None
        if before:
            before()
        etags = self.table.commit(partition, *changes)
        after, self.after = self.after, None
        if after:
            after()
        return etags


def stored(table: Table) -> dict[str, dict[str, Any]]:
    """Every row of the metrics, by its key."""
    return {row.key: json.loads(row.document) for row in table.scan("metrics", "", "~", 1000)}
