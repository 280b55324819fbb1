"""One attempt at a separation: measure the song, separate it part by part, deliver the stems."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

from core.audio.decode import decode
from core.audio.formats import OUTPUT_FORMATS
from core.audio.waveform import gain_to_db
from core.errors import DeadlineExceeded, EngineFailed, TimeUsedUp
from core.files.notes import present_version
from core.files.reader import BlobReader
from core.files.source import Source
from core.jobs.model import Job
from core.jobs.progress import Progress
from core.ports import Blobs, Engines, SeparationSettings, Separator
from core.separation.delivering import Delivery, common_gain, residual_db
from core.separation.mixture import DecodedMixture, Measurements, measure
from core.separation.parts import Parts, Plan
from core.separation.report import Report
from core.separation.request import SeparationOptions
from core.separation.selection import Selection, check_stems, wanted_sources
from core.separation.separating import separate

_MEASURED, _SEPARATED = 0.05, 0.9  # how far the job is after each stage, of 1


@dataclass(frozen=True)
class Attempt:
    """One attempt. What an earlier one left in storage is used as far as it goes."""

    engines: Engines
    blobs: Blobs
    longest_seconds: float
    job: Job
    progress: Progress

    def run(self) -> Report:
        """Separate, and deliver. Raises what stops an attempt, ``AudioError`` and ``EngineError``."""
        separator = self._load()
        selection = Selection.of(self.options, separator.sources, separator.complete)
        plan = self._plan(separator, selection)
        self._separate(separator, selection, plan)
        report = self._deliver(plan)
        self.progress.confirm()
        report.store(self.blobs, self.job)
        self.parts.remove()
        return report

    @cached_property
    def options(self) -> SeparationOptions:
        """How to separate."""
        fields = {key: value for key, value in self.job.request.items() if key in SeparationOptions.model_fields}
        return SeparationOptions.model_validate(fields)

    @cached_property
    def source(self) -> Source:
        """The song."""
        accepted = Source.model_validate(self.job.request["source"])
        return present_version(self.blobs, accepted, self.job.job_id)

    @property
    def parts(self) -> Parts:
        """What is separated so far."""
        return Parts(self.blobs, self.job.folder)

    def _load(self) -> Separator:
        options = self.options
        name = self.job.engine.name
        self.progress.report(0, "loading", f"loading {name}")
        separator = self.engines.separation(name).load(
            SeparationSettings(
                model=options.model,
                sources=wanted_sources(options),
                shifts=options.shifts,
                overlap=options.overlap,
                seed=options.random_seed or 0,
            )
        )
        check_stems(options, separator.sources, f"{name} {options.model or ''}".strip())
        return separator

    def _plan(self, separator: Separator, selection: Selection) -> Plan:
        """The plan of an earlier attempt if it still holds: the song need not be measured again."""
        stamp = {
            "engine_version": self.job.engine.version,
            "weights": separator.weights,
            "names": selection.names,
        }
        kept = self.parts.plan()
        if kept is not None and kept == kept.evolve(**stamp):
            return kept
        plan = Plan(measurements=self._measure(), **stamp)
        self.progress.confirm()  # beginning anew removes the parts that are there
        self.parts.start(plan)
        return plan

    def _measure(self) -> Measurements:
        audio = self.job.request["audio"]
        expected_seconds = audio["duration_seconds"] or self.longest_seconds

        def report(seconds: float) -> None:
            share = min(seconds / expected_seconds, 1.0)
            self.progress.report(_MEASURED * share, "measuring", f"{seconds:.0f} s of the song decoded")

        with closing(self._open()) as file, closing(decode(file, self.longest_seconds)) as blocks:
            return measure(audio["sample_rate"], blocks, report)

    def _separate(self, separator: Separator, selection: Selection, plan: Plan) -> None:
        mixture = DecodedMixture(self._open, self.longest_seconds, plan.measurements)
        start_frame = self._reached()
        start = _MEASURED + (_SEPARATED - _MEASURED) * start_frame / mixture.frames

        def report(done: int, steps: int) -> None:
            share = start + (_SEPARATED - start) * done / steps
            self.progress.report(share, "separating", f"{done} of {steps} segments")

        if start_frame == mixture.frames:
            return
        try:
            separate(separator, mixture, selection, self.parts, start_frame, report)
        except DeadlineExceeded:
            if self._reached() > start_frame:  # another attempt would get further, too
                raise TimeUsedUp from None
            raise

    def _reached(self) -> int:
        return sum(part.frames for part in self.parts.finished())

    def _deliver(self, plan: Plan) -> Report:
        def report(share: float) -> None:
            self.progress.report(_SEPARATED + (1 - _SEPARATED) * share, "storing", "writing the stems")

        finished = self.parts.finished()
        if sum(part.frames for part in finished) != plan.measurements.frames:
            raise EngineFailed("parts of the song are missing in storage: another attempt removed them")
        gain = common_gain(finished, OUTPUT_FORMATS[self.options.format].clips)
        delivery = Delivery(self.blobs, self.job, self.parts, plan, self.options.format, self.options.peaks)
        outputs = delivery.deliver(finished, gain, report)
        return Report(outputs=tuple(outputs), result=_result(plan, gain, residual_db(finished)))

    def _open(self) -> BinaryIO:
        return BlobReader(self.blobs, self.source)


def _result(plan: Plan, gain: float, residual: float | None) -> dict[str, Any]:
    return {
        "sample_rate": plan.measurements.sample_rate,
        "channels": plan.measurements.channels,
        "frames": plan.measurements.frames,
        "gain_db": round(gain_to_db(gain), 3),
        "residual_db": residual,
        "weights_sha256": plan.weights,
    }
