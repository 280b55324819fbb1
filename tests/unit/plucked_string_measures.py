"""What the tests of the plucked strings listen with; nothing here is taken from the engine."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from core.engines.plucked_string.engine import PluckedStringEngine
from core.ports import NoteRequest
from core.theory.fretboard import INSTRUMENTS
from core.theory.notes import cents_between
from core.theory.techniques import Articulation, canonical, cents_at, settled, sounding_hz

SAMPLE_RATE = 44100

Audio = NDArray[np.float32]
Mono = NDArray[np.float64]


def note(
    instrument: str = "acoustic_guitar",
    string: int = 3,
    fret: int = 5,
    techniques: Collection[str] = (),
    seconds: float = 2.0,
    velocity: float = 0.7,
    tuning: str = "standard",
    style: str = "",
    seed: int = 1,
    **details: float,
) -> NoteRequest:
    """A request with the details of its techniques settled, as the service sends it."""
    chosen = canonical(techniques)
    open_pitch = INSTRUMENTS[instrument].open_pitches(tuning)[-string]
    articulation = settled(Articulation.model_validate(details), chosen, fret, seconds)
    return NoteRequest(instrument, string, fret, open_pitch, velocity, chosen, articulation, seconds, style, seed)


def played(request: NoteRequest) -> Audio:
    """The note, ``[2, T]``."""
    [take] = PluckedStringEngine().render([request], lambda share: None)
    return take.samples


def mono(request: NoteRequest) -> Mono:
    return played(request).mean(axis=0, dtype=np.float64)


def excerpt(sound: Mono, start_seconds: float, stop_seconds: float) -> Mono:
    return sound[round(start_seconds * SAMPLE_RATE) : round(stop_seconds * SAMPLE_RATE)]


def spectrum(sound: Mono, resolution_hz: float = 0.5) -> tuple[Mono, Mono]:
    """Frequencies and magnitudes, zero-padded to the resolution, with side lobes below −90 dB (Blackman–Harris)."""
    length = max(len(sound), round(SAMPLE_RATE / resolution_hz))
    turn = 2 * np.pi * np.arange(len(sound)) / len(sound)
    window = 0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    return np.fft.rfftfreq(length, 1 / SAMPLE_RATE), np.abs(np.fft.rfft(sound * window, length))


def partial_hz(sound: Mono, near_hz: float) -> float:
    """The frequency of the one partial about ``near_hz``: how far its phase turns between two overlapping windows."""
    length = len(sound) * 3 // 4
    apart = len(sound) - length
    ear = np.hanning(length) * np.exp(-2j * np.pi * near_hz / SAMPLE_RATE * np.arange(length))
    turned = np.vdot(sound[:length] @ ear, sound[apart:] @ ear)
    advance = np.angle(turned * np.exp(-2j * np.pi * near_hz * apart / SAMPLE_RATE))
    return float(near_hz + advance * SAMPLE_RATE / (2 * np.pi * apart))


def deviations_cents(sound: Mono, request: NoteRequest, every_seconds: float = 0.005) -> tuple[Mono, Mono]:
    """Times, and how far the fundamental lies from the asked curve at each.

    The sound is turned back along the curve's own phase; what is still turning is the deviation.
    """
    seconds = np.arange(len(sound)) / SAMPLE_RATE
    asked = np.array([cents_at(request.articulation, request.techniques, request.fret, time) for time in seconds])
    unbent_hz = sounding_hz(request.open_pitch, request.fret, request.techniques) or 0.0
    hz = unbent_hz * 2 ** (asked / 1200)
    still = sound * np.exp(-2j * np.pi * np.cumsum(hz) / SAMPLE_RATE)
    length = round(4 * SAMPLE_RATE / hz.min())
    window = np.hanning(length) / length
    step = round(every_seconds * SAMPLE_RATE)
    starts = np.arange(0, len(still) - length - step, step)
    heard = np.array([still[start : start + length] @ window for start in starts])
    later = np.array([still[start + step : start + step + length] @ window for start in starts])
    off_hz = np.angle(later * heard.conj()) / (2 * np.pi * step / SAMPLE_RATE)
    middle = starts + (length + step) // 2
    return middle / SAMPLE_RATE, 1200 * np.log2(1 + off_hz / hz[middle])


def deviation_cents(request: NoteRequest, start_seconds: float, stop_seconds: float) -> float:
    """How far the fundamental of the note is from what was asked, within an excerpt of constant pitch."""
    asked = request.sounding_hz or 0.0
    return cents_between(partial_hz(excerpt(mono(request), start_seconds, stop_seconds), asked), asked)


def level_db(sound: Mono) -> float:
    """RMS in dBFS."""
    return float(10 * np.log10(np.mean(sound**2) + 1e-20))


def levels_db(sound: Mono, step_seconds: float = 0.02) -> Mono:
    """RMS of each step from the start, in dBFS."""
    length = round(step_seconds * SAMPLE_RATE)
    steps = sound[: len(sound) // length * length].reshape(-1, length)
    return 10 * np.log10(np.mean(steps**2, axis=1) + 1e-20)


def ring_seconds(sound: Mono) -> float:
    """How long it takes to fall by 60 dB, from the slope of the first 20 dB below the loudest step."""
    levels = levels_db(sound)
    start = int(np.argmax(levels))
    fallen = np.flatnonzero(levels[start:] < levels[start] - 20)
    stop = start + (int(fallen[0]) if fallen.size else len(levels) - start - 5)
    return 60 / max((levels[start] - levels[stop]) / ((stop - start) * 0.02), 1e-9)


def brightness_hz(sound: Mono) -> float:
    """The centre of the spectrum's magnitudes."""
    hz, magnitude = spectrum(sound, 5.0)
    return float(np.sum(hz * magnitude) / np.sum(magnitude))


def strongest_db(sound: Mono, near_hz: float, within: float = 0.03) -> float:
    """The highest magnitude about a frequency, in dB."""
    hz, magnitude = spectrum(sound)
    return float(20 * np.log10(magnitude[np.abs(hz - near_hz) < within * near_hz].max() + 1e-20))


def periodicity(sound: Mono, low_hz: float = 35.0) -> float:
    """The highest normalised autocorrelation past its first zero; 1 for a steady tone, near 0 for noise."""
    longest = min(round(SAMPLE_RATE / low_hz), len(sound) // 2)
    pairs = [(sound[:-lag], sound[lag:]) for lag in range(1, longest)]
    likeness = np.array([one @ other / np.sqrt(one @ one * (other @ other)) for one, other in pairs])
    negative = np.flatnonzero(likeness < 0)
    return float(likeness[negative[0] :].max()) if negative.size else 0.0


def onsets_seconds(sound: Mono) -> list[float]:
    """Where the level of a 2.5 ms frame above 2 kHz jumps by more than 6 dB over the 20 ms before it."""
    high = np.diff(sound, 3)
    levels = levels_db(high, 0.0025)
    before = np.array([levels[max(index - 8, 0) : index].max(initial=-120.0) for index in range(len(levels))])
    rises = np.flatnonzero((levels - before > 6) & (levels > levels.max() - 20))
    return [float(index) * 0.0025 for index in rises if index - 1 not in rises]
