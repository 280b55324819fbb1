"""What a client may do with sounds: ask for them, look at them, tag them, delete them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from core.errors import BatchNotFound, BlobNotFound, JobNotFound, SoundNotFound
from core.jobs.model import Job, JobKind
from core.jobs.service import JobService
from core.ports import Blobs, Clock, Table
from core.soundbank.ask import Ask, shift_semitones
from core.soundbank.batch import BatchNote
from core.soundbank.finding import Finder
from core.soundbank.planner import SoundPlan, SoundPlanner, request_of
from core.soundbank.query import SoundQuery
from core.soundbank.request import SoundBatchRequest, SoundRequest
from core.soundbank.sample import LONGEST_SHIFT_SEMITONES, SAMPLES, Derivation, Sample
from core.soundbank.search import SoundPage, search
from core.soundbank.store import SoundStore
from core.soundbank.view import sound_result
from core.soundbank.weights import last_weights


@dataclass(frozen=True)
class Sounds:
    """The bank as its clients see it."""

    planner: SoundPlanner
    store: SoundStore
    table: Table
    blobs: Blobs
    jobs: JobService
    clock: Clock

    # Asking

    def of_one(self, request: SoundRequest, *, job_id: str) -> Job:
        """The job for one note: complete already, if the bank has it. Raises ``InvalidRequest``, ``LicenceRefused``."""
        plan = self.planner.plan(request)
        [ask] = plan.asks
        weights = self._weights(plan)
        if not request.no_cache and (found := self._found(request, ask, weights)):
            job = self.planner.job(plan, job_id=job_id)
            return job.evolve(result=sound_result(found, cached=True)).completed(self.clock())
        nearest = self._nearest(ask, weights)
        source = nearest if request.derive else None
        job = self.planner.job(plan, job_id=job_id, derive_from=source.model_dump() if source else None)
        return job.evolve(result={"nearest": self._offer(nearest) if nearest else None})

    def of_many(self, request: SoundBatchRequest, *, job_id: str) -> Job:
        """The job for many notes. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        plan = self.planner.plan(request)
        return self.planner.job(plan, job_id=job_id).evolve(result={"total": len(plan.asks), "made": 0, "found": 0})

    # Jobs and batches

    def job(self, job_id: str) -> Job:
        """The job for one note. Raises ``JobNotFound``."""
        job = self.jobs.get(job_id)
        if job.kind is not JobKind.SOUND:
            raise JobNotFound(f"job {job_id!r} is one of kind {job.kind}: see /v1/jobs/{job_id}")
        return job

    def made_by(self, *jobs: Job) -> list[Sample | None]:
        """The sound that each job for one note came to, as far as it is still there."""
        ids = [(job.result or {}).get("sample_id") for job in jobs]
        samples = {sample.sample_id: sample for sample in self.store.get_many([i for i in ids if i]) if sample}
        return [samples.get(sample_id or "") for sample_id in ids]

    def batch(self, batch_id: str) -> Job:
        """The job for many notes. Raises ``BatchNotFound``."""
        with suppress(JobNotFound):
            job = self.jobs.get(batch_id)
            if job.kind is JobKind.SOUND_BATCH:
                return job
        raise BatchNotFound(f"there is no batch {batch_id!r}")

    def of_batch(self, batch_id: str, start: int = 0, limit: int = 1000) -> list[tuple[int, Sample | None]]:
        """The batch's sounds that are there, by their places from ``start`` on; ``None`` for one deleted since."""
        links = [link for link in self.store.linked(batch_id) if link[0] >= start][:limit]
        samples = self.store.get_many([sample_id for _, sample_id in links])
        return [(index, sample) for (index, _), sample in zip(links, samples, strict=True)]

    def notes_of(self, batch: Job) -> list[tuple[BatchNote, Sample | None]]:
        """Every note of a batch, with its sound if there is one."""
        samples = dict(self.of_batch(batch.job_id))
        asks = self.planner.plan(request_of(batch)).asks
        return [(BatchNote(ask.string, ask.fret, ask.velocity), samples.get(index)) for index, ask in enumerate(asks)]

    def forget_batch(self, batch_id: str) -> None:
        """Forget which sounds a batch led to, once its job is deleted; the sounds stay."""
        self.store.unlink(batch_id)

    # Sounds

    def get(self, sample_id: str) -> Sample:
        """Raises ``SoundNotFound``, also for a sound that is past its time."""
        sample = self.store.get(sample_id)
        if sample.expires_at is not None and sample.expires_at <= self.clock():
            raise SoundNotFound(f"sound {sample_id!r} expired at {sample.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        return sample

    def read(self, sample: Sample) -> Iterator[bytes]:
        """The file's content, its first piece read already. Raises ``SoundNotFound`` if it is not there."""
        try:
            pieces = self.blobs.read(SAMPLES, sample.blob)
            first = next(pieces, b"")
        except BlobNotFound:
            raise SoundNotFound(f"the file of sound {sample.sample_id!r} was deleted") from None
        return chain((first,), pieces)

    def search(self, query: SoundQuery) -> SoundPage:
        """One page of what fits, without what is past its time. Raises ``InvalidRequest``."""
        page, now = search(self.table, query), self.clock()
        return replace(page, samples=[sample for sample in page.samples if sample.kept_until(now)])

    def retag(self, sample_id: str, tags: tuple[str, ...]) -> Sample:
        """Give the sound these tags, and no others. Raises ``SoundNotFound``."""
        return self.store.retag(self.get(sample_id).sample_id, tags)

    def delete(self, sample_id: str) -> None:
        """Remove the file, then the rows: whoever dies in between is followed by another. Raises ``SoundNotFound``."""
        sample = self.store.get(sample_id)
        self.blobs.remove_all(SAMPLES, sample.blob)
        self.store.remove(sample_id)

    def expire(self) -> int:
        """Delete the sounds that are past their time; returns how many."""
        due = self.store.due(self.clock(), 1000)
        for sample in due:
            with suppress(SoundNotFound):  # another timer was faster
                self.delete(sample.sample_id)
        return len(due)

    # Found before made

    def _weights(self, plan: SoundPlan) -> str | None:
        if not plan.engine.takes_own_weights:
            return None
        return last_weights(self.table, plan.engine.name, plan.model.name)

    def _found(self, request: SoundRequest, ask: Ask, weights: str | None) -> Sample | None:
        finder = Finder(self.store, self.clock, request.expires_in_seconds)
        found = finder.find(ask.fingerprint(weights))
        if found is None and request.derive:
            found = finder.find(ask.fingerprint(weights, derived=True))
        return found

    def _nearest(self, ask: Ask, weights: str | None) -> Derivation | None:
        """The sound that this one could be made from, and by which shift."""
        source = self.store.nearest(ask.family(weights), ask.pitch, LONGEST_SHIFT_SEMITONES)
        if source is None or not source.kept_until(self.clock()):
            return None
        heard = source.pitch.measured_hz or source.pitch.frequency_hz
        shift = shift_semitones(ask.frequency_hz, heard, ask.pitch - source.open_pitch - source.fret)
        if abs(shift) > LONGEST_SHIFT_SEMITONES:
            return None
        return Derivation(sample_id=source.sample_id, shift_semitones=round(shift, 4))

    def _offer(self, nearest: Derivation) -> dict[str, Any]:
        path = f"/v1/sounds/{nearest.sample_id}"
        return nearest.model_dump() | {"url": path, "download_url": f"{path}/download"}
