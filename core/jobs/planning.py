"""What planning a job of any kind has in common: its engine, its callback, its times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.errors import FieldError, InvalidRequest, LicenceRefused
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import Callback, EngineStamp, Job, JobKind
from core.jobs.request import EngineRequest, JobRequest
from core.ports import Clock, EngineInfo, Engines, ModelInfo, Task
from core.settings import Settings
from core.webhooks.address_guard import check_callback_url

_LONGEST_WAIT_SECONDS = 7 * 86400  # a message lives no longer


@dataclass(frozen=True)
class JobPlanner:
    """Makes jobs that are ready to be stored."""

    engines: Engines
    clock: Clock
    settings: Settings

    def engine(self, request: EngineRequest, task: Task, default: str) -> EngineInfo:
        """The engine for ``task`` that the request names, or ``default``.

        Raises ``InvalidRequest`` if there is none of this name.
        """
        name = request.engine or default
        known = {info.name: info for info in self.engines.catalogue() if task in info.tasks}
        if name not in known:
            detail = f"there is no {task} engine {name!r}; there is {', '.join(sorted(known))}"
            raise InvalidRequest([FieldError("/engine", detail)])
        return known[name]

    def model(self, request: EngineRequest, engine: EngineInfo, name: str | None) -> ModelInfo:
        """The engine's model of this name, ``None`` for its default.

        Raises ``InvalidRequest`` if there can be none of this name, ``LicenceRefused`` if its weights forbid the use.
        """
        model = engine.model(name)
        if model not in engine.models and not engine.takes_own_weights:
            raise InvalidRequest([FieldError("/model", f"{engine.name} has no models to choose from; leave it out")])
        if request.use == "commercial" and not model.commercial_use:
            raise LicenceRefused(
                f"the weights of {engine.name} {model.name} are licensed as {model.weights_licence}: no commercial use"
            )
        return model

    def hearing_costs(self) -> float:
        """Seconds that the analysis takes for each second of audio, of jobs of other kinds as well."""
        hearing = next(info for info in self.engines.catalogue() if "analysis" in info.tasks)
        return hearing.default.seconds_per_audio_second

    def check(self, request: EngineRequest) -> None:
        """Raise ``InvalidRequest`` if its callback or its retention does not fit."""
        self._callback(request, "standard")
        self.retention_seconds(request)

    def job(
        self, request: EngineRequest, *, job_id: str, kind: JobKind, gpu_queue: str, engine: EngineInfo,
        model: ModelInfo, settled: dict[str, Any], fingerprint: str, folder: str, estimated_seconds: float,
        payload: str = "standard",
    ) -> Job:  # fmt: skip
        """The job for ``request``; ``settled`` is the request with everything that was left open filled in.

        Its message takes ``gpu_queue`` if the engine needs a GPU, else the queue of all that do not.
        The files go to ``{audio_file_id}/{folder}/{job_id}/``. Raises ``InvalidRequest``.
        """
        now = self.clock()
        retention = self.retention_seconds(request)
        audio_file_id = (request.audio_file_id if isinstance(request, JobRequest) else None) or job_id
        return Job(
            job_id=job_id,
            kind=kind,
            queue=CPU_REQUESTS if engine.hardware == "cpu" else gpu_queue,
            request={key: value for key, value in settled.items() if not key.startswith("callback_")},
            fingerprint=fingerprint,
            engine=EngineStamp(
                name=engine.name,
                version=engine.version,
                weights=model.name if model.weights_licence else None,
                licence=engine.licence,
                weights_licence=model.weights_licence,
            ),
            audio_file_id=audio_file_id,
            folder=f"{audio_file_id}/{folder}/{job_id}/",
            callback=self._callback(request, payload),
            attempts_allowed=self.settings.job_attempts,
            estimated_seconds=estimated_seconds,
            created_at=now,
            updated_at=now,
            sent_at=now,
            expires_at=now + timedelta(seconds=retention),
            retention_seconds=retention,
        )

    def _callback(self, request: EngineRequest, payload: str) -> Callback | None:
        if request.callback_url is None:
            return None
        check_callback_url(request.callback_url, "/callback_url", self.settings)
        return Callback(url=request.callback_url, events=request.callback_events, payload=payload)

    def input_seconds(self, request: EngineRequest) -> float:
        """How long a file that came with its request may be needed: to wait and to run, and for a retry after that."""
        return _LONGEST_WAIT_SECONDS + self.retention_seconds(request)

    def retention_seconds(self, request: EngineRequest) -> int:
        """How long the job's files are kept once it has ended. Raises ``InvalidRequest``."""
        longest = self.settings.longest_retention_seconds
        if not isinstance(request, JobRequest) or request.expires_in_seconds is None:
            return self.settings.retention_seconds
        if request.expires_in_seconds > longest:
            raise InvalidRequest([FieldError("/expires_in_seconds", f"must be 60 to {longest} seconds")])
        return request.expires_in_seconds
