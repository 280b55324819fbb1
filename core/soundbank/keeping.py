"""Puts a job's sounds into the bank: the file first, then the rows that lead to it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from core.jobs.model import Job, JobKind
from core.ports import Blobs, Clock, EngineInfo
from core.soundbank.ask import Ask
from core.soundbank.claims import Claim
from core.soundbank.finishing import Finished
from core.soundbank.sample import CHANNELS, SAMPLE_RATE, SAMPLES, Derivation, Sample, SoundMaker
from core.soundbank.store import SoundStore

_NAMESPACE = uuid.UUID("0b7c7d4a-5a5e-4f0c-9a5d-2f4f1c6a7e55")  # any constant would do: it keeps our ids to ourselves


def sample_id_of(job_id: str, fingerprint: str) -> str:
    """The id of a job's sound: every attempt at the very same comes to the same, and to its file."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}:{fingerprint}"))


def maker_of(engine: EngineInfo, model: str, weights: str | None, compute: str | None) -> SoundMaker:
    """Who plays, for the sounds' rows."""
    return SoundMaker(
        engine=engine.name,
        version=engine.version,
        model=model,
        weights_sha256=weights,
        compute=compute,
        licence=engine.licence,
        weights_licence=engine.model(model).weights_licence,
    )


@dataclass(frozen=True)
class Provenance:
    """How a sound came about: the seed of its take, how often it was played, what it was derived from."""

    seed: int
    tries: int = 1
    correction_cents: float = 0.0
    derived_from: Derivation | None = None


@dataclass(frozen=True)
class Keeper:
    """Keeps the sounds of one job."""

    store: SoundStore
    blobs: Blobs
    clock: Clock
    job: Job

    def keep(
        self, index: int, ask: Ask, finished: Finished, maker: SoundMaker, provenance: Provenance, claim: Claim | None
    ) -> Sample:
        """The sound, in the bank as the job's ``index``-th; repeating it comes to the same.

        Raises ``RowChanged`` if the claim was lost.
        """
        sample = self._sample(ask, finished, maker, provenance)
        self.blobs.write(
            SAMPLES, sample.blob, lambda: iter((finished.wav,)), size_bytes=len(finished.wav), content_type="audio/wav",
            metadata={"sha256": sample.sha256},
        )  # fmt: skip
        in_batch = (self.job.job_id, index) if self.job.kind is JobKind.SOUND_BATCH else None
        return self.store.add(sample, claim, in_batch)

    def _sample(self, ask: Ask, finished: Finished, maker: SoundMaker, provenance: Provenance) -> Sample:
        now = self.clock()
        fingerprint = ask.fingerprint(maker.weights_sha256, derived=provenance.derived_from is not None)
        kept_seconds = self.job.request["expires_in_seconds"]
        asked = {name: getattr(ask, name) for name in Ask.model_fields if name in Sample.model_fields}
        return Sample(
            **asked | {"random_seed": provenance.seed},
            sample_id=sample_id_of(self.job.job_id, fingerprint),
            job_id=self.job.job_id,
            tags=tuple(self.job.request["tags"]),
            made_by=maker,
            fingerprint=fingerprint,
            family=ask.family(maker.weights_sha256),
            pitch=finished.pitch,
            tries=provenance.tries,
            correction_cents=provenance.correction_cents,
            peak_dbfs=finished.peak_dbfs,
            loudness_lufs=finished.loudness_lufs,
            file_size_bytes=len(finished.wav),
            sample_rate=SAMPLE_RATE,
            channels=CHANNELS,
            sha256=hashlib.sha256(finished.wav).hexdigest(),
            derived_from=provenance.derived_from,
            created_at=now,
            expires_at=None if kept_seconds is None else now + timedelta(seconds=kept_seconds),
        )
