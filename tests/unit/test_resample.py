"""Another sample rate: the right length, no delay, and the same samples from wherever one begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr

from core.audio.resample import ResampledMixture, cut, resample, resampled_frames
from core.ports import Mixture

if TYPE_CHECKING:
    from core.ports import Block
    from tests.demucs_models import ArrayMixture

RATES = [(48000, 44100), (44100, 48000), (8000, 44100), (96000, 44100), (22050, 44100), (44100, 11025)]


def mixture(frames: int, sample_rate: int) -> ArrayMixture:
    from tests.demucs_models import ArrayMixture, music

    return ArrayMixture(music(frames, sample_rate), sample_rate)


def whole(source: Mixture, start_frame: int = 0) -> Block:
    return np.concatenate(list(source.blocks(start_frame)), axis=1)


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
def test_it_has_the_exact_length_and_the_samples_of_one_call(source_rate: int, target_rate: int) -> None:
    source = mixture(round(2.345 * source_rate), source_rate)
    target = ResampledMixture(source, target_rate)
    got = whole(target)
    expected = soxr.resample(source.samples.T, source_rate, target_rate, "VHQ").T
    assert got.shape == (2, target.frames)
    assert target.frames == resampled_frames(source.frames, source_rate, target_rate)
    np.testing.assert_allclose(got[:, : expected.shape[1]], expected[:, : got.shape[1]], atol=1e-6)


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
def test_a_tone_comes_out_without_delay(source_rate: int, target_rate: int) -> None:
    from tests.demucs_models import ArrayMixture

    tone = lambda rate: np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)[None]  # noqa: E731 - one line
    got = whole(ResampledMixture(ArrayMixture(tone(source_rate), source_rate), target_rate))
    middle = slice(target_rate // 4, target_rate // 2)
    np.testing.assert_allclose(got[:, middle], tone(target_rate)[:, middle], atol=1e-4)


@pytest.mark.parametrize(("source_rate", "target_rate"), RATES)
@pytest.mark.parametrize("start_seconds", [0.3, 1.0, 1.7, 2.999, 4.2])
def test_from_any_frame_on_it_is_the_run_from_the_start(
    source_rate: int, target_rate: int, start_seconds: float
) -> None:
    target = ResampledMixture(mixture(round(4.5 * source_rate), source_rate), target_rate)
    start = int(start_seconds * target_rate) + 1
    np.testing.assert_allclose(whole(target, start), whole(target)[:, start:], atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 50])
def test_even_a_few_frames_have_their_length(frames: int) -> None:
    target = ResampledMixture(mixture(frames, 48000), 44100)
    assert whole(target).shape == (2, target.frames)


def test_there_and_back_is_where_it_began() -> None:
    source = mixture(70001, 32000)
    there = resample(iter([source.samples]), 32000, 44100, 2)
    back = np.concatenate(list(cut(resample(there, 44100, 32000, 2), 0, 70001)), axis=1)
    inner = slice(500, -500)  # at the ends there is a step, which no rate carries
    np.testing.assert_allclose(back[:, inner], source.samples[:, inner], atol=1e-4)


def test_the_source_is_closed_when_the_reader_stops() -> None:
    closed = []

    class Watched:
        sample_rate, channels, frames, mean, standard_deviation = 48000, 1, 480000, 0.0, 1.0

        def blocks(self, start_frame: int = 0) -> Iterator[Block]:
            try:
                while True:
                    yield np.zeros((1, 4800), np.float32)
            finally:
                closed.append(True)

    blocks = ResampledMixture(Watched(), 44100).blocks()
    next(blocks)
    blocks.close()
    assert closed == [True]


def test_a_cut_skips_across_blocks_and_fills_up() -> None:
    blocks = [np.arange(3, dtype=np.float32)[None], np.arange(3, 6, dtype=np.float32)[None]]
    np.testing.assert_array_equal(np.concatenate(list(cut(blocks, 2, 2)), axis=1), [[2, 3]])
    np.testing.assert_array_equal(np.concatenate(list(cut(blocks, 4, 4)), axis=1), [[4, 5, 0, 0]])
