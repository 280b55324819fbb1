from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.musicgen.windows import FADE_SECONDS, TAIL_SECONDS, Assembly, Window, plan_windows

if TYPE_CHECKING:
    from core.ports import Block

RATE, SAMPLE_RATE = 50, 1000


@pytest.mark.parametrize(
    ("duration", "tempo", "prompt", "windows"),
    [
        # one window is enough, with what it goes on from
        (8.0, 120, 0, [Window(0, 0, 400, None)]),
        (30.0, 120, 0, [Window(0, 0, 1500, None)]),
        (20.0, 120, 500, [Window(-500, 0, 1000, None)]),
        (1.01, 120, 0, [Window(0, 0, 51, None)]),
        (1.1, 120, 0, [Window(0, 0, 55, None)]),
        # the last beat before 28.5 s, twelve seconds before it, and ten more from there
        (31.0, 120, 0, [Window(0, 0, 1433, 28.5), Window(822, 1422, 1550, None)]),
        (31.0, 100, 0, [Window(0, 0, 1418, 28.2), Window(807, 1407, 1550, None)]),
        (31.0, 30, 0, [Window(0, 0, 1408, 28.0), Window(797, 1397, 1550, None)]),
        (31.0, 290, 0, [Window(0, 0, 1425, 28.344827586206897), Window(814, 1414, 1550, None)]),
        (31.0, None, 0, [Window(0, 0, 1433, 28.5), Window(822, 1422, 1550, None)]),
        # what a stem goes on from is part of the first window, and of the prompt of the next as far as it reaches
        (25.0, 60, 500, [Window(-500, 0, 908, 18.0), Window(297, 897, 1250, None)]),
        (
            60.0,
            120,
            0,
            [Window(0, 0, 1433, 28.5), Window(822, 1422, 2233, 44.5), Window(1622, 2222, 3000, None)],
        ),
    ],
)
def test_windows(duration: float, tempo: float | None, prompt: int, windows: list[Window]) -> None:
    assert plan_windows(duration, 30.0, tempo, RATE, prompt) == windows


@given(
    duration=st.floats(0.5, 600),
    window_seconds=st.sampled_from([1.0, 2.5, 10.0, 30.0]),
    tempo=st.none() | st.floats(30, 300),
    prompt_share=st.floats(0, 0.4),
)
def test_every_plan_is_a_way_from_the_first_frame_to_the_last(
    duration: float, window_seconds: float, tempo: float | None, prompt_share: float
) -> None:
    prompt = int(prompt_share * window_seconds * RATE)
    windows = plan_windows(duration, window_seconds, tempo, RATE, prompt)
    assert (windows[0].start, windows[0].first) == (-prompt, 0)
    assert windows[-1].join_seconds is None
    assert math.isclose(windows[-1].end, duration * RATE, abs_tol=1)
    for window in windows:
        assert -prompt <= window.start <= window.first < window.end <= window.start + window_seconds * RATE
    for window, following in itertools.pairwise(windows):
        assert window.join_seconds is not None
        fade_start, fade_end = window.join_seconds - FADE_SECONDS / 2, window.join_seconds + FADE_SECONDS / 2
        assert window.first < following.first <= fade_start * RATE + 1e-6
        assert (fade_end + TAIL_SECONDS) * RATE <= window.end + 1e-6
        beats = window.join_seconds * (tempo or 0) / 60
        period = 60 / tempo if tempo else math.inf
        if period < window_seconds / 4:  # or a window may be too short to have a beat where it can be joined
            assert math.isclose(beats, round(beats), abs_tol=1e-6)


def test_a_window_too_short_to_go_on_from_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        plan_windows(2.0, 0.3, 120, RATE)


def blocks_of(samples: Block, length: int) -> list[Block]:
    return [samples[:, start : start + length] for start in range(0, samples.shape[1], length)]


@pytest.mark.parametrize("length", [1, 7, 64, 1000])
def test_the_takes_are_joined_where_they_should_be_whatever_the_blocks_are(length: int) -> None:
    older, newer = np.full((2, 1200), 3.0, np.float32), np.full((2, 900), 5.0, np.float32)
    assembly = Assembly(1500, SAMPLE_RATE)
    made = [assembly.add(block) for block in blocks_of(older[:, :800], length)]
    assembly.join(older[:, 800:], join_seconds=1.0)
    made += [assembly.add(block) for block in blocks_of(newer, length)]
    stem = np.concatenate(made, axis=1)

    assert stem.shape == (2, 1500)
    assert stem.dtype == np.float32
    half = int(FADE_SECONDS / 2 * SAMPLE_RATE)
    assert (stem[:, : 1000 - half] == 3).all()
    assert (stem[:, 1000 + half :] == 5).all()
    share = (np.arange(2 * half) + 0.5) / (2 * half)
    expected = 3 * np.cos(np.pi / 2 * share) + 5 * np.sin(np.pi / 2 * share)
    np.testing.assert_allclose(stem[0, 1000 - half : 1000 + half], expected, rtol=1e-6)


def test_the_power_of_takes_that_have_nothing_to_do_with_each_other_stays_the_same() -> None:
    rng = np.random.default_rng(0)
    power = np.zeros(200)
    for _ in range(400):
        older, newer = (rng.standard_normal((1, 400)).astype(np.float32) for _ in range(2))
        assembly = Assembly(400, SAMPLE_RATE)
        assembly.join(older, join_seconds=0.2)
        power += assembly.add(newer)[0, 100:300] ** 2 / 400
    assert abs(power.reshape(10, 20).mean(axis=1) - 1).max() < 0.1


def test_what_the_stem_goes_on_from_and_what_is_beyond_its_end_is_left_out() -> None:
    samples = np.arange(100, dtype=np.float32)[None]
    for length in (1, 9, 100):
        assembly = Assembly(50, SAMPLE_RATE, position=-30)
        stem = np.concatenate([assembly.add(block) for block in blocks_of(samples, length)], axis=1)
        assert np.array_equal(stem[0], np.arange(30, 80))
