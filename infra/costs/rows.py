"""How many rows of the table ``jobs`` a job's life writes: counted, with the store itself, over a table in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from core.jobs.model import EngineStamp, Job, JobKind
from core.jobs.store import JobStore
from core.ports import Change
from core.storage.memory import MemoryTable

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class _CountingTable(MemoryTable):
    """Adds up the rows of all transactions."""

    rows = 0

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        self.rows += len(changes)
        return super().commit(partition, *changes)


@cache
def rows_of_a_life() -> int:
    """Stored, claimed, completed, expired; every second of progress in between writes one more."""
    table = _CountingTable()
    jobs = JobStore(table)
    job = jobs.insert(_a_job())
    job = jobs.replace(job, job.claimed(_NOON, 60))
    job = jobs.replace(job, job.completed(_NOON))
    job = jobs.replace(job, job.expiring(_NOON))
    jobs.replace(job, job.expired(_NOON))
    return table.rows


def _a_job() -> Job:
    return Job(
        job_id="a-job", kind=JobKind.SEPARATION, queue="cpu-requests", request={}, fingerprint="",
        engine=EngineStamp(name="spectral", version="1", licence="MIT"), audio_file_id="a-song", folder="a-song/",
        attempts_allowed=1, estimated_seconds=1, created_at=_NOON, updated_at=_NOON, sent_at=_NOON,
        expires_at=_NOON + timedelta(days=7), retention_seconds=7 * 86400,
    )  # fmt: skip
