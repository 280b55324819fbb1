"""Turns a request for sounds into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.audio.effects.request import frequency_errors
from core.errors import FieldError, InvalidRequest
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo, ModelInfo
from core.soundbank.ask import Ask
from core.soundbank.asking import asks_of
from core.soundbank.request import SoundBatchRequest, SoundOptions, SoundRequest
from core.soundbank.sample import SAMPLE_RATE
from core.validation import fingerprint

_OVERHEAD_SECONDS = 0.5  # from the queue to the first note
_SECONDS_PER_NOTE = 0.02  # for its file, its levels and its rows


@dataclass(frozen=True)
class SoundPlan:
    """What a request comes to: its notes, and who plays them."""

    request: SoundRequest | SoundBatchRequest
    engine: EngineInfo
    model: ModelInfo
    asks: list[Ask]


@dataclass(frozen=True)
class SoundPlanner:
    """Makes jobs out of requests for sounds."""

    planner: JobPlanner
    draw_seed: Callable[[], int]

    def plan(self, request: SoundRequest | SoundBatchRequest) -> SoundPlan:
        """Who plays which notes. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        self.planner.check(request)
        engine = self.planner.engine(request, "sound", self.planner.settings.default_sound_engine)
        model = self.planner.model(request, engine, request.model)
        if errors := [*_too_long(request, engine, model), *frequency_errors(request.effects, SAMPLE_RATE)]:
            raise InvalidRequest(errors)
        return SoundPlan(request, engine, model, asks_of(request, engine, model.name))

    def job(self, plan: SoundPlan, *, job_id: str, **settled: Any) -> Job:
        """The job that makes the notes; ``settled`` is what else its worker must know."""
        request, engine, model = plan.request, plan.engine, plan.model
        chosen = {
            "engine": engine.name,
            "model": model.name if engine.takes_own_weights else None,
            "take_seed": self.draw_seed() if request.no_cache else None,
        }
        return self.planner.job(
            request,
            job_id=job_id,
            kind=JobKind.SOUND if isinstance(request, SoundRequest) else JobKind.SOUND_BATCH,
            gpu_queue=GENERATION_REQUESTS,
            engine=engine,
            model=model,
            settled=request.model_dump(mode="json") | chosen | settled,
            fingerprint=fingerprint(request),
            folder="sounds",
            estimated_seconds=_estimate(plan),
        )


def request_of(job: Job) -> SoundRequest | SoundBatchRequest:
    """What the job was asked for."""
    kind = SoundRequest if job.kind is JobKind.SOUND else SoundBatchRequest
    return kind.model_validate({name: value for name, value in job.request.items() if name in kind.model_fields})


def _too_long(request: SoundOptions, engine: EngineInfo, model: ModelInfo) -> list[FieldError]:
    longest = model.longest_seconds
    if longest is None or request.duration_seconds <= longest:
        return []
    return [FieldError("/duration_seconds", f"{engine.name} makes at most {longest:g} seconds")]


def _estimate(plan: SoundPlan) -> float:
    per_note = plan.request.duration_seconds * plan.model.seconds_per_audio_second + _SECONDS_PER_NOTE
    return round(_OVERHEAD_SECONDS + len(plan.asks) * per_note, 1)
