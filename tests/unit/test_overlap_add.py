"""Overlapping windows add up to a weighted mean, piece by piece."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audio.overlap_add import OverlapAdd, triangle


@pytest.mark.parametrize("length", [1, 2, 5, 8, 1001])
def test_the_weights_rise_to_one_in_the_middle_and_are_never_zero(length: int) -> None:
    weights = triangle(length)
    assert weights.size == length
    assert weights.max() == 1
    assert weights.min() > 0
    assert np.argmax(weights) in (length // 2 - 1, length // 2)


@given(
    frames=st.integers(1, 200), length=st.integers(1, 40), overlap=st.floats(0, 0.5), pieces=st.integers(1, 7),
    start=st.integers(0, 30),
)  # fmt: skip
def test_windows_of_one_signal_give_the_signal_back(
    frames: int, length: int, overlap: float, pieces: int, start: int
) -> None:
    signal = np.random.default_rng(frames).standard_normal((2, frames)).astype(np.float32)
    stride = max(int((1 - overlap) * length), 1)
    position = min(start, frames - 1)
    added = OverlapAdd((2,), triangle(length), position)
    taken = []
    for number, first in enumerate(range(0, frames, stride)):
        added.add(first, signal[:, first : first + length])
        finished = min(first + stride, frames)
        if number % pieces == 0 and finished > added.position:
            taken.append(added.take(finished))
    taken.append(added.take(frames))
    np.testing.assert_allclose(np.concatenate(taken, axis=1), signal[:, position:], atol=1e-6)


def test_where_windows_overlap_each_counts_by_its_weight() -> None:
    added = OverlapAdd((), np.array([1, 3], np.float32))
    added.add(0, np.array([10, 20], np.float32))
    added.add(1, np.array([40, 50], np.float32))
    np.testing.assert_allclose(added.take(3), [10, (3 * 20 + 1 * 40) / 4, 50])


def test_a_frame_that_no_window_covered_is_refused() -> None:
    added = OverlapAdd((), triangle(4))
    added.add(0, np.ones(4, np.float32))
    added.add(6, np.ones(4, np.float32))
    with pytest.raises(ValueError, match="no window covered all of 0 to 7"):
        added.take(7)
    with pytest.raises(ValueError, match="0 to 11"):
        added.take(11)


def test_what_was_taken_is_not_held() -> None:
    added = OverlapAdd((), triangle(10))
    for first in range(0, 10_000, 5):
        added.add(first, np.ones(10, np.float32))
        added.take(first + 5)
    assert added._sum.base is None
    assert added._sum.size == 5
