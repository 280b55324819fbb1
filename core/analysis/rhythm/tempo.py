"""How fast the music may go, second by second: the tempogram and the likely ways through it.

An autocorrelation tempogram (Grosche & Müller, "Extracting predominant local pulse information from music recordings",
2011) whose periods are rated with their multiples (Percival & Tzanetakis, "Streamlined tempo estimation based on
autocorrelation and cross-correlation with pulses", 2014), and a Viterbi search over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

_STEPS_PER_OCTAVE = 36
TEMPI_BPM = 40 * 2 ** (np.arange(94) / _STEPS_PER_OCTAVE)
"""What the search knows, in steps of 2 %, up to 240."""

_WINDOW_SECONDS = 8.0
"""Of music that has one tempo: four bars at 120 bpm."""
_HOP_SECONDS = 1.0
_MULTIPLES = 4
"""Of a period that repeat as well if it is the beat: a bar's worth."""
_LEAST_OVERLAP = 0.05
"""Of a window with its shifted self, relative to none shifted; below, the autocorrelation is too uncertain."""
_CENTRE_BPM, _SPREAD_OCTAVES = 120.0, 0.9
"""What people take for the beat, as Ellis models it ("Beat tracking by dynamic programming", 2007)."""
_EVIDENCE = 20.0
"""Log-odds of a perfectly periodic window against one without a period: about e^20 over 8 s of beats."""
_CHANGE = 60.0
"""Log-odds against a change of an octave within a second, and in proportion: 3 % is cheap, a jump must pay off for
several seconds."""
_LOCAL_MEAN_SECONDS, _LEVEL_SECONDS = 1.0, 8.0
_SILENCE = 1e-3
"""Of the highest level: softer passages stay soft."""
_QUIET = 0.01
"""Of the mean energy: a window with no more is hardly periodic, whatever little it holds."""
_LEAST_KNOWN = 0.9
"""Of the seconds, in which a rival must be among the tempi."""
_LEAST_CLARITY = 0.25
"""Of a rival, relative to the most periodic."""
_BATCH = 128


@dataclass(frozen=True)
class TempoCurve:
    """The way through the tempogram.

    Attributes:
        bpm: at each whole second.
        clarity: 0 to 1, how periodic the onsets are at it: the mean autocorrelation at the period and its multiples.
    """

    bpm: Curve
    clarity: float

    @property
    def median_bpm(self) -> float:
        """The tempo of most of it."""
        return float(np.median(self.bpm))

    def periods(self, frames: int, frame_rate: float) -> Curve:
        """Frames from beat to beat, at each of so many frames."""
        seconds = np.arange(frames) / frame_rate
        return 60 * frame_rate / np.interp(seconds, np.arange(len(self.bpm)) * _HOP_SECONDS, self.bpm)


def salience(strength: NDArray[np.float32], frame_rate: float) -> Curve:
    """What stands out from its mean over a second, at least 0: of ``[N]``, or of each column of ``[N, K]``."""
    salient: Curve = np.maximum(strength - _moving_mean(strength, round(_LOCAL_MEAN_SECONDS * frame_rate)), 0)
    return salient


def levelled(salient: Curve, frame_rate: float) -> Curve:
    """Each column brought to a root mean square of 1 over some seconds: soft passages count as loud ones."""
    level = np.sqrt(_moving_mean(salient**2, round(_LEVEL_SECONDS * frame_rate)))
    even: Curve = salient / np.maximum(level, _SILENCE * level.max(axis=0, initial=0) + 1e-12)
    return even


def tempo_curves(onsets: Curve, frame_rate: float) -> list[TempoCurve]:
    """The likeliest tempo of each second of levelled onsets ``[N]``, N at least 1, and after it those that rival it.

    Rivals keep one ratio to the likeliest all the time: where such onsets are the most periodic, and an octave above
    and below all of these.
    """
    tempogram = np.concatenate(list(_tempograms(onsets, frame_rate)))
    path = _smoothest(_EVIDENCE * tempogram)
    clarities = _clarities_beside(tempogram, path)
    least = _LEAST_CLARITY * max(clarities.values())
    peaks = [step for step, clarity in clarities.items() if clarity >= max(least, _best_beside(clarities, step))]
    octaves = [step + octave for step in (0, *peaks) for octave in (-_STEPS_PER_OCTAVE, _STEPS_PER_OCTAVE)]
    steps = [0]
    for step in (*peaks, *octaves):
        if min(abs(step - other) for other in steps) > 1:
            steps.append(step)
    return [
        TempoCurve(TEMPI_BPM[path] * 2 ** (step / _STEPS_PER_OCTAVE), min(max(clarities.get(step, 0.0), 0.0), 1.0))
        for step in steps
    ]


