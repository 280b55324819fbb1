"""The path and the posteriors against the sum over every possible path."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from core.analysis.harmony.decoding import likeliest_path, posteriors

Matrix = NDArray[np.float32]
FRAMES, STATES = 6, 3


def example(seed: int) -> tuple[Matrix, Matrix, Matrix]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1.5, (FRAMES, STATES)).astype(np.float32)
    starts = rng.dirichlet(np.ones(STATES)).astype(np.float32)
    return scores, rng.uniform(0.2, 0.95, FRAMES).astype(np.float32), starts


def log_chance(path: tuple[int, ...], scores: Matrix, stays: Matrix, starts: Matrix) -> float:
    total = float(np.log(starts[path[0]]) + scores[0, path[0]])
    for frame in range(1, FRAMES):
        stayed = path[frame] == path[frame - 1]
        total += float(np.log(stays[frame] * stayed + (1 - stays[frame]) / STATES) + scores[frame, path[frame]])
    return total


@pytest.mark.parametrize("seed", range(5))
def test_posteriors_are_those_of_all_paths_together(seed: int) -> None:
    paths = list(product(range(STATES), repeat=FRAMES))
    chances = np.exp([log_chance(path, *example(seed)) for path in paths])
    expected = np.zeros((FRAMES, STATES))
    for path, chance in zip(paths, chances / chances.sum(), strict=True):
        expected[range(FRAMES), path] += chance
    assert np.allclose(posteriors(*example(seed)), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_no_path_is_likelier_than_the_one_found(seed: int) -> None:
    found = log_chance(tuple(likeliest_path(*example(seed)).tolist()), *example(seed))
    best = max(log_chance(path, *example(seed)) for path in product(range(STATES), repeat=FRAMES))
    assert found == pytest.approx(best, abs=1e-4)


def test_a_single_frame_is_the_likeliest_state() -> None:
    scores, even = np.array([[0.0, 2.0, 1.0]], np.float32), np.full(3, 1 / 3, np.float32)
    assert likeliest_path(scores, np.ones(1, np.float32) / 2, even).tolist() == [1]
    assert posteriors(scores, np.ones(1, np.float32) / 2, even)[0].argmax() == 1


def test_a_flicker_is_not_followed_and_a_change_is() -> None:
    scores = np.zeros((40, 2), np.float32)
    scores[:20, 0], scores[20:, 1], scores[10, 1] = 1.0, 1.0, 2.0
    stays, even = np.full(40, 0.95, np.float32), np.full(2, 0.5, np.float32)
    assert likeliest_path(scores, stays, even).tolist() == [0] * 20 + [1] * 20


def test_scores_far_apart_are_no_trouble() -> None:
    scores = np.array([[0, -2000], [-3000, 0], [0, -1e4]], np.float32)
    stays, even = np.full(3, 0.999, np.float32), np.full(2, 0.5, np.float32)
    assert np.isfinite(posteriors(scores, stays, even)).all()
    assert likeliest_path(scores, stays, even).tolist() == [0, 1, 0]
