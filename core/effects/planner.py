"""Turns a request and a source that was looked at into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from core.audio.effects.request import frequency_errors
from core.audio.formats import OUTPUT_FORMATS
from core.effects.request import EffectsOptions
from core.errors import FieldError, InvalidRequest
from core.files.source import Source
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo

DEFAULT_ENGINE = "effects"

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the upload


@dataclass(frozen=True)
class EffectsPlanner:
    """Makes jobs out of requests for effects."""

    planner: JobPlanner

    def check(self, options: EffectsOptions) -> EngineInfo:
        """The engine for ``options``, so far as they can be judged without the source. Raises ``InvalidRequest``."""
        self.planner.check(options)
        return self.planner.engine(options, "effects", DEFAULT_ENGINE)

    def plan(self, options: EffectsOptions, source: Source, audio: AudioInfo, *, job_id: str, fingerprint: str) -> Job:
        """The job that applies the effects to ``source``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine = self.check(options)
        check_against(options, audio)
        model = self.planner.model(options, engine, None)
        settled = options.model_dump(mode="json") | {
            "engine": engine.name,
            "source": source.model_dump(),
            "audio": asdict(audio),
        }
        seconds = (audio.duration_seconds or 0.0) + options.tail_seconds
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.EFFECTS,
            gpu_queue=CPU_REQUESTS,
            engine=engine,
            model=model,
            settled=settled,
            fingerprint=fingerprint,
            folder="effects",
            estimated_seconds=round(_OVERHEAD_SECONDS + seconds * model.seconds_per_audio_second, 1),
        )


def check_against(options: EffectsOptions, audio: AudioInfo) -> None:
    """Raise ``InvalidRequest`` if the source's sample rate leaves no room for an effect, or suits not the format."""
    errors = [*frequency_errors(options.effects, audio.sample_rate), *_format_errors(options, audio)]
    if errors:
        raise InvalidRequest(errors)


def _format_errors(options: EffectsOptions, audio: AudioInfo) -> Iterator[FieldError]:
    if not OUTPUT_FORMATS[options.format].holds(audio.sample_rate):
        detail = f"{options.format} cannot hold {audio.sample_rate} Hz, which the source has; choose wav16 or flac"
        yield FieldError("/format", detail)
