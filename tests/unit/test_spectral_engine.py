import functools
from collections.abc import Iterator

import numpy as np
import pytest
from mir_eval.separation import bss_eval_images, bss_eval_sources

from core.engines.spectral.engine import SpectralEngine, SpectralSeparator
from core.engines.spectral.grid import Grid
from core.errors import ModelNotFound
from core.ports import SeparationSettings
from tests.multitrack import SAMPLE_RATE, SONGS, SOURCES, ArrayMixture, Audio, sdr_db
from tests.unit.synth_measures import Mono, band_limited, mono, nearest_distances, onsets_seconds

SEPARATOR = SpectralSeparator()
PIECE = Grid.at(SAMPLE_RATE).piece
IMPROVEMENT_DB = 3.0
"""What every stem must gain over the plain mixture."""

pytestmark = pytest.mark.filterwarnings("ignore:.*mir_eval.separation:FutureWarning")


def separated(mixture: ArrayMixture, start_frame: int = 0) -> Audio:
    """``[4, C, T]``."""
    return np.concatenate(list(SEPARATOR.separate(mixture, start_frame, lambda: None)), axis=2)


def some_noise(channels: int, frames: int, seed: int = 0) -> Audio:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def residual_db(stems: Audio, mixture: Audio) -> float:
    """The largest difference between the stems' sum and the mixture, relative to the mixture's peak."""
    largest = np.max(np.abs(stems.sum(axis=0, dtype=np.float64) - mixture)) / np.max(np.abs(mixture))
    return float(20 * np.log10(max(largest, 1e-30)))


@functools.cache
def song(name: str) -> tuple[Audio, Audio]:
    """The true stems and the estimated ones, ``[4, 2, T]``."""
    stems = SONGS[name].stems()
    return stems, separated(ArrayMixture(stems.sum(axis=0)))


def stem_of(name: str, source: str) -> tuple[Audio, Audio]:
    """One true stem and its estimate, ``[2, T]``."""
    stems, estimates = song(name)
    return stems[SOURCES.index(source)], estimates[SOURCES.index(source)]


# How well it separates


@pytest.mark.parametrize("name", SONGS)
def test_every_stem_gains_on_the_mixture(name: str) -> None:
    stems, estimates = song(name)
    mixture = stems.sum(axis=0)
    figures = {
        source: (sdr_db(stem, mixture), sdr_db(stem, estimate))
        for source, stem, estimate in zip(SOURCES, stems, estimates, strict=True)
    }
    gains = {source: after - before for source, (before, after) in figures.items()}
    print(name, {source: f"{before:.1f} dB -> {after:.1f} dB" for source, (before, after) in figures.items()})
    assert min(gains.values()) >= IMPROVEMENT_DB, gains


@pytest.mark.parametrize("name", ["pop", "narrow rock"])
def test_every_stem_gains_on_the_mixture_as_mir_eval_measures_it(name: str) -> None:
    stems, estimates = song(name)
    heard = stems.mean(axis=1, dtype=np.float64)
    mixture = np.repeat(heard.sum(axis=0, keepdims=True), len(SOURCES), axis=0)
    before, *_ = bss_eval_sources(heard, mixture, compute_permutation=False)
    after, *_ = bss_eval_sources(heard, estimates.mean(axis=1, dtype=np.float64), compute_permutation=False)
    gains = dict(zip(SOURCES, np.round(after - before, 2).tolist(), strict=True))
    print(name, gains)
    assert min(gains.values()) >= IMPROVEMENT_DB, gains


def test_the_measure_is_the_one_of_mir_eval() -> None:
    stems = some_noise(3, 20000).reshape(3, 20000, 1).astype(np.float64)
    estimates = stems + 0.3 * stems[::-1]
    theirs, *_ = bss_eval_images(stems, estimates, compute_permutation=False)
    ours = [sdr_db(stem, estimate) for stem, estimate in zip(stems, estimates, strict=True)]
    assert ours == pytest.approx(theirs.tolist(), abs=0.01)


@pytest.mark.parametrize("name", SONGS)
def test_the_stems_add_up_to_the_mixture(name: str) -> None:
    stems, estimates = song(name)
    assert residual_db(estimates, stems.sum(axis=0)) < -130  # measured: -141 and less


