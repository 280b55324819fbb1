"""What is learned from: of three segments in a row, the one between the other two."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.errors import TrainingError
from training.latents import Track

SEGMENTS = 3
"""Track 1, what lies between, and track 2."""

Batch = tuple[Tensor, Tensor, Tensor]
"""Latents ``[B, D, T]`` of track 1, of track 2, and of what lies between them."""


def split(tracks: Sequence[Track], validation_share: float, seed: int) -> tuple[list[Track], list[Track]]:
    """Tracks to train with and tracks to validate with; no track is in both, and each has at least one.

    Each track draws a number from its own content and the seed, so that one that is added moves no other.

    Raises ``TrainingError`` for fewer than two tracks.
    """
    if len(tracks) < 2:
        left = "one track is" if tracks else "nothing is"
        raise TrainingError(f"{left} left of the music, and two tracks are needed: to train and to validate with")
    ordered = sorted(tracks, key=lambda track: _draw(track, seed))
    count = sum(_draw(track, seed) < validation_share for track in ordered)
    count = min(max(count, 1), len(ordered) - 1)
    return ordered[count:], ordered[:count]


class Examples:
    """The examples of some tracks, in one order."""

    def __init__(self, tracks: Sequence[Track], segment_frames: int, stride_frames: int) -> None:
        """One example begins every ``stride_frames`` of a track, as long as three segments follow."""
        self.tracks = list(tracks)
        self._length = segment_frames
        self._places = [
            (track, start)
            for track in self.tracks
            for start in range(0, track.frames - SEGMENTS * segment_frames + 1, stride_frames)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def batch(self, indices: Sequence[int], swapped: Sequence[bool] | None = None) -> Batch:
        """These examples; of those that are ``swapped``, track 1 and track 2 have changed places."""
        turned = swapped or [False] * len(indices)
        segments = [self._segments(index)[:: -1 if turn else 1] for index, turn in zip(indices, turned, strict=True)]
        batch = torch.from_numpy(np.stack(segments)).transpose(2, 3)  # [B, 3, D, T]
        return batch[:, 0], batch[:, 2], batch[:, 1]

    def _segments(self, index: int) -> NDArray[np.float32]:
        """``[3, T, D]``."""
        track, start = self._places[index]
        latents = track.open()[start : start + SEGMENTS * self._length]
        return latents.reshape(SEGMENTS, self._length, -1).astype(np.float32)


def epoch_order(count: int, seed: int, epoch: int) -> tuple[list[int], list[bool]]:
    """The order of the examples in an epoch, and which of them are swapped, half of them on average.

    Both follow from the seed and the epoch alone: a run that is continued needs to keep no generator for them.
    """
    draw = np.random.default_rng([seed, epoch])
    return draw.permutation(count).tolist(), (draw.random(count) < 0.5).tolist()


def _draw(track: Track, seed: int) -> float:
    """0 to 1, evenly."""
    digest = hashlib.sha256(f"{seed}:{track.digest}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