def _clarities_beside(tempogram: Curve, path: NDArray[np.intp]) -> dict[int, float]:
    """How periodic the onsets are along paths so many steps above or below, where the tempogram knows them."""
    tempi = len(TEMPI_BPM)
    clarities = {}
    for step in range(-tempi + 1, tempi):
        known = np.flatnonzero((path + step >= 0) & (path + step < tempi))
        if known.size >= _LEAST_KNOWN * len(path):
            clarities[step] = float(tempogram[known, path[known] + step].mean())
    return clarities


def _best_beside(clarities: dict[int, float], step: int) -> float:
    return max(clarities.get(step - 1, 0.0), clarities.get(step + 1, 0.0))


def _tempograms(onsets: Curve, frame_rate: float) -> Iterator[Curve]:
    """How periodic the window around each second is ``[n, tempi]``, some seconds at a time."""
    length, hop = round(_WINDOW_SECONDS * frame_rate), frame_rate * _HOP_SECONDS
    padded = np.concatenate([np.zeros(length // 2), onsets, np.zeros(length)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    starts = np.round(np.arange(0, len(onsets), hop)).astype(int)
    taper = np.hanning(length).astype(np.float64)
    overlap = _autocorrelation(taper[None])[0]
    weight = np.where(overlap > _LEAST_OVERLAP * overlap[0], overlap[0] / overlap.clip(1e-9), 0)
    for first in range(0, len(starts), _BATCH):
        frames = windows[starts[first : first + _BATCH]]
        correlation = _autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * taper)
        yield _comb(correlation * weight / (correlation[:, :1] + _QUIET * overlap[0]), frame_rate)


def _autocorrelation(frames: NDArray[np.floating]) -> Curve:
    length = frames.shape[1]
    power = np.abs(np.fft.rfft(frames, 2 * length)) ** 2
    correlation: Curve = np.fft.irfft(power, 2 * length)[:, :length]
    return correlation


def _comb(correlation: Curve, frame_rate: float) -> Curve:
    """The mean over a period and its multiples, for each tempo."""
    lags = 60 * frame_rate / TEMPI_BPM * np.arange(1, _MULTIPLES + 1)[:, None]
    below = np.minimum(lags.astype(int), correlation.shape[1] - 2)
    share = np.minimum(lags - below, 1)
    rated: Curve = (correlation[:, below] * (1 - share) + correlation[:, below + 1] * share).mean(axis=1)
    return rated


def _smoothest(evidence: Curve) -> NDArray[np.intp]:
    """The path ``[n]`` through log-likelihoods ``[n, tempi]`` that pays least for change (Viterbi)."""
    octaves = np.log2(TEMPI_BPM)
    change = -_CHANGE * np.abs(octaves[:, None] - octaves)
    best = evidence[0] - 0.5 * ((octaves - np.log2(_CENTRE_BPM)) / _SPREAD_OCTAVES) ** 2
    came_from = np.zeros(evidence.shape, np.uint8)
    for second in range(1, len(evidence)):
        reached = best[:, None] + change
        came_from[second] = reached.argmax(axis=0)
        best = reached.max(axis=0) + evidence[second]
    path = np.empty(len(evidence), np.intp)
    path[-1] = best.argmax()
    for second in range(len(evidence) - 1, 0, -1):
        path[second - 1] = came_from[second, path[second]]
    return path


def _moving_mean(values: NDArray[np.floating], length: int) -> Curve:
    """Over so many frames around each, fewer at the ends."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    first = np.maximum(np.arange(len(values)) - length // 2, 0)
    last = np.minimum(np.arange(len(values)) + length // 2 + 1, len(values))
    count = (last - first).reshape(-1, *[1] * (values.ndim - 1))
    mean: Curve = (total[last] - total[first]) / count
    return mean