@pytest.mark.parametrize("name", SONGS)
def test_a_mono_mixture_is_separated_too(name: str) -> None:
    stems = SONGS[name].stems().mean(axis=1, keepdims=True)
    mixture = stems.sum(axis=0)
    estimates = separated(ArrayMixture(mixture))
    gains = {
        source: sdr_db(stem, estimate) - sdr_db(stem, mixture)
        for source, stem, estimate in zip(SOURCES, stems, estimates, strict=True)
    }
    assert min(gains.values()) >= IMPROVEMENT_DB, gains


# What the stems sound like


@pytest.mark.parametrize("name", SONGS)
def test_each_estimate_holds_more_of_its_own_stem_than_of_any_other(name: str) -> None:
    stems, estimates = song(name)
    for estimate, source in zip(estimates, SOURCES, strict=True):
        likeness = [abs(np.sum(estimate * stem)) / np.linalg.norm(stem) for stem in stems]
        assert SOURCES[int(np.argmax(likeness))] == source, likeness


@pytest.mark.parametrize("name", SONGS)
def test_the_bass_lies_below_250_hz_and_in_the_middle(name: str) -> None:
    _, bass = stem_of(name, "bass")
    sound = mono(bass)
    assert np.mean(band_limited(sound, 0, 250) ** 2) > 0.999 * np.mean(sound**2)
    np.testing.assert_array_equal(bass[0], bass[1])


@pytest.mark.parametrize("name", SONGS)
def test_the_drums_strike_only_when_the_drummer_does(name: str) -> None:
    drums, estimate = stem_of(name, "drums")
    struck, heard = onsets_seconds(mono(drums)), onsets_seconds(mono(estimate))
    assert len(heard) >= 0.5 * len(struck)
    in_time = [distance < 0.02 for distance in nearest_distances(struck, heard)]
    assert np.mean(in_time) > 0.9  # measured: 0.96 and more


def test_the_hi_hat_stays_with_the_drums() -> None:
    _, estimates = song("rock")
    energies = [np.mean(band_limited(mono(stem), 6000, 22050) ** 2) for stem in estimates]
    assert energies[0] > 0.9 * sum(energies)


@pytest.mark.parametrize("name", SONGS)
def test_the_voice_carries_its_own_tune(name: str) -> None:
    """Its strongest partial is that of the true voice most of the time, which the mixture's seldom is."""
    stems, estimates = song(name)
    true, heard, mixed = (spectrogram(mono(audio)) for audio in (stems[3], estimates[3], stems.sum(axis=0)))
    sung = true.max(axis=1) > 0.1 * true.max()
    in_estimate, in_mixture = (same_partial(true[sung], other[sung]) for other in (heard, mixed))
    assert in_estimate > max(0.6, 3 * in_mixture), (in_estimate, in_mixture)


def spectrogram(sound: Mono, length: int = 8192) -> Mono:
    """Magnitudes ``[T, F]`` at 5.4 Hz."""
    excerpts = np.lib.stride_tricks.sliding_window_view(sound, length)[:: length // 4]
    return np.abs(np.fft.rfft(excerpts * np.hanning(length)))


def same_partial(first: Mono, second: Mono) -> float:
    """The share of the time in which the strongest bins lie within a semitone."""
    semitones = 12 * np.log2(np.maximum(first.argmax(axis=1), 1) / np.maximum(second.argmax(axis=1), 1))
    return float(np.mean(np.abs(semitones) < 1))


# What it promises its caller


def test_names_its_sources_in_the_order_of_its_blocks() -> None:
    assert SEPARATOR.sources == SOURCES == SpectralEngine.info.default.stems
    assert SEPARATOR.complete
    assert SEPARATOR.weights is None


def test_refuses_to_load_a_model() -> None:
    with pytest.raises(ModelNotFound, match="'htdemucs'"):
        SpectralEngine().load(SeparationSettings(model="htdemucs"), lambda: None)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 2, 1000, 4095, 4097, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 12345])
def test_gives_every_frame_once_and_a_step_for_each_block(frames: int, channels: int) -> None:
    samples = some_noise(channels, frames)
    mixture = ArrayMixture(samples)
    steps: list[None] = []
    blocks = list(SEPARATOR.separate(mixture, 0, lambda: steps.append(None)))
    assert {(block.dtype, block.shape[:2]) for block in blocks} == {(np.dtype(np.float32), (4, channels))}
    assert len(blocks) == len(steps) == SEPARATOR.steps(mixture) == -(-frames // PIECE)
    stems = np.concatenate(blocks, axis=2)
    assert stems.shape == (4, channels, frames)
    assert residual_db(stems, samples) < -120


@pytest.mark.parametrize("start_frame", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 9])
def test_counts_the_steps_that_are_left(start_frame: int) -> None:
    mixture = ArrayMixture(some_noise(1, 2 * PIECE + 10))
    steps: list[None] = []
    list(SEPARATOR.separate(mixture, start_frame, lambda: steps.append(None)))
    assert SEPARATOR.steps(mixture, start_frame) == len(steps) == 3 - start_frame // PIECE


