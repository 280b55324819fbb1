"""Turns a request into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.errors import FieldError, InvalidRequest, LicenceRefused
from core.generation.request import GenerationRequest
from core.jobs.messages import CPU_REQUESTS, GENERATION_REQUESTS
from core.jobs.model import Callback, EngineStamp, Job, JobKind
from core.ports import Clock, EngineInfo, Engines
from core.settings import Settings
from core.validation import fingerprint
from core.webhooks.address_guard import check_callback_url

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the upload


@dataclass(frozen=True)
class GenerationPlanner:
    """Makes jobs out of generation requests."""

    engines: Engines
    clock: Clock
    draw_seed: Callable[[], int]
    settings: Settings

    def plan(self, request: GenerationRequest, *, job_id: str, payload: str = "standard") -> Job:
        """The job for ``request``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine = self._engine(request)
        now = self.clock()
        retention = self._retention(request)
        audio_file_id = request.audio_file_id or job_id
        return Job(
            job_id=job_id,
            kind=JobKind.GENERATION,
            queue=CPU_REQUESTS if engine.hardware == "cpu" else GENERATION_REQUESTS,
            request=self._settled(request, engine),
            fingerprint=fingerprint(request),
            engine=EngineStamp(
                name=engine.name, version=engine.version, weights=engine.weights, licence=engine.licence
            ),
            audio_file_id=audio_file_id,
            folder=f"{audio_file_id}/generated/{job_id}/",
            callback=self._callback(request, payload),
            attempts_allowed=self.settings.job_attempts,
            estimated_seconds=_estimate(request, engine),
            created_at=now,
            updated_at=now,
            sent_at=now,
            expires_at=now + timedelta(seconds=retention),
            retention_seconds=retention,
        )

    def _engine(self, request: GenerationRequest) -> EngineInfo:
        name = request.engine or self.settings.default_generation_engine
        known = {info.name: info for info in self.engines.catalogue() if info.task == "generation"}
        if name not in known:
            detail = f"there is no generation engine {name!r}; there is {', '.join(sorted(known))}"
            raise InvalidRequest([FieldError("/engine", detail)])
        engine = known[name]
        if request.use == "commercial" and not engine.commercial_use:
            raise LicenceRefused(f"the weights of {name} are licensed as {engine.weights_licence}: no commercial use")
        if engine.longest_seconds is not None and request.parameters.duration_seconds > engine.longest_seconds:
            detail = f"{name} makes at most {engine.longest_seconds:g} seconds"
            raise InvalidRequest([FieldError("/parameters/duration_seconds", detail)])
        return engine

    def _settled(self, request: GenerationRequest, engine: EngineInfo) -> dict[str, Any]:
        """The request with everything that was left open filled in, so that every attempt makes the same."""
        settled = request.model_dump(mode="json", exclude={"callback_url", "callback_events"})
        settled["engine"] = engine.name
        if settled["parameters"]["random_seed"] is None:
            settled["parameters"]["random_seed"] = self.draw_seed()
        return settled

    def _callback(self, request: GenerationRequest, payload: str) -> Callback | None:
        if request.callback_url is None:
            return None
        check_callback_url(request.callback_url, "/callback_url", self.settings)
        return Callback(url=request.callback_url, events=request.callback_events, payload=payload)

    def _retention(self, request: GenerationRequest) -> int:
        longest = self.settings.longest_retention_seconds
        if request.expires_in_seconds is None:
            return self.settings.retention_seconds
        if request.expires_in_seconds > longest:
            raise InvalidRequest([FieldError("/expires_in_seconds", f"must be 60 to {longest} seconds")])
        return request.expires_in_seconds


def _estimate(request: GenerationRequest, engine: EngineInfo) -> float:
    audio_seconds = request.parameters.duration_seconds * len(request.target_stems)
    return round(_OVERHEAD_SECONDS + audio_seconds * engine.seconds_per_audio_second, 1)
