"""A job: what was asked, how far it is, what came of it, and the steps it may take.

::

    queued ──▶ processing ──▶ completed ──▶ expired
      ▲  │         │  │  └───▶ failed ─────▶ expired
      │  └─────────┼──┴──────▶ canceled ───▶ expired
      └── retry ───┘             (retry leads from failed and canceled back to queued)

A job never changes in place: each step returns a new one, and storing it is a conditional write.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from core.errors import JobStateConflict, StemworksError

AUDIO_FILES = "audio-files"
"""The container of everything that jobs make."""

UPLOADS = "uploads"
"""The container of the files that come in through the API."""

_STEPS_KEPT = 16  # of a job's history, which must leave most of its row to the rest
_LONGEST_STEP_MESSAGE = 200  # characters


class JobKind(StrEnum):
    """What a job makes."""

    GENERATION = "generation"
    SEPARATION = "separation"
    SOUND = "sound"  # one note
    SOUND_BATCH = "sound_batch"  # many notes under one id
    EFFECTS = "effects"
    ANALYSIS = "analysis"
    ACCOMPANIMENT = "accompaniment"
    BRIDGE = "bridge"

    @property
    def has_files(self) -> bool:
        """Whether what it makes is the job's, and goes with it after a time; sounds belong to the bank."""
        return self not in (JobKind.SOUND, JobKind.SOUND_BATCH)


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # stored; its message waits in a queue
    PROCESSING = "processing"  # an attempt holds the lease
    COMPLETED = "completed"  # every output is in storage
    FAILED = "failed"  # given up; error says why
    CANCELED = "canceled"  # stopped because the client asked
    EXPIRED = "expired"  # ended, and its files removed since

    @property
    def ended(self) -> bool:
        """Whether no attempt will run any more, unless the client asks for a retry."""
        return self not in (JobStatus.QUEUED, JobStatus.PROCESSING)


class Model(BaseModel):
    """A value: frozen, strict about its fields when made, tolerant of newer ones when read."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)  # built when first used

    def evolve(self, **changes: Any) -> Self:
        """A copy with ``changes``; the values are trusted."""
        return self.model_copy(update=changes)


class Output(Model):
    """A file that a job made; sizes in bytes, sample_rate in Hz, both it and the channels ``None`` without any audio.

    Loudness is in LUFS, its true peak in dBTP (ITU-R BS.1770-4); ``None`` if it was not measured, or is silence.
    """

    name: str
    stem_type: str
    blob_url: str
    file_size_bytes: int
    format: str
    sample_rate: int | None = None
    channels: int | None = None
    duration_seconds: float
    sha256: str
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None


class Preview(Model):
    """What can be heard of a stem before it is finished: files of ``part_seconds`` each, numbered from 0 without a gap.

    They are no outputs. The row says how many there are and not which, so it stays small however long the stem is.
    """

    stem_type: str
    part_seconds: float
    parts: int
    ready_seconds: float

    def file_name(self, part: int | str) -> str:
        """The name of a part; of all parts, if ``part`` is the placeholder of a template."""
        number = f"{part:04d}" if isinstance(part, int) else part
        return f"{self.stem_type}.preview-{number}.wav"

    def holds(self, name: str) -> bool:
        """Whether this is the name of a part that is stored."""
        return any(name == self.file_name(part) for part in range(self.parts))


class EngineStamp(Model):
    """Which engine makes it, with which weights, and under which licences: of its code, and of the weights."""

    name: str
    version: str
    weights: str | None = None
    licence: str
    weights_licence: str | None = None


class JobError(Model):
    """Why a job failed: a stable type, a sentence, and what to do."""

    type: str
    title: str
    detail: str
    next_step: str

    @classmethod
    def of(cls, error: StemworksError) -> JobError:
        """The client's view of an error."""
        return cls(type=error.type, title=error.title, detail=error.detail, next_step=error.next_step)


class Callback(Model):
    """Where the client wants to be told, of what, and in which shape.

    ``payload`` is ``standard`` (``type``/``timestamp``/``data``) or ``seed`` (the flat body of ``POST /generate``).
    ``disabled`` is set once the receiver answers 410 Gone.
    """

    url: str
    events: tuple[str, ...]
    payload: str = "standard"
    disabled: bool = False


class JobStep(Model):
    """When the job came to a status, or to an attempt, and what was said of it then."""

    at: datetime
    status: JobStatus
    attempt: int
    message: str


