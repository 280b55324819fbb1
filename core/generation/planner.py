"""Turns a request into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import FieldError, InvalidRequest
from core.files.inputs import Input
from core.generation.inputs import INPUTS
from core.generation.options import called, option_errors
from core.generation.request import GenerationOptions
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo, ModelInfo
from core.validation import fingerprint

LOUDNESS_LUFS = -16.0
"""What stems of models with weights are brought to unless another loudness is asked for: the target for music of AES
TD1008."""

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the upload


@dataclass(frozen=True)
class GenerationPlanner:
    """Makes jobs out of generation requests."""

    planner: JobPlanner
    draw_seed: Callable[[], int]

    def check(self, options: GenerationOptions, inputs: Collection[str] = ()) -> tuple[EngineInfo, ModelInfo]:
        """The engine and the model for ``options`` and ``inputs``, the names of the audio that comes with them.

        Raises ``InvalidRequest`` or ``LicenceRefused``.
        """
        self.planner.check(options)
        engine = self.planner.engine(options, "generation", self.planner.settings.default_generation_engine)
        model = self.planner.model(options, engine, options.model)
        generating = [info for info in self.planner.engines.catalogue() if "generation" in info.tasks]
        errors = [*_too_long(options, engine, model), *option_errors(options, inputs, engine, model, generating)]
        errors += _without_key(options)
        if errors:
            raise InvalidRequest(errors)
        return engine, model

    def plan(
        self, options: GenerationOptions, *, job_id: str, inputs: Mapping[str, Input] | None = None,
        stamp: str | None = None, payload: str = "standard",
    ) -> Job:  # fmt: skip
        """The job for ``options`` and the audio that comes with them.

        ``stamp`` tells the request from others as it came; without one, ``options`` do. Raises ``InvalidRequest`` or
        ``LicenceRefused``.
        """
        inputs = inputs or {}
        engine, model = self.check(options, inputs)
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.GENERATION,
            gpu_queue=GENERATION_REQUESTS,
            engine=engine,
            model=model,
            settled=self._settled(options, engine, model, inputs),
            fingerprint=stamp or fingerprint(options),
            folder="generated",
            estimated_seconds=_estimate(options, model),
            payload=payload,
        )

    def _settled(
        self, options: GenerationOptions, engine: EngineInfo, model: ModelInfo, inputs: Mapping[str, Input]
    ) -> dict[str, Any]:
        """The request with everything that was left open filled in, so that every attempt makes the same."""
        settled = options.model_dump(mode="json")
        settled["engine"] = engine.name
        settled["model"] = model.name if engine.takes_own_weights else None
        settled |= {name: inputs[name].model_dump() if name in inputs else None for name in INPUTS}
        parameters = settled["parameters"]
        parameters["chord_progression"] = list(options.parameters.symbols())
        if parameters["random_seed"] is None:
            parameters["random_seed"] = self.draw_seed()
        if parameters["loudness_lufs"] is None and engine.takes_own_weights:
            parameters["loudness_lufs"] = LOUDNESS_LUFS
        return settled


def _too_long(options: GenerationOptions, engine: EngineInfo, model: ModelInfo) -> Iterator[FieldError]:
    longest = model.longest_seconds
    if longest is not None and options.parameters.duration_seconds > longest:
        yield FieldError("/parameters/duration_seconds", f"{called(engine, model)} makes at most {longest:g} seconds")


def _without_key(options: GenerationOptions) -> list[FieldError]:
    try:
        options.parameters.symbols()
    except InvalidRequest as error:
        return error.errors
    return []


def _estimate(options: GenerationOptions, model: ModelInfo) -> float:
    steps = options.parameters.steps or model.steps
    stem_seconds = options.parameters.duration_seconds * model.seconds_per_audio_second + steps * model.seconds_per_step
    return round(_OVERHEAD_SECONDS + len(options.target_stems) * stem_seconds, 1)
