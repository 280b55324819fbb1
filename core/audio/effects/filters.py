"""The effects that ffmpeg's filters make, which compute in float64: equalizer, dynamics, passes.

The equalizer and the passes are the biquads of Robert Bristow-Johnson's *Cookbook formulae for audio EQ biquad filter
coefficients*: prewarped, and so exact at their frequency.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.filter import Graph

from core.audio.effects.request import (
    Band,
    Bandpass,
    Compressor,
    Equalizer,
    Gate,
    Highpass,
    Limiter,
    Lowpass,
)
from core.audio.waveform import db_to_gain

if TYPE_CHECKING:
    from core.ports import Block

Filtered = Equalizer | Compressor | Gate | Limiter | Lowpass | Highpass | Bandpass

_LOOKAHEAD_MS = 5.0
_PRECISE = ":r=f64:a=tdii"  # transposed direct form II: the steadiest of the plain ones at low frequencies
_BAND_FILTERS = {"peaking": "equalizer", "low_shelf": "lowshelf", "high_shelf": "highshelf"}


class FilterGraph:
    """A ``Processor`` out of ffmpeg's filters, each a name and its options, one after the other."""

    def __init__(self, filters: list[tuple[str, str]], sample_rate: int, channels: int) -> None:
        self._sample_rate = sample_rate
        self._channels = channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._frames = 0
        self._graph = self._connected([*filters, ("aformat", "sample_fmts=fltp")])

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        if block.shape[1]:
            samples = np.ascontiguousarray(block, np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts = self._sample_rate, self._frames
            frame.time_base = Fraction(1, self._sample_rate)
            self._frames += block.shape[1]
            self._graph.push(frame)
        return self._pulled()

    def finish(self) -> Block:
        """As ``Processor.finish``."""
        self._graph.push(None)
        return self._pulled()

    def _connected(self, filters: list[tuple[str, str]]) -> Graph:
        graph = Graph()
        graph.threads = 1  # a pool of its own for each of two channels costs more than it saves
        last = graph.add_abuffer(
            format="fltp", sample_rate=self._sample_rate, layout=self._layout, time_base=Fraction(1, self._sample_rate)
        )
        for name, options in [*filters, ("abuffersink", "")]:
            following = graph.add(name, options)
            last.link_to(following)
            last = following
        graph.configure()
        return graph

    def _pulled(self) -> Block:
        pieces = [np.zeros((self._channels, 0), np.float32)]
        while True:
            try:
                pieces.append(self._graph.pull().to_ndarray().astype(np.float32, copy=False))
            except (av.BlockingIOError, av.EOFError):
                return np.concatenate(pieces, axis=1)


def filters_of(effect: Filtered) -> list[tuple[str, str]]:
    """The filters that make ``effect``: ffmpeg's names, and their options as it writes them."""
    match effect:
        case Equalizer():
            return [_band(band) for band in effect.bands]
        case Compressor():
            return [("acompressor", _compression(effect))]
        case Gate():
            return [("agate", _gating(effect))]
        case Limiter():
            return [("alimiter", _limiting(effect))]
        case Lowpass() | Highpass():
            return [(effect.type, _biquad(effect.frequency_hz, q)) for q in butterworth_qs(effect.order)]
        case Bandpass():
            return [("bandpass", _biquad(effect.frequency_hz, effect.q))]


def butterworth_qs(order: int) -> list[float]:
    """Of the ``order / 2`` biquads that make a Butterworth filter: its poles lie evenly on half a circle."""
    return [1 / (2 * math.sin((2 * index + 1) * math.pi / (2 * order))) for index in range(order // 2)]


def softened(tone_hz: float, sample_rate: int, channels: int) -> FilterGraph:
    """A lowpass of the second order."""
    return FilterGraph([("lowpass", _biquad(tone_hz, math.sqrt(0.5)))], sample_rate, channels)


def _biquad(frequency_hz: float, q: float) -> str:
    return f"f={frequency_hz:.10g}:t=q:w={q:.10g}{_PRECISE}"


def _band(band: Band) -> tuple[str, str]:
    return _BAND_FILTERS[band.type], f"{_biquad(band.frequency_hz, band.q)}:g={band.gain_db:.10g}"


def _compression(effect: Compressor) -> str:
    return _options(
        threshold=db_to_gain(effect.threshold_db), ratio=effect.ratio, attack=effect.attack_ms,
        release=effect.release_ms, knee=db_to_gain(effect.knee_db), makeup=db_to_gain(effect.makeup_db),
        link="maximum", detection="rms",
    )  # fmt: skip


def _gating(effect: Gate) -> str:
    """Unlike the compressor, ffmpeg's gate applies what it finds in the power to the samples: twice as many dB."""
    return _options(
        threshold=db_to_gain(effect.threshold_db), ratio=1 + (effect.ratio - 1) / 2, range=db_to_gain(effect.range_db),
        attack=effect.attack_ms, release=effect.release_ms, knee=1, link="maximum", detection="rms",
    )  # fmt: skip


def _limiting(effect: Limiter) -> str:
    """``level=0`` leaves the level alone, ``latency=1`` takes back what looking ahead delays."""
    return _options(
        limit=db_to_gain(effect.ceiling_db), attack=_LOOKAHEAD_MS, release=effect.release_ms, level=0, latency=1
    )


def _options(**values: float | str) -> str:
    return ":".join(
        f"{name}={value if isinstance(value, str) else format(value, '.10g')}" for name, value in values.items()
    )
