"""Tones and envelopes, each made once for a note and then mixed as often as it is played."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.audio.waveform import fade_curve

SAMPLE_RATE = 44100

Mono = NDArray[np.float32]
"""One channel, ``[T]``."""
Phase = NDArray[np.uint32]
"""Position in the cycle, ``[T]``: the whole range of 32 bits is one turn, so that it wraps by itself."""

_TABLE_BITS = 12
_FRACTION_BITS = 32 - _TABLE_BITS
_TURN = 2**32


def frames_of(seconds: float) -> int:
    """The nearest whole number of frames."""
    return round(seconds * SAMPLE_RATE)


def seconds_axis(frames: int) -> Mono:
    """The time of each frame, from 0. float32 is exact to the microsecond here."""
    return np.arange(frames, dtype=np.float32) / np.float32(SAMPLE_RATE)


def steady_phase(frequency_hz: float, frames: int) -> Phase:
    """The phase of a constant tone. Its rounding detunes it by less than 0.00001 Hz."""
    return np.arange(frames, dtype=np.uint32) * np.uint32(round(frequency_hz / SAMPLE_RATE * _TURN))


def vibrato_phase(frequency_hz: float, frames: int, rate_hz: float, depth_cents: float, delay_seconds: float) -> Phase:
    """The phase of a tone whose pitch swings ``depth_cents`` either way, once ``delay_seconds`` have passed.

    The deviation of the frequency is a cosine at ``rate_hz``; what is added here is its integral.
    """
    deviation_hz = frequency_hz * (2 ** (depth_cents / 1200) - 1)
    time = seconds_axis(frames) - np.float32(delay_seconds)
    swing = np.sin(time * np.float32(2 * np.pi * rate_hz)) * np.float32(deviation_hz / (2 * np.pi * rate_hz) * _TURN)
    swing[time < 0] = 0
    phase = steady_phase(frequency_hz, frames)
    phase += swing.astype(np.int64).astype(np.uint32)
    return phase


def cycle(amplitudes: Sequence[float]) -> Mono:
    """One turn of a sum of sines, ``amplitudes[k - 1]`` that of the k-th harmonic, as a table for ``tone``.

    Its last entry repeats the first, so that interpolation need not wrap.
    """
    spectrum = np.zeros(2 ** (_TABLE_BITS - 1) + 1, np.complex128)
    spectrum[1 : len(amplitudes) + 1] = np.asarray(amplitudes) * -1j * 2 ** (_TABLE_BITS - 1)
    turn = np.fft.irfft(spectrum).astype(np.float32)
    return np.append(turn, turn[0])


def tone(table: Mono, phase: Phase) -> Mono:
    """Read a table along a phase with linear interpolation.

    The error is about (π · k / 4096)² / 2 of the k-th harmonic: −80 dB at the 20th, less below it.
    """
    index = (phase >> np.uint32(_FRACTION_BITS)).astype(np.intp)
    fraction = (phase & np.uint32(2**_FRACTION_BITS - 1)).astype(np.float32)
    fraction *= np.float32(2.0**-_FRACTION_BITS)
    here = table.take(index)
    fraction *= np.diff(table).take(index)
    here += fraction
    return here


def decay(frames: int, seconds: float) -> Mono:
    """An exponential from 1 that has fallen to 1/e after ``seconds``."""
    envelope: Mono = np.exp(seconds_axis(frames) * np.float32(-1 / seconds))
    return envelope


def shape(sound: Mono, attack_seconds: float, release_seconds: float) -> Mono:
    """Round both ends of a sound to silence, in place, so that no note clicks.

    Either takes at most half of the sound, however short the note.
    """
    half = sound.shape[-1] // 2
    rise, fall = min(frames_of(attack_seconds), half), min(frames_of(release_seconds), half)
    sound[..., :rise] *= fade_curve(rise)
    sound[..., sound.shape[-1] - fall :] *= fade_curve(fall)[::-1]
    return sound


def centred(sound: Mono, envelope: Mono) -> Mono:
    """The sound without its mean, which is taken out in the shape of its own envelope so that both ends stay at 0.

    A few cycles of a deep tone under a decay do have a mean; repeated on every beat it would shift the whole stem.
    """
    return sound - envelope * np.float32(sound.mean() / envelope.mean())


def noise(frames: int, rng: np.random.Generator, steepness: int = 1) -> Mono:
    """White noise differenced ``steepness`` times: +6 dB an octave each, and no DC."""
    white = rng.random(frames + steepness, dtype=np.float32) - np.float32(0.5)
    return np.diff(white, steepness)


def gliding_phase(start_hz: float, end_hz: float, settle_seconds: float, frames: int) -> Mono:
    """Radians of a tone that glides from one frequency to another.

    The difference shrinks to 1/e in ``settle_seconds``: the integral of
    ``end + (start − end) · exp(−t / settle)``.
    """
    time = seconds_axis(frames)
    glide = (start_hz - end_hz) * settle_seconds
    turns = time * np.float32(end_hz) + np.float32(glide) * (1 - decay(frames, settle_seconds))
    return turns * np.float32(2 * np.pi)


def sine(phase: Phase) -> Mono:
    """The sine of a phase."""
    # as signed numbers the turn is −π to π, where float32 is finest
    wave: Mono = np.sin(phase.view(np.int32).astype(np.float32) * np.float32(2 * np.pi / _TURN))
    return wave
