"""What has no chords: silence, noise, drums, speech, a tone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.music import band
from tests.unit.test_harmony import RATE, STYLES, Samples, mono, understood


def noise(color: float) -> Samples:
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(15 * RATE))
    samples = np.fft.irfft(spectrum / (np.arange(spectrum.size) + 1.0) ** (color / 2))
    return (0.3 * samples / np.abs(samples).max()).astype(np.float32)


def speech(seed: int) -> Samples:
    """Syllables: pulses whose pitch glides, or noise, through three formants."""
    rng = np.random.default_rng(seed)
    length, syllable = 15 * RATE, RATE // 5
    pitch = np.interp(np.arange(length) / RATE, np.arange(0, 16, 0.35), rng.uniform(85, 200, 46))
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0)
    frequencies = np.fft.rfftfreq(8192, 1 / RATE)
    spoken = np.zeros(length)
    for start in range(0, length, syllable):
        source = pulses[start : start + syllable] if rng.random() < 0.75 else rng.normal(0, 0.1, syllable)
        formants = rng.uniform((300, 900, 2300), (800, 2200, 3000))
        response = sum(1 / np.sqrt(1 + ((frequencies - formant) / 60) ** 2) for formant in formants)
        shaped = np.fft.irfft(np.fft.rfft(source, 8192) * response)[:syllable] * np.hanning(syllable)
        spoken[start : start + syllable] = shaped * (rng.random() > 0.2)
    return (0.3 * spoken / np.abs(spoken).max()).astype(np.float32)


NO_MUSIC: dict[str, Callable[[], Samples]] = {
    "nothing": lambda: np.zeros(0, np.float32),
    "one sample": lambda: np.ones(1, np.float32),
    "silence": lambda: np.zeros(10 * RATE, np.float32),
    "a constant": lambda: np.full(10 * RATE, 0.3, np.float32),
    "white noise": lambda: noise(0),
    "pink noise": lambda: noise(1),
    "brown noise": lambda: noise(2),
    "a tone": lambda: (0.3 * np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE)).astype(np.float32),
    "speech": lambda: speech(0),
    "other speech": lambda: speech(1),
    "0.3 s of noise": lambda: noise(0)[: RATE * 3 // 10],
    **{f"{style} drums": lambda style=style: mono(band(stems=("drums",), seconds=15, style=style)) for style in STYLES},
}


@pytest.mark.parametrize("make", NO_MUSIC.values(), ids=NO_MUSIC.keys())
def test_where_there_is_no_chord_none_is_found_and_no_key(make: Callable[[], Samples]) -> None:
    samples = make()
    spans, key = understood(samples)
    without = sum(span.end_seconds - span.start_seconds for span in spans if span.label == "N")
    assert without >= 0.9 * samples.size / RATE - 1e-4  # times are told to a tenth of a millisecond
    assert all(span.label == "N" or span.confidence < 0.5 for span in spans)
    assert key.tonic is None or key.confidence < 0.3
