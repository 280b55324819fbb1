"""Job rows and the lists they are in.

All rows lie in one partition, so that a job and its places in the lists change in one transaction:

- ``job:<id>`` holds the job; reading one is a point read;
- ``list:<status or *>:<kind or *>:<inverted time>:<id>`` places it, newest first, in the four lists it belongs to, so
  that a page of any list reads a page and never the table;
- ``waiting:<status>:<time>:<id>`` places an unfinished job, oldest first, for whoever looks for lost ones;
- ``due:<time>:<id>`` places an ended job by the time its files expire, until they are gone, if it has any.

A partition takes some 2,000 rows a second (storage's stated target); a job's life writes about twenty.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from core.errors import FieldError, InvalidRequest, JobNotFound, RowNotFound
from core.jobs.model import Job, JobKind, JobStatus
from core.ports import Change, Insert, Remove, Replace, Row, Table

_PARTITION = "jobs"
_END_OF_TIME_MS = 10**14
_AFTER_SEPARATOR = ";"  # the character after ":", so f"{prefix};" ends the keys that start with f"{prefix}:"


@dataclass(frozen=True)
class JobPage:
    """Jobs, newest first, and where the next page starts; ``None`` at the end."""

    jobs: list[Job]
    next_cursor: str | None


class JobStore:
    """Jobs in a table. Every write but the first is conditional on the job's ``etag``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def insert(self, job: Job) -> Job:
        """Store a new job. Raises ``RowExists``."""
        changes: list[Change] = [Insert(_job_key(job.job_id), job.model_dump_json())]
        changes += [Insert(key, "") for key in sorted(_places(job))]
        return job.evolve(etag=self._table.commit(_PARTITION, *changes)[0])

    def get(self, job_id: str) -> Job:
        """Read a job. Raises ``JobNotFound``."""
        try:
            return _decode(self._table.get(_PARTITION, _job_key(job_id)))
        except RowNotFound:
            raise JobNotFound(f"there is no job {job_id!r}") from None

    def replace(self, before: Job, after: Job) -> Job:
        """Store ``after`` in the place of ``before``. Raises ``RowChanged`` or ``RowNotFound``."""
        old, new = _places(before), _places(after)
        changes: list[Change] = [Replace(_job_key(after.job_id), after.model_dump_json(), before.etag)]
        changes += [Remove(key) for key in sorted(old - new)]
        changes += [Insert(key, "") for key in sorted(new - old)]
        return after.evolve(etag=self._table.commit(_PARTITION, *changes)[0])

    def remove(self, job: Job) -> None:
        """Delete the job and its places, if it is still as it was read. Raises ``RowChanged`` or ``RowNotFound``."""
        self._table.commit(_PARTITION, Remove(_job_key(job.job_id), job.etag), *map(Remove, sorted(_places(job))))

    def page(
        self, *, status: JobStatus | None = None, kind: JobKind | None = None, limit: int, cursor: str | None = None
    ) -> JobPage:
        """One page, newest first. Raises ``InvalidRequest`` for a cursor that is not of this list."""
        prefix = _list_prefix(status, kind)
        start = _resume_after(cursor, prefix) if cursor else f"{prefix}:"
        rows = self._table.scan(_PARTITION, start, f"{prefix}{_AFTER_SEPARATOR}", limit + 1)
        shown = rows[:limit]
        more = len(rows) > limit
        return JobPage(list(self._jobs_of(shown)), _cursor(shown[-1].key) if more else None)

    def position(self, job: Job) -> int:
        """How many jobs of its kind were queued before this one and still wait, plus one; counted up to 1,000."""
        prefix = _list_prefix(JobStatus.QUEUED, job.kind)
        older = self._table.scan(_PARTITION, f"{prefix}:{_place(job)}!", f"{prefix}{_AFTER_SEPARATOR}", 1000)
        return len(older) + 1

    def count(self, status: JobStatus, kind: JobKind) -> int:
        """How many jobs of this kind are in ``status``; counted up to 1,000."""
        prefix = _list_prefix(status, kind)
        return len(self._table.scan(_PARTITION, f"{prefix}:", f"{prefix}{_AFTER_SEPARATOR}", 1000))

    def waiting(self, status: JobStatus, created_by: datetime, limit: int = 1000) -> Iterator[Job]:
        """The unfinished jobs in ``status`` that were created by then, oldest first."""
        stop = f"waiting:{status}:{_milliseconds(created_by) + 1:014}"
        return self._jobs_of(self._table.scan(_PARTITION, f"waiting:{status}:", stop, limit))

    def due(self, now: datetime, limit: int = 1000) -> Iterator[Job]:
        """The ended jobs whose files have expired and are not known to be removed."""
        return self._jobs_of(self._table.scan(_PARTITION, "due:", f"due:{_milliseconds(now):014}", limit))

    def _jobs_of(self, rows: list[Row]) -> Iterator[Job]:
        if not rows:
            return
        with ThreadPoolExecutor(min(8, len(rows))) as pool:
            yield from (job for job in pool.map(self._job_or_none, [row.key for row in rows]) if job)

    def _job_or_none(self, place: str) -> Job | None:
        try:
            return self.get(place.rsplit(":", 1)[1])
        except JobNotFound:  # deleted since the list was read
            return None


def _decode(row: Row) -> Job:
    return Job.model_validate_json(row.document).evolve(etag=row.etag)


def _job_key(job_id: str) -> str:
    return f"job:{job_id}"


def _places(job: Job) -> set[str]:
    places = {
        f"{_list_prefix(status, kind)}:{_place(job)}" for status in (job.status, None) for kind in (job.kind, None)
    }
    if not job.status.ended:
        places.add(f"waiting:{job.status}:{_milliseconds(job.created_at):014}:{job.job_id}")
    elif job.kind.has_files and job.stage != "expired":
        places.add(f"due:{_milliseconds(job.expires_at):014}:{job.job_id}")
    return places


def _list_prefix(status: JobStatus | None, kind: JobKind | None) -> str:
    return f"list:{status or '*'}:{kind or '*'}"


def _place(job: Job) -> str:
    return f"{_inverted(job.created_at)}:{job.job_id}"


def _inverted(moment: datetime) -> str:
    return f"{_END_OF_TIME_MS - _milliseconds(moment):014}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _resume_after(cursor: str, prefix: str) -> str:
    try:
        key = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, UnicodeError):
        key = ""
    if not key.startswith(f"{prefix}:"):
        detail = "not a cursor of this list; pass next_cursor of the page before, with the same status and kind"
        raise InvalidRequest([FieldError("cursor", detail, "query")])
    return f"{key}!"  # "!" sorts before any character of a key that could follow, so this is the next key
