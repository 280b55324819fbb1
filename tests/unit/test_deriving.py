"""A shifted recording has the pitch, the length and the ends that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.audio.pitch import measure_pitch
from core.soundbank.deriving import FADE_SECONDS, LONGEST_SHIFT_SEMITONES, shift
from core.theory.notes import cents_between

if TYPE_CHECKING:
    from core.ports import Block

SAMPLE_RATE = 44100
SECOND = SAMPLE_RATE


def tone(frequency_hz: float, seconds: float = 1.0, decay: float = 1.0) -> Block:
    """Ten partials on the left, and half as strong on the right, ``[2, T]``."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    audio = sum(np.sin(2 * np.pi * n * frequency_hz * time) / n for n in range(1, 11)) * np.exp(-decay * time)
    return (np.stack([audio, audio / 2]) / 4).astype(np.float32)


@pytest.mark.parametrize("semitones", [-12, -7.3, -1, -0.01, 0, 0.37, 1, 5, 12])
@pytest.mark.parametrize("frequency_hz", [82.41, 440])
def test_the_pitch_moves_by_exactly_that(semitones: float, frequency_hz: float) -> None:
    moved = measure_pitch(shift(tone(frequency_hz), SAMPLE_RATE, semitones, SECOND), SAMPLE_RATE)
    assert moved is not None
    assert abs(cents_between(moved.frequency_hz, frequency_hz) - 100 * semitones) < 0.1


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("semitones", [-12, -3, 0, 3, 12])
@pytest.mark.parametrize("frames", [1, 4410, SECOND, 3 * SECOND])
def test_it_is_as_long_as_asked(channels: int, semitones: float, frames: int) -> None:
    moved = shift(tone(220)[:channels], SAMPLE_RATE, semitones, frames)
    assert moved.shape == (channels, frames)
    assert moved.dtype == np.float32


def test_an_octave_up_lasts_half_as_long_fades_out_and_is_silent_then() -> None:
    moved = shift(tone(220), SAMPLE_RATE, 12, SECOND)
    assert not moved[:, SECOND // 2 :].any()
    assert moved[:, SECOND // 2 - 1000].any()
    assert_fades_out(moved[:, : SECOND // 2])


def test_an_octave_down_fades_out_where_it_is_cut() -> None:
    assert_fades_out(shift(tone(220), SAMPLE_RATE, -12, SECOND))


def assert_fades_out(audio: Block) -> None:
    """The last sample is nothing, and the level falls all through the fade."""
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    levels = np.abs(audio[0, -fade:]).reshape(3, -1).max(axis=1)
    assert not audio[:, -1].any()
    assert levels[0] > 1.3 * levels[1] > 2 * levels[2] > 0


def test_nothing_clicks() -> None:
    moved = shift(tone(110, decay=0), SAMPLE_RATE, 7, SECOND)
    steepest = np.abs(np.diff(tone(110, decay=0))).max() * 2 ** (7 / 12)
    assert np.abs(np.diff(moved)).max() < 1.02 * steepest


def test_the_channels_stay_what_they_are() -> None:
    moved = shift(tone(220), SAMPLE_RATE, -4, SECOND)
    assert np.abs(moved[1] - moved[0] / 2).max() < 1e-6


@pytest.mark.parametrize("semitones", [1, 7, 12])
def test_what_would_pass_half_the_sample_rate_is_gone(semitones: float) -> None:
    lowest_hz = SAMPLE_RATE / 2 / 2 ** (semitones / 12)
    time = np.arange(SECOND) / SAMPLE_RATE
    for frequency_hz in np.linspace(lowest_hz + 20, SAMPLE_RATE / 2 - 200, 5):
        edges = np.hanning(time.size)  # or the sine's sudden beginning would be heard
        sine = (0.9 * edges * np.sin(2 * np.pi * frequency_hz * time))[None].astype(np.float32)
        level = np.sqrt(np.mean(shift(sine, SAMPLE_RATE, semitones, SECOND).astype(np.float64) ** 2))
        assert 20 * np.log10(level / np.sqrt(np.mean(sine.astype(np.float64) ** 2)) + 1e-12) < -100


def test_a_sine_stays_a_sine() -> None:
    time = np.arange(2 * SECOND) / SAMPLE_RATE
    sine = (0.9 * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    moved = shift(sine, SAMPLE_RATE, 5, SECOND)[0, 2000:-2000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(moved * np.blackman(moved.size)))
    bins = np.arange(spectrum.size)
    there = round(1000 * 2 ** (5 / 12) * moved.size / SAMPLE_RATE)
    assert spectrum[np.abs(bins - there) > 200].max() < 1e-5 * spectrum.max()


def test_what_would_pass_full_scale_becomes_quieter() -> None:
    square = np.sign(tone(220, decay=0))
    moved = shift(square, SAMPLE_RATE, 3, SECOND)
    assert 0.99 < np.abs(moved).max() <= 1


@pytest.mark.parametrize("semitones", [12.01, -12.01, 40, float("nan")])
def test_farther_than_an_octave_it_would_be_another_instrument(semitones: float) -> None:
    with pytest.raises(ValueError, match=f"{LONGEST_SHIFT_SEMITONES} semitones at most"):
        shift(tone(220), SAMPLE_RATE, semitones, SECOND)
