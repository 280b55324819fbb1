"""From parts to the files that a client gets: one gain for all, each encoded, measured and staged as it goes."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.allocator import give_back_freed_memory
from core.audio.peaks import PeaksMeter, samples_per_pixel_for
from core.audio.waveform import CEILING
from core.files.background import ReadAhead
from core.files.output import OutputFiles
from core.jobs.model import AUDIO_FILES, Job, Output
from core.ports import Blobs
from core.separation.parts import Part, Parts, Plan

if TYPE_CHECKING:
    from core.audio.formats import OutputFormat
    from core.ports import Block, StemBlock

NOTHING_DB = -200.0
"""Stands for no residual at all: float32, in which everything is computed, resolves about 150 dB."""

_PARTS_AHEAD = 1


def common_gain(parts: list[Part], clips: bool) -> float:
    """What brings the loudest sample of any stem below full scale, for all stems alike, so that they still add up."""
    loudest = max(part.peak for part in parts)
    return min(1.0, CEILING / loudest) if clips and loudest > 0 else 1.0


def residual_db(parts: list[Part]) -> float | None:
    """The energy of ``mixture − Σ stems`` against the mixture's, at least ``NOTHING_DB``.

    ``None`` if it cannot be told, because the engine left sources out.
    """
    energies = [part.residual_energy for part in parts]
    if None in energies:
        return None
    residual_energy = sum(energy or 0.0 for energy in energies)
    mixture_energy = sum(part.mixture_energy for part in parts)
    if residual_energy == 0:
        return NOTHING_DB
    return max(NOTHING_DB, round(10 * math.log10(residual_energy / max(mixture_energy, sys.float_info.min)), 2))


@dataclass(frozen=True)
class Delivery:
    """Writes the files of one job."""

    blobs: Blobs
    job: Job
    parts: Parts
    plan: Plan
    output_format: OutputFormat
    peaks: bool

    def deliver(
        self, finished: list[Part], gain: float, report: Callable[[float], None], confirm: Callable[[], None]
    ) -> list[Output]:
        """Write every file.

        ``report`` is told after each part which share is done, ``confirm`` is asked before anything can be seen by
        others; either may raise to stop it.
        """
        give_back_freed_memory()  # the engine's
        with OutputFiles(self.blobs, self.job) as files:
            stems = [_StemFile(self, name, files) for name in self.plan.names]
            self._write(stems, finished, gain, report)
            files.finish()
            confirm()
            return [output for stem, file in zip(stems, files.commit(), strict=True) for output in stem.outputs(file)]

    def _write(
        self, stems: list[_StemFile], finished: list[Part], gain: float, report: Callable[[float], None]
    ) -> None:
        with (
            ReadAhead(lambda: self._samples(finished), _PARTS_AHEAD) as pieces,
            ThreadPoolExecutor(len(stems), thread_name_prefix="encoder") as encoders,
        ):
            for index, samples in enumerate(pieces):
                levelled = samples * np.float32(gain)
                list(encoders.map(_StemFile.write, stems, levelled))  # the codecs let go of the interpreter's lock
                report((index + 1) / len(finished))
                give_back_freed_memory()

    def _samples(self, finished: list[Part]) -> Iterator[StemBlock]:
        return (self.parts.read(part, self.plan) for part in finished)


class _StemFile:
    """One stem on its way to its file, and its waveform."""

    def __init__(self, delivery: Delivery, stem_type: str, files: OutputFiles) -> None:
        measurements = delivery.plan.measurements
        rate, channels, frames = measurements.sample_rate, measurements.channels, measurements.frames
        self._delivery = delivery
        self._file = files.open(stem_type, delivery.output_format, sample_rate=rate, channels=channels, frames=frames)
        self._peaks = PeaksMeter(rate, channels, samples_per_pixel_for(frames)) if delivery.peaks else None

    def write(self, block: Block) -> None:
        self._file.write(block)
        if self._peaks:
            self._peaks.add(block)

    def outputs(self, stem: Output) -> Iterator[Output]:
        """What came of it, once its file is seen."""
        yield stem
        if self._peaks:
            yield self._peaks_output(stem, self._peaks.json())

    def _peaks_output(self, stem: Output, content: bytes) -> Output:
        name = f"{stem.stem_type}.peaks.json"
        place = self._delivery.job.folder + name
        self._delivery.blobs.write(
            AUDIO_FILES, place, lambda: iter((content,)), size_bytes=len(content), content_type="application/json",
            metadata={},
        )  # fmt: skip
        return stem.evolve(
            name=name,
            blob_url=self._delivery.blobs.url(AUDIO_FILES, place),
            format="json",
            file_size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            loudness_lufs=None,
            true_peak_dbtp=None,
        )
