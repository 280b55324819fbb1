"""Turns a request and audio that was looked at into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.material import Material
from core.analysis.request import AnalysisOptions
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo

DEFAULT_ENGINE = "analysis"

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the files


@dataclass(frozen=True)
class AnalysisPlanner:
    """Makes jobs out of requests for an analysis."""

    planner: JobPlanner

    def check(self, options: AnalysisOptions) -> EngineInfo:
        """The engine for ``options``, so far as they can be judged without the audio. Raises ``InvalidRequest``."""
        self.planner.check(options)
        return self.planner.engine(options, "analysis", DEFAULT_ENGINE)

    def plan(self, options: AnalysisOptions, material: Sequence[Material], *, job_id: str, fingerprint: str) -> Job:
        """The job that analyses ``material``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine = self.check(options)
        model = self.planner.model(options, engine, None)
        settled = options.model_dump(mode="json") | {
            "engine": engine.name,
            "material": [each.model_dump() for each in material],
        }
        seconds = max(each.audio.duration_seconds or 0.0 for each in material)  # they are heard at the same time
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.ANALYSIS,
            gpu_queue=CPU_REQUESTS,
            engine=engine,
            model=model,
            settled=settled,
            fingerprint=fingerprint,
            folder="analysed",
            estimated_seconds=round(_OVERHEAD_SECONDS + seconds * model.seconds_per_audio_second, 1),
        )
