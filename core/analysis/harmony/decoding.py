"""The likeliest path through a hidden Markov model whose changes are all alike.

From one frame to the next a state stays with a given probability, which may differ from frame to frame, and else
changes to any of them. What a full table of transitions would cost S² steps a frame so costs S (Viterbi 1967; forward
and backward after Rabiner 1989, *A tutorial on hidden Markov models*).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def likeliest_path(log_likelihoods: Matrix, stays: Matrix, starts: Matrix) -> NDArray[np.intp]:
    """The states ``[N]`` that together explain frames ``[N, S]`` best.

    ``stays`` ``[N]`` holds, between 0 and 1, the probability that a frame's state is that of the frame before, and
    ``starts`` ``[S]`` that of each state in the first.
    """
    frames, states = log_likelihoods.shape
    changes = (1 - stays) / states
    log_stays, log_changes = np.log(stays + changes), np.log(changes)
    stayed = np.ones((frames, states), bool)
    origins = np.zeros(frames, np.intp)
    best = np.log(starts.astype(np.float64)) + log_likelihoods[0]
    for frame in range(1, frames):
        origins[frame] = best.argmax()
        staying, changing = best + log_stays[frame], best[origins[frame]] + log_changes[frame]
        stayed[frame] = staying >= changing
        best = np.maximum(staying, changing) + log_likelihoods[frame]
    path = np.empty(frames, np.intp)
    path[-1] = best.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = path[frame] if stayed[frame, path[frame]] else origins[frame]
    return path


def posteriors(log_likelihoods: Matrix, stays: Matrix, starts: Matrix) -> Matrix:
    """The probability of each state in each frame ``[N, S]``, all frames known."""
    frames, states = log_likelihoods.shape
    likelihoods = np.exp(log_likelihoods - log_likelihoods.max(axis=1, keepdims=True))
    changes = (1 - stays) / states
    forward = np.empty((frames, states), np.float32)
    before = starts
    for frame in range(frames):
        expected = before * stays[frame] + changes[frame] if frame else starts
        before = expected * likelihoods[frame]
        before /= before.sum()
        forward[frame] = before
    after = np.ones(states, np.float32)
    for frame in range(frames - 1, 0, -1):
        ahead = after * likelihoods[frame]
        after = ahead * (stays[frame] / ahead.sum()) + changes[frame]
        forward[frame - 1] *= after
    forward /= forward.sum(axis=1, keepdims=True)
    return forward
