"""Loudness, its range and true peak of a stream of blocks: ITU-R BS.1770-4, EBU R 128 and EBU Tech 3342."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.filter import Graph

from core.audio.truepeak import TruePeakMeter
from core.audio.waveform import gain_to_db

if TYPE_CHECKING:
    from core.ports import Block

_ABSOLUTE_GATE_LUFS = -70.0
_RANGE_GATE_LU = -20.0
_RANGE_PERCENTILES = (0.1, 0.95)
_LOUDEST_LUFS = 30.0
_STEPS_PER_LU = 100
_FLOOR = np.float32(1e-12)
"""Lies under every other sample, 240 dB below full scale, and so far below what is told. In digital silence the
filter's memory would decay into subnormal numbers, with which processors compute some ten times as slowly."""


@dataclass(frozen=True)
class Loudness:
    """How loud a file is.

    Attributes:
        integrated_lufs: over the whole file, gated; to 0.001. ``None`` if no stretch of 400 ms passes the gate of
            −70 LUFS: silence, or less than 400 ms.
        true_peak_dbtp: of the waveform between the samples, over full scale; ``None`` for digital silence.
        range_lu: how far the soft passages lie below the loud ones, to 0.01; ``None`` if no stretch of 3 s passes the
            gate.
    """

    integrated_lufs: float | None
    true_peak_dbtp: float | None
    range_lu: float | None = None


class LoudnessRange:
    """The spread of the loudness of stretches of 3 s, counted in steps of 0.01 LU: EBU Tech 3342, section 3."""

    def __init__(self) -> None:
        """Nothing heard."""
        self._counts = np.zeros(round((_LOUDEST_LUFS - _ABSOLUTE_GATE_LUFS) * _STEPS_PER_LU) + 1, np.int64)

    def add(self, short_term_lufs: float) -> None:
        """Go on with the loudness of the last 3 s."""
        if short_term_lufs >= _ABSOLUTE_GATE_LUFS:
            step = round((min(short_term_lufs, _LOUDEST_LUFS) - _ABSOLUTE_GATE_LUFS) * _STEPS_PER_LU)
            self._counts[step] += 1

    def result(self) -> float | None:
        """LU between the 10th and the 95th percentile of what passes the gate 20 LU below the mean power."""
        if not self._counts.any():
            return None
        powers = 10 ** (np.arange(self._counts.size) / (10 * _STEPS_PER_LU))
        mean = 10 * float(np.log10(np.average(powers, weights=self._counts)))
        gate = max(0, round((mean + _RANGE_GATE_LU) * _STEPS_PER_LU))
        counts = np.cumsum(self._counts[gate:])
        soft, loud = (int(np.searchsorted(counts, round((counts[-1] - 1) * part) + 1)) for part in _RANGE_PERCENTILES)
        return (loud - soft) / _STEPS_PER_LU


class LoudnessMeter:
    """Measures a stream of blocks in memory that does not grow."""

    def __init__(self, sample_rate: int, channels: int, sample_peak: float = 0.0) -> None:
        """Start a stream; whoever knows its largest sample beforehand saves work by saying so."""
        self._sample_rate = sample_rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._frames = 0
        self._integrated_lufs = _ABSOLUTE_GATE_LUFS
        self._range = LoudnessRange()
        self._true_peak = TruePeakMeter(channels, sample_peak)
        self._graph = self._filter_graph()

    def add(self, block: Block) -> None:
        """Go on with a block ``[C, T]``."""
        if not block.shape[1]:
            return
        self._true_peak.add(block)
        samples = np.array(block, np.float32, order="C")
        samples[:, self._frames % 2 :: 2] += _FLOOR
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts = self._sample_rate, self._frames
        frame.time_base = Fraction(1, self._sample_rate)
        self._frames += block.shape[1]
        self._graph.push(frame)
        self._pull()

    def result(self) -> Loudness:
        """The measures of all that was added. To be called once, at the end."""
        self._graph.push(None)
        self._pull()
        loud = self._integrated_lufs > _ABSOLUTE_GATE_LUFS
        true_peak = self._true_peak.finish()
        return Loudness(
            self._integrated_lufs if loud else None,
            gain_to_db(true_peak) if true_peak else None,
            self._range.result(),
        )

    def _filter_graph(self) -> Graph:
        """ffmpeg's ``ebur128``, without its own true peak, which costs four times the rest.

        Nor is its range taken: of fewer than ten stretches it is some 20 LU, whatever they are.
        """
        graph = Graph()
        graph.threads = 1  # a pool of its own costs a short file more than measuring it
        source = graph.add_abuffer(
            format="fltp", sample_rate=self._sample_rate, layout=self._layout, time_base=Fraction(1, self._sample_rate)
        )
        meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        return graph

    def _pull(self) -> None:
        """Take what the filter has passed on: a frame every 100 ms, with the loudness up to there."""
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            measured = frame.metadata
            if "lavfi.r128.I" in measured:
                self._integrated_lufs = float(measured["lavfi.r128.I"])
                self._range.add(float(measured["lavfi.r128.S"]))
