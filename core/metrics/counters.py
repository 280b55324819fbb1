"""What one process counts, and how that gets into the table: a few seconds later, and never in the work's way."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from core.errors import RowChanged, RowExists, RowNotFound, StorageError
from core.jobs.model import Job
from core.metrics.counts import DELIVERIES, ENDED, Counts, counts_of
from core.metrics.rows import MetricRows, ProcessRow, document_of
from core.ports import Clock
from core.webhooks.retry import DeliveryStatus

log = logging.getLogger(__name__)

Timer = Callable[[float, Callable[[], None]], None]
"""Calls a function once, after that many seconds; returns at once."""

INTERVAL_SECONDS = 5.0
"""From the first change to the write of all there are by then."""

_SIGN_OF_LIFE = timedelta(seconds=60)


def start_timer(seconds: float, call: Callable[[], None]) -> None:
    """A ``Timer`` that waits in a thread, which does not keep the process from ending."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Counters:
    """The counts of this process; an ``Announcer``. Safe between threads; counting asks nothing of storage."""

    def __init__(
        self,
        rows: MetricRows,
        process_id: str,
        loaded: Callable[[], Mapping[str, Iterable[str]]],
        clock: Clock,
        timer: Timer = start_timer,
    ) -> None:
        """Count from zero.

        Args:
            process_id: what no other process has; names its row.
            loaded: the names of the models that this process keeps warm, by engine.
        """
        self.process_id = process_id
        self._rows, self._loaded, self._clock, self._timer = rows, loaded, clock, timer
        self._lock = threading.Lock()  # of the counts, held for moments
        self._counts: Counts = Counter()
        self._changed = self._waiting = False
        self._writing = threading.Lock()  # of what follows, held while storage is asked
        self._etag: str | None = None
        self._written: Counts = Counter()
        self._written_at: datetime | None = None

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Count the job if it has just ended; take the progress of one that runs for a sign of life."""
        if replay:
            return
        if job.status in ENDED:
            self._add(counts_of(job))
        elif self._silent():
            self._add(Counter())

    def count_delivery(self, status: DeliveryStatus) -> None:
        """Count how a try to deliver a callback went."""
        self._add(Counter({(DELIVERIES, status): 1}))

    def flush(self) -> None:
        """Write what has changed. If storage fails, that is logged, and the next write makes up for it."""
        try:
            self.write()
        except StorageError as error:
            log.warning("the metrics of this process could not be written, they will be: %s", error)
            self._add(Counter())

    def write(self) -> None:
        """Write the totals, if they changed since they were last written. Raises ``StorageError``."""
        with self._writing:
            with self._lock:
                if not self._changed:
                    return
                self._changed = False
                counts = self._counts.copy()
            try:
                self._store(counts)
            except BaseException:
                self._changed = True
                raise

    def _add(self, happened: Counts) -> None:
        with self._lock:
            self._counts.update(happened)
            self._changed = True
            if self._waiting:
                return
            self._waiting = True
        try:
            self._timer(INTERVAL_SECONDS, self._on_time)
        except RuntimeError as error:  # no more threads, or the process is ending: the next change tries again
            self._waiting = False
            log.warning("the metrics of this process are not being written: %s", error)

    def _on_time(self) -> None:
        self._waiting = False
        self.flush()

    def _silent(self) -> bool:
        return self._written_at is None or self._clock() - self._written_at >= _SIGN_OF_LIFE

    def _store(self, counts: Counts) -> None:
        while True:
            now = self._clock()
            loaded = {engine: tuple(models) for engine, models in self._loaded().items()}
            row = ProcessRow(counts=document_of(counts), loaded=loaded, updated_at=now)
            try:
                self._etag = self._rows.write(self.process_id, row, self._etag)
            except (RowExists, RowChanged):  # an earlier write went through, only the answer to it got lost
                self._etag = self._rows.etag(self.process_id)
            except RowNotFound:
                counts = self._begin_anew()
            else:
                self._written, self._written_at = counts, now
                return

    def _begin_anew(self) -> Counts:
        """The row was folded: what it said is counted for ever, so a new row holds only what came after."""
        self._etag = None
        with self._lock:
            self._counts = self._counts - self._written
            return self._counts.copy()