def test_has_nothing_to_do_at_the_end() -> None:
    mixture = ArrayMixture(some_noise(2, PIECE))
    assert SEPARATOR.steps(mixture, mixture.frames) == 0
    assert list(SEPARATOR.separate(mixture, mixture.frames, lambda: None)) == []


def test_the_pieces_last_about_eight_seconds() -> None:
    for sample_rate in (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000):
        assert Grid.at(sample_rate).piece / sample_rate == pytest.approx(8, abs=0.1)


def test_what_a_step_raises_ends_the_run_and_closes_the_mixture() -> None:
    class Watched(ArrayMixture):
        closed = False

        def blocks(self, start_frame: int = 0) -> Iterator[Audio]:
            try:
                yield from super().blocks(start_frame)
            finally:
                self.closed = True

    def stop() -> None:
        raise KeyError

    mixture = Watched(some_noise(2, 3 * PIECE))
    with pytest.raises(KeyError):
        next(SEPARATOR.separate(mixture, 0, stop))
    assert mixture.closed


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050, 32000, 48000, 88200, 96000, 192000])
def test_hears_the_same_at_every_sample_rate(sample_rate: int) -> None:
    """A deep tone in the middle, a higher one to the left, and clicks: the rate does not change where they go."""
    time = np.arange(3 * sample_rate) / sample_rate
    bass, lead = 0.3 * np.sin(2 * np.pi * 80 * time), 0.3 * np.sin(2 * np.pi * 900 * time)
    clicks = np.where(np.arange(len(time)) % (sample_rate // 2) == sample_rate // 4, 0.9, 0.0)
    samples = np.stack([bass + lead + clicks, bass + clicks]).astype(np.float32)
    stems = separated(ArrayMixture(samples, sample_rate))
    assert sdr_db(bass.astype(np.float32), stems[1, 0]) > 10
    assert sdr_db(lead.astype(np.float32), stems[2, 0] - stems[2, 1]) > 10
    above_the_tones = np.fft.rfftfreq(len(time), 1 / sample_rate) > 1500
    energies = [np.sum(np.abs(np.fft.rfft(stem[1])[above_the_tones]) ** 2) for stem in stems]
    assert energies[0] > 0.9 * sum(energies)


# What may come in


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(channels: int) -> None:
    assert not separated(ArrayMixture(np.zeros((channels, 50000), np.float32))).any()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level", [1e-30, 1.0, 1000.0, 1e30])
def test_a_constant_is_divided_and_stays_finite(level: float, channels: int) -> None:
    samples = np.full((channels, 30000), level, np.float32)
    stems = separated(ArrayMixture(samples))
    assert np.isfinite(stems).all()
    assert residual_db(stems, samples) < -120


@pytest.mark.parametrize("exponent", [-60, -20, 10, 60])
def test_the_level_of_a_mixture_changes_nothing_but_the_level(exponent: int) -> None:
    samples = some_noise(2, 60000)
    louder = separated(ArrayMixture(np.ldexp(samples, exponent)))
    np.testing.assert_array_equal(louder, np.ldexp(separated(ArrayMixture(samples)), exponent))


def test_two_equal_channels_are_separated_like_one() -> None:
    samples = SONGS["jazz"].stems().sum(axis=0).mean(axis=0, keepdims=True)
    once, twice = separated(ArrayMixture(samples)), separated(ArrayMixture(np.repeat(samples, 2, axis=0)))
    for channel in range(2):
        np.testing.assert_allclose(twice[:, channel], once[:, 0], atol=1e-6)


def test_swapping_the_channels_swaps_those_of_the_stems() -> None:
    samples = some_noise(2, 60000)
    swapped = separated(ArrayMixture(samples[::-1]))
    np.testing.assert_allclose(swapped[:, ::-1], separated(ArrayMixture(samples)), atol=1e-6)
