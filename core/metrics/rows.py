"""The table of the counts: a row for each process, and one for all those that are no more.

Rows hold totals and not increments, so that writing one again does no harm. All lie in one partition: a row is folded
into the row ``retired`` and removed in one transaction, and no count is ever in both or in neither.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from core.errors import RowChanged, RowExists, RowNotFound
from core.jobs.model import Model
from core.metrics.counts import Counts
from core.ports import Change, Insert, Remove, Replace, Row, Table

log = logging.getLogger(__name__)

_PARTITION = "metrics"
_PREFIX = "process:"
_RETIRED = "retired"  # after every "process:…", so that a scan comes to it last
_PAGE = 1000
_LARGEST_FOLD = 99  # with the write of the retired row, the 100 changes that one transaction may hold


class ProcessRow(Model):
    """What one process has counted, and the models that it keeps warm, by engine."""

    counts: dict[str, int]
    loaded: dict[str, tuple[str, ...]]
    updated_at: datetime

    def total(self) -> Counts:
        """The counts under their keys."""
        return Counter({tuple(key.split("/")): number for key, number in self.counts.items()})


def document_of(counts: Counts) -> dict[str, int]:
    """The counts as a row holds them; no part of a key has a slash."""
    return {"/".join(key): number for key, number in sorted(counts.items()) if number}


@dataclass(frozen=True)
class Totals:
    """What all processes have counted, and the rows of those that are not folded yet, by their ids."""

    counts: Counts
    processes: dict[str, ProcessRow]


class MetricRows:
    """The counts of all processes, in a table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def write(self, process_id: str, row: ProcessRow, etag: str | None) -> str:
        """Store a process's row, new if there is no ``etag`` yet; returns its etag.

        Raises ``RowExists`` or ``RowChanged`` if an earlier write went through after all, ``RowNotFound`` if the row
        was folded.
        """
        key, document = _PREFIX + process_id, row.model_dump_json()
        change = Insert(key, document) if etag is None else Replace(key, document, etag)
        return self._table.commit(_PARTITION, change)[0]

    def etag(self, process_id: str) -> str:
        """The version of a process's row. Raises ``RowNotFound``."""
        return self._table.get(_PARTITION, _PREFIX + process_id).etag

    def totals(self) -> Totals:
        """The counts of everything that ever ran.

        A scan takes several requests. If rows were folded between them, they were met twice or not at all; so it counts
        only if the retired row was the same before and after.
        """
        while True:
            before, (rows, after) = self._retired(), self._scan()
            if (before and before.etag) == (after and after.etag):
                break
        processes = {row.key.removeprefix(_PREFIX): _decode(row) for row in rows}
        counts: Counts = Counter()
        for process in [*processes.values(), *([_decode(after)] if after else [])]:
            counts.update(process.total())
        return Totals(counts, processes)

    def fold(self, silent_since: datetime, now: datetime) -> int:
        """Fold the rows that were last written before ``silent_since``; returns how many. May run twice at once.

        A process that was only asleep finds its row gone at its next write, and begins a new one at zero.
        """
        silent = [row for row in self._scan()[0] if _decode(row).updated_at < silent_since]
        folded = 0
        for start in range(0, len(silent), _LARGEST_FOLD):
            rows = silent[start : start + _LARGEST_FOLD]
            try:
                self._fold(rows, now)
            except (RowChanged, RowExists, RowNotFound):
                log.info("other rows of metrics were written while %s were folded; the next time", len(rows))
                break
            folded += len(rows)
        return folded

    def _fold(self, rows: list[Row], now: datetime) -> None:
        retired = self._retired()
        counts = _decode(retired).total() if retired else Counter()
        for row in rows:
            counts.update(_decode(row).total())
        document = ProcessRow(counts=document_of(counts), loaded={}, updated_at=now).model_dump_json()
        write: Change = Replace(_RETIRED, document, retired.etag) if retired else Insert(_RETIRED, document)
        self._table.commit(_PARTITION, write, *(Remove(row.key, row.etag) for row in rows))

    def _retired(self) -> Row | None:
        try:
            return self._table.get(_PARTITION, _RETIRED)
        except RowNotFound:
            return None

    def _scan(self) -> tuple[list[Row], Row | None]:
        """The rows of the processes, and then the retired one."""
        rows = page = self._table.scan(_PARTITION, _PREFIX, _RETIRED + "!", _PAGE)
        while len(page) == _PAGE:
            page = self._table.scan(
                _PARTITION, f"{page[-1].key}!", _RETIRED + "!", _PAGE
            )  # "!" sorts before any letter
            rows = rows + page
        retired = rows.pop() if rows and rows[-1].key == _RETIRED else None
        return rows, retired


def _decode(row: Row) -> ProcessRow:
    return ProcessRow.model_validate_json(row.document)
