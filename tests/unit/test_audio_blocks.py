"""Blocks of another length hold the same samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.audio.blocks import even


@given(lengths=st.lists(st.integers(0, 50), max_size=12), frames=st.integers(1, 20))
def test_blocks_are_of_one_length_but_for_the_last_and_hold_the_same_samples(lengths: list[int], frames: int) -> None:
    samples = np.arange(2 * sum(lengths), dtype=np.float32).reshape(2, -1)
    parts = np.split(samples, np.cumsum(lengths)[:-1], axis=1) if lengths else []
    found = list(even(parts, frames))
    assert all(block.shape[1] == frames for block in found[:-1])
    assert all(0 < block.shape[1] <= frames for block in found[-1:])
    np.testing.assert_array_equal(np.concatenate([np.zeros((2, 0), np.float32), *found], axis=1), samples)
