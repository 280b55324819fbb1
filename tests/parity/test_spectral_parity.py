"""The fast path (sorting networks, batches in float32, streaming in pieces) against the plain one.

Plain means: float64, ``np.median`` over every window, one Fourier transform after the other, a mask for each of the
four stems, and the whole mixture at once. Tolerances are absolute, at full scale 1.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.engines.spectral.engine import SpectralSeparator
from core.engines.spectral.grid import Grid
from core.engines.spectral.masks import (
    CONTEXT_HOPS,
    CROSSOVER_HZ,
    HIGH_STRIDE,
    LOW_STRIDE,
    STEADY_SHARE,
    TIME_STRIDE,
    crossover,
)
from core.engines.spectral.medians import TAPS, running_median
from core.engines.spectral.stft import analyse, synthesise
from core.engines.spectral.windows import windows
from tests.multitrack import SAMPLE_RATE, SONGS, ArrayMixture, Audio

Plain = NDArray[np.float64]
PlainSpectra = NDArray[np.complex128]
SEPARATOR = SpectralSeparator()
GRID = Grid.at(SAMPLE_RATE)


def separated(mixture: ArrayMixture, start_frame: int = 0) -> Audio:
    return np.concatenate(list(SEPARATOR.separate(mixture, start_frame, lambda: None)), axis=2)


def music(channels: int = 2, seconds: float = 20.0, sample_rate: int = SAMPLE_RATE) -> Audio:
    """A song of known stems, mixed, and repeated to the length. Another rate only plays it faster or slower."""
    mixture = SONGS["pop"].stems().sum(axis=0)[:channels]
    return np.tile(mixture, 4)[:, : round(seconds * sample_rate)]


# The parts


def plain_median(values: Plain, stride: int) -> Plain:
    rows = [values[start : start + (TAPS - 1) * stride + 1 : stride] for start in range(len(values) - 8 * stride)]
    return np.stack([np.median(row, axis=0) for row in rows])


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("levels", [2, 5, 2**20])
def test_a_median_is_the_one_that_sorting_finds(stride: int, levels: int) -> None:
    values = np.random.default_rng(levels).integers(0, levels, (60, 500)).astype(np.float32)
    np.testing.assert_array_equal(running_median(values, stride), plain_median(values, stride))
    np.testing.assert_array_equal(running_median(values.T, stride).T, plain_median(values.T, stride).T)


def test_a_median_is_right_whatever_the_order_of_its_nine_values() -> None:
    """A network of minima and maxima sorts all values if it sorts all patterns of 0 and 1 (Knuth, 5.3.4)."""
    patterns = (np.arange(2**TAPS) >> np.arange(TAPS)[:, np.newaxis] & 1).astype(np.float32)
    np.testing.assert_array_equal(running_median(patterns, 1)[0], patterns.sum(axis=0) > TAPS // 2)


def hann(length: int) -> Plain:
    return np.sin(np.pi * np.arange(length) / length) ** 2


def plain_spectra(samples: Plain, hop: int) -> PlainSpectra:
    starts = range(0, samples.shape[1] - 4 * hop + 1, hop)
    spectra = [np.fft.rfft(samples[:, start : start + 4 * hop] * hann(4 * hop)) for start in starts]
    return np.stack(spectra, axis=1) / np.sqrt(4 * hop)


def plain_signal(spectra: PlainSpectra, hop: int) -> Plain:
    channels, count, _ = spectra.shape
    samples = np.zeros((channels, (count + 3) * hop))
    for index in range(count):
        window = np.fft.irfft(spectra[:, index] * np.sqrt(4 * hop), 4 * hop) * hann(4 * hop) / 1.5
        samples[:, index * hop : index * hop + 4 * hop] += window
    return samples[:, 3 * hop : -3 * hop]


@pytest.mark.parametrize("hop", [192, 1024, 1280])
def test_the_transform_is_the_one_that_is_made_window_by_window(hop: int) -> None:
    samples = music(seconds=20 * hop / SAMPLE_RATE)
    spectra = analyse(samples, hop)
    plain = plain_spectra(samples.astype(np.float64), hop)
    assert spectra.dtype == np.complex64
    np.testing.assert_allclose(spectra, plain, rtol=0, atol=1e-6)  # measured: 4.4e-7, of a spectrum that reaches 4.9
    back = synthesise(spectra, hop)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, plain_signal(plain, hop), rtol=0, atol=4e-7)  # measured: 1.8e-7
    np.testing.assert_allclose(back, samples[:, 3 * hop : -3 * hop], rtol=0, atol=4e-7)  # measured: 1.8e-7


@pytest.mark.parametrize("first_frame", [0, 300, 2300])
@pytest.mark.parametrize("block_frames", [1, 999, 100_000])
def test_windows_are_slices_of_the_padded_mixture(first_frame: int, block_frames: int) -> None:
    samples = music(seconds=0.05)
    padded = np.pad(samples, ((0, 0), (100, 5000)))
    read = windows(ArrayMixture(samples, block_frames=block_frames), first_frame, 300, 100)
    for start, window in zip(range(first_frame, 4000, 300), read, strict=False):
        np.testing.assert_array_equal(window, padded[:, start : start + 500])


# The whole


def plain_separation(samples: Audio, sample_rate: int) -> Plain:
    """``[4, C, T]``."""
    grid = Grid.at(sample_rate)
    left = grid.hop * (CONTEXT_HOPS + 3)
    hops = -(-samples.shape[1] // grid.hop)
    padded = np.pad(samples.astype(np.float64), ((0, 0), (left, left + hops * grid.hop - samples.shape[1])))
    spectra = plain_spectra(padded, grid.hop)
    mid = spectra.mean(axis=0)
    side = spectra[0] - mid
    inner = slice(CONTEXT_HOPS, -CONTEXT_HOPS)
    masks = plain_masks(mid, side, grid.frequencies_hz(sample_rate))
    stems = [(mask * mid[inner], own_side * side[inner]) for mask, own_side in masks]
    channels = [[stem[0] + stem[1], stem[0] - stem[1]][: len(samples)] for stem in stems]
    return np.stack([plain_signal(np.stack(stem), grid.hop)[:, : samples.shape[1]] for stem in channels])


def plain_masks(
    mid: PlainSpectra, side: PlainSpectra, frequencies_hz: NDArray[np.float32]
) -> Sequence[tuple[Plain, Plain]]:
    """For drums, bass, other and vocals, the masks of mid and side; both add up to 1."""
    energy = np.abs(mid) ** 2 + np.abs(side) ** 2
    inner = slice(CONTEXT_HOPS, -CONTEXT_HOPS)
    held = plain_median(np.sqrt(energy), TIME_STRIDE) ** 2
    mirrored = np.pad(np.sqrt(energy)[inner], ((0, 0), (8, 8)), mode="reflect").T
    narrow = plain_median(mirrored[4:-4], LOW_STRIDE)
    wide = plain_median(mirrored, HIGH_STRIDE)
    low = frequencies_hz < CROSSOVER_HZ[1]
    struck = np.where(low[:, np.newaxis], narrow, wide).T ** 2

    drums = struck / (held + struck + 1e-30)
    around_mid, around_side = neighbourhood(np.abs(mid) ** 2), neighbourhood(np.abs(side) ** 2)
    similarity = np.maximum(around_mid - around_side, 0) / (around_mid + around_side + 1e-30)
    tonal = (1 - drums) * similarity[inner]
    bass = tonal * crossover(frequencies_hz)
    steadiness = np.minimum(held / (energy[inner] + 1e-30), 1)
    vocals = (tonal - bass) * (1 - STEADY_SHARE * steadiness)
    nothing = np.zeros_like(drums)
    return [(drums, drums), (bass, nothing), (1 - drums - bass - vocals, 1 - drums), (vocals, nothing)]


def neighbourhood(power: Plain) -> Plain:
    return sliding_window_view(np.pad(power, 1), (3, 3)).sum(axis=(2, 3))


@pytest.mark.parametrize(("channels", "sample_rate"), [(2, 44100), (1, 44100), (2, 8000), (1, 48000)])
def test_pieces_give_what_the_whole_mixture_gives_at_once(channels: int, sample_rate: int) -> None:
    samples = music(channels, 17.3, sample_rate)
    plain = plain_separation(samples, sample_rate)
    streamed = separated(ArrayMixture(samples, sample_rate))
    np.testing.assert_allclose(plain.sum(axis=0), samples, rtol=0, atol=1e-12)
    np.testing.assert_allclose(streamed, plain, rtol=0, atol=6e-7)  # measured: 2.9e-7


@pytest.mark.parametrize("channels", [1, 2])
def test_a_run_from_anywhere_gives_the_samples_of_a_run_from_the_start(channels: int) -> None:
    samples = music(channels, 20)
    whole = separated(ArrayMixture(samples))
    near_pieces = [GRID.piece + offset for offset in (-1, 0, 1)]
    near_chunks = [GRID.chunk + offset for offset in (-1, 0, 1)]
    anywhere = np.random.default_rng(channels).integers(0, samples.shape[1], 5).tolist()
    for start_frame in (1, *near_pieces, *near_chunks, *anywhere, samples.shape[1] - 1):
        np.testing.assert_array_equal(separated(ArrayMixture(samples), start_frame), whole[:, :, start_frame:])


@pytest.mark.parametrize("block_frames", [1000, 44100, 10_000_000])
def test_samples_do_not_depend_on_the_blocks_that_are_read(block_frames: int) -> None:
    samples = music(2, 20)
    in_blocks = separated(ArrayMixture(samples, block_frames=block_frames))
    np.testing.assert_array_equal(in_blocks, separated(ArrayMixture(samples)))
