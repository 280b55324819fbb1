"""What the tests of the synth engine listen with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.synth.engine import synthesise
from core.ports import StemRequest

SAMPLE_RATE = 44100
STEMS = ("drums", "bass", "guitar", "vocals", "piano", "synth", "other")
STYLES = ("rock", "pop", "jazz", "electronic", "ballad")
CHORDS = ("C", "G", "Am", "F")

Audio = NDArray[np.float32]
Mono = NDArray[np.float64]


def request(
    stem_type: str,
    duration_seconds: float = 8.0,
    tempo_bpm: float = 120.0,
    style: str = "pop",
    chords: tuple[str, ...] = CHORDS,
    temperature: float = 0.0,
    seed: int = 42,
) -> StemRequest:
    """A plain request; at 120 bpm a beat takes half a second and a bar two."""
    return StemRequest(stem_type, duration_seconds, tempo_bpm, style, chords, "", temperature, seed)


def rendered(stem: StemRequest) -> Audio:
    """The whole stem, ``[2, T]``."""
    return np.concatenate(list(synthesise(stem)), axis=1)


def mono(audio: Audio) -> Mono:
    return audio.mean(axis=0, dtype=np.float64)


def excerpt(audio: Audio, start_seconds: float, stop_seconds: float) -> Mono:
    return mono(audio[:, round(start_seconds * SAMPLE_RATE) : round(stop_seconds * SAMPLE_RATE)])


def spectrum(sound: Mono, resolution_hz: float = 0.5) -> tuple[Mono, Mono]:
    """Frequencies and magnitudes, zero-padded to the resolution."""
    length = max(len(sound), round(SAMPLE_RATE / resolution_hz))
    return np.fft.rfftfreq(length, 1 / SAMPLE_RATE), np.abs(np.fft.rfft(sound * np.hanning(len(sound)), length))


def strongest_hz(sound: Mono, low_hz: float, high_hz: float) -> float:
    """The frequency of the highest peak within a band."""
    hz, magnitude = spectrum(sound)
    band = (hz >= low_hz) & (hz <= high_hz)
    return float(hz[band][np.argmax(magnitude[band])])


def chroma(sound: Mono, low_hz: float, high_hz: float) -> Mono:
    """Energy by pitch class, C first, ``[12]``, scaled to a largest of 1."""
    hz, magnitude = spectrum(sound)
    band = (hz >= low_hz) & (hz <= high_hz)
    classes = np.round(12 * np.log2(hz[band] / 440) + 9).astype(int) % 12
    energy = np.bincount(classes, magnitude[band] ** 2, minlength=12)
    return energy / energy.max()


def strongest_classes(sound: Mono, count: int, low_hz: float, high_hz: float) -> set[int]:
    return set(np.argsort(chroma(sound, low_hz, high_hz))[-count:].tolist())


def band_limited(sound: Mono, low_hz: float, high_hz: float) -> Mono:
    spectral = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    spectral[(hz < low_hz) | (hz > high_hz)] = 0
    return np.fft.irfft(spectral, len(sound))


def instantaneous_hz(sound: Mono, low_hz: float, high_hz: float) -> Mono:
    """The frequency of the one partial within a band, sample by sample (analytic signal)."""
    spectral = np.fft.fft(sound)
    hz = np.fft.fftfreq(len(sound), 1 / SAMPLE_RATE)
    spectral[(hz < low_hz) | (hz > high_hz)] = 0
    return np.diff(np.unwrap(np.angle(np.fft.ifft(spectral)))) * SAMPLE_RATE / (2 * np.pi)


def level_by_step(sound: Mono, step_seconds: float) -> Mono:
    """RMS of each step from the start."""
    length = round(step_seconds * SAMPLE_RATE)
    steps = sound[: len(sound) // length * length].reshape(-1, length)
    return np.sqrt(np.mean(steps**2, axis=1))


def onsets_seconds(sound: Mono, threshold: float = 0.25) -> list[float]:
    """Where the level of a 5 ms frame jumps over all of the 30 ms before it, by a share of the largest such jump."""
    frame_seconds = 220 / SAMPLE_RATE
    level = level_by_step(sound, frame_seconds)
    before = np.max([np.roll(level, shift) for shift in range(1, 7)], axis=0)
    before[:6] = 0
    rise = np.maximum(level - before, 0)
    peaks = np.flatnonzero(rise > threshold * rise.max())
    return [float(index) * frame_seconds for index in peaks if index - 1 not in peaks]


def distance(first: Audio, second: Audio) -> float:
    """How different two takes are: the RMS of the difference over the RMS of the first."""
    return float(np.sqrt(np.mean((first - second) ** 2) / np.mean(first**2)))


def nearest_distances(events: Sequence[float], targets: Sequence[float]) -> list[float]:
    """From each target to the event closest to it."""
    return [min(abs(event - target) for event in events) for target in targets]
