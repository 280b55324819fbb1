"""The quick ways of the plucked strings against the plain ones."""

from dataclasses import replace

import numpy as np
import pytest

from core.engines.plucked_string.curves import read
from core.engines.plucked_string.drive import overdrive
from core.engines.plucked_string.instruments import VOICES
from core.engines.plucked_string.modes import ring
from core.engines.plucked_string.resonators import Body
from core.engines.plucked_string.strings import Partials
from core.theory.fretboard import INSTRUMENTS

SAMPLE_RATE = 44100


def modes(count: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Poles ``[N]`` of a harmonic series and random weights ``[2, N]``."""
    rng = np.random.default_rng(seed)
    number = np.arange(1, count + 1)
    poles = 2j * np.pi * 110.0 * number - (1 + number**1.5)
    weights = (rng.standard_normal((2, count)) + 1j * rng.standard_normal((2, count))) / number
    return poles, weights


@pytest.mark.parametrize("frames", [1, 127, 128, 129, 44100])
def test_modes_add_up_as_their_definition_says(frames: int) -> None:
    poles, weights = modes(60)
    time = np.arange(frames) / SAMPLE_RATE
    plain = np.stack([(weight[:, np.newaxis] * np.exp(np.outer(poles, time))).sum(axis=0).real for weight in weights])
    sound = ring(poles, weights, frames)
    assert sound.dtype == np.float32
    # each mode is let go of 100 dB below the strongest, whose weight is about 1
    np.testing.assert_allclose(sound, plain, atol=1e-4)


def test_modes_without_weight_and_no_modes_at_all_are_silent() -> None:
    poles, weights = modes(4)
    assert not ring(poles, 0 * weights, 300).any()
    assert not ring(poles[:0], weights[:, :0], 300).any()


def test_a_sound_is_read_at_other_times_as_if_it_had_been_made_there() -> None:
    poles, weights = modes(40)
    sound, slope = ring(poles, weights, 5000), ring(poles, weights * poles / SAMPLE_RATE, 5000)
    time = np.linspace(0, 4900, 3000) + 20 * np.sin(np.linspace(0, 9, 3000)) ** 2
    plain = np.stack(
        [(weight[:, np.newaxis] * np.exp(np.outer(poles, time / SAMPLE_RATE))).sum(axis=0).real for weight in weights]
    )
    np.testing.assert_allclose(read(sound, slope, time), plain, atol=2e-4)


@pytest.mark.parametrize("instrument", [name for name in INSTRUMENTS if not VOICES[name].amplified])
def test_a_body_begins_at_rest(instrument: str) -> None:
    """What of it is forced and what rings by itself cancel at the first instant, for a body cannot jump."""
    body = VOICES[instrument].resonator
    assert isinstance(body, Body)
    poles, weights = modes(30)
    partials = Partials(np.arange(1.0, 31.0), poles.imag / (2 * np.pi), -poles.real)
    forced = replace(body, direct=0.0).gains(poles, partials, 1.0) * weights[0]
    _, own = body.knock(poles, weights[0])
    start = (forced.sum(axis=1) + own.sum(axis=1)).real
    np.testing.assert_allclose(start, 0, atol=1e-9)
    assert np.abs(forced.sum(axis=1).real).min() > 0.01


def test_an_amplifier_adds_no_more_than_it_should() -> None:
    """Against the same clipper at sixteen times the rate: a sine's odd harmonics, and nothing else above −80 dB."""
    hz = 1000.0
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    loud = overdrive(np.sin(2 * np.pi * hz * time)[np.newaxis].astype(np.float32), 30.0)[0, 2205:-2205]
    window = np.blackman(len(loud))
    magnitude = np.abs(np.fft.rfft(loud * window))
    cycles = np.fft.rfftfreq(len(loud), 1 / SAMPLE_RATE) / hz
    harmonic = np.abs(cycles - np.round(cycles)) < 0.01
    assert np.abs(loud).max() < 1.2
    assert 20 * np.log10(magnitude[~harmonic].max() / magnitude.max()) < -80


def test_a_quiet_sound_passes_an_amplifier_undistorted() -> None:
    time = np.arange(8820) / SAMPLE_RATE
    sound = (1e-3 * np.sin(2 * np.pi * 440 * time))[np.newaxis].astype(np.float32)
    through = overdrive(sound, 20.0)
    np.testing.assert_allclose(through[:, 200:-200], 10 * sound[:, 200:-200], atol=1e-5)
