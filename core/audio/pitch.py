"""The pitch of a single note: measured, and changed.

Its period is found by autocorrelation, which a weak or missing first partial does not mislead (de Cheveigné & Kawahara,
"YIN, a fundamental frequency estimator for speech and music", 2002; McLeod & Wyvill, "A smarter way to find pitch",
2005), taken through a window and divided by the window's own (Boersma, "Accurate short-term analysis of the fundamental
frequency and the harmonics-to-noise ratio of a sampled sound", 1993). How fast the first partial's phase turns then
tells its frequency far more finely than a spectrum's bins (Flanagan & Golden, "Phase vocoder", 1966). The period alone
would not do: a stiff string's partials are stretched, and it lies somewhere among them all.
"""

from __future__ import annotations

import math
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

LEAST_CLARITY = 0.8
"""Below, a sound has no pitch. White noise and dull thuds stay under 0.4, and only a rumble that lasts few of its own
periods now and then comes near; a note that is just 10 dB above noise passes."""

_SILENCE = 1e-5  # −100 dBFS, a third of the smallest step of 16 bits
_LOUD = (0.03, 0.1)  # of the loudest 10 ms: 30 dB below, a note is still there, if noise does not cover it; or else 20
_CLEAR = 0.95  # enough not to look further
_FRAME_SECONDS = 0.01
_PERIOD_SECONDS = 0.32  # eight periods of the lowest note; at 44.1 kHz, a transform of 2^14 holds it and the lags
_SETTLED_SHARE = 0.75  # without the pluck; of half a second, two swings of a usual vibrato
_LONGEST_SECONDS = 1.0  # a whole swing of the slowest vibrato
_TILT_HZ = 1500.0  # above, partials count less for the period: a stiff string's say less of it
_SHORTER_SHARE = 0.97  # a shorter period is the right one if it fits nearly as well: so do all of its multiples
_ASKED_SHARE = 0.995  # the same, where the longer one was asked for
_SEMITONE = 2 ** (1 / 12)
_WINDOW_PERIODS, _HOP_PERIODS = 4, 1  # Hann's zeros then fall onto all other partials
_FEWEST_PERIODS = 4  # of a note
_FEWEST_SETTLED = 6  # of what is measured, if the note has so many
_WEAK = 0.03  # −30 dB of the strongest partial: a first one below is left to the others
_HEARD = 0.05  # likewise; what is weaker tells nothing of the others
_PARTIALS = 6
_FEWEST_WITNESSES = 3  # fewer partials are not believed against the first
_APART = 0.003  # 5 cents, beside what the others are apart from each other
_UNRELATED = 0.02  # 34 cents: no string's partials are so far from where its others say
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

    It is that of the last three quarters of what is loud, at most a second: of a vibrato the mean, and of a bend, a
    slide or a hammer-on the end, if it is held for most of them. A first partial that can hardly be heard, or that a
    resonance beside it pulls away, is told by the others, as a stiff string has them; partials that no string has are
    no pitch, nor is what ``LEAST_CLARITY`` tells from noise. At least four periods are needed: at 25 Hz, 0.16 s.

    ``near_hz`` is what was asked for. It decides only where a few per cent of the sound tell two octaves apart; a note
    that is an octave or a fifth off is measured as such. The samples must be finite.
    """
    mono = samples.mean(axis=0, dtype=np.float32)
    found = _find(mono - mono.mean(), sample_rate, near_hz) if mono.size else None
    if found is None or found.clarity < LEAST_CLARITY or found.period < sample_rate / (HIGHEST_HZ * _SEMITONE):
        return None
    cycles = _first_partial(found, sample_rate)
    return MeasuredPitch(cycles * sample_rate, found.clarity) if cycles else None


def transposed(samples: Block, cents: float) -> Block:
    """The sound ``[C, T]`` ``cents`` higher, and as much shorter: ``T / 2^(cents / 1200)`` frames, rounded.

    What would pass half the sample rate is filtered out. Raises ``ImportError`` without soxr.
    """
    import soxr

    moved: Block = soxr.resample(np.ascontiguousarray(samples.T, np.float32), 2 ** (cents / 1200), 1, "VHQ").T
    return moved


def _find(mono: NDArray[np.float32], sample_rate: int, near_hz: float | None) -> _Period | None:
    """The period of what is loud; of less of it, if noise is as loud as the rest. ``None`` for silence."""
    found = []
    for share in _LOUD:
        loud = _loud_part(mono, sample_rate, share)
        if loud.size < 2 * _FEWEST_PERIODS:
            return None
        found.append(_find_period(loud, sample_rate, near_hz))
        if found[-1].clarity >= _CLEAR:
            break
    return max(found, key=lambda period: period.clarity)


def _loud_part(mono: NDArray[np.float32], sample_rate: int, share: float) -> NDArray[np.float32]:
    """From the first 10 ms that reach a share of the loudest to those after the last; nothing of silence."""
    frame = min(round(_FRAME_SECONDS * sample_rate), mono.size)
    frames = mono[: mono.size // frame * frame].reshape(-1, frame)
    level = np.sqrt(np.einsum("ij,ij->i", frames, frames) / frame)
    if level.max() < _SILENCE:
        return mono[:0]
    loud = np.flatnonzero(level >= share * level.max())
    return mono[loud[0] * frame : (loud[-1] + 2) * frame]


def _settled_frames(frames: int, period: float, sample_rate: int) -> int:
    """How much of the end is measured: more than is usual, if that holds too few periods."""
    wanted = min(round(_SETTLED_SHARE * frames), round(_LONGEST_SECONDS * sample_rate))
    return min(max(wanted, round(_FEWEST_SETTLED * period)), frames)


# The period


@dataclass(frozen=True)
class _Period:
    """In samples, with its fraction.

    Attributes:
        clarity: as in ``MeasuredPitch``.
        power: the spectrum that it was found in.
        loud: all that is loud.
    """

    period: float
    clarity: float
    power: _Curve
    loud: _Curve


def _find_period(loud: _Curve, sample_rate: int, near_hz: float | None) -> _Period:
    """Of the end. A short note may still be on its way in its first half, or else too low for a half to show it."""
    longest = round(_PERIOD_SECONDS * sample_rate)
    lengths = {min(loud.size // 2, longest), min(loud.size, longest)}
    found = [_period_of(loud, length, sample_rate, near_hz) for length in sorted(lengths)]
    return max(found, key=lambda period: period.clarity)


def _period_of(loud: _Curve, length: int, sample_rate: int, near_hz: float | None) -> _Period:
    """The shortest period at which the last ``length`` samples repeat themselves about as well as at any."""
    end = loud[-length:]
    spectrum = np.fft.rfft(end * _window(end.size)[0], _transform_length(end.size, sample_rate))
    power = spectrum.real**2 + spectrum.imag**2
    longest = min(int(sample_rate / LOWEST_HZ * _SEMITONE), end.size // _FEWEST_PERIODS)
    correlation = _autocorrelation(power, end.size, sample_rate)[: longest + 2]
    periods, heights = _maxima(correlation)
    if not heights.size:
        return _Period(0.0, 0.0, power, loud)
    chosen = int(np.flatnonzero(heights >= _SHORTER_SHARE * heights.max())[0])
    if near_hz:
        chosen = _asked(periods, heights, chosen, sample_rate / near_hz)
    return _Period(float(periods[chosen]), min(float(heights[chosen]), 1.0), power, loud)


def _autocorrelation(power: _Curve, frames: int, sample_rate: int) -> _Curve:
    """By lag, 1 at 0, as if no window had been there."""
    bins = np.arange(power.size, dtype=np.float32) * np.float32(sample_rate / (2 * (power.size - 1)))
    weights = 1 / (1 + (bins / _TILT_HZ) ** 2) ** 2
    weights[bins < LOWEST_HZ / _SEMITONE] = 0
    correlation = np.fft.irfft(power * weights)[: frames // _FEWEST_PERIODS + 2]
    correlation *= 1 / (correlation[0] or 1.0)
    result: _Curve = correlation / _window(frames)[1][: correlation.size]
    return result


def _maxima(correlation: _Curve) -> tuple[_Curve, _Curve]:
    """Lags and heights of the maxima behind the first zero, each at the top of the parabola through three points."""
    negative = np.flatnonzero(correlation < 0)
    first = int(negative[0]) if negative.size else correlation.size
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
    """Hann's window, and its autocorrelation up to the longest period it can tell, 1 at lag 0."""
    hann = np.hanning(frames + 2)[1:-1]
    spectrum = np.fft.rfft(hann, 2 * frames)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[: frames // _FEWEST_PERIODS + 2]
    return hann.astype(np.float32), (correlation / correlation[0]).astype(np.float32)


def _transform_length(frames: int, sample_rate: int) -> int:
    """A power of two in which no lag that counts wraps around."""
    return 1 << (frames + int(sample_rate / LOWEST_HZ * _SEMITONE) + 1).bit_length()


# The first partial


def _first_partial(found: _Period, sample_rate: int) -> float | None:
    """Its frequency in cycles a sample; ``None`` if the partials are none of one string.

    A body that resonates near it, or a hum, can pull it away from where the others have it: then they are right.
    """
    strengths = _strengths(found.power, found.period)
    strong = strengths[0] >= _WEAK * strengths.max()
    others = 2 + np.flatnonzero(strengths[1:] > _HEARD * strengths.max())
    if not strong and np.gcd.reduce(others) != 1:
        return None  # they are partials of a note above the range
    settled = found.loud[-_settled_frames(found.loud.size, found.period, sample_rate) :]
    first, *tracks = _tracks(settled, found.period, np.array([1.0, *others]))
    if not tracks:
        return first
    told, spread = _unstretched(others * 1.0, np.array(tracks), strengths[others - 1])
    apart = abs(first / told - 1)
    if spread > _UNRELATED or (strong and others.size < _FEWEST_WITNESSES and apart > _UNRELATED):
        return None
    pulled = apart > _APART + 3 * spread and others.size >= _FEWEST_WITNESSES
    return told if pulled or not strong else first


def _strengths(power: _Curve, period: float) -> _Curve:
    """Of each partial, the amplitude within a semitone to either side, ``[K]``; 0 beyond half the sample rate."""
    bins_each = 2 * (power.size - 1) / period
    spans = [
        (int(number * bins_each / _SEMITONE), int(number * bins_each * _SEMITONE) + 2)
        for number in range(1, _PARTIALS + 1)
    ]
    return np.sqrt([power[low:high].max() if low < power.size else 0.0 for low, high in spans])


def _tracks(settled: _Curve, period: float, numbers: _Curve) -> list[float]:
    """The partials' mean frequencies in cycles a sample, from how far their phases go from window to window."""
    periods = min(_WINDOW_PERIODS, int(settled.size / period) // 2)
    length, hop = round(periods * period), max(round(_HOP_PERIODS * period), 1)
    cycles = numbers / period
    carriers = np.exp(-2j * np.pi * np.outer(np.arange(length), cycles)) * np.hanning(length + 1)[:-1, None]
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(settled, length)[::hop])
    both = (windows @ np.hstack([carriers.real, carriers.imag]).astype(np.float32)).astype(np.float64)
    values = both[:, : numbers.size] + 1j * both[:, numbers.size :]
    turns = values[1:] * values[:-1].conj() * np.exp(-2j * np.pi * hop * cycles)
    pitches = np.log(cycles + np.angle(turns) / (2 * np.pi * hop))
    return [_steady_mean(*track) for track in zip(pitches.T, np.sqrt(np.abs(turns)).T, strict=True)]


def _steady_mean(pitches: _Curve, strengths: _Curve) -> float:
    """Of logarithms, the mean without outliers; the ends count less, lest a part of a swing should shift it."""
    distances = np.abs(pitches - np.median(pitches))
    kept = distances <= _OUTLIERS * np.median(distances) + _ROUNDING
    return math.exp(np.average(pitches, weights=kept * strengths * np.hanning(pitches.size + 2)[1:-1]))


def _unstretched(numbers: _Curve, frequencies: _Curve, strengths: _Curve) -> tuple[float, float]:
    """The first partial's frequency from others of a stiff string, f_n = n f0 √(1 + B n²) (Fletcher, 1964).

    Also how far they are from such a string's, as a share of it, on average over their strengths.
    """
    squares = (frequencies / numbers) ** 2
    stiffness = 0.0
    if numbers.size > 1:
        stiffness = max(float(np.polyfit(numbers**2, squares, 1, w=strengths)[0]), 0.0)
    unstretched = np.average(squares - stiffness * numbers**2, weights=strengths)
    errors = np.abs(np.sqrt(np.maximum(unstretched + stiffness * numbers**2, 0) / squares) - 1)
    return float(np.sqrt(unstretched + stiffness)), float(np.average(errors, weights=strengths))
