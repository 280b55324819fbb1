"""Turns a request into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import FieldError, InvalidRequest
from core.generation.request import GenerationRequest
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo
from core.validation import fingerprint

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the upload


@dataclass(frozen=True)
class GenerationPlanner:
    """Makes jobs out of generation requests."""

    planner: JobPlanner
    draw_seed: Callable[[], int]

    def plan(self, request: GenerationRequest, *, job_id: str, payload: str = "standard") -> Job:
        """The job for ``request``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine = self.planner.engine(request, "generation", self.planner.settings.default_generation_engine)
        _check_duration(request, engine)
        return self.planner.job(
            request,
            job_id=job_id,
            kind=JobKind.GENERATION,
            gpu_queue=GENERATION_REQUESTS,
            engine=engine,
            settled=self._settled(request, engine),
            fingerprint=fingerprint(request),
            folder="generated",
            estimated_seconds=_estimate(request, engine),
            payload=payload,
        )

    def _settled(self, request: GenerationRequest, engine: EngineInfo) -> dict[str, Any]:
        """The request with everything that was left open filled in, so that every attempt makes the same."""
        settled = request.model_dump(mode="json")
        settled["engine"] = engine.name
        if settled["parameters"]["random_seed"] is None:
            settled["parameters"]["random_seed"] = self.draw_seed()
        return settled


def _check_duration(request: GenerationRequest, engine: EngineInfo) -> None:
    longest = engine.longest_seconds
    if longest is not None and request.parameters.duration_seconds > longest:
        detail = f"{engine.name} makes at most {longest:g} seconds"
        raise InvalidRequest([FieldError("/parameters/duration_seconds", detail)])


def _estimate(request: GenerationRequest, engine: EngineInfo) -> float:
    audio_seconds = request.parameters.duration_seconds * len(request.target_stems)
    return round(_OVERHEAD_SECONDS + audio_seconds * engine.seconds_per_audio_second, 1)
