"""The pitch of a single note: measured, and changed.

Its period is found by autocorrelation, which a weak or missing first partial does not mislead (de Cheveigné & Kawahara,
"YIN, a fundamental frequency estimator for speech and music", 2002; McLeod & Wyvill, "A smarter way to find pitch",
2005), taken through a window and divided by the window's own (Boersma, "Accurate short-term analysis of the fundamental
frequency and the harmonics-to-noise ratio of a sampled sound", 1993). How fast the first partial's phase turns then
tells its frequency far more finely than a spectrum's bins (Flanagan & Golden, "Phase vocoder", 1966). The period alone
would not do: a stiff string's partials are stretched, and it lies somewhere among them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

_Curve = NDArray[np.floating[Any]]  # numpy's transforms keep float32, which their annotations do not say

LOWEST_HZ, HIGHEST_HZ = 25.0, 5000.0
"""What is looked for."""

LEAST_CLARITY = 0.75
"""Below, a sound has no pitch. White noise and dull thuds stay under 0.4, and only a rumble that lasts few of its own
periods now and then comes near; a note that is just 6 dB above noise passes."""

_SILENCE = 1e-5  # −100 dBFS, a third of the smallest step of 16 bits
_LOUD = 0.1  # of the loudest 10 ms: what is 20 dB below has mostly faded away
_FRAME_SECONDS = 0.01
_PERIOD_SECONDS = 0.32  # eight periods of the lowest note; at 44.1 kHz, a transform of 2^14 holds it and the lags
_LONGEST_SECONDS = 1.0  # a whole swing of the slowest vibrato
_TILT_HZ = 1500.0  # above, partials count less for the period: a stiff string's say less of it
_SHORTER_SHARE = 0.97  # a shorter period is the right one if it fits nearly as well: so do all of its multiples
_ASKED_SHARE = 0.995  # the same, where the longer one was asked for
_SEMITONE = 2 ** (1 / 12)
_WINDOW_PERIODS, _HOP_PERIODS = 4, 1  # Hann's zeros then fall onto all other partials
_FEWEST_PERIODS = 4  # of a note
_FEWEST_SETTLED = 6  # of what is measured, if the note has so many
_WEAK = 0.03  # −30 dB of the strongest partial: a first one below is left to the others
_HEARD = 0.05
_PARTIALS = 6
_ROUNDING = 1e-6  # 0.002 cents
_OUTLIERS = 4.0  # in median deviations: a vibrato reaches 1.4, a stroke or the rest of a glide many more


@dataclass(frozen=True)
class MeasuredPitch:
    """Where a note comes to rest.

    Attributes:
        frequency_hz: of its first partial.
        clarity: 0 to 1: how much of the sound below about 1.5 kHz repeats itself at this period; the rest is noise, or
            changes.
    """

    frequency_hz: float
    clarity: float


def measure_pitch(samples: Block, sample_rate: int, *, near_hz: float | None = None) -> MeasuredPitch | None:
    """The pitch at which one note ``[C, T]`` comes to rest, 25 Hz to 5 kHz; ``None`` if it has none.

    It is that of the later half of what is still loud, at most a second, so a bend's or a slide's end, and the mean of
    a vibrato. A string whose first partial can hardly be heard is measured by the others, its stiffness allowed for.
    At least four periods are needed: at 25 Hz, 0.16 s.

    ``near_hz`` is what was asked for. It decides only where a few per cent of the sound tell two octaves apart; a note
    that is an octave or a fifth off is measured as such.
    """
    mono = samples.mean(axis=0, dtype=np.float32)
    loud = _loud_part(mono - mono.mean(), sample_rate) if mono.size else mono
    if loud.size < _FEWEST_PERIODS:
        return None
    found = _find_period(loud, sample_rate, near_hz)
    if found.clarity < LEAST_CLARITY:
        return None
    settled = loud[-_settled_frames(loud.size, found.period, sample_rate) :]
    return MeasuredPitch(_first_partial(settled, found) * sample_rate, found.clarity)


def transposed(samples: Block, cents: float) -> Block:
    """The sound ``[C, T]`` ``cents`` higher, and as much shorter: ``T / 2^(cents / 1200)`` frames, rounded.

    What would pass half the sample rate is filtered out. Raises ``ImportError`` without soxr.
    """
    import soxr

    moved: Block = soxr.resample(np.ascontiguousarray(samples.T, np.float32), 2 ** (cents / 1200), 1, "VHQ").T
    return moved


def _loud_part(mono: _Curve, sample_rate: int) -> _Curve:
    """From the first loud 10 ms to those after the last; empty if there is nothing but silence."""
    frame = min(round(_FRAME_SECONDS * sample_rate), mono.size)
    frames = mono[: mono.size // frame * frame].reshape(-1, frame)
    level = np.sqrt(np.einsum("ij,ij->i", frames, frames) / frame)
    if level.max() < _SILENCE:
        return mono[:0]
    loud = np.flatnonzero(level >= _LOUD * level.max())
    return mono[loud[0] * frame : (loud[-1] + 2) * frame]


def _settled_frames(frames: int, period: float, sample_rate: int) -> int:
    """How much of the end is measured: half, if that holds periods enough."""
    wanted = min(frames // 2, round(_LONGEST_SECONDS * sample_rate))
    return min(max(wanted, round(_FEWEST_SETTLED * period)), frames)


# The period


@dataclass(frozen=True)
class _Period:
    """In samples, with its fraction; ``clarity`` as in ``MeasuredPitch``; ``power``: the spectrum it was found in."""

    period: float
    clarity: float
    power: _Curve


def _find_period(loud: _Curve, sample_rate: int, near_hz: float | None) -> _Period:
    """Of the end. A short note may still be on its way in its first half, or else too low for a half to show it."""
    longest = round(_PERIOD_SECONDS * sample_rate)
    lengths = {min(loud.size // 2, longest), min(loud.size, longest)}
    found = [_period_of(loud[-length:], sample_rate, near_hz) for length in sorted(lengths)]
    return max(found, key=lambda period: period.clarity)


def _period_of(end: _Curve, sample_rate: int, near_hz: float | None) -> _Period:
    """The shortest period at which the sound repeats itself about as well as at any."""
    spectrum = np.fft.rfft(end * _window(end.size)[0], _transform_length(end.size, sample_rate))
    power = spectrum.real**2 + spectrum.imag**2
    longest = min(int(sample_rate / LOWEST_HZ * _SEMITONE), end.size // _FEWEST_PERIODS)
    correlation = _autocorrelation(power, end.size, sample_rate)[: longest + 2]
    periods, heights = _maxima(correlation, sample_rate / HIGHEST_HZ / _SEMITONE)
    if not heights.size:
        return _Period(0.0, 0.0, power)
    chosen = int(np.flatnonzero(heights >= _SHORTER_SHARE * heights.max())[0])
    if near_hz:
        chosen = _asked(periods, heights, chosen, sample_rate / near_hz)
    return _Period(float(periods[chosen]), min(float(heights[chosen]), 1.0), power)


def _autocorrelation(power: _Curve, frames: int, sample_rate: int) -> _Curve:
    """By lag, 1 at 0, as if no window had been there."""
    bins = np.arange(power.size, dtype=np.float32) * np.float32(sample_rate / (2 * (power.size - 1)))
    weights = 1 / (1 + (bins / _TILT_HZ) ** 2) ** 2
    weights[bins < LOWEST_HZ / _SEMITONE] = 0
    correlation = np.fft.irfft(power * weights)[: frames // 2 + 2]
    correlation *= 1 / (correlation[0] or 1.0)
    result: _Curve = correlation / _window(frames)[1][: correlation.size]
    return result


def _maxima(correlation: _Curve, shortest: float) -> tuple[_Curve, _Curve]:
    """Lags and heights of the maxima behind the first zero, each at the top of the parabola through three points."""
    negative = np.flatnonzero(correlation < 0)
    first = max(int(negative[0]) if negative.size else correlation.size, int(shortest), 1)
    left, middle, right = correlation[first - 1 : -2], correlation[first:-1], correlation[first + 1 :]
    at = np.flatnonzero((middle > left) & (middle >= right) & (middle > 0))
    before, top, after = (part[at].astype(np.float64) for part in (left, middle, right))
    offset = 0.5 * (before - after) / (before - 2 * top + after)
    return first + at + offset, top - 0.25 * (before - after) * offset


def _asked(periods: _Curve, heights: _Curve, chosen: int, asked: float) -> int:
    """The period that was asked for, if the sound repeats itself there even a bit better than at the shorter one."""
    nearest = int(np.argmin(np.abs(np.log(periods / asked))))
    near = 1 / _SEMITONE < periods[nearest] / asked < _SEMITONE
    return nearest if near and heights[chosen] < _ASKED_SHARE * heights[nearest] else chosen


@lru_cache(maxsize=4)
def _window(frames: int) -> tuple[_Curve, _Curve]:
    """Hann's window, and its autocorrelation up to half its length, 1 at lag 0."""
    hann = np.hanning(frames + 2)[1:-1]
    spectrum = np.fft.rfft(hann, 2 * frames)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[: frames // 2 + 2]
    return hann.astype(np.float32), (correlation / correlation[0]).astype(np.float32)


def _transform_length(frames: int, sample_rate: int) -> int:
    """A power of two in which no lag that counts wraps around."""
    return 1 << (frames + int(sample_rate / LOWEST_HZ * _SEMITONE) + 1).bit_length()


# The first partial


def _first_partial(settled: _Curve, found: _Period) -> float:
    """Its frequency in cycles a sample."""
    strengths = _strengths(found.power, found.period)
    if strengths[0] >= _WEAK * strengths.max():
        return _track(settled, found.period, 1)
    heard = [number for number in range(2, _PARTIALS + 1) if strengths[number - 1] >= _HEARD * strengths.max()]
    return _unstretched(heard, [_track(settled, found.period, number) for number in heard])


def _strengths(power: _Curve, period: float) -> _Curve:
    """Of each partial, the amplitude within a semitone to either side, ``[K]``; 0 beyond half the sample rate."""
    bins_each = 2 * (power.size - 1) / period
    spans = [
        (int(number * bins_each / _SEMITONE), int(number * bins_each * _SEMITONE) + 2)
        for number in range(1, _PARTIALS + 1)
    ]
    return np.sqrt([power[low:high].max() if high < power.size else 0.0 for low, high in spans])


def _track(settled: _Curve, period: float, number: int) -> float:
    """The mean frequency of a partial, in cycles a sample, from how far its phase goes from window to window."""
    periods = min(_WINDOW_PERIODS, int(settled.size / period) // 2)
    length, hop = round(periods * period), max(round(_HOP_PERIODS * period / number), 1)
    carrier = np.exp(-2j * np.pi * number / period * np.arange(length)) * np.hanning(length + 1)[:-1]
    kernel = np.stack([carrier.real, carrier.imag], axis=1).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(settled, length)[::hop]
    real, imaginary = (np.ascontiguousarray(windows) @ kernel).T.astype(np.float64)
    values = real + 1j * imaginary
    turns = values[1:] * values[:-1].conj() * np.exp(-2j * np.pi * number / period * hop)
    pitches = np.log(number / period + np.angle(turns) / (2 * np.pi * hop))
    return float(np.exp(_steady_mean(pitches, np.sqrt(np.abs(turns)))))


def _steady_mean(values: _Curve, strengths: _Curve) -> float:
    """The mean without outliers; the ends count less, so that a part of a vibrato's swing hardly shifts it."""
    distances = np.abs(values - np.median(values))
    kept = distances <= _OUTLIERS * np.median(distances) + _ROUNDING
    return float(np.average(values, weights=kept * strengths * np.hanning(values.size + 2)[1:-1]))


def _unstretched(numbers: list[int], frequencies: list[float]) -> float:
    """The first partial's frequency from others of a stiff string, f_n = n f0 √(1 + B n²) (Fletcher, 1964)."""
    squares = np.square(np.array(frequencies) / numbers)
    orders = np.square(np.array(numbers, np.float64))
    slope = 0.0
    if len(numbers) > 1:
        slope = max(float(np.polyfit(orders, squares, 1)[0]), 0.0)
    return float(np.sqrt(np.mean(squares - slope * orders) + slope))
