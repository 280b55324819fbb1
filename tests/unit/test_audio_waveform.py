import math

import numpy as np
import pytest

from core.audio.waveform import db_to_gain, fade_curve, fade_edges, gain_for_peak, gain_to_db, peak, scale


def test_peak_looks_at_both_signs_and_all_channels() -> None:
    assert peak(np.array([[0.1, 0.2], [-0.7, 0.3]], np.float32)) == pytest.approx(0.7)
    assert peak(np.zeros((2, 0), np.float32)) == 0
    assert math.isnan(peak(np.array([[0.0, np.nan]], np.float32)))


def test_a_gain_brings_the_peak_to_its_target_and_leaves_silence_alone() -> None:
    block = np.array([[0.25, -0.5]], np.float32)
    assert peak(scale(block, gain_for_peak(peak(block), 0.8))) == pytest.approx(0.8)
    assert gain_for_peak(0.0, 0.8) == 1
    assert scale(block, 2.0).dtype == np.float32


def test_decibels_and_factors_are_inverse() -> None:
    assert db_to_gain(-20) == pytest.approx(0.1)
    assert gain_to_db(db_to_gain(-7.3)) == pytest.approx(-7.3)
    assert gain_to_db(0) == -math.inf


def test_a_fade_rises_smoothly_from_zero() -> None:
    curve = fade_curve(1000)
    assert curve[0] == 0
    assert curve[500] == pytest.approx(0.5)
    assert np.all(np.diff(curve) >= 0)
    assert np.max(np.diff(curve)) < 2 / 1000


@pytest.mark.parametrize("block_frames", [1, 7, 100, 1000])
@pytest.mark.parametrize(("total", "fade", "effective"), [(1000, 100, 100), (1000, 400, 250), (10, 100, 2), (1, 5, 0)])
def test_edges_fade_whatever_the_blocks(block_frames: int, total: int, fade: int, effective: int) -> None:
    blocks = (np.ones((2, min(block_frames, total - start)), np.float32) for start in range(0, total, block_frames))
    faded = np.concatenate(list(fade_edges(blocks, total, fade)), axis=1)
    assert faded.shape == (2, total)
    np.testing.assert_array_equal(faded[:, :effective], np.tile(fade_curve(effective), (2, 1)))
    np.testing.assert_array_equal(faded, faded[:, ::-1])
    assert np.all(faded[:, effective : total - effective] == 1)
