"""Turns a request and what it is to go with into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.accompaniment.asking import ChordsAsked
from core.accompaniment.request import AccompanimentOptions
from core.audio.formats import OUTPUT_FORMATS
from core.errors import FieldError, InvalidRequest
from core.files.inputs import Input
from core.files.upload import UploadedAudio
from core.generation.inputs import MELODY
from core.generation.options import called
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo, ModelInfo

DEFAULT_ENGINE = "synth"
"""The only one that keeps the beat of what it goes with."""
SAMPLE_RATE = 44100
"""Hz, of what is made from chords; to audio it is that of the audio."""

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the uploads


def keeps_time(engine: EngineInfo) -> bool:
    """Whether it plays beat by beat along a timeline, however long; what is learned from recordings does not."""
    return not engine.takes_own_weights


@dataclass(frozen=True)
class AccompanimentPlanner:
    """Makes jobs out of requests for accompaniments."""

    planner: JobPlanner
    draw_seed: Callable[[], int]

    def check(self, options: AccompanimentOptions, *, to_audio: bool) -> tuple[EngineInfo, ModelInfo]:
        """The engine and the model for ``options``, so far as they can be judged without the audio.

        Raises ``InvalidRequest`` or ``LicenceRefused``.
        """
        self.planner.check(options)
        engine = self.planner.engine(options, "generation", DEFAULT_ENGINE)
        name = options.model
        if name is None and to_audio and not keeps_time(engine):
            name = next((model.name for model in engine.models if MELODY in model.options), None)
        model = self.planner.model(options, engine, name)
        if to_audio and not keeps_time(engine) and model in engine.models and MELODY not in model.options:
            raise InvalidRequest([self._deaf(options, engine, model)])
        return engine, model

    def check_audio(self, options: AccompanimentOptions, audio: UploadedAudio) -> None:
        """Raise ``InvalidRequest`` if this audio is too long for the engine, or its rate suits not the format."""
        engine, model = self.check(options, to_audio=True)
        _check_fit(options, engine, model, audio.sample_rate, audio.duration_seconds or 0.0)

    def of_audio(self, options: AccompanimentOptions, source: Input, *, job_id: str, fingerprint: str) -> Job:
        """The job that accompanies ``source``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        self.check_audio(options, source.audio)
        engine, model = self.check(options, to_audio=True)
        seconds = source.audio.duration_seconds or 0.0
        settled = {"input": source.model_dump(), "chords": None, "mix": options.mix is not False}
        estimate = seconds * self.planner.hearing_costs() + _stems_seconds(options, model, seconds)
        return self._job(options, engine, model, settled, estimate, job_id=job_id, fingerprint=fingerprint)

    def of_chords(self, options: AccompanimentOptions, asked: ChordsAsked, *, job_id: str, fingerprint: str) -> Job:
        """The job that plays ``asked``. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine, model = self.check(options, to_audio=False)
        _check_fit(options, engine, model, SAMPLE_RATE, asked.duration_seconds)
        settled = {"input": None, "chords": asked.model_dump(mode="json"), "mix": options.mix is True}
        estimate = _stems_seconds(options, model, asked.duration_seconds)
        return self._job(options, engine, model, settled, estimate, job_id=job_id, fingerprint=fingerprint)

    def _job(
        self, options: AccompanimentOptions, engine: EngineInfo, model: ModelInfo, settled: dict[str, Any],
        seconds: float, *, job_id: str, fingerprint: str,
    ) -> Job:  # fmt: skip
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.ACCOMPANIMENT,
            gpu_queue=GENERATION_REQUESTS,
            engine=engine,
            model=model,
            settled=options.model_dump(mode="json")
            | settled
            | {
                "engine": engine.name,
                "model": model.name if engine.takes_own_weights else None,
                "random_seed": self.draw_seed() if options.random_seed is None else options.random_seed,
            },
            fingerprint=fingerprint,
            folder="accompanied",
            estimated_seconds=round(_OVERHEAD_SECONDS + seconds, 1),
        )

    def _deaf(self, options: AccompanimentOptions, engine: EngineInfo, model: ModelInfo) -> FieldError:
        able = [each.name for each in engine.models if MELODY in each.options]
        advice = f"{' and '.join(able)} do" if able else f"{DEFAULT_ENGINE} plays to audio"
        pointer = "/model" if options.model else "/engine"
        return FieldError(pointer, f"{called(engine, model)} does not follow what it goes with; {advice}")


def _check_fit(
    options: AccompanimentOptions, engine: EngineInfo, model: ModelInfo, sample_rate: int, seconds: float
) -> None:
    errors = []
    if not OUTPUT_FORMATS[options.format].holds(sample_rate):
        detail = f"{options.format} cannot hold {sample_rate} Hz, which the source has; choose wav16 or flac"
        errors.append(FieldError("/format", detail))
    if not keeps_time(engine) and model.longest_seconds is not None and seconds > model.longest_seconds:
        detail = f"{called(engine, model)} makes at most {model.longest_seconds:g} seconds, this has {seconds:.1f}"
        errors.append(FieldError("/engine", f"{detail}; {DEFAULT_ENGINE} sets no limit"))
    if errors:
        raise InvalidRequest(errors)


def _stems_seconds(options: AccompanimentOptions, model: ModelInfo, seconds: float) -> float:
    stem_seconds = seconds * model.seconds_per_audio_second + model.steps * model.seconds_per_step
    return len(options.target_stems) * stem_seconds
