"""What the spectrum of sounds whose properties are known is found to be like."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from core.analysis.result import SpectralFeature
from core.analysis.spectrum import UNITS, Spectrum, SpectrumListener

RATE = 22050
Samples = NDArray[np.float32]


def heard(samples: NDArray[np.floating], block_frames: int = 10**9) -> Spectrum:
    listener = SpectrumListener(RATE)
    for start in range(0, samples.size, block_frames):
        listener.add(samples[start : start + block_frames].astype(np.float32))
    return listener.finish()


def features(samples: NDArray[np.floating]) -> dict[str, SpectralFeature]:
    return heard(samples).features()


def sine(frequency_hz: float, seconds: float = 3, amplitude: float = 0.5) -> NDArray[np.float64]:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float = 10, level: float = 0.1, seed: int = 1) -> NDArray[np.float64]:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


@pytest.mark.parametrize("frequency_hz", [200.0, 440.0, 1000.0, 3001.7, 8000.0])
def test_a_sine_lies_at_its_frequency(frequency_hz: float) -> None:
    found = features(sine(frequency_hz))
    assert found["spectral_centroid"].mean == pytest.approx(frequency_hz, abs=1)
    assert found["spectral_rolloff"].mean == pytest.approx(frequency_hz, abs=8), "a bin and a half"
    assert found["spectral_bandwidth"].mean < 12
    assert found["zero_crossing_rate"].mean == pytest.approx(2 * frequency_hz, rel=0.01)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.0])
def test_two_sines_of_one_level_spread_by_half_of_what_lies_between_them(ratio: float) -> None:
    found = features(sine(1000) + sine(1000 * (1 + ratio)))
    assert found["spectral_centroid"].mean == pytest.approx(1000 * (1 + ratio / 2), rel=0.005)
    assert found["spectral_bandwidth"].mean == pytest.approx(1000 * ratio / 2, rel=0.02)


def test_white_noise_fills_the_band_evenly() -> None:
    found = features(noise())
    assert found["spectral_centroid"].mean == pytest.approx(RATE / 4, rel=0.01)
    assert found["spectral_bandwidth"].mean == pytest.approx(RATE / 2 / np.sqrt(12), rel=0.01)
    assert found["spectral_rolloff"].mean == pytest.approx(0.85 * RATE / 2, rel=0.01)
    assert found["zero_crossing_rate"].mean == pytest.approx(RATE / 2, rel=0.01)


def test_noise_is_flat_and_a_sine_is_not() -> None:
    # the mean of the logarithm of an exponential variable is Euler's constant below that of its mean: 2.507 dB
    assert features(noise())["spectral_flatness"].mean == pytest.approx(-2.51, abs=0.1)
    assert features(sine(440))["spectral_flatness"].mean < -60


def test_a_chord_stands_out_of_its_valleys_more_than_noise_does() -> None:
    chord = sum((sine(220 * partial) / partial for partial in range(1, 40)), np.zeros(3 * RATE)) + noise(3, 0.001)
    assert features(chord)["spectral_contrast"].mean > features(noise())["spectral_contrast"].mean + 10


@pytest.mark.parametrize(("amplitude", "level_dbfs"), [(1.0, -3.01), (0.1, -23.01), (0.001, -63.01)])
def test_the_level_is_the_root_of_the_mean_square(amplitude: float, level_dbfs: float) -> None:
    assert features(sine(440, amplitude=amplitude))["rms_level"].mean == pytest.approx(level_dbfs, abs=0.02)


def test_what_does_not_depend_on_the_level_does_not_change_with_it() -> None:
    loud, soft = heard(noise()), heard(noise() / 10)
    assert soft.values[:, :-1] == pytest.approx(loud.values[:, :-1], rel=1e-3, abs=0.1)
    assert soft.timbre == pytest.approx(loud.timbre, abs=1e-2)


def test_each_feature_has_its_unit_and_its_spread() -> None:
    found = features(np.concatenate((sine(500), sine(2000))))
    assert {name: feature.unit for name, feature in found.items()} == UNITS
    centroid = found["spectral_centroid"]
    assert centroid.tenth_percentile == pytest.approx(500, abs=2)
    assert centroid.ninetieth_percentile == pytest.approx(2000, abs=2)
    assert centroid.standard_deviation == pytest.approx(750, rel=0.02)


def test_pauses_do_not_count() -> None:
    tone = sine(440, seconds=5)
    paused = features(np.concatenate((tone, np.zeros(20 * RATE), 1e-5 * noise(5))))
    assert paused["spectral_centroid"].tenth_percentile == pytest.approx(440, abs=2)
    assert paused["spectral_centroid"].mean == pytest.approx(440, rel=0.1), "but for the frame across the edge"


def test_timbre_tells_a_dark_sound_from_a_bright_one() -> None:
    dark, bright = heard(np.cumsum(noise(3)) / 20).timbre, heard(np.diff(noise(3))).timbre
    assert dark[:, 0].min() > bright[:, 0].max(), "the first coefficient is the tilt from low to high"


@pytest.mark.parametrize("block_frames", [1, 777, 4096, 65536])
def test_the_blocks_do_not_matter(block_frames: int) -> None:
    samples = noise(1 if block_frames == 1 else 20)
    whole, parts = heard(samples), heard(samples, block_frames)
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.timbre, whole.timbre)


def test_frames_lie_a_tenth_of_a_second_apart() -> None:
    spectrum = heard(np.concatenate((np.zeros(5 * RATE), sine(440, 5))))
    assert spectrum.frame_rate == 10
    begins = spectrum.times[np.flatnonzero(spectrum.level_dbfs > -20)[0]]
    assert begins == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(1), np.zeros(RATE), np.full(RATE, np.nan)],
    ids=["nothing", "one sample", "silence", "no numbers"],
)
def test_silence_has_no_features(samples: NDArray[np.float64]) -> None:
    assert features(samples) == {}


@pytest.mark.parametrize(
    "samples",
    [np.ones(1), noise(0.3), np.full(RATE, 0.5), np.sign(sine(100)), np.full(RATE, np.inf), 1e6 * noise(1)],
    ids=["one sample", "0.3 s", "a constant", "clipped", "infinite", "far too loud"],
)
def test_whatever_comes_is_measured(samples: NDArray[np.float64]) -> None:
    spectrum = heard(samples)
    assert np.isfinite(spectrum.values).all() and np.isfinite(spectrum.timbre).all()
    assert set(spectrum.features()) == set(UNITS)


def test_four_hours_would_take_less_than_twenty_megabytes() -> None:
    tracemalloc.start()
    listener = SpectrumListener(RATE)
    block = noise(60).astype(np.float32)
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            listener.add(block)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) * 24 < 20e6
    assert listener.finish().values.shape == (5999, len(UNITS))
