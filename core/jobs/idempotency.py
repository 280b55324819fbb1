"""Idempotency-Key: the same key and body get the stored answer, however often they come.

A row is inserted before the work and completed after it. A row that stays incomplete for a minute belongs to a
process that died; the next request with its key takes it over, with the job id drawn the first time, so that it finds
the job that the first one may have made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.errors import IdempotencyInFlight, IdempotencyMismatch, RowChanged, RowExists, RowNotFound
from core.jobs.model import Model
from core.ports import Clock, Insert, Remove, Replace, Table

_TAKEOVER = timedelta(minutes=1)
_KEPT = timedelta(hours=24)
_PARTITION = "answers"


class StoredAnswer(Model):
    """The answer to the first request with a key."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class _Record(Model):
    fingerprint: str
    job_id: str
    started_at: datetime
    taken_at: datetime
    answer: StoredAnswer | None = None


@dataclass(frozen=True)
class Idempotency:
    """Answers by key, in a table: a row a key, and one that places it by its age."""

    table: Table
    clock: Clock
    new_id: Callable[[], str]

    def answer(self, key: str, fingerprint: str, make: Callable[[str], StoredAnswer]) -> StoredAnswer:
        """The stored answer to ``key``, or the one that ``make(job_id)`` gives, which is then stored.

        Raises ``IdempotencyMismatch`` if the key came with another fingerprint, ``IdempotencyInFlight`` while the
        first request with it is being answered. An error of ``make`` leaves the key free.
        """
        row = hashlib.sha256(key.encode()).hexdigest()
        record = _Record(fingerprint=fingerprint, job_id=self.new_id(), started_at=self.clock(), taken_at=self.clock())
        new = (Insert(row, record.model_dump_json()), Insert(_age(row, record), ""))
        try:
            etag, _ = self.table.commit(_PARTITION, *new)
        except RowExists:
            record, etag = self._known(row, fingerprint)
            if record.answer:
                return record.answer
        try:
            answer = make(record.job_id)
        except Exception:
            self.table.commit(_PARTITION, Remove(row), Remove(_age(row, record)))
            raise
        with suppress(RowChanged, RowNotFound):  # taken over by a repeat, which comes to the same job
            self.table.commit(_PARTITION, Replace(row, record.evolve(answer=answer).model_dump_json(), etag))
        return answer

    def expire(self) -> int:
        """Forget the keys that are older than a day; returns how many."""
        stop = f"age:{(self.clock() - _KEPT).isoformat()}"
        aged = self.table.scan(_PARTITION, "age:", stop, 1000)
        for age in aged:
            self.table.commit(_PARTITION, Remove(age.key), Remove(age.key.rpartition(":")[2]))
        return len(aged)

    def _known(self, row: str, fingerprint: str) -> tuple[_Record, str]:
        found = self.table.get(_PARTITION, row)
        record = _Record.model_validate_json(found.document)
        if record.fingerprint != fingerprint:
            raise IdempotencyMismatch
        if record.answer:
            return record, found.etag
        if self.clock() - record.taken_at < _TAKEOVER:
            raise IdempotencyInFlight
        return self._take_over(row, record.evolve(taken_at=self.clock()), found.etag)

    def _take_over(self, row: str, record: _Record, etag: str) -> tuple[_Record, str]:
        try:
            return record, self.table.commit(_PARTITION, Replace(row, record.model_dump_json(), etag))[0]
        except RowChanged:
            raise IdempotencyInFlight from None


def _age(row: str, record: _Record) -> str:
    return f"age:{record.started_at.isoformat()}:{row}"