class Job(Model):
    """One request and its state.

    Attributes:
        queue: the queue its messages take.
        fingerprint: of the body as it came, to tell a repeated request from another one.
        audio_file_id: the client's name for what the files belong to.
        folder: where its files lie in the container ``audio-files``, ending in a slash; no other job writes there.
        input_folder: where in the container ``uploads`` lies what came with the request and goes with the job.
        outputs: the files that are finished, while it runs as well.
        previews: what can be heard of stems that are being made, or were.
        result: what was measured of the whole, by the worker of its kind; ``None`` until it is known.
        attempt: the number of the newest attempt; 0 before the first. A write of an older one is refused.
        attempts_allowed: the number that no attempt may exceed.
        retried_at: when the client last asked for another go; what came before counts neither as waiting nor as work.
        started_at: when the first attempt began that belongs to this go.
        lease_expires_at: until when the running attempt counts as alive without a sign of life.
        sends: how often its message was sent; ``sent_at``: when last.
        history: the newest steps that it took since it was stored, the oldest first.
        revision: counts the writes; an event's id.
        etag: the version in storage that this was read from; not part of the document.
    """

    job_id: str
    kind: JobKind
    status: JobStatus = JobStatus.QUEUED
    queue: str
    request: dict[str, Any]
    fingerprint: str
    engine: EngineStamp
    audio_file_id: str
    folder: str
    input_folder: str | None = None
    callback: Callback | None = None
    progress: float = 0.0
    stage: str = "queued"
    status_message: str = "waiting for a worker"
    attempt: int = 0
    attempts_allowed: int
    estimated_seconds: float
    created_at: datetime
    updated_at: datetime
    retried_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime
    retention_seconds: int
    lease_expires_at: datetime | None = None
    result: dict[str, Any] | None = None
    sends: int = 1
    sent_at: datetime
    cancel_requested: bool = False
    revision: int = 0
    outputs: tuple[Output, ...] = ()
    previews: tuple[Preview, ...] = ()
    history: tuple[JobStep, ...] = ()
    error: JobError | None = None
    etag: str = Field(default="", exclude=True)

    def leased(self, now: datetime) -> bool:
        """Whether an attempt runs and has given a sign of life in time."""
        return self.status is JobStatus.PROCESSING and self.lease_expires_at is not None and now < self.lease_expires_at

    # The steps

    def claimed(self, now: datetime, lease_seconds: float) -> Job:
        """A new attempt starts."""
        return self._step(
            now,
            status=JobStatus.PROCESSING,
            attempt=self.attempt + 1,
            started_at=self.started_at or now,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
            stage="starting",
            status_message="a worker has taken the job",
        )

    def advanced(self, progress: float, stage: str, message: str, now: datetime, lease_seconds: float) -> Job:
        """The attempt gives a sign of life. Progress never goes back within an attempt."""
        return self._step(
            now,
            progress=max(self.progress, min(progress, 1.0)),
            stage=stage,
            status_message=message,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
        )

    def completed(self, now: datetime) -> Job:
        """Every output is stored."""
        return self._end(JobStatus.COMPLETED, "completed", now, progress=1.0, error=None)

    def failed(self, error: JobError, now: datetime) -> Job:
        """The job is given up."""
        return self._end(JobStatus.FAILED, error.title, now, error=error)

    def canceled(self, now: datetime) -> Job:
        """The client's wish is carried out."""
        return self._end(JobStatus.CANCELED, "canceled by the client", now, error=None)

    def cancel(self, now: datetime) -> Job:
        """The client asks to stop: at once while queued, at the attempt's next sign of life while processing."""
        if self.status is JobStatus.QUEUED:
            return self.canceled(now)
        if self.status is JobStatus.PROCESSING:
            return self._step(now, cancel_requested=True, status_message="canceling")
        raise JobStateConflict(f"job {self.job_id} is {self.status} and can no longer be canceled")

    def released(self, error: JobError, now: datetime) -> Job:
        """The attempt failed in a way that another may not."""
        message = f"attempt {self.attempt} failed: {error.detail}"
        return self._step(
            now, status=JobStatus.QUEUED, stage="queued", status_message=message, error=error, lease_expires_at=None,
            sent_at=now,
        )  # fmt: skip

    def waiting(self, message: str, now: datetime) -> Job:
        """Another job's work is what it waits for, so that this attempt does not count."""
        return self._step(
            now, status=JobStatus.QUEUED, stage="waiting", status_message=message, lease_expires_at=None, sent_at=now,
        ).with_another_attempt()  # fmt: skip

    def with_another_attempt(self) -> Job:
        """One attempt more is allowed."""
        return self.evolve(attempts_allowed=self.attempts_allowed + 1)

    def retried(self, now: datetime, attempts: int) -> Job:
        """The client asks for another go after a failure or a cancellation."""
        if self.status not in (JobStatus.FAILED, JobStatus.CANCELED):
            raise JobStateConflict(f"job {self.job_id} is {self.status}; only a failed or canceled job can be retried")
        return self._step(
            now, status=JobStatus.QUEUED, stage="queued", status_message="waiting for a worker", progress=0.0,
            error=None, retried_at=now, started_at=None, finished_at=None, cancel_requested=False,
            attempts_allowed=self.attempt + attempts, expires_at=now + timedelta(seconds=self.retention_seconds),
            sends=1, sent_at=now,
        )  # fmt: skip

    def resent(self, now: datetime) -> Job:
        """Its message was sent once more."""
        return self._step(now, sends=self.sends + 1, sent_at=now)

    def expiring(self, now: datetime) -> Job:
        """Its time is over: from here on it cannot be retried, so that its files can be removed in peace."""
        return self._step(now, status=JobStatus.EXPIRED, stage="expiring", status_message="removing the files")

    def expired(self, now: datetime) -> Job:
        """Its files are gone."""
        return self._step(now, status=JobStatus.EXPIRED, stage="expired", status_message="files removed")

    def _end(self, status: JobStatus, message: str, now: datetime, **changes: Any) -> Job:
        return self._step(
            now, status=status, stage=status.value, status_message=message, finished_at=now, lease_expires_at=None,
            expires_at=now + timedelta(seconds=self.retention_seconds), **changes,
        )  # fmt: skip

    def _step(self, now: datetime, **changes: Any) -> Job:
        after = self.evolve(updated_at=now, revision=self.revision + 1, **changes)
        if (after.status, after.attempt) == (self.status, self.attempt):
            return after
        message = after.status_message[:_LONGEST_STEP_MESSAGE]
        step = JobStep(at=now, status=after.status, attempt=after.attempt, message=message)
        return after.evolve(history=(*self.history, step)[-_STEPS_KEPT:])
