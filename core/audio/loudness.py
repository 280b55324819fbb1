"""Loudness and true peak, as ITU-R BS.1770-4 and EBU R 128 define them, of a stream of blocks."""

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


@dataclass(frozen=True)
class Loudness:
    """How loud a file is.

    Attributes:
        integrated_lufs: over the whole file, gated; to 0.001. ``None`` if no stretch of 400 ms passes the gate of
            −70 LUFS: silence, or less than 400 ms.
        true_peak_dbtp: of the waveform between the samples, over full scale; ``None`` for digital silence.
    """

    integrated_lufs: float | None
    true_peak_dbtp: float | None


class LoudnessMeter:
    """Measures a stream of blocks in memory that does not grow."""

    def __init__(self, sample_rate: int, channels: int, sample_peak: float = 0.0) -> None:
        """Start a stream; whoever knows its largest sample beforehand saves work by saying so."""
        self._sample_rate = sample_rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._frames = 0
        self._integrated_lufs = _ABSOLUTE_GATE_LUFS
        self._true_peak = TruePeakMeter(channels, sample_peak)
        self._graph = self._filter_graph()

    def add(self, block: Block) -> None:
        """Go on with a block ``[C, T]``."""
        if not block.shape[1]:
            return
        self._true_peak.add(block)
        samples = np.ascontiguousarray(block, np.float32)
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
        )

    def _filter_graph(self) -> Graph:
        """ffmpeg's ``ebur128`` without its own true peak, which costs four times the rest."""
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
            measured = frame.metadata.get("lavfi.r128.I")
            if measured is not None:
                self._integrated_lufs = float(measured)
