"""Turns a request and a song that was looked at into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from core.audio.formats import OUTPUT_FORMATS
from core.errors import FieldError, InvalidRequest
from core.files.source import Source
from core.jobs.messages import SEPARATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo, ModelInfo
from core.separation.request import SeparationOptions
from core.separation.selection import check_stems

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo

_OVERHEAD_SECONDS = 1.0  # from the queue to the first segment


@dataclass(frozen=True)
class SeparationPlanner:
    """Makes jobs out of separation requests."""

    planner: JobPlanner
    draw_seed: Callable[[], int]

    def check(self, options: SeparationOptions) -> tuple[EngineInfo, ModelInfo]:
        """The engine and the model for ``options``, so far as they can be judged without the song.

        Raises ``InvalidRequest`` or ``LicenceRefused``.
        """
        self.planner.check(options)
        engine = self.planner.engine(options, "separation", self.planner.settings.default_separation_engine)
        model = self.planner.model(options, engine, options.model)
        if model.stems:
            check_stems(options, model.stems, engine.name)
        return engine, model

    def plan(
        self, options: SeparationOptions, source: Source, audio: AudioInfo, *, job_id: str, fingerprint: str
    ) -> Job:
        """The job that separates ``source``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine, model = self.check(options)
        check_format(options, audio)
        settled = options.model_dump(mode="json") | {
            "engine": engine.name,
            "model": model.name if engine.takes_own_weights else None,
            "random_seed": self.draw_seed() if options.random_seed is None else options.random_seed,
            "source": source.model_dump(),
            "audio": asdict(audio),
        }
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.SEPARATION,
            gpu_queue=SEPARATION_REQUESTS,
            engine=engine,
            model=model,
            settled=settled,
            fingerprint=fingerprint,
            folder="separated",
            estimated_seconds=_estimate(options, model, audio),
        )


def check_format(options: SeparationOptions, audio: AudioInfo) -> None:
    """Raise ``InvalidRequest`` if the format cannot hold the song."""
    chosen = OUTPUT_FORMATS[options.format]
    if not chosen.holds(audio.sample_rate):
        detail = f"{options.format} cannot hold {audio.sample_rate} Hz, which the song has; choose wav16, wav24 or flac"
        raise InvalidRequest([FieldError("/format", detail)])


def _estimate(options: SeparationOptions, model: ModelInfo, audio: AudioInfo) -> float:
    passes = max(options.shifts, 1) if "shifts" in model.options else 1
    seconds = (audio.duration_seconds or 0.0) * model.seconds_per_audio_second * passes
    return round(_OVERHEAD_SECONDS + seconds, 1)
