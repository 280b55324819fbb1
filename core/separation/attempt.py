"""One attempt at a separation: measure the song, separate it part by part, deliver the stems."""

from __future__ import annotations

from contextlib import closing
from typing import Any, BinaryIO

from core.audio.decode import decode
from core.audio.formats import OUTPUT_FORMATS
from core.audio.waveform import gain_to_db
from core.errors import DeadlineExceeded, TimeUsedUp, WorkLost
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


class Attempt:
    """One attempt. What an earlier one left in storage is used as far as it goes."""

    def __init__(self, engines: Engines, blobs: Blobs, longest_seconds: float, job: Job, progress: Progress) -> None:
        fields = {key: value for key, value in job.request.items() if key in SeparationOptions.model_fields}
        self._options = SeparationOptions.model_validate(fields)
        self._source = present_version(blobs, Source.model_validate(job.request["source"]), job.job_id)
        self._parts = Parts(blobs, job.folder)
        self._engine = engines.separation(job.engine.name)
        self._blobs = blobs
        self._longest_seconds = longest_seconds
        self._job = job
        self._progress = progress

    def run(self) -> Report:
        """Separate, and deliver. Raises ``AudioError``, ``SourceChanged``, ``EngineError`` or what stops an attempt."""
        name, options = self._job.engine.name, self._options
        self._progress.report(0, "loading", f"loading {name}")
        with self._engine.load(self._settings(), self._progress.check) as separator:
            check_stems(options, separator.sources, f"{name} {options.model or ''}".strip())
            report = self._work(separator)
        self._progress.confirm()
        report.store(self._blobs, self._job)
        self._parts.remove()
        return report

    def _settings(self) -> SeparationSettings:
        options = self._options
        return SeparationSettings(
            model=options.model,
            sources=wanted_sources(options),
            shifts=options.shifts,
            overlap=options.overlap,
            seed=options.random_seed or 0,
        )

    def _work(self, separator: Separator) -> Report:
        selection = Selection.of(self._options, separator.sources, separator.complete)
        plan = self._plan(separator, selection)
        start_frame = self._reached()
        try:
            self._separate(separator, selection, plan, start_frame)
            return self._deliver(plan)
        except DeadlineExceeded:
            if self._reached() > start_frame:  # another attempt would get further, too
                raise TimeUsedUp from None
            raise

    def _plan(self, separator: Separator, selection: Selection) -> Plan:
        """The plan of an earlier attempt if it still holds: the song need not be measured again."""
        stamp = {
            "engine_version": self._engine.info.version,
            "weights": separator.weights,
            "names": selection.names,
        }
        kept = self._parts.plan()
        if kept is not None and kept == kept.evolve(**stamp):
            return kept
        plan = Plan(measurements=self._measure(), **stamp)
        self._progress.confirm()  # beginning anew removes the parts that are there
        self._parts.start(plan)
        return plan

    def _measure(self) -> Measurements:
        audio = self._job.request["audio"]
        expected_seconds = audio["duration_seconds"] or self._longest_seconds

        def report(seconds: float) -> None:
            share = min(seconds / expected_seconds, 1.0)
            self._progress.report(_MEASURED * share, "measuring", f"{seconds:.0f} s of the song decoded")

        blocks = decode(file := self._open(), self._longest_seconds, self._source.filename)
        with closing(file), closing(blocks):
            return measure(audio["sample_rate"], blocks, report)

    def _separate(self, separator: Separator, selection: Selection, plan: Plan, start_frame: int) -> None:
        mixture = DecodedMixture(
            self._open, self._longest_seconds, self._source.filename, **plan.measurements.model_dump()
        )
        start = _MEASURED + (_SEPARATED - _MEASURED) * start_frame / mixture.frames

        def report(done: int, steps: int) -> None:
            share = start + (_SEPARATED - start) * done / steps
            self._progress.report(share, "separating", f"{done} of {steps} segments")

        if start_frame < mixture.frames:
            separate(separator, mixture, selection, self._parts, start_frame, report)

    def _reached(self) -> int:
        return sum(part.frames for part in self._parts.finished())

    def _deliver(self, plan: Plan) -> Report:
        def report(share: float) -> None:
            self._progress.report(_SEPARATED + (1 - _SEPARATED) * share, "storing", "writing the stems")

        finished = self._parts.finished()
        if sum(part.frames for part in finished) != plan.measurements.frames:
            raise WorkLost("parts of the song are missing in storage: another attempt removed them")
        gain = common_gain(finished, OUTPUT_FORMATS[self._options.format].clips)
        delivery = Delivery(self._blobs, self._job, self._parts, plan, self._options.format, self._options.peaks)
        outputs = delivery.deliver(finished, gain, report, self._progress.confirm)
        return Report(outputs=tuple(outputs), result=_result(plan, gain, residual_db(finished)))

    def _open(self) -> BinaryIO:
        return BlobReader(self._blobs, self._source)


def _result(plan: Plan, gain: float, residual: float | None) -> dict[str, Any]:
    return {
        "sample_rate": plan.measurements.sample_rate,
        "channels": plan.measurements.channels,
        "frames": plan.measurements.frames,
        "gain_db": round(gain_to_db(gain), 6),  # so exact that the song times the gain is the sum to within 24 bits
        "residual_db": residual,
        "weights_sha256": plan.weights,
    }
