"""Turns a request and two tracks that were looked at into a job that is ready to be stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.audio.formats import OUTPUT_FORMATS
from core.bridge.request import SHORTEST_SECONDS, TRACKS, BridgeOptions, length_fault
from core.errors import FieldError, InvalidRequest
from core.files.inputs import Input
from core.files.upload import UploadedAudio
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobKind
from core.jobs.planning import JobPlanner
from core.ports import EngineInfo, ModelInfo

TOLERANCE_SECONDS = 0.1
"""By how much a track may end too early: what encoders say of a length is not exact. The rest is silence."""

_OVERHEAD_SECONDS = 0.5  # from the queue to the first block, and the uploads


@dataclass(frozen=True)
class BridgePlanner:
    """Makes jobs out of requests for bridges."""

    planner: JobPlanner

    def check(self, options: BridgeOptions) -> tuple[EngineInfo, ModelInfo]:
        """The engine and the model for ``options``, so far as they can be judged without the tracks.

        Raises ``InvalidRequest`` or ``LicenceRefused``.
        """
        self.planner.check(options)
        options.check_times()
        engine = self.planner.engine(options, "bridge", self.planner.settings.default_bridge_engine)
        model = self.planner.model(options, engine, options.model)
        if model.sample_rate is not None and options.sample_rate not in (None, model.sample_rate):
            detail = f"{engine.name} makes {model.sample_rate} Hz and no other rate; leave it out"
            raise InvalidRequest([FieldError("/sample_rate", detail)])
        return engine, model

    def check_fit(self, options: BridgeOptions, audio: Mapping[str, UploadedAudio]) -> None:
        """Raise ``InvalidRequest`` if the part that is asked for does not lie in both tracks, or is too long."""
        errors = [error for name in TRACKS for error in _outside(options, name, audio[name].duration_seconds)]
        seconds = _part_seconds(options, audio)
        if not errors and seconds is not None:
            fault = length_fault(seconds, len(options.ratios), options.channels)
            errors += [FieldError("/end_seconds", fault)] if fault else []
        if errors:
            raise InvalidRequest(errors)

    def check_format(self, options: BridgeOptions, audio: Mapping[str, UploadedAudio]) -> None:
        """Raise ``InvalidRequest`` if the format cannot hold the rate of the new tracks."""
        _, model = self.check(options)
        rate = _sample_rate(options, model, audio)
        if not OUTPUT_FORMATS[options.format].holds(rate):
            detail = f"{options.format} cannot hold {rate} Hz; choose wav16 or flac, or another sample_rate"
            raise InvalidRequest([FieldError("/format", detail)])

    def plan(self, options: BridgeOptions, tracks: Mapping[str, Input], *, job_id: str, fingerprint: str) -> Job:
        """The job that bridges ``tracks``, by name. Raises ``InvalidRequest`` or ``LicenceRefused``."""
        engine, model = self.check(options)
        audio = {name: tracks[name].audio for name in TRACKS}
        self.check_format(options, audio)
        seconds = _part_seconds(options, audio) or 0.0
        making_costs = len(options.ratios) * options.channels * model.seconds_per_audio_second
        costs = making_costs + len(TRACKS) * self.planner.hearing_costs()
        return self.planner.job(
            options,
            job_id=job_id,
            kind=JobKind.BRIDGE,
            gpu_queue=GENERATION_REQUESTS,
            engine=engine,
            model=model,
            settled=_settled(options, engine, model, tracks),
            fingerprint=fingerprint,
            folder="bridged",
            estimated_seconds=round(_OVERHEAD_SECONDS + seconds * costs, 1),
        )


def _settled(
    options: BridgeOptions, engine: EngineInfo, model: ModelInfo, tracks: Mapping[str, Input]
) -> dict[str, Any]:
    audio = {name: tracks[name].audio for name in TRACKS}
    return options.model_dump(mode="json") | {
        "engine": engine.name,
        "model": model.name if engine.takes_own_weights else None,
        "track2_start_seconds": options.start_of(TRACKS[1]),
        "sample_rate": _sample_rate(options, model, audio),
        **{name: tracks[name].model_dump() for name in TRACKS},
    }


def _sample_rate(options: BridgeOptions, model: ModelInfo, audio: Mapping[str, UploadedAudio]) -> int:
    return model.sample_rate or options.sample_rate or audio[TRACKS[0]].sample_rate


def _part_seconds(options: BridgeOptions, audio: Mapping[str, UploadedAudio]) -> float | None:
    """How long the part is, as far as that is known before the tracks are decoded."""
    if options.asked_seconds is not None:
        return options.asked_seconds
    lengths = [audio[name].duration_seconds for name in TRACKS]
    if None in lengths:
        return None
    return min((length or 0.0) - options.start_of(name) for name, length in zip(TRACKS, lengths, strict=True))


def _outside(options: BridgeOptions, name: str, length: float | None) -> Iterator[FieldError]:
    """What of the part lies past the end of this track."""
    if length is None:
        return
    start, seconds = options.start_of(name), options.asked_seconds or SHORTEST_SECONDS
    if start + seconds <= length + TOLERANCE_SECONDS:
        return
    if options.asked_seconds is not None and start < length:
        pointer, latest = "/end_seconds", options.start_seconds + length - start
    else:
        own = name == TRACKS[1] and options.track2_start_seconds is not None
        pointer, latest = "/track2_start_seconds" if own else "/start_seconds", length - seconds
    advice = f"send {latest:.2f} or less" if latest >= 0 else f"{seconds:g} s or more are needed"
    yield FieldError(pointer, f"{name} is over at {length:.2f} s; {advice}")
