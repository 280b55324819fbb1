"""What pitch measuring promises, on tones whose pitch is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from core.audio.pitch import LEAST_CLARITY, measure_pitch
from core.theory.notes import cents_between
from core.theory.techniques import Articulation, cents_at, settled

if TYPE_CHECKING:
    from core.ports import Block

SAMPLE_RATE = 44100
Curve = Callable[[float], float]


def note(
    frequency_hz: float,
    seconds: float = 1.0,
    *,
    stiffness: float = 0.0,
    snr_db: float = 30.0,
    decay: float = 1.5,
    curve: Curve | None = None,
    partials: dict[int, float] | None = None,
    sample_rate: int = SAMPLE_RATE,
) -> Block:
    """A plucked tone ``[1, T]`` whose first partial is ``frequency_hz``, and white noise.

    ``decay``: of the first partial, over the whole length, in nepers; the higher, the faster. ``curve``: cents by
    seconds. ``partials``: amplitudes other than 1/n.
    """
    rng = np.random.default_rng(round(frequency_hz * 1000))
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    moments = np.linspace(0, seconds, round(1000 * seconds) + 1)
    cents = np.interp(time, moments, [curve(moment) for moment in moments]) if curve else np.zeros(time.size)
    turns = np.cumsum(2 ** (cents / 1200)) / sample_rate
    audio = np.zeros(time.size)
    for number in range(1, 41):
        stretched = frequency_hz * number * math.sqrt((1 + stiffness * number**2) / (1 + stiffness))
        if stretched < 0.45 * sample_rate:
            amplitude = (partials or {}).get(number, 1 / number)
            envelope = amplitude * np.exp(-decay * (1 + 0.1 * number) * time / seconds)
            audio += envelope * np.sin(2 * np.pi * (stretched * turns + rng.random()))
    audio += rng.standard_normal(time.size) * np.sqrt(np.mean(audio**2)) * 10 ** (-snr_db / 20)
    return (0.5 * audio / np.abs(audio).max())[None].astype(np.float32)


def played(techniques: tuple[str, ...], seconds: float, **details: float) -> Curve:
    articulation = settled(Articulation.model_validate(details), techniques, 5, seconds)
    return lambda moment: cents_at(articulation, techniques, 5, moment)


def error_cents(samples: Block, frequency_hz: float, near_hz: float | None = None) -> float:
    measured = measure_pitch(samples, SAMPLE_RATE, near_hz=near_hz)
    assert measured is not None
    assert LEAST_CLARITY <= measured.clarity <= 1
    return abs(cents_between(measured.frequency_hz, frequency_hz))


@pytest.mark.parametrize("frequency_hz", [25, 30.87, 55, 82.41, 146.8, 329.6, 659.3, 1318.5, 2637, 4186, 5000])
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_tone_is_measured_to_half_a_cent(frequency_hz: float, seconds: float) -> None:
    assert error_cents(note(frequency_hz, seconds), frequency_hz) < 0.5


@pytest.mark.parametrize("frequency_hz", [27.5, 41.2, 110, 440, 1000, 4000])
@pytest.mark.parametrize("stiffness", [1e-4, 1e-3])
def test_of_a_stiff_string_the_first_partial_counts(frequency_hz: float, stiffness: float) -> None:
    assert error_cents(note(frequency_hz, stiffness=stiffness), frequency_hz) < 0.5


def test_a_bass_needs_no_more_than_half_a_second() -> None:
    assert error_cents(note(41.2, 0.5, stiffness=3e-4), 41.2) < 0.5


@pytest.mark.parametrize(("frequency_hz", "seconds"), [(25, 0.2), (41.2, 0.1), (110, 0.1), (440, 0.1), (3000, 0.1)])
def test_short_takes_are_enough(frequency_hz: float, seconds: float) -> None:
    assert error_cents(note(frequency_hz, seconds), frequency_hz) < 2


def test_long_takes_are_measured_too() -> None:
    assert error_cents(note(110, 30), 110) < 0.5


@pytest.mark.parametrize("frequency_hz", [41.2, 110, 440, 1500])
@pytest.mark.parametrize("depth_cents", [30.0, 50.0])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0])
def test_a_vibrato_is_measured_at_its_middle(frequency_hz: float, depth_cents: float, seconds: float) -> None:
    swinging = played(("vibrato",), seconds, vibrato_depth_cents=depth_cents)
    assert error_cents(note(frequency_hz, seconds, curve=swinging), frequency_hz) < 2


@pytest.mark.parametrize("frequency_hz", [82.41, 440])
@pytest.mark.parametrize("seconds", [0.3, 0.5, 2.0])
def test_a_bend_is_measured_where_it_leads(frequency_hz: float, seconds: float) -> None:
    bent = played(("bend",), seconds, bend_semitones=2)
    assert error_cents(note(frequency_hz, seconds, curve=bent), frequency_hz * 2 ** (2 / 12)) < 1


@pytest.mark.parametrize("frequency_hz", [82.41, 440])
@pytest.mark.parametrize("seconds", [0.3, 0.5, 2.0])
def test_a_slide_is_measured_where_it_ends(frequency_hz: float, seconds: float) -> None:
    slid = played(("slide",), seconds, from_fret=0)
    assert error_cents(note(frequency_hz, seconds, curve=slid), frequency_hz) < 1


@pytest.mark.parametrize("frequency_hz", [82.41, 220, 440])
def test_the_strokes_of_a_tremolo_do_not_matter(frequency_hz: float) -> None:
    audio = note(frequency_hz, snr_db=60)
    strokes = [audio[:, start : start + SAMPLE_RATE // 10] for start in range(0, 900, 61)]  # each in another phase
    assert error_cents(np.concatenate(strokes, axis=1), frequency_hz) < 1


@pytest.mark.parametrize("frequency_hz", [82.41, 220, 659.3])
def test_a_muted_note_is_over_soon_and_still_measured(frequency_hz: float) -> None:
    assert error_cents(note(frequency_hz, 2.0, decay=40, snr_db=60), frequency_hz) < 0.5


@pytest.mark.parametrize("frequency_hz", [41.2, 110, 880])
@pytest.mark.parametrize("stiffness", [0, 1e-3])
@pytest.mark.parametrize("amplitude", [0, 0.01, 0.03, 0.1])
def test_a_weak_or_missing_first_partial_is_told_by_the_others(
    frequency_hz: float, stiffness: float, amplitude: float
) -> None:
    audio = note(frequency_hz, 2.0, stiffness=stiffness, partials={1: amplitude})
    assert error_cents(audio, frequency_hz) < 1


def resonance(frequency_hz: float, seconds: float, amplitude: float) -> Block:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.exp(-time / 0.08) * np.sin(2 * np.pi * frequency_hz * time))[None].astype(np.float32)


@pytest.mark.parametrize("amplitude", [0.05, 0.1, 0.2])
def test_a_body_that_resonates_beside_the_first_partial_does_not_pull_it_away(amplitude: float) -> None:
    audio = note(110, 2.0, decay=35, snr_db=60) + resonance(97, 2.0, amplitude)
    assert error_cents(audio, 110) < 3


def test_modes_of_a_body_are_no_note() -> None:
    audio = sum(resonance(hz, 0.5, 0.2) for hz in (97.0, 188.0, 241.0, 322.0, 395.0))
    assert measure_pitch(np.asarray(audio, np.float32), SAMPLE_RATE) is None


@pytest.mark.parametrize("ratio", [1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3])
@pytest.mark.parametrize("frequency_hz", [41.2, 220, 1760])
def test_what_was_asked_for_makes_no_pitch_that_is_not_there(frequency_hz: float, ratio: float) -> None:
    assert error_cents(note(frequency_hz), frequency_hz, near_hz=frequency_hz * ratio) < 0.5


def test_what_was_asked_for_decides_between_octaves_where_little_else_does() -> None:
    audio = note(110, 2.0, partials={number: 0.05 / number for number in range(1, 41, 2)})
    assert error_cents(audio, 220) < 1
    assert error_cents(audio, 110, near_hz=110) < 1
    assert error_cents(audio, 220, near_hz=220) < 1


@pytest.mark.parametrize("sample_rate", [8000, 22050, 32000, 48000, 96000])
def test_the_sample_rate_does_not_matter(sample_rate: int) -> None:
    measured = measure_pitch(note(196, sample_rate=sample_rate), sample_rate)
    assert measured is not None
    assert abs(cents_between(measured.frequency_hz, 196)) < 0.5


def test_neither_do_an_offset_a_second_channel_or_silence_around_it() -> None:
    audio = np.concatenate([np.zeros((1, 9000)), note(110), np.zeros((1, 40000))], axis=1).astype(np.float32)
    assert error_cents(np.concatenate([audio, 0.2 * audio]) + np.float32(0.3), 110) < 0.5


def test_clarity_tells_how_much_of_it_is_noise() -> None:
    measured = [measure_pitch(note(220, snr_db=snr_db, decay=0), SAMPLE_RATE) for snr_db in (60.0, 10.0, 0.0, -20.0)]
    clarities = [pitch.clarity if pitch else 0.0 for pitch in measured]
    assert clarities == sorted(clarities, reverse=True)
    assert clarities[0] > 0.999
    assert 0.9 < clarities[2] < 0.97
    assert clarities[3] == 0


@pytest.mark.parametrize("frames", [0, 1, 3, 100, 441, 44100])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silence_has_no_pitch(frames: int, level: float) -> None:
    assert measure_pitch(np.full((2, frames), level, np.float32), SAMPLE_RATE) is None


@pytest.mark.parametrize("frequency_hz", [6000, 8000, 10000])
def test_what_is_too_high_is_not_taken_for_a_lower_octave(frequency_hz: float) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    assert measure_pitch(np.sin(2 * np.pi * frequency_hz * time)[None].astype(np.float32), SAMPLE_RATE) is None


def test_whatever_comes_is_measured_or_not() -> None:
    rng = np.random.default_rng(5)
    for number in range(300):
        audio = rng.standard_normal((1 + number % 2, int(rng.integers(0, 4000)))) * 10 ** rng.uniform(-7, 0)
        audio = (audio, np.cumsum(audio, axis=1), np.sign(np.sin(np.cumsum(audio, axis=1))))[number % 3]
        measured = measure_pitch(audio.astype(np.float32), 8000, near_hz=float(rng.uniform(20, 5000)))
        assert measured is None or 20 < measured.frequency_hz < 5300


def white(seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return 0.1 * rng.standard_normal((1, round(seconds * SAMPLE_RATE)))


def thud(seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    noise = white(seconds, rng)
    return noise * np.exp(-np.arange(noise.shape[1]) / (0.03 * SAMPLE_RATE))


def rumble(seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return 0.01 * np.cumsum(white(seconds, rng), axis=1)


@pytest.mark.parametrize("noise", [white, thud, rumble])
@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.5, 2.0])
def test_noise_has_no_pitch(noise: Callable[[float, np.random.Generator], NDArray[np.float64]], seconds: float) -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        assert measure_pitch(noise(seconds, rng).astype(np.float32), SAMPLE_RATE) is None
